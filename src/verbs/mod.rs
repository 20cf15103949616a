//! The verbs of the contract, below every door: one short function a verb, a request of the contract in, its answer or
//! a refusal out.
//!
//! In reading order: [`convert`] and [`settings`] parse requests; [`channels`], [`listeners`], [`publish`], [`receive`],
//! [`change`], [`acknowledge`] and [`server`] are the verbs; [`delivery`] is what receivers are given, [`page`] a part of a
//! list, [`hung_up`] tells whether a caller still speaks, [`bodies`] counts what comes, [`status`] is the one table of errors.

pub(crate) mod acknowledge;
pub(crate) mod bodies;
pub(crate) mod change;
pub(crate) mod channels;
pub(crate) mod convert;
pub(crate) mod delivery;
#[cfg(test)]
pub(crate) mod fuzz;
pub(crate) mod hung_up;
pub(crate) mod listeners;
pub(crate) mod page;
pub(crate) mod publish;
pub(crate) mod receive;
pub(crate) mod server;
pub(crate) mod settings;
pub(crate) mod status;

use crate::hub::Hub;
use bodies::Bodies;
use http::Extensions;
use hung_up::HungUp;
use status::Refusal;
use std::{ops::Deref, sync::Arc, time::Duration};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// The contract as the server serves it, generated from `proto/eric/v1`: messages are raw bytes.
#[allow(
    missing_docs,
    dead_code,
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    clippy::doc_lazy_continuation,
    reason = "generated code"
)]
pub(crate) mod wire {
    tonic::include_proto!("server/eric.v1");
}

/// The contract itself, with what it imports.
pub(crate) const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/eric.v1.binpb"));
/// The number of a stream's first subscription, which is nearly always its only one.
pub(crate) const FIRST: u32 = 1;
/// What a part of a stream aims at: it is sent once it has so much.
pub(crate) const AIM_BYTES: usize = 256 * 1024;

/// The ways to write a batch, which is made into each of them once. The hub knows them by their numbers.
pub(crate) mod format {
    pub(crate) const GRPC: usize = 0;
    /// Server-Sent Events whose data is the payload.
    pub(crate) const EVENTS: usize = 1;
    /// The same with all of a delivery.
    pub(crate) const DELIVERIES: usize = 2;
    const _: () = assert!(DELIVERIES < crate::hub::FORMATS, "each has its place in a batch");
}

/// What a request may hold, beyond the hub's own limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestLimits {
    pub(crate) max_payload_bytes: usize,
    pub(crate) max_batch_messages: usize,
    pub(crate) max_batch_bytes: usize,
}

impl RequestLimits {
    /// A batch that is over its limit is read all the same, up to this, so that each of its items is answered and the
    /// stream lives on.
    pub(crate) fn max_request_bytes(&self) -> usize {
        const BEYOND_A_BATCH: usize = 1024 * 1024;
        self.max_batch_bytes + BEYOND_A_BATCH
    }

    /// Nor is a body of JSON, which takes more than protobuf: base64 alone takes a third more.
    pub(crate) fn max_body_bytes(&self) -> usize {
        2 * self.max_request_bytes()
    }

    /// No message is larger.
    pub(crate) fn max_message_bytes(&self) -> usize {
        self.max_payload_bytes + crate::message::MAX_BYTES_BESIDE_PAYLOAD
    }
}

/// The verbs of the service, for one call.
#[derive(Clone, Debug)]
pub(crate) struct Dispatcher {
    served: Arc<Served>,
    /// Whether the client of this call has: then it waits no longer.
    hung_up: HungUp,
}

/// What all calls have.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) hub: Arc<Hub>,
    pub(crate) limits: RequestLimits,
    /// The server is about to end, and waits so long.
    pub(crate) closing: CancellationToken,
    pub(crate) grace: Duration,
    /// Long timers run on this runtime: one on a core's own would have it set an alarm each time it sleeps.
    pub(crate) clock: Handle,
    pub(crate) bodies: Bodies,
}

impl Deref for Dispatcher {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
    }
}

impl Dispatcher {
    pub(crate) fn new(served: Served) -> Self {
        Self { served: Arc::new(served), hung_up: HungUp::default() }
    }

    /// For the call of these extensions.
    pub(crate) fn for_call(&self, extensions: &Extensions) -> Self {
        Self { served: Arc::clone(&self.served), hung_up: HungUp::of(extensions) }
    }

    /// The answer to a change once that is safe, also where it was there already: whoever made it may still wait for it.
    pub(crate) async fn once_safe<T>(&self, answer: Result<T, Refusal>) -> Result<T, Refusal> {
        let safe = self.hub.settled().await;
        answer.and_then(|answer| Ok(safe.map(|()| answer)?))
    }

    pub(crate) fn status(&self, refusal: impl Into<Refusal>) -> tonic::Status {
        refusal.into().into_status(Some(self.hub.incarnation()))
    }

    pub(crate) fn shutting_down(&self) -> tonic::Status {
        self.status(crate::error::Error::ShuttingDown)
    }
}
