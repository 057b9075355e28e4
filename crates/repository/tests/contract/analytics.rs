//! Figures of one user.

use chrono::{DateTime, DurationRound, Utc};
use serde_json::json;
use task_domain::decide::{self, Failure, NewTask, Report};
use task_domain::{ExecutionStatus, Task, TaskStatus, TenantId};
use task_protocols::Figures;

use crate::support::build::{new_task, queued, tenant, user};
use crate::support::{Stores, secs, token_of};

async fn figures(stores: &Stores, since: DateTime<Utc>) -> Figures {
    let counted = stores.beside.analytics.figures(&TenantId::default_tenant(), &user("ann"), since).await;
    let mut figures = counted.unwrap();
    figures.tasks.sort();
    figures.executions.sort_by_key(|hour| (hour.hour, hour.status));
    figures
}

/// Runs a queued task to its end, as if it were `at`; it takes two seconds.
async fn run(stores: &Stores, new: NewTask, at: DateTime<Utc>, report: Option<Report>) -> Task {
    let task = stores.create_at(new, at).await;
    let held = stores.claim_at(&task, at, 365 * 86_400).await;
    let token = token_of(&held);
    match report {
        Some(report) => {
            let complete =
                |task: &Task, moment: &decide::Moment<'_>| decide::complete(task, token, report.clone(), moment);
            stores.apply_at(&held, at + secs(2), complete).await
        }
        None => {
            let fail = |task: &Task, moment: &decide::Moment<'_>| decide::fail(task, token, Failure::default(), moment);
            stores.apply_at(&held, at + secs(2), fail).await
        }
    }
}

pub(crate) async fn live_tasks_are_counted_by_status_and_type(stores: Stores) {
    stores.create(new_task()).await;
    stores.create(new_task()).await;
    stores.create(queued()).await;
    stores.create(NewTask { task_type: "echo".into(), ..queued() }).await;
    let deleted = stores.create(queued()).await;
    stores.apply(&deleted, decide::delete).await;
    let now = stores.now().await;
    assert_eq!(
        figures(&stores, now).await.tasks,
        [
            (TaskStatus::Pending, "garden".to_owned(), 2),
            (TaskStatus::Queued, "echo".to_owned(), 1),
            (TaskStatus::Queued, "garden".to_owned(), 1),
        ]
    );
}

pub(crate) async fn ended_executions_are_summed_by_hour_and_status(stores: Stores) {
    let hour = stores.now().await.duration_trunc(secs(3600)).unwrap() - secs(5 * 3600);
    let report = Report {
        result: json!({}),
        credits_consumed: Some(1.5),
        tokens_used: 10,
        api_calls_made: 3,
        ..Report::default()
    };
    run(&stores, queued(), hour + secs(5), Some(report.clone())).await;
    run(&stores, queued(), hour + secs(3590), Some(report.clone())).await;
    run(&stores, queued(), hour + secs(60), None).await;
    run(&stores, queued(), hour + secs(3600), Some(report)).await;
    // What is cancelled before anyone had it has no duration.
    let waiting = stores.create_at(queued(), hour).await;
    stores.apply_at(&waiting, hour + secs(9), |task, moment| decide::cancel(task, None, moment)).await;
    let executions = figures(&stores, hour - secs(60)).await.executions;
    let counts: Vec<_> = executions.iter().map(|h| ((h.hour - hour).num_hours(), h.status, h.count)).collect();
    assert_eq!(
        counts,
        [
            (0, ExecutionStatus::Completed, 2),
            (0, ExecutionStatus::Failed, 1),
            (0, ExecutionStatus::Cancelled, 1),
            (1, ExecutionStatus::Completed, 1)
        ]
    );
    let both = &executions[0];
    assert_eq!((both.duration_ms, both.timed, both.tokens, both.api_calls), (4000, 2, 20, 6));
    assert!((both.credits - 3.0).abs() < 1e-9);
    let cancelled = &executions[2];
    assert_eq!((cancelled.duration_ms, cancelled.timed), (0, 0));
}

pub(crate) async fn only_the_window_counts(stores: Stores) {
    let now = stores.now().await;
    let since = now - secs(3600);
    run(&stores, queued(), since - secs(1), None).await;
    assert_eq!(figures(&stores, since).await.executions, []);
    run(&stores, queued(), since, None).await;
    let executions = figures(&stores, since).await.executions;
    assert_eq!(executions.iter().map(|h| h.count).sum::<i64>(), 1);
    // Work that is still going on has not ended.
    stores.running(new_task()).await;
    assert_eq!(figures(&stores, since).await.executions, executions);
}

pub(crate) async fn figures_of_other_users_and_tenants_are_not_counted(stores: Stores) {
    let now = stores.now().await;
    for other in [
        NewTask { user_id: Some(user("bob")), ..queued() },
        NewTask { user_id: None, ..queued() },
        NewTask { tenant_id: tenant("other"), ..queued() },
    ] {
        run(&stores, other, now - secs(60), None).await;
    }
    assert_eq!(figures(&stores, now - secs(3600)).await, Figures::default());
}
