//! One receiver is judged: its events are gone through in their order.
//!
//! Each rule names the sentence of the promises that it rests on.

use crate::{
    books::{Accepted, Books},
    cast::{Cast, Mode, Receiver, Who},
    crash::Crashes,
    event::{Begins, Delivered, Event, Stream},
    flight::Flight,
    verdict::Faults,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::Duration,
};

/// An answer to a rejection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed {
    /// The event by which it came.
    pub(crate) place: usize,
    pub(crate) attempts: i32,
    /// It went to the dead letter listener, or is dropped.
    pub(crate) gone: bool,
}

/// What is known of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known {
    /// The event that opened it.
    pub(crate) opened: usize,
    /// Without a token.
    afresh: bool,
    pub(crate) generation: Option<i64>,
    /// The last delivery of its generation.
    pub(crate) last: i64,
    /// The furthest delivery.
    pub(crate) reached: i64,
}

pub(crate) struct Trial<'a> {
    pub(crate) receiver: &'a Receiver,
    books: &'a Books,
    events: &'a [Event],
    /// What GetListener said that it has lost.
    told_lost: Option<i64>,
    pub(crate) meant: BTreeMap<i64, Accepted>,
    /// Neither acknowledged, as far as is known, nor within a gap that was said, nor (AUTOMATIC) delivered.
    pub(crate) waiting: BTreeSet<i64>,
    /// Within a gap that was said.
    pub(crate) gone: HashSet<i64>,
    /// What waited for a life of the listener that is over.
    discarded: HashSet<i64>,
    birth: i64,
    /// The event by which that was answered.
    born_at: usize,
    flight: Flight,
    pub(crate) crashes: Crashes,
    /// Acknowledgements on their way or answered, by message.
    acknowledging: HashMap<i64, u32>,
    /// The answers to them: more than one client may have acknowledged it, also one before a crash and one after it.
    acknowledged: HashMap<i64, Vec<(Stream, usize, Duration)>>,
    /// AUTOMATIC: what is done with, by the event that opened the stream it came on, or was lost on, and when.
    pub(crate) passed: HashMap<i64, (usize, Duration)>,
    pub(crate) streams: HashMap<Stream, Known>,
    /// Rejections that were answered.
    pub(crate) failed: HashMap<i64, Failed>,
    /// Purges that were, and through where.
    pub(crate) purged: Vec<(usize, i64)>,
    /// By generation, where it began.
    pub(crate) rewound: HashMap<i64, i64>,
    /// When each was delivered last.
    pub(crate) delivered: HashMap<i64, usize>,
    pub(crate) buried: HashSet<i64>,
    /// How many gaps each stream says, and where the first of them ends.
    pub(crate) gaps_said: HashMap<Stream, (usize, i64)>,
    pub(crate) faults: Faults,
}

impl<'a> Trial<'a> {
    /// The events may be others than those in the books: whoever proves the rules changes them.
    pub(crate) fn new(who: Who, cast: &'a Cast, books: &'a Books, events: &'a [Event]) -> Self {
        let receiver = &cast.receivers[who];
        let meant = books.meant_for(who, receiver);
        let deliveries = events.iter().enumerate();
        let delivered = deliveries.filter_map(|(place, event)| Some((event.delivered()?.sequence, place)));
        let rewinds = events.iter().filter_map(Event::rewound);
        let here = |(dead, _): &(Who, i64)| cast.receivers[*dead].channel == receiver.channel;
        let buried =
            books.buried.iter().filter(|(at, (listener, _))| here(at) && *listener == receiver.listener);
        Self {
            receiver,
            books,
            events,
            told_lost: books.lost.get(&who).copied(),
            waiting: meant.keys().copied().collect(),
            meant,
            gone: HashSet::new(),
            discarded: HashSet::new(),
            birth: 0,
            born_at: 0,
            flight: Flight::new(receiver),
            crashes: Crashes::of(events),
            acknowledging: HashMap::new(),
            acknowledged: HashMap::new(),
            passed: HashMap::new(),
            failed: HashMap::new(),
            purged: Vec::new(),
            streams: HashMap::new(),
            rewound: rewinds.collect(),
            delivered: delivered.collect(),
            buried: buried.map(|(_, (_, sequence))| *sequence).collect(),
            gaps_said: gaps_said(events),
            faults: Faults::default(),
        }
    }

    pub(crate) fn hold(mut self) -> Faults {
        for (place, event) in self.events.iter().enumerate() {
            match *event {
                Event::Born { birth } => self.born(place, birth),
                Event::HandedOver { through } => self.flight.handed_over(through),
                Event::Opened { stream, begins } => self.opened(place, stream, begins),
                Event::Started { stream, birth, at, when } => {
                    self.is_alive(stream, birth);
                    self.started(stream, birth, at, when);
                }
                Event::Ended { stream } => self.flight.ended(stream),
                Event::Delivered(delivered) => self.deliver(place, delivered),
                Event::Gap(gap) => self.gap(gap),
                Event::Acknowledging { sequence } => self.acknowledging(sequence),
                Event::Acknowledged { stream, sequence, when } => {
                    self.answered(sequence);
                    self.acknowledged.entry(sequence).or_default().push((stream, place, when));
                }
                Event::NotCovered { sequence, generation } => self.not_covered(sequence, generation),
                Event::Failed { sequence, attempts, gone } => {
                    self.failed(sequence, Failed { place, attempts, gone });
                }
                Event::Purged { through } => self.purged.push((place, through)),
                // what it may forget is asked when that comes again
                Event::Rewound { .. } | Event::Killed { .. } => {}
            }
        }
        self.end();
        self.faults
    }

    /// "Removal and expiry discard the backlog": what waits for a life that is over need not come.
    fn born(&mut self, place: usize, birth: i64) {
        if birth > self.birth {
            (self.birth, self.born_at) = (birth, place);
            self.discarded.extend(self.waiting.extract_if(..=birth, |_| true));
        }
    }

    /// "A listener that was removed and registered again is another one", and an answer is for ever: one that is removed is
    /// never there again, and none is there that nobody has registered.
    fn is_alive(&mut self, stream: Stream, birth: i64) {
        let opened = self.streams.get(&stream).map_or(0, |known| known.opened);
        let removed = birth < self.birth && self.born_at < opened;
        if self.receiver.fleeting() && (removed || !self.books.is_born(self.receiver, birth)) {
            let (name, of) = (self.receiver.name(), self.birth);
            self.faults.other.push(format!("{name}: stream {stream} is of {birth}, and it is of {of}"));
        }
    }

    fn opened(&mut self, place: usize, stream: Stream, begins: Begins) {
        let behind = match begins {
            Begins::Afresh => 0,
            Begins::Behind(behind) => behind,
        };
        let afresh = matches!(begins, Begins::Afresh);
        let known = Known { opened: place, afresh, generation: None, last: behind, reached: behind };
        self.streams.insert(stream, known);
        self.flight.opened(stream, begins);
    }

    /// "Without a token, what was in flight may be lost." A watch begins with "the oldest of the replay window", which lasts
    /// longer than a run: only what had expired is not there.
    fn started(&mut self, stream: Stream, birth: i64, at: i64, when: Duration) {
        let Known { opened, afresh, .. } = self.streams.get(&stream).copied().unwrap_or_default();
        if self.receiver.fleeting() {
            self.born(opened, birth);
        }
        if self.receiver.mode == Mode::Watcher && afresh {
            self.waiting.retain(|sequence| *sequence > at || !self.meant[sequence].ttl);
        }
        if let Some(through) = self.flight.may_lose(stream, at) {
            let lost: Vec<_> = self.waiting.extract_if(..=through, |_| true).collect();
            self.faults.in_flight += lost.len();
            self.passed.extend(lost.into_iter().map(|sequence| (sequence, (opened, when))));
        }
    }

    fn acknowledging(&mut self, sequence: i64) {
        *self.acknowledging.entry(sequence).or_default() += 1;
        self.waiting.remove(&sequence);
        self.may_begin_anew(sequence);
    }

    /// "An acknowledgement of the previous generation covers what lies below the rewind point, of an older one nothing": the
    /// message waits still, unless another acknowledgement of it is on its way. What lies below was covered or gone: "OK".
    fn not_covered(&mut self, sequence: i64, generation: i64) {
        let on_their_way = self.answered(sequence);
        let lives = self.meant.contains_key(&sequence) && sequence > self.birth;
        let below = self.rewound.get(&generation).is_some_and(|first| sequence < *first);
        let gone = self.gone.contains(&sequence) || self.is_acknowledged(sequence);
        if on_their_way == 0 && lives && !below && !gone {
            self.waiting.insert(sequence);
        }
    }

    /// How many acknowledgements are on their way still.
    fn answered(&mut self, sequence: i64) -> u32 {
        let on_their_way = self.acknowledging.entry(sequence).or_default();
        *on_their_way = on_their_way.saturating_sub(1);
        *on_their_way
    }

    fn deliver(&mut self, place: usize, delivered: Delivered) {
        let Delivered { stream, generation, sequence, name, attempt, .. } = delivered;
        let told = format!("{}: {sequence} {name:?}", self.receiver.name());
        let meant = self.meant.get(&sequence).map(|meant| meant.name);
        // to one that is removed now and then it may have been accepted by a call that was never answered
        if meant != Some(name) && !(meant.is_none() && self.books.unknown.contains(&name)) {
            self.faults.other.push(format!("{told} was never sent to it"));
        }
        let mut known = self.streams.get(&stream).copied().unwrap_or_default();
        self.not_again(&told, sequence, stream, &known);
        self.stays_failed(&told, delivered, known.opened);
        self.stays_purged(&told, sequence, known.opened);
        // "a rejected message comes again alone, marked", where others may pass it
        let alone = self.receiver.overtaking && attempt > 1;
        self.rises(&told, delivered, &known, alone);
        self.overlooked(place, delivered, &known);
        self.only_once(&told, delivered, &known, meant.is_some());
        if !alone {
            (known.generation, known.last) = (Some(generation), sequence);
            known.reached = known.reached.max(sequence);
        }
        self.streams.insert(stream, known);
    }

    /// "What was acknowledged never comes again": not on the same stream, nor on one that was opened after the answer; "a
    /// crash apart", which "may redeliver what was acknowledged in its last second": then it waits again.
    fn not_again(&mut self, told: &str, sequence: i64, stream: Stream, known: &Known) {
        let Some(answers) = self.acknowledged.get_mut(&sequence) else { return };
        answers.retain(|(_, place, when)| !self.crashes.may_forget((*place, *when), known.opened));
        if answers.is_empty() {
            self.acknowledged.remove(&sequence);
            let on_its_way = self.acknowledging.get(&sequence).is_some_and(|count| *count > 0);
            // a newer stream may have told a gap already, before this one was read to its end
            if !on_its_way && !self.gone.contains(&sequence) {
                self.waiting.insert(sequence);
            }
            return;
        }
        // no crash has taken these back
        if answers.iter().any(|(by, place, _)| *by == stream || *place < known.opened) {
            let history = self.history(sequence);
            self.faults.other.push(format!("{told} came after its acknowledgement was answered; {history}"));
        }
    }

    /// AUTOMATIC: "handed to the transport is delivered", and a token "sets the cursor": nobody who resumes gets it twice.
    /// Without one a crash may have lost the cursor.
    fn only_once(&mut self, told: &str, delivered: Delivered, known: &Known, meant: bool) {
        let Delivered { sequence, when, .. } = delivered;
        if self.receiver.acknowledges() || !meant {
            return;
        }
        let passed = self.passed.insert(sequence, (known.opened, when));
        let forgotten = known.afresh && passed.is_some_and(|it| self.crashes.may_forget(it, known.opened));
        if !self.waiting.remove(&sequence) && !self.discarded.remove(&sequence) && !forgotten {
            let history = self.history(sequence);
            self.faults.other.push(format!("{told} came twice, or after a gap that covers it; {history}"));
        }
    }

    /// What happened to a message, for those who look for the cause.
    pub(crate) fn history(&self, sequence: i64) -> String {
        let events = self.events.iter().enumerate().filter(|(_, event)| event.concerns(sequence));
        let told: Vec<_> = events.take(12).map(|(place, event)| format!("{place} {event:?}")).collect();
        told.join(", ")
    }

    pub(crate) fn is_acknowledged(&self, sequence: i64) -> bool {
        self.acknowledged.contains_key(&sequence)
    }

    pub(crate) fn never_came(&self, sequence: &i64) -> bool {
        !self.delivered.contains_key(sequence)
    }

    /// "Nothing is lost silently": in the end nothing waits. One that has left may miss what came behind its last delivery.
    fn end(&mut self) {
        let furthest = self.delivered.keys().copied().max().unwrap_or_default();
        for sequence in &self.waiting {
            let (name, history) = (self.receiver.name(), self.history(*sequence));
            let told = format!("{name}: {sequence} {:?}; {history}", self.meant[sequence]);
            let skipped = *sequence < furthest && self.never_came(sequence);
            if skipped {
                self.faults.unannounced.push(told);
            } else if self.receiver.stays() {
                self.faults.lost.push(told);
            }
        }
        self.counted();
    }

    /// `Listener.lost_messages`: "how many messages it lost to gaps, as far as that is known". A crash may forget that a gap
    /// was told in its last second; whoever acknowledges through it then has acknowledged what it told of.
    fn counted(&mut self) {
        let forgotten = |sequence: &i64| {
            self.passed.get(sequence).is_some_and(|told| self.crashes.may_forget(*told, self.events.len()))
        };
        let missing = self
            .meant
            .keys()
            .filter(|sequence| **sequence > self.birth && self.never_came(sequence) && !forgotten(sequence));
        let missing: Vec<_> = missing.copied().collect();
        let told_lost = self.told_lost.filter(|_| self.receiver.mode == Mode::Explicit);
        if let Some(lost) = told_lost.filter(|lost| *lost < missing.len() as i64) {
            let (name, events) = (self.receiver.name(), self.events.iter());
            let gaps: Vec<_> = events.filter_map(Event::gap).collect();
            let told = format!("{missing:?} never came, and GetListener tells of {lost}; {gaps:?}");
            self.faults.other.push(format!("{name}: {told}"));
        }
    }
}

fn gaps_said(events: &[Event]) -> HashMap<Stream, (usize, i64)> {
    let mut said = HashMap::new();
    for gap in events.iter().filter_map(Event::gap) {
        let (many, first) = said.entry(gap.stream).or_insert((0, gap.through));
        (*many, *first) = (*many + 1, gap.through.min(*first));
    }
    said
}
