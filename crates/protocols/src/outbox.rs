//! The outbox: committed events on their way to the bus.

use std::time::Duration;

use async_trait::async_trait;
use task_domain::{Event, EventType, TenantId, UserId};

use crate::StoreResult;

/// An event in the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxEvent {
    /// Row id; within one task in the order of `seq`.
    pub id: i64,
    /// 1, 2, 3… without holes in the order of publication; `None` before it.
    pub position: Option<i64>,
    pub event: Event,
}

/// Which published events a reader wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFilter {
    /// `None`: every tenant's.
    pub tenant_id: Option<TenantId>,
    /// Only events of this user's tasks.
    pub user_id: Option<UserId>,
    /// Empty: all.
    pub types: Vec<EventType>,
}

impl EventFilter {
    /// Whether the reader wants this event.
    pub fn fits(&self, event: &OutboxEvent) -> bool {
        let event = &event.event;
        self.tenant_id.as_ref().is_none_or(|tenant| *tenant == event.tenant_id)
            && (self.user_id.is_none() || self.user_id == event.user_id)
            && (self.types.is_empty() || self.types.contains(&event.event_type))
    }
}

/// The right to relay, held until dropped or lost.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait RelayLock: Send + Sync {
    /// Whether it is still held; asks the store.
    async fn is_held(&self) -> bool;
}

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait OutboxStore: Send + Sync {
    /// The relay lock, or `None` while another instance holds it. Losing it makes two relays
    /// possible, which is safe: it only costs duplicates, with the same event id.
    async fn try_lock_relay(&self) -> StoreResult<Option<Box<dyn RelayLock>>>;

    /// Up to `limit` unpublished events, by row id: all of one task in the order of `seq`.
    async fn unpublished(&self, limit: i64) -> StoreResult<Vec<OutboxEvent>>;

    /// Marks events as published, giving positions in the order of `ids`, without holes; those
    /// already marked keep their position.
    async fn mark_published(&self, ids: &[i64]) -> StoreResult<()>;

    /// The highest position of an event that was published longer ago than `age`; 0 when there is
    /// none. MUST cost no more than a look at what was published since, however much is kept.
    async fn published_before(&self, age: Duration) -> StoreResult<i64>;

    /// Published events above the position `after` and up to `through`, by position. An implementation
    /// MUST look at no event outside of these, so that a reader of few bounds by them what it costs.
    async fn events_after(
        &self,
        filter: &EventFilter,
        after: i64,
        through: i64,
        limit: i64,
    ) -> StoreResult<Vec<OutboxEvent>>;

    /// The lowest kept and the highest given position of all tenants; `(0, 0)` before the first.
    async fn position_range(&self) -> StoreResult<(i64, i64)>;

    /// Number of unpublished events.
    async fn backlog(&self) -> StoreResult<i64>;

    /// Removes events published longer ago than `age`, at most `limit`; how many.
    async fn purge_published(&self, age: Duration, limit: i64) -> StoreResult<u64>;
}
