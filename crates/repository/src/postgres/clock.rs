//! The database's clock, read without a round trip each time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use diesel_async::RunQueryDsl;
use task_protocols::StoreResult;

use super::errors;
use super::pool::Pools;

diesel::define_sql_function! {
    /// The time at which it is called; `now()` is when the transaction began.
    fn clock_timestamp() -> Timestamptz;
}

/// A sample is used this long. The node's monotonic clock runs meanwhile, which drifts by
/// microseconds in this time.
const FRESH: Duration = Duration::from_secs(5);

#[derive(Clone, Copy)]
pub(super) struct Sample {
    at: DateTime<Utc>,
    taken: Instant,
}

/// The last sample of the database's clock.
#[derive(Default)]
pub(super) struct DatabaseClock {
    last: Mutex<Option<Sample>>,
}

impl DatabaseClock {
    pub(super) async fn now(&self, pools: &Pools) -> StoreResult<DateTime<Utc>> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let sample = match last.filter(|sample| sample.taken.elapsed() < FRESH) {
            Some(sample) => sample,
            None => self.sample(pools).await?,
        };
        let passed = TimeDelta::from_std(sample.taken.elapsed()).unwrap_or_default();
        Ok((sample.at + passed).trunc_subsecs(6))
    }

    /// Asks the database. Its answer is taken for the middle of the round trip.
    pub(super) async fn sample(&self, pools: &Pools) -> StoreResult<Sample> {
        let mut connection = pools.main().await?;
        let sent = Instant::now();
        let at: DateTime<Utc> =
            diesel::select(clock_timestamp()).get_result(&mut connection).await.map_err(errors::failed)?;
        let sample = Sample { at, taken: sent + sent.elapsed() / 2 };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(sample);
        Ok(sample)
    }
}
