//! Eric dispatches messages: a *channel* holds *listeners*, each with a queue of its own; senders *dispatch* to one
//! listener or *broadcast* to all of a channel's; receivers *listen* on a stream.
//!
//! What a program uses:
//! - [`client`]: the SDK, for a program that talks to a server.
//! - [`embed`]: channels and listeners inside a program, without a server.
//! - [`content`]: a message as either of them writes and reads it.
//! - [`server`] and [`config`]: the server itself.
//! - [`v1`]: the contract, for a program that wants a client of its own.
//!
//! In reading order, from the bottom: [`id`], [`message`] and [`error`] are the words, [`content`] a message as programs
//! say it; [`log`] is what remembers; [`hub`] is the core, where every verb of the service is one method; over it stand
//! [`embed`], the socket of `eric-sse`, and the verbs as the contract has them, over those the gRPC and HTTP doors, over them
//! [`server`], and over all [`cli`]. `ARCHITECTURE.md` tells the ideas and the
//! invariants.

pub mod cli;
pub mod client;
pub mod config;
pub mod content;
pub mod embed;
pub mod error;
mod grpc;
mod http;
pub mod hub;
pub mod id;
pub mod log;
pub mod message;
pub mod server;
mod signal;
#[cfg(unix)]
mod socket;
mod telemetry;
mod verbs;

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

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
