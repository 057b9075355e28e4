//! What neighbours are told: of ended runs, of deleted events, of reminders.

use std::sync::{Arc, Mutex};

use chrono::Duration;
use serde_json::json;
use task_domain::decide::{Failure, Report};
use task_domain::{LeaseToken, MAX_LOST_LEASES, Origin, Task};
use task_protocols::{
    CalendarClient, Loaded, MockCalendarClient, MockExecutionStore, MockNotificationClient, MockProgressStore,
    MockTaskStore, MockTimedStore, NeighbourError, Notification, NotificationClient, SaveOutcome,
};
use task_service::{Notifier, Reaper, Reminders, Saver, WorkerService};
use tokio_util::sync::CancellationToken;

use crate::support::{leased, loaded, now, silent_hints, stored};

type Sent = Arc<Mutex<Vec<Notification>>>;

/// A notification service that keeps what it is sent, and refuses it when told so.
fn recording(refuses: bool) -> (Arc<dyn NotificationClient>, Sent) {
    let sent = Sent::default();
    let kept = Arc::clone(&sent);
    let mut client = MockNotificationClient::new();
    client.expect_send().returning(move |notification| {
        kept.lock().unwrap().push(notification.clone());
        match refuses {
            true => Err(NeighbourError { service: "notification", retryable: true, source: "away".into() }),
            false => Ok(()),
        }
    });
    (Arc::new(client), sent)
}

fn no_calendar() -> Arc<dyn CalendarClient> {
    Arc::new(MockCalendarClient::new())
}

/// A store that holds one task and takes every change.
fn store_of(task: Loaded) -> MockTaskStore {
    let mut store = MockTaskStore::new();
    store.expect_find().returning(move |_, _| Ok(Some(task.clone())));
    store.expect_save().returning(|_| Ok(SaveOutcome::Saved { id: 7 }));
    store
}

/// Tells what is queued, and ends.
async fn tell_all(notifier: &Notifier) {
    let stop = CancellationToken::new();
    stop.cancel();
    notifier.run(stop).await;
}

fn token(task: &Task) -> LeaseToken {
    task.current.as_ref().and_then(|e| e.lease).unwrap().token
}

#[tokio::test]
async fn the_owner_is_told_of_a_run_that_ended_whoever_ended_it() {
    let (client, sent) = recording(false);
    let (notifier, notices) = Notifier::new(client, no_calendar());
    let task = leased();
    let saver =
        |loaded: Loaded| Saver::new(Arc::new(store_of(loaded)), Arc::new(silent_hints())).with_notices(notices.clone());
    let workers = |task: &Task| {
        WorkerService::new(
            saver(loaded(task.clone())),
            Arc::new(MockExecutionStore::new()),
            Arc::new(MockProgressStore::new()),
        )
    };
    let report = Report { result: json!({"message": "All is well"}), ..Report::default() };
    workers(&task).complete(&task.tenant_id, &task.task_id, token(&task), report).await.unwrap();
    let failure = Failure { message: "It broke".into(), ..Failure::default() };
    workers(&task).fail(&task.tenant_id, &task.task_id, token(&task), failure).await.unwrap();

    // Its lease runs out for the last time.
    let mut lost = task.clone();
    lost.current.as_mut().unwrap().lost_leases = MAX_LOST_LEASES - 1;
    let lost = Loaded { now: now() + Duration::seconds(61), ..loaded(lost) };
    // Its deadline passes.
    let mut late = task.clone();
    late.current.as_mut().unwrap().timeout_at = Some(now());
    let mut timed = MockTimedStore::new();
    timed.expect_release_delayed().returning(|_| Ok(0));
    timed.expect_expired_leases().returning(move |_| Ok(vec![lost.clone()]));
    timed.expect_past_deadline().returning(move |_, _| Ok(vec![loaded(late.clone())]));
    Reaper::new(saver(loaded(task.clone())), Arc::new(timed)).tick().await.unwrap();

    tell_all(&notifier).await;
    let sent = sent.lock().unwrap();
    let mut subjects: Vec<_> = sent.iter().map(|n| n.subject.as_str()).collect();
    subjects.sort_unstable();
    assert_eq!(
        subjects,
        ["Task completed: Hello", "Task failed: Hello", "Task failed: Hello", "Task timed out: Hello"]
    );
    let completed = sent.iter().find(|n| n.subject.starts_with("Task completed")).unwrap();
    assert_eq!((completed.recipient_id.as_str(), completed.notification_type.as_str()), ("ann", "in_app"));
    assert_eq!(completed.content, "All is well");
    let execution_id = task.current.as_ref().unwrap().execution_id;
    assert_eq!(completed.metadata, json!({"task_id": task.task_id, "execution_id": execution_id, "task_type": "echo"}));
    assert!(sent.iter().any(|n| n.content == "It broke"));
}

#[tokio::test]
async fn a_run_that_goes_on_or_has_no_owner_is_nobodys_business() {
    let (client, sent) = recording(false);
    let (notifier, notices) = Notifier::new(client, no_calendar());
    let mut nobodys = leased();
    nobodys.user_id = None;
    let mut again = leased();
    again.retry.max_attempts = 2;
    let failure = || Failure { message: "m".into(), retryable: true, ..Failure::default() };
    for task in [nobodys, again] {
        let saver = Saver::new(Arc::new(store_of(loaded(task.clone()))), Arc::new(silent_hints()));
        let workers = WorkerService::new(
            saver.with_notices(notices.clone()),
            Arc::new(MockExecutionStore::new()),
            Arc::new(MockProgressStore::new()),
        );
        workers.fail(&task.tenant_id, &task.task_id, token(&task), failure()).await.unwrap();
    }
    tell_all(&notifier).await;
    assert!(sent.lock().unwrap().is_empty());
}

#[tokio::test]
async fn neighbours_that_are_away_keep_nobody_waiting() {
    let (client, sent) = recording(true);
    let (notifier, notices) = Notifier::new(client, no_calendar());
    let task = leased();
    let saver = Saver::new(Arc::new(store_of(loaded(task.clone()))), Arc::new(silent_hints()));
    let workers = WorkerService::new(
        saver.with_notices(notices),
        Arc::new(MockExecutionStore::new()),
        Arc::new(MockProgressStore::new()),
    );
    // More than the queue holds, and nobody works it off meanwhile.
    for _ in 0..2000 {
        workers.complete(&task.tenant_id, &task.task_id, token(&task), Report::default()).await.unwrap();
    }
    tell_all(&notifier).await;
    assert_eq!(sent.lock().unwrap().len(), 1024);
}

#[tokio::test]
async fn the_event_of_a_deleted_task_is_deleted_when_the_task_made_it() {
    let (client, _) = recording(false);
    let mut calendar = MockCalendarClient::new();
    calendar.expect_delete().withf(|id| id == "ours").times(1).returning(|_| Ok(()));
    let (notifier, notices) = Notifier::new(client, Arc::new(calendar));
    let object = |value: serde_json::Value| value.as_object().cloned();
    let event = |task_type: &str, result: Option<&str>| {
        let mut task = stored(false);
        task.task_type = task_type.into();
        task.metadata = object(json!({"calendar_event_id": "somebody else's"}));
        task.last_result = result.map(|id| json!({"calendar_data": {"event_id": id}}));
        task
    };
    let organism = Task { origin: Origin::Seedcore, ..event("calendar_event", Some("the organism's")) };
    for task in
        [event("calendar_event", Some("ours")), event("calendar_event", None), event("echo", Some("no")), organism]
    {
        let saver = Saver::new(Arc::new(store_of(loaded(task.clone()))), Arc::new(silent_hints()));
        let service = crate::support::service_of(saver.with_notices(notices.clone()), MockExecutionStore::new());
        let condition = task_service::Precondition::None;
        service.delete(&crate::support::user("ann"), &task.task_id, &condition).await.unwrap();
    }
    tell_all(&notifier).await;
}

fn to_remind() -> Task {
    let mut task = stored(false);
    task.description = Some("before the shop closes".into());
    task.reminder_time = Some(now() - Duration::seconds(1));
    task.due_date = Some(now());
    task
}

#[tokio::test]
async fn a_reminder_is_saved_as_given_and_then_sent_once() {
    let (client, sent) = recording(false);
    let mut timed = MockTimedStore::new();
    timed.expect_due_reminders().returning(|_| Ok(vec![loaded(to_remind()), loaded(to_remind())]));
    let mut store = MockTaskStore::new();
    let remind = |change: &task_domain::decide::Change| {
        change.history.action == "remind" && change.task.reminded_at == Some(now())
    };
    store.expect_save().withf(remind).times(1).returning(|_| Ok(SaveOutcome::Saved { id: 7 }));
    // Another instance was first.
    store.expect_save().times(1).returning(|_| Ok(SaveOutcome::Stale));
    let saver = Saver::new(Arc::new(store), Arc::new(silent_hints()));
    assert_eq!(Reminders::new(saver, Arc::new(timed), client).tick(10).await.unwrap(), 2);
    let sent = sent.lock().unwrap();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].idempotency_key.contains(":reminder:"), "{}", sent[0].idempotency_key);
    assert_eq!(
        (sent[0].subject.as_str(), sent[0].content.as_str()),
        ("Reminder: Hello", "before the shop closes\nDue at 2030-01-02T03:04:05Z")
    );
}

#[tokio::test]
async fn a_reminder_that_could_not_be_sent_stays_given() {
    let (client, sent) = recording(true);
    let mut timed = MockTimedStore::new();
    timed.expect_due_reminders().returning(|_| Ok(vec![loaded(to_remind())]));
    let mut store = MockTaskStore::new();
    store.expect_save().times(1).returning(|_| Ok(SaveOutcome::Saved { id: 7 }));
    let saver = Saver::new(Arc::new(store), Arc::new(silent_hints()));
    assert_eq!(Reminders::new(saver, Arc::new(timed), client).tick(10).await.unwrap(), 1);
    assert_eq!(sent.lock().unwrap().len(), 1);
}

/// At a clean stop those who could tell of a change may be gone first: that is no end of its own.
#[tokio::test]
async fn a_notifier_that_nobody_tells_waits_for_the_stop() {
    let (client, _) = recording(false);
    let (notifier, notices) = Notifier::new(client, no_calendar());
    drop(notices);
    let stop = CancellationToken::new();
    let run = notifier.run(stop.clone());
    tokio::pin!(run);
    assert!(futures::poll!(&mut run).is_pending());
    stop.cancel();
    run.await;
}
