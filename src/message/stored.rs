//! A message as a log gives it back: it was looked through when it came, so only what the server asks for is looked up.

use super::{
    ID, Message, TTL, TYPE,
    field::{Field, Fields},
    payload, text,
};
use std::ops::Range;

impl Message {
    /// The message of these bytes, which [`Message::bytes`] gave; `None`: they are damaged.
    pub(crate) fn stored(bytes: &[u8], id_given: bool) -> Option<Self> {
        let (mut id, mut kind, mut ttl) = (0..0, 0..0, 0);
        for field in Fields::of(bytes) {
            let field = field.ok()?;
            match field.number {
                ID => id = field.range,
                TYPE => keep_unless_empty(&mut kind, field),
                TTL => ttl = payload::check_duration(field.bytes("ttl").ok()?, "ttl").ok()?,
                _ => {}
            }
        }
        let sound = !text(bytes, &id).is_empty() && !text(bytes, &kind).is_empty();
        sound.then(|| Self { bytes: bytes.into(), id, id_given, kind, ttl })
    }
}

/// The id of the message of these bytes; `None`: they are damaged.
pub(crate) fn stored_id(bytes: &[u8]) -> Option<&str> {
    let ids = Fields::of(bytes).sound().filter(|field| field.number == ID);
    let id = text(bytes, &ids.last()?.range);
    (!id.is_empty()).then_some(id)
}

fn keep_unless_empty(kept: &mut Range<u32>, field: Field<'_>) {
    if !field.range.is_empty() {
        *kept = field.range;
    }
}
