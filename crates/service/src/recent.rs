//! Answers that may be a little old.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Keeps up to `capacity` values, each for `time_to_live`.
///
/// Deliberately absent: making two callers that miss the same value wait for one look-up. Both look.
pub(crate) struct Recent<K, V> {
    time_to_live: Duration,
    capacity: usize,
    kept: Mutex<HashMap<K, (Instant, V)>>,
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    pub(crate) fn new(time_to_live: Duration, capacity: usize) -> Self {
        Self { time_to_live, capacity, kept: Mutex::default() }
    }

    /// The value, unless there is none or it is too old by `now`.
    pub(crate) fn get(&self, key: &K, now: Instant) -> Option<V> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(key).filter(|(since, _)| self.is_fresh(*since, now)).map(|(_, value)| value.clone())
    }

    /// Keeps a value. A full cache drops what is too old, or else everything.
    pub(crate) fn put(&self, key: K, value: V, now: Instant) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= self.capacity && !kept.contains_key(&key) {
            kept.retain(|_, (since, _)| self.is_fresh(*since, now));
            if kept.len() >= self.capacity {
                kept.clear();
            }
        }
        kept.insert(key, (now, value));
    }

    fn is_fresh(&self, since: Instant, now: Instant) -> bool {
        now.duration_since(since) < self.time_to_live
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_kept_for_its_time_and_a_full_cache_makes_room() {
        let cache = Recent::new(Duration::from_secs(60), 2);
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        cache.put("a", 1, start);
        assert_eq!((cache.get(&"a", after(59)), cache.get(&"b", after(59))), (Some(1), None));
        cache.put("b", 2, after(59));
        assert_eq!((cache.get(&"a", after(60)), cache.get(&"b", after(60))), (None, Some(2)));
        cache.put("c", 3, after(60));
        let both = (cache.get(&"b", after(60)), cache.get(&"c", after(60)));
        assert_eq!(both, (Some(2), Some(3)), "the old one made room");
        cache.put("d", 4, after(60));
        assert_eq!((cache.get(&"b", after(60)), cache.get(&"d", after(60))), (None, Some(4)));
    }
}
