//! Random ids for decisions that an engine takes inside its own transaction.

use task_domain::decide::IdSource;
use uuid::Uuid;

/// Time-ordered ids, and secrets of 122 random bits, from the operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RandomIds;

impl IdSource for RandomIds {
    fn id(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn secret(&self) -> Uuid {
        Uuid::new_v4()
    }
}
