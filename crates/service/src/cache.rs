//! A bounded map whose entries age: what keeps authentication, levels, templates and figures off the
//! database.
//!
//! Deliberately absent: making two callers that miss the same value wait for one look-up. Both look.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

struct Slot<V> {
    value: V,
    read: Instant,
    /// Somebody was told to read it again.
    renewing: bool,
}

struct Inner<K, V> {
    map: HashMap<K, Slot<V>>,
    /// Rises with every removal.
    epoch: u64,
}

/// What is known under a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known<V> {
    Fresh(V),
    /// Still good, but the one who is told so should read it anew, beside its request.
    Renew(V),
    Missing,
}

/// Entries are good for `usable`, and are to be read anew after `fresh`, by one caller.
pub(crate) struct AgingCache<K, V> {
    inner: Mutex<Inner<K, V>>,
    fresh: Duration,
    usable: Duration,
    capacity: usize,
}

impl<K: Eq + Hash, V: Clone> AgingCache<K, V> {
    pub(crate) fn new(fresh: Duration, usable: Duration, capacity: usize) -> Self {
        Self { inner: Mutex::new(Inner { map: HashMap::new(), epoch: 0 }), fresh, usable, capacity }
    }

    /// Entries are good for `usable`, and nobody is told to read them anew.
    pub(crate) fn lasting(usable: Duration, capacity: usize) -> Self {
        Self::new(usable, usable, capacity)
    }

    fn lock(&self) -> MutexGuard<'_, Inner<K, V>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, key: &K) -> Known<V> {
        let mut inner = self.lock();
        let Some(slot) = inner.map.get_mut(key) else { return Known::Missing };
        let age = slot.read.elapsed();
        if age >= self.usable {
            return Known::Missing;
        }
        let renew = age >= self.fresh && !std::mem::replace(&mut slot.renewing, age >= self.fresh);
        if renew { Known::Renew(slot.value.clone()) } else { Known::Fresh(slot.value.clone()) }
    }

    /// The value, where there is a good one and it does not matter who reads it anew.
    pub(crate) fn value(&self, key: &K) -> Option<V> {
        let inner = self.lock();
        inner.map.get(key).filter(|slot| slot.read.elapsed() < self.usable).map(|slot| slot.value.clone())
    }

    /// To be asked before reading, and handed to [`Self::put`].
    pub(crate) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Keeps what was read from `read` on, unless something was removed since `epoch`: it may have
    /// been that, and what was read may be what it was before.
    pub(crate) fn put(&self, key: K, value: V, read: Instant, epoch: u64) {
        let mut inner = self.lock();
        if inner.epoch != epoch {
            return;
        }
        if inner.map.len() >= self.capacity && !inner.map.contains_key(&key) {
            inner.map.retain(|_, slot| slot.read.elapsed() < self.usable);
            if inner.map.len() >= self.capacity {
                inner.map.clear();
            }
        }
        inner.map.insert(key, Slot { value, read, renewing: false });
    }

    /// Keeps what is so at this moment.
    pub(crate) fn keep(&self, key: K, value: V) {
        self.put(key, value, Instant::now(), self.epoch());
    }

    pub(crate) fn remove(&self, key: &K) {
        let mut inner = self.lock();
        inner.epoch += 1;
        inner.map.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn an_entry_is_renewed_by_one_caller_and_ends_in_time() {
        let cache = AgingCache::new(SECOND, 3 * SECOND, 10);
        assert_eq!(cache.get(&"a"), Known::Missing);
        cache.put("a", 1, Instant::now(), cache.epoch());
        assert_eq!(cache.get(&"a"), Known::Fresh(1));
        tokio::time::advance(SECOND).await;
        assert_eq!(cache.get(&"a"), Known::Renew(1));
        assert_eq!(cache.get(&"a"), Known::Fresh(1), "one caller renews");
        tokio::time::advance(2 * SECOND).await;
        assert_eq!(cache.get(&"a"), Known::Missing, "a renewal that fails keeps nothing alive");
        assert_eq!(cache.value(&"a"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lasting_entry_is_kept_for_its_time_and_a_full_cache_makes_room() {
        let cache = AgingCache::lasting(60 * SECOND, 2);
        cache.keep("a", 1);
        tokio::time::advance(59 * SECOND).await;
        assert_eq!((cache.value(&"a"), cache.get(&"a"), cache.value(&"b")), (Some(1), Known::Fresh(1), None));
        cache.keep("b", 2);
        tokio::time::advance(SECOND).await;
        assert_eq!((cache.value(&"a"), cache.value(&"b")), (None, Some(2)));
        cache.keep("c", 3);
        assert_eq!((cache.value(&"b"), cache.value(&"c")), (Some(2), Some(3)), "the old one made room");
        cache.keep("d", 4);
        assert_eq!((cache.value(&"b"), cache.value(&"d")), (None, Some(4)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_before_a_removal_is_not_kept() {
        let cache = AgingCache::new(SECOND, SECOND, 10);
        let epoch = cache.epoch();
        cache.remove(&"a");
        cache.put("a", 1, Instant::now(), epoch);
        assert_eq!(cache.get(&"a"), Known::Missing);
    }

    #[tokio::test(start_paused = true)]
    async fn it_never_holds_more_than_its_capacity() {
        let cache = AgingCache::new(SECOND, SECOND, 10);
        for n in 0..1000 {
            cache.put(n, n, Instant::now(), cache.epoch());
            assert!(cache.lock().map.len() <= 10);
        }
        assert_eq!(cache.get(&999), Known::Fresh(999));
    }
}
