//! What other services' events bring about here.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use task_domain::decide::{self, Rejection};
use task_domain::{Actor, SubscriptionLevel, TaskId, TenantId, UserId};
use task_protocols::{
    InboundError, InboundEvent, InboundEventHandler, InboundKind, InboxStore, LevelStore, StoreError, TaskCursor,
    TaskFilter, TaskSort,
};

use crate::change::{Saver, moment};
use crate::{Levels, ServiceError};

/// Tasks of a user that are read at a time.
const PAGE: i64 = 200;

/// Handles in-bound events, each once where it carries an id.
pub struct InboundEvents {
    saver: Saver,
    inbox: Arc<dyn InboxStore>,
    store: Arc<dyn LevelStore>,
    levels: Arc<Levels>,
}

impl InboundEvents {
    pub fn new(saver: Saver, inbox: Arc<dyn InboxStore>, store: Arc<dyn LevelStore>, levels: Arc<Levels>) -> Self {
        Self { saver, inbox, store, levels }
    }

    /// Cancels every task of the user that is not done; how many.
    async fn user_deleted(&self, tenant_id: &TenantId, user_id: &UserId) -> Result<u64, ServiceError> {
        let mut filter = TaskFilter {
            user_id: Some(user_id.clone()),
            sort: TaskSort::Oldest,
            limit: PAGE,
            ..TaskFilter::of(tenant_id.clone())
        };
        let mut cancelled = 0;
        loop {
            let page = self.saver.store().list(&filter).await?;
            for task in page.tasks.iter().filter(|task| !task.status.is_terminal()) {
                cancelled += u64::from(self.cancel(tenant_id, &task.task_id).await?);
            }
            match page.tasks.last() {
                Some(last) if page.more => filter.after = Some(TaskCursor::from(last)),
                _ => return Ok(cancelled),
            }
        }
    }

    async fn cancel(&self, tenant_id: &TenantId, task_id: &TaskId) -> Result<bool, ServiceError> {
        let reason = Some("the user was deleted".to_owned());
        let cancel = |loaded: &task_protocols::Loaded| {
            let actor = Actor::System("account_service");
            Ok(decide::cancel(&loaded.task, reason.clone(), &moment(loaded, actor))?)
        };
        match self.saver.apply(tenant_id, task_id, cancel).await {
            Ok(_) => Ok(true),
            // It ended, or was deleted, in between.
            Err(ServiceError::Rejected(Rejection::InvalidTransition { .. }) | ServiceError::TaskNotFound { .. }) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn act(&self, event: &InboundEvent) -> Result<(), InboundError> {
        let facts = Facts::of(&event.payload)?;
        let (tenant_id, user_id) = facts.user()?;
        match event.kind {
            InboundKind::UserDeleted => {
                let cancelled = self.user_deleted(&tenant_id, &user_id).await.map_err(failed)?;
                tracing::info!(%tenant_id, %user_id, cancelled, "a user was deleted; its work is cancelled");
            }
            InboundKind::SubscriptionChanged => {
                let level = facts.level()?;
                let at = match facts.time().or(event.published_at) {
                    Some(at) => at,
                    None => self.saver.store().now().await.map_err(|error| failed(error.into()))?,
                };
                let kept = self.store.keep_event_level(&tenant_id, &user_id, level, at).await;
                kept.map_err(|error| failed(error.into()))?;
                self.levels.forget(&tenant_id, &user_id);
                tracing::info!(%tenant_id, %user_id, level = level.as_str(), "a user's level was changed");
            }
        }
        Ok(())
    }
}

#[async_trait]
impl InboundEventHandler for InboundEvents {
    async fn handle(&self, event: &InboundEvent) -> Result<(), InboundError> {
        let store = |error: StoreError| failed(error.into());
        let Some(event_id) = &event.event_id else { return self.act(event).await };
        if self.inbox.was_received(event_id).await.map_err(store)? {
            return Ok(());
        }
        self.act(event).await?;
        // Last: what was half done is done again.
        self.inbox.note_received(event_id, &event.subject).await.map_err(store)
    }
}

fn failed(error: ServiceError) -> InboundError {
    match error {
        ServiceError::Store(error @ StoreError::Unavailable(_)) => InboundError::Unavailable(error.into()),
        ServiceError::Contended => InboundError::Unavailable(error.into()),
        error => InboundError::Failed(error.into()),
    }
}

/// The facts of a payload: its `data` where it has one, else itself.
struct Facts<'p>(&'p serde_json::Map<String, Value>);

impl<'p> Facts<'p> {
    fn of(payload: &'p Value) -> Result<Self, InboundError> {
        let bare = payload.as_object().ok_or_else(|| unreadable("the body is no JSON object"))?;
        Ok(Self(bare.get("data").and_then(Value::as_object).unwrap_or(bare)))
    }

    fn text(&self, names: &[&str]) -> Option<&'p str> {
        names.iter().find_map(|name| self.0.get(*name).and_then(Value::as_str)).filter(|text| !text.is_empty())
    }

    fn user(&self) -> Result<(TenantId, UserId), InboundError> {
        let user = self.text(&["user_id"]).ok_or_else(|| unreadable("it has no text `user_id`"))?;
        let user_id = UserId::new(user).map_err(|problem| unreadable(&format!("`user_id` {problem}")))?;
        let tenant_id = match self.text(&["tenant_id"]) {
            Some(tenant) => TenantId::new(tenant).map_err(|problem| unreadable(&format!("`tenant_id` {problem}")))?,
            None => TenantId::default_tenant(),
        };
        Ok((tenant_id, user_id))
    }

    fn level(&self) -> Result<SubscriptionLevel, InboundError> {
        let level = self.text(&["subscription_level", "new_level", "level", "tier"]);
        let level = level.ok_or_else(|| unreadable("it has no text `subscription_level`"))?;
        level.to_ascii_lowercase().parse().map_err(|problem| unreadable(&format!("`subscription_level` {problem}")))
    }

    fn time(&self) -> Option<DateTime<Utc>> {
        let text = self.text(&["occurred_at", "changed_at", "timestamp"])?;
        DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc())
    }
}

fn unreadable(why: &str) -> InboundError {
    InboundError::Unreadable(why.to_owned())
}
