//! A PostgreSQL server of one test, which the test may stop and start.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio_postgres::NoTls;

use crate::{ports, process, sqlite, wait};

const PATIENCE: Duration = Duration::from_secs(60);

/// How the server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// In order; open transactions are rolled back.
    Fast,
    /// At once, as after a crash: it recovers at the next start.
    Immediate,
}

/// A private cluster; its port and its data stay the same over restarts.
pub struct PrivateServer {
    folder: sqlite::TempDatabase,
    port: u16,
    owner: Option<(u32, u32)>,
    encrypts: bool,
    process: Option<Child>,
}

impl PrivateServer {
    pub async fn start() -> Self {
        let mut server = Self::made();
        server.resume().await;
        server
    }

    /// One that knows TLS, with a certificate and its key as PEM; it still takes connections without.
    pub async fn start_with_tls(certificate: &str, key: &str) -> Self {
        let mut server = Self::made();
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = server.data().join(name);
            std::fs::write(&path, text).unwrap();
            // PostgreSQL takes no key that others may read.
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            if let Some((user, group)) = server.owner {
                chown(&path, Some(user), Some(group)).unwrap();
            }
        }
        server.encrypts = true;
        server.resume().await;
        server
    }

    fn made() -> Self {
        let folder = sqlite::temp_database();
        let owner = unprivileged();
        if let Some((user, group)) = owner {
            chown(folder.folder(), Some(user), Some(group)).unwrap();
        }
        let server = Self { folder, port: ports::free(), owner, encrypts: false, process: None };
        let made = server
            .command("initdb")
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "-D"])
            .arg(server.data())
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        server
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn data(&self) -> PathBuf {
        self.folder.folder().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(programs().join(program));
        command.current_dir("/").stdin(Stdio::null());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    /// Starts it again after [`PrivateServer::stop`]; returns when it answers.
    pub async fn resume(&mut self) {
        let url = self.url();
        let settings = [
            format!("--port={}", self.port),
            "--listen_addresses=127.0.0.1".to_owned(),
            format!("--unix_socket_directories={}", self.folder.folder().display()),
            format!("--ssl={}", if self.encrypts { "on" } else { "off" }),
        ];
        let child = self
            .command("postgres")
            .args(settings)
            .arg("-D")
            .arg(self.data())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(child);
        wait::until("the private PostgreSQL answers", PATIENCE, || async {
            tokio_postgres::connect(&url, NoTls).await.is_ok()
        })
        .await;
    }

    pub fn stop(&mut self, how: Stop) {
        let Some(mut child) = self.process.take() else { return };
        process::signal(&child, if how == Stop::Fast { "INT" } else { "QUIT" });
        child.wait().unwrap();
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        self.stop(Stop::Immediate);
    }
}

/// The folder of `initdb` and `postgres`.
///
/// # Panics
/// When there is none: a test that cannot run must fail.
fn programs() -> PathBuf {
    if let Some(folder) = std::env::var_os("TEST_POSTGRES_BIN") {
        return folder.into();
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    found.retain(|folder| folder.join("postgres").exists());
    found.sort();
    found.pop().expect(
        "PostgreSQL's programs were not found: run `make deps`, or set TEST_POSTGRES_BIN to the folder of initdb and postgres",
    )
}

/// PostgreSQL refuses to run as root: whom to run it as then.
fn unprivileged() -> Option<(u32, u32)> {
    let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(Path::new("/proc/self")).unwrap()) == 0;
    if !root {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let ids = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    Some(ids("postgres").or_else(|| ids("nobody")).expect("a user `postgres` or `nobody` to run PostgreSQL as"))
}
