//! `data_backup`: writes what belongs to the task's owner into files.
//!
//! Deliberately absent: any path of a task's config. Where files go is the operator's setting, and
//! their names are made of ids.

mod folder;
mod records;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use task_domain::{JsonObject, Task};
use task_protocols::{
    ConfigProblem, ConversationStore, ExecutionContext, ExecutionQuery, ExecutionStore, ExecutorError, Outcome,
    StoreError, TaskExecutor, TaskFilter, TaskSort, TaskStore,
};

use folder::Folder;

use crate::fields::{Fields, invalid_config};
use crate::shared::{failure, progress, unless_cancelled};

const KINDS: &[&str] = &["tasks", "executions", "conversations"];
const PAGE: i64 = 100;

/// What a backup reads.
#[derive(Clone)]
pub struct BackupStores {
    pub tasks: Arc<dyn TaskStore>,
    pub executions: Arc<dyn ExecutionStore>,
    pub conversations: Arc<dyn ConversationStore>,
}

/// Where backups go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSettings {
    /// Made when it is not there.
    pub folder: PathBuf,
    /// Newest backups of one owner that are kept; at least 1.
    pub keep: usize,
}

/// Config: `format` ndjson, `include`: some of tasks, executions, conversations (default all). Of a
/// task without an owner, the whole tenant is backed up.
#[derive(Clone)]
pub struct DataBackup {
    stores: BackupStores,
    settings: BackupSettings,
}

impl DataBackup {
    pub fn new(stores: BackupStores, settings: BackupSettings) -> Self {
        Self { stores, settings }
    }

    async fn run(&self, context: &ExecutionContext) -> Result<Outcome, ExecutorError> {
        let kinds = read(&context.task.config).map_err(invalid_config)?;
        progress(context, 0, "Opening the backup").await;
        let mut folder = Folder::create(self.settings.clone(), &context.task, &context.execution, kinds).await?;
        progress(context, 10, "Writing").await;
        self.write(&context.task, &mut folder).await?;
        progress(context, 90, "Finishing the backup").await;
        let owner = context.task.user_id.as_ref().map(ToString::to_string);
        let manifest = folder.finish(owner).await?;
        let files = manifest["files"].as_array().map(Vec::as_slice).unwrap_or_default();
        let records: u64 = files.iter().filter_map(|file| file["records"].as_u64()).sum();
        let message = format!("{records} records were backed up");
        let result = json!({"status": "success", "message": message, "backup_data": manifest});
        Ok(Outcome { result, ..Outcome::default() })
    }

    /// Page by page, so that the size of an account does not matter.
    async fn write(&self, task: &Task, folder: &mut Folder) -> Result<(), ExecutorError> {
        let mut filter = TaskFilter {
            user_id: task.user_id.clone(),
            sort: TaskSort::Oldest,
            limit: PAGE,
            ..TaskFilter::of(task.tenant_id.clone())
        };
        loop {
            let page = self.stores.tasks.list(&filter).await.map_err(unavailable)?;
            folder.append("tasks", page.tasks.iter().map(records::task).collect()).await?;
            for task in &page.tasks {
                self.write_executions(task, folder).await?;
                self.write_conversations(task, folder).await?;
            }
            filter.after = page.tasks.last().map(Into::into);
            if !page.more {
                return Ok(());
            }
        }
    }

    async fn write_executions(&self, task: &Task, folder: &mut Folder) -> Result<(), ExecutorError> {
        let mut offset = 0;
        while folder.wants("executions") {
            let query = ExecutionQuery {
                tenant_id: task.tenant_id.clone(),
                task_id: task.task_id.clone(),
                status: None,
                limit: PAGE,
                offset,
            };
            let page = self.stores.executions.list_executions(&query).await.map_err(unavailable)?;
            let read = i64::try_from(page.len()).unwrap_or_default();
            folder.append("executions", page.iter().map(records::execution).collect()).await?;
            if read < PAGE {
                break;
            }
            offset += read;
        }
        Ok(())
    }

    async fn write_conversations(&self, task: &Task, folder: &mut Folder) -> Result<(), ExecutorError> {
        let mut after = 0;
        while folder.wants("conversations") {
            let page = self.stores.conversations.list_conversations(&task.tenant_id, &task.task_id, after, PAGE);
            let page = page.await.map_err(unavailable)?;
            folder.append("conversations", page.iter().map(records::conversation).collect()).await?;
            match page.last().filter(|_| page.len() as i64 >= PAGE) {
                Some(last) => after = last.id,
                None => break,
            }
        }
        Ok(())
    }
}

fn unavailable(error: StoreError) -> ExecutorError {
    tracing::warn!(error = &error as &dyn std::error::Error, "a backup could not read the store");
    failure("store_unavailable", "The store could not be read", matches!(error, StoreError::Unavailable(_)))
}

fn read(config: &JsonObject) -> Result<Vec<&'static str>, Vec<ConfigProblem>> {
    let mut fields = Fields::of(config);
    if fields.present("format").is_some_and(|format| format != "ndjson") {
        fields.problem("format", "must be ndjson");
    }
    let named: Option<Vec<&str>> = match fields.present("include") {
        None => Some(KINDS.to_vec()),
        Some(Value::Array(items)) if !items.is_empty() => items.iter().map(Value::as_str).collect(),
        Some(value) => value.as_str().map(|name| vec![name]),
    };
    let known = named.filter(|names| names.iter().all(|name| KINDS.contains(name))).unwrap_or_else(|| {
        fields.problem("include", format!("must be one or a list of: {}", KINDS.join(", ")));
        Vec::new()
    });
    fields.finish(KINDS.iter().copied().filter(|kind| known.contains(kind)).collect())
}

#[async_trait]
impl TaskExecutor for DataBackup {
    fn task_types(&self) -> &'static [&'static str] {
        &["data_backup"]
    }

    fn validate_config(&self, config: &JsonObject) -> Vec<ConfigProblem> {
        read(config).err().unwrap_or_default()
    }

    async fn execute(&self, context: ExecutionContext) -> Result<Outcome, ExecutorError> {
        unless_cancelled(&context, self.run(&context)).await
    }
}
