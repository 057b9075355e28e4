//! API keys: made, shown once, checked with every call, revoked.
//!
//! Deliberately absent: the keys that the configuration names; the server knows those.

mod text;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use subtle::ConstantTimeEq;
use task_domain::TenantId;
use task_protocols::background::Background;
use task_protocols::{ApiKey, ApiKeyStore, TaskStore};
use tokio::time::Instant;

use crate::cache::{AgingCache, Known};
use crate::{Access, Caller, Problem, RandomIds, Scope, ServiceError};

/// A key is read anew, beside a request that uses it, when it was read so long ago.
const FRESH: Duration = Duration::from_secs(2);
/// What was read longer ago is not believed: a revocation takes effect within 5 s everywhere.
const USABLE: Duration = Duration::from_millis(4500);
const CAPACITY: usize = 10_000;
/// So often the key of an open stream is looked at: it is read anew beside the second look after
/// [`FRESH`] at the latest, so the stream of a revoked one ends within 5 s, too.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// `last_used_at` is written at most so often for each key.
const TOUCH_EVERY: Duration = Duration::from_secs(60);
const LONGEST_LIFE_DAYS: i64 = 3650;

/// A key to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDraft {
    pub name: String,
    pub scopes: Vec<Scope>,
    /// Empty: every type.
    pub task_types: Vec<String>,
    /// 1 to 3650; `None`: it does not expire.
    pub expires_in_days: Option<i64>,
}

/// Whom a key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyIdentity {
    pub key_id: String,
    pub tenant_id: TenantId,
    pub scopes: Vec<Scope>,
    /// Empty: every type.
    pub task_types: Vec<String>,
}

/// A key as it was read.
struct ReadKey {
    key: ApiKey,
    identity: KeyIdentity,
    read: Instant,
    /// The store's time then.
    now: DateTime<Utc>,
}

impl ReadKey {
    fn lets_in(&self, secret: &str) -> bool {
        let same: bool = text::hash(secret).as_bytes().ct_eq(self.key.secret_hash.as_bytes()).into();
        same && self.stands()
    }

    /// Neither revoked nor expired.
    fn stands(&self) -> bool {
        let now = self.now + TimeDelta::from_std(self.read.elapsed()).unwrap_or_default();
        self.key.revoked_at.is_none() && self.key.expires_at.is_none_or(|at| at > now)
    }
}

/// Makes, checks, lists and revokes keys.
pub struct KeyService {
    store: Arc<dyn ApiKeyStore>,
    clock: Arc<dyn TaskStore>,
    background: Background,
    known: Arc<AgingCache<String, Arc<ReadKey>>>,
    /// Ids that no key has: apart, so that made-up ones push no real one out.
    unknown: AgingCache<String, ()>,
    touched: AgingCache<String, ()>,
    /// Keys of streams that were looked up a moment ago, found or not.
    looked_up: AgingCache<String, ()>,
}

impl KeyService {
    /// `clock` is asked for the store's time only.
    pub fn new(store: Arc<dyn ApiKeyStore>, clock: Arc<dyn TaskStore>, background: Background) -> Self {
        Self {
            store,
            clock,
            background,
            known: Arc::new(AgingCache::new(FRESH, USABLE, CAPACITY)),
            unknown: AgingCache::lasting(USABLE, CAPACITY),
            touched: AgingCache::lasting(TOUCH_EVERY, CAPACITY),
            looked_up: AgingCache::lasting(FRESH, CAPACITY),
        }
    }

    /// Whom a key that was shown stands for; `None` for a wrong, expired or revoked one.
    ///
    /// # Errors
    /// `Store` when the key had to be looked up and the database is away: nothing is said about the key.
    pub async fn authenticate(&self, key: &str) -> Result<Option<KeyIdentity>, ServiceError> {
        let Some(shown) = text::parse(key) else { return Ok(None) };
        let id = shown.id.to_owned();
        let read = match self.known.get(&id) {
            Known::Fresh(read) => Some(read),
            Known::Renew(read) => {
                self.renew(id);
                Some(read)
            }
            Known::Missing if self.unknown.value(&id).is_some() => None,
            Known::Missing => self.read(id).await?,
        };
        let Some(read) = read.filter(|read| read.lets_in(shown.secret)) else { return Ok(None) };
        self.touch(&read);
        Ok(Some(read.identity.clone()))
    }

    /// Returns when a caller's key is revoked or has expired, within 5 s wherever that was done: what
    /// it opened must end then. Never for a user, who comes through the gateway. However many wait
    /// for one key, it is read once in two seconds.
    pub async fn until_revoked(self: Arc<Self>, caller: Caller) {
        let Access::Key { key_id, .. } = caller.access else { return std::future::pending().await };
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if !self.stands(&key_id).await {
                return;
            }
        }
    }

    /// Whether a caller that was let in a while ago would be now: its key was neither revoked, longer
    /// than 5 s ago anywhere, nor has expired. A user, who comes through the gateway, always would.
    pub(crate) async fn stands_for(&self, caller: &Caller) -> bool {
        match &caller.access {
            Access::User { .. } => true,
            Access::Key { key_id, .. } => self.stands(key_id).await,
        }
    }

    /// Whether a key that was let in still stands. One in no store is the configuration's; while the
    /// store is away, whoever stood before still does.
    async fn stands(&self, id: &String) -> bool {
        let read = match self.known.get(id) {
            Known::Fresh(read) => Some(read),
            Known::Renew(read) => {
                self.renew(id.clone());
                Some(read)
            }
            Known::Missing if self.looked_up.value(id).is_some() => None,
            Known::Missing => {
                self.looked_up.keep(id.clone(), ());
                self.read(id.clone()).await.ok().flatten()
            }
        };
        read.is_none_or(|read| read.stands())
    }

    async fn read(&self, id: String) -> Result<Option<Arc<ReadKey>>, ServiceError> {
        let (started, epoch) = (Instant::now(), self.known.epoch());
        match read(self.store.as_ref(), self.clock.as_ref(), &id, started).await? {
            Some(read) => {
                self.known.put(id, Arc::clone(&read), started, epoch);
                Ok(Some(read))
            }
            None => {
                self.unknown.put(id, (), started, self.unknown.epoch());
                Ok(None)
            }
        }
    }

    /// Reads a key anew beside the request; when that fails the next request after [`USABLE`] tries.
    fn renew(&self, id: String) {
        let (store, clock, known) = (Arc::clone(&self.store), Arc::clone(&self.clock), Arc::clone(&self.known));
        self.background.spawn(async move {
            let (started, epoch) = (Instant::now(), known.epoch());
            match read(store.as_ref(), clock.as_ref(), &id, started).await {
                Ok(Some(read)) => known.put(id, read, started, epoch),
                Ok(None) => known.remove(&id),
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "a key was not read anew"),
            }
        });
    }

    /// Notes that the key is used, beside the request.
    fn touch(&self, read: &ReadKey) {
        if self.touched.value(&read.key.id).is_some() {
            return;
        }
        self.touched.keep(read.key.id.clone(), ());
        let recently = |at: DateTime<Utc>| (read.now - at).to_std().is_ok_and(|age| age < TOUCH_EVERY);
        if read.key.last_used_at.is_some_and(recently) {
            return;
        }
        let (store, id) = (Arc::clone(&self.store), read.key.id.clone());
        self.background.spawn(async move {
            if let Err(error) = store.touch_key(&id).await {
                tracing::debug!(
                    key_id = id,
                    error = &error as &dyn std::error::Error,
                    "the use of a key was not noted"
                );
            }
        });
    }

    /// Makes a key in the caller's tenant. The text is the key itself; it cannot be shown again.
    ///
    /// # Errors
    /// `Forbidden` without scope `admin`, or when a caller that is limited to task types would give
    /// away more; `Invalid`.
    pub async fn create(&self, caller: &Caller, draft: KeyDraft) -> Result<(ApiKey, String), ServiceError> {
        caller.need(Scope::Admin, "manage_keys")?;
        let problems = draft.problems();
        if !problems.is_empty() {
            return Err(ServiceError::Invalid(problems));
        }
        if let Access::Key { task_types, .. } = &caller.access
            && !task_types.is_empty()
            && (draft.task_types.is_empty() || draft.task_types.iter().any(|t| !task_types.contains(t)))
        {
            return Err(ServiceError::Forbidden { action: "manage_keys", required_level: None });
        }
        let now = self.clock.now().await?;
        let made = text::make(&RandomIds);
        let key = ApiKey {
            id: made.id,
            tenant_id: caller.tenant_id.clone(),
            name: draft.name,
            secret_hash: made.secret_hash,
            scopes: draft.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            task_types: draft.task_types,
            created_at: now,
            expires_at: draft.expires_in_days.map(|days| now + TimeDelta::days(days)),
            revoked_at: None,
            last_used_at: None,
        };
        self.store.add_key(&key).await?;
        Ok((key, made.text))
    }

    /// The keys of the caller's tenant, oldest first, revoked and expired ones included.
    pub async fn list(&self, caller: &Caller) -> Result<Vec<ApiKey>, ServiceError> {
        caller.need(Scope::Admin, "manage_keys")?;
        Ok(self.store.list_keys(&caller.tenant_id).await?)
    }

    /// Ends a key: at once in this instance, within 5 s in others. One that was revoked before stays so.
    ///
    /// # Errors
    /// `KeyNotFound`, also for another tenant's.
    pub async fn revoke(&self, caller: &Caller, id: &str) -> Result<(), ServiceError> {
        caller.need(Scope::Admin, "manage_keys")?;
        let revoked = self.store.revoke_key(&caller.tenant_id, id).await?;
        self.known.remove(&id.to_owned());
        if revoked {
            return Ok(());
        }
        let known = self.store.find_key(id).await?.filter(|key| key.tenant_id == caller.tenant_id);
        known.map(drop).ok_or_else(|| ServiceError::KeyNotFound { key_id: id.to_owned() })
    }
}

async fn read(
    store: &dyn ApiKeyStore,
    clock: &dyn TaskStore,
    id: &str,
    started: Instant,
) -> Result<Option<Arc<ReadKey>>, ServiceError> {
    let Some(key) = store.find_key(id).await? else { return Ok(None) };
    let now = clock.now().await?;
    let identity = KeyIdentity {
        key_id: key.id.clone(),
        tenant_id: key.tenant_id.clone(),
        // A scope of a later version is none here.
        scopes: key.scopes.iter().filter_map(|scope| scope.parse().ok()).collect(),
        task_types: key.task_types.clone(),
    };
    Ok(Some(Arc::new(ReadKey { key, identity, read: started, now })))
}

impl KeyDraft {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let length = self.name.trim().chars().count();
        if !(1..=100).contains(&length) {
            problems.push(Problem::new("name", "must have 1 to 100 characters"));
        }
        if self.scopes.is_empty() {
            problems.push(Problem::new(
                "scopes",
                "needs at least one of: tasks:write, tasks:work, facts, act_as_user, admin",
            ));
        }
        let printable = |t: &String| (1..=255).contains(&t.chars().count()) && !t.chars().any(char::is_control);
        if self.task_types.len() > 100 || !self.task_types.iter().all(printable) {
            problems.push(Problem::new("task_types", "must be at most 100 texts of 1 to 255 printable characters"));
        }
        if self.expires_in_days.is_some_and(|days| !(1..=LONGEST_LIFE_DAYS).contains(&days)) {
            problems.push(Problem::new("expires_in_days", "must be from 1 to 3650"));
        }
        problems
    }
}
