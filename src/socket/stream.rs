//! A stream: what is ready goes out as one write, and nothing is taken before that is done.

use super::{event::Form, exception::Exception, peer::Peer};
use crate::{
    error::Error,
    hub::{Batch, Ending, Subscription},
};
use std::{
    future::poll_fn,
    io::{self, ErrorKind},
    time::Duration,
};
use tokio::task::yield_now;

/// What goes out at once, at most, unless it is a single message: as much as a socket takes in any case.
pub(super) const BATCH_BYTES: u64 = 64 * 1024;
/// Behind so much there may be more, and a reader that is quick enough for it: the core's other streams have a turn.
const TURN_BYTES: usize = 16 * 1024;
/// What an idle stream keeps for the next batch.
const KEPT_BYTES: usize = 2 * 1024;

/// An open stream.
pub(super) struct Stream {
    subscription: Subscription,
    form: Form,
    lines: Vec<u8>,
}

impl Stream {
    pub(super) fn new(subscription: Subscription, retry: Duration) -> Self {
        Self { subscription, form: Form::new(retry), lines: Vec::new() }
    }

    /// Hands out until it ends; tells what is to be said last.
    ///
    /// # Errors
    /// The client has hung up.
    pub(super) async fn run(mut self, peer: &Peer) -> io::Result<String> {
        let ending = loop {
            let next = tokio::select! {
                // what is handed to somebody who is gone is lost
                biased;
                gone = peer.hung_up() => return gone.and(Err(ErrorKind::BrokenPipe.into())),
                next = poll_fn(|context| self.subscription.poll_batch(context)) => next,
            };
            match next {
                Ok(handed) => self.send(&handed.batch, peer).await?,
                Err(ending) => break ending,
            }
        };
        match ending {
            Ending::Stopped => Ok(String::new()),
            Ending::Failed(Error::ShuttingDown) => self.send_what_is_ready(peer).await,
            Ending::Failed(error) => {
                Ok(Exception::of(&error, || Exception::invalid_listener(None)).to_string())
            }
        }
    }

    async fn send_what_is_ready(&mut self, peer: &Peer) -> io::Result<String> {
        while let Some(handed) = self.subscription.last_batch() {
            self.send(&handed.batch, peer).await?;
        }
        Ok(String::new())
    }

    async fn send(&mut self, batch: &Batch, peer: &Peer) -> io::Result<()> {
        self.form.put_batch(&mut self.lines, batch);
        peer.write_all(&self.lines).await?;
        let large = self.lines.len() >= TURN_BYTES;
        self.lines.clear();
        self.lines.shrink_to(KEPT_BYTES);
        if large {
            yield_now().await;
        }
        Ok(())
    }
}
