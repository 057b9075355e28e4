//! Which types of work those who claim have asked this instance for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use task_domain::{Handler, Origin, Task, TenantId};
use task_protocols::ClaimRequest;
use tokio::time::Instant;

/// Types that are remembered.
const CAPACITY: usize = 20_000;
/// A full memory forgets what nobody asked for so long.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// Who asks for what: without a tenant any tenant's, without an origin whatever made it, with an
/// empty type all of the origin.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Wanted {
    handler: Handler,
    tenant_id: Option<TenantId>,
    origin: Option<Origin>,
    task_type: String,
}

#[derive(Default)]
struct Inner {
    asked: HashMap<Wanted, Instant>,
    /// What the pools of this instance run: types and origin.
    served: Vec<(String, Option<Origin>)>,
}

/// Remembers when each type was last asked for in this instance. Clones share the memory.
///
/// Deliberately absent: what other instances are asked for.
#[derive(Clone, Default)]
pub struct SeenTypes(Arc<Mutex<Inner>>);

impl SeenTypes {
    /// Somebody claims.
    pub(crate) fn note(&self, request: &ClaimRequest) {
        let now = Instant::now();
        let all = [String::new()];
        let types = if request.task_types.is_empty() { all.as_slice() } else { request.task_types.as_slice() };
        let mut inner = self.lock();
        for task_type in types {
            let wanted = Wanted {
                handler: request.handler,
                tenant_id: request.tenant_id.clone(),
                origin: request.origin,
                task_type: task_type.clone(),
            };
            if inner.asked.len() >= CAPACITY && !inner.asked.contains_key(&wanted) {
                inner.asked.retain(|_, at| now.duration_since(*at) < FORGOTTEN);
                if inner.asked.len() >= CAPACITY {
                    return;
                }
            }
            inner.asked.insert(wanted, now);
        }
    }

    /// A pool of this instance runs these built-in types as long as the instance does.
    pub(crate) fn serve(&self, task_types: &[String], origin: Option<Origin>) {
        self.lock().served.extend(task_types.iter().map(|task_type| (task_type.clone(), origin)));
    }

    /// Whether a pool of this instance runs what `task` is.
    pub(crate) fn is_served(&self, task: &Task) -> bool {
        let fits = |(task_type, origin): &(String, Option<Origin>)| {
            task_type == task.claimed_as() && origin.is_none_or(|origin| origin == task.origin)
        };
        task.handler == Handler::Builtin && self.lock().served.iter().any(fits)
    }

    /// How long ago somebody asked who could have been given `task`; `None` when that is not remembered.
    pub(crate) fn last_asked(&self, task: &Task) -> Option<Duration> {
        let inner = self.lock();
        let mut last: Option<Instant> = None;
        for tenant_id in [None, Some(&task.tenant_id)] {
            for origin in [None, Some(task.origin)] {
                for task_type in [task.claimed_as(), ""] {
                    let wanted = Wanted {
                        handler: task.handler,
                        tenant_id: tenant_id.cloned(),
                        origin,
                        task_type: task_type.to_owned(),
                    };
                    last = last.max(inner.asked.get(&wanted).copied());
                }
            }
        }
        last.map(|at| at.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
