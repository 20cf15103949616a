//! A response of a stream in the making: what is ready is gathered, up to what a response aims at.

use super::frame;
use crate::{
    hub::{Ending, Event, Incarnation, PresenceChange, PresenceEvent, ResumeToken},
    verbs::{
        AIM_BYTES, FIRST, convert, delivery,
        status::Refusal,
        wire::{self, ListenResponse, WatchResponse},
    },
};
use bytes::Bytes;
use prost::Message as _;

/// Each is another listener's, and takes some 15 us where that is cold: then the core's other streams have a turn. Whoever
/// waits for a broadcast meanwhile waits for several such turns.
const MAX_PARTS: usize = 32;

/// A frame that parts are put into, one behind the other: a message's repeated fields may stand in any order.
pub(super) struct Gathered {
    bytes: Vec<u8>,
    parts: usize,
    most: usize,
}

impl Gathered {
    /// Never more than `most`, unless a single part is.
    pub(super) fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), parts: 0, most }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts == 0
    }

    /// Whether it took long to gather.
    pub(super) fn took_long(&self) -> bool {
        self.parts >= MAX_PARTS
    }

    /// Whether it is to be sent without waiting for more.
    pub(super) fn is_enough(&self) -> bool {
        self.took_long() || self.bytes.len() >= AIM_BYTES.min(self.most)
    }

    /// Puts a part behind the others; gives back what did not fit, for the next response.
    #[must_use = "what did not fit would be lost"]
    pub(super) fn put(&mut self, part: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        if self.is_empty() {
            self.bytes.extend([0; frame::PREFIX_BYTES]);
        }
        let before = self.bytes.len();
        part(&mut self.bytes);
        if !self.is_empty() && self.bytes.len() > frame::PREFIX_BYTES + self.most {
            return self.bytes.split_off(before);
        }
        self.parts += 1;
        Vec::new()
    }

    /// The frame.
    pub(super) fn finish(mut self) -> Bytes {
        frame::close(&mut self.bytes);
        self.bytes.into()
    }
}

/// Appends what happened on a stream, its end apart.
pub(super) fn put_event(response: &mut Vec<u8>, event: Event, incarnation: Incarnation) {
    match event {
        Event::Batch(number, handed) => frame::put_batch(response, number, &handed),
        Event::Only(handed) => frame::put_batch(response, FIRST, &handed),
        Event::Started(number, started) => {
            let started = vec![delivery::started(number, &started)];
            ListenResponse { started, ..ListenResponse::default() }.encode_raw(response);
        }
        Event::Presence(number, changes) => put_presence(response, number, changes),
        Event::Ended(number, Ending::Failed(error)) => {
            put_ended(response, number, Refusal::from(error).into_pb(incarnation));
        }
        Event::Ended(number, Ending::Stopped) => put_ended(response, number, stopped()),
        Event::Over(_) => {}
    }
}

fn put_presence(response: &mut Vec<u8>, number: u32, changes: Vec<PresenceChange>) {
    let presence = changes.into_iter().map(|change| presence(number, &change)).collect();
    WatchResponse { presence, ..WatchResponse::default() }.encode_raw(response);
}

fn presence(number: u32, change: &PresenceChange) -> wire::Presence {
    let event = match change.event {
        PresenceEvent::Present => wire::PresenceEvent::Present,
        PresenceEvent::Joined => wire::PresenceEvent::Joined,
        PresenceEvent::Left => wire::PresenceEvent::Left,
        PresenceEvent::Reset => wire::PresenceEvent::Reset,
    };
    wire::Presence {
        subscription: convert::to_i32(number),
        event: event.into(),
        listener: change.listener.to_string(),
        time: Some(convert::time(change.at)),
        session: change.session.as_deref().unwrap_or_default().to_owned(),
    }
}

/// Appends a subscription's end.
pub(super) fn put_ended(response: &mut Vec<u8>, number: u32, status: tonic_types::pb::Status) {
    let ended = wire::SubscriptionEnded { subscription: convert::to_i32(number), status: Some(status) };
    ListenResponse { ended: vec![ended], ..ListenResponse::default() }.encode_raw(response);
}

fn stopped() -> tonic_types::pb::Status {
    tonic_types::pb::Status { message: "stopped".to_owned(), ..Default::default() }
}

/// Where subscriptions stand, without deliveries.
pub(super) fn heartbeat(tokens: Vec<(u32, ResumeToken)>) -> Bytes {
    let batch = |(number, token): (u32, ResumeToken)| wire::Batch {
        subscription: convert::to_i32(number),
        resume_token: token.to_string(),
        ..wire::Batch::default()
    };
    frame::of(&ListenResponse {
        batches: tokens.into_iter().map(batch).collect(),
        ..ListenResponse::default()
    })
}
