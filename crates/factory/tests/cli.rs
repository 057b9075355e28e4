//! The program as a person starts it: what it says when it cannot.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

use std::process::{Command, Output};

use task_testkit::pg::TestDatabase;
use task_testkit::sqlite::{TempDatabase, temp_database};

/// Runs the program in a folder of its own, to its end.
fn run(folder: &TempDatabase, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_task-service"))
        .args(arguments)
        .env_clear()
        .envs(task_testkit::ports::NO_DROP_INS)
        .envs(environment.iter().copied())
        .current_dir(folder.folder())
        .output()
        .unwrap()
}

/// It must not start, and must say each of `words`.
fn refused(arguments: &[&str], environment: &[(&str, &str)], words: &[&str]) {
    let output = run(&temp_database(), arguments, environment);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{arguments:?} {environment:?} was accepted");
    for word in words {
        assert!(said.contains(word), "{arguments:?} {environment:?}: no `{word}` in\n{said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn without_anybody_who_could_call_it_the_start_is_refused() {
    refused(&[], &[("SERVICE_PORT", "0")], &["GATEWAY_SECRET", "API_KEY", "--dev"]);
    refused(&["--dev"], &[("HOST", "0.0.0.0")], &["loopback", "GATEWAY_SECRET"]);
}

#[test]
fn a_wrong_setting_is_named() {
    refused(&["--dev"], &[("SERVICE_PORT", "many")], &["SERVICE_PORT"]);
    refused(&["--dev"], &[("DROP_IN_CORS_ORIGINS", "example.org")], &["DROP_IN_CORS_ORIGINS", "https://"]);
    refused(&["--dev"], &[("DATABASE_URL", "sqlite::memory:")], &["DATABASE_URL", "file"]);
    refused(&["--dev"], &[("DATABASE_URL", "postgres://db/x?sslmode=always")], &["sslmode", "verify-full"]);
    refused(&["--dev"], &[("EXECUTOR_LEASE_SECONDS", "1")], &["EXECUTOR_LEASE_SECONDS", "5 to 86400"]);
    refused(&["--dev"], &[("DATABASE_URL", "mysql://x")], &["DATABASE_URL", "sqlite://", "postgres://"]);
    refused(&["--dev", "--config", "nowhere.toml"], &[], &["nowhere.toml"]);
    refused(&["--wrong"], &[], &["--wrong", "--help"]);
    let folder = temp_database();
    std::fs::write(folder.folder().join("own.toml"), "[service]\nprot = 1\n").unwrap();
    let output = run(&folder, &["--dev", "--config", "own.toml"], &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("prot"), "{said}");
}

#[test]
fn what_cannot_be_had_is_said_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    refused(&["--dev"], &[("SERVICE_PORT", &port)], &["cannot listen", "SERVICE_PORT"]);
    let free = task_testkit::ports::free();
    let nobody = format!("postgres://nobody@127.0.0.1:{free}/none");
    let said = ["the database does not answer", "DATABASE_URL"];
    refused(&["--dev"], &[("SERVICE_PORT", "0"), ("DATABASE_URL", &nobody)], &said);
    refused(&["health"], &[("SERVICE_PORT", &free.to_string())], &["no answer", "is the service running"]);
    refused(&["--dev"], &[("SERVICE_PORT", "0"), ("NATS_URL", "nats://[::bad")], &["NATS_URL"]);
    refused(&["--dev"], &[("SERVICE_PORT", "0"), ("DATABASE_URL", "sqlite:///proc/none/tasks.db")], &["DATABASE_URL"]);
}

/// As with `… | head`.
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_task-service"));
    let pipes = (std::process::Stdio::piped(), std::process::Stdio::piped());
    let mut child = command.arg("openapi").stdout(pipes.0).stderr(pipes.1).spawn().unwrap();
    // The document is longer than what a pipe holds.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What a command printed; it must succeed.
fn printed(folder: &TempDatabase, arguments: &[&str]) -> String {
    let output = run(folder, arguments, &[]);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_wrong_option_is_named_as_it_is_written() {
    let create = ["keys", "create", "--name", "ci", "--scope", "admin"];
    refused(&[&create[..], &["--task-type", ""]].concat(), &[], &["--task-type must"]);
    refused(&[&create[..], &["--expires-in-days", "0"]].concat(), &[], &["--expires-in-days must"]);
    refused(&["keys", "create", "--name", "ci", "--scope", "root"], &[], &["--scope", "tasks:write"]);
}

#[test]
fn keys_are_made_listed_and_revoked() {
    let folder = temp_database();
    assert!(printed(&folder, &["keys", "list"]).contains("keys create"));
    let made =
        printed(&folder, &["keys", "create", "--name", "ci", "--scope", "tasks:write", "--expires-in-days", "9"]);
    let key = made.lines().next().unwrap();
    assert!(key.starts_with("tsk_") && made.contains("shown once"), "{made}");
    let id = key.split('_').nth(1).unwrap();
    let listed = printed(&folder, &["keys", "list"]);
    assert!(listed.contains(id) && listed.contains("active") && !listed.contains(key), "{listed}");
    assert!(!printed(&folder, &["keys", "list", "--tenant", "other"]).contains(id));
    assert!(printed(&folder, &["keys", "revoke", id]).contains("revoked"));
    assert!(printed(&folder, &["keys", "list"]).contains("revoked"));
}

/// A second service is kept from the file; commands are not.
#[test]
fn one_service_has_an_sqlite_file() {
    let folder = temp_database();
    let path = folder.folder().join("tasks.db");
    let url = format!("sqlite://{}", path.display());
    let environment = [("DATABASE_URL", url.as_str()), ("SERVICE_PORT", "0")];
    assert!(run(&folder, &["migrate"], &environment).status.success());
    let held = std::fs::File::create(folder.folder().join("tasks.db.lock")).unwrap();
    held.lock().unwrap();
    refused(&["--dev"], &environment, &["another task-service", "tasks.db", "DATABASE_URL"]);
    assert!(run(&folder, &["migrate"], &environment).status.success());
    assert!(run(&folder, &["keys", "list"], &environment).status.success());
}

#[test]
fn a_level_that_is_none_is_refused() {
    refused(&["--dev"], &[("SERVICE_PORT", "0"), ("LOG_LEVEL", "verbose")], &["LOG_LEVEL", "verbose", "info"]);
}

#[test]
fn a_wrong_keys_command_says_what_is_right() {
    refused(&["keys", "create", "--name", "ci"], &[], &["--scope"]);
    refused(&["keys", "create", "--name", "ci", "--scope", "all"], &[], &["tasks:work", "admin"]);
    let expired = ["keys", "create", "--name", "ci", "--scope", "admin", "--expires-in-days", "0"];
    refused(&expired, &[], &["--expires-in-days", "1 to 3650"]);
    refused(&["keys", "create", "--name", " ", "--scope", "admin"], &[], &["--name"]);
    refused(&["keys", "list", "--tenant", ""], &[], &["--tenant"]);
    refused(&["keys", "revoke", "nobody"], &[], &["no key nobody", "keys list"]);
}

#[test]
fn migrate_and_openapi_need_no_credentials() {
    let folder = temp_database();
    for _ in 0..2 {
        let output = run(&folder, &["migrate"], &[("HOST", "0.0.0.0")]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(folder.folder().join("data/tasks.db").exists());
    let output = run(&folder, &["openapi"], &[]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_a_schema_is_refused_when_it_may_not_migrate() {
    let database = TestDatabase::create("empty", |_| async {}).await;
    for url in ["sqlite://tasks.db", database.url()] {
        let environment = [("SERVICE_PORT", "0"), ("DATABASE_URL", url)];
        refused(&["--dev", "--no-migrate"], &environment, &["task-service migrate"]);
    }
}

/// Several instances may start at once on an empty database.
#[tokio::test(flavor = "multi_thread")]
async fn four_migrations_at_once_take_turns() {
    let database = TestDatabase::create("empty", |_| async {}).await;
    let url = database.url().to_owned();
    let runs: Vec<_> = (0..4)
        .map(|_| {
            let url = url.clone();
            tokio::task::spawn_blocking(move || run(&temp_database(), &["migrate"], &[("DATABASE_URL", &url)]))
        })
        .collect();
    for run in runs {
        let output = run.await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let applied = "SELECT count(*) FROM __diesel_schema_migrations";
    assert!(database.client().await.query_one(applied, &[]).await.unwrap().get::<_, i64>(0) >= 1);
}
