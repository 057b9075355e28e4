//! What a backup says of each thing: everything its owner may see, and no secret.

use serde_json::{Value, json};
use task_domain::{Conversation, Execution, Schedule, Task};

pub(super) fn task(task: &Task) -> Value {
    json!({
        "task_id": task.task_id,
        "id": task.id,
        "tenant_id": task.tenant_id,
        "user_id": task.user_id,
        "origin": task.origin,
        "handler": task.handler,
        "name": task.name,
        "description": task.description,
        "task_type": task.task_type,
        "config": task.config,
        "metadata": task.metadata,
        "tags": task.tags,
        "labels": task.labels,
        "attributes": task.attributes,
        "priority": task.priority.number(),
        "schedule": task.schedule.as_ref().map(Schedule::to_json),
        "next_run_time": task.next_run_time,
        "due_date": task.due_date,
        "reminder_time": task.reminder_time,
        "timeout_seconds": task.timeout_seconds,
        "depends_on": task.depends_on,
        "retry": task.retry,
        "original_task_id": task.original_task_id,
        "retry_count": task.retry_count,
        "credits_per_run": task.credits_per_run,
        "total_credits_consumed": task.total_credits_consumed,
        "status": task.status,
        "last_error": task.last_error,
        "last_run_time": task.last_run_time,
        "last_success_time": task.last_success_time,
        "run_count": task.run_count,
        "success_count": task.success_count,
        "failure_count": task.failure_count,
        "completed_at": task.completed_at,
        "version": task.version,
        "created_at": task.created_at,
        "updated_at": task.updated_at,
    })
}

pub(super) fn execution(execution: &Execution) -> Value {
    json!({
        "execution_id": execution.execution_id,
        "run_id": execution.run_id,
        "task_id": execution.task_id,
        "attempt": execution.attempt,
        "status": execution.status,
        "trigger_type": execution.trigger_type,
        "trigger_data": execution.trigger_data,
        "worker_id": execution.worker_id,
        "result": execution.result,
        "error_message": execution.error_message,
        "error_details": execution.error_details,
        "credits_consumed": execution.credits_consumed,
        "tokens_used": execution.tokens_used,
        "api_calls_made": execution.api_calls_made,
        "duration_ms": execution.duration_ms,
        "queued_at": execution.queued_at,
        "started_at": execution.started_at,
        "completed_at": execution.completed_at,
        "timeout_at": execution.timeout_at,
        "created_at": execution.created_at,
    })
}

pub(super) fn conversation(entry: &Conversation) -> Value {
    json!({
        "id": entry.id,
        "task_id": entry.task_id,
        "content": entry.content,
        "status": entry.status,
        "created_at": entry.created_at,
        "updated_at": entry.updated_at,
    })
}
