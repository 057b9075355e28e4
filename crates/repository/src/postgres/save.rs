//! Saving changes: many in one statement, each whole or not at all.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use task_domain::TaskId;
use task_domain::decide::{Change, Idempotency};
use task_protocols::{SaveOutcome, StoreResult};

use super::batcher::Key;
use super::clock::clock_timestamp;
use super::errors;
use super::pool::Pools;
use super::records::AsWritten;
use super::saved::{self, Document};
use super::schema::idempotency_keys;
use super::statement::{Sql, Statement};
use super::together::Together;
use super::usage::{self, Limited, Verdict};

/// A statement of several files.
macro_rules! statement {
    ($($part:literal),+) => { concat!($(include_str!(concat!("sql/", $part, ".sql")),)+) };
}

// What a statement could write costs it time even when there is nothing to write: most creates have nothing beside the task,
// and most changes leave the definition as it is.
const CREATE: &str = statement!("create", "create_events");
const CREATE_WITH_MORE: &str = statement!("create", "create_beside", "create_events");
const SAVE: &str = statement!("save", "save_events");
const SAVE_DEFINITION: &str = statement!("save", "save_definition", "save_events");

/// Which statement saves a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Create,
    Update,
}

impl Kind {
    pub(super) fn of(change: &Change) -> Self {
        if change.expected_seq == 0 { Self::Create } else { Self::Update }
    }

    /// Why a change whose guard does not hold is not saved.
    fn refusal(self) -> SaveOutcome {
        match self {
            Self::Create => SaveOutcome::Duplicate,
            Self::Update => SaveOutcome::Stale,
        }
    }
}

/// A change on its way to the database.
pub(super) struct Item {
    key: Key,
    document: Document,
    limited: Option<Limited>,
    turn: Turn,
}

/// The turn that a row was saved with; 0 before.
pub(super) type Turn = Arc<AtomicI64>;

impl Item {
    /// `place` is the turn of what `change` queues.
    pub(super) fn of(change: &Change, place: Option<i64>) -> Self {
        Self {
            key: (change.task.tenant_id.clone(), change.task.task_id.clone()),
            document: Document::of(change, place),
            limited: Limited::of(change),
            turn: Turn::default(),
        }
    }

    /// Known once the change is saved.
    pub(super) fn turn(&self) -> Turn {
        Arc::clone(&self.turn)
    }
}

/// Saves of one kind, coalesced.
pub(super) struct Saves {
    pub(super) kind: Kind,
    pub(super) pools: Arc<Pools>,
}

impl Together for Saves {
    type Item = Item;
    type Outcome = SaveOutcome;

    fn key(item: &Item) -> Key {
        item.key.clone()
    }

    /// `None` for one that was measured against others that were not saved then.
    async fn together(&self, items: &[&Item]) -> StoreResult<QueryResult<Vec<Option<SaveOutcome>>>> {
        let mut connection = self.pools.main().await?;
        Ok(if items.iter().any(|item| item.limited.is_some()) {
            connection
                .transaction(async |connection| save_within_limits(&self.pools, connection, self.kind, items).await)
                .await
        } else {
            write(&self.pools, &mut connection, self.kind, items).await.map(|saved| {
                let outcome = |n| Some(saved.get(&n).map_or(self.kind.refusal(), |id| SaveOutcome::Saved { id: *id }));
                (0..items.len()).map(outcome).collect()
            })
        })
    }
}

/// Saves a create that is known by an idempotency key, in a transaction of its own: what is not
/// created must leave no key behind.
pub(super) async fn save_once(
    pools: &Pools,
    change: &Change,
    item: &Item,
    idempotency: &Idempotency,
) -> StoreResult<SaveOutcome> {
    let mut connection = pools.main().await?;
    let created = connection.transaction(async |connection| {
        if let Some(repeated) = repeated(connection, change, idempotency).await? {
            return Ok(repeated);
        }
        let outcome = save_within_limits(pools, connection, Kind::of(change), &[item]).await?;
        match outcome.into_iter().flatten().next() {
            Some(saved @ SaveOutcome::Saved { .. }) => Ok(saved),
            refused => Err(NotCreated::Outcome(refused.unwrap_or(SaveOutcome::Stale))),
        }
    });
    match created.await {
        Ok(outcome) | Err(NotCreated::Outcome(outcome)) => Ok(outcome),
        Err(NotCreated::Failed(error)) => Err(errors::failed(error)),
    }
}

/// Why a transaction that began with an idempotency key is rolled back.
enum NotCreated {
    Outcome(SaveOutcome),
    Failed(diesel::result::Error),
}

impl From<diesel::result::Error> for NotCreated {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(error)
    }
}

/// Takes the idempotency key, or tells what was created under it. Whoever comes second waits for
/// the first one's commit.
async fn repeated(
    connection: &mut AsyncPgConnection,
    change: &Change,
    idempotency: &Idempotency,
) -> QueryResult<Option<SaveOutcome>> {
    let tenant_id = change.task.tenant_id.as_str();
    loop {
        let taken = diesel::insert_into(idempotency_keys::table)
            .values((
                idempotency_keys::tenant_id.eq(tenant_id),
                idempotency_keys::caller.eq(&idempotency.caller),
                idempotency_keys::key.eq(&idempotency.key),
                idempotency_keys::fingerprint.eq(&idempotency.fingerprint),
                idempotency_keys::task_id.eq(change.task.task_id.as_str()),
                idempotency_keys::created_at.eq(clock_timestamp()),
            ))
            .on_conflict_do_nothing()
            .execute(connection)
            .await?;
        if taken > 0 {
            return Ok(None);
        }
        let known: Option<(String, String)> = idempotency_keys::table
            .find((tenant_id, &idempotency.caller, &idempotency.key))
            .select((idempotency_keys::task_id, idempotency_keys::fingerprint))
            .get_result(connection)
            .await
            .optional()?;
        // One that is gone was swept since the insert met it: the key is free again.
        if let Some((task_id, fingerprint)) = known {
            return Ok(Some(SaveOutcome::Repeated { task_id: TaskId::from_stored(task_id), fingerprint }));
        }
    }
}

/// The bigint ids of those that were saved, by their place in `items`.
async fn write(
    pools: &Pools,
    connection: &mut AsyncPgConnection,
    kind: Kind,
    items: &[&Item],
) -> QueryResult<HashMap<usize, i64>> {
    let types = pools.types(connection).await?;
    let documents: Vec<&Document> = items.iter().map(|item| &item.document).collect();
    let (statement, rows) = match kind {
        Kind::Create if documents.iter().any(|new| new.depends() || !new.conversations.is_empty()) => {
            (CREATE_WITH_MORE, saved::creations(types, &documents))
        }
        Kind::Create => (CREATE, saved::creations(types, &documents)),
        Kind::Update if documents.iter().any(|change| change.task.is_some()) => {
            (SAVE_DEFINITION, saved::changes(types, &documents))
        }
        Kind::Update => (SAVE, saved::changes(types, &documents)),
    };
    let rows = rows.map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))?;
    let saved: Vec<(i64, i64, i64)> =
        Sql(statement).bind::<AsWritten, _>(rows).reading::<(BigInt, BigInt, BigInt)>().load(connection).await?;
    for (n, _, turn) in &saved {
        if let Some(item) = items.get(place(*n)) {
            item.turn.store(*turn, Ordering::Release);
        }
    }
    Ok(saved.into_iter().map(|(n, id, _)| (place(n), id)).collect())
}

/// SQL numbers from 1.
fn place(n: i64) -> usize {
    usize::try_from(n - 1).unwrap_or(usize::MAX)
}

/// Saves those that their owners' limits allow; in a transaction, which holds the owners' locks.
async fn save_within_limits(
    pools: &Pools,
    connection: &mut AsyncPgConnection,
    kind: Kind,
    items: &[&Item],
) -> QueryResult<Vec<Option<SaveOutcome>>> {
    let limited: Vec<&Limited> = items.iter().filter_map(|item| item.limited.as_ref()).collect();
    let mut verdicts =
        if limited.is_empty() { Vec::new() } else { usage::check(connection, &limited).await? }.into_iter();
    let verdicts: Vec<Verdict> = items
        .iter()
        .map(|item| item.limited.as_ref().and_then(|_| verdicts.next()).unwrap_or(Verdict::Allowed))
        .collect();
    let (allowed, refused): (Vec<usize>, Vec<usize>) =
        (0..items.len()).partition(|&at| verdicts[at] == Verdict::Allowed);
    let of = |places: &[usize]| places.iter().map(|&at| items[at]).collect::<Vec<_>>();
    let mut outcomes: Vec<Option<SaveOutcome>> = items.iter().map(|_| Some(kind.refusal())).collect();
    if !allowed.is_empty() {
        for (n, id) in write(pools, connection, kind, &of(&allowed)).await? {
            outcomes[allowed[n]] = Some(SaveOutcome::Saved { id });
        }
    }
    if refused.is_empty() {
        return Ok(outcomes);
    }
    // What would not be saved anyway is not the limit's fault.
    let unguarded = unguarded(connection, kind, &of(&refused)).await?;
    for (_, &at) in refused.iter().enumerate().filter(|(n, _)| !unguarded.contains(n)) {
        outcomes[at] = match verdicts[at] {
            Verdict::Exceeded(exceeded) => Some(SaveOutcome::Limited(exceeded)),
            Verdict::ExceededByOthers(_) if has_unsaved_neighbour(items, &outcomes, &allowed, at) => None,
            Verdict::ExceededByOthers(exceeded) => Some(SaveOutcome::Limited(exceeded)),
            Verdict::Allowed => outcomes[at].take(),
        };
    }
    Ok(outcomes)
}

/// Whether a change that the one at `at` was counted upon was not saved.
fn has_unsaved_neighbour(items: &[&Item], outcomes: &[Option<SaveOutcome>], allowed: &[usize], at: usize) -> bool {
    let Some(change) = &items[at].limited else { return false };
    allowed.iter().any(|&other| {
        let same_user = items[other].limited.as_ref().is_some_and(|other| other.is_of_same_user(change));
        same_user && !matches!(outcomes[other], Some(SaveOutcome::Saved { .. }))
    })
}

/// The places of those that would not be saved even without limits.
async fn unguarded(connection: &mut AsyncPgConnection, kind: Kind, items: &[&Item]) -> QueryResult<Vec<usize>> {
    let tenants: Vec<&str> = items.iter().map(|item| item.key.0.as_str()).collect();
    let numbers: Vec<i64> = match kind {
        Kind::Create => {
            Sql(include_str!("sql/taken_ids.sql"))
                .bind::<Array<Text>, _>(tenants)
                .bind::<Array<Text>, _>(items.iter().map(|item| item.key.1.as_str()).collect::<Vec<_>>())
                .reading::<BigInt>()
                .load(connection)
                .await?
        }
        Kind::Update => {
            Sql(include_str!("sql/moved_tasks.sql"))
                .bind::<Array<Text>, _>(tenants)
                .bind::<Array<BigInt>, _>(items.iter().map(|item| item.document.state.id).collect::<Vec<_>>())
                .bind::<Array<BigInt>, _>(items.iter().map(|item| item.document.expected_seq).collect::<Vec<_>>())
                .reading::<BigInt>()
                .load(connection)
                .await?
        }
    };
    Ok(numbers.into_iter().map(place).collect())
}
