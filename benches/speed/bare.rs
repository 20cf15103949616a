//! What Eric is measured against: a tonic server on tokio's default runtime, without queue or logic.
//!
//! It is this program started again with a hidden argument. It serves the same paths as Eric, encodes in the
//! ordinary way, one message a frame, and is spared what it can be: a message that many receive is built once
//! and shared, though each stream encodes it for itself.

mod answers;
mod calls;
mod frame;
mod keeping;

pub(crate) use answers::BACKLOG;

use crate::{
    Outcome,
    store::{Shrinks, Store},
};
use answers::Bare;
use keeping::Keeping;
use std::{convert::Infallible, net::SocketAddr, path::Path};
use tonic::{body::Body, server::NamedService, transport::Server};
use tower::Service;

/// Makes this program the bare server; an address follows.
pub(crate) const ARGUMENT: &str = "bare";

/// Makes it the bare server that keeps what it gets in a store; an address and a directory follow.
pub(crate) const KEEPING: &str = "bare-keeping";

/// Serves until it is killed.
pub(crate) fn serve(address: SocketAddr) -> Outcome {
    serve_with(Bare::default(), address)
}

/// The same, over a store in a directory.
pub(crate) fn serve_over(directory: &Path, address: SocketAddr) -> Outcome {
    serve_with(Keeping::over(Store::open(directory, Shrinks::Yes)?)?, address)
}

fn serve_with<S>(service: S, address: SocketAddr) -> Outcome
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
        + NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let server = Server::builder().tcp_nodelay(true).add_service(service);
    Ok(runtime.block_on(server.serve(address))?)
}
