//! What workers do: claim or start, report, give back. They name themselves, or do not.

use actix_web::{HttpResponse, post, web};
use serde_json::{Value, json};
use task_domain::decide::Report;
use task_domain::{Origin, Task};
use task_server::plumbing::task_id;
use task_service::NamedClaim;

use super::input;
use super::row::Row;
use super::shape::{Flat, refused, stamp, word};
use crate::common::{Answer, Authorised, Body, DropIn, ResultBody};

fn moved(task: &Task) -> HttpResponse {
    HttpResponse::Created().json(json!({
        "taskId": task.task_id, "status": word(task.status), "updatedAt": stamp(task.updated_at),
    }))
}

/// Starts a pending task.
#[utoipa::path(
    tag = "Work", params(("id" = String, Path)), request_body = Option<Object>,
    responses((status = 201, body = Value), (status = 400, body = Value), (status = 404, body = Value))
)]
#[post("/api/v1/tasks/{id}/start")]
pub(crate) async fn start_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Flat>,
    id: web::Path<String>,
    body: Body<Flat>,
) -> Answer<Flat> {
    let worker_id = input::worker(body.0)?.unwrap_or_default();
    let claim = NamedClaim { worker_id, lease_seconds: drop_in.lease_seconds, attribute: None };
    let tasks = drop_in.tasks.clone();
    let started = async {
        let task = task_id(&id)?;
        drop_in.engine.to_the_end(async move { tasks.claim(&caller.0, &task, &claim).await }).await
    };
    let conflict = |status: &str| format!("Task {id} cannot be started, current status: {status}");
    Ok(moved(&started.await.map_err(refused(&id, "start", conflict))?))
}

/// Reports success.
#[utoipa::path(
    tag = "Work", params(("id" = String, Path)), request_body = Object,
    responses((status = 201, body = Value), (status = 400, body = Value), (status = 403, body = Value), (status = 404, body = Value))
)]
#[post("/api/v1/tasks/{id}/complete")]
pub(crate) async fn complete_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Flat>,
    id: web::Path<String>,
    body: ResultBody<Flat>,
) -> Answer<Flat> {
    let (named, result) = input::completion(body.0)?;
    let tasks = drop_in.tasks.clone();
    let done = async {
        let task = task_id(&id)?;
        let report = Report { result, ..Report::default() };
        let done = async move { tasks.complete(&caller.0, &task, named.as_deref(), report).await };
        drop_in.engine.to_the_end(done).await
    };
    let conflict = |status: &str| format!("Task {id} cannot be completed, current status: {status}");
    Ok(moved(&done.await.map_err(refused(&id, "complete", conflict))?))
}

/// Reports failure.
#[utoipa::path(
    tag = "Work", params(("id" = String, Path)), request_body = Object,
    responses((status = 201, body = Value), (status = 400, body = Value), (status = 403, body = Value), (status = 404, body = Value))
)]
#[post("/api/v1/tasks/{id}/fail")]
pub(crate) async fn fail_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Flat>,
    id: web::Path<String>,
    body: Body<Flat>,
) -> Answer<Flat> {
    let (named, failure) = input::failure(body.0)?;
    let tasks = drop_in.tasks.clone();
    let done = async {
        let task = task_id(&id)?;
        let done = async move { tasks.fail(&caller.0, &task, named.as_deref(), failure).await };
        drop_in.engine.to_the_end(done).await
    };
    let conflict = |status: &str| format!("Task {id} cannot be failed, current status: {status}");
    Ok(moved(&done.await.map_err(refused(&id, "fail", conflict))?))
}

/// Ends a task that is not done as timed out.
#[utoipa::path(
    tag = "Work", params(("id" = String, Path)),
    responses((status = 201, body = Value), (status = 400, body = Value), (status = 404, body = Value))
)]
#[post("/api/v1/tasks/{id}/timeout")]
pub(crate) async fn time_task_out(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Flat>,
    id: web::Path<String>,
) -> Answer<Flat> {
    let tasks = drop_in.tasks.clone();
    let done = async {
        let task = task_id(&id)?;
        drop_in.engine.to_the_end(async move { tasks.time_out(&caller.0, &task).await }).await
    };
    let conflict = |status: &str| format!("Task {id} already finished with status: {status}");
    Ok(moved(&done.await.map_err(refused(&id, "time out", conflict))?))
}

/// Stores a progress entry.
#[utoipa::path(
    tag = "Work", params(("id" = String, Path)), request_body = Object,
    responses((status = 201, body = Value), (status = 400, body = Value), (status = 404, body = Value))
)]
#[post("/api/v1/tasks/{id}/progress")]
pub(crate) async fn report_progress(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Flat>,
    id: web::Path<String>,
    body: Body<Flat>,
) -> Answer<Flat> {
    let entries = [input::progress(body.0)?];
    let tasks = drop_in.tasks.clone();
    let appended = async {
        let task = task_id(&id)?;
        drop_in.engine.to_the_end(async move { tasks.progress(&caller.0, &task, None, &entries).await }).await
    };
    let conflict = |status: &str| format!("Cannot update progress for task {id}, status: {status}");
    let appended = appended.await.map_err(refused(&id, "update", conflict))?;
    Ok(HttpResponse::Created().json(json!({
        "taskId": id.as_str(), "seqId": appended.seq_id, "timestamp": stamp(appended.timestamp),
    })))
}

/// Ends what has passed its deadline, as the service does by itself every second.
#[utoipa::path(tag = "Work", responses((status = 201, body = Value)))]
#[post("/api/v1/tasks/timeouts/process")]
pub(crate) async fn process_timeouts(drop_in: web::Data<DropIn>, caller: Authorised<Flat>) -> Answer<Flat> {
    let (reaper, tenant_id) = (drop_in.engine.reaper.clone(), caller.0.tenant_id);
    let late = async move { reaper.time_out_late(&tenant_id, Origin::TaskTracker).await };
    let count = drop_in.engine.to_the_end(late).await?;
    Ok(HttpResponse::Created().json(json!({"processedCount": count})))
}

/// Takes the oldest pending task of some types; null when there is none.
#[utoipa::path(
    tag = "Work", request_body = Object,
    responses((status = 201, body = Row), (status = 400, body = Value))
)]
#[post("/api/v1/tasks/claim")]
pub(crate) async fn claim_next(drop_in: web::Data<DropIn>, caller: Authorised<Flat>, body: Body<Flat>) -> Answer<Flat> {
    let (task_types, worker_id) = input::claim(body.0)?;
    let claim = NamedClaim { worker_id, lease_seconds: drop_in.lease_seconds, attribute: None };
    let tasks = drop_in.tasks.clone();
    let claimed =
        drop_in.engine.to_the_end(async move { tasks.claim_next(&caller.0, task_types, &claim).await }).await?;
    Ok(HttpResponse::Created().json(claimed.map(|task| Row::new(task, None, Value::Null))))
}

/// Gives a task back; what was reported stays.
#[utoipa::path(
    tag = "Work", params(("id" = String, Path)), request_body = Object,
    responses((status = 201, body = Value), (status = 400, body = Value), (status = 403, body = Value), (status = 404, body = Value))
)]
#[post("/api/v1/tasks/{id}/release")]
pub(crate) async fn release_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Flat>,
    id: web::Path<String>,
    body: Body<Flat>,
) -> Answer<Flat> {
    let named = input::named_worker(body.0)?;
    let tasks = drop_in.tasks.clone();
    let released = async {
        let task = task_id(&id)?;
        drop_in.engine.to_the_end(async move { tasks.release(&caller.0, &task, Some(&named)).await }).await
    };
    let conflict = |status: &str| format!("Task {id} cannot be released, current status: {status}");
    let (task, kept) = released.await.map_err(refused(&id, "release", conflict))?;
    Ok(HttpResponse::Created().json(json!({
        "taskId": task.task_id, "status": word(task.status),
        "message": format!("Task released, {kept} progress entries preserved"),
    })))
}
