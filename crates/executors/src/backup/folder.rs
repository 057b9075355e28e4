//! The files of one backup: written under a temporary name, made durable, renamed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use task_domain::{Execution, Task};
use task_protocols::ExecutorError;

use super::BackupSettings;
use crate::shared::failure;

const UNFINISHED: &str = ".unfinished-";
const FINISHED: &str = "backup-";
/// What a killed instance left behind is removed after so long.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// One backup while it is written. Dropped unfinished, its files go.
pub(super) struct Folder {
    writing: Arc<Mutex<Writing>>,
    kinds: Vec<&'static str>,
}

struct Writing {
    keep: usize,
    /// Of one owner.
    owner: PathBuf,
    /// Where it is written, and the name it will have.
    temporary: PathBuf,
    name: String,
    started_at: DateTime<Utc>,
    files: Vec<Records>,
    finished: bool,
}

/// One file of JSON lines.
struct Records {
    kind: &'static str,
    writer: BufWriter<File>,
    digest: Sha256,
    records: u64,
    bytes: u64,
}

impl Folder {
    /// # Errors
    /// `backup_failed` when the configured folder cannot be written to.
    pub(super) async fn create(
        settings: BackupSettings,
        task: &Task,
        execution: &Execution,
        kinds: Vec<&'static str>,
    ) -> Result<Self, ExecutorError> {
        let owner = match &task.user_id {
            Some(user) => format!("user-{}", file_name(user.as_str())),
            None => "tenant".to_owned(),
        };
        let owner = settings.folder.join(file_name(task.tenant_id.as_str())).join(owner);
        let started_at = execution.started_at.unwrap_or(execution.queued_at);
        let stamp = started_at.format("%Y%m%dT%H%M%SZ");
        let id = execution.execution_id;
        let temporary = owner.join(format!("{UNFINISHED}{id}"));
        let name = format!("{FINISHED}{stamp}-{id}");
        let of = kinds.clone();
        let writing = blocking(move || {
            fs::create_dir_all(&owner)?;
            remove_abandoned(&owner)?;
            fs::create_dir(&temporary)?;
            // From here on a drop cleans up.
            let keep = settings.keep.max(1);
            let mut writing = Writing { keep, owner, temporary, name, started_at, files: Vec::new(), finished: false };
            for kind in of {
                let file = File::create_new(writing.temporary.join(format!("{kind}.ndjson")))?;
                let (writer, digest) = (BufWriter::new(file), Sha256::new());
                writing.files.push(Records { kind, writer, digest, records: 0, bytes: 0 });
            }
            Ok(writing)
        });
        Ok(Self { writing: Arc::new(Mutex::new(writing.await?)), kinds })
    }

    pub(super) fn wants(&self, kind: &str) -> bool {
        self.kinds.contains(&kind)
    }

    /// Appends records of a kind that is wanted; others are left out.
    pub(super) async fn append(&mut self, kind: &'static str, records: Vec<Value>) -> Result<(), ExecutorError> {
        if records.is_empty() || !self.wants(kind) {
            return Ok(());
        }
        self.with(move |writing| {
            let Some(file) = writing.files.iter_mut().find(|file| file.kind == kind) else { return Ok(()) };
            records.iter().try_for_each(|record| file.append(record))
        })
        .await
    }

    /// Makes the files durable and gives them their name; the manifest. Older backups beyond what is
    /// kept go.
    pub(super) async fn finish(self, user_id: Option<String>) -> Result<Value, ExecutorError> {
        self.with(move |writing| writing.finish(user_id)).await
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writing) -> io::Result<T> + Send + 'static,
    ) -> Result<T, ExecutorError> {
        let writing = Arc::clone(&self.writing);
        blocking(move || work(&mut writing.lock().unwrap_or_else(PoisonError::into_inner))).await
    }
}

impl Records {
    fn append(&mut self, record: &Value) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.writer.write_all(&line)?;
        self.digest.update(&line);
        self.records += 1;
        self.bytes += line.len() as u64;
        Ok(())
    }

    fn close(&mut self) -> io::Result<Value> {
        self.writer.flush()?;
        self.writer.get_ref().sync_all()?;
        let sha256: String = self.digest.finalize_reset().iter().map(|byte| format!("{byte:02x}")).collect();
        let file = format!("{}.ndjson", self.kind);
        Ok(json!({"file": file, "records": self.records, "bytes": self.bytes, "sha256": sha256}))
    }
}

impl Writing {
    fn finish(&mut self, user_id: Option<String>) -> io::Result<Value> {
        let files = self.files.iter_mut().map(Records::close).collect::<io::Result<Vec<_>>>()?;
        let manifest = json!({
            "backup": self.name,
            "format": "ndjson",
            "user_id": user_id,
            "started_at": self.started_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            "files": files,
        });
        let mut file = File::create_new(self.temporary.join("manifest.json"))?;
        file.write_all(&serde_json::to_vec_pretty(&manifest)?)?;
        file.sync_all()?;
        sync(&self.temporary)?;
        fs::rename(&self.temporary, self.owner.join(&self.name))?;
        self.finished = true;
        sync(&self.owner)?;
        remove_old(&self.owner, self.keep)?;
        Ok(manifest)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be removed now is removed as abandoned later.
            let _ = fs::remove_dir_all(&self.temporary);
        }
    }
}

/// Makes a folder's entries durable.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The entries of a folder whose name begins so, oldest name first.
fn entries(folder: &Path, prefix: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) && entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn remove_abandoned(owner: &Path) -> io::Result<()> {
    for path in entries(owner, UNFINISHED)? {
        let age = fs::metadata(&path).and_then(|data| data.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > ABANDONED) {
            let _ = fs::remove_dir_all(&path);
        }
    }
    Ok(())
}

fn remove_old(owner: &Path, keep: usize) -> io::Result<()> {
    let all = entries(owner, FINISHED)?;
    for path in all.iter().take(all.len().saturating_sub(keep)) {
        fs::remove_dir_all(path)?;
    }
    Ok(())
}

/// A name for an id that may hold any character: what can be read of it, and its digest, so that no
/// two ids share one and none leads elsewhere.
fn file_name(id: &str) -> String {
    let readable: String =
        id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(40).collect();
    let digest: String = Sha256::digest(id.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{readable}-{digest}")
}

/// Files are read and written off the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ExecutorError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other).flatten().map_err(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "a backup could not be written");
        failure("backup_failed", "The backup could not be written; its operator finds the cause in the log", true)
    })
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn no_id_leads_out_of_the_folder_and_no_two_share_a_name() {
        for id in ["..", "../../etc/passwd", "/", "a/b", "a\\b", ".", "", "ü", &"x".repeat(255)] {
            let name = file_name(id);
            assert!(name.len() < 100 && !name.contains(['/', '\\', '.']), "{id} → {name}");
        }
        assert_ne!(file_name("a/b"), file_name("ab"));
        assert_ne!(file_name("A"), file_name("a"));
    }
}
