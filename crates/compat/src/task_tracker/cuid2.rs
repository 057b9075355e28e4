//! Ids in the manner of cuid2: 24 characters, a letter first, then letters and digits in lower case.
//!
//! The letter is random; the rest is the base 36 of a hash over time, randomness and a counter, so
//! that ids neither collide nor tell when or in which order they were made.

use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha512};
use uuid::Uuid;

const LENGTH: usize = 24;
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

static COUNTER: AtomicU64 = AtomicU64::new(0);

pub(super) fn generate() -> String {
    let random = [Uuid::new_v4(), Uuid::new_v4()];
    let mut hash = Sha512::new();
    hash.update(Uuid::now_v7().as_bytes());
    random.iter().for_each(|uuid| hash.update(uuid.as_bytes()));
    hash.update(COUNTER.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let first = b'a' + random[0].as_bytes()[0] % 26;
    std::iter::once(first).chain(base36(&hash.finalize())).take(LENGTH).map(char::from).collect()
}

/// The digits of a big number, the lowest first, without end.
fn base36(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let mut number = bytes.to_vec();
    std::iter::from_fn(move || {
        let mut rest = 0u32;
        for byte in &mut number {
            let value = (rest << 8) | u32::from(*byte);
            *byte = u8::try_from(value / 36).unwrap_or_default();
            rest = value % 36;
        }
        DIGITS.get(rest as usize).copied()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_have_the_form_of_cuid2_and_differ() {
        let ids: HashSet<String> = (0..10_000).map(|_| generate()).collect();
        assert_eq!(ids.len(), 10_000);
        for id in ids {
            assert_eq!(id.len(), 24);
            assert!(id.starts_with(|c: char| c.is_ascii_lowercase()), "{id}");
            assert!(id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{id}");
        }
    }

    #[test]
    fn base_36_divides_the_whole_number() {
        let digits: Vec<u8> = base36(&[1, 0]).take(3).collect();
        assert_eq!(digits, b"470", "256 = 0*36² + 7*36 + 4");
    }
}
