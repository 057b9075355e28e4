//! Where ids and secrets come from outside tests.

use task_domain::decide::IdSource;
use uuid::Uuid;

/// Time-ordered ids and random secrets from the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl IdSource for RandomIds {
    fn id(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn secret(&self) -> Uuid {
        Uuid::new_v4()
    }
}
