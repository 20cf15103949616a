//! Eric.

pub mod cli;
pub mod client;

/// The contract as clients see it, generated from `proto/eric/v1`.
#[allow(missing_docs, reason = "generated code")]
pub mod v1 {
    tonic::include_proto!("client/eric.v1");
}
#[allow(missing_docs, reason = "generated code")]
#[allow(dead_code, unreachable_pub, reason = "generated code")]
mod wire {
    tonic::include_proto!("server/eric.v1");
}
