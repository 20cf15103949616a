//! What a stream makes of its messages.

use super::{Delivery, Payload};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use serde_json::value::RawValue;
use std::time::Duration;

/// Makes of each message what a program wants to have. Any `FnMut(Delivery) -> T` is one.
///
/// ```
/// # use eric::embed::{Channel, Delivery, Error};
/// # fn types(channel: &Channel) -> Result<(), Error> {
/// let types = channel.watch()?.adapt(|delivery: Delivery| delivery.message.message_type().to_owned());
/// # Ok(())
/// # }
/// ```
pub trait Adapt {
    /// What a message becomes.
    type Output;

    /// A message.
    fn adapt(&mut self, delivery: Delivery) -> Self::Output;

    /// The message that says that no more will come. With `None`, which is so by default, the stream ends there; else
    /// it gives this and then ends.
    fn adapt_end(&mut self, _delivery: Delivery) -> Option<Self::Output> {
        None
    }
}

impl<F: FnMut(Delivery) -> T, T> Adapt for F {
    type Output = T;

    fn adapt(&mut self, delivery: Delivery) -> T {
        self(delivery)
    }
}

/// Leaves messages as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsItIs;

impl Adapt for AsItIs {
    type Output = Delivery;

    fn adapt(&mut self, delivery: Delivery) -> Delivery {
        delivery
    }
}

/// Makes Server-Sent Events of messages, in the form of `eric-sse`'s `SSEChannel`. The message that says that no more
/// will come is the last of them, so that a browser hears of it.
///
/// Binary payloads become text in base64; a payload that is none becomes `null`.
#[derive(Clone, Copy, Debug)]
pub struct Sse {
    retry: Duration,
}

impl Default for Sse {
    /// A browser that lost its stream tries again after 5 ms.
    fn default() -> Self {
        Self { retry: Duration::from_millis(5) }
    }
}

impl Sse {
    /// How long a browser that lost its stream waits before it tries again, in whole milliseconds.
    pub fn with_retry(retry: Duration) -> Self {
        Self { retry }
    }
}

/// A Server-Sent Event; as JSON `{"event": …, "retry": …, "data": …}`.
#[derive(Clone, Debug, Serialize)]
pub struct SseEvent {
    /// The message's type.
    pub event: String,
    /// Milliseconds.
    pub retry: u64,
    /// The payload, as its sender wrote it. `serde_json` alone can write it.
    pub data: Box<RawValue>,
}

impl Adapt for Sse {
    type Output = SseEvent;

    fn adapt(&mut self, delivery: Delivery) -> SseEvent {
        let message = delivery.message;
        let text = match message.payload() {
            Payload::Empty => "null".to_owned(),
            Payload::Json(text) => text.to_owned(),
            Payload::Value(value) => value.to_string(),
            Payload::Binary(bytes) => format!("\"{}\"", BASE64_STANDARD.encode(bytes)),
        };
        let data = RawValue::from_string(text).expect("what the hub took is one JSON value");
        let retry = u64::try_from(self.retry.as_millis()).unwrap_or(u64::MAX);
        SseEvent { event: message.message_type().to_owned(), retry, data }
    }

    fn adapt_end(&mut self, delivery: Delivery) -> Option<SseEvent> {
        Some(self.adapt(delivery))
    }
}
