//! Which limits a change is under: the level of the user it is for.
//!
//! The level comes from, in order: a `subscription.changed` event, the gateway's header, the account
//! service, what the gateway said last, the configured default.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use task_domain::decide::Change;
use task_domain::{Demand, Limits, SubscriptionLevel, Task, TaskStatus, TenantId, UserId};
use task_protocols::background::Background;
use task_protocols::{AccountClient, AnyKnown, KnownLevel, LevelStore};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::ServiceError;
use crate::accounts::{AccountLevels, User};
use crate::cache::{AgingCache, Known};

/// What was read of a user is read anew, beside a request, when it is so old.
const FRESH: Duration = Duration::from_secs(2);
/// What is older is not believed: an event that another instance received applies within 5 s.
const USABLE: Duration = Duration::from_millis(4500);
const USERS: usize = 50_000;
/// So long what the gateway said is not written again.
const NOTED: Duration = Duration::from_secs(3600);
/// Notes of what the gateway said that are written at the same time; more are left out.
const NOTES_AT_ONCE: usize = 4;

/// The limits of every level, and the level of users that nobody named one for.
#[derive(Debug, Clone)]
pub struct LimitsPolicy {
    pub limits: Limits,
    pub default_level: SubscriptionLevel,
}

/// Where levels are heard of.
pub struct LevelSources {
    pub store: Arc<dyn LevelStore>,
    pub accounts: Arc<dyn AccountClient>,
    pub background: Background,
}

struct Sources {
    store: Arc<dyn LevelStore>,
    accounts: AccountLevels,
    background: Background,
    any: Arc<AgingCache<(), AnyKnown>>,
    known: Arc<AgingCache<User, KnownLevel>>,
    /// What the gateway said last, as far as this process noted it.
    noted: AgingCache<User, SubscriptionLevel>,
    notes: Arc<Semaphore>,
}

/// Finds the level of a user, and puts changes under its limits.
pub struct Levels {
    policy: LimitsPolicy,
    sources: Option<Sources>,
}

impl Levels {
    pub fn new(policy: LimitsPolicy, sources: LevelSources) -> Self {
        let LevelSources { store, accounts, background } = sources;
        let sources = Sources {
            store,
            accounts: AccountLevels::new(accounts, background.clone()),
            background,
            any: Arc::new(AgingCache::new(FRESH, USABLE, 1)),
            known: Arc::new(AgingCache::new(FRESH, USABLE, USERS)),
            noted: AgingCache::lasting(NOTED, USERS),
            notes: Arc::new(Semaphore::new(NOTES_AT_ONCE)),
        };
        Self { policy, sources: Some(sources) }
    }

    /// Knows only what a call itself names, and the default.
    pub fn fixed(policy: LimitsPolicy) -> Self {
        Self { policy, sources: None }
    }

    /// The level of a user; `named` is what the gateway says with this call.
    ///
    /// # Errors
    /// `Store` when the database had to be asked and is away. An account service that fails is
    /// logged, and the next source counts.
    pub async fn level_of(
        &self,
        tenant_id: &TenantId,
        user_id: &UserId,
        named: Option<SubscriptionLevel>,
    ) -> Result<SubscriptionLevel, ServiceError> {
        let Some(sources) = &self.sources else { return Ok(named.unwrap_or(self.policy.default_level)) };
        let user = (tenant_id.clone(), user_id.clone());
        let any = sources.any_known().await?;
        // Where no event was ever heard of, a header decides without a look at the database.
        let known =
            if any.event || (any.any && named.is_none()) { sources.known(&user).await? } else { KnownLevel::default() };
        if let Some(level) = known.event {
            return Ok(level);
        }
        if let Some(level) = named {
            sources.note(user, level);
            return Ok(level);
        }
        let level = sources.accounts.of(&user).await.or(known.gateway);
        Ok(level.unwrap_or(self.policy.default_level))
    }

    /// Puts a change of a task that was `before` (none: a new one) under the limits of the user it
    /// is for, where it takes anything from them.
    ///
    /// # Errors
    /// `Limited` when its schedule runs more often than the level allows; the store checks the
    /// other limits as it saves.
    pub async fn apply(
        &self,
        change: &mut Change,
        before: Option<&Task>,
        named: Option<SubscriptionLevel>,
        now: DateTime<Utc>,
    ) -> Result<(), ServiceError> {
        let Some(user_id) = change.task.user_id.clone() else { return Ok(()) };
        // A schedule is looked at when it comes, and when it takes effect again.
        let starts = before.is_none_or(|before| {
            before.schedule != change.task.schedule
                || (before.status != TaskStatus::Scheduled && change.task.status == TaskStatus::Scheduled)
        });
        let schedule = change.task.schedule.as_ref().filter(|_| starts);
        if schedule.is_none() && change.demand == Demand::default() {
            return Ok(());
        }
        let limits = self.policy.limits.of(self.level_of(&change.task.tenant_id, &user_id, named).await?);
        if let Some(schedule) = schedule {
            let checked = limits.check_interval(schedule.shortest_interval(now));
            checked.map_err(|exceeded| ServiceError::limited(exceeded, now))?;
        }
        change.limits = Some(limits);
        Ok(())
    }

    /// A level was stored: the next check reads it.
    pub fn forget(&self, tenant_id: &TenantId, user_id: &UserId) {
        if let Some(sources) = &self.sources {
            sources.any.remove(&());
            sources.known.remove(&(tenant_id.clone(), user_id.clone()));
        }
    }
}

impl Sources {
    async fn any_known(&self) -> Result<AnyKnown, ServiceError> {
        match self.any.get(&()) {
            Known::Fresh(any) => Ok(any),
            Known::Renew(any) => {
                let (store, cache) = (Arc::clone(&self.store), Arc::clone(&self.any));
                self.background.spawn(async move { read_any(store.as_ref(), &cache).await.map(drop) });
                Ok(any)
            }
            Known::Missing => read_any(self.store.as_ref(), &self.any).await,
        }
    }

    async fn known(&self, user: &User) -> Result<KnownLevel, ServiceError> {
        match self.known.get(user) {
            Known::Fresh(known) => Ok(known),
            Known::Renew(known) => {
                let (store, cache, user) = (Arc::clone(&self.store), Arc::clone(&self.known), user.clone());
                self.background.spawn(async move { read_known(store.as_ref(), &cache, &user).await.map(drop) });
                Ok(known)
            }
            Known::Missing => read_known(self.store.as_ref(), &self.known, user).await,
        }
    }

    /// Keeps what the gateway said for what has no header, such as scheduled runs; beside the request.
    fn note(&self, user: User, level: SubscriptionLevel) {
        if self.noted.value(&user) == Some(level) {
            return;
        }
        let Ok(permit) = Arc::clone(&self.notes).try_acquire_owned() else { return };
        self.noted.keep(user.clone(), level);
        let (store, any, known) = (Arc::clone(&self.store), Arc::clone(&self.any), Arc::clone(&self.known));
        self.background.spawn(async move {
            if let Err(error) = store.keep_gateway_level(&user.0, &user.1, level).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "a user's level was not noted");
            }
            known.remove(&user);
            // Somebody is known from here on.
            if any.value(&()).is_some_and(|told| !told.any) {
                any.remove(&());
            }
            drop(permit);
        });
    }
}

async fn read_any(store: &dyn LevelStore, cache: &AgingCache<(), AnyKnown>) -> Result<AnyKnown, ServiceError> {
    let (started, epoch) = (Instant::now(), cache.epoch());
    let any = store.any_known().await?;
    cache.put((), any, started, epoch);
    Ok(any)
}

async fn read_known(
    store: &dyn LevelStore,
    cache: &AgingCache<User, KnownLevel>,
    user: &User,
) -> Result<KnownLevel, ServiceError> {
    let (started, epoch) = (Instant::now(), cache.epoch());
    let known = store.known_level(&user.0, &user.1).await?;
    cache.put(user.clone(), known, started, epoch);
    Ok(known)
}
