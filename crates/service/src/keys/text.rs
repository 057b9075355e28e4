//! The text of a key: `tsk_<id>_<secret><crc>`. The checksum tells a typo, or a made-up key, without
//! a look into the database; secret scanners know the prefix.

use std::fmt::Write;

use sha2::{Digest, Sha256};
use task_domain::decide::IdSource;

const PREFIX: &str = "tsk_";
const ID: usize = 12;
const SECRET: usize = 44;
const CRC: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The parts of a key that its caller showed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown<'t> {
    pub(super) id: &'t str,
    pub(super) secret: &'t str,
}

/// A key that was just made. Its text is shown once.
pub(super) struct Made {
    pub(super) id: String,
    pub(super) secret_hash: String,
    pub(super) text: String,
}

/// `None`: it is no key, or was mistyped.
pub(super) fn parse(text: &str) -> Option<Shown<'_>> {
    let (id, rest) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let in_form = id.len() == ID
        && rest.len() == SECRET + CRC
        && id.bytes().chain(rest.bytes()).all(|byte| byte.is_ascii_alphanumeric());
    if !in_form {
        return None;
    }
    let (secret, shown) = rest.split_at(SECRET);
    (checksum(&text[..text.len() - CRC]) == shown).then_some(Shown { id, secret })
}

/// The secret has 244 random bits.
pub(super) fn make(ids: &dyn IdSource) -> Made {
    let digits = |length: usize| base62(ids.secret().as_u128(), length);
    let id = digits(ID);
    let secret = digits(SECRET / 2) + &digits(SECRET / 2);
    let text = format!("{PREFIX}{id}_{secret}");
    Made { id, secret_hash: hash(&secret), text: format!("{text}{}", checksum(&text)) }
}

/// SHA-256 in hex. No slow hash is needed: nobody guesses 244 random bits.
pub(super) fn hash(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The last `length` digits of a number.
fn base62(mut number: u128, length: usize) -> String {
    let mut digits = vec![b'0'; length];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    digits.into_iter().map(char::from).collect()
}

fn checksum(text: &str) -> String {
    base62(u128::from(crc32(text.as_bytes())), CRC)
}

/// CRC-32 as in IEEE 802.3.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RandomIds;

    #[test]
    fn the_checksum_is_the_standard_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_made_key_is_read_back() {
        for _ in 0..100 {
            let made = make(&RandomIds);
            let shown = parse(&made.text).unwrap();
            assert_eq!((shown.id, hash(shown.secret)), (made.id.as_str(), made.secret_hash));
        }
    }

    #[test]
    fn every_mistyped_character_is_told() {
        let text = make(&RandomIds).text;
        for at in 0..text.len() {
            for digit in ["x", "0", "_", "é", ""] {
                let wrong = format!("{}{digit}{}", &text[..at], &text[at + 1..]);
                assert!(wrong == text || parse(&wrong).is_none(), "{wrong} for {text}");
            }
        }
        for wrong in ["", "tsk_", "tsk__", "dev_api_key", "tsk_aaaaaaaaaaaa_"] {
            assert_eq!(parse(wrong), None);
        }
    }
}
