//! Ids: the names of channels, listeners and messages, checked once where they come in.

use std::{fmt, time::SystemTime};

/// No id is longer than this, in bytes: it stands in URL paths, metric labels and every receipt.
pub const MAX_ID_BYTES: usize = 128;

/// What is wrong with a text that was meant as an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// It is empty.
    #[error("an id must not be empty")]
    Empty,
    /// It is longer than [`MAX_ID_BYTES`].
    #[error("an id has at most {MAX_ID_BYTES} bytes; this one has {0}")]
    TooLong(usize),
    /// It has a character other than `[A-Za-z0-9._:-]`.
    #[error("an id has only characters of [A-Za-z0-9._:-]")]
    Character,
    /// It is `.` or `..`, which mean something else in a URL path.
    #[error("\".\" and \"..\" are no ids")]
    Dots,
}

/// Checks that a text is an id: 1 to [`MAX_ID_BYTES`] bytes of `[A-Za-z0-9._:-]`, not `.` or `..`.
pub fn check(text: &str) -> Result<(), InvalidId> {
    match text {
        "" => Err(InvalidId::Empty),
        "." | ".." => Err(InvalidId::Dots),
        _ if text.len() > MAX_ID_BYTES => Err(InvalidId::TooLong(text.len())),
        _ if text.bytes().all(allowed) => Ok(()),
        _ => Err(InvalidId::Character),
    }
}

fn allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-')
}

macro_rules! id {
    ($name:ident, $of:literal) => {
        #[doc = concat!("The id of a ", $of, ", checked.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name<'a>(&'a str);

        impl<'a> $name<'a> {
            /// Takes a text that keeps the rule of [`check`].
            pub fn parse(text: &'a str) -> Result<Self, InvalidId> {
                check(text).map(|()| Self(text))
            }

            /// The text.
            pub fn as_str(self) -> &'a str {
                self.0
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0)
            }
        }
    };
}

id!(ChannelId, "channel");
id!(ListenerId, "listener");

/// Makes a UUIDv7 for a message: it rises with the time, so stores that sort by id stay in order.
///
/// The random part is not secret: an id names a message, it guards nothing.
pub(crate) fn message_id(unix_millis: u64) -> uuid::Uuid {
    let random: u128 = fastrand::u128(..);
    let mut tail = [0; 10];
    tail.copy_from_slice(&random.to_le_bytes()[..10]);
    uuid::Builder::from_unix_timestamp_millis(unix_millis, &tail).into_uuid()
}

/// The time that ids are made of, now: in milliseconds since 1970-01-01 UTC.
pub(crate) fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_any_allowed_character_is_taken() {
        assert_eq!(check("Az09._:-"), Ok(()));
        assert_eq!(check(&"x".repeat(MAX_ID_BYTES)), Ok(()));
        assert_eq!(check("..."), Ok(()));
    }

    #[test]
    fn what_is_no_id_is_refused_for_its_reason() {
        assert_eq!(check(""), Err(InvalidId::Empty));
        assert_eq!(check(".."), Err(InvalidId::Dots));
        assert_eq!(check("a b"), Err(InvalidId::Character));
        assert_eq!(check("größe"), Err(InvalidId::Character));
        assert_eq!(check(&"x".repeat(129)), Err(InvalidId::TooLong(129)));
    }

    #[test]
    fn message_ids_rise_with_the_time() {
        assert!(message_id(1).to_string() < message_id(2).to_string());
        assert_eq!(message_id(7).get_version_num(), 7);
    }
}
