//! The gRPC door: one short function a verb, over the hub.
//!
//! In reading order: [`convert`] and [`settings`] parse requests, [`channels`], [`listeners`], [`publish`] and
//! [`receive`] and [`change`] are the verbs, [`stream`] is Listen and Watch, [`response`] and [`frame`] what they send, [`status`] the one table of
//! errors; [`service`] and [`routes`] put them on the wire.

mod acknowledge;
mod change;
mod channels;
pub(crate) mod codec;
mod convert;
mod frame;
#[cfg(test)]
mod fuzz;
mod listeners;
mod page;
mod publish;
mod receive;
mod response;
mod routes;
mod server;
mod service;
mod settings;
mod standard;
mod status;
mod stream;

pub(crate) use routes::{routes, starting};
pub(crate) use standard::Health;

use crate::hub::Hub;
use std::{sync::Arc, time::Duration};
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
    fn max_request_bytes(&self) -> usize {
        const BEYOND_A_BATCH: usize = 1024 * 1024;
        self.max_batch_bytes + BEYOND_A_BATCH
    }

    /// No message is larger.
    fn max_message_bytes(&self) -> usize {
        self.max_payload_bytes + crate::message::MAX_BYTES_BESIDE_PAYLOAD
    }
}

/// The verbs of the service.
#[derive(Clone, Debug)]
pub(crate) struct Dispatcher {
    hub: Arc<Hub>,
    limits: RequestLimits,
    /// The server is about to end, and waits so long.
    closing: CancellationToken,
    grace: Duration,
    clock: Handle,
}

impl Dispatcher {
    /// Long timers run on the runtime of `clock`: one on a core's own would have it set an alarm each time it sleeps.
    pub(crate) fn new(
        hub: Arc<Hub>,
        limits: RequestLimits,
        closing: CancellationToken,
        grace: Duration,
        clock: Handle,
    ) -> Self {
        Self { hub, limits, closing, grace, clock }
    }

    fn status(&self, refusal: impl Into<status::Refusal>) -> tonic::Status {
        refusal.into().into_status(Some(self.hub.incarnation()))
    }
}
