//! Waiting on conditions, never on time.

use std::future::Future;
use std::time::{Duration, Instant};

/// Asks `holds` every few milliseconds until it says true.
///
/// # Panics
/// When it does not within `patience`; the message says what was waited for.
pub async fn until<F, Fut>(what: &str, patience: Duration, mut holds: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < patience, "waited {patience:?} in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
