//! `task-bench`: measures the running program and says which targets are met.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use task_bench::setup::{Bench, Scale};
use task_bench::{Result, scenarios};

/// Measures the task service. PostgreSQL and NATS are those of TEST_DATABASE_URL and TEST_NATS_URL;
/// `make bench` starts private ones.
#[derive(Parser)]
struct Arguments {
    /// The program.
    #[arg(long, default_value = "target/release/task-service")]
    program: PathBuf,
    /// Seconds of each loop.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Only these, by name, comma separated.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// What takes long and much room: a million queued tasks, ten million finished rows.
    #[arg(long, conflicts_with = "only")]
    large: bool,
    /// The page to write the figures into.
    #[arg(long)]
    page: Option<PathBuf>,
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(Arguments::parse()))
}

async fn run(arguments: Arguments) -> Result<()> {
    let program = arguments.program.canonicalize();
    let program = program.map_err(|error| format!("{}: {error}; build it first", arguments.program.display()))?;
    let server = std::env::var("TEST_DATABASE_URL")
        .map_err(|_| "TEST_DATABASE_URL is not set; run `make bench`, which starts a private PostgreSQL")?;
    let nats = std::env::var("TEST_NATS_URL").ok();
    let scale = Scale::full(Duration::from_secs(arguments.seconds.max(1)));
    let bench = Bench { program, server, nats, scale };
    let only: Vec<&str> = arguments.only.iter().map(String::as_str).collect();
    let (names, part) = match arguments.large {
        true => (scenarios::LARGE, "make bench-large"),
        false if only.is_empty() => (scenarios::NAMES, "make bench"),
        false => (only.as_slice(), "make bench"),
    };
    let mut out = std::io::stdout().lock();
    scenarios::run_all(&bench, names, part, arguments.page.as_deref(), &mut out).await
}
