//! On PostgreSQL: sweeps and looks whose cost must not grow with what is kept find their rows by an
//! index, in its order. (SQLite's are checked beside its engine.)

use crate::support::Stores;
use crate::support::behind::Database;

/// As every pooled session is set, so that a plan which scans shows only where there is no other.
const SESSION: &str = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off";

#[tokio::test(flavor = "multi_thread")]
async fn no_sweep_scans_a_table_or_sorts_one() {
    let stores: Stores = crate::support::engines::postgres().await;
    let Database::Postgres(database) = &stores.database else { unreachable!() };
    let client = database.client().await;
    client.batch_execute(SESSION).await.unwrap();
    let place = "'2026-01-01'::timestamptz";
    for (statement, arguments) in [
        (include_str!("../../src/postgres/sql/published_before.sql"), &["300"][..]),
        (include_str!("../../src/postgres/sql/purge_published.sql"), &["300", "200"]),
        (include_str!("../../src/postgres/sql/sweep_history.sql"), &["300", "200"]),
        (include_str!("../../src/postgres/sql/sweep_executions.sql"), &["300", place, "7", "200"]),
        (include_str!("../../src/postgres/sql/sweep_terminal.sql"), &["300", place, "7::bigint", "200"]),
        (include_str!("../../src/postgres/sql/sweep_deleted_tasks.sql"), &["300", "200"]),
        (include_str!("../../src/postgres/sql/ended_by_token.sql"), &["'t'", "'x'", "gen_random_uuid()", "100"]),
    ] {
        let mut statement = statement.to_owned();
        for (n, argument) in (1..).zip(arguments) {
            statement = statement.replace(&format!("${n}"), argument);
        }
        let rows = client.query(&format!("EXPLAIN {statement}"), &[]).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let scan = plan.iter().find(|line| line.contains("Seq Scan"));
        assert!(scan.is_none(), "{scan:?} in {}", plan.join("\n"));
    }
}
