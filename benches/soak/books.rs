//! What is written down: what was accepted, and what each receiver saw and said, in the order of the clients' one thread.

use crate::cast::{Mode, Receiver, Who};
use eric::v1::{Batch, Delivery, GapReason, message::Payload};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Names a message: its sender, and its number there.
pub(crate) type Name = (u32, u32);
/// Names a stream of a receiver.
pub(crate) type Stream = u32;

/// A message that was accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accepted {
    pub(crate) name: Name,
    /// `None`: everybody.
    pub(crate) to: Option<Who>,
    pub(crate) kind: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivered {
    pub(crate) stream: Stream,
    pub(crate) generation: i64,
    pub(crate) sequence: i64,
    pub(crate) name: Name,
    /// It was said to have been delivered before.
    pub(crate) repeat: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    pub(crate) stream: Stream,
    pub(crate) generation: i64,
    pub(crate) reason: GapReason,
    pub(crate) after: i64,
    pub(crate) through: i64,
    pub(crate) count: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A stream is about to be asked for. `pulled`: it may go on where another stood.
    Opened {
        stream: Stream,
        pulled: bool,
    },
    Delivered(Delivered),
    Gap(Gap),
    /// An acknowledgement is about to be sent.
    Acknowledging {
        sequence: i64,
    },
    /// It was answered, and covers the message.
    Acknowledged {
        stream: Stream,
        sequence: i64,
    },
    /// It was answered, and did not cover the message.
    NotCovered {
        sequence: i64,
    },
    /// The answer to a rejection said that it never comes again. Its gap may be acknowledged before a stream says it.
    Buried {
        sequence: i64,
    },
}

impl Event {
    /// Whether it says anything of a message.
    pub(crate) fn concerns(&self, message: i64) -> bool {
        match self {
            Self::Opened { .. } => false,
            Self::Delivered(delivered) => delivered.sequence == message,
            Self::Gap(gap) => (gap.after + 1..=gap.through).contains(&message),
            Self::Acknowledging { sequence }
            | Self::Acknowledged { sequence, .. }
            | Self::NotCovered { sequence }
            | Self::Buried { sequence } => *sequence == message,
        }
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
    pub(crate) cut: u64,
    pub(crate) stalls: u64,
    pub(crate) stops: u64,
    pub(crate) purges: u64,
    pub(crate) looks: u64,
    pub(crate) taken_over: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Books {
    /// By channel and sequence.
    pub(crate) accepted: HashMap<(&'static str, i64), Accepted>,
    sequences: HashMap<Name, i64>,
    pub(crate) events: Vec<Vec<Event>>,
    /// What came to a dead letter listener, by itself and the sequence there: the listener and the sequence it came from.
    pub(crate) buried: HashMap<(Who, i64), (String, i64)>,
    /// The same, as an answer to a rejection has told it.
    pub(crate) told_buried: HashMap<(Who, i64), i64>,
    /// What GetListener said of the messages that were lost, at the end.
    pub(crate) lost: HashMap<Who, i64>,
    pub(crate) faults: Vec<String>,
    pub(crate) figures: Figures,
    streams: Stream,
}

#[derive(Debug)]
pub(crate) struct Shelf(Mutex<Books>);

impl Shelf {
    pub(crate) fn new(receivers: usize) -> Self {
        Self(Mutex::new(Books { events: vec![Vec::new(); receivers], ..Books::default() }))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    pub(crate) fn fault(&mut self, fault: String) {
        self.faults.push(fault);
    }

    /// A message has this place, as a receipt says.
    pub(crate) fn accept(&mut self, channel: &'static str, sequence: i64, accepted: Accepted) {
        let first = *self.sequences.entry(accepted.name).or_insert(sequence);
        if first != sequence {
            let name = accepted.name;
            self.fault(format!("{channel}: {name:?} was accepted twice, as {first} and as {sequence}"));
        }
        let there = self.accepted.entry((channel, sequence)).or_insert(accepted);
        if there.name != accepted.name {
            let (one, other) = (there.name, accepted.name);
            self.fault(format!("{channel}: {sequence} is the place of {one:?} and of {other:?}"));
        }
    }

    pub(crate) fn open(&mut self, who: Who, pulled: bool) -> Stream {
        self.streams += 1;
        let stream = self.streams;
        self.events[who].push(Event::Opened { stream, pulled });
        stream
    }

    /// What a batch brings.
    pub(crate) fn deliver(&mut self, who: Who, stream: Stream, batch: &Batch) {
        for gap in &batch.gaps {
            let (after, through, generation) = (gap.after_sequence, gap.through_sequence, batch.generation);
            let (reason, count) = (gap.reason(), gap.count);
            self.events[who].push(Event::Gap(Gap { stream, generation, reason, after, through, count }));
        }
        for delivery in &batch.deliveries {
            let sequence = delivery.sequence;
            let repeat = batch.repeats.iter().any(|repeat| repeat.sequence == sequence);
            let Some(name) = name(delivery) else {
                self.fault(format!("{sequence} is no message of ours: {delivery:?}"));
                continue;
            };
            if let Some(dead) = &delivery.dead_letter {
                self.buried.insert((who, sequence), (dead.listener.clone(), dead.sequence));
            }
            let generation = batch.generation;
            self.events[who].push(Event::Delivered(Delivered { stream, generation, sequence, name, repeat }));
        }
    }

    /// What was accepted for a receiver, by its place. Of a dead letter listener, what is known of what came there.
    pub(crate) fn meant_for(&self, who: Who, receiver: &Receiver) -> BTreeMap<i64, Accepted> {
        if receiver.mode == Mode::DeadLetters {
            return self.buried_at(who, receiver.channel);
        }
        let hears = |accepted: &Accepted| {
            accepted.to.is_none_or(|to| to == who) && receiver.only.is_none_or(|only| only == accepted.kind)
        };
        let of = self.accepted.iter().filter(|((channel, _), it)| *channel == receiver.channel && hears(it));
        of.map(|((_, sequence), accepted)| (*sequence, *accepted)).collect()
    }

    fn buried_at(&self, who: Who, channel: &'static str) -> BTreeMap<i64, Accepted> {
        let came = self.buried.iter().map(|((dead, sequence), (_, from))| (*dead, *sequence, *from));
        let told = self.told_buried.iter().map(|((dead, sequence), from)| (*dead, *sequence, *from));
        let here = came.chain(told).filter(|(dead, ..)| *dead == who);
        here.filter_map(|(_, sequence, from)| Some((sequence, *self.accepted.get(&(channel, from))?)))
            .collect()
    }

    /// Whether everything that was accepted for a receiver was delivered (or acknowledged, where it does that), or lies
    /// within a gap that was said.
    pub(crate) fn settled(&self, who: Who, receiver: &Receiver) -> bool {
        let mut open: BTreeSet<_> = self.meant_for(who, receiver).into_keys().collect();
        for event in &self.events[who] {
            match event {
                Event::Delivered(delivered) if !receiver.acknowledges() => {
                    open.remove(&delivered.sequence);
                }
                Event::Gap(gap) if gap.after < gap.through => {
                    open.extract_if(gap.after + 1..=gap.through, |_| true).for_each(drop);
                }
                Event::Acknowledging { sequence } | Event::Buried { sequence } => {
                    open.remove(sequence);
                }
                Event::Opened { .. }
                | Event::Delivered(_)
                | Event::Gap(_)
                | Event::Acknowledged { .. }
                | Event::NotCovered { .. } => {}
            }
        }
        open.is_empty()
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
