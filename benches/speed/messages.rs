//! What is sent: requests that are encoded once, of which only the messages' ids change.

use bytes::{BufMut as _, Bytes, BytesMut};
use eric::v1::{self, message::Payload, publication::Receiver};
use prost::Message as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// The size of every message, encoded.
pub(crate) const MESSAGE_BYTES: usize = 250;

/// The type of every message.
pub(crate) const KIND: &str = "price.changed";

/// Stands where an id will be written, and is as long.
const ID: &str = "msg-................";
const ID_DIGITS: std::ops::Range<usize> = 4..20;

/// One frame of a request.
#[derive(Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    /// Where the ids stand.
    ids: Vec<usize>,
    /// How many messages it carries.
    pub(crate) messages: u64,
}

impl Template {
    /// One message to one listener.
    pub(crate) fn dispatch(channel: &str, listener: &str) -> Self {
        let (channel, listener) = (channel.to_owned(), listener.to_owned());
        Self::of(&v1::DispatchRequest { channel, listener, message: Some(message()) })
    }

    /// One message to all listeners.
    pub(crate) fn broadcast(channel: &str) -> Self {
        Self::of(&v1::BroadcastRequest { channel: channel.to_owned(), message: Some(message()) })
    }

    /// A batch of so many messages on a Publish stream.
    pub(crate) fn batch(channel: &str, receiver: &Receiver, size: usize) -> Self {
        let publication = v1::Publication {
            channel: channel.to_owned(),
            receiver: Some(receiver.clone()),
            message: Some(message()),
        };
        Self::of(&v1::PublishRequest { publications: vec![publication; size], stop_at_error: false })
    }

    fn of(request: &impl prost::Message) -> Self {
        let bytes = frame(request).to_vec();
        let ids: Vec<_> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(ID.as_bytes())).collect();
        let messages = ids.len() as u64;
        Self { bytes, ids, messages }
    }

    /// The frame with ids that were never used.
    pub(crate) fn stamp(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.bytes.len());
        self.stamp_into(&mut out);
        out.freeze()
    }

    /// Appends such a frame.
    pub(crate) fn stamp_into(&self, out: &mut BytesMut) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let first = NEXT.fetch_add(self.messages, Ordering::Relaxed);
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        for (number, at) in (first..).zip(&self.ids) {
            write_hexadecimal(&mut out[start + at..][ID_DIGITS], number);
        }
    }
}

/// Opens a stream for one listener.
pub(crate) fn listen(channel: &str, listener: &str) -> v1::ListenRequest {
    let (channel, listener) = (channel.to_owned(), listener.to_owned());
    let subscription = v1::Subscription { channel, listener, ..Default::default() };
    v1::ListenRequest { subscriptions: vec![subscription], ..Default::default() }
}

/// Opens a stream that sees what is broadcast from now.
pub(crate) fn watch(channel: &str) -> v1::WatchRequest {
    let subscription = v1::WatchSubscription { channel: channel.to_owned(), ..Default::default() };
    v1::WatchRequest { subscriptions: vec![subscription], ..Default::default() }
}

/// One gRPC frame: not compressed, its length, the message.
pub(crate) fn frame(message: &impl prost::Message) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u8(0);
    out.put_u32(message.encoded_len() as u32);
    message.encode(&mut out).expect("a BytesMut grows");
    out.freeze()
}

/// The message that everything here sends: JSON, which Eric parses to judge it and the bare server does not.
pub(crate) fn message() -> v1::Message {
    let mut message = v1::Message {
        id: ID.to_owned(),
        r#type: KIND.to_owned(),
        sender_id: "exchange".to_owned(),
        payload: Some(Payload::Json(json(0))),
        ..Default::default()
    };
    let padding = MESSAGE_BYTES - message.encoded_len() - 1;
    message.payload = Some(Payload::Json(json(padding)));
    debug_assert_eq!(message.encoded_len(), MESSAGE_BYTES);
    message
}

/// Where events are published.
pub(crate) const CHANNEL_OF_EVENTS: &str = "prices";

/// The payload of the same message.
pub(crate) fn payload() -> String {
    match message().payload {
        Some(Payload::Json(json)) => json,
        Some(Payload::Value(_) | Payload::Binary(_)) | None => String::new(),
    }
}

/// Its broadcast, as JSON.
pub(crate) fn broadcast_as_json() -> String {
    serde_json::json!({ "message": { "type": KIND, "json": payload() } }).to_string()
}

fn json(padding: usize) -> String {
    let text = "a remark of some words ".chars().cycle().take(padding).collect::<String>();
    format!(
        r#"{{"symbol":"ERIC","bid":101.25,"ask":101.27,"volumes":[1200,40,7],"open":true,"note":"{text}"}}"#
    )
}

fn write_hexadecimal(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}
