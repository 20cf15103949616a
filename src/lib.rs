//! Eric.

pub mod cli;
pub mod client;
pub mod config;
pub mod error;
mod grpc;
pub mod hub;
pub mod id;
pub mod log;
pub mod message;
pub mod server;
mod signal;
mod telemetry;

/// The contract as clients see it, generated from `proto/eric/v1`.
#[allow(
    missing_docs,
    clippy::allow_attributes_without_reason,
    clippy::doc_lazy_continuation,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("client/eric.v1");
}
