//! Senders: each sends until it knows what became of a message, and sometimes once more.

use crate::{
    books::{Accepted, payload},
    cast::TYPES,
    road::{Wire, broken, millis},
    stage::Stage,
};
use eric::v1::{
    BroadcastRequest, DispatchRequest, Message, Publication, PublishBatchRequest, PublishRequest,
    PublishResponse, Receipt, publication::Receiver, publish_result::Outcome,
};
use std::{rc::Rc, time::Duration};
use tokio::{sync::mpsc, time::sleep};
use tonic::{Code, Status, Streaming};

/// By which verb.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Verb {
    Dispatch,
    Broadcast,
    Publish,
}

pub(crate) struct Sender {
    pub(crate) stage: Rc<Stage>,
    pub(crate) number: u32,
    pub(crate) channel: &'static str,
    pub(crate) verb: Verb,
    pub(crate) rng: fastrand::Rng,
    sent: u32,
    listeners: Vec<&'static str>,
}

#[derive(Clone)]
struct Letter {
    about: Accepted,
    publication: Publication,
}

impl Sender {
    pub(crate) fn new(stage: &Rc<Stage>, number: u32, channel: &'static str, verb: Verb) -> Self {
        let here = stage.cast.those(|it| it.channel == channel && it.listens() && it.stays());
        let listeners = here.into_iter().map(|who| stage.cast.receivers[who].listener).collect();
        let rng = stage.rng(u64::from(number));
        Self { stage: Rc::clone(stage), number, channel, verb, rng, sent: 0, listeners }
    }

    pub(crate) async fn run(mut self) {
        while !self.stage.calm() {
            let Ok(wire) = self.stage.roads.any(&mut self.rng).await else {
                sleep(Duration::from_millis(20)).await;
                continue;
            };
            match self.verb {
                Verb::Publish => self.publish(wire).await,
                Verb::Dispatch | Verb::Broadcast => self.call(wire).await,
            }
        }
    }

    async fn pause(&mut self, most: u64) {
        sleep(Duration::from_millis(self.rng.u64(..most))).await;
        while self.stage.crowded.get() && !self.stage.calm() {
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn letter(&mut self) -> Letter {
        self.sent += 1;
        let name = (self.number, self.sent);
        let broadcast = self.verb == Verb::Broadcast || self.verb == Verb::Publish && self.rng.bool();
        let to = (!broadcast).then(|| self.listeners[self.rng.usize(..self.listeners.len())]);
        let ttl = (self.rng.u8(..100) < 5).then(|| millis(self.rng.u64(1..60)));
        let kind = TYPES[self.sent as usize % 2];
        let message = Message {
            id: format!("{}-{}", name.0, name.1),
            r#type: kind.to_owned(),
            ttl,
            payload: Some(payload(name)),
            ..Message::default()
        };
        let receiver = match to {
            None => Receiver::Broadcast(true),
            Some(listener) => Receiver::Listener(listener.to_owned()),
        };
        let (channel, message) = (self.channel.to_owned(), Some(message));
        let publication = Publication { channel, receiver: Some(receiver), message };
        Letter { about: Accepted { name, to, kind, ttl: ttl.is_some() }, publication }
    }

    /// One message a call, until the connection breaks.
    async fn call(&mut self, mut wire: Wire) {
        while !self.stage.calm() {
            self.pause(25).await;
            let letter = self.letter();
            let outcome = send(&mut wire, letter.publication.clone()).await;
            if !self.told(&letter, outcome) {
                return self.insist(letter).await;
            }
            if self.rng.u8(..100) < 5 {
                self.repeat(&mut wire, &letter).await;
            }
        }
    }

    async fn repeat(&mut self, wire: &mut Wire, letter: &Letter) {
        self.may_be_taken_for_another(letter);
        if let Ok(receipt) = send(wire, letter.publication.clone()).await {
            self.accepted(letter, &receipt);
        }
    }

    /// "A listener that was removed and registered again is another one": it may get a message that is sent twice, again.
    fn may_be_taken_for_another(&self, letter: &Letter) {
        if self.is_fleeting(letter) {
            self.stage.books.lock().unknown.insert(letter.about.name);
        }
    }

    fn is_fleeting(&self, letter: &Letter) -> bool {
        let who = letter.about.to.and_then(|to| self.stage.cast.find(self.channel, to));
        who.is_some_and(|who| self.stage.cast.receivers[who].fleeting())
    }

    /// Room is made by others, and a listener that is removed comes back: it was not accepted.
    fn is_refused(&self, letter: &Letter, code: i32) -> bool {
        code == Code::ResourceExhausted as i32 || code == Code::NotFound as i32 && self.is_fleeting(letter)
    }

    /// Asks until there is an answer, over a connection that is not cut.
    async fn insist(&mut self, letter: Letter) {
        self.may_be_taken_for_another(&letter);
        loop {
            let Ok(mut wire) = self.stage.roads.straight().await else {
                sleep(Duration::from_millis(20)).await;
                continue;
            };
            let request =
                PublishBatchRequest { publications: vec![letter.publication.clone()], stop_at_error: false };
            if let Ok(answer) = wire.publish_batch(request).await {
                let mut results = answer.into_inner().results;
                let outcome = results.pop().and_then(|result| result.outcome);
                return self.judged(&letter, outcome);
            }
            // it is killed, or does not serve yet
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Batches on a stream, one after the other, until it breaks.
    async fn publish(&mut self, mut wire: Wire) {
        let (requests, queue) = mpsc::channel(4);
        let queue = tokio_stream::wrappers::ReceiverStream::new(queue);
        let Ok(answers) = wire.publish(queue).await else { return };
        let mut answers = answers.into_inner();
        while !self.stage.calm() {
            let letters: Vec<_> = (0..self.rng.usize(1..24)).map(|_| self.letter()).collect();
            let publications = letters.iter().map(|letter| letter.publication.clone()).collect();
            let request = PublishRequest { publications, stop_at_error: false };
            if requests.send(request).await.is_err() {
                return self.insist_on_all(letters).await;
            }
            let Some(results) = answer(&mut answers).await else {
                return self.insist_on_all(letters).await;
            };
            let results = results.results.into_iter().map(|result| result.outcome);
            letters.iter().zip(results).for_each(|(letter, outcome)| self.judged(letter, outcome));
            self.pause(120).await;
        }
    }

    async fn insist_on_all(&mut self, letters: Vec<Letter>) {
        self.stage.books.lock().figures.unknown += letters.len() as u64;
        for letter in letters {
            self.insist(letter).await;
        }
    }

    fn judged(&mut self, letter: &Letter, outcome: Option<Outcome>) {
        let name = letter.about.name;
        let mut books = self.stage.books.lock();
        match outcome {
            None => books.fault(format!("{name:?} was not answered")),
            Some(Outcome::Error(error)) if self.is_refused(letter, error.code) => books.figures.refused += 1,
            Some(Outcome::Error(error)) => books.fault(format!("{name:?} was refused: {error:?}")),
            Some(Outcome::Receipt(receipt)) => {
                drop(books);
                self.accepted(letter, &receipt);
            }
        }
    }

    /// Whether it is known what became of it.
    fn told(&mut self, letter: &Letter, outcome: Result<Receipt, Status>) -> bool {
        let mut books = self.stage.books.lock();
        match outcome {
            Ok(receipt) => {
                drop(books);
                self.accepted(letter, &receipt);
            }
            Err(status) if self.is_refused(letter, status.code() as i32) => books.figures.refused += 1,
            Err(status) if broken(&status) => {
                books.figures.unknown += 1;
                return false;
            }
            Err(status) => books.fault(format!("{:?} was refused: {status:?}", letter.about.name)),
        }
        true
    }

    fn accepted(&mut self, letter: &Letter, receipt: &Receipt) {
        let mut books = self.stage.books.lock();
        books.figures.duplicates += u64::from(receipt.duplicate);
        books.accept(self.channel, receipt.sequence, letter.about);
    }
}

async fn answer(answers: &mut Streaming<PublishResponse>) -> Option<PublishResponse> {
    answers.message().await.ok().flatten()
}

async fn send(wire: &mut Wire, publication: Publication) -> Result<Receipt, Status> {
    let Publication { channel, receiver, message } = publication;
    let receipt = match receiver {
        Some(Receiver::Listener(listener)) => {
            wire.dispatch(DispatchRequest { channel, listener, message }).await?.into_inner().receipt
        }
        Some(Receiver::Broadcast(_)) | None => {
            wire.broadcast(BroadcastRequest { channel, message }).await?.into_inner().receipt
        }
    };
    receipt.ok_or_else(|| Status::unknown("no receipt"))
}
