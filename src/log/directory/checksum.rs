//! What a message's row is known by when it is read back: a disk may give other bytes than it was given.

use rusqlite::{Row, types::ValueRef};

/// What a row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Values<'r> {
    pub(super) position: i64,
    pub(super) channel: i64,
    pub(super) listener: Option<i64>,
    pub(super) accepted_at: i64,
    pub(super) expires_at: Option<i64>,
    pub(super) remember_until: Option<i64>,
    pub(super) dead_letter: Option<&'r str>,
    pub(super) message: &'r [u8],
}

/// In a statement, behind the position, as [`Values::of`] finds them.
pub(super) const COLUMNS: &str =
    "channel, listener, accepted_at, expires_at, remember_until, dead_letter, checksum, message";

const NUMBERS: usize = 6;

impl<'r> Values<'r> {
    /// Of a row that has all columns.
    ///
    /// # Errors
    /// It is not as it was written.
    pub(super) fn of(row: &'r Row<'_>) -> rusqlite::Result<Self> {
        let number_or_null = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_i64_or_null()?);
        let values = Self {
            position: row.get_ref(0)?.as_i64()?,
            channel: row.get_ref(1)?.as_i64()?,
            listener: number_or_null(2)?,
            accepted_at: row.get_ref(3)?.as_i64()?,
            expires_at: number_or_null(4)?,
            remember_until: number_or_null(5)?,
            dead_letter: row.get_ref(6)?.as_str_or_null()?,
            message: row.get_ref(8)?.as_blob()?,
        };
        let sound = row.get_ref(7)? == ValueRef::Integer(values.checksum());
        sound.then_some(values).ok_or_else(|| damaged(8))
    }

    /// The CRC-32 of ISO 3309 over all of it, as the signed number of 32 bits that takes least room.
    pub(super) fn checksum(&self) -> i64 {
        let Self { position, channel, listener, accepted_at, expires_at, remember_until, .. } = *self;
        let mut crc = crc32fast::Hasher::new();
        let mut numbers = [0; NUMBERS * 8 + 1];
        let all = [Some(position), Some(channel), listener, Some(accepted_at), expires_at, remember_until];
        for (at, number) in all.iter().enumerate() {
            numbers[at * 8..][..8].copy_from_slice(&number.unwrap_or_default().to_le_bytes());
            // a number that is missing is none that is 0
            numbers[NUMBERS * 8] |= u8::from(number.is_some()) << at;
        }
        crc.update(&numbers);
        if let Some(letter) = self.dead_letter {
            crc.update(&(letter.len() as u64).to_le_bytes());
            crc.update(letter.as_bytes());
        }
        crc.update(self.message);
        crc.finalize().cast_signed().into()
    }
}

/// What stands in this column is not what was written.
pub(super) fn damaged(column: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, "damaged".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_another_has_another_checksum() {
        let one = Values {
            position: 9,
            channel: 1,
            listener: Some(2),
            accepted_at: 3,
            expires_at: None,
            remember_until: Some(4),
            dead_letter: None,
            message: b"message",
        };
        let others = [
            Values { position: 8, ..one },
            Values { channel: 2, ..one },
            Values { listener: None, ..one },
            Values { listener: Some(0), ..one },
            Values { accepted_at: 4, ..one },
            Values { expires_at: Some(0), ..one },
            Values { remember_until: None, ..one },
            Values { dead_letter: Some(""), ..one },
            Values { dead_letter: Some("{}"), ..one },
            Values { message: b"massage", ..one },
            one,
        ];
        let same: Vec<_> = others.iter().filter(|other| other.checksum() == one.checksum()).collect();
        assert_eq!(same, [&one]);
        assert!(i32::try_from(one.checksum()).is_ok());
    }
}
