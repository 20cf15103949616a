//! A stream that is read part by part, as the wire has it.

use super::{message::sent, within};
use eric::v1::{
    self, Batch, Delivery, Gap, GapReason, GoingAway, ListenResponse, StreamOpened, SubscriptionStarted,
};
use futures_util::{StreamExt as _, stream::BoxStream};
use std::collections::{HashMap, VecDeque};
use tonic::{Status, Streaming};

/// What a stream brings, in its order.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly every event is a delivery")]
pub(crate) enum Event {
    Gap(Gap),
    Delivery(Delivery),
    GoingAway(GoingAway),
}

/// An open Listen or Watch.
pub(crate) struct Reader {
    parts: BoxStream<'static, Result<ListenResponse, Status>>,
    pub(crate) opened: StreamOpened,
    pub(crate) started: SubscriptionStarted,
    /// Where to resume once everything is handled that was read.
    pub(crate) token: String,
    read: VecDeque<Event>,
    /// Of each delivery that was read: which attempt it is, where it was delivered before, and its generation.
    attempts: HashMap<i64, (Option<i32>, i64)>,
}

impl Reader {
    pub(crate) async fn of_listen(stream: Streaming<ListenResponse>) -> Result<Self, Status> {
        Self::open(stream.boxed()).await
    }

    pub(crate) async fn of_watch(stream: Streaming<v1::WatchResponse>) -> Result<Self, Status> {
        Self::open(stream.map(|part| part.map(as_listen)).boxed()).await
    }

    async fn open(mut parts: BoxStream<'static, Result<ListenResponse, Status>>) -> Result<Self, Status> {
        let first = within(parts.next()).await.expect("a stream says that it is open")?;
        let opened = first.opened.clone().expect("its first part says so");
        let [started] = first.started.as_slice() else { panic!("one subscription was asked for: {first:?}") };
        let (started, token) = (started.clone(), started.resume_token.clone());
        let (read, attempts) = (VecDeque::new(), HashMap::new());
        let mut reader = Self { parts, opened, started, token, read, attempts };
        reader.keep(first);
        Ok(reader)
    }

    fn keep(&mut self, part: ListenResponse) {
        part.batches.into_iter().for_each(|batch| self.keep_batch(batch));
        self.read.extend(part.going_away.map(Event::GoingAway));
        assert!(part.ended.is_empty(), "the only subscription ends with its stream");
    }

    fn keep_batch(&mut self, batch: Batch) {
        assert_eq!(batch.subscription, 1);
        assert!(!batch.resume_token.is_empty());
        for delivery in &batch.deliveries {
            let repeat = batch.repeats.iter().find(|repeat| repeat.sequence == delivery.sequence);
            let told = (repeat.map(|repeat| repeat.attempt), batch.generation);
            self.attempts.insert(delivery.sequence, told);
        }
        let within = |repeat: &v1::Attempt| batch.deliveries.iter().any(|it| it.sequence == repeat.sequence);
        assert!(batch.repeats.iter().all(within), "repeats are deliveries of their batch");
        self.read.extend(batch.gaps.into_iter().map(Event::Gap));
        self.read.extend(batch.deliveries.into_iter().map(Event::Delivery));
        self.token = batch.resume_token;
    }

    /// Which attempt the last delivery of a sequence was, where it was delivered before, and its generation.
    pub(super) fn told_of(&self, sequence: i64) -> (Option<i32>, i64) {
        self.attempts[&sequence]
    }

    /// The next part as it came; `None` at the end.
    #[track_caller]
    pub(crate) fn part(&mut self) -> impl Future<Output = Result<Option<ListenResponse>, Status>> {
        let next = within(self.parts.next());
        async move { next.await.transpose() }
    }

    /// What is next; `None` at an end with OK.
    pub(crate) async fn event(&mut self) -> Result<Option<Event>, Status> {
        loop {
            if let Some(event) = self.read.pop_front() {
                return Ok(Some(event));
            }
            match self.part().await? {
                Some(part) => self.keep(part),
                None => return Ok(None),
            }
        }
    }

    /// So many deliveries, without a gap between them.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<Delivery> {
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            match self.event().await {
                Ok(Some(Event::Delivery(delivery))) => taken.push(delivery),
                other => panic!("a delivery was expected after {}, not {other:?}", taken.len()),
            }
        }
        taken
    }

    /// One delivery.
    pub(crate) async fn one(&mut self) -> Delivery {
        self.take(1).await.remove(0)
    }

    /// A gap, which comes next.
    pub(crate) async fn gap(&mut self) -> Gap {
        match self.event().await {
            Ok(Some(Event::Gap(gap))) => gap,
            other => panic!("a gap was expected, not {other:?}"),
        }
    }

    /// A gap for this reason, of so many, if that can be known.
    pub(crate) async fn gap_of(&mut self, reason: GapReason, count: Option<i64>) -> Gap {
        let gap = self.gap().await;
        assert_eq!((gap.reason(), gap.count), (reason, count), "{gap:?}");
        gap
    }

    /// All events before a message of this type.
    pub(crate) async fn before(&mut self, kind: &str) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            match self.event().await {
                Ok(Some(Event::Delivery(last))) if sent(&last).r#type == kind => return events,
                Ok(Some(event)) => events.push(event),
                other => panic!("{kind:?} was expected after {} events, not {other:?}", events.len()),
            }
        }
    }

    /// All deliveries before a message of this type, without a gap between them.
    pub(crate) async fn deliveries_before(&mut self, kind: &str) -> Vec<Delivery> {
        self.before(kind).await.into_iter().map(delivered).collect()
    }

    /// Reads to the end: what still came, and the status it ended with; `Ok`: the stream was ended for good.
    pub(crate) async fn rest(mut self) -> (Vec<Event>, Result<(), Status>) {
        let mut events = Vec::new();
        loop {
            match self.event().await {
                Ok(Some(event)) => events.push(event),
                Ok(None) => return (events, Ok(())),
                Err(status) => return (events, Err(status)),
            }
        }
    }

    /// The status of an end that nothing comes before.
    pub(crate) async fn end(self) -> Result<(), Status> {
        let (events, end) = self.rest().await;
        assert_eq!(events, [], "nothing comes before the end");
        end
    }

    /// How a stream ended that was refused to go on.
    pub(crate) async fn failure(self) -> super::Refused {
        super::Refused::of(&self.end().await.expect_err("it does not end with OK"))
    }
}

fn as_listen(part: v1::WatchResponse) -> ListenResponse {
    assert_eq!(part.presence, [], "nobody asked for it");
    ListenResponse {
        opened: part.opened,
        started: part.started,
        batches: part.batches,
        ended: part.ended,
        going_away: part.going_away,
    }
}

#[track_caller]
pub(crate) fn delivered(event: Event) -> Delivery {
    match event {
        Event::Delivery(delivery) => delivery,
        Event::Gap(_) | Event::GoingAway(_) => panic!("a delivery was expected, not {event:?}"),
    }
}

/// How many messages the events tell of: those that came and those that are missing.
pub(crate) fn told(events: &[Event]) -> i64 {
    let of = |event: &Event| match event {
        Event::Delivery(_) => 1,
        Event::Gap(gap) => gap.count.expect("the count of this gap is known"),
        Event::GoingAway(_) => 0,
    };
    events.iter().map(of).sum()
}
