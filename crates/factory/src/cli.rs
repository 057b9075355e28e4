//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::app::Application;
use crate::config::{LogSettings, Settings};
use crate::error::StartError;
use crate::keys_cli::{self, KeysCommand};
use crate::output::print;
use crate::wiring::engine;
use crate::{banner, logging, shutdown};

/// One service for tasks: todos, schedules, workers' queues, progress streams and events.
///
/// `task-service --dev` starts without any configuration and shows a first call. Everything else is
/// set by environment variables or a file: see README.md and docs/OPERATIONS.md.
#[derive(Debug, Parser)]
#[command(name = "task-service", version, about)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// A TOML file over the compiled-in defaults; the environment wins over it.
    #[arg(long, global = true)]
    pub config: Option<PathBuf>,
    /// Development mode: no credentials asked, loopback only, key `dev_api_key`.
    #[arg(long, global = true)]
    pub dev: bool,
    /// Do not bring the database schema up to date at start.
    #[arg(long, global = true)]
    pub no_migrate: bool,
}

#[derive(Debug, Subcommand, Clone, PartialEq, Eq)]
pub enum Command {
    /// Serves the API and runs the background loops (the default).
    Serve,
    /// Brings the database schema up to date and exits.
    Migrate,
    /// Prints the OpenAPI document.
    Openapi,
    /// Makes, lists and revokes API keys.
    Keys {
        #[command(subcommand)]
        action: KeysCommand,
    },
    /// Asks a running instance whether it is healthy; exit code 0 when it is.
    Health,
}

/// Runs the program to its end.
///
/// # Errors
/// When it cannot start; a running service ends without one.
pub fn execute(arguments: Arguments) -> Result<(), StartError> {
    let command = arguments.command.unwrap_or(Command::Serve);
    if command == Command::Openapi {
        return print_openapi();
    }
    let settings = Settings::load(arguments.config.as_deref(), arguments.dev)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match command {
        Command::Serve => runtime.block_on(serve(settings, !arguments.no_migrate)),
        Command::Migrate => runtime.block_on(async {
            logging::start(&settings.log)?;
            engine::open(&settings, true).await?;
            tracing::info!("the database schema is up to date");
            Ok(())
        }),
        Command::Keys { action } => runtime.block_on(async {
            logging::start(&LogSettings { level: "warn".into(), ..settings.log.clone() })?;
            keys_cli::execute(action, &settings, !arguments.no_migrate).await
        }),
        Command::Health => runtime.block_on(health(&settings)),
        Command::Openapi => Ok(()),
    }
}

async fn serve(settings: Settings, migrate: bool) -> Result<(), StartError> {
    logging::start(&settings.log)?;
    let application = Application::build(settings.clone(), migrate).await?;
    if settings.development {
        // It serves whether or not somebody could read this.
        let _ = print(banner::text(&settings, &application));
    }
    tracing::info!(address = %application.address(), engine = application.engine(), event_bus = application.bus(), "serving");
    application.served_beside().announce();
    shutdown::requested().await?;
    application.stop().await;
    Ok(())
}

fn print_openapi() -> Result<(), StartError> {
    let json = task_server::document().to_pretty_json().map_err(|e| StartError::Internal(e.to_string()))?;
    Ok(print(json)?)
}

async fn health(settings: &Settings) -> Result<(), StartError> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let host = if settings.service.host == "0.0.0.0" { "127.0.0.1" } else { &settings.service.host };
    let address = format!("{host}:{}", settings.service.port);
    let url = format!("http://{address}/health/detailed");
    let ask = async {
        let mut stream = tokio::net::TcpStream::connect(&address).await?;
        stream
            .write_all(
                format!("GET /health/detailed HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
            )
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(std::time::Duration::from_secs(5), ask).await;
    let answer = answer.unwrap_or_else(|elapsed| Err(elapsed.into()));
    match answer {
        Ok(text) if text.starts_with("HTTP/1.1 200") => Ok(()),
        Ok(text) => {
            let line = text.lines().next().unwrap_or("an empty answer").to_owned();
            Err(StartError::Health { url, source: line.into() })
        }
        Err(error) => Err(StartError::Health { url, source: error.into() }),
    }
}
