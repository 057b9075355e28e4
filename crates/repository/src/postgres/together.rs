//! What one statement does for many requests: all together, or each alone when that failed.

use std::time::Duration;

use diesel::QueryResult;
use task_protocols::{StoreError, StoreResult};
use tokio::time::Instant;

use super::batcher::{Batch, Key};
use super::errors;

/// How long the requests of a failed batch are tried one after another.
const ALONE: Duration = Duration::from_secs(5);

/// A statement for many requests of different tasks, which are sorted by their tasks.
pub(super) trait Together: Send + Sync + 'static {
    type Item: Send + Sync + 'static;
    type Outcome: Send + 'static;

    /// The task that a request changes.
    fn key(item: &Self::Item) -> Key;

    /// The outcome of each; `None` for one that is to be tried alone, which a single request never
    /// is. The outer error: there is no connection.
    fn together(
        &self,
        items: &[&Self::Item],
    ) -> impl Future<Output = StoreResult<QueryResult<Vec<Option<Self::Outcome>>>>> + Send;
}

impl<T: Together> Batch for T {
    type Item = T::Item;
    type Outcome = T::Outcome;

    fn key(item: &T::Item) -> Key {
        T::key(item)
    }

    async fn run(&self, items: Vec<T::Item>) -> Vec<StoreResult<T::Outcome>> {
        let items: Vec<&T::Item> = items.iter().collect();
        let together = match self.together(&items).await {
            Ok(Ok(outcomes)) => outcomes,
            Ok(Err(error)) if items.len() == 1 => return vec![Err(errors::failed(error))],
            // One of them is at fault, or two batches met in a deadlock. Nothing of it was kept, so
            // each has its own try.
            Ok(Err(error)) if errors::is_rolled_back(&error) => items.iter().map(|_| None).collect(),
            Ok(Err(error)) => return errors::shared(errors::failed(error), items.len()),
            Err(unavailable) => return errors::shared(unavailable, items.len()),
        };
        let until = Instant::now() + ALONE;
        let mut outcomes = Vec::with_capacity(items.len());
        for (item, outcome) in items.into_iter().zip(together) {
            outcomes.push(match outcome {
                Some(outcome) => Ok(outcome),
                None if Instant::now() > until => Err(StoreError::unavailable("the database is too slow")),
                None => alone(self, item).await,
            });
        }
        outcomes
    }
}

async fn alone<T: Together>(statement: &T, item: &T::Item) -> StoreResult<T::Outcome> {
    let outcomes = statement.together(&[item]).await?.map_err(errors::failed)?;
    outcomes.into_iter().flatten().next().ok_or_else(|| StoreError::internal("a single request has an outcome"))
}

/// Rows that tell their place among `n` items, in SQL's numbers from 1; `None` for an item without
/// one, which is its outcome.
pub(super) fn by_place<T>(n: usize, rows: impl Iterator<Item = (i64, T)>) -> Vec<Option<Option<T>>> {
    let mut outcomes: Vec<Option<Option<T>>> = (0..n).map(|_| Some(None)).collect();
    for (place, row) in rows {
        let outcome = usize::try_from(place - 1).ok().and_then(|at| outcomes.get_mut(at));
        if let Some(outcome) = outcome {
            *outcome = Some(Some(row));
        }
    }
    outcomes
}
