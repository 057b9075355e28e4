//! Logs: one line an event, to standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::LogSettings;
use crate::error::StartError;

/// Starts logging; `RUST_LOG`-style filters are understood in `LOG_LEVEL`.
pub(crate) fn start(settings: &LogSettings) -> Result<(), StartError> {
    let level = settings.level.to_lowercase();
    // The libraries' own chatter is of interest only to who asks for it.
    let directives = if level.contains('=') || level.contains(',') {
        level
    } else {
        format!("{level},async_nats=warn,actix_server=warn,hyper=warn,reqwest=warn,tokio_postgres=warn")
    };
    let filter = EnvFilter::try_new(&directives)
        .map_err(|e| StartError::Config(format!("LOG_LEVEL: {e}; use trace, debug, info, warn or error")))?;
    let terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let json = match settings.format.as_str() {
        "json" => true,
        "text" => false,
        "auto" => !terminal,
        other => return Err(StartError::Config(format!("LOG_FORMAT: `{other}` must be one of: text, json, auto"))),
    };
    let started =
        if json { builder.json().flatten_event(true).try_init() } else { builder.with_ansi(terminal).try_init() };
    // A second start in one process (tests) keeps the first one's logs.
    started.or(Ok(()))
}
