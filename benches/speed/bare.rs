//! What Eric is measured against: a tonic server on tokio's default runtime, without queue or logic.
//!
//! It is this program started again with a hidden argument. It serves the same paths as Eric, encodes in the
//! ordinary way, one message a frame, and is spared what it can be: a message that many receive is built once
//! and shared, though each stream encodes it for itself.

mod answers;
mod calls;
mod frame;

pub(crate) use answers::BACKLOG;

use crate::Outcome;
use answers::Bare;
use std::net::SocketAddr;
use tonic::transport::Server;

/// Makes this program the bare server; an address follows.
pub(crate) const ARGUMENT: &str = "bare";

/// Serves until it is killed.
pub(crate) fn serve(address: SocketAddr) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let server = Server::builder().tcp_nodelay(true).add_service(Bare::default());
    Ok(runtime.block_on(server.serve(address))?)
}
