//! The yardstick: `pgbench` commits one task row and one event row in a transaction of raw SQL.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Result;
use crate::setup::{Database, client};

const SCHEMA: &str = include_str!("../raw/schema.sql");
const SCRIPT: &str = include_str!("../raw/task_and_event.sql");

/// Transactions a second at `clients` connections, in the database given.
pub async fn transactions_per_second(database: &Database, clients: usize, time: Duration) -> Result<f64> {
    client(&database.url).await?.batch_execute(SCHEMA).await?;
    let script = std::env::temp_dir().join(format!("task-bench-{}.sql", uuid::Uuid::new_v4().simple()));
    std::fs::write(&script, SCRIPT)?;
    let measured = run(&database.url, &script, clients, time);
    std::fs::remove_file(&script)?;
    measured
}

/// Beside the server's programs, or on the path.
fn pgbench() -> PathBuf {
    let beside = std::env::var_os("TEST_POSTGRES_BIN").map(|folder| Path::new(&folder).join("pgbench"));
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = debian.map(|version| version.path().join("bin/pgbench")).collect();
    found.sort();
    found.extend(beside);
    found.retain(|program| program.exists());
    found.pop().unwrap_or_else(|| "pgbench".into())
}

fn run(url: &str, script: &Path, clients: usize, time: Duration) -> Result<f64> {
    let output = Command::new(pgbench())
        .args(["-n", "-M", "prepared", "-j", "2", "-c", &clients.to_string()])
        .args(["-T", &time.as_secs().max(1).to_string(), "-f"])
        .arg(script)
        .arg(url)
        .output()
        .map_err(|error| format!("pgbench cannot be started ({error}); it comes with PostgreSQL"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let tps = text.lines().find_map(|line| line.strip_prefix("tps = "));
    let number = tps.and_then(|rest| rest.split(' ').next()).and_then(|number| number.parse().ok());
    number.ok_or_else(|| format!("pgbench failed: {}", String::from_utf8_lossy(&output.stderr)).into())
}
