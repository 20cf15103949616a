//! One stream that is open, and what comes on it.

use crate::{
    cast::Who,
    event::{Begins, Event, Stream, now},
    hand::Hand,
    road::Wire,
    stage::Stage,
};
use eric::{
    hub::ResumeToken,
    v1::{
        Batch, ChangeListenRequest, ChangeListenResult, ListenResponse, Subscription, SubscriptionStarted,
        change_listen_result::Outcome,
    },
};
use std::{collections::HashMap, rc::Rc};
use tonic::{Code, Status};

/// Where a client goes on. Its text is opaque to clients, but whoever judges the server must know what it claims.
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) sequence: i64,
}

impl Token {
    fn of(text: String) -> Option<Self> {
        let sequence = i64::try_from(ResumeToken::parse(&text)?.sequence.0).ok()?;
        Some(Self { text, sequence })
    }
}

pub(crate) struct Visit {
    stage: Rc<Stage>,
    wire: Wire,
    stream: String,
    incarnation: String,
    /// The books' number of each receiver's stream.
    opened: HashMap<Who, Stream>,
    pub(crate) numbers: HashMap<i32, Who>,
    hands: HashMap<Who, Hand>,
}

impl Visit {
    pub(crate) fn new(stage: &Rc<Stage>, wire: Wire) -> Self {
        let stage = Rc::clone(stage);
        let (stream, incarnation, opened, numbers, hands) = Default::default();
        Self { stage, wire, stream, incarnation, opened, numbers, hands }
    }

    pub(crate) fn begin(&mut self, who: Who, begins: Begins) {
        let stream = self.stage.books.lock().open(who, begins);
        self.opened.insert(who, stream);
    }

    /// By the server's word.
    pub(crate) fn ended(&self) {
        let mut books = self.stage.books.lock();
        for who in self.numbers.values() {
            books.note(*who, [Event::Ended { stream: self.opened[who] }]);
        }
    }

    pub(crate) async fn part(
        &mut self,
        part: ListenResponse,
        tokens: &mut HashMap<Who, Token>,
        rng: &mut fastrand::Rng,
    ) -> Result<(), ()> {
        if let Some(opened) = part.opened {
            (self.stream, self.incarnation) = (opened.stream, opened.incarnation);
        }
        part.started.iter().for_each(|started| self.started(started, tokens));
        for batch in part.batches {
            self.batch(batch, tokens, rng).await?;
        }
        for ended in part.ended {
            if let Some(who) = self.numbers.remove(&ended.subscription) {
                self.hands.remove(&who);
                let mut books = self.stage.books.lock();
                books.figures.taken_over += u64::from(ended.status.is_some_and(|status| status.code != 0));
                books.note(who, [Event::Ended { stream: self.opened[&who] }]);
            }
        }
        Ok(())
    }

    fn started(&mut self, started: &SubscriptionStarted, tokens: &mut HashMap<Who, Token>) {
        let Some(&who) = self.numbers.get(&started.subscription) else { return };
        let Some(token) = self.token(who, started.resume_token.clone()) else { return };
        let (stream, birth, at) = (self.opened[&who], started.birth, token.sequence);
        self.stage.books.lock().note(who, [Event::Started { stream, birth, at, when: now() }]);
        if self.stage.cast.receivers[who].acknowledges() {
            self.hands.insert(who, Hand::new(&self.stage, who, stream, started, &self.incarnation));
        } else {
            tokens.insert(who, token);
        }
    }

    fn token(&self, who: Who, text: String) -> Option<Token> {
        let token = Token::of(text);
        if token.is_none() {
            let name = self.stage.cast.receivers[who].name();
            self.stage.books.lock().fault(format!("{name} got no token"));
        }
        token
    }

    async fn batch(
        &mut self,
        batch: Batch,
        tokens: &mut HashMap<Who, Token>,
        rng: &mut fastrand::Rng,
    ) -> Result<(), ()> {
        let Some(&who) = self.numbers.get(&batch.subscription) else {
            self.stage.books.lock().fault(format!("a batch of no subscription: {batch:?}"));
            return Ok(());
        };
        self.stage.books.lock().deliver(who, self.opened[&who], &batch);
        match self.hands.get_mut(&who) {
            None => {
                let token = self.token(who, batch.resume_token);
                tokens.extend(token.map(|token| (who, token)));
                Ok(())
            }
            Some(hand) => {
                hand.take(&batch);
                hand.say(&mut self.wire, rng).await
            }
        }
    }

    pub(crate) async fn idle(&mut self) -> Result<(), ()> {
        for hand in self.hands.values_mut() {
            hand.acknowledge_all(&mut self.wire).await?;
        }
        Ok(())
    }

    /// Those whose subscriptions have ended while the stream goes on.
    pub(crate) fn gone(&self, all: &[Who]) -> Vec<Who> {
        let gone = |who: &Who| !self.stream.is_empty() && !self.numbers.values().any(|it| it == who);
        all.iter().copied().filter(gone).collect()
    }

    /// Their numbers come with the answer: until then nothing of the stream is read.
    pub(crate) async fn add(&mut self, those: Vec<Who>, add: Vec<Subscription>) -> Result<(), Status> {
        let request = ChangeListenRequest { stream: self.stream.clone(), add, remove: Vec::new() };
        let answer = self.wire.change_listen(request).await?.into_inner();
        for (who, ChangeListenResult { outcome }) in those.into_iter().zip(answer.added) {
            match outcome {
                Some(Outcome::Subscription(number)) => drop(self.numbers.insert(number, who)),
                Some(Outcome::Error(error)) if error.code == Code::Aborted as i32 => {
                    self.stage.books.lock().note(who, [Event::Ended { stream: self.opened[&who] }]);
                }
                other => self.stage.books.lock().fault(format!("adding was answered with {other:?}")),
            }
        }
        Ok(())
    }
}
