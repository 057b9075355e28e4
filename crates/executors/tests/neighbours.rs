//! The types that work through neighbouring services and the store.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use task_domain::{Lease, LeaseToken, Origin};
use task_executors::{CalendarEvents, Conversation, Reminder, Todo};
use task_protocols::{
    CalendarClient, CalendarEvent, ExecutionContext, ExecutorError, Loaded, MockConversationStore, MockTaskStore,
    NeighbourError, Outcome, StoreError, TaskExecutor,
};
use uuid::Uuid;

mod support;

use support::{Notified, Recorded, context, neighbour_error, object, problems};

#[tokio::test]
async fn a_todo_tells_its_owner_that_it_is_due() {
    let notified = Arc::new(Notified::default());
    let todo = Todo::new(Arc::clone(&notified) as _);
    let mut due = context("todo", json!({"anything": {"of": "the owner"}}));
    due.task.name = "Buy milk".into();
    due.task.description = Some("two litres".into());
    due.task.due_date = Some("2030-01-02T08:00:00Z".parse().unwrap());
    let metadata =
        json!({"task_id": due.task.task_id, "execution_id": due.execution.execution_id, "task_type": "todo"});
    let outcome = todo.execute(due).await.unwrap();
    assert_eq!(outcome.result["status"], "success");
    assert_eq!(outcome.result["todo_data"]["due_date"], "2030-01-02T08:00:00Z");
    let sent = notified.sent.lock().unwrap().pop().unwrap();
    assert_eq!((sent.recipient_id.as_str(), sent.notification_type.as_str()), ("u1", "in_app"));
    assert_eq!(sent.subject, "Todo: Buy milk");
    assert_eq!(sent.content, "Buy milk is due at 2030-01-02T08:00:00Z\ntwo litres");
    assert_eq!(sent.metadata, metadata);
}

#[tokio::test]
async fn a_reminder_says_its_message_over_its_channel() {
    let notified = Arc::new(Notified::default());
    let reminder = Reminder::new(Arc::clone(&notified) as _);
    let config = json!({"reminder_message": "Stand up\nand walk", "notification_type": "email"});
    let outcome = reminder.execute(context("reminder", config)).await.unwrap();
    assert_eq!(
        outcome.result["reminder_data"],
        json!({"reminder_message": "Stand up\nand walk", "notified": true, "notification_type": "email"})
    );
    assert_eq!(notified.sent.lock().unwrap()[0].notification_type, "email");
    assert_eq!(notified.contents(), ["Stand up\nand walk"]);
}

#[tokio::test]
async fn what_could_not_be_said_is_a_failure_and_nobody_to_tell_is_not() {
    let refusing = Arc::new(Notified { refuses: true, ..Notified::default() });
    let executors: [(&str, Box<dyn TaskExecutor>); 2] = [
        ("todo", Box::new(Todo::new(Arc::clone(&refusing) as _))),
        ("reminder", Box::new(Reminder::new(refusing as _))),
    ];
    for (task_type, executor) in executors {
        let config = json!({"reminder_message": "m"});
        let error = executor.execute(context(task_type, config.clone())).await.unwrap_err();
        assert_eq!((error.code, error.retryable), ("notification_failed", true));
        let mut nobody = context(task_type, config);
        nobody.task.user_id = None;
        let outcome = executor.execute(nobody).await.unwrap();
        assert_eq!(outcome.result[format!("{task_type}_data")]["notified"], false);
    }
}

#[test]
fn every_problem_of_a_reminder_config_is_named() {
    let reminder = Reminder::new(Arc::<Notified>::default());
    assert_eq!(problems(&reminder, json!({})), ["reminder_message"]);
    assert_eq!(
        problems(&reminder, json!({"reminder_message": 5, "notification_type": ""})),
        ["reminder_message", "notification_type"]
    );
    let todo = Todo::new(Arc::<Notified>::default());
    assert_eq!(problems(&todo, json!({"notification_type": []})), ["notification_type"]);
    assert!(problems(&todo, json!({})).is_empty());
}

/// A calendar that holds at most one event.
#[derive(Default)]
struct OneEvent {
    event: Mutex<Option<CalendarEvent>>,
    calls: Mutex<Vec<String>>,
    away: bool,
}

#[async_trait]
impl CalendarClient for OneEvent {
    async fn create(&self, event: &CalendarEvent, idempotency_key: &str) -> Result<String, NeighbourError> {
        if self.away {
            return Err(neighbour_error("calendar", true));
        }
        assert!(!idempotency_key.is_empty());
        self.calls.lock().unwrap().push("create".into());
        *self.event.lock().unwrap() = Some(event.clone());
        Ok("ev1".into())
    }

    async fn update(
        &self,
        event_id: &str,
        event: &CalendarEvent,
        idempotency_key: &str,
    ) -> Result<bool, NeighbourError> {
        assert!(idempotency_key.ends_with(":update"), "{idempotency_key}");
        self.calls.lock().unwrap().push(format!("update {event_id}"));
        let mut held = self.event.lock().unwrap();
        let there = held.is_some();
        *held = held.take().map(|_| event.clone());
        Ok(there)
    }

    async fn delete(&self, _: &str) -> Result<(), NeighbourError> {
        *self.event.lock().unwrap() = None;
        Ok(())
    }
}

/// A task whose owner wrote somebody else's event into its metadata.
fn event() -> ExecutionContext {
    let config = json!({
        "event_title": "Review", "event_time": "2030-05-01T10:00:00+02:00", "location": "Room 1", "attendees": ["a@b.c"],
    });
    let mut context = context("calendar_event", config);
    context.task.metadata = Some(object(json!({"calendar_event_id": "somebody else's"})));
    context
}

/// A run after one whose result was `last`; claims come without it.
async fn run_after(
    calendar: &Arc<OneEvent>,
    context: ExecutionContext,
    last: Option<Value>,
) -> Result<Outcome, ExecutorError> {
    let (mut stored, mut tasks) = (context.task.clone(), MockTaskStore::new());
    stored.last_result = last;
    let now = stored.created_at;
    tasks.expect_find().returning(move |_, _| Ok(Some(Loaded { task: stored.clone(), now, claimable: false })));
    CalendarEvents::new(Arc::clone(calendar) as _, Arc::new(tasks)).execute(context).await
}

#[tokio::test]
async fn an_event_is_created_then_changed_and_created_again_when_it_is_gone() {
    let calendar = Arc::new(OneEvent::default());
    let created = run_after(&calendar, event(), None).await.unwrap();
    assert_eq!(created.metadata, object(json!({"calendar_event_id": "ev1"})));
    assert_eq!(
        created.result["calendar_data"],
        json!({
            "event_id": "ev1", "action": "created", "event_title": "Review", "start_time": "2030-05-01T08:00:00Z",
            "end_time": "2030-05-01T09:00:00Z", "location": "Room 1", "attendees": ["a@b.c"],
        })
    );
    let held = calendar.event.lock().unwrap().clone().unwrap();
    assert_eq!((held.user_id.unwrap().as_str(), held.title.as_str()), ("u1", "Review"));

    let made = Some(created.result);
    let updated = run_after(&calendar, event(), made.clone()).await.unwrap();
    assert_eq!((&updated.result["calendar_data"]["action"], updated.api_calls_made), (&json!("updated"), 1));
    calendar.delete("ev1").await.unwrap();
    let again = run_after(&calendar, event(), made).await.unwrap();
    assert_eq!((&again.result["calendar_data"]["action"], again.api_calls_made), (&json!("created"), 2));
    assert_eq!(*calendar.calls.lock().unwrap(), ["create", "update ev1", "update ev1", "create"]);
}

#[tokio::test]
async fn a_calendar_that_is_away_fails_the_run() {
    let calendar = Arc::new(OneEvent { away: true, ..OneEvent::default() });
    let error = run_after(&calendar, event(), None).await.unwrap_err();
    assert_eq!((error.code, error.retryable), ("calendar_failed", true));
}

#[tokio::test]
async fn only_what_the_calendar_answered_to_this_task_names_its_event() {
    let named = |id: Value| Some(json!({"calendar_data": {"event_id": id}}));
    for strange in [named(json!("")), named(json!(7)), Some(json!("ev1")), None] {
        let calendar = Arc::new(OneEvent::default());
        run_after(&calendar, event(), strange).await.unwrap();
        assert_eq!(*calendar.calls.lock().unwrap(), ["create"]);
    }
    // What the organism answers is the organism's, whatever the task is called.
    let mut organism = event();
    organism.task.origin = Origin::Seedcore;
    let calendar = Arc::new(OneEvent::default());
    run_after(&calendar, organism, named(json!("ev1"))).await.unwrap();
    assert_eq!(*calendar.calls.lock().unwrap(), ["create"]);
}

#[tokio::test]
async fn an_event_is_neither_made_for_a_deleted_task_nor_twice_while_the_store_is_away() {
    for (found, code) in [(Ok(None), "cancelled"), (Err(()), "store_unavailable")] {
        let (calendar, mut tasks) = (Arc::new(OneEvent::default()), MockTaskStore::new());
        tasks.expect_find().returning(move |_, _| found.clone().map_err(|()| StoreError::unavailable("away")));
        let events = CalendarEvents::new(Arc::clone(&calendar) as _, Arc::new(tasks));
        let error = events.execute(event()).await.unwrap_err();
        assert_eq!((error.code, error.retryable), (code, true));
        assert!(calendar.calls.lock().unwrap().is_empty());
    }
}

#[test]
fn every_problem_of_an_event_config_is_named() {
    let events = CalendarEvents::new(Arc::<OneEvent>::default(), Arc::new(MockTaskStore::new()));
    assert_eq!(problems(&events, json!({})), ["event_title", "event_time"]);
    let bad = json!({
        "event_title": "", "event_time": "tomorrow", "end_time": 5, "duration_minutes": 0, "location": [], "attendees": [1],
    });
    assert_eq!(
        problems(&events, bad),
        ["event_title", "event_time", "end_time", "duration_minutes", "location", "attendees"]
    );
    let times = |start: &str, end: &str| json!({"event_title": "t", "event_time": start, "end_time": end});
    assert!(problems(&events, times("2030-05-01T10:00:00", "2030-05-01T10:30:00Z")).is_empty());
    assert_eq!(problems(&events, times("2030-05-01T10:00:00Z", "2030-05-01T10:00:00Z")), ["end_time"]);
}

/// A run under a lease.
fn talk(config: Value) -> ExecutionContext {
    let mut run = context("conversation", config);
    let expires_at = run.task.created_at + chrono::Duration::seconds(60);
    run.execution.lease = Some(Lease { token: LeaseToken::new(Uuid::from_u128(1)), expires_at });
    run
}

#[tokio::test]
async fn a_conversation_whose_lease_is_lost_fails() {
    let mut store = MockConversationStore::new();
    store.expect_mark_conversations().times(1).returning(|_, _, _, _| Ok(None));
    let conversation = Conversation::new(Arc::new(store), 0.0);
    assert_eq!(conversation.execute(talk(json!({}))).await.unwrap_err().code, "cancelled");
    let without = context("conversation", json!({}));
    assert_eq!(conversation.execute(without).await.unwrap_err().code, "cancelled");
}

#[tokio::test]
async fn a_conversation_is_worked_on_in_steps_and_then_processed() {
    let mut store = MockConversationStore::new();
    let token = LeaseToken::new(Uuid::from_u128(1));
    let marks = store.expect_mark_conversations();
    marks.withf(move |_, _, shown, status| *shown == token && status == "processed").times(1);
    marks.returning(|_, _, _, _| Ok(Some(3)));
    let progress = Arc::<Recorded>::default();
    let mut run = talk(json!({"processing_seconds": 0.01}));
    run.progress = Arc::clone(&progress) as _;
    let outcome = Conversation::new(Arc::new(store), 6.5).execute(run).await.unwrap();
    assert_eq!(outcome.result["conversation_data"], json!({"processed": 3, "processing_seconds": 0.01}));
    let percents: Vec<_> = progress.0.lock().unwrap().iter().map(|entry| entry["percent"].clone()).collect();
    assert_eq!(percents, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
}

#[tokio::test]
async fn a_cancelled_conversation_stops_and_marks_nothing() {
    let mut run = context("conversation", json!({"processing_seconds": 3600}));
    run.task.origin = Origin::TaskManagement;
    run.cancelled.cancel();
    let error = Conversation::new(Arc::new(MockConversationStore::new()), 6.5).execute(run).await.unwrap_err();
    assert_eq!(error.code, "cancelled");
}

#[tokio::test]
async fn a_store_that_is_away_fails_a_conversation_for_now() {
    let mut store = MockConversationStore::new();
    store.expect_mark_conversations().returning(|_, _, _, _| Err(StoreError::unavailable("away")));
    let conversation = Conversation::new(Arc::new(store), 0.0);
    let error = conversation.execute(talk(json!({}))).await.unwrap_err();
    assert_eq!((error.code, error.retryable), ("store_unavailable", true));
    assert_eq!(problems(&conversation, json!({"processing_seconds": -1})), ["processing_seconds"]);
}
