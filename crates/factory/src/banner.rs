//! What a person sees when the service starts in development mode.

use std::fmt::Write;

use secrecy::ExposeSecret;

use crate::app::Application;
use crate::config::Settings;

/// The text of the banner.
pub(crate) fn text(settings: &Settings, application: &Application) -> String {
    let (engine, bus) = (application.engine(), application.bus());
    let base = format!("http://{}", application.address());
    let key = settings.api_key().map(|key| key.expose_secret().to_owned()).unwrap_or_default();
    let mut text = String::new();
    let mut line = |content: String| {
        let _ = writeln!(text, "{content}");
    };
    line(String::new());
    line(format!("  Task Service {} in development mode (believes anybody, loopback only)", env!("CARGO_PKG_VERSION")));
    line(format!("  engine {engine}, event bus {bus}"));
    line(String::new());
    line(format!("  API     {base}/api/v1/tasks"));
    line(format!("  docs    {base}/docs/"));
    line(format!("  events  {base}/api/v1/events"));
    line(format!("  health  {base}/health/detailed"));
    for (api, address) in application.served_beside().up() {
        line(format!("  {:<24}http://{address}   docs http://{address}/docs/", api.title));
    }
    for (title, why) in application.served_beside().left_out() {
        line(format!("  {title:<24}not served: {why}"));
    }
    line(format!("  key     {key}   (header X-API-Key; or be a user with X-User-ID)"));
    line(String::new());
    line("  Create and run a first task:".into());
    line(String::new());
    line(format!(
        "  curl -s {base}/api/v1/tasks -H 'X-User-ID: me' -H 'Content-Type: application/json' \
         -d '{{\"name\":\"Hello\",\"task_type\":\"echo\",\"config\":{{\"value\":\"it works\"}},\"run_immediately\":true}}'"
    ));
    line(String::new());
    text
}
