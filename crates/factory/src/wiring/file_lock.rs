//! One service for one SQLite file: each believes that it alone writes.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;

use crate::config::Settings;
use crate::error::StartError;
use crate::wiring::engine;

/// Keeps other services from the file until it is dropped, or the process ends however it ends.
/// Commands beside it (`keys`, `migrate`) take none.
pub(crate) struct FileLock(#[expect(dead_code, reason = "the lock is held as long as the file is open")] File);

/// Takes the lock beside the SQLite file; nothing on another engine.
///
/// # Errors
/// When another service has it.
pub(crate) fn take(settings: &Settings) -> Result<Option<FileLock>, StartError> {
    let Some(path) = engine::sqlite_path(settings) else { return Ok(None) };
    let mut name = path.clone().into_os_string();
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&name);
    let file = file.map_err(|e| StartError::Database(Box::new(e)))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(FileLock(file))),
        Err(TryLockError::WouldBlock) => Err(StartError::FileInUse { path }),
        Err(TryLockError::Error(error)) => {
            // Some network file systems know no locks.
            tracing::warn!(file = %name.display(), %error, "cannot be locked; see to it that one service alone uses it");
            Ok(None)
        }
    }
}
