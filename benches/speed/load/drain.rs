//! A backlog that one stream drains.

use super::{Load, Publish};
use crate::{
    Outcome, bare,
    client::{Connection, Subscriber, verb},
    messages::{self, Template},
    setup,
};
use bytes::Bytes;
use eric::v1::publication::Receiver;
use std::{net::SocketAddr, time::Duration};

/// Fills a listener's backlog, which is not counted, and drains it through Listen.
pub(crate) struct Drain {
    address: SocketAddr,
    fill: Publish,
    listen: Bytes,
    backlog: u64,
    /// The bare server has its messages ready.
    ready: bool,
}

impl Drain {
    /// In a channel of its own.
    pub(crate) async fn new(address: SocketAddr, backlog: u64, ready: bool) -> Outcome<Self> {
        let connection = Connection::open(address).await?;
        let (channel, listener) = ("drained", format!("{}{backlog}", bare::BACKLOG));
        setup::channel(&connection, channel, setup::bottomless()).await?;
        setup::register(&connection, channel, &listener).await?;
        let listen = messages::frame(&messages::listen(channel, &listener));
        let batch = Template::batch(channel, &Receiver::Listener(listener), batch_of(backlog));
        Ok(Self { address, fill: Publish::new(connection, batch, 1), listen, backlog, ready })
    }
}

// The backlog is a whole number of batches.
fn batch_of(backlog: u64) -> usize {
    (1..=500).rev().find(|&size| backlog.is_multiple_of(size)).unwrap_or(1) as usize
}

impl Load for Drain {
    async fn prepare(&mut self) -> Outcome {
        if !self.ready {
            self.fill.send_while(|sent| sent < self.backlog).await?;
        }
        Ok(())
    }

    async fn run(&mut self, _: Duration) -> Outcome<u64> {
        let listen = std::slice::from_ref(&self.listen);
        let mut stream = Subscriber::open(self.address, verb::LISTEN, listen).await?;
        while stream.deliveries() < self.backlog && !stream.ended {
            stream.read(|_, _| ()).await?;
        }
        match stream.deliveries() {
            all if all == self.backlog => Ok(all),
            other => Err(format!("{other} deliveries of {}", self.backlog).into()),
        }
    }
}
