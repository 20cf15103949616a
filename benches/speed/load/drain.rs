//! A backlog that one stream drains.

use super::{Load, Publish};
use crate::{
    Outcome, bare,
    client::{self, Connection, verb},
    messages::{self, Template},
    scan::Scan,
    setup,
};
use bytes::Bytes;
use eric::v1::publication::Receiver;
use std::time::Duration;

/// Fills a listener's backlog, which is not counted, and drains it through Listen.
pub(crate) struct Drain {
    connection: Connection,
    fill: Publish,
    listen: Bytes,
    backlog: u64,
    /// The bare server has its messages ready.
    ready: bool,
}

impl Drain {
    /// In a channel of its own.
    pub(crate) async fn new(connection: Connection, backlog: u64, ready: bool) -> Outcome<Self> {
        let (channel, listener) = ("drained", format!("{}{backlog}", bare::BACKLOG));
        setup::channel(&connection, channel, setup::bottomless()).await?;
        setup::register(&connection, channel, &listener).await?;
        let listen = messages::frame(&messages::listen(channel, &listener));
        let batch = Template::batch(channel, &Receiver::Listener(listener), batch_of(backlog));
        Ok(Self { fill: Publish::new(connection.clone(), batch, 1), connection, listen, backlog, ready })
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
        let mut body = self.connection.subscribe(verb::LISTEN, self.listen.clone()).await?;
        let mut scan = Scan::deliveries();
        while scan.items < self.backlog {
            let bytes = client::next(&mut body).await?.ok_or("the stream ended before the backlog")?;
            scan.feed(&bytes);
        }
        match scan.items - self.backlog {
            0 => Ok(scan.items),
            extra => Err(format!("{extra} more than were sent").into()),
        }
    }
}
