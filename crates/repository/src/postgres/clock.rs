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

/// A round trip within this says when the database looked at its clock, to half of it.
const PROMPT: Duration = Duration::from_millis(50);
/// So often it is asked for a prompt answer.
const TRIES: u32 = 3;

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
        let mut tries = 0;
        let (at, taken) = loop {
            let sent = Instant::now();
            let at: DateTime<Utc> =
                diesel::select(clock_timestamp()).get_result(&mut connection).await.map_err(errors::failed)?;
            let round_trip = sent.elapsed();
            tries += 1;
            if settles(round_trip, tries) {
                break (at, sent + round_trip / 2);
            }
        };
        let sample = Sample { at, taken };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(sample);
        Ok(sample)
    }
}

/// Whether this answer is taken. The middle of a long round trip may be seconds off: this process, or
/// the machine under it, may have stood still after the database looked at its clock.
fn settles(round_trip: Duration, tries: u32) -> bool {
    round_trip <= PROMPT || tries >= TRIES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_took_long_is_asked_for_again_but_not_for_ever() {
        assert!(settles(PROMPT, 1));
        assert!(!settles(PROMPT + Duration::from_millis(1), 1), "half of it may be the error");
        assert!(settles(Duration::from_secs(60), TRIES), "a slow database is a database");
    }
}
