//! Behind the stores: what no command brings about.

use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use task_testkit::pg::TestDatabase;
use task_testkit::sqlite::TempDatabase;

/// Where the tables are; gone when the last clone is dropped.
#[derive(Clone)]
pub(crate) enum Database {
    Sqlite(Arc<TempDatabase>),
    Postgres(Arc<TestDatabase>),
}

impl Database {
    /// Runs a statement. It names tables with their schema, `task.`, which only one engine has.
    pub(crate) async fn execute(&self, statement: &str) {
        match self {
            Self::Sqlite(file) => {
                let mut connection = SqliteConnection::establish(&file.path().to_string_lossy()).unwrap();
                connection.batch_execute("PRAGMA busy_timeout = 20000").unwrap();
                connection.batch_execute(&statement.replace("task.", "")).unwrap();
            }
            Self::Postgres(database) => database.client().await.batch_execute(statement).await.unwrap(),
        }
    }

    /// Makes an instant of some rows older.
    pub(crate) async fn date_back(&self, table: &str, column: &str, seconds: i64, rows: &str) {
        let age = match self {
            Self::Sqlite(_) => format!("{seconds} * 1000000"),
            Self::Postgres(_) => format!("make_interval(secs => {seconds})"),
        };
        self.execute(&format!("UPDATE task.{table} SET {column} = {column} - {age} WHERE {rows}")).await;
    }
}
