//! `GET /api/v1/analytics`.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::{DateTime, NaiveDate, Utc, Weekday};
use serde::Serialize;
use task_domain::UserId;
use task_service::{Analytics, DayOfExecutions};
use utoipa::ToSchema;

use super::query::Query;
use super::tasks::dto::ErrorDto;
use crate::auth::Authenticated;
use crate::errors::{ApiError, FieldError};
use crate::state::ApiState;

/// A user's figures. Tasks are those that are there; executions the ended ones whose run was queued
/// in the window.
#[derive(Serialize, ToSchema)]
pub(crate) struct AnalyticsDto {
    user_id: String,
    #[schema(example = "Last 30 days")]
    time_period: String,
    total_tasks: i64,
    /// Scheduled, queued or running.
    active_tasks: i64,
    completed_tasks: i64,
    failed_tasks: i64,
    paused_tasks: i64,
    tasks_by_status: BTreeMap<&'static str, i64>,
    task_types_distribution: BTreeMap<String, i64>,
    total_executions: i64,
    successful_executions: i64,
    /// Failed, timed out, or lost with their worker.
    failed_executions: i64,
    /// Percent, two decimals; 0 when nothing was executed.
    success_rate: f64,
    /// Seconds, two decimals.
    average_execution_time: f64,
    total_credits_consumed: f64,
    total_tokens_used: i64,
    total_api_calls: i64,
    /// At most five hours of the day (UTC), the busiest first.
    busiest_hours: Vec<u32>,
    /// At most five days of the week, the busiest first.
    #[schema(example = json!(["Monday", "Friday"]))]
    busiest_days: Vec<&'static str>,
    /// Every day of the window, in order.
    executions_per_day: Vec<DayDto>,
    /// When this was counted; a repeat within a minute is answered with the same figures.
    created_at: DateTime<Utc>,
}

/// The executions of one day (UTC).
#[derive(Serialize, ToSchema)]
pub(crate) struct DayDto {
    date: NaiveDate,
    total: i64,
    successful: i64,
    failed: i64,
}

impl From<&DayOfExecutions> for DayDto {
    fn from(day: &DayOfExecutions) -> Self {
        Self { date: day.date, total: day.total, successful: day.successful, failed: day.failed }
    }
}

fn day_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Mon => "Monday",
        Weekday::Tue => "Tuesday",
        Weekday::Wed => "Wednesday",
        Weekday::Thu => "Thursday",
        Weekday::Fri => "Friday",
        Weekday::Sat => "Saturday",
        Weekday::Sun => "Sunday",
    }
}

impl From<&Analytics> for AnalyticsDto {
    fn from(analytics: &Analytics) -> Self {
        Self {
            user_id: analytics.user_id.to_string(),
            time_period: match analytics.days {
                1 => "Last 1 day".to_owned(),
                days => format!("Last {days} days"),
            },
            total_tasks: analytics.total_tasks,
            active_tasks: analytics.active_tasks,
            completed_tasks: analytics.completed_tasks,
            failed_tasks: analytics.failed_tasks,
            paused_tasks: analytics.paused_tasks,
            tasks_by_status: analytics.tasks_by_status.iter().map(|(status, n)| (status.as_str(), *n)).collect(),
            task_types_distribution: analytics.task_types.clone(),
            total_executions: analytics.total_executions,
            successful_executions: analytics.successful_executions,
            failed_executions: analytics.failed_executions,
            success_rate: analytics.success_rate,
            average_execution_time: analytics.average_execution_time,
            total_credits_consumed: analytics.total_credits_consumed,
            total_tokens_used: analytics.total_tokens_used,
            total_api_calls: analytics.total_api_calls,
            busiest_hours: analytics.busiest_hours.clone(),
            busiest_days: analytics.busiest_days.iter().copied().map(day_name).collect(),
            executions_per_day: analytics.executions_per_day.iter().map(DayDto::from).collect(),
            created_at: analytics.created_at,
        }
    }
}

/// A user's tasks and executions in figures, counted at most once a minute.
#[utoipa::path(
    tag = "Analytics",
    params(
        ("days" = Option<i64>, Query, minimum = 1, maximum = 365, description = "Length of the window, 30 when absent"),
        ("user_id" = Option<String>, Query, description = "Keys that act for no user: whose figures"),
    ),
    responses(
        (status = 200, description = "The figures", body = AnalyticsDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/analytics")]
pub(crate) async fn get_analytics(
    state: web::Data<ApiState>,
    caller: Authenticated,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    caller.0.need_tasks()?;
    let mut query = Query::of(request.query_string())?;
    let days = query.whole("days", 1..=365, 30);
    let named = query.get_with("user_id", |text| UserId::new(text).map_err(|problem| problem.to_string()));
    query.finish()?;
    let Some(user_id) = named.as_ref().or(caller.0.user_id()) else {
        let message = "is required with an API key that acts for no user";
        return Err(ApiError::Invalid(vec![FieldError::query("user_id", message)]));
    };
    let analytics = state.analytics.of_user(&caller.0, user_id, days).await?;
    Ok(HttpResponse::Ok().json(AnalyticsDto::from(analytics.as_ref())))
}
