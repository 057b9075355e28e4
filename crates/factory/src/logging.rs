//! Logs: one line an event, to standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::config::LogSettings;
use crate::error::StartError;

/// Starts logging; `RUST_LOG`-style filters are understood in `LOG_LEVEL`.
pub(crate) fn start(settings: &LogSettings) -> Result<(), StartError> {
    let filter = filter(&settings.level).map_err(|problem| {
        StartError::Config(format!("LOG_LEVEL: {problem}; use trace, debug, info, warn or error"))
    })?;
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

/// What is logged. A word alone must be a level: the filter would read any other as the name of a
/// module, and be silent about all the rest.
fn filter(text: &str) -> Result<EnvFilter, String> {
    let text = text.trim().to_lowercase();
    let directives: Vec<&str> = text.split(',').map(known_level).collect();
    let [level] = directives[..] else {
        return EnvFilter::try_new(directives.join(",")).map_err(|error| error.to_string());
    };
    if level.contains('=') {
        return EnvFilter::try_new(level).map_err(|error| error.to_string());
    }
    level.parse::<LevelFilter>().map_err(|_| format!("`{level}` is no level"))?;
    // The libraries' own chatter is of interest only to who asks for it; to actix whatever a client sends
    // that is no HTTP is an error.
    let quiet = "actix_http::h1=off,async_nats=warn,actix_server=warn,hyper=warn,reqwest=warn,tokio_postgres=warn";
    EnvFilter::try_new(format!("{level},{quiet}")).map_err(|error| error.to_string())
}

/// Other logging libraries' words for our levels.
fn known_level(word: &str) -> &str {
    match word.trim() {
        "warning" => "warn",
        "critical" | "fatal" => "error",
        word => word,
    }
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn a_level_is_read_and_another_word_is_refused() {
        for (text, hint) in [
            ("INFO", "info"),
            ("WARNING", "warn"),
            ("critical", "error"),
            (" Debug ", "debug"),
            ("off", "off"),
            ("warning,task_service=debug", "debug"),
            ("task_service=trace", "trace"),
        ] {
            let filter = filter(text).unwrap();
            let hint = hint.parse().unwrap();
            assert!(filter.max_level_hint() >= Some(hint), "{text}: {filter}");
        }
        assert!(filter("info").unwrap().to_string().contains("actix_http::h1=off"), "who scans ports fills no log");
        for word in ["verbose", "loud", "info debug"] {
            assert!(filter(word).is_err(), "{word}");
        }
    }
}
