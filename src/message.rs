//! A message as it was received: the bytes of `eric.v1.Message`, looked through once and kept as they are.

mod carried;
mod field;
mod payload;
mod stored;

pub(crate) use carried::Carried;
pub(crate) use stored::stored_id;

use crate::id;
use field::{Field, Fields, text_tag};
use std::{fmt, ops::Range, str, sync::Arc, time::Duration};

/// Types that begin so are the server's own.
pub const RESERVED_TYPE_PREFIX: &str = "_eric_";
/// The type of the message that says that no more will come.
pub const CHANNEL_CLOSED_TYPE: &str = "_eric_channel_closed";
/// The type that tells of messages that will not come, at doors whose events have types.
pub(crate) const GAP_TYPE: &str = "_eric_gap";
/// The most bytes of a type.
pub const MAX_TYPE_BYTES: usize = 256;
/// The most attributes of a message.
pub const MAX_ATTRIBUTES: usize = 32;
/// The most bytes of an attribute's key.
pub const MAX_ATTRIBUTE_KEY_BYTES: usize = 256;
/// The most bytes of an attribute's value.
pub const MAX_ATTRIBUTE_VALUE_BYTES: usize = 4096;
/// What a message may have beside its payload: all attributes at their longest, and room for fields that
/// the server does not know.
pub const MAX_BYTES_BESIDE_PAYLOAD: usize = 256 * 1024;

const ID: u32 = 1;
const TYPE: u32 = 2;
const SENDER_ID: u32 = 3;
const ATTRIBUTES: u32 = 4;
const CREATE_TIME: u32 = 5;
const TTL: u32 = 6;

/// What is wrong with bytes that were meant as a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {description}")]
pub struct InvalidMessage {
    /// The field that is at fault, as a path from the message: `type`, `attributes[3].key`; empty: the message.
    pub field: String,
    /// What is so, for people. It never repeats what the message holds.
    pub description: String,
    /// What kind of fault it is.
    pub fault: Fault,
}

/// What a message carries, as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'m> {
    /// Nothing.
    Empty,
    /// JSON text.
    Json(&'m str),
    /// The bytes of a `google.protobuf.Value`.
    Value(&'m [u8]),
    /// Anything else.
    Binary(&'m [u8]),
}

/// Kinds of faults of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It breaks a rule.
    Rule,
    /// It passes a limit on size, in bytes.
    TooLarge(usize),
}

impl InvalidMessage {
    fn rule(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { field: field.into(), description: description.into(), fault: Fault::Rule }
    }

    fn too_large(field: impl Into<String>, limit: usize, found: usize) -> Self {
        let description = format!("at most {limit} bytes; this has {found}");
        Self { field: field.into(), description, fault: Fault::TooLarge(limit) }
    }
}

/// A message that keeps the rules, as the bytes that were received and an id where there was none.
///
/// Cheap to clone: the bytes are shared. Its `Debug` shows nothing of what it says.
#[derive(Clone)]
pub struct Message {
    bytes: Arc<[u8]>,
    id: Range<u32>,
    id_given: bool,
    kind: Range<u32>,
    /// In milliseconds, rounded up; 0: for ever.
    ttl: u64,
}

impl Message {
    /// Looks through the bytes of an `eric.v1.Message`, and copies them: what is kept must not hold the
    /// whole request in memory.
    ///
    /// # Errors
    /// The first fault that is found, with the field it is in.
    pub fn parse(raw: &[u8], max_payload_bytes: usize, unix_millis: u64) -> Result<Self, InvalidMessage> {
        let limit = max_payload_bytes + MAX_BYTES_BESIDE_PAYLOAD;
        if raw.len() > limit {
            return Err(InvalidMessage::too_large("", limit, raw.len()));
        }
        // before they are looked through: meanwhile it is written to memory in which nobody has been for long. Encoders write an
        // id first; without one, another is added to the copy
        let copy = (raw.first() == Some(&text_tag(ID))).then(|| Arc::from(raw));
        let found = Found::in_bytes(raw, max_payload_bytes)?;
        let kind = found.kind.ok_or_else(|| InvalidMessage::rule("type", "a message has a type"))?;
        if text(raw, &kind).starts_with(RESERVED_TYPE_PREFIX) {
            let description = format!("types that begin with {RESERVED_TYPE_PREFIX:?} are the server's");
            return Err(InvalidMessage::rule("type", description));
        }
        let ttl = found.ttl.unwrap_or_default();
        Ok(match found.id {
            Some(id) => Self { bytes: copy.unwrap_or_else(|| raw.into()), id, id_given: true, kind, ttl },
            None => Self { ttl, ..Self::with_new_id(raw, kind, unix_millis) },
        })
    }

    /// The same message under a new id.
    pub(crate) fn with_another_id(&self, unix_millis: u64) -> Self {
        let mut raw = Vec::with_capacity(self.bytes.len());
        let mut kind = self.kind.clone();
        for field in Fields::of(&self.bytes) {
            // it was looked through when it came
            let Ok(field) = field else { break };
            if field.number == TYPE && !field.range.is_empty() {
                let start = raw.len() as u32 + (field.range.start - field.start);
                kind = start..start + (field.range.end - field.range.start);
            }
            if field.number != ID {
                raw.extend_from_slice(&self.bytes[field.start as usize..field.end as usize]);
            }
        }
        Self { ttl: self.ttl, ..Self::with_new_id(&raw, kind, unix_millis) }
    }

    /// The message that says that no more will come.
    pub(crate) fn channel_closed(unix_millis: u64) -> Self {
        let mut raw = Vec::with_capacity(2 + CHANNEL_CLOSED_TYPE.len());
        let kind = field::put_text(&mut raw, TYPE, CHANNEL_CLOSED_TYPE);
        Self::with_new_id(&raw, kind, unix_millis)
    }

    fn with_new_id(raw: &[u8], kind: Range<u32>, unix_millis: u64) -> Self {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let uuid = id::message_id(unix_millis);
        let mut bytes = Vec::with_capacity(raw.len() + 2 + text.len());
        bytes.extend_from_slice(raw);
        let id = field::put_text(&mut bytes, ID, uuid.hyphenated().encode_lower(&mut text));
        Self { bytes: bytes.into(), id, id_given: false, kind, ttl: 0 }
    }

    /// The bytes of the `eric.v1.Message`.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many share its bytes.
    pub(crate) fn shared_by(&self) -> usize {
        Arc::strong_count(&self.bytes)
    }

    /// Its id.
    pub fn id(&self) -> &str {
        text(&self.bytes, &self.id)
    }

    /// Its sender gave it the id, and may send it again under the same.
    pub fn id_given(&self) -> bool {
        self.id_given
    }

    /// The same message, as if its sender had not named it.
    #[cfg(test)]
    pub(crate) fn named_by_the_server(mut self) -> Self {
        self.id_given = false;
        self
    }

    /// Its type.
    pub fn kind(&self) -> &str {
        text(&self.bytes, &self.kind)
    }

    /// What it carries.
    pub fn payload(&self) -> Payload<'_> {
        // it was looked through when it came: there is one at most, and each field is sound
        let fields = Fields::of(&self.bytes).map_while(Result::ok);
        let mut found = fields.filter_map(|field| payload::held(&field));
        found.next().unwrap_or(Payload::Empty)
    }

    /// How long it may wait, counted from acceptance; `None`: for ever.
    pub fn ttl(&self) -> Option<Duration> {
        (self.ttl > 0).then(|| Duration::from_millis(self.ttl))
    }

    /// Its size in bytes, as limits count it.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never so: a message has a type and an id.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("id", &self.id()).field("bytes", &self.len()).finish_non_exhaustive()
    }
}

fn text<'a>(bytes: &'a [u8], range: &Range<u32>) -> &'a str {
    // `Found` has checked both ranges; what cannot be is shown as empty, not as a panic on the hot path
    str::from_utf8(&bytes[range.start as usize..range.end as usize]).unwrap_or_default()
}

/// What a look through a message's fields has found. Of a field given twice the last one counts, as
/// protobuf has it.
#[derive(Default)]
struct Found {
    id: Option<Range<u32>>,
    kind: Option<Range<u32>>,
    ttl: Option<u64>,
    attributes: usize,
    payloads: usize,
}

impl Found {
    fn in_bytes(raw: &[u8], max_payload_bytes: usize) -> Result<Self, InvalidMessage> {
        let mut found = Self::default();
        for field in Fields::of(raw) {
            found.take(&field?, max_payload_bytes)?;
        }
        Ok(found)
    }

    fn take(&mut self, field: &Field<'_>, max_payload_bytes: usize) -> Result<(), InvalidMessage> {
        match field.number {
            ID => self.id = id_field(field, "id")?,
            TYPE => self.kind = type_field(field)?,
            SENDER_ID => {
                id_field(field, "sender_id")?;
            }
            ATTRIBUTES => self.attribute(field)?,
            CREATE_TIME => payload::check_timestamp(field.bytes("create_time")?, "create_time")?,
            TTL => self.ttl(field)?,
            payload::JSON | payload::VALUE | payload::BINARY => self.payload(field, max_payload_bytes)?,
            _ => {}
        }
        Ok(())
    }

    fn attribute(&mut self, field: &Field<'_>) -> Result<(), InvalidMessage> {
        let place = self.attributes;
        self.attributes += 1;
        if self.attributes > MAX_ATTRIBUTES {
            let description = format!("a message has at most {MAX_ATTRIBUTES} attributes");
            return Err(InvalidMessage::rule("attributes", description));
        }
        check_attribute(field.bytes("attributes")?, place)
    }

    /// Given twice it is refused: receivers would merge the two.
    fn ttl(&mut self, field: &Field<'_>) -> Result<(), InvalidMessage> {
        let ttl = payload::check_duration(field.bytes("ttl")?, "ttl")?;
        match self.ttl.replace(ttl) {
            None => Ok(()),
            Some(_) => Err(InvalidMessage::rule("ttl", "a message has its ttl once")),
        }
    }

    /// A payload given twice is refused: `value` would merge where `json` would be replaced.
    fn payload(&mut self, field: &Field<'_>, max_bytes: usize) -> Result<(), InvalidMessage> {
        self.payloads += 1;
        if self.payloads > 1 {
            return Err(InvalidMessage::rule("payload", "a message has its payload once"));
        }
        payload::check(field, max_bytes)
    }
}

fn id_field(field: &Field<'_>, name: &str) -> Result<Option<Range<u32>>, InvalidMessage> {
    let text = field.text(name)?;
    if text.is_empty() {
        return Ok(None);
    }
    id::check(text).map_err(|invalid| InvalidMessage::rule(name, invalid.to_string()))?;
    Ok(Some(field.range.clone()))
}

fn type_field(field: &Field<'_>) -> Result<Option<Range<u32>>, InvalidMessage> {
    let text = field.text("type")?;
    if text.len() > MAX_TYPE_BYTES {
        let description = format!("a type has at most {MAX_TYPE_BYTES} bytes; this one has {}", text.len());
        return Err(InvalidMessage::rule("type", description));
    }
    Ok((!text.is_empty()).then(|| field.range.clone()))
}

fn check_attribute(entry: &[u8], place: usize) -> Result<(), InvalidMessage> {
    let mut key_bytes = 0;
    for field in Fields::of(entry) {
        let field = field.map_err(|_| InvalidMessage::rule(format!("attributes[{place}]"), "no protobuf"))?;
        match field.number {
            1 => {
                key_bytes = field.text("attributes.key")?.len();
                check_length(key_bytes, MAX_ATTRIBUTE_KEY_BYTES, place, "key")?;
            }
            2 => check_length(
                field.text("attributes.value")?.len(),
                MAX_ATTRIBUTE_VALUE_BYTES,
                place,
                "value",
            )?,
            _ => {}
        }
    }
    match key_bytes {
        0 => Err(InvalidMessage::rule(format!("attributes[{place}].key"), "a key must not be empty")),
        _ => Ok(()),
    }
}

fn check_length(bytes: usize, limit: usize, place: usize, part: &str) -> Result<(), InvalidMessage> {
    if bytes <= limit {
        return Ok(());
    }
    let description = format!("an attribute's {part} has at most {limit} bytes; this one has {bytes}");
    Err(InvalidMessage::rule(format!("attributes[{place}].{part}"), description))
}

#[cfg(test)]
mod tests;
