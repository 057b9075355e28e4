//! A database file of one test.

use std::path::{Path, PathBuf};

/// A path for a database; its folder is removed on drop.
pub struct TempDatabase {
    folder: PathBuf,
}

/// A fresh folder with nothing in it yet.
pub fn temp_database() -> TempDatabase {
    let folder = std::env::temp_dir().join(format!("task-test-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&folder).unwrap();
    TempDatabase { folder }
}

impl TempDatabase {
    /// Where the database file is to be.
    pub fn path(&self) -> PathBuf {
        self.folder.join("tasks.db")
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for TempDatabase {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
