//! Eric inside a program: channels and listeners without a server, and the parts of `eric-sse` that live in a process.
//!
//! Three lines make a dispatcher. It runs in the program's own Tokio runtime and remembers in memory.
//!
//! ```
//! use eric::embed::{Dispatcher, Event, Message};
//! use futures_util::TryStreamExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dispatcher = Dispatcher::in_memory()?;
//! let channel = dispatcher.create_channel("prices")?;
//! let listener = channel.add_listener()?;
//!
//! channel.dispatch(listener.id(), Message::new("price").with_json(&[1.5, 2.5])?).await?;
//! channel.notify_end().await?;
//!
//! let mut messages = listener.message_stream()?;
//! while let Some(event) = messages.try_next().await? {
//!     match event {
//!         Event::Message(delivery) => assert_eq!(delivery.message.json::<Vec<f64>>()?, [1.5, 2.5]),
//!         Event::Gap(gap) => eprintln!("{:?} messages are missing", gap.count),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | in `eric-sse` | here |
//! | --- | --- |
//! | `SSEChannelContainer` | [`Dispatcher`] |
//! | `AbstractChannel`, `SSEChannel` | [`Channel`], its streams through [`MessageStream::adapt`] and [`Sse`] |
//! | `MessageQueueListener` | [`Listener`] |
//! | `DataProcessingChannel.process_queue` | [`Channel::process_queue`], [`Channel::process_queue_blocking`] |
//! | `SimpleDistributedApplicationListener` | [`ApplicationListener`] |
//! | `Message`, `UniqueMessage`, `SignedMessage` | [`Message`] |
//!
//! # When a message counts as delivered
//! The listeners here are AUTOMATIC: a message is delivered when the program gets it, and not before. A stream takes one
//! at a time; dropping it leaves what it has not given in the listener's queue.
//!
//! # How a stream ends
//! | what happens | the stream |
//! | --- | --- |
//! | a message of type `_eric_channel_closed` ([`Channel::notify_end`]) | ends; what is accepted later stays in the queue |
//! | the listener is stopped | ends |
//! | the listener or the channel is removed, another stream takes the listener over, the dispatcher closes, the log fails | gives that error, then ends |
//!
//! `ended_by` tells which. Whichever it was, the listener is stopped then.
//!
//! Whatever cannot reach a listener any more is said by [`Event::Gap`] at its place.

mod adapt;
mod application;
mod channel;
mod delivery;
mod dispatcher;
mod error;
mod listener;
mod message;
mod reader;
mod stream;
#[cfg(test)]
mod tests;
mod workers;

pub use adapt::{Adapt, AsItIs, Sse, SseEvent};
pub use application::{ApplicationListener, Handled, Handling, Outcome};
pub use channel::Channel;
pub use delivery::{Delivered, Delivery, Event, Receipt};
pub use dispatcher::Dispatcher;
pub use error::Error;
pub use listener::Listener;
pub use stream::{End, MessageStream};
pub use workers::{Processed, Processing, WorkerFailed};

pub use crate::content::{Message, Payload};
pub use crate::hub::{ChannelSettings, Gap, GapReason, Limits, Overflow};

type Result<T, E = Error> = std::result::Result<T, E>;
