//! Who is calling, and what they may do.

use std::str::FromStr;

use task_domain::{Actor, SubscriptionLevel, Task, TenantId, UserId};

use crate::ServiceError;

/// What an API key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    TasksWrite,
    TasksWork,
    Facts,
    /// Name the user that a call is made for.
    ActAsUser,
    /// Everything in the tenant.
    Admin,
}

impl Scope {
    pub const ALL: &'static [Scope] = &[Self::TasksWrite, Self::TasksWork, Self::Facts, Self::ActAsUser, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::TasksWrite => "tasks:write",
            Self::TasksWork => "tasks:work",
            Self::Facts => "facts",
            Self::ActAsUser => "act_as_user",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().copied().find(|scope| scope.as_str() == text);
        known.ok_or_else(|| "must be one of: tasks:write, tasks:work, facts, act_as_user, admin".to_owned())
    }
}

/// How the caller proved who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// An end user, vouched for by the gateway.
    User { user_id: UserId, level: Option<SubscriptionLevel> },
    /// A service or worker with an API key.
    Key {
        /// The key's public id.
        key_id: String,
        scopes: Vec<Scope>,
        /// Empty: every type.
        task_types: Vec<String>,
        /// The user it acts for (scope `act_as_user`), and that user's level when the caller named it.
        acting_for: Option<(UserId, Option<SubscriptionLevel>)>,
    },
}

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub tenant_id: TenantId,
    pub access: Access,
}

impl Caller {
    pub fn actor(&self) -> Actor {
        match &self.access {
            Access::User { user_id, .. } => Actor::User(user_id.clone()),
            Access::Key { key_id, .. } => Actor::Key(key_id.clone()),
        }
    }

    /// The user that the call is for, if any.
    pub fn user_id(&self) -> Option<&UserId> {
        match &self.access {
            Access::User { user_id, .. } => Some(user_id),
            Access::Key { acting_for, .. } => acting_for.as_ref().map(|(user_id, _)| user_id),
        }
    }

    /// The level that the gateway named for the user, if any.
    pub fn level(&self) -> Option<SubscriptionLevel> {
        match &self.access {
            Access::User { level, .. } => *level,
            Access::Key { acting_for, .. } => acting_for.as_ref().and_then(|(_, level)| *level),
        }
    }

    pub fn is_key(&self) -> bool {
        matches!(self.access, Access::Key { .. })
    }

    /// Whether a key has `scope` (`admin` has all); users need none.
    pub fn has(&self, scope: Scope) -> bool {
        match &self.access {
            Access::User { .. } => matches!(scope, Scope::TasksWrite | Scope::Facts),
            Access::Key { scopes, .. } => scopes.contains(&scope) || scopes.contains(&Scope::Admin),
        }
    }

    pub(crate) fn need(&self, scope: Scope, action: &'static str) -> Result<(), ServiceError> {
        if self.has(scope) { Ok(()) } else { Err(ServiceError::Forbidden { action, required_level: None }) }
    }

    /// Whether the caller may read tasks at all: a key for facts only may not.
    ///
    /// # Errors
    /// `Forbidden`.
    pub fn need_tasks(&self) -> Result<(), ServiceError> {
        if self.reads_tasks() { Ok(()) } else { Err(ServiceError::Forbidden { action: "read", required_level: None }) }
    }

    fn reads_tasks(&self) -> bool {
        self.has(Scope::TasksWrite) || self.has(Scope::TasksWork)
    }

    /// Whether the caller may have to do with tasks of this type: a key may be limited to others.
    pub fn may_use_type(&self, task_type: &str) -> bool {
        match &self.access {
            Access::User { .. } => true,
            Access::Key { task_types, .. } => task_types.is_empty() || task_types.iter().any(|t| t == task_type),
        }
    }

    /// The types that a key is limited to; empty: every type.
    pub fn task_types(&self) -> &[String] {
        match &self.access {
            Access::User { .. } => &[],
            Access::Key { task_types, .. } => task_types,
        }
    }

    /// Whether the caller may see and touch a task of its own tenant.
    pub(crate) fn owns(&self, task: &Task) -> bool {
        self.sees(task.user_id.as_ref(), &task.task_type)
    }

    /// The same of a task of `owner` and of this type.
    pub(crate) fn sees(&self, owner: Option<&UserId>, task_type: &str) -> bool {
        match &self.access {
            Access::User { user_id, .. } => owner == Some(user_id),
            Access::Key { acting_for, .. } => {
                self.reads_tasks()
                    && self.may_use_type(task_type)
                    && acting_for.as_ref().is_none_or(|(user_id, _)| owner == Some(user_id))
            }
        }
    }
}
