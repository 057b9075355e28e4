//! How sessions with PostgreSQL are encrypted, and with whom: `sslmode`, against servers that have TLS.

use std::path::Path;

use task_protocols::TaskStore;
use task_repository::postgres::{PostgresConfig, PostgresEngine};
use task_testkit::pg_server::PrivateServer;
use tokio_postgres::NoTls;

/// Its certificate is for `localhost`, and `authority.pem` vouches for it.
const SERVER: &str = include_str!("certificates/server.pem");
/// For `localhost`, and nobody but itself vouches for it.
const SELF_SIGNED: &str = include_str!("certificates/self_signed.pem");
const KEY: &str = include_str!("certificates/server.key");

fn certificate(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/certificates");
    folder.join(name).display().to_string()
}

/// Connects, and says whether the session is encrypted; else why there is none.
async fn session(server: &PrivateServer, host: &str, parameters: &str) -> Result<bool, String> {
    let port = server.port();
    let name = uuid::Uuid::new_v4().simple().to_string();
    let url = format!("postgres://postgres@{host}:{port}/postgres?{parameters}&application_name={name}");
    let engine = PostgresEngine::connect(PostgresConfig::new(url), tokio::runtime::Handle::current())
        .map_err(|error| error.to_string())?;
    // The statement that follows is made on a session of the pool, which stays open meanwhile.
    if let Err(error) = engine.now().await {
        let mut told = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            told = format!("{told}: {cause}");
            source = cause.source();
        }
        return Err(told);
    }
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
    let asked = async {
        let sql = "SELECT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.application_name = $1";
        let encrypted: Vec<bool> = client.query(sql, &[&name]).await.unwrap().iter().map(|row| row.get(0)).collect();
        assert!(!encrypted.is_empty(), "the session is gone");
        encrypted.iter().all(|encrypted| *encrypted)
    };
    tokio::select! {
        encrypted = asked => Ok(encrypted),
        ended = connection => panic!("{ended:?}"),
    }
}

fn refused(outcome: Result<bool, String>, why: &str) {
    let told = outcome.expect_err(why);
    assert!(told.contains(why), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_certificate_is_believed_as_far_as_the_mode_says() {
    let server = PrivateServer::start_with_tls(SERVER, KEY).await;
    assert_eq!(session(&server, "127.0.0.1", "sslmode=disable").await, Ok(false));
    for parameters in ["", "sslmode=prefer", "sslmode=require"] {
        assert_eq!(session(&server, "127.0.0.1", parameters).await, Ok(true), "{parameters}");
    }
    let (known, unknown) = (certificate("authority.pem"), certificate("self_signed.pem"));
    for mode in ["require", "verify-ca", "verify-full"] {
        let with = |roots: &str| format!("sslmode={mode}&sslrootcert={roots}");
        assert_eq!(session(&server, "localhost", &with(&known)).await, Ok(true), "{mode}");
        refused(session(&server, "localhost", &with(&unknown)).await, "UnknownIssuer");
    }
    // The machine trusts many, and not this one.
    assert!(session(&server, "localhost", "sslmode=verify-full").await.is_err());
    // By another name than the certificate's.
    let known = |mode: &str| format!("sslmode={mode}&sslrootcert={known}");
    assert_eq!(session(&server, "127.0.0.1", &known("verify-ca")).await, Ok(true));
    refused(session(&server, "127.0.0.1", &known("verify-full")).await, "not valid for name");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_the_operator_names_needs_nobody_to_vouch_for_it() {
    let server = PrivateServer::start_with_tls(SELF_SIGNED, KEY).await;
    let own = |mode: &str| format!("sslmode={mode}&sslrootcert={}", certificate("self_signed.pem"));
    for mode in ["require", "verify-ca", "verify-full"] {
        assert_eq!(session(&server, "localhost", &own(mode)).await, Ok(true), "{mode}");
    }
    refused(session(&server, "127.0.0.1", &own("verify-full")).await, "not valid for name");
    let others = format!("sslmode=verify-ca&sslrootcert={}", certificate("authority.pem"));
    refused(session(&server, "localhost", &others).await, "invalid peer certificate");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_used_unless_it_is_required() {
    let server = PrivateServer::start().await;
    for parameters in ["", "sslmode=disable", "sslmode=prefer"] {
        assert_eq!(session(&server, "127.0.0.1", parameters).await, Ok(false), "{parameters}");
    }
    refused(session(&server, "127.0.0.1", "sslmode=require").await, "server does not support TLS");
    let missing = session(&server, "127.0.0.1", "sslmode=verify-full&sslrootcert=/nowhere/ca.pem").await;
    refused(missing, "/nowhere/ca.pem");
}
