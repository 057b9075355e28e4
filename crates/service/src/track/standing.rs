//! Whether those who listen may still do so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use task_protocols::{ApiKeyStore, StoreResult, TaskStore};
use tokio::time::Instant;

use crate::{Access, Caller};

/// How long an answer about a key is believed.
const BELIEVED: Duration = Duration::from_secs(2);

/// Asks for a key once, however many streams it has opened.
pub(super) struct Standing {
    keys: Arc<dyn ApiKeyStore>,
    /// For the store's clock.
    tasks: Arc<dyn TaskStore>,
    known: Mutex<HashMap<String, (Instant, bool)>>,
}

impl Standing {
    pub(super) fn new(keys: Arc<dyn ApiKeyStore>, tasks: Arc<dyn TaskStore>) -> Self {
        Self { keys, tasks, known: Mutex::default() }
    }

    /// Whether the caller's key was neither revoked nor has expired. Users come through the gateway,
    /// keys that the configuration names are in no store: both stand. While the store is away, so
    /// does whoever stood before.
    pub(super) async fn holds(&self, caller: &Caller) -> bool {
        let Access::Key { key_id, .. } = &caller.access else { return true };
        let now = Instant::now();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(key_id).copied();
        if let Some((at, holds)) = known
            && now.duration_since(at) < BELIEVED
        {
            return holds;
        }
        let holds = self.ask(key_id).await.unwrap_or(true);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (at, _)| now.duration_since(*at) < BELIEVED);
        known.insert(key_id.clone(), (now, holds));
        holds
    }

    async fn ask(&self, key_id: &str) -> StoreResult<bool> {
        let Some(key) = self.keys.find_key(key_id).await? else { return Ok(true) };
        let now = self.tasks.now().await?;
        Ok(key.revoked_at.is_none() && key.expires_at.is_none_or(|at| at > now))
    }
}
