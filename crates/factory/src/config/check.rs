//! Values that cannot be meant stop the start.

use secrecy::ExposeSecret;
use task_domain::MAX_CONCURRENT;
use task_domain::fair_share::MAX_WEIGHT;

use super::Settings;
use crate::error::StartError;
use crate::wiring::engine;

impl Settings {
    /// # Errors
    /// The first setting that cannot be meant, by its name and variable.
    pub(super) fn check(&self) -> Result<(), StartError> {
        let wrong = |message: &str| Err(StartError::Config(message.to_owned()));
        if !(5..=86_400).contains(&self.executor.lease_seconds) {
            return wrong("executor.lease_seconds (EXECUTOR_LEASE_SECONDS) must be from 5 to 86400");
        }
        if self.executor.concurrency > 1000 {
            return wrong("executor.concurrency (EXECUTOR_CONCURRENCY) must be from 0 to 1000");
        }
        if !(1..=86_400).contains(&self.executor.timeout_seconds) {
            return wrong("executor.timeout_seconds must be from 1 to 86400");
        }
        if !(1..=1_000_000).contains(&self.service.max_streams) {
            return wrong("service.max_streams (MAX_STREAMS) must be from 1 to 1000000");
        }
        let name = &self.service.name;
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if !(1..=64).contains(&name.len()) || !name.chars().all(fits) {
            return wrong("service.name (SERVICE_NAME) must be 1 to 64 of letters, digits and . _ -");
        }
        if self.consul.host.contains(['/', ' ', '@']) {
            return wrong("consul.host (CONSUL_HOST) must be a host name or an address, without http:// and port");
        }
        self.check_database()?;
        if self.drop_in.cors_origins.trim() != "*"
            && let Some(origin) = self.drop_in.cors_origins().find(|origin| !is_origin(origin))
        {
            return wrong(&format!(
                "drop_in.cors_origins (DROP_IN_CORS_ORIGINS): `{origin}` is no origin such as https://app.example.org; write origins, comma separated, or * alone"
            ));
        }
        if self.outbound.allowed_ports.is_empty() || self.outbound.allowed_ports.contains(&0) {
            return wrong("outbound.allowed_ports must name at least one port from 1 to 65535");
        }
        if let Some(problem) = self.limits.problem() {
            return wrong(&problem);
        }
        for (setting, seconds) in [
            ("task_repository_lease_seconds", self.drop_in.task_repository_lease_seconds),
            ("task_tracker_lease_seconds", self.drop_in.task_tracker_lease_seconds),
        ] {
            if !(5..=86_400).contains(&seconds) {
                return wrong(&format!("drop_in.{setting} must be from 5 to 86400"));
            }
        }
        if self.drop_in.task_management_concurrency > 1000 {
            return wrong("drop_in.task_management_concurrency (TASK_MANAGEMENT_CONCURRENCY) must be from 0 to 1000");
        }
        if !(1..=500).contains(&self.database.pool_size) {
            return wrong("database.pool_size (DATABASE_POOL_SIZE) must be from 1 to 500");
        }
        if !(1..=60).contains(&self.database.acquire_timeout_seconds) {
            return wrong("database.acquire_timeout_seconds (DATABASE_ACQUIRE_TIMEOUT_SECONDS) must be from 1 to 60");
        }
        if !(1..=64).contains(&self.service.http_workers) {
            return wrong("service.http_workers (HTTP_WORKERS) must be from 1 to 64");
        }
        if let Some(problem) = self.executors.problem(&self.feeds) {
            return wrong(&problem);
        }
        if self.retention.max_progress_entries < 1 {
            return wrong("retention.max_progress_entries (MAX_PROGRESS_ENTRIES) must be 1 or more");
        }
        for (owner, weight) in &self.fair_share.weights {
            if !(1..=MAX_WEIGHT).contains(weight) {
                return wrong(&format!("fair_share.weights.\"{owner}\" must be from 1 to {MAX_WEIGHT}"));
            }
        }
        for (task_type, settings) in &self.concurrency.types {
            if !(1..=MAX_CONCURRENT).contains(&settings.max_concurrent) {
                return wrong(&format!(
                    "concurrency.types.\"{task_type}\".max_concurrent must be from 1 to {MAX_CONCURRENT}"
                ));
            }
        }
        let retention = &self.retention;
        let longest = 36_500;
        for (name, value, least, most) in [
            ("events_hours", retention.events_hours, 1, longest * 24),
            ("idempotency_keys_hours", retention.idempotency_keys_hours, 1, longest * 24),
            ("inbox_ids_days", retention.inbox_ids_days, 1, longest),
            ("deleted_tasks_days", retention.deleted_tasks_days, 1, longest),
            ("ended_tasks_days", retention.ended_tasks_days, 1, longest),
            ("stream_days", retention.stream_days, 1, longest),
            ("interval_seconds", retention.interval_seconds, 1, 86_400),
            ("batch", u64::try_from(retention.batch).unwrap_or_default(), 1, 10_000),
            ("batches", retention.batches as u64, 1, 1000),
        ] {
            if !(least..=most).contains(&value) {
                return wrong(&format!("retention.{name} must be from {least} to {most}"));
            }
        }
        for (variable, url) in [
            ("NOTIFICATION_SERVICE_URL", &self.neighbours.notification_url),
            ("CALENDAR_SERVICE_URL", &self.neighbours.calendar_url),
            ("ACCOUNT_SERVICE_URL", &self.neighbours.account_url),
        ] {
            if !url.is_empty() && !is_http_url(url) {
                return wrong(&format!("{variable} must be a URL such as http://10.0.0.7:8080, or unset"));
            }
        }
        Ok(())
    }

    fn check_database(&self) -> Result<(), StartError> {
        let wrong = |message: &str| Err(StartError::Config(message.to_owned()));
        let url = self.database.url.expose_secret();
        if let Some(path) = engine::sqlite_path(self) {
            let path = path.to_string_lossy();
            if path.is_empty() || path.starts_with(':') || path.starts_with("file:") || path.contains('?') {
                return wrong(
                    "DATABASE_URL must name a file, such as sqlite://data/tasks.db, without parameters; a database in memory is not supported",
                );
            }
        } else if !url.starts_with("postgres") {
            return wrong("DATABASE_URL must start with sqlite:// or postgres://");
        }
        Ok(())
    }
}

/// What a browser sends in `Origin`: scheme, host, perhaps a port, and nothing else.
fn is_origin(text: &str) -> bool {
    is_http_url(text) && text.split_once("://").is_some_and(|(_, rest)| !rest.contains(['/', '?', '#', '@', '*']))
}

pub(super) fn is_http_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':']) && !rest.contains(char::is_whitespace))
}
