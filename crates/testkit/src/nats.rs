//! nats-server: the shared one, and private ones that a test may stop and start.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{ports, sqlite, wait};

/// The server that tests share.
///
/// # Panics
/// When `TEST_NATS_URL` is not set: a test that cannot run must fail.
pub fn url() -> String {
    std::env::var("TEST_NATS_URL")
        .expect("TEST_NATS_URL is not set: run `make test`, which starts a private nats-server")
}

fn program() -> String {
    std::env::var("TEST_NATS_SERVER").unwrap_or_else(|_| "nats-server".into())
}

/// A nats-server with JetStream of one test; its port and its store stay the same over restarts.
pub struct PrivateServer {
    port: u16,
    store: sqlite::TempDatabase,
    process: Option<Child>,
}

impl PrivateServer {
    pub async fn start() -> Self {
        let mut server = Self { port: ports::free(), store: sqlite::temp_database(), process: None };
        server.resume().await;
        server
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Starts it again after [`PrivateServer::stop`].
    pub async fn resume(&mut self) {
        let port = self.port.to_string();
        let child = Command::new(program())
            .args(["-a", "127.0.0.1", "-p", &port, "-js", "-sd"])
            .arg(self.store.folder().join("jetstream"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server starts; run `make deps` to install it, or set TEST_NATS_SERVER to its path");
        self.process = Some(child);
        let address = format!("127.0.0.1:{port}");
        wait::until("nats-server listens", Duration::from_secs(20), || async {
            tokio::net::TcpStream::connect(&address).await.is_ok()
        })
        .await;
    }

    /// Kills it; what JetStream has not written yet is lost, as in a crash of the process.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Removes everything that JetStream stored; only while stopped.
    pub fn lose_store(&self) {
        assert!(self.process.is_none(), "stop the server first");
        let _ = std::fs::remove_dir_all(self.store.folder().join("jetstream"));
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        self.stop();
    }
}
