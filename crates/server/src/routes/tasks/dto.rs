//! A task as the canonical API speaks it.

use std::collections::BTreeMap;

use actix_web::http::header::{ETAG, LOCATION};
use actix_web::{HttpResponse, HttpResponseBuilder};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use task_domain::Task;
use utoipa::ToSchema;

/// A task.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskDto {
    /// Unique per tenant.
    #[schema(example = "0199f3c0-7b1e-7c44-9d1e-6d0f6c1f2a30")]
    pub(crate) task_id: String,
    /// Per database.
    pub(crate) id: i64,
    pub(crate) tenant_id: String,
    /// The owner; null for a key's own work.
    pub(crate) user_id: Option<String>,
    /// The API that made it.
    #[schema(example = "task_service")]
    pub(crate) origin: &'static str,
    /// `builtin` or `worker`.
    #[schema(example = "builtin")]
    pub(crate) handler: &'static str,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    #[schema(example = "echo")]
    pub(crate) task_type: String,
    #[schema(value_type = Object)]
    pub(crate) config: Map<String, Value>,
    #[schema(value_type = Option<Object>)]
    pub(crate) metadata: Option<Map<String, Value>>,
    pub(crate) tags: Vec<String>,
    pub(crate) labels: BTreeMap<String, String>,
    /// `urgent`, `high`, `medium` or `low`.
    #[schema(example = "medium")]
    pub(crate) priority: &'static str,
    #[schema(value_type = Option<Object>)]
    pub(crate) schedule: Option<Value>,
    pub(crate) next_run_time: Option<DateTime<Utc>>,
    pub(crate) due_date: Option<DateTime<Utc>>,
    pub(crate) reminder_time: Option<DateTime<Utc>>,
    pub(crate) timeout_seconds: Option<i64>,
    /// The tasks it waits for before its first run.
    pub(crate) depends_on: Vec<String>,
    /// `fail` or `run`.
    #[schema(example = "fail")]
    pub(crate) on_dependency_failure: &'static str,
    pub(crate) concurrency_key: Option<String>,
    /// It starts only while fewer tasks of its key run.
    pub(crate) max_concurrent: Option<i32>,
    #[schema(value_type = Object)]
    pub(crate) retry: Value,
    pub(crate) original_task_id: Option<String>,
    pub(crate) retry_count: i32,
    pub(crate) credits_per_run: f64,
    pub(crate) total_credits_consumed: f64,
    /// `pending`, `scheduled`, `blocked`, `queued`, `running`, `paused`, `completed`, `failed`, `cancelled` or `timed_out`.
    #[schema(example = "pending")]
    pub(crate) status: &'static str,
    pub(crate) is_completed: bool,
    /// Result of the last successful run; lists leave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub(crate) last_result: Option<Option<Value>>,
    /// Error of the last run, null after a success.
    pub(crate) last_error: Option<String>,
    pub(crate) last_run_time: Option<DateTime<Utc>>,
    pub(crate) last_success_time: Option<DateTime<Utc>>,
    pub(crate) run_count: i64,
    pub(crate) success_count: i64,
    pub(crate) failure_count: i64,
    pub(crate) completed_at: Option<DateTime<Utc>>,
    /// Rises with every edit by the owner.
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl TaskDto {
    /// A task of a list: without `last_result`.
    pub(crate) fn item(task: Task) -> Self {
        Self { last_result: None, ..Self::from(task) }
    }
}

impl From<Task> for TaskDto {
    fn from(task: Task) -> Self {
        // The key of a limited type is the operator's, not the caller's.
        let own_key = !task.is_limited_by_type();
        Self {
            is_completed: task.is_completed(),
            task_id: task.task_id.to_string(),
            id: task.id,
            tenant_id: task.tenant_id.to_string(),
            user_id: task.user_id.map(|id| id.to_string()),
            origin: task.origin.as_str(),
            handler: task.handler.as_str(),
            name: task.name,
            description: task.description,
            task_type: task.task_type,
            config: task.config,
            metadata: task.metadata,
            tags: task.tags,
            labels: task.labels,
            priority: task.priority.name(),
            schedule: task.schedule.map(|s| s.to_json()),
            next_run_time: task.next_run_time,
            due_date: task.due_date,
            reminder_time: task.reminder_time,
            timeout_seconds: task.timeout_seconds,
            depends_on: task.depends_on.into_iter().map(|id| id.to_string()).collect(),
            on_dependency_failure: task.on_dependency_failure.as_str(),
            concurrency_key: task.concurrency_key.filter(|_| own_key),
            max_concurrent: task.max_concurrent.filter(|_| own_key),
            retry: serde_json::to_value(&task.retry).unwrap_or_default(),
            original_task_id: task.original_task_id.map(|id| id.to_string()),
            retry_count: task.retry_count,
            credits_per_run: task.credits_per_run,
            total_credits_consumed: task.total_credits_consumed,
            status: task.status.as_str(),
            last_result: Some(task.last_result),
            last_error: task.last_error,
            last_run_time: task.last_run_time,
            last_success_time: task.last_success_time,
            run_count: task.run_count,
            success_count: task.success_count,
            failure_count: task.failure_count,
            completed_at: task.completed_at,
            version: task.version,
            created_at: task.created_at,
            updated_at: task.updated_at,
        }
    }
}

/// A task as the whole answer, with its version as the ETag.
pub(crate) fn task_response(mut response: HttpResponseBuilder, task: Task) -> HttpResponse {
    response.insert_header((ETAG, format!("\"{}\"", task.version))).json(TaskDto::from(task))
}

/// 201 with the place of the new task.
pub(crate) fn created(task: &Task) -> HttpResponseBuilder {
    let mut response = HttpResponse::Created();
    response.insert_header((LOCATION, format!("/api/v1/tasks/{}", task.task_id)));
    response
}

/// The shape of every error: the first three fields always, the others where they have something to say.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorDto {
    /// A sentence; for code `validation_error` a list of `{loc, msg, type}`.
    #[schema(value_type = Value)]
    pub(crate) detail: Value,
    /// Stable, snake_case.
    #[schema(example = "validation_error")]
    pub(crate) code: String,
    /// Also in the header `X-Request-ID` and in the log.
    pub(crate) request_id: Option<String>,
    /// Of a run that was waited for and failed.
    pub(crate) error_code: Option<String>,
    pub(crate) execution_id: Option<String>,
    /// What was refused (403): `read`, `update`, `claim`, …
    pub(crate) action: Option<String>,
    /// The level that it needs.
    pub(crate) required_level: Option<String>,
    /// Of code `lease_lost`.
    pub(crate) reason: Option<String>,
    /// The status that the task has, of codes `invalid_transition` and `not_claimable`.
    pub(crate) from: Option<String>,
    /// The one that it cannot take.
    pub(crate) to: Option<String>,
    /// The limit that was met (429).
    pub(crate) limit_type: Option<String>,
    pub(crate) limit: Option<i64>,
    pub(crate) used: Option<i64>,
    /// The version that the task has (412).
    pub(crate) version: Option<i64>,
    /// What was not found, or is in the way.
    pub(crate) task_id: Option<String>,
    pub(crate) template_id: Option<String>,
    pub(crate) fact_id: Option<String>,
    pub(crate) conversation_id: Option<i64>,
    pub(crate) key_id: Option<String>,
}
