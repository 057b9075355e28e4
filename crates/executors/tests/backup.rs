//! `data_backup` into a temporary folder.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use task_domain::{Conversation, Execution, Task, UserId};
use task_executors::{BackupSettings, BackupStores, DataBackup};
use task_protocols::{MockConversationStore, MockExecutionStore, MockTaskStore, StoreError, TaskExecutor, TaskPage};
use uuid::Uuid;

mod support;

use support::{context, problems};

/// A folder of its own, removed afterwards.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("task-backup-{}", Uuid::now_v7()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn task(id: i64) -> Task {
    Task { id, ..context("echo", json!({"value": id})).task }
}

/// Two pages of tasks, each with 101 executions and one conversation entry.
fn stores() -> BackupStores {
    let mut tasks = MockTaskStore::new();
    tasks.expect_list().returning(|filter| {
        assert_eq!(filter.user_id.as_ref().map(UserId::as_str), Some("../u/1"));
        Ok(match filter.after {
            None => TaskPage { tasks: vec![task(1), task(2)], more: true, total: None, conversations: Vec::new() },
            Some(_) => TaskPage { tasks: vec![task(3)], more: false, total: None, conversations: Vec::new() },
        })
    });
    let mut executions = MockExecutionStore::new();
    executions.expect_list_executions().returning(|query| {
        let one = || Execution { execution_id: Uuid::now_v7(), ..task(1).current.unwrap() };
        Ok((0..if query.offset == 0 { query.limit } else { 1 }).map(|_| one()).collect())
    });
    let mut conversations = MockConversationStore::new();
    conversations.expect_list_conversations().returning(|_, task_id, after, _| {
        assert_eq!(after, 0);
        let at = "2030-01-01T00:00:00Z".parse().unwrap();
        let (content, status) = ("line\nbreak".into(), "active".into());
        Ok(vec![Conversation { id: 1, task_id: task_id.clone(), content, status, created_at: at, updated_at: at }])
    });
    BackupStores { tasks: Arc::new(tasks), executions: Arc::new(executions), conversations: Arc::new(conversations) }
}

fn backup(folder: &Path, stores: BackupStores) -> DataBackup {
    DataBackup::new(stores, BackupSettings { folder: folder.to_owned(), keep: 2 })
}

/// The run of an owner whose id looks like a path.
fn run(config: Value) -> task_protocols::ExecutionContext {
    let mut context = context("data_backup", config);
    context.task.user_id = Some(UserId::new("../u/1").unwrap());
    context
}

/// The owner's folders below the configured one: `<folder>/<tenant>/<user>/*`.
fn written(folder: &Path) -> Vec<PathBuf> {
    let entries = |path: &Path| fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect::<Vec<_>>();
    let mut found: Vec<_> = entries(folder).iter().flat_map(|t| entries(t)).flat_map(|u| entries(&u)).collect();
    found.sort();
    found
}

#[tokio::test]
async fn a_backup_is_whole_and_its_manifest_can_be_checked() {
    let folder = Temporary::new();
    let outcome = backup(&folder.0, stores()).execute(run(json!({"format": "ndjson"}))).await.unwrap();
    let manifest = &outcome.result["backup_data"];
    let [path] = written(&folder.0).try_into().unwrap();
    assert_eq!(path.file_name().unwrap().to_str(), manifest["backup"].as_str());
    let stored: Value = serde_json::from_slice(&fs::read(path.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(stored, *manifest);
    assert_eq!(manifest["user_id"], "../u/1");
    let counts: Vec<_> = manifest["files"].as_array().unwrap().iter().map(|f| f["records"].as_i64().unwrap()).collect();
    assert_eq!(counts, [3, 303, 3]);
    for file in manifest["files"].as_array().unwrap() {
        let content = fs::read(path.join(file["file"].as_str().unwrap())).unwrap();
        let sha256: String = Sha256::digest(&content).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            (file["bytes"].as_u64(), file["sha256"].as_str()),
            (Some(content.len() as u64), Some(sha256.as_str()))
        );
        let lines: Vec<Value> =
            String::from_utf8(content).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines.len() as i64, file["records"].as_i64().unwrap());
    }
}

#[tokio::test]
async fn only_what_is_included_is_written_and_only_the_newest_are_kept() {
    let folder = Temporary::new();
    for _ in 0..4 {
        let outcome = backup(&folder.0, stores()).execute(run(json!({"include": "tasks"}))).await.unwrap();
        assert_eq!(outcome.result["backup_data"]["files"].as_array().unwrap().len(), 1);
    }
    let kept = written(&folder.0);
    assert_eq!(kept.len(), 2);
    assert!(!kept[0].join("executions.ndjson").exists());
}

#[tokio::test]
async fn a_backup_that_fails_or_is_cancelled_leaves_nothing_behind() {
    let folder = Temporary::new();
    let mut away = stores();
    let mut conversations = MockConversationStore::new();
    conversations.expect_list_conversations().returning(|_, _, _, _| Err(StoreError::unavailable("away")));
    away.conversations = Arc::new(conversations);
    let error = backup(&folder.0, away).execute(run(json!({}))).await.unwrap_err();
    assert_eq!((error.code, error.retryable), ("store_unavailable", true));
    assert!(written(&folder.0).is_empty());

    let cancelled = run(json!({}));
    cancelled.cancelled.cancel();
    assert_eq!(backup(&folder.0, stores()).execute(cancelled).await.unwrap_err().code, "cancelled");
    assert!(written(&folder.0).is_empty());

    let file = folder.0.join("a file");
    fs::write(&file, "in the way").unwrap();
    let error = backup(&file, stores()).execute(run(json!({}))).await.unwrap_err();
    assert_eq!((error.code, error.retryable), ("backup_failed", true));
}

#[test]
fn every_problem_of_a_backup_config_is_named() {
    let backup = backup(Path::new("/nowhere"), stores());
    assert_eq!(problems(&backup, json!({"format": "csv", "include": ["secrets"]})), ["format", "include"]);
    assert_eq!(problems(&backup, json!({"include": []})), ["include"]);
    assert!(problems(&backup, json!({"path": "../../x"})).is_empty(), "a path means nothing");
}
