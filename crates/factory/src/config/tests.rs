//! What settings mean, and what is refused.

use task_domain::SubscriptionLevel;

use super::*;

fn load(development: bool, pairs: &[(&str, &str)]) -> Result<Settings, StartError> {
    Settings::from_environment(None, development, |name| {
        pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
    })
}

#[test]
fn development_needs_nothing_and_stays_on_loopback() {
    let settings = load(true, &[]).unwrap();
    assert_eq!(settings.limits.default_level, SubscriptionLevel::Enterprise);
    assert_eq!(settings.api_key().unwrap().expose_secret(), "dev_api_key");
    assert_eq!(settings.database.url.expose_secret(), "sqlite://data/tasks.db");
    let open = load(true, &[("HOST", "0.0.0.0")]).unwrap();
    assert!(matches!(open.check_access(), Err(StartError::DevelopmentNotLoopback { .. })));
}

#[test]
fn a_key_or_a_gateway_secret_is_a_credential() {
    assert!(!load(false, &[]).unwrap().has_credentials());
    assert!(load(false, &[("API_KEY", "k")]).unwrap().has_credentials());
    let settings = load(false, &[("GATEWAY_SECRET", "a, b")]).unwrap();
    assert!(settings.has_credentials() && settings.check_access().is_ok());
    assert_eq!(settings.gateway_secrets().len(), 2);
    assert_eq!(settings.limits.default_level, SubscriptionLevel::Basic);
    assert!(settings.api_key().is_none());
}

#[test]
fn the_environment_wins_and_a_wrong_value_is_named() {
    let settings = load(true, &[("SERVICE_PORT", "9000"), ("DEFAULT_SUBSCRIPTION_LEVEL", "free")]).unwrap();
    assert_eq!((settings.service.port, settings.limits.default_level), (9000, SubscriptionLevel::Free));
    let error = load(true, &[("SERVICE_PORT", "many")]).unwrap_err().to_string();
    assert!(error.contains("service.port") && error.contains("SERVICE_PORT"), "{error}");
    let error = load(true, &[("DEFAULT_SUBSCRIPTION_LEVEL", "gold")]).unwrap_err().to_string();
    assert!(error.contains("free, basic, pro, enterprise"), "{error}");
}

#[test]
fn postgres_may_be_named_in_parts() {
    let settings = load(
        true,
        &[("POSTGRES_HOST", "db"), ("POSTGRES_USER", "me"), ("POSTGRES_PASSWORD", "p@ss"), ("POSTGRES_DB", "tasks")],
    )
    .unwrap();
    assert_eq!(settings.database.url.expose_secret(), "postgres://me:p%40ss@db:5432/tasks");
}

#[test]
fn the_urls_of_neighbours_are_checked_at_start() {
    let settings = load(true, &[("CALENDAR_SERVICE_URL", "http://calendar:8080"), ("CONSUL_PORT", "8501")]).unwrap();
    assert_eq!((settings.neighbours.calendar_url.as_str(), settings.consul.port), ("http://calendar:8080", 8501));
    for wrong in ["calendar:8080", "http://", "https:///path", "http://a b"] {
        let error = load(true, &[("ACCOUNT_SERVICE_URL", wrong)]).unwrap_err().to_string();
        assert!(error.contains("ACCOUNT_SERVICE_URL"), "{error}");
    }
}

#[test]
fn origins_of_web_pages_are_checked_at_start() {
    for fine in ["*", " ", "https://a.example, http://localhost:3000", "http://[::1]:80"] {
        load(false, &[("DROP_IN_CORS_ORIGINS", fine)]).unwrap();
    }
    for wrong in ["ht tp://x", "a.example", "https://", "https://a.example/", "https://a.example/app", "https://a,*"] {
        let error = load(false, &[("DROP_IN_CORS_ORIGINS", wrong)]).unwrap_err().to_string();
        assert!(error.contains("DROP_IN_CORS_ORIGINS"), "{wrong}: {error}");
    }
}

#[test]
fn a_database_must_be_a_file_or_a_server() {
    for fine in ["sqlite://data/tasks.db", "sqlite:tasks.db", "sqlite:///tmp/tasks.db", "postgres://db/tasks"] {
        load(false, &[("DATABASE_URL", fine)]).unwrap();
    }
    // Each connection would have an empty database of its own.
    for wrong in [
        "sqlite:",
        "sqlite://",
        "sqlite::memory:",
        "sqlite://:memory:",
        "sqlite:file:x",
        "sqlite://x.db?mode=rwc",
        "mysql://db",
    ] {
        let error = load(false, &[("DATABASE_URL", wrong)]).unwrap_err().to_string();
        assert!(error.contains("DATABASE_URL"), "{wrong}: {error}");
    }
}

#[test]
fn the_settings_of_every_type_are_checked_at_start() {
    let settings =
        load(true, &[("TASK_PROCESSING_SECONDS", "0.5"), ("ORGANISM_URL", "http://organism:8000/run")]).unwrap();
    assert_eq!(settings.executors.conversation.processing_seconds, 0.5);
    assert_eq!(settings.executors.organism.base_url, "http://organism:8000/run");
    for (variable, wrong) in [("TASK_PROCESSING_SECONDS", "-1"), ("ORGANISM_URL", "organism")] {
        let error = load(true, &[(variable, wrong)]).unwrap_err().to_string();
        assert!(error.contains(variable), "{error}");
    }
    let bounds = settings.executors.bounds().map(|(name, ..)| name);
    assert_eq!(std::collections::BTreeSet::from(bounds), task_domain::types::BUILTIN.iter().copied().collect());
    let feeds = settings.feeds;
    for url in feeds.sources.values().chain(feeds.categories.values().flatten()) {
        assert!(url.starts_with("https://"), "{url} cannot be called by default");
    }
}

#[test]
fn limits_of_types_are_read_and_checked_at_start() {
    let file = std::env::temp_dir().join(format!("task-limits-{}.toml", std::process::id()));
    let load = |toml: &str| {
        std::fs::write(&file, toml).unwrap();
        Settings::from_environment(Some(&file), true, |_| None)
    };
    let limits = load("[concurrency.types.\"a.B c\"]\nmax_concurrent = 3").unwrap().concurrency.type_limits();
    assert_eq!((limits.of("a.B c"), limits.of("a")), (Some(3), None));
    for wrong in ["max_concurrent = 0", "max_concurrent = 1000001", "", "max_concurrent = 1\nmax = 2"] {
        let error = load(&format!("[concurrency.types.render]\n{wrong}")).unwrap_err().to_string();
        assert!(error.contains("max"), "{error}");
    }
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn a_value_that_cannot_be_meant_is_refused_and_named() {
    for (toml, name) in [
        ("[executor]\ntimeout_seconds = 0", "executor.timeout_seconds"),
        ("[service]\nmax_streams = 0", "MAX_STREAMS"),
        ("[outbound]\nallowed_ports = []", "outbound.allowed_ports"),
        ("[limits.levels.free]\nactive_tasks = -3", "limits.levels.free.active_tasks"),
        ("[limits.levels.pro]\ndaily_executions = -1", "limits.levels.pro.daily_executions"),
        ("[limits.levels.basic]\nschedule_interval = -5", "limits.levels.basic.schedule_interval"),
        ("[retention]\nbatch = -200", "retention.batch"),
        ("[executors.data_backup]\nkeep = 0", "executors.data_backup.keep"),
        ("[service]\nname = \"\"", "SERVICE_NAME"),
        ("[service]\nname = \"a/b\"", "SERVICE_NAME"),
        ("[consul]\nhost = \"http://consul\"", "CONSUL_HOST"),
    ] {
        let file = std::env::temp_dir().join(format!("task-config-{}.toml", uuid::Uuid::now_v7()));
        std::fs::write(&file, toml).unwrap();
        let refused = Settings::from_environment(Some(&file), true, |_| None).unwrap_err().to_string();
        std::fs::remove_file(&file).unwrap();
        assert!(refused.contains(name), "{refused}");
    }
}

/// Whoever looks for a variable finds it in the README.
#[test]
fn the_readme_has_every_variable() {
    let readme = include_str!("../../../../README.md");
    let table: Vec<&str> = readme.lines().filter(|line| line.starts_with("| `")).collect();
    let told = |name: &str| table.iter().any(|row| row.contains(&format!("`{name}`")));
    let missing: Vec<_> = ENVIRONMENT.iter().map(|(name, _)| *name).filter(|name| !told(name)).collect();
    assert!(missing.is_empty(), "README.md's table of variables has no {missing:?}");
    assert!(readme.contains("POSTGRES_HOST/PORT/DB/USER/PASSWORD"));
}
