//! What is exported, a JSON object a line: `{"channel": {…}}`.

use super::super::{Position, Record, Removal, Text, Whom};
use super::letter;
use crate::message::Message;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A line. Positions, births and times are as in the tables.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Line {
    /// The first: no position up to `last` may be given again.
    Log {
        format: i32,
        last: u64,
    },
    Start {
        position: u64,
        incarnation: u64,
        started_at: i64,
    },
    Channel(Channel),
    Listener(Listener),
    Message(Box<Row>),
    Accepted {
        position: u64,
        channel: u64,
        listener: Option<u64>,
        until: i64,
        id: String,
    },
    Removed(Removed),
    /// The last: whoever has it has all that was exported.
    End {
        unreadable: Vec<String>,
    },
}

#[derive(Serialize, Deserialize)]
pub(super) struct Channel {
    pub(super) birth: u64,
    pub(super) id: String,
    pub(super) created_at: i64,
    pub(super) settings: Box<RawValue>,
    pub(super) state: Box<RawValue>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Listener {
    pub(super) birth: u64,
    pub(super) channel: u64,
    pub(super) id: String,
    pub(super) created_at: i64,
    pub(super) explicit: bool,
    pub(super) settings: Box<RawValue>,
    pub(super) state: Box<RawValue>,
}

/// A message. `id` and `kind` are for people: they stand in its bytes.
#[derive(Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) position: u64,
    pub(super) channel: u64,
    pub(super) listener: Option<u64>,
    pub(super) accepted_at: i64,
    pub(super) remember_until: Option<i64>,
    pub(super) dead_letter: Option<Box<RawValue>>,
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// The `eric.v1.Message`, in base64.
    pub(super) message: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Removed {
    pub(super) position: u64,
    pub(super) birth: u64,
    pub(super) channel: String,
    pub(super) listener: Option<String>,
    pub(super) expired: bool,
    pub(super) at: i64,
}

impl Row {
    /// Takes the message that stands in these bytes; `None`: they are damaged.
    pub(super) fn with(mut self, bytes: &[u8]) -> Option<Self> {
        let message = Message::stored(bytes, false)?;
        self.id = message.id().to_owned();
        self.kind = message.kind().to_owned();
        self.message = BASE64_STANDARD.encode(bytes);
        Some(self)
    }

    fn into_record(self) -> Option<(u64, Record)> {
        let bytes = BASE64_STANDARD.decode(&self.message).ok()?;
        let letter = self.dead_letter.as_deref().map(|json| letter::from_json(json.get()).ok_or(()));
        let record = Record::Message {
            channel: Position(self.channel),
            listener: self.listener.map(Position),
            accepted_at: self.accepted_at,
            remember_until: self.remember_until,
            message: Message::stored(&bytes, self.remember_until.is_some())?,
            dead_letter: letter.transpose().ok()?,
        };
        Some((self.position, record))
    }
}

fn text(settings: &RawValue, state: &RawValue) -> Text {
    Text { settings: settings.get().to_owned(), state: state.get().to_owned() }
}

/// The record that was exported as this line, and its position; `None`: it is none, or not as it was written.
pub(super) fn record(line: Line) -> Option<(u64, Record)> {
    match line {
        Line::Start { position, incarnation, started_at } => {
            Some((position, Record::Start { incarnation, started_at }))
        }
        Line::Channel(Channel { birth, id, created_at, settings, state }) => {
            let text = text(&settings, &state);
            Some((birth, Record::Channel { id: id.into(), created_at, text }))
        }
        Line::Listener(Listener { birth, channel, id, created_at, explicit, settings, state }) => {
            let (channel, text) = (Position(channel), text(&settings, &state));
            Some((birth, Record::Listener { channel, id: id.into(), created_at, explicit, text }))
        }
        Line::Message(row) => row.into_record(),
        Line::Removed(removed) => Some((removed.position, Record::Removed(removal(removed)))),
        Line::Log { .. } | Line::Accepted { .. } | Line::End { .. } => None,
    }
}

fn removal(removed: Removed) -> Removal {
    let birth = Position(removed.birth);
    let whom = if removed.listener.is_some() { Whom::Listener(birth) } else { Whom::Channel(birth) };
    let (channel, listener) = (removed.channel.into(), removed.listener.map(Into::into));
    Removal { whom, channel, listener, expired: removed.expired, at: removed.at }
}
