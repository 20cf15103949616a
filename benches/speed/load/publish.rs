//! A Publish stream with a bounded number of frames in flight.

use super::Load;
use crate::{
    Outcome,
    client::{self, Connection, verb},
    messages::Template,
    scan::Scan,
};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use std::time::{Duration, Instant};

/// One publisher, who sends a frame for each that is answered.
pub(crate) struct Publish {
    connection: Connection,
    template: Template,
    in_flight: u64,
}

impl Publish {
    pub(crate) fn new(connection: Connection, template: Template, in_flight: u64) -> Self {
        Self { connection, template, in_flight }
    }

    /// Sends while `more` agrees to what was sent: how many messages were accepted, which must be all.
    pub(crate) async fn send_while(&self, more: impl Fn(u64) -> bool) -> Outcome<u64> {
        let (mut requests, response) = self.connection.exchange(verb::PUBLISH).await?;
        let mut sent = self.in_flight;
        requests.send_data(self.frames(sent), false)?;
        let (head, mut body) = response.await?.into_parts();
        client::check(&head.headers, None)?;
        let mut scan = Scan::receipts();
        while scan.frames < sent {
            let answered = scan.frames;
            let bytes = client::next(&mut body).await?.ok_or("the Publish stream ended")?;
            scan.feed(&bytes);
            let answered = scan.frames - answered;
            // a piece of an answer answers nothing, and a server bears few empty frames
            if answered > 0 && more(sent * self.template.messages) {
                // as a client of tonic does: what is ready goes out in one piece
                requests.send_data(self.frames(answered), false)?;
                sent += answered;
            }
        }
        requests.send_data(Bytes::new(), true)?;
        client::check(&HeaderMap::new(), body.trailers().await?.as_ref())?;
        match sent * self.template.messages - scan.items {
            0 => Ok(scan.items),
            refused => Err(format!("{refused} messages were refused").into()),
        }
    }

    fn frames(&self, count: u64) -> Bytes {
        let mut out = BytesMut::new();
        for _ in 0..count {
            self.template.stamp_into(&mut out);
        }
        out.freeze()
    }
}

impl Load for Publish {
    async fn run(&mut self, time: Duration) -> Outcome<u64> {
        let end = Instant::now() + time;
        self.send_while(|_| Instant::now() < end).await
    }
}
