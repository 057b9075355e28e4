//! What an older client says of a task in one call: where it stands, what came of it, and what is to
//! be changed beside that. One load, one decision, one save: a reader sees all of it or nothing.

use serde_json::Value;
use task_domain::decide::{self, Change, Claimer, Failure, Rejection, Report};
use task_domain::{Actor, Task, TaskId, TaskStatus};
use task_protocols::Loaded;

use crate::change::moment;
use crate::holders::{held, refused};
use crate::tasks::authorise;
use crate::{Amendment, Caller, OriginService, Scope, ServiceError};

/// Where a task is said to stand.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// Nothing is said of it.
    Nothing,
    /// [Set](OriginService::set_status), whoever works on it. The status that the task has is left alone.
    Set(TaskStatus),
    /// Reported by who works on it: a running task ends by its holder's report, one that is to run is
    /// claimed; else the status is set.
    Reported(StatusReport),
}

/// A status, in one call with what came of the task.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusReport {
    pub status: TaskStatus,
    pub result: Option<Value>,
    pub error: Option<String>,
    /// Of the lease, when it is to run.
    pub lease_seconds: i64,
}

impl OriginService {
    /// Brings a task where it is said to stand, and edits it, in one change. `holder` is who the client
    /// says works on it: while a lease lives, that must be its holder.
    ///
    /// # Errors
    /// `Forbidden`: a worker's report needs `tasks:work`, everything else `tasks:write`. `NotHolder`;
    /// `Rejected(InvalidTransition)` when it cannot come to stand there. Nothing changes then.
    pub async fn put(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        holder: Option<&str>,
        said: &Said,
        edit: &Amendment,
    ) -> Result<Task, ServiceError> {
        let allow = |loaded: &Loaded| {
            authorise(caller, &loaded.task, "update")?;
            self.check(&loaded.task)?;
            let works = said.is_work(&loaded.task);
            if works {
                Self::need_work(caller, "update")?;
            }
            if !works || edit.is_owners() {
                caller.need(Scope::TasksWrite, "update")?;
            }
            holder.map_or(Ok(()), |name| is_holder(loaded, name))
        };
        let decide = |loaded: &Loaded| {
            allow(loaded)?;
            let patch = edit.patch(&loaded.task, loaded.now);
            let edited = changed(decide::update(&loaded.task, &patch, &moment(loaded, caller.actor())))?;
            let task = edited.as_ref().map_or(&loaded.task, |change| &change.task);
            let moved = changed(said.decide(caller, &Loaded { task: task.clone(), ..loaded.clone() }, holder))?;
            match (edited, moved) {
                (Some(edited), Some(moved)) => Ok(moved.after(edited)),
                (Some(change), None) | (None, Some(change)) => Ok(change),
                (None, None) => Err(ServiceError::Rejected(Rejection::Unchanged)),
            }
        };
        let limits = Some((self.tasks.levels.as_ref(), caller.level()));
        let (task, _) = self.tasks.saver.apply_under(limits, &caller.tenant_id, task_id, decide).await?;
        Ok(task)
    }
}

impl Said {
    /// Whether it is for a worker to say.
    fn is_work(&self, task: &Task) -> bool {
        let Self::Reported(report) = self else { return false };
        let is_running = task.status == TaskStatus::Running;
        match report.status {
            TaskStatus::Running => true,
            TaskStatus::Completed | TaskStatus::Failed => is_running,
            _ => false,
        }
    }

    fn decide(&self, caller: &Caller, loaded: &Loaded, holder: Option<&str>) -> Result<Change, Rejection> {
        let task = &loaded.task;
        let is_running = task.status == TaskStatus::Running;
        let by_caller = moment(loaded, caller.actor());
        let set = |to: TaskStatus| match to == task.status {
            true => Err(Rejection::Unchanged),
            false => decide::set_status(task, to, &by_caller),
        };
        let by_holder = || {
            let worker = task.current.as_ref().and_then(|execution| execution.worker_id.clone());
            moment(loaded, Actor::Worker(worker.unwrap_or_default()))
        };
        let report = match self {
            Self::Nothing => return Err(Rejection::Unchanged),
            Self::Set(to) => return set(*to),
            Self::Reported(report) => report,
        };
        match report.status {
            TaskStatus::Running if is_running => Err(Rejection::Unchanged),
            // Only the store counts how many of a key run, and lets through what may.
            TaskStatus::Running if task.concurrency_key.is_some() && !loaded.claimable => {
                Err(refused("claim", task, Some(TaskStatus::Running)))
            }
            TaskStatus::Running => {
                let worker_id = holder.map_or_else(|| caller.actor().to_string(), str::to_owned);
                let claimer = Claimer { worker_id, lease_seconds: report.lease_seconds };
                decide::claim(task, &claimer, &by_caller)
            }
            TaskStatus::Completed if is_running => {
                let token = held(loaded).ok_or_else(|| refused("complete", task, None))?.1;
                let report = Report { result: report.result.clone().unwrap_or_default(), ..Report::default() };
                decide::complete(task, token, report, &by_holder())
            }
            TaskStatus::Failed if is_running => {
                let token = held(loaded).ok_or_else(|| refused("fail", task, None))?.1;
                let message = report.error.clone().unwrap_or_else(|| "Failed".to_owned());
                decide::fail(task, token, Failure { message, ..Failure::default() }, &by_holder())
            }
            to => set(to),
        }
    }
}

/// While a lease lives, whoever is named must be its holder.
fn is_holder(loaded: &Loaded, name: &str) -> Result<(), ServiceError> {
    match held(loaded) {
        Some((holder, _)) if !holder.is_empty() && holder != name => {
            let task_id = loaded.task.task_id.to_string();
            Err(ServiceError::NotHolder { task_id, worker_id: name.to_owned() })
        }
        _ => Ok(()),
    }
}

/// `None`: there is nothing to change.
fn changed(decision: Result<Change, Rejection>) -> Result<Option<Change>, ServiceError> {
    match decision {
        Ok(change) => Ok(Some(change)),
        Err(Rejection::Unchanged) => Ok(None),
        Err(rejection) => Err(rejection.into()),
    }
}
