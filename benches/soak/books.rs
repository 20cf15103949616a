//! What is written down: what was accepted, and what each receiver saw and said.

use crate::{
    cast::{Mode, Receiver, Who},
    event::{Begins, Delivered, Event, Gap, Name, Stream, now},
};
use eric::v1::{Batch, Delivery, message::Payload};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A message that was accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accepted {
    pub(crate) name: Name,
    /// The listener; `None`: everybody.
    pub(crate) to: Option<&'static str>,
    pub(crate) kind: &'static str,
    /// It may expire.
    pub(crate) ttl: bool,
}

impl Accepted {
    /// Whether it is meant for a receiver of its channel.
    fn is_for(&self, receiver: &Receiver) -> bool {
        self.to.is_none_or(|to| to == receiver.listener) && receiver.only.is_none_or(|only| only == self.kind)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) refused: u64,
    pub(crate) duplicates: u64,
    pub(crate) unknown: u64,
    pub(crate) streams: u64,
    pub(crate) pulls: u64,
    pub(crate) rejected: u64,
    pub(crate) extended: u64,
    pub(crate) cut: u64,
    pub(crate) stalls: u64,
    pub(crate) stops: u64,
    pub(crate) purges: u64,
    pub(crate) removals: u64,
    pub(crate) guests: u64,
    pub(crate) looks: u64,
    pub(crate) taken_over: u64,
    pub(crate) crashes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Books {
    /// By channel and sequence.
    pub(crate) accepted: HashMap<(&'static str, i64), Accepted>,
    sequences: HashMap<Name, i64>,
    /// What has two places.
    twice: Vec<(&'static str, Accepted, i64, i64)>,
    /// Sent to a listener that is removed now and then, and it was never learnt whether it was accepted.
    pub(crate) unknown: HashSet<Name>,
    pub(crate) events: Vec<Vec<Event>>,
    /// What came to a dead letter listener, by itself and the sequence there: the listener and the sequence it came from.
    pub(crate) buried: HashMap<(Who, i64), (String, i64)>,
    /// The same, as an answer to a rejection has told it.
    pub(crate) told_buried: HashMap<(Who, i64), i64>,
    /// What GetListener said of the messages that were lost, at the end.
    pub(crate) lost: HashMap<Who, i64>,
    /// When the fleeting listeners were registered again.
    births: HashMap<(&'static str, &'static str), Vec<i64>>,
    pub(crate) faults: Vec<String>,
    pub(crate) figures: Figures,
    streams: Stream,
}

#[derive(Debug)]
pub(crate) struct Shelf(Mutex<Books>);

impl Shelf {
    pub(crate) fn new(receivers: usize) -> Self {
        Self(Mutex::new(Books::of(receivers)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    pub(crate) fn of(receivers: usize) -> Self {
        Self { events: vec![Vec::new(); receivers], ..Self::default() }
    }

    pub(crate) fn fault(&mut self, fault: String) {
        self.faults.push(fault);
    }

    /// A message has this place, as a receipt says.
    pub(crate) fn accept(&mut self, channel: &'static str, sequence: i64, accepted: Accepted) {
        let first = *self.sequences.entry(accepted.name).or_insert(sequence);
        if first != sequence {
            self.twice.push((channel, accepted, first.min(sequence), first.max(sequence)));
        }
        let there = self.accepted.entry((channel, sequence)).or_insert(accepted);
        if there.name != accepted.name {
            let (one, other) = (there.name, accepted.name);
            self.fault(format!("{channel}: {sequence} is the place of {one:?} and of {other:?}"));
        }
    }

    /// "Retry with the same message id and it is accepted once"; but "a listener that was removed and registered again under
    /// the same id is another one".
    pub(crate) fn accepted_twice(&self) -> impl Iterator<Item = String> {
        let another = |channel, to, first, second| {
            let births = self.births.get(&(channel, to)).into_iter().flatten();
            births.into_iter().any(|birth| (first..second).contains(birth))
        };
        let wrong = self.twice.iter().filter(move |(channel, accepted, first, second)| {
            !accepted.to.is_some_and(|to| another(*channel, to, *first, *second))
        });
        wrong.map(|(channel, accepted, first, second)| {
            format!("{channel}: {accepted:?} was accepted twice, as {first} and as {second}")
        })
    }

    pub(crate) fn open(&mut self, who: Who, begins: Begins) -> Stream {
        self.streams += 1;
        let stream = self.streams;
        self.events[who].push(Event::Opened { stream, begins });
        stream
    }

    pub(crate) fn born(&mut self, who: Who, receiver: &Receiver, birth: i64) {
        self.births.entry((receiver.channel, receiver.listener)).or_default().push(birth);
        self.events[who].push(Event::Born { birth });
    }

    /// Whether a fleeting listener was registered then.
    pub(crate) fn is_born(&self, receiver: &Receiver, birth: i64) -> bool {
        let births = self.births.get(&(receiver.channel, receiver.listener));
        births.is_some_and(|births| births.contains(&birth))
    }

    /// What a batch brings.
    pub(crate) fn deliver(&mut self, who: Who, stream: Stream, batch: &Batch) {
        let (generation, when) = (batch.generation, now());
        for gap in &batch.gaps {
            let (after, through) = (gap.after_sequence, gap.through_sequence);
            let (reason, count) = (gap.reason(), gap.count);
            self.events[who].push(Event::Gap(Gap {
                stream,
                generation,
                reason,
                after,
                through,
                count,
                when,
            }));
        }
        for delivery in &batch.deliveries {
            let sequence = delivery.sequence;
            let repeat = batch.repeats.iter().find(|repeat| repeat.sequence == sequence);
            let Some(name) = name(delivery) else {
                self.fault(format!("{sequence} is no message of ours: {delivery:?}"));
                continue;
            };
            if let Some(dead) = &delivery.dead_letter {
                self.buried.insert((who, sequence), (dead.listener.clone(), dead.sequence));
            }
            let attempt = repeat.map_or(0, |repeat| repeat.attempt);
            let delivered = Delivered { stream, generation, sequence, name, attempt, when };
            self.events[who].push(Event::Delivered(delivered));
        }
    }

    /// What was accepted for a receiver, by its place. Of a dead letter listener, what is known of what came there.
    pub(crate) fn meant_for(&self, who: Who, receiver: &Receiver) -> BTreeMap<i64, Accepted> {
        if receiver.mode == Mode::DeadLetters {
            return self.buried_at(who, receiver.channel);
        }
        let here = self.accepted.iter().filter(|((channel, _), _)| *channel == receiver.channel);
        let hears = here.filter(|(_, accepted)| accepted.is_for(receiver));
        hears.map(|((_, sequence), accepted)| (*sequence, *accepted)).collect()
    }

    fn buried_at(&self, who: Who, channel: &'static str) -> BTreeMap<i64, Accepted> {
        let came = self.buried.iter().map(|((dead, sequence), (_, from))| (*dead, *sequence, *from));
        let told = self.told_buried.iter().map(|((dead, sequence), from)| (*dead, *sequence, *from));
        let here = came.chain(told).filter(|(dead, ..)| *dead == who);
        here.filter_map(|(_, sequence, from)| Some((sequence, *self.accepted.get(&(channel, from))?)))
            .collect()
    }

    pub(crate) fn note(&mut self, who: Who, events: impl IntoIterator<Item = Event>) {
        self.events[who].extend(events);
    }
}

pub(crate) fn payload((sender, number): Name) -> Payload {
    Payload::Json(format!("[{sender},{number}]"))
}

fn name(delivery: &Delivery) -> Option<Name> {
    match delivery.message.as_ref()?.payload.as_ref()? {
        Payload::Json(text) => {
            let (sender, number) = text.strip_prefix('[')?.strip_suffix(']')?.split_once(',')?;
            Some((sender.parse().ok()?, number.parse().ok()?))
        }
        Payload::Binary(_) | Payload::Value(_) => None,
    }
}
