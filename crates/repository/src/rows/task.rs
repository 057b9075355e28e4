//! `user_tasks`: what the owner wrote.

use std::collections::BTreeMap;

use diesel::prelude::*;
use serde::Serialize;
use serde_json::Value;
use serde_with::skip_serializing_none;
use task_domain::{
    Handler, JsonObject, OnDependencyFailure, Origin, Priority, RetryPolicy, Schedule, Task, TaskId, TenantId, UserId,
};

use super::StateRow;
use crate::columns::{Json, Stamp, Word};
use crate::sqlite::schema::user_tasks;

#[skip_serializing_none]
#[derive(Debug, Clone, Queryable, AsChangeset, Serialize)]
#[diesel(table_name = user_tasks, treat_none_as_null = true)]
pub(crate) struct TaskRow {
    pub(crate) tenant_id: String,
    pub(crate) id: i64,
    pub(crate) task_id: String,
    pub(crate) user_id: Option<String>,
    pub(crate) origin: Word<Origin>,
    pub(crate) handler: Word<Handler>,
    pub(crate) task_type: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) config: Json<JsonObject>,
    pub(crate) metadata: Option<Json<JsonObject>>,
    pub(crate) tags: Json<Vec<String>>,
    pub(crate) labels: Json<BTreeMap<String, String>>,
    pub(crate) attributes: Json<JsonObject>,
    pub(crate) priority: i16,
    pub(crate) schedule: Option<Json<Value>>,
    pub(crate) due_date: Option<Stamp>,
    pub(crate) reminder_time: Option<Stamp>,
    pub(crate) reminded_at: Option<Stamp>,
    pub(crate) timeout_seconds: Option<i64>,
    pub(crate) depends_on: Json<Vec<TaskId>>,
    pub(crate) retry: Json<RetryPolicy>,
    pub(crate) original_task_id: Option<String>,
    pub(crate) retry_count: i32,
    pub(crate) credits_per_run: f64,
    pub(crate) version: i64,
    pub(crate) created_at: Stamp,
    pub(crate) deleted_at: Option<Stamp>,
    pub(crate) on_dependency_failure: Word<OnDependencyFailure>,
    pub(crate) concurrency_key: Option<String>,
    pub(crate) max_concurrent: Option<i32>,
    pub(crate) key_id: Option<String>,
}

impl From<&Task> for TaskRow {
    fn from(task: &Task) -> Self {
        Self {
            tenant_id: task.tenant_id.as_str().to_owned(),
            id: task.id,
            task_id: task.task_id.as_str().to_owned(),
            user_id: task.user_id.as_ref().map(|id| id.as_str().to_owned()),
            origin: Word(task.origin),
            handler: Word(task.handler),
            task_type: task.task_type.clone(),
            name: task.name.clone(),
            description: task.description.clone(),
            config: Json(task.config.clone()),
            metadata: task.metadata.clone().map(Json),
            tags: Json(task.tags.clone()),
            labels: Json(task.labels.clone()),
            attributes: Json(task.attributes.clone()),
            priority: task.priority.number(),
            schedule: task.schedule.as_ref().map(|s| Json(s.to_json())),
            due_date: task.due_date.map(Stamp),
            reminder_time: task.reminder_time.map(Stamp),
            reminded_at: task.reminded_at.map(Stamp),
            timeout_seconds: task.timeout_seconds,
            depends_on: Json(task.depends_on.clone()),
            retry: Json(task.retry.clone()),
            original_task_id: task.original_task_id.as_ref().map(|id| id.as_str().to_owned()),
            retry_count: task.retry_count,
            credits_per_run: task.credits_per_run,
            version: task.version,
            created_at: Stamp(task.created_at),
            deleted_at: task.deleted_at.map(Stamp),
            on_dependency_failure: Word(task.on_dependency_failure),
            concurrency_key: task.concurrency_key.clone(),
            max_concurrent: task.max_concurrent,
            key_id: task.key_id.clone(),
        }
    }
}

/// Puts a task together. `last_result` is `None` where the reader did not ask for it.
/// Errors when a stored schedule cannot be read, which only a damaged database causes.
pub(crate) fn task_from_rows(row: TaskRow, state: StateRow, last_result: Option<Value>) -> Result<Task, String> {
    let schedule = match row.schedule {
        Some(Json(json)) => {
            Some(Schedule::parse(&json).map_err(|problems| format!("schedule of task {}: {problems:?}", row.task_id))?)
        }
        None => None,
    };
    let task_id = TaskId::from_stored(row.task_id);
    let tenant_id = TenantId::from_stored(row.tenant_id);
    let user_id = row.user_id.map(UserId::from_stored);
    let current = state.current(&tenant_id, &task_id, &user_id);
    Ok(Task {
        id: row.id,
        origin: row.origin.0,
        handler: row.handler.0,
        name: row.name,
        description: row.description,
        task_type: row.task_type,
        config: row.config.0,
        metadata: row.metadata.map(|m| m.0),
        tags: row.tags.0,
        labels: row.labels.0,
        attributes: row.attributes.0,
        priority: Priority::from_number(i64::from(row.priority)).unwrap_or_default(),
        schedule,
        next_run_time: state.next_run_time.map(|s| s.0),
        schedule_runs: state.schedule_runs,
        due_date: row.due_date.map(|s| s.0),
        reminder_time: row.reminder_time.map(|s| s.0),
        reminded_at: row.reminded_at.map(|s| s.0),
        timeout_seconds: row.timeout_seconds,
        depends_on: row.depends_on.0,
        on_dependency_failure: row.on_dependency_failure.0,
        concurrency_key: row.concurrency_key,
        max_concurrent: row.max_concurrent,
        key_id: row.key_id,
        retry: row.retry.0,
        original_task_id: row.original_task_id.map(TaskId::from_stored),
        retry_count: row.retry_count,
        credits_per_run: row.credits_per_run,
        total_credits_consumed: state.total_credits,
        status: state.status.0,
        return_to: state.return_to.map(|s| s.0),
        last_result,
        last_error: state.last_error.clone(),
        last_run_time: state.last_run_time.map(|s| s.0),
        last_success_time: state.last_success_time.map(|s| s.0),
        run_count: state.run_count,
        success_count: state.success_count,
        failure_count: state.failure_count,
        completed_at: state.completed_at.map(|s| s.0),
        version: row.version,
        event_seq: state.event_seq,
        created_at: row.created_at.0,
        updated_at: state.updated_at.0,
        deleted_at: row.deleted_at.map(|s| s.0),
        current,
        tenant_id,
        task_id,
        user_id,
    })
}
