//! The built-in executors by task type.

use std::collections::HashMap;
use std::sync::Arc;

use task_protocols::{ExecutorRegistry, TaskExecutor};

use crate::guard::{GuardedClient, OutboundPolicy, SystemLookup};
use crate::{Echo, Http};

/// Finds the executor of a task type.
pub struct Registry {
    by_type: HashMap<&'static str, Arc<dyn TaskExecutor>>,
}

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("two executors handle task type `{0}`; register one")]
    Twice(&'static str),
    #[error("the outbound HTTP client cannot be set up")]
    Client(#[from] reqwest::Error),
}

impl Registry {
    /// # Errors
    /// When two executors handle one type.
    pub fn new(executors: Vec<Arc<dyn TaskExecutor>>) -> Result<Self, RegistryError> {
        let mut by_type = HashMap::new();
        for executor in executors {
            for task_type in executor.task_types() {
                if by_type.insert(*task_type, Arc::clone(&executor)).is_some() {
                    return Err(RegistryError::Twice(task_type));
                }
            }
        }
        Ok(Self { by_type })
    }
}

impl ExecutorRegistry for Registry {
    fn find(&self, task_type: &str) -> Option<Arc<dyn TaskExecutor>> {
        self.by_type.get(task_type).cloned()
    }
}

/// Every executor of this version.
///
/// # Errors
/// When the outbound client cannot be set up.
pub fn builtin(policy: OutboundPolicy) -> Result<Registry, RegistryError> {
    let client = GuardedClient::new(policy, Arc::new(SystemLookup))?;
    Registry::new(vec![Arc::new(Echo), Arc::new(Http::new(client))])
}
