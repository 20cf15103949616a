//! Several publishers at once, each with batches of its own in flight.

use super::{Load, Publish};
use crate::Outcome;
use futures_util::future::try_join_all;
use std::time::{Duration, Instant};

/// Each on a connection of its own.
pub(crate) struct Publishers(pub(crate) Vec<Publish>);

impl Load for Publishers {
    async fn run(&mut self, time: Duration) -> Outcome<u64> {
        let end = Instant::now() + time;
        let runs = self.0.iter().map(|publish| publish.send_while(|_| Instant::now() < end));
        Ok(try_join_all(runs).await?.into_iter().sum())
    }
}
