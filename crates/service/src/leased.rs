//! Tasks as they were when this instance leased them, so that most reports need not read them again.
//!
//! Soundness does not rest on it: what is decided on a remembered task is saved under its `event_seq`
//! and its lease token, so a change in between makes the save stale and the task is read after all.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde_json::Value;
use task_domain::{JsonObject, LeaseToken, Task};

/// Tasks that are remembered. With [`MAX_SIZE`] it bounds the memory to some 40 MiB.
const CAPACITY: usize = 10_000;
/// Larger tasks are read again: their work takes longer than a read.
const MAX_SIZE: usize = 4096;

#[derive(Default)]
struct Inner {
    tasks: HashMap<LeaseToken, Task>,
    /// Oldest first; may name some that are gone.
    order: VecDeque<LeaseToken>,
}

/// Clones share the memory.
#[derive(Clone, Default)]
pub(crate) struct LeasedTasks(Arc<Mutex<Inner>>);

impl LeasedTasks {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a task under the lease it was just given.
    pub(crate) fn keep(&self, task: &Task) {
        let Some(lease) = task.current.as_ref().and_then(|execution| execution.lease) else { return };
        if !is_small(task) {
            return;
        }
        let task = task.clone();
        let mut inner = self.lock();
        if inner.order.len() >= CAPACITY
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.tasks.remove(&oldest);
        }
        inner.order.push_back(lease.token);
        inner.tasks.insert(lease.token, task);
    }

    /// Its lease ends later than it did.
    pub(crate) fn renew(&self, token: LeaseToken, expires_at: DateTime<Utc>) {
        let mut inner = self.lock();
        let execution = inner.tasks.get_mut(&token).and_then(|task| task.current.as_mut());
        if let Some(lease) = execution.and_then(|execution| execution.lease.as_mut()) {
            lease.expires_at = expires_at;
        }
    }

    /// Hands the task out, once: after a report it is another one.
    pub(crate) fn take(&self, token: LeaseToken) -> Option<Task> {
        self.lock().tasks.remove(&token)
    }
}

/// Whether what owners wrote into the task is short.
fn is_small(task: &Task) -> bool {
    let mut left = MAX_SIZE;
    let trigger = task.current.as_ref().and_then(|execution| execution.trigger_data.as_ref());
    let texts = task.tags.iter().chain(task.description.as_ref());
    spend(&mut left, texts.map(|text| text.len() + 24).sum())
        && object(&mut left, &task.config)
        && object(&mut left, &task.attributes)
        && task.metadata.as_ref().is_none_or(|metadata| object(&mut left, metadata))
        && trigger.is_none_or(|data| value(&mut left, data))
        && spend(&mut left, task.labels.iter().map(|(key, label)| key.len() + label.len() + 48).sum())
}

fn object(left: &mut usize, fields: &JsonObject) -> bool {
    fields.iter().all(|(name, field)| spend(left, name.len() + 48) && value(left, field))
}

fn value(left: &mut usize, json: &Value) -> bool {
    match json {
        Value::String(text) => spend(left, text.len()),
        Value::Array(items) => items.iter().all(|item| spend(left, 32) && value(left, item)),
        Value::Object(fields) => object(left, fields),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

fn spend(left: &mut usize, size: usize) -> bool {
    match left.checked_sub(size) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}
