//! A PostgreSQL database of one test, copied from a template.

use std::future::Future;

use tokio_postgres::{Client, NoTls};

/// Serialises the making of templates between test processes.
const TEMPLATE_LOCK: i64 = 0x7465_6d70_6c61_7465;

/// The server that tests make their databases on.
///
/// # Panics
/// When `TEST_DATABASE_URL` is not set: a test that cannot run must fail.
pub fn server_url() -> String {
    std::env::var("TEST_DATABASE_URL")
        .expect("TEST_DATABASE_URL is not set: run `make test`, which starts a private PostgreSQL, or set it to a server where databases may be created")
}

/// A private database.
pub struct TestDatabase {
    url: String,
    name: String,
}

impl TestDatabase {
    /// A copy of the template `kind`, which `set_up` fills when it does not exist yet. The name of a
    /// template has the time at which the test binary was built, so that a change makes a new one.
    pub async fn create<F, Fut>(kind: &str, set_up: F) -> Self
    where
        F: FnOnce(String) -> Fut,
        Fut: Future<Output = ()>,
    {
        let server = server_url();
        let admin = connect(&server).await;
        let template = format!("template_{}_{}", kind.replace('-', "_"), built_at());
        admin.execute("SELECT pg_advisory_lock($1)", &[&TEMPLATE_LOCK]).await.unwrap();
        let exists =
            admin.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&template]).await.unwrap().is_some();
        if !exists {
            // Filled under another name, so that a set-up that fails leaves no half template.
            let draft = format!("{template}_draft");
            admin.batch_execute(&format!("DROP DATABASE IF EXISTS {draft} WITH (FORCE)")).await.unwrap();
            admin.batch_execute(&format!("CREATE DATABASE {draft}")).await.unwrap();
            set_up(with_database(&server, &draft)).await;
            disconnect_all(&admin, &draft).await;
            admin.batch_execute(&format!("ALTER DATABASE {draft} RENAME TO {template}")).await.unwrap();
        }
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await.unwrap();
        admin.execute("SELECT pg_advisory_unlock($1)", &[&TEMPLATE_LOCK]).await.unwrap();
        Self { url: with_database(&server, &name), name }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// A plain connection to it, for looking behind the stores.
    pub async fn client(&self) -> Client {
        connect(&self.url).await
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (server_url(), self.name.clone());
        // The test's own runtime may be ending: the drop gets one of its own.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                connect(&server)
                    .await
                    .batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
                    .await
                    .unwrap()
            });
        });
        let _ = dropped.join();
    }
}

async fn disconnect_all(admin: &Client, database: &str) {
    admin
        .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", &[&database])
        .await
        .unwrap();
    crate::wait::until("nobody is connected to the template", std::time::Duration::from_secs(10), || async {
        let row =
            admin.query_one("SELECT count(*) FROM pg_stat_activity WHERE datname = $1", &[&database]).await.unwrap();
        row.get::<_, i64>(0) == 0
    })
    .await;
}

fn built_at() -> u128 {
    let binary = std::env::current_exe().unwrap();
    let modified = std::fs::metadata(binary).unwrap().modified().unwrap();
    modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
}

/// The URL of another database on the same server.
fn with_database(server: &str, name: &str) -> String {
    let (base, query) =
        server.split_once('?').map_or((server, String::new()), |(base, query)| (base, format!("?{query}")));
    let scheme_end = base.find("://").map_or(0, |at| at + 3);
    let host_end = base[scheme_end..].find('/').map_or(base.len(), |at| scheme_end + at);
    format!("{}/{name}{query}", &base[..host_end])
}

#[expect(clippy::disallowed_methods, reason = "a test's own connection")]
async fn connect(url: &str) -> Client {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.expect("the PostgreSQL of TEST_DATABASE_URL answers");
    tokio::spawn(connection);
    client
}
