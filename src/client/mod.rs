//! The Rust SDK: a client of a server, wherever it runs.
//!
//! ```no_run
//! use eric::client::{Client, Event, Message};
//!
//! # async fn run() -> Result<(), eric::client::Error> {
//! let client = Client::connect("http://127.0.0.1:50051")?;
//! client.create_channel("prices").await?;
//! client.register("prices", "alice").await?;
//! client.broadcast("prices", Message::new("price").with_json(&1.5)?).await?;
//!
//! let mut subscription = client.listen("prices", "alice").await?;
//! while let Some(event) = subscription.next().await {
//!     match event? {
//!         Event::Delivery(delivery) => println!("{:?}", delivery.message.payload()),
//!         Event::Gap(gap) => println!("missed {:?}: {:?}", gap.count, gap.reason),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - [`Client`] has a method for each verb of the contract, and repeats what may be repeated.
//! - [`Subscription`] is a stream that reconnects and resumes by itself; [`Client::pull`] asks once.
//! - [`Listen::handle`] calls a handler, acknowledges what it returns OK for and rejects the rest.
//! - [`Client::listen_many`] receives for many listeners over one stream.
//! - [`Publisher`] is the fast way in.
//! - [`Error`] tells what the server refused, by a stable reason.

mod account;
mod acknowledge;
mod acknowledger;
mod backoff;
mod builder;
mod bundle;
mod channel;
mod delivery;
mod error;
mod event;
mod gap;
mod handle;
mod ledger;
mod line;
mod listener;
mod messages;
mod outstanding;
mod pages;
mod policy;
mod presence;
mod publisher;
mod pull;
pub mod reason;
mod rejection;
mod results;
mod resume;
mod send;
mod server;
mod session;
mod settle;
mod subscribe;
mod subscription;
mod time;

pub use crate::content::{Message, Payload};
pub use acknowledge::{Acknowledged, Acknowledgement};
pub use backoff::Backoff;
pub use builder::Builder;
pub use bundle::{Bundle, Told, What};
pub use channel::{
    Channel, ChannelSettings, ChannelUpdate, NewChannel, Overflow, Redelivery, RedeliveryBackoff,
    RemovedChannel,
};
pub use delivery::{DeadLetter, DeadLetterCause, Delivery, DeliveryKind, Receipt};
pub use error::{Error, Failure, Result, Violation};
pub use event::{End, Event, Interruption};
pub use gap::{Gap, GapReason};
pub use handle::Handling;
pub use listener::{AcknowledgementMode, Listener, ListenerSettings, NewListener, Purged, StartAt};
pub use outstanding::{Extended, Outstanding};
pub use pages::Pages;
pub use presence::{Presence, PresenceEvent};
pub use publisher::{Pending, Publisher, PublisherOptions};
pub use pull::{Pull, Pulled};
pub use rejection::{Rejected, Rejection};
pub use send::{Publication, Receiver};
pub use server::{Durability, Limits, Log, LogState, Server};
pub use settle::Acknowledging;
pub use subscribe::{Asked, Listen, ListenAsked, Opening, Watch, WatchAsked};
pub use subscription::Subscription;
pub use tonic::Code;

use crate::v1::dispatcher_service_client::DispatcherServiceClient;
use acknowledger::Acknowledger;
use policy::Policy;
use pull::AllSeries;
use std::{fmt, sync::Arc, time::Duration};
use tonic::{Status, transport};

type Service = DispatcherServiceClient<transport::Channel>;

/// The type of the message that says that no more will come ([`Client::notify_end`]).
pub const CHANNEL_CLOSED: &str = "_eric_channel_closed";

/// A client of one server, over one connection. Clones are cheap and share it.
///
/// Every verb may answer [`Error::Call`] with what stands in the contract for it, and besides UNAVAILABLE
/// where the server is not there and DEADLINE_EXCEEDED where it did not answer in time.
#[derive(Clone)]
pub struct Client {
    service: Service,
    policy: Arc<Policy>,
    endpoint: Arc<str>,
    session: Arc<str>,
    acknowledger: Arc<Acknowledger>,
    series: Arc<AllSeries>,
}

impl Client {
    /// A client with the default settings, of the server at `http://HOST:PORT`. It connects with its first
    /// call.
    ///
    /// # Errors
    /// [`Error::Endpoint`] where that is no such address.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn connect(endpoint: impl Into<String>) -> Result<Self> {
        Self::builder(endpoint).connect()
    }

    /// Settings first.
    pub fn builder(endpoint: impl Into<String>) -> Builder {
        Builder::new(endpoint.into())
    }

    /// The same, repeating for another time.
    fn repeating_for(&self, time: Duration) -> Self {
        let policy = Policy { repeat_for: time, ..(*self.policy).clone() };
        Self { policy: policy.into(), ..self.clone() }
    }

    /// What became of a call, with the server's address where it could not be reached.
    fn failed(&self, status: Status) -> Error {
        let mut failure = Failure::from(status);
        if failure.unsent {
            failure.message = format!("no server at {}: {}", self.endpoint, failure.message);
        }
        Error::Call(Box::new(failure))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Something that was created, or was there before.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Created<T> {
    /// As it stands now.
    pub item: T,
    /// It was there before the call.
    pub existed: bool,
}
