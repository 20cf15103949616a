//! Resume tokens: which life, and how far.
//!
//! A token reads `INCARNATION.BIRTH.SEQUENCE.CHECK` in hexadecimal digits, that of a pull from an EXPLICIT listener
//! `INCARNATION.BIRTH.SEQUENCE.TURN.CHECK`. The check is there because a token that was cut short would otherwise be another
//! valid one.

use crate::log::Position;
use std::num::NonZeroU64;

/// A random tag of one start of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incarnation(u64);

impl Incarnation {
    pub(super) fn random() -> Self {
        Self(uuid::Uuid::new_v4().as_u64_pair().0)
    }

    pub(super) fn to_u64(self) -> u64 {
        self.0
    }

    /// Of the text that [`std::fmt::Display`] writes; `None` where the text is no such tag.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        digits.then(|| u64::from_str_radix(text, 16).ok().map(Self))?
    }
}

impl From<u64> for Incarnation {
    fn from(tag: u64) -> Self {
        Self(tag)
    }
}

impl std::fmt::Display for Incarnation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Where a stream stands, in words that it understands later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumeToken {
    /// The start of the server in whose range the sequence lies.
    pub incarnation: Incarnation,
    /// The birth of the channel.
    pub birth: Position,
    /// Everything up to here was received.
    pub sequence: Position,
    /// How often something was delivered by then, also where that moved nothing; `None`: it is not told.
    pub turn: Option<NonZeroU64>,
}

impl ResumeToken {
    /// No token is longer, in bytes.
    pub const MAX_BYTES: usize = 16 + 1 + 16 + 1 + 16 + 1 + 16 + 1 + 4;

    /// Appends the text. It stands in every batch, so nothing is formatted or allocated for it.
    pub fn write(self, text: &mut Vec<u8>) {
        let start = text.len();
        let turn = self.turn.map(NonZeroU64::get);
        for part in [self.incarnation.0, self.birth.0, self.sequence.0].into_iter().chain(turn) {
            put_hex(text, part);
            text.push(b'.');
        }
        let check = check(&text[start..]);
        put_hex(text, u64::from(check));
    }

    /// Reads a text back; `None` where it is no token.
    pub fn parse(text: &str) -> Option<Self> {
        let (checked, check_text) = text.split_at(text.rfind('.')? + 1);
        if u64::from(check(checked.as_bytes())) != hex(check_text)? {
            return None;
        }
        let mut parts = checked.split_terminator('.').map(hex);
        let token = Self {
            incarnation: Incarnation(parts.next()??),
            birth: Position(parts.next()??),
            sequence: Position(parts.next()??),
            turn: match parts.next() {
                None => None,
                Some(turn) => Some(NonZeroU64::new(turn?)?),
            },
        };
        parts.next().is_none().then_some(token)
    }
}

impl std::fmt::Display for ResumeToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = Vec::with_capacity(Self::MAX_BYTES);
        self.write(&mut text);
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

fn put_hex(text: &mut Vec<u8>, value: u64) {
    let digits = (64 - value.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        text.push(b"0123456789abcdef"[(value >> (digit * 4)) as usize & 15]);
    }
}

/// One way to write a number, and no other: no sign, no capitals, no leading zero.
fn hex(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let shortest = text.len() == 1 || !text.starts_with('0');
    (digits && shortest).then(|| u64::from_str_radix(text, 16).ok())?
}

/// FNV-1a, folded to 16 bits. Source: RFC 9923.
fn check(bytes: &[u8]) -> u16 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 16) ^ (hash >> 32) ^ (hash >> 48)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_token_reads_back_as_it_was_written(incarnation: u64, birth: u64, sequence: u64, turn: u64) {
            let token = ResumeToken {
                incarnation: Incarnation(incarnation),
                birth: Position(birth),
                sequence: Position(sequence),
                turn: NonZeroU64::new(turn),
            };
            let text = token.to_string();
            prop_assert_eq!(ResumeToken::parse(&text), Some(token));
            prop_assert!(text.len() <= ResumeToken::MAX_BYTES);
            // a cut in the check itself may leave one that happens to fit, once in some thousand
            let body = text.rfind('.').unwrap_or(0);
            prop_assert_eq!(ResumeToken::parse(&text[..body]), None);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = ResumeToken::parse(&text);
        }
    }
}
