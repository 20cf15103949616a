//! What the promises are tested with: a server on a free port, clients of the bare wire, and peers that misbehave.

pub(crate) mod command;
pub(crate) mod directory;
pub(crate) mod events;
pub(crate) mod explicit;
pub(crate) mod http;
pub(crate) mod http1;
pub(crate) mod losses;
pub(crate) mod many;
pub(crate) mod message;
pub(crate) mod peer;
pub(crate) mod power;
pub(crate) mod proxy;
pub(crate) mod raw;
pub(crate) mod reader;
pub(crate) mod refused;
pub(crate) mod server;
#[cfg(unix)]
pub(crate) mod socket;
pub(crate) mod wire;

pub(crate) use reader::{Event, Reader};
pub(crate) use refused::{Refused, refused};
pub(crate) use server::{TestServer, channel, explicit_listeners, listener, listener_of, listeners};
pub(crate) use wire::Wire;

use std::{future::Future, time::Duration};
use tokio::time::{sleep, timeout};

/// Longer than anything takes here, also on a busy machine: at it a test has failed, and does not hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the future gives.
#[track_caller]
pub(crate) fn within<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        match timeout(PATIENCE, future).await {
            Ok(output) => output,
            Err(_) => panic!("nothing came of it within {PATIENCE:?}, at {caller}"),
        }
    }
}

/// Looks again and again until what is looked for is so.
#[track_caller]
pub(crate) fn until<F: Future<Output = bool>>(mut so: impl FnMut() -> F) -> impl Future<Output = ()> {
    within(async move {
        while !so().await {
            sleep(Duration::from_millis(5)).await;
        }
    })
}
