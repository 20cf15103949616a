//! Publish streams: one that is open, and one with a bounded number of frames in flight.

use super::Load;
use crate::{
    Outcome,
    client::{self, Connection, verb},
    messages::Template,
    scan::Scan,
};
use bytes::{Bytes, BytesMut};
use h2::{RecvStream, SendStream, client::ResponseFuture};
use http::HeaderMap;
use std::time::{Duration, Instant};

/// A Publish stream that is open.
pub(crate) struct Publishing {
    requests: SendStream<Bytes>,
    answers: Answers,
    scan: Scan,
}

enum Answers {
    /// It has said nothing yet.
    Due(ResponseFuture),
    Coming(RecvStream),
}

impl Publishing {
    /// Opens it.
    pub(crate) async fn open(connection: &Connection) -> Outcome<Self> {
        let (requests, response) = connection.exchange(verb::PUBLISH).await?;
        Ok(Self { requests, answers: Answers::Due(response), scan: Scan::receipts() })
    }

    /// As a client of tonic does: what is ready goes out in one piece.
    pub(crate) fn send(&mut self, template: &Template, frames: u64) -> Outcome {
        let mut out = BytesMut::new();
        (0..frames).for_each(|_| template.stamp_into(&mut out));
        Ok(self.requests.send_data(out.freeze(), false)?)
    }

    /// How many frames the next bytes answer to their end. A piece of an answer answers nothing.
    pub(crate) async fn answered(&mut self) -> Outcome<u64> {
        if let Answers::Due(response) = &mut self.answers {
            let (head, body) = response.await?.into_parts();
            client::check(&head.headers, None)?;
            self.answers = Answers::Coming(body);
        }
        let before = self.scan.frames;
        if let Answers::Coming(body) = &mut self.answers {
            let bytes = client::next(body).await?.ok_or("the Publish stream ended")?;
            self.scan.feed(&bytes);
        }
        Ok(self.scan.frames - before)
    }

    /// How many messages were accepted.
    pub(crate) fn accepted(&self) -> u64 {
        self.scan.items
    }

    /// Ends it, and hears the server out.
    async fn close(mut self) -> Outcome {
        self.requests.send_data(Bytes::new(), true)?;
        match self.answers {
            Answers::Due(_) => Ok(()),
            Answers::Coming(mut body) => client::check(&HeaderMap::new(), body.trailers().await?.as_ref()),
        }
    }
}

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
        let mut stream = Publishing::open(&self.connection).await?;
        let (mut sent, mut answered) = (self.in_flight, 0);
        stream.send(&self.template, sent)?;
        while answered < sent {
            let news = stream.answered().await?;
            answered += news;
            // a server bears few empty frames
            if news > 0 && more(sent * self.template.messages) {
                stream.send(&self.template, news)?;
                sent += news;
            }
        }
        let accepted = stream.accepted();
        stream.close().await?;
        match sent * self.template.messages - accepted {
            0 => Ok(accepted),
            refused => Err(format!("{refused} messages were refused").into()),
        }
    }
}

impl Load for Publish {
    async fn run(&mut self, time: Duration) -> Outcome<u64> {
        let end = Instant::now() + time;
        self.send_while(|_| Instant::now() < end).await
    }
}
