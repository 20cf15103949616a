//! Clients on streams: alone, many on one, for long or for a short visit, with or without what they knew before.

use crate::{
    cast::{Habit, Mode, Who},
    event::{Begins, Event},
    road::{Wire, broken},
    stage::Stage,
    visit::{Token, Visit},
};
use eric::v1::{
    Credit, GetListenerRequest, ListenRequest, ListenResponse, Subscription, TakeOver, WatchRequest,
    WatchResponse, WatchSubscription,
};
use futures_util::{StreamExt as _, stream::LocalBoxStream};
use std::{collections::HashMap, rc::Rc, time::Duration};
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

/// Nothing came for so long: what is in hand is acknowledged.
const IDLE: Duration = Duration::from_millis(20);

type Parts = LocalBoxStream<'static, Result<ListenResponse, Status>>;

/// One client, which opens one stream after the other.
pub(crate) struct Client {
    stage: Rc<Stage>,
    all: Vec<Who>,
    rng: fastrand::Rng,
    /// By receiver, where it goes on.
    tokens: HashMap<Who, Token>,
    session: String,
    /// It is there only to disturb, and not in the calm.
    leaves: bool,
}

impl Client {
    pub(crate) fn new(stage: &Rc<Stage>, all: Vec<Who>, number: u64) -> Self {
        let session = format!("session-{number}");
        let (stage, rng) = (Rc::clone(stage), stage.rng(number));
        Self { stage, all, rng, tokens: HashMap::new(), session, leaves: false }
    }

    /// Always there, until everything has arrived.
    pub(crate) async fn run(mut self) {
        while !self.stage.done() {
            let most = 1 + self.rng.usize(..400);
            self.visit(most).await;
            sleep(Duration::from_millis(self.rng.u64(..60))).await;
        }
    }

    /// Takes over whoever it is, reads a little and goes.
    pub(crate) async fn disturb(mut self) {
        let those = self.all.clone();
        self.leaves = true;
        while !self.stage.calm() {
            sleep(Duration::from_millis(self.rng.u64(50..400))).await;
            self.all = vec![those[self.rng.usize(..those.len())]];
            self.session = format!("rival-{}", self.rng.u32(..));
            let most = 1 + self.rng.usize(..6);
            self.visit(most).await;
        }
    }

    /// Wants its listener again and again, and goes on where it was.
    pub(crate) async fn fight(mut self) {
        self.leaves = true;
        while !self.stage.calm() {
            sleep(Duration::from_millis(self.rng.u64(20..200))).await;
            let most = 1 + self.rng.usize(..40);
            self.visit(most).await;
        }
    }

    async fn visit(&mut self, most: usize) {
        let Ok(wire) = self.stage.roads.any(&mut self.rng).await else { return };
        let Some((mut visit, mut parts)) = self.open(wire).await else { return };
        let mut read = 0;
        // in the calm nobody leaves, but for those who only disturb
        while self.stays(read < most) {
            match timeout(IDLE, parts.next()).await {
                Err(_) => {
                    if self.idle(&mut visit).await.is_err() {
                        return;
                    }
                }
                Ok(None) => return visit.ended(),
                Ok(Some(Err(status))) => {
                    if !broken(&status) {
                        visit.ended();
                    }
                    return self.refused(&status);
                }
                Ok(Some(Ok(part))) => {
                    read += 1;
                    if visit.part(part, &mut self.tokens, &mut self.rng).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn stays(&self, wants: bool) -> bool {
        if self.leaves {
            wants && !self.stage.calm()
        } else {
            (wants || self.stage.calm()) && !self.stage.done()
        }
    }

    async fn open(&mut self, mut wire: Wire) -> Option<(Visit, Parts)> {
        self.forget(&mut wire).await;
        let mut visit = Visit::new(&self.stage, wire.clone());
        self.stage.books.lock().figures.streams += 1;
        for (number, who) in (1..).zip(self.all.iter().copied()) {
            visit.begin(who, self.begins(who));
            visit.numbers.insert(number, who);
        }
        let watches = self.stage.cast.receivers[self.all[0]].mode == Mode::Watcher;
        let parts = if watches { self.watch(&mut wire).await } else { self.listen(&mut wire).await };
        match parts {
            Ok(parts) => Some((visit, parts)),
            Err(status) => {
                // a call that was refused has handed over nothing
                if !broken(&status) {
                    visit.ended();
                }
                self.refused(&status);
                None
            }
        }
    }

    /// Some come back without their token, and ask before how much they were handed over.
    async fn forget(&mut self, wire: &mut Wire) {
        for &who in self.all.iter().filter(|who| self.stage.cast.receivers[**who].habit == Habit::Forgets) {
            self.tokens.remove(&who);
            let receiver = &self.stage.cast.receivers[who];
            let (channel, listener) = (receiver.channel.to_owned(), receiver.listener.to_owned());
            let Ok(answer) = wire.get_listener(GetListenerRequest { channel, listener }).await else {
                continue;
            };
            let listener = answer.into_inner().listener.filter(|listener| !listener.connected);
            let event = listener.map(|listener| Event::HandedOver { through: listener.passed_sequence });
            self.stage.books.lock().note(who, event);
        }
    }

    fn begins(&self, who: Who) -> Begins {
        self.tokens.get(&who).map_or(Begins::Afresh, |token| Begins::Behind(token.sequence))
    }

    fn token(&self, who: Who) -> String {
        self.tokens.get(&who).map(|token| token.text.clone()).unwrap_or_default()
    }

    async fn listen(&mut self, wire: &mut Wire) -> Result<Parts, Status> {
        let subscriptions = self.all.clone().into_iter().map(|who| self.subscription(who)).collect();
        let request = ListenRequest { subscriptions, max_response_bytes: 0 };
        Ok(wire.listen(request).await?.into_inner().boxed_local())
    }

    fn subscription(&mut self, who: Who) -> Subscription {
        let receiver = &self.stage.cast.receivers[who];
        let credit =
            Credit { max_unacknowledged_messages: self.rng.i32(4..100), max_unacknowledged_bytes: 0 };
        let take_over = if self.rng.bool() { TakeOver::Always } else { TakeOver::Unspecified };
        Subscription {
            channel: receiver.channel.to_owned(),
            listener: receiver.listener.to_owned(),
            resume_token: self.token(who),
            credit: receiver.acknowledges().then_some(credit),
            types: receiver.only.into_iter().map(str::to_owned).collect(),
            session: self.session.clone(),
            take_over: take_over.into(),
        }
    }

    async fn watch(&self, wire: &mut Wire) -> Result<Parts, Status> {
        let subscription = |who: &Who| WatchSubscription {
            channel: self.stage.cast.receivers[*who].channel.to_owned(),
            resume_token: self.token(*who),
            // before the first token that is the same as from the start
            start_at: eric::v1::StartAt::Oldest.into(),
            types: Vec::new(),
        };
        let subscriptions = self.all.iter().map(subscription).collect();
        let request = WatchRequest { subscriptions, max_response_bytes: 0, presence: false };
        Ok(wire.watch(request).await?.into_inner().map(|part| part.map(as_listen)).boxed_local())
    }

    /// A stream ended with an error, or was not begun.
    fn refused(&self, status: &Status) {
        let removed = status.code() == Code::NotFound && self.all.iter().any(|who| self.fleeting(*who));
        let mut books = self.stage.books.lock();
        if status.code() == Code::Aborted {
            books.figures.taken_over += 1;
        } else if !broken(status) && !removed {
            let names: Vec<_> = self.all.iter().map(|who| self.stage.cast.receivers[*who].name()).collect();
            books.fault(format!("a stream of {names:?} ended with {status:?}"));
        }
    }

    fn fleeting(&self, who: Who) -> bool {
        self.stage.cast.receivers[who].fleeting()
    }

    async fn idle(&mut self, visit: &mut Visit) -> Result<(), ()> {
        visit.idle().await?;
        // those that were taken over or stopped come back to their stream
        let gone = visit.gone(&self.all);
        if gone.is_empty() {
            return Ok(());
        }
        let add = gone.iter().map(|who| self.subscription(*who)).collect();
        gone.iter().for_each(|who| visit.begin(*who, self.begins(*who)));
        visit.add(gone, add).await.map_err(|status| {
            // the stream may have ended meanwhile
            if status.code() != Code::NotFound {
                self.refused(&status);
            }
        })
    }
}

fn as_listen(part: WatchResponse) -> ListenResponse {
    ListenResponse {
        opened: part.opened,
        started: part.started,
        batches: part.batches,
        ended: part.ended,
        going_away: part.going_away,
    }
}
