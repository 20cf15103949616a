//! The judge is judged: whatever is taken from books that are sound, or changed in them, must be told.
//!
//! Each run does it with its own books, so that no rule that grew lenient can pass a run unnoticed.

use crate::{
    books::Books,
    cast::{Cast, Mode, Receiver, Who},
    crash::Crashes,
    event::{Begins, Delivered, Event},
    flight::Flight,
    judge,
    trial::Trial,
    verdict::Faults,
};
use std::collections::HashSet;

/// What is done to the books, and where that must be told.
struct Sabotage {
    name: &'static str,
    spoil: fn(&Case<'_>) -> Option<Vec<Event>>,
    told: fn(&Faults) -> bool,
}

const SABOTAGES: [Sabotage; 6] = [
    Sabotage { name: "a lost message", spoil: |case| case.lose_last(), told: missing },
    Sabotage { name: "a silently missing message", spoil: |case| case.lose_one(), told: missing },
    Sabotage { name: "a gap that nobody said", spoil: |case| case.silence(), told: missing },
    Sabotage {
        name: "two that are swapped",
        spoil: |case| case.swap(),
        told: |faults| !faults.out_of_order.is_empty(),
    },
    Sabotage {
        name: "one that came again",
        spoil: |case| case.repeat(),
        told: |faults| !faults.other.is_empty(),
    },
    Sabotage {
        name: "a rejection that was forgotten",
        spoil: |case| case.forget(),
        told: |faults| !faults.other.is_empty(),
    },
];

fn missing(faults: &Faults) -> bool {
    !faults.lost.is_empty() || !faults.unannounced.is_empty()
}

/// How often it was tried, and where it was not told.
#[derive(Debug, Default)]
pub(crate) struct Proof {
    pub(crate) tried: [usize; SABOTAGES.len()],
    pub(crate) untold: Vec<String>,
}

impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tried = SABOTAGES.iter().zip(self.tried).map(|(it, tried)| format!("{} {tried}", it.name));
        write!(f, "the checker finds: {}", tried.collect::<Vec<_>>().join(", "))
    }
}

pub(crate) fn prove(cast: &Cast, books: &Books) -> Proof {
    let mut proof = Proof::default();
    for who in 0..cast.receivers.len() {
        let faults = judge::try_one(cast, books, who);
        if !faults.none() || faults.in_doubt > 0 {
            continue;
        }
        let case = Case::new(cast, books, who);
        for (place, sabotage) in SABOTAGES.iter().enumerate() {
            let Some(events) = (sabotage.spoil)(&case) else { continue };
            proof.tried[place] += 1;
            if !(sabotage.told)(&Trial::new(who, cast, books, &events).hold()) {
                proof.untold.push(format!("{}: {} is not told", case.receiver.name(), sabotage.name));
            }
        }
    }
    proof
}

struct Case<'a> {
    receiver: &'a Receiver,
    events: &'a [Event],
    crashes: Crashes,
    meant: Vec<i64>,
    came: HashSet<i64>,
    /// What gaps cover, in rising order: from behind the one to the other.
    told: Vec<(i64, i64)>,
    /// Nothing up to here need come: it was meant for another life, or may have been in flight.
    excused: i64,
}

/// A long run tells of thousands, and of each again and again.
fn told(events: &[Event]) -> Vec<(i64, i64)> {
    let mut gaps: Vec<_> = events.iter().filter_map(Event::gap).map(|gap| (gap.after, gap.through)).collect();
    gaps.sort_unstable();
    gaps.dedup_by(|next, last| {
        let joined = next.0 <= last.1;
        if joined {
            last.1 = last.1.max(next.1);
        }
        joined
    });
    gaps
}

impl<'a> Case<'a> {
    fn new(cast: &'a Cast, books: &'a Books, who: Who) -> Self {
        let (receiver, events) = (&cast.receivers[who], &books.events[who][..]);
        let came = events.iter().filter_map(Event::delivered).map(|delivered| delivered.sequence).collect();
        let excused = excused(events, receiver);
        let meant = books.meant_for(who, receiver).into_keys().filter(|it| *it > excused).collect();
        Self { receiver, events, crashes: Crashes::of(events), meant, came, told: told(events), excused }
    }

    fn without(&self, message: i64) -> Vec<Event> {
        self.events.iter().filter(|event| !event.concerns(message)).copied().collect()
    }

    fn in_a_gap(&self, message: i64) -> bool {
        let next = self.told.partition_point(|(_, through)| *through < message);
        self.told.get(next).is_some_and(|(after, _)| *after < message)
    }

    /// Those that came, and are in no gap.
    fn plain(&self) -> impl DoubleEndedIterator<Item = i64> {
        self.meant.iter().copied().filter(|it| self.came.contains(it) && !self.in_a_gap(*it))
    }

    fn lose_last(&self) -> Option<Vec<Event>> {
        self.plain().next_back().filter(|_| self.receiver.stays()).map(|message| self.without(message))
    }

    fn lose_one(&self) -> Option<Vec<Event>> {
        let all: Vec<_> = self.plain().collect();
        // the last of one that left may be missing
        let all = &all[..all.len().checked_sub(1)?];
        all.get(all.len() / 2).map(|message| self.without(*message))
    }

    fn silence(&self) -> Option<Vec<Event>> {
        let furthest = self.came.iter().max()?;
        let mut in_gaps = self.meant.iter().filter(|it| !self.came.contains(it) && *it < furthest);
        in_gaps.next().map(|message| self.without(*message))
    }

    /// Two that came one after the other for the first time.
    fn swap(&self) -> Option<Vec<Event>> {
        let neighbours = |pair: &[Event]| {
            let (Event::Delivered(one), Event::Delivered(two)) = (pair[0], pair[1]) else { return false };
            one.stream == two.stream
                && one.generation == two.generation
                && one.attempt + two.attempt == 0
                && one.sequence > self.excused
        };
        let place = self.events.windows(2).position(neighbours)?;
        let mut events = self.events.to_vec();
        events.swap(place, place + 1);
        Some(events)
    }

    /// Acknowledged, or delivered where that is the same, and delivered once more on a new stream.
    fn repeat(&self) -> Option<Vec<Event>> {
        let first = if self.receiver.acknowledges() { self.acknowledged()? } else { self.passed()? };
        Some(self.once_more(first))
    }

    /// Rejected, and delivered on a new stream as if it had not been.
    fn forget(&self) -> Option<Vec<Event>> {
        let acknowledging = |message| {
            let about =
                |event: &Event| matches!(event, Event::Acknowledging { sequence } if *sequence == message);
            self.events.iter().any(about)
        };
        let firm = |(message, gone): &(i64, bool)| *gone || self.crashes.none() || !acknowledging(*message);
        let (message, _) = self.events.iter().filter_map(Event::failed).find(firm)?;
        let first = self.events.iter().filter_map(Event::delivered).find(|it| it.sequence == message)?;
        Some(self.once_more(*first))
    }

    fn once_more(&self, first: Delivered) -> Vec<Event> {
        let mut events = self.events.to_vec();
        let (stream, begins) = (u32::MAX, Begins::Afresh);
        events.push(Event::Opened { stream, begins });
        events.push(Event::Delivered(Delivered { stream, attempt: 1, ..first }));
        events
    }

    /// One that is acknowledged for good, and no crash may bring it again.
    fn acknowledged(&self) -> Option<Delivered> {
        let mut all = self.events.iter().enumerate();
        let safe = |place, when| !self.crashes.may_forget((place, when), usize::MAX);
        let (message, _) =
            all.find_map(|(place, event)| event.acknowledged().filter(|(_, when)| safe(place, *when)))?;
        self.events.iter().filter_map(Event::delivered).find(|it| it.sequence == message).copied()
    }

    /// The same of one for whom delivered is enough.
    fn passed(&self) -> Option<Delivered> {
        let opened = |it: &Delivered| {
            let opens = |event: &Event| matches!(event, Event::Opened { stream, .. } if *stream == it.stream);
            self.events.iter().position(opens).unwrap_or_default()
        };
        let safe = |it: &&Delivered| !self.crashes.may_forget((opened(it), it.when), usize::MAX);
        let last = |message| {
            let came = |it: &&Delivered| it.sequence == message;
            self.events.iter().filter_map(Event::delivered).rfind(came).filter(safe)
        };
        self.plain().find_map(last).copied()
    }
}

/// Up to where the promises allow that something that waits does not come.
fn excused(events: &[Event], receiver: &Receiver) -> i64 {
    let mut flight = Flight::new(receiver);
    let (watches, mut afresh) = (receiver.mode == Mode::Watcher, HashSet::new());
    let mut excuse = |event: &Event| match *event {
        Event::Born { birth } => birth,
        Event::HandedOver { through } => {
            flight.handed_over(through);
            0
        }
        Event::Opened { stream, begins } => {
            flight.opened(stream, begins);
            afresh.extend((watches && matches!(begins, Begins::Afresh)).then_some(stream));
            0
        }
        Event::Ended { stream } => {
            flight.ended(stream);
            0
        }
        Event::Started { stream, birth, at, .. } => {
            let life = if receiver.fleeting() { birth } else { 0 };
            let before = if afresh.contains(&stream) { at } else { 0 };
            flight.may_lose(stream, at).unwrap_or_default().max(life).max(before)
        }
        Event::Delivered(_)
        | Event::Gap(_)
        | Event::Acknowledging { .. }
        | Event::Acknowledged { .. }
        | Event::NotCovered { .. }
        | Event::Rewound { .. }
        | Event::Failed { .. }
        | Event::Purged { .. }
        | Event::Killed { .. } => 0,
    };
    events.iter().map(&mut excuse).max().unwrap_or_default()
}
