//! Reads of executions, active and finished.

use serde_json::json;
use task_domain::decide::{self, Failure, NewTask, Report};
use task_domain::{Execution, ExecutionStatus, RetryPolicy, Task, TriggerType};
use task_protocols::{ExecutionQuery, RECENT_EXECUTIONS};
use uuid::Uuid;

use crate::support::build::{new_task, queued, task_id, tenant};
use crate::support::{Stores, executions_of, secs, strange_token, token_of};

/// One task with a failed, a released, a completed and a queued execution, oldest first, as the
/// decisions left them.
async fn four_executions(stores: &Stores) -> (Task, Vec<Execution>) {
    let retry = RetryPolicy { max_attempts: 2, base_seconds: 0.0, ..RetryPolicy::default() };
    let task = stores.create(NewTask { retry, ..queued() }).await;
    let mut ended = Vec::new();
    let failure =
        Failure { message: "no".into(), code: Some("e1".into()), details: Some(json!({"a": [1]})), retryable: true };
    let report = Report {
        result: json!([1, {"x": "y"}]),
        credits_consumed: Some(1.25),
        tokens_used: 3,
        api_calls_made: 4,
        ..Report::default()
    };
    for n in 0..3 {
        let held = stores.claim_next(&task).await;
        let (token, now) = (token_of(&held), crate::support::moment(stores.now().await));
        let change = match n {
            0 => decide::fail(&held, token, failure.clone(), &now),
            1 => decide::release(&held, token, Some("later".into()), secs(0), &now),
            _ => decide::complete(&held, token, report.clone(), &now),
        }
        .unwrap();
        stores.save(&change).await;
        ended.extend(change.finished);
    }
    let task = stores.apply(&task, |task, moment| decide::execute(task, Some(json!({"by": "hand"})), moment)).await;
    ended.extend(task.current.clone());
    (task, ended)
}

async fn list(stores: &Stores, query: ExecutionQuery) -> Vec<Execution> {
    stores.executions.list_executions(&query).await.unwrap()
}

pub(crate) async fn executions_are_listed_newest_first_with_the_current_one(stores: Stores) {
    let (task, mut expected) = four_executions(&stores).await;
    let other = stores.create(queued()).await;
    expected.reverse();
    let listed = list(&stores, executions_of(&task)).await;
    assert_eq!(listed.len(), 4);
    assert_eq!(listed, expected, "exactly as they were decided");
    assert!(listed.windows(2).all(|pair| pair[0].id > pair[1].id));
    assert_eq!(
        listed.iter().map(|e| e.trigger_type).collect::<Vec<_>>()[..2],
        [TriggerType::Manual, TriggerType::Created]
    );
    assert_eq!(list(&stores, executions_of(&other)).await, [other.current.unwrap()]);
    let nowhere = ExecutionQuery { task_id: task_id("nowhere"), ..executions_of(&task) };
    assert_eq!(list(&stores, nowhere).await, []);
}

pub(crate) async fn executions_are_filtered_by_status(stores: Stores) {
    let (task, expected) = four_executions(&stores).await;
    for status in ExecutionStatus::ALL.iter().copied() {
        let wanted: Vec<_> = expected.iter().filter(|e| e.status == status).cloned().collect();
        assert_eq!(
            list(&stores, ExecutionQuery { status: Some(status), ..executions_of(&task) }).await,
            wanted,
            "{status}"
        );
    }
    let held = stores.claim_next(&task).await;
    let running = ExecutionQuery { status: Some(ExecutionStatus::Running), ..executions_of(&task) };
    assert_eq!(list(&stores, running).await, [held.current.unwrap()]);
}

pub(crate) async fn pages_of_executions_go_over_the_current_and_the_finished_ones(stores: Stores) {
    let (task, mut expected) = four_executions(&stores).await;
    expected.reverse();
    for limit in 1..=5usize {
        for offset in 0..=5usize {
            let query = ExecutionQuery { limit: limit as i64, offset: offset as i64, ..executions_of(&task) };
            let wanted: Vec<_> = expected.iter().skip(offset).take(limit).cloned().collect();
            assert_eq!(list(&stores, query).await, wanted, "limit {limit}, offset {offset}");
        }
    }
}

pub(crate) async fn an_execution_is_found_by_its_id_while_active_and_when_finished(stores: Stores) {
    let (task, expected) = four_executions(&stores).await;
    for execution in &expected {
        let found = stores.executions.find_execution(&task.tenant_id, execution.execution_id).await.unwrap();
        assert_eq!(found.as_ref(), Some(execution));
        assert_eq!(stores.executions.find_execution(&tenant("other"), execution.execution_id).await.unwrap(), None);
    }
    assert_eq!(stores.executions.find_execution(&task.tenant_id, Uuid::new_v4()).await.unwrap(), None);
}

pub(crate) async fn a_number_of_an_execution_stays_when_it_is_claimed_and_finished(stores: Stores) {
    let task = stores.create(queued()).await;
    let held = stores.claim_next(&task).await;
    let number = task.current.as_ref().unwrap().id;
    assert_eq!(held.current.as_ref().unwrap().id, number);
    stores.complete(&held).await;
    assert_eq!(list(&stores, executions_of(&task)).await[0].id, number);
}

pub(crate) async fn a_token_leads_to_the_execution_that_ended_with_it(stores: Stores) {
    let (task, ended) = four_executions(&stores).await;
    let find = |task: Task, token| {
        let stores = stores.clone();
        async move { stores.executions.find_ended_by_token(&task.tenant_id, &task.task_id, token).await.unwrap() }
    };
    for execution in &ended[..3] {
        assert_eq!(find(task.clone(), execution.lease.unwrap().token).await.as_ref(), Some(execution));
    }
    assert_eq!(find(task.clone(), strange_token()).await, None);
    let held = stores.claim_next(&task).await;
    assert_eq!(find(task.clone(), token_of(&held)).await, None, "it has not ended");
    let other = stores.create(new_task()).await;
    assert_eq!(find(other, ended[0].lease.unwrap().token).await, None, "a token is of one task");
    let elsewhere = Task { tenant_id: tenant("other"), ..task };
    assert_eq!(find(elsewhere, ended[0].lease.unwrap().token).await, None);
}

pub(crate) async fn a_token_is_looked_for_among_the_recent_executions(stores: Stores) {
    let mut task = stores.create(queued()).await;
    let mut tokens = Vec::new();
    for _ in 0..=RECENT_EXECUTIONS {
        let now = stores.now().await;
        let held = stores.claim_at(&task, now, 60).await;
        let token = token_of(&held);
        let release = |task: &Task, m: &decide::Moment<'_>| decide::release(task, token, None, secs(0), m);
        task = stores.apply_at(&held, now, release).await;
        tokens.push(token);
    }
    let find =
        async |token| stores.executions.find_ended_by_token(&task.tenant_id, &task.task_id, token).await.unwrap();
    assert!(find(tokens[1]).await.is_some(), "the hundredth from the end");
    assert_eq!(find(tokens[0]).await, None);
}
