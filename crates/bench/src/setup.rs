//! What a run works with: the program, a fresh database for each scenario, and how much of everything.

use std::path::PathBuf;
use std::time::Duration;

use task_testkit::sqlite::{TempDatabase, temp_database};
use tokio_postgres::NoTls;

use crate::Result;
use crate::instance::Instance;

/// How much of everything.
#[derive(Debug, Clone)]
pub struct Scale {
    /// Of each loop.
    pub time: Duration,
    pub connections: usize,
    pub users: u64,
    /// Tasks that are queued before claims of one, and before claims of many, are measured.
    pub queued: (u64, u64),
    /// Listeners of one task's progress, then of a hundred tasks together.
    pub listeners: (usize, usize),
    pub long_polls: usize,
    /// Single measurements of what is not a loop: steps, wake-ups and cancels.
    pub samples: usize,
    /// The long queue.
    pub large_queue: u64,
    /// Rows of finished tasks.
    pub large_behind: u64,
    /// How long the snapshot is held.
    pub pinned: Duration,
}

impl Scale {
    /// For figures.
    pub fn full(time: Duration) -> Self {
        Self {
            time,
            connections: 16,
            users: 1000,
            queued: (100_000, 400_000),
            listeners: (1000, 10_000),
            long_polls: 500,
            samples: 300,
            large_queue: 1_000_000,
            large_behind: 10_000_000,
            pinned: Duration::from_secs(60),
        }
    }

    /// Only to see that everything still works.
    pub fn tiny() -> Self {
        let time = Duration::from_millis(100);
        Self {
            time,
            connections: 2,
            users: 3,
            queued: (300, 1000),
            listeners: (3, 4),
            long_polls: 3,
            samples: 2,
            large_queue: 1000,
            large_behind: 300,
            pinned: time,
        }
    }
}

/// Where the program keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Postgres,
    Embedded,
}

/// A fresh database for one scenario.
pub struct Database {
    pub url: String,
    nats: Option<String>,
    _file: Option<TempDatabase>,
}

impl Database {
    pub fn is_embedded(&self) -> bool {
        self.url.starts_with("sqlite")
    }
}

/// What every scenario is given.
pub struct Bench {
    pub program: PathBuf,
    /// Of the PostgreSQL server; each scenario makes a database of its own there.
    pub server: String,
    pub nats: Option<String>,
    pub scale: Scale,
}

impl Bench {
    pub async fn database(&self, engine: Engine) -> Result<Database> {
        if engine == Engine::Embedded {
            let file = temp_database();
            return Ok(Database { url: format!("sqlite://{}", file.path().display()), nats: None, _file: Some(file) });
        }
        let name = format!("bench_{}", uuid::Uuid::new_v4().simple());
        client(&self.server).await?.batch_execute(&format!("CREATE DATABASE {name}")).await?;
        let (base, _) = self.server.rsplit_once('/').ok_or("the URL of the server names no database")?;
        Ok(Database { url: format!("{base}/{name}"), nats: self.nats.clone(), _file: None })
    }

    /// Removes the database of a scenario that has ended.
    pub async fn discard(&self, database: &Database) -> Result<()> {
        if database.is_embedded() {
            return Ok(());
        }
        let (_, name) = database.url.rsplit_once('/').ok_or("the URL of the database names none")?;
        client(&self.server).await?.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        Ok(())
    }

    /// An instance on this database.
    pub async fn instance(&self, database: &Database) -> Result<Instance> {
        let mut environment = vec![("DATABASE_URL", database.url.clone()), ("MAX_STREAMS", "20000".to_owned())];
        environment.extend(database.nats.clone().map(|url| ("NATS_URL", url)));
        Instance::start(&self.program, &environment).await
    }

    /// A second instance: without a broker the first one would not hear of it.
    pub async fn second(&self, database: &Database) -> Result<Instance> {
        if database.nats.is_none() {
            return Err("two instances need NATS: set TEST_NATS_URL".into());
        }
        self.instance(database).await
    }
}

/// A plain connection to PostgreSQL.
pub async fn client(url: &str) -> Result<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // It ends with the client.
    drop(tokio::runtime::Handle::current().spawn(connection));
    Ok(client)
}
