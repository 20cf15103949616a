//! The fields of a protobuf message, one after the other, without building anything.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

use super::InvalidMessage;
use std::{iter, ops::Range, str};

/// No field has a higher number, and other parsers refuse one that does.
const MAX_NUMBER: u32 = (1 << 29) - 1;

/// One field as it stands in the bytes.
pub(super) struct Field<'a> {
    pub(super) number: u32,
    /// What it holds, where it is length-delimited.
    bytes: Option<&'a [u8]>,
    /// Where that lies in the message.
    pub(super) range: Range<u32>,
    /// Where the whole field begins, with its key.
    pub(super) start: u32,
    /// Where it ends.
    pub(super) end: u32,
}

impl<'a> Field<'a> {
    /// What a length-delimited field holds; of another wire type it is refused under its name.
    pub(super) fn bytes(&self, name: &str) -> Result<&'a [u8], InvalidMessage> {
        self.bytes.ok_or_else(|| InvalidMessage::rule(name, "the field has another wire type"))
    }

    pub(super) fn text(&self, name: &str) -> Result<&'a str, InvalidMessage> {
        str::from_utf8(self.bytes(name)?).map_err(|_| InvalidMessage::rule(name, "text is UTF-8"))
    }
}

/// The fields of a message, in the order of its bytes. It ends at the first that is no protobuf.
pub(super) struct Fields<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { message, at: 0 }
    }

    /// Those before the first that is no protobuf, without a word on that one.
    pub(super) fn sound(mut self) -> impl Iterator<Item = Field<'a>> {
        iter::from_fn(move || self.field())
    }

    fn field(&mut self) -> Option<Field<'a>> {
        let begin = u32::try_from(self.at).ok()?;
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok().filter(|number| (1..=MAX_NUMBER).contains(number))?;
        let (length, delimited) = match key & 7 {
            0 => {
                self.varint()?;
                let end = u32::try_from(self.at).ok()?;
                return Some(Field { number, bytes: None, range: 0..0, start: begin, end });
            }
            1 => (8, false),
            2 => (usize::try_from(self.varint()?).ok()?, true),
            5 => (4, false),
            // groups were never part of proto3
            _ => return None,
        };
        let start = self.at;
        let end = start.checked_add(length)?;
        let held = self.message.get(start..end)?;
        self.at = end;
        let range = u32::try_from(start).ok()?..u32::try_from(end).ok()?;
        let end = range.end;
        Some(Field { number, bytes: delimited.then_some(held), range, start: begin, end })
    }

    fn varint(&mut self) -> Option<u64> {
        // keys and lengths take a byte, nearly always
        let first = *self.message.get(self.at)?;
        if first < 0x80 {
            self.at += 1;
            return Some(u64::from(first));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.message.get(self.at)?;
            self.at += 1;
            // the tenth byte holds one bit: more would not fit in 64
            if shift == 63 && byte > 1 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, InvalidMessage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.message.len() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.at = self.message.len();
        }
        Some(field.ok_or_else(|| InvalidMessage::rule("", "these bytes are no protobuf message")))
    }
}

/// The byte that a text field of a small number begins with.
pub(super) fn text_tag(number: u32) -> u8 {
    (number as u8) << 3 | 2
}

/// Appends a text field, and tells where the text lies.
pub(super) fn put_text(message: &mut Vec<u8>, number: u32, text: &str) -> Range<u32> {
    debug_assert!(text.len() < 0x80 && number < 16, "key and length take a byte each");
    message.push(text_tag(number));
    message.push(text.len() as u8);
    let start = message.len() as u32;
    message.extend_from_slice(text.as_bytes());
    start..message.len() as u32
}
