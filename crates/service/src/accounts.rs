//! Users' levels as the account service tells them, and what to believe while it does not.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use task_domain::{SubscriptionLevel, TenantId, UserId};
use task_protocols::background::Background;
use task_protocols::{AccountClient, NeighbourError};
use tokio::time::Instant;

use crate::cache::AgingCache;

/// So long an answer stands.
const STANDS: Duration = Duration::from_secs(60);
/// So long it is believed while no newer one is to be had.
const LAST_GOOD: Duration = Duration::from_secs(24 * 3600);
/// So long nobody is asked about anybody after the service did not answer, nor about one user after
/// it gave no good answer about that one.
const PAUSE: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(3);
const USERS: usize = 50_000;

pub(crate) type User = (TenantId, UserId);

/// What was told of a user.
#[derive(Debug, Clone, Copy)]
struct Told {
    level: Option<SubscriptionLevel>,
    at: Instant,
    ask_again: Instant,
}

/// Whether the service may be asked.
enum Turn {
    Now,
    /// It was down: whether it still is one caller finds out, and waits for nothing.
    Beside,
    No,
}

struct Service {
    client: Arc<dyn AccountClient>,
    told: AgingCache<User, Told>,
    /// While it is down: when it may be asked again.
    down_until: Mutex<Option<Instant>>,
}

/// Asks the account service. While it is down one request every ten seconds is all that it gets, and
/// nobody waits for it.
pub(crate) struct AccountLevels {
    service: Arc<Service>,
    background: Background,
}

impl AccountLevels {
    pub(crate) fn new(client: Arc<dyn AccountClient>, background: Background) -> Self {
        let told = AgingCache::lasting(LAST_GOOD, USERS);
        Self { service: Arc::new(Service { client, told, down_until: Mutex::default() }), background }
    }

    /// The user's level: as told within a minute, else as the service tells it within three seconds,
    /// else as it was told last, a day ago at most. `None`: it names none.
    pub(crate) async fn of(&self, user: &User) -> Option<SubscriptionLevel> {
        let told = self.service.told.value(user);
        if let Some(told) = told.filter(|told| Instant::now() < told.ask_again) {
            return told.level;
        }
        match self.service.turn() {
            Turn::Now => self.service.ask(user, told).await,
            Turn::Beside => {
                let (service, user) = (Arc::clone(&self.service), user.clone());
                self.background.spawn(async move { service.ask(&user, told).await });
                told.and_then(|told| told.level)
            }
            Turn::No => told.and_then(|told| told.level),
        }
    }
}

impl Service {
    fn turn(&self) -> Turn {
        let mut down_until = self.down_until.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match *down_until {
            None => Turn::Now,
            Some(until) if now < until => Turn::No,
            Some(_) => {
                *down_until = Some(now + PAUSE);
                Turn::Beside
            }
        }
    }

    fn is_down(&self, down: bool) {
        let until = down.then(|| Instant::now() + PAUSE);
        *self.down_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// Asks once; `told` is what counts without an answer.
    async fn ask(&self, user: &User, told: Option<Told>) -> Option<SubscriptionLevel> {
        let asked = Instant::now();
        let answer = tokio::time::timeout(TIMEOUT, self.client.profile(&user.1)).await;
        let now = Instant::now();
        let kept = match answer {
            Ok(Ok(profile)) => {
                self.is_down(false);
                let level = profile.and_then(|profile| profile.subscription_level);
                Told { level, at: asked, ask_again: asked + STANDS }
            }
            Ok(Err(error @ NeighbourError { retryable: false, .. })) => {
                // It answers, but not about this user.
                self.is_down(false);
                no_level(user, &error);
                Told { ask_again: now + PAUSE, ..told.unwrap_or(Told { level: None, at: asked, ask_again: now }) }
            }
            Ok(Err(error)) => {
                self.is_down(true);
                no_level(user, &error);
                return told.and_then(|told| told.level);
            }
            Err(elapsed) => {
                self.is_down(true);
                no_level(user, &elapsed);
                return told.and_then(|told| told.level);
            }
        };
        self.told.put(user.clone(), kept, kept.at, self.told.epoch());
        kept.level
    }
}

fn no_level(user: &User, error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(user_id = %user.1, error, "the account service did not tell a level; using the last known or the default one");
}
