//! Random command sequences: the store holds what the pure decisions say.

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use task_domain::decide::{self, Change, Claimer, Failure, LeaseGuard, NewTask, Rejection, Report};
use task_domain::{Execution, LeaseToken, RetryPolicy, Task, TaskPatch, TaskStatus};
use task_protocols::{ClaimRequest, SaveOutcome};

use crate::support::build::{hourly, new_task};
use crate::support::{Stores, claim_of, executions_of, moment, secs, strange_token};

#[derive(Debug, Clone)]
enum Command {
    Execute,
    /// Decided here and saved, for so many seconds: those of a past moment may have run out.
    Claim(i64),
    /// The store's own.
    StoreClaim,
    Heartbeat,
    Progress,
    Complete,
    Fail(bool),
    Release,
    LeaseLost,
    Deadline,
    Cancel,
    Pause,
    Resume,
    Due,
    Remind,
    SetStatus(TaskStatus),
    Update(Box<TaskPatch>),
    StrangeComplete,
}

fn command() -> impl Strategy<Value = Command> {
    use proptest::sample::select;
    let patch = prop_oneof![
        select(TaskStatus::ALL).prop_map(|to| TaskPatch { status: Some(to), ..TaskPatch::default() }),
        Just(TaskPatch { schedule: Some(Some(hourly())), ..TaskPatch::default() }),
        Just(TaskPatch { schedule: Some(None), metadata: Some(None), ..TaskPatch::default() }),
        (1i64..9000).prop_map(|s| TaskPatch { timeout_seconds: Some(Some(s)), ..TaskPatch::default() }),
        "[a-z]{1,3}".prop_map(|tag| TaskPatch { tags: Some(vec![tag]), ..TaskPatch::default() }),
        (1i64..=10).prop_map(|n| TaskPatch { priority: task_domain::Priority::from_number(n), ..TaskPatch::default() }),
    ];
    prop_oneof![
        8 => Just(Command::Execute),
        5 => select(vec![60i64, 86_400 * 365]).prop_map(Command::Claim),
        8 => Just(Command::StoreClaim),
        3 => Just(Command::Heartbeat),
        3 => Just(Command::Progress),
        4 => Just(Command::Complete),
        5 => any::<bool>().prop_map(Command::Fail),
        3 => Just(Command::Release),
        4 => Just(Command::LeaseLost),
        2 => Just(Command::Deadline),
        1 => Just(Command::Cancel),
        3 => Just(Command::Pause),
        4 => Just(Command::Resume),
        4 => Just(Command::Due),
        1 => Just(Command::Remind),
        2 => select(TaskStatus::ALL).prop_map(Command::SetStatus),
        5 => patch.prop_map(|patch| Command::Update(Box::new(patch))),
        1 => Just(Command::StrangeComplete),
    ]
}

/// The pure model of one task: what the decisions say of it.
struct Model {
    task: Task,
    ended: Vec<Execution>,
    events: usize,
    progress: i64,
}

fn decide(task: &Task, command: &Command, now: DateTime<Utc>) -> Result<Change, Rejection> {
    let at = moment(now);
    let token = task.current.as_ref().and_then(|e| e.lease).map_or_else(strange_token, |lease| lease.token);
    match command {
        Command::Execute => decide::execute(task, Some(json!({"n": 1})), &at),
        Command::Claim(lease_seconds) => {
            decide::claim(task, &Claimer { worker_id: "w1".into(), lease_seconds: *lease_seconds }, &at)
        }
        Command::Complete => {
            decide::complete(task, token, Report { result: json!({"at": now}), ..Report::default() }, &at)
        }
        Command::Fail(retryable) => decide::fail(
            task,
            token,
            Failure { message: "no".into(), retryable: *retryable, ..Failure::default() },
            &at,
        ),
        Command::Release => decide::release(task, token, None, secs(0), &at),
        Command::LeaseLost => decide::lease_lost(task, &at),
        Command::Deadline => decide::deadline(task, &at),
        Command::Cancel => decide::cancel(task, Some("why".into()), &at),
        Command::Pause => decide::pause(task, None, &at),
        Command::Resume => decide::resume(task, None, &at),
        Command::Due => decide::due(task, &at),
        Command::Remind => decide::remind(task, &at),
        Command::SetStatus(to) => decide::set_status(task, *to, &at),
        Command::Update(patch) => decide::update(task, patch, &at),
        Command::StrangeComplete => decide::complete(task, strange_token(), Report::default(), &at),
        Command::StoreClaim | Command::Heartbeat | Command::Progress => Err(Rejection::Unchanged),
    }
}

impl Model {
    /// Gives the command to the store and to the model; both must agree on all that follows.
    async fn step(&mut self, stores: &Stores, command: &Command, now: DateTime<Utc>) {
        match command {
            Command::StoreClaim => self.store_claim(stores).await,
            Command::Heartbeat => {
                if let Some(token) = self.live_token(stores).await {
                    let beat = stores
                        .executions
                        .heartbeat(&self.task.tenant_id, &self.task.task_id, token, None)
                        .await
                        .unwrap();
                    self.extend(beat.expect("held").expires_at);
                }
            }
            Command::Progress => {
                if let Some(token) = self.live_token(stores).await {
                    let entry = [serde_json::Map::new()];
                    let appended = stores
                        .progress
                        .append(&self.task.tenant_id, &self.task.task_id, token, &entry)
                        .await
                        .unwrap()
                        .expect("held");
                    self.progress += 1;
                    assert_eq!(appended.seq_id, self.progress);
                    self.extend(appended.lease.expires_at);
                }
            }
            _ => self.save(stores, command, now).await,
        }
        let found = stores.load(&self.task).await;
        if let (Some(expected), Some(found)) = (&mut self.task.current, &found.current)
            && expected.id == 0
        {
            expected.id = found.id;
        }
        assert_eq!(found, self.task);
    }

    async fn save(&mut self, stores: &Stores, command: &Command, now: DateTime<Utc>) {
        let Ok(change) = decide(&self.task, command, now) else { return };
        // The decision may go by a moment of the past; the store's clock has the last word.
        let expires_at = self.task.current.as_ref().and_then(|e| e.lease).map(|l| l.expires_at);
        let clock = stores.now().await;
        let has_run_out = expires_at.is_some_and(|at| at < clock);
        let holds = match change.lease {
            LeaseGuard::Any => true,
            LeaseGuard::Held(_) => !has_run_out,
            LeaseGuard::Expired(_) => has_run_out,
        };
        let outcome = stores.tasks.save(&change).await.unwrap();
        if !holds {
            assert_eq!(outcome, SaveOutcome::Stale, "{command:?}");
            return;
        }
        assert_eq!(outcome, SaveOutcome::Saved { id: self.task.id }, "{command:?}");
        self.accept(change);
    }

    fn accept(&mut self, change: Change) {
        self.events += change.events.len();
        self.ended.extend(change.finished);
        self.task = change.task;
    }

    async fn store_claim(&mut self, stores: &Stores) {
        stores.timed.release_delayed(100).await.unwrap();
        let request = ClaimRequest { lease_seconds: 3600, ..claim_of(&self.task) };
        let claimed = stores.executions.claim(&request).await.unwrap();
        let at = claimed.first().map_or(stores.now().await, |task| task.updated_at);
        let claimer = Claimer { worker_id: "w1".into(), lease_seconds: 3600 };
        match decide::claim(&self.task, &claimer, &moment(at)) {
            Err(_) => assert_eq!(claimed, [], "the domain says that it is not claimable"),
            Ok(mut change) => {
                // The token is the store's.
                let lease = claimed
                    .first()
                    .and_then(|t| t.current.as_ref())
                    .and_then(|e| e.lease)
                    .expect("claimable, so it is claimed");
                change.task.current.as_mut().unwrap().lease.as_mut().unwrap().token = lease.token;
                assert_eq!(claimed[0], Task { last_result: None, ..change.task.clone() });
                self.accept(change);
            }
        }
    }

    async fn live_token(&self, stores: &Stores) -> Option<LeaseToken> {
        let now = stores.now().await;
        self.task
            .current
            .as_ref()
            .and_then(|e| e.lease)
            .filter(|lease| lease.expires_at > now + secs(1))
            .map(|lease| lease.token)
    }

    fn extend(&mut self, expires_at: DateTime<Utc>) {
        let lease = self.task.current.as_mut().and_then(|e| e.lease.as_mut()).expect("leased");
        assert!(expires_at != lease.expires_at);
        lease.expires_at = expires_at;
    }
}

/// 100 sequences of up to 40 commands, each over a task of its own.
pub(crate) async fn random_command_sequences_leave_what_the_pure_model_says(stores: Stores) {
    let mut runner = TestRunner::new(Config::default());
    for n in 0..100 {
        let steps = proptest::collection::vec((0i64..400, command()), 1..40).new_tree(&mut runner).unwrap().current();
        run(&stores, n, &steps).await.unwrap_or_else(|problem| panic!("{problem}\nafter {steps:#?}"));
    }
}

async fn run(stores: &Stores, n: usize, steps: &[(i64, Command)]) -> Result<(), String> {
    let mut now = stores.now().await - chrono::Duration::days(10);
    let retry = RetryPolicy { max_attempts: 3, base_seconds: 10.0, ..RetryPolicy::default() };
    let new = NewTask { task_type: format!("kind{n}"), retry, reminder_time: Some(now), ..new_task() };
    let task = stores.create_at(NewTask { schedule: n.is_multiple_of(2).then(hourly), ..new }, now).await;
    let mut model = Model { task, ended: Vec::new(), events: 1, progress: 0 };
    for (index, (wait, command)) in steps.iter().enumerate() {
        now += secs(*wait);
        let stepped = std::panic::AssertUnwindSafe(model.step(stores, command, now));
        if futures::FutureExt::catch_unwind(stepped).await.is_err() {
            return Err(format!("step {index} ({command:?}) of sequence {n} differs"));
        }
    }
    let mut executions = stores.executions.list_executions(&executions_of(&model.task)).await.unwrap();
    if model.task.current.is_some() {
        assert_eq!(Some(executions.remove(0)), model.task.current);
    }
    executions.reverse();
    assert_eq!(executions, model.ended, "every attempt that ended, as it was decided");
    assert_eq!(stores.events_of(&model.task).await.len(), model.events);
    let progress = stores.progress.list_progress(&model.task.tenant_id, &model.task.task_id, 0, 1000).await.unwrap();
    assert_eq!(i64::try_from(progress.len()).unwrap(), model.progress);
    Ok(())
}
