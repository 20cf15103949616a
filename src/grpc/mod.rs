//! The gRPC door, over the verbs.
//!
//! In reading order: [`service`] gives the verbs to the generated service, [`publish`] is the stream in, [`stream`] is
//! Listen and Watch, [`response`] and [`frame`] what they send; [`standard`] is health and reflection; [`routes`] puts all
//! of it on the wire.

pub(crate) mod codec;
mod frame;
#[cfg(test)]
mod fuzz;
mod publish;
mod response;
mod routes;
mod service;
mod standard;
mod stream;

pub(crate) use routes::{for_browsers, routes, starting};
pub(crate) use standard::Health;

/// The service of the contract, generated from `proto/eric/v1`.
#[allow(
    missing_docs,
    dead_code,
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    clippy::doc_lazy_continuation,
    reason = "generated code"
)]
mod wire {
    tonic::include_proto!("service/eric.v1");
}
