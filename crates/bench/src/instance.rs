//! The program, running as a process of its own.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use task_testkit::{ports, process};

use crate::http::{Connection, Who};
use crate::{Failure, Result};

const PATIENCE: Duration = Duration::from_secs(60);

/// One instance; it is stopped when this is dropped.
pub struct Instance {
    child: Child,
    address: String,
    drop_ins: Vec<(&'static str, String)>,
}

/// Settings of the drop-in APIs' ports.
const DROP_INS: [&str; 4] = ["TASK_REPOSITORY_PORT", "TASK_MANAGEMENT_PORT", "SEEDCORE_PORT", "TASK_TRACKER_PORT"];

impl Instance {
    /// Starts it in development mode on a free port and waits until it answers.
    pub async fn start(program: &Path, environment: &[(&str, String)]) -> Result<Self> {
        let port = ports::free();
        let mut command = Command::new(program);
        command.arg("--dev").env("SERVICE_PORT", port.to_string()).env("LOG_LEVEL", "error");
        let mut drop_ins = Vec::new();
        for setting in DROP_INS {
            let port = ports::free();
            command.env(setting, port.to_string());
            drop_ins.push((setting, format!("127.0.0.1:{port}")));
        }
        let environment = environment.iter().map(|(name, value)| (*name, value.as_str()));
        let child = command
            .envs(environment)
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("{} cannot be started ({error}); build it first", program.display()))?;
        let mut instance = Self { child, address: format!("127.0.0.1:{port}"), drop_ins };
        let until = Instant::now() + PATIENCE;
        while !instance.answers().await {
            if let Some(status) = instance.child.try_wait()? {
                return Err(format!("the program ended at once: {status}").into());
            }
            if Instant::now() > until {
                return Err("the program does not answer".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(instance)
    }

    async fn answers(&self) -> bool {
        let Ok(mut connection) = Connection::open(&self.address).await else { return false };
        connection.get("/health", &Who::Key).await.is_ok_and(|answer| answer.status == 200)
    }

    pub async fn connect(&self) -> Result<Connection> {
        Connection::open(&self.address).await
    }

    pub async fn connections(&self, n: usize) -> Result<Vec<Connection>> {
        let mut all = Vec::with_capacity(n);
        for _ in 0..n {
            all.push(self.connect().await?);
        }
        Ok(all)
    }

    /// Connections to the drop-in API whose port `setting` names.
    pub async fn drop_in(&self, setting: &str, n: usize) -> Result<Vec<Connection>> {
        let known = self.drop_ins.iter().find(|(name, _)| *name == setting);
        let (_, address) = known.ok_or_else(|| format!("there is no drop-in API {setting}"))?;
        let mut all = Vec::with_capacity(n);
        for _ in 0..n {
            all.push(Connection::open(address).await?);
        }
        Ok(all)
    }

    /// Resident memory, bytes.
    pub fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|text| text.split_whitespace().next()).and_then(|text| text.parse::<u64>().ok());
        kilobytes.map(|kilobytes| kilobytes * 1024).ok_or_else(|| Failure::from("no VmRSS in /proc"))
    }
}

impl Drop for Instance {
    /// In order at first, so that connections to the database are closed.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            process::signal(&self.child, "TERM");
        }
        let _ = self.child.wait();
    }
}
