//! Receivers on streams: alone, many on one, for long or for a short visit.

use crate::{
    books::Stream,
    cast::{Mode, Receiver, Who},
    hand::Hand,
    road::Wire,
    send::broken,
    stage::Stage,
};
use eric::v1::{
    Batch, ChangeListenRequest, Credit, ListenRequest, ListenResponse, Subscription, SubscriptionStarted,
    TakeOver, WatchRequest, WatchResponse, WatchSubscription,
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
    tokens: HashMap<Who, String>,
    session: String,
    rival: bool,
}

/// A stream that is open.
struct Visit {
    parts: Parts,
    wire: Wire,
    stream: String,
    incarnation: String,
    /// The books' number of each receiver's stream.
    opened: HashMap<Who, Stream>,
    numbers: HashMap<i32, Who>,
    hands: HashMap<Who, Hand>,
}

impl Client {
    pub(crate) fn new(stage: &Rc<Stage>, all: Vec<Who>, number: u64) -> Self {
        let session = format!("session-{number}");
        let (stage, rng) = (Rc::clone(stage), stage.rng(number));
        Self { stage, all, rng, tokens: HashMap::new(), session, rival: false }
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
    pub(crate) async fn disturb(mut self, those: Vec<Who>) {
        self.rival = true;
        while !self.stage.calm() {
            sleep(Duration::from_millis(self.rng.u64(50..400))).await;
            self.all = vec![those[self.rng.usize(..those.len())]];
            self.session = format!("rival-{}", self.rng.u32(..));
            let most = 1 + self.rng.usize(..6);
            self.visit(most).await;
        }
    }

    async fn visit(&mut self, most: usize) {
        let Ok(wire) = self.stage.roads.any(&mut self.rng).await else { return };
        let Some(mut visit) = self.open(wire).await else { return };
        let mut read = 0;
        // in the calm nobody leaves, but for those who only disturb
        while self.stays(read < most) {
            match timeout(IDLE, visit.parts.next()).await {
                Err(_) => {
                    if self.idle(&mut visit).await.is_err() {
                        return;
                    }
                }
                Ok(None) => return,
                Ok(Some(Err(status))) => return self.ended(&status),
                Ok(Some(Ok(part))) => {
                    read += 1;
                    if self.part(&mut visit, part).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn stays(&self, wants: bool) -> bool {
        if self.rival {
            wants && !self.stage.calm()
        } else {
            (wants || self.stage.calm()) && !self.stage.done()
        }
    }

    async fn open(&mut self, mut wire: Wire) -> Option<Visit> {
        let opened: HashMap<_, _> = {
            let mut books = self.stage.books.lock();
            books.figures.streams += 1;
            self.all.iter().map(|&who| (who, books.open(who, false))).collect()
        };
        let numbers = (1..).zip(self.all.iter().copied()).collect();
        let watches = self.stage.cast.receivers[self.all[0]].mode == Mode::Watcher;
        let parts = if watches { self.watch(&mut wire).await } else { self.listen(&mut wire).await };
        match parts {
            Ok(parts) => {
                let (stream, incarnation, hands) = Default::default();
                Some(Visit { parts, wire, stream, incarnation, opened, numbers, hands })
            }
            Err(status) => {
                self.ended(&status);
                None
            }
        }
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
            resume_token: self.tokens.get(&who).cloned().unwrap_or_default(),
            credit: receiver.acknowledges().then_some(credit),
            types: receiver.only.into_iter().map(str::to_owned).collect(),
            session: self.session.clone(),
            take_over: take_over.into(),
        }
    }

    async fn watch(&self, wire: &mut Wire) -> Result<Parts, Status> {
        let subscription = |who: &Who| WatchSubscription {
            channel: self.stage.cast.receivers[*who].channel.to_owned(),
            resume_token: self.tokens.get(who).cloned().unwrap_or_default(),
            // before the first token that is the same as from the start
            start_at: eric::v1::StartAt::Oldest.into(),
            types: Vec::new(),
        };
        let subscriptions = self.all.iter().map(subscription).collect();
        let request = WatchRequest { subscriptions, max_response_bytes: 0, presence: false };
        Ok(wire.watch(request).await?.into_inner().map(|part| part.map(as_listen)).boxed_local())
    }

    fn ended(&self, status: &Status) {
        let mut books = self.stage.books.lock();
        if status.code() == Code::Aborted {
            books.figures.taken_over += 1;
        } else if !broken(status) {
            books.fault(format!("a stream of {:?} ended with {status:?}", self.names()));
        }
    }

    fn names(&self) -> Vec<String> {
        self.all.iter().map(|who| self.stage.cast.receivers[*who].name()).collect()
    }

    async fn part(&mut self, visit: &mut Visit, part: ListenResponse) -> Result<(), ()> {
        if let Some(opened) = part.opened {
            (visit.stream, visit.incarnation) = (opened.stream, opened.incarnation);
        }
        part.started.iter().for_each(|started| self.started(visit, started));
        for batch in part.batches {
            self.batch(visit, batch).await?;
        }
        for ended in part.ended {
            if let Some(who) = visit.numbers.remove(&ended.subscription) {
                visit.hands.remove(&who);
                let mut books = self.stage.books.lock();
                books.figures.taken_over += u64::from(ended.status.is_some_and(|status| status.code != 0));
            }
        }
        Ok(())
    }

    fn started(&mut self, visit: &mut Visit, started: &SubscriptionStarted) {
        let Some(&who) = visit.numbers.get(&started.subscription) else { return };
        let receiver = &self.stage.cast.receivers[who];
        if receiver.acknowledges() {
            let stream = visit.opened[&who];
            visit.hands.insert(who, Hand::new(&self.stage, who, stream, started, &visit.incarnation));
        } else {
            self.tokens.insert(who, started.resume_token.clone());
        }
    }

    async fn batch(&mut self, visit: &mut Visit, batch: Batch) -> Result<(), ()> {
        let Some(&who) = visit.numbers.get(&batch.subscription) else {
            self.stage.books.lock().fault(format!("a batch of no subscription: {batch:?}"));
            return Ok(());
        };
        self.stage.books.lock().deliver(who, visit.opened[&who], &batch);
        match visit.hands.get_mut(&who) {
            None => {
                self.tokens.insert(who, batch.resume_token);
                Ok(())
            }
            Some(hand) => {
                hand.take(&batch);
                hand.say(&mut visit.wire, &mut self.rng).await
            }
        }
    }

    async fn idle(&mut self, visit: &mut Visit) -> Result<(), ()> {
        for hand in visit.hands.values_mut() {
            hand.acknowledge_all(&mut visit.wire).await?;
        }
        self.add_again(visit).await
    }

    /// Those that were taken over or stopped come back to their stream.
    async fn add_again(&mut self, visit: &mut Visit) -> Result<(), ()> {
        let gone = |who: &Who| !visit.numbers.values().any(|it| it == who);
        let gone: Vec<_> = self.all.iter().copied().filter(gone).collect();
        if gone.is_empty() || visit.stream.is_empty() {
            return Ok(());
        }
        // their numbers come with the answer: until then nothing of the stream is read
        let add = gone.iter().map(|who| self.subscription(*who)).collect();
        for &who in &gone {
            let stream = self.stage.books.lock().open(who, false);
            visit.opened.insert(who, stream);
        }
        let request = ChangeListenRequest { stream: visit.stream.clone(), add, remove: Vec::new() };
        let answer = visit.wire.change_listen(request).await.map_err(|status| {
            // the stream may have ended meanwhile
            if status.code() != Code::NotFound {
                self.ended(&status);
            }
        })?;
        for (who, result) in gone.into_iter().zip(answer.into_inner().added) {
            use eric::v1::change_listen_result::Outcome;
            match result.outcome {
                Some(Outcome::Subscription(number)) => drop(visit.numbers.insert(number, who)),
                Some(Outcome::Error(error)) if error.code == Code::Aborted as i32 => {}
                other => self.stage.books.lock().fault(format!("adding was answered with {other:?}")),
            }
        }
        Ok(())
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

impl Receiver {
    pub(crate) fn name(&self) -> String {
        let listener = if self.listener.is_empty() { "a watcher" } else { self.listener };
        format!("{}/{listener}", self.channel)
    }
}
