//! Who waits for whom.

use task_domain::decide::DependencyState;
use task_domain::{TaskId, TaskStatus, TenantId, UserId};
use task_protocols::{BlockedTask, Dependency};

use crate::columns::{Json, Stamp, Word};

/// Name, owner, type and what tells how it stands: status, deletion, whether it recurs, successes.
pub(crate) type DependencyRow = (String, Option<String>, String, Word<TaskStatus>, Option<Stamp>, bool, i64);

/// Tenant, number, name and owner of a task, and what it waits for.
pub(crate) type BlockedRow = (String, i64, String, Option<String>, Json<Vec<TaskId>>);

pub(crate) fn dependency(
    (task_id, user_id, task_type, status, deleted_at, recurs, successes): DependencyRow,
) -> Dependency {
    Dependency {
        task_id: TaskId::from_stored(task_id),
        user_id: user_id.map(UserId::from_stored),
        task_type,
        status: status.0,
        state: DependencyState::of(status.0, recurs, successes, deleted_at.is_some()),
    }
}

pub(crate) fn blocked((tenant_id, id, task_id, user_id, depends_on): BlockedRow) -> BlockedTask {
    BlockedTask {
        tenant_id: TenantId::from_stored(tenant_id),
        id,
        task_id: TaskId::from_stored(task_id),
        user_id: user_id.map(UserId::from_stored),
        depends_on: depends_on.0,
    }
}

pub(crate) fn texts(ids: &[TaskId]) -> Vec<String> {
    ids.iter().map(|id| id.as_str().to_owned()).collect()
}
