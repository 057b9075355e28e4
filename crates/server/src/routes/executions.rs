//! Runs by hand, and executions.

use std::time::Duration;

use actix_web::http::header::HeaderMap;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use task_domain::{Execution, ExecutionStatus};
use task_service::Executed;
use utoipa::ToSchema;

use super::EXECUTE_WAIT;
use super::query::{Query, task_id, uuid};
use super::tasks::dto::ErrorDto;
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::fields::Fields;
use crate::json::JsonBody;
use crate::state::ApiState;

/// One attempt within a run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExecutionDto {
    id: i64,
    execution_id: String,
    /// Ties the attempts of one run together.
    run_id: String,
    attempt: i32,
    task_id: String,
    user_id: Option<String>,
    /// `queued`, `running`, `completed`, `failed`, `cancelled`, `timed_out`, `released` or `lost`.
    #[schema(example = "completed")]
    status: &'static str,
    /// `manual`, `scheduled`, `created`, `retry` or `event`.
    #[schema(example = "manual")]
    trigger_type: &'static str,
    #[schema(value_type = Option<Value>)]
    trigger_data: Option<Value>,
    worker_id: Option<String>,
    #[schema(value_type = Option<Value>)]
    result: Option<Value>,
    error_message: Option<String>,
    #[schema(value_type = Option<Value>)]
    error_details: Option<Value>,
    credits_consumed: f64,
    tokens_used: i64,
    api_calls_made: i64,
    duration_ms: Option<i64>,
    queued_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    timeout_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl From<Execution> for ExecutionDto {
    fn from(execution: Execution) -> Self {
        Self {
            id: execution.id,
            execution_id: execution.execution_id.to_string(),
            run_id: execution.run_id.to_string(),
            attempt: execution.attempt,
            task_id: execution.task_id.to_string(),
            user_id: execution.user_id.map(|id| id.to_string()),
            status: execution.status.as_str(),
            trigger_type: execution.trigger_type.as_str(),
            trigger_data: execution.trigger_data,
            worker_id: execution.worker_id,
            result: execution.result,
            error_message: execution.error_message,
            error_details: execution.error_details,
            credits_consumed: execution.credits_consumed,
            tokens_used: execution.tokens_used,
            api_calls_made: execution.api_calls_made,
            duration_ms: execution.duration_ms,
            queued_at: execution.queued_at,
            started_at: execution.started_at,
            completed_at: execution.completed_at,
            timeout_at: execution.timeout_at,
            created_at: execution.created_at,
        }
    }
}

/// What the run is for; the whole body may be left out.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExecuteTask {
    #[schema(value_type = Option<Object>)]
    trigger_data: Option<Map<String, Value>>,
}

/// Runs a task by hand and waits for the outcome, up to 30 s. With `Prefer: respond-async`, or for
/// a type that only outside workers handle, it answers at once.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = String, Path), ("Prefer" = Option<String>, Header, description = "`respond-async`: do not wait")),
    request_body = Option<ExecuteTask>,
    responses(
        (status = 200, description = "The finished execution", body = ExecutionDto),
        (status = 202, description = "Not finished yet; see Location", body = ExecutionDto, headers(("Location" = String))),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 409, body = ErrorDto),
        (status = 413, body = ErrorDto), (status = 415, body = ErrorDto), (status = 422, body = ErrorDto), (status = 429, body = ErrorDto),
        (status = 500, description = "`execution_failed`: the run failed; the body names its `error_code` and `execution_id`", body = ErrorDto),
        (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/tasks/{task_id}/execute")]
pub(crate) async fn execute_task(
    state: web::Data<ApiState>,
    caller: Authenticated,
    request: HttpRequest,
    id: web::Path<String>,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let id = task_id(&id)?;
    let mut fields = Fields::of_body(body.0, true)?;
    let trigger_data = fields.clearable_object("trigger_data").flatten().map(Value::Object);
    fields.finish()?;
    let goes_on_alone = prefers_async(request.headers());
    let wait = if goes_on_alone { Duration::ZERO } else { EXECUTE_WAIT };
    let executed =
        state.detached(|tasks| async move { tasks.execute(&caller.0, &id, trigger_data, wait).await }).await?;
    // Also when the run was quick: whoever asked so reads where to look.
    if goes_on_alone { Ok(accepted(executed.execution)) } else { answer(executed) }
}

/// Preferences may stand in one header, comma separated, or in several (RFC 7240).
fn prefers_async(headers: &HeaderMap) -> bool {
    let given = headers.get_all("prefer").filter_map(|value| value.to_str().ok());
    given.flat_map(|value| value.split([',', ';'])).any(|part| part.trim().eq_ignore_ascii_case("respond-async"))
}

fn accepted(execution: Execution) -> HttpResponse {
    let location = format!("/api/v1/executions/{}", execution.execution_id);
    HttpResponse::Accepted().insert_header(("Location", location)).json(ExecutionDto::from(execution))
}

fn answer(executed: Executed) -> Result<HttpResponse, ApiError> {
    let Executed { execution, finished } = executed;
    if !finished {
        return Ok(accepted(execution));
    }
    if execution.status == ExecutionStatus::Completed {
        return Ok(HttpResponse::Ok().json(ExecutionDto::from(execution)));
    }
    let code = execution.error_details.as_ref().and_then(|details| details.get("code")).and_then(Value::as_str);
    let error_code = code.unwrap_or(execution.status.as_str()).to_owned();
    Err(ApiError::ExecutionFailed { error_code, execution_id: execution.execution_id.to_string() })
}

/// Lists a task's executions, newest first, the active one included.
#[utoipa::path(
    tag = "Tasks",
    params(
        ("task_id" = String, Path), ("status" = Option<String>, Query),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "50 when absent"), ("offset" = Option<i64>, Query, minimum = 0),
    ),
    responses(
        (status = 200, description = "The executions", body = [ExecutionDto]),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto),
        (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/tasks/{task_id}/executions")]
pub(crate) async fn list_executions(
    state: web::Data<ApiState>,
    caller: Authenticated,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let mut query = Query::of(request.query_string())?;
    let status = query.get("status");
    let limit = query.whole("limit", 1..=100, 50);
    let offset = query.whole("offset", 0..=1_000_000, 0);
    query.finish()?;
    let executions = state.tasks.executions(&caller.0, &task_id(&id)?, status, limit, offset).await?;
    Ok(HttpResponse::Ok().json(executions.into_iter().map(ExecutionDto::from).collect::<Vec<_>>()))
}

/// Reads one execution.
#[utoipa::path(
    tag = "Tasks",
    params(("execution_id" = uuid::Uuid, Path)),
    responses(
        (status = 200, description = "The execution", body = ExecutionDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto),
        (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/executions/{execution_id}")]
pub(crate) async fn get_execution(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let execution = state.tasks.execution(&caller.0, uuid("execution_id", &id)?).await?;
    Ok(HttpResponse::Ok().json(ExecutionDto::from(execution)))
}
