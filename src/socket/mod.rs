//! The socket of `eric-sse`: the JSON protocol of its `SocketServer`, over the hub.
//!
//! A connection carries one request: a JSON object up to the end of input, which a client gives by shutting down its
//! writing side. Its keys are `v`, the verb, `c`, the channel's id, `r`, the listener's id, `t`, the message's type, and `p`,
//! its payload. `c` creates a channel and answers its id, `r` registers a listener and answers its id; `d` dispatches, `b`
//! broadcasts, `rl` removes a listener and `rc` a channel, and each answers `ack`; `l` listens and `w` watches, and each
//! opens a stream of events, one JSON object a line. What cannot be done is answered by the text of the exception that
//! the reference would have raised. All this follows what `eric-sse` 2.1.1.2 does; where 0.7.9 differs, `exception.rs`
//! says so.
//!
//! What Eric adds: requests are bounded in size and time; an unknown verb is always refused; a type is text that keeps
//! Eric's rules; `NaN` and `Infinity` are no JSON; two streams of a listener do not share its messages, the newer takes
//! over; streams end with what they are about, and tell gaps as events of the type `_eric_gap`; a message of the type
//! `_eric_channel_closed` without a payload is a notify end. When a listener is stopped, or the server, its streams end
//! without a word, as in the reference.
//!
//! In reading order: `file` is the socket in the file system; `hear` hears a client out, `request` reads what it said, each
//! `value` as Python has it; `verbs` carries it out, `exception` says why not; `stream` hands out `event`s to a `peer`;
//! `python` writes as Python does.

mod event;
mod exception;
mod file;
mod hear;
mod peer;
mod python;
mod request;
mod stream;
mod value;
mod verbs;

pub(crate) use file::{SocketError, SocketFile};

use crate::hub::Hub;
use exception::Exception;
use hear::{Heard, hear};
use peer::Peer;
use request::Request;
use std::{io, os::unix::net::UnixStream, sync::Arc, time::Duration};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;
use verbs::Answer;

/// The socket's door.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    hub: Arc<Hub>,
    max_payload_bytes: usize,
    /// How long a request, or an answer that is no stream, may take.
    patience: Duration,
    /// The server is about to end.
    closing: CancellationToken,
}

impl Door {
    pub(crate) fn new(
        hub: Arc<Hub>,
        max_payload_bytes: usize,
        patience: Duration,
        closing: CancellationToken,
    ) -> Self {
        Self { hub, max_payload_bytes, patience, closing }
    }

    /// Serves a connection until it ends. Its stream waits on the core of this thread.
    pub(crate) async fn serve(self, stream: UnixStream) {
        if let Err(error) = self.try_serve(stream).await {
            // a peer that went away is its own business
            debug!(%error, "a connection of the socket ended");
        }
    }

    async fn try_serve(self, stream: UnixStream) -> io::Result<()> {
        let mut stream = tokio::net::UnixStream::from_std(stream)?;
        let heard = tokio::select! {
            heard = timeout(self.patience, hear(&mut stream, self.max_request_bytes())) => heard,
            () = self.closing.cancelled() => return Ok(()),
        };
        let peer = Peer::new(stream);
        let answer = match heard {
            Ok(Heard::All(bytes)) => self.answer(&bytes, &peer).await,
            Ok(Heard::TooMuch) => Err(Exception::request_too_large(self.max_request_bytes())),
            Ok(Heard::Failed(error)) => return Err(error),
            Err(_) => Err(Exception::no_end_of_input(self.patience)),
        };
        let last = match answer {
            Ok(Answer::Text(text)) => text,
            Ok(Answer::Stream(stream)) => stream.run(&peer).await?,
            Err(exception) => exception.to_string(),
        };
        timeout(self.patience, peer.finish(last.as_bytes())).await?
    }

    async fn answer(&self, bytes: &[u8], peer: &Peer) -> Result<Answer, Exception> {
        let request = Request::parse(bytes)?;
        self.carry_out(&request, peer).await
    }

    /// A payload as large as it may be, and what stands beside it.
    fn max_request_bytes(&self) -> usize {
        const BESIDE_PAYLOAD: usize = 64 * 1024;
        self.max_payload_bytes.saturating_add(BESIDE_PAYLOAD)
    }
}
