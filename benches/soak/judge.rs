//! What must be so, of all that was written down.

use crate::{
    books::{Accepted, Books, Delivered, Event, Figures, Gap, Stream},
    cast::{Cast, Mode, Receiver, Who},
};
use eric::v1::GapReason;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt,
};

const SHOWN: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Verdict {
    lost: Vec<String>,
    out_of_order: Vec<String>,
    unannounced: Vec<String>,
    /// Delivered after their acknowledgement was answered, twice, or without having been sent; answers that must not be.
    other: Vec<String>,
    figures: String,
}

impl Verdict {
    pub(crate) fn sound(&self) -> bool {
        self.all().iter().all(|faults| faults.is_empty())
    }

    fn all(&self) -> [&Vec<String>; 4] {
        [&self.lost, &self.out_of_order, &self.unannounced, &self.other]
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.figures)?;
        for (kind, faults) in ["lost", "out of order", "unannounced gap", "fault"].iter().zip(self.all()) {
            for fault in faults.iter().take(SHOWN) {
                writeln!(f, "{kind}: {fault}")?;
            }
        }
        let [lost, order, gaps, other] = self.all().map(Vec::len);
        write!(f, "lost {lost}, out of order {order}, unannounced gaps {gaps}")?;
        if other > 0 { write!(f, ", other faults {other}") } else { Ok(()) }
    }
}

pub(crate) fn judge(cast: &Cast, books: &Books) -> Verdict {
    let mut verdict = Verdict { other: books.faults.clone(), ..Verdict::default() };
    let (mut deliveries, mut gaps) = (0, 0);
    for (who, receiver) in cast.receivers.iter().enumerate() {
        let count = |so: fn(&Event) -> bool| books.events[who].iter().filter(|event| so(event)).count();
        deliveries += count(|event| matches!(event, Event::Delivered(_)));
        gaps += count(|event| matches!(event, Event::Gap(_)));
        Trial::new(who, receiver, cast, books, &mut verdict).hold();
    }
    let Figures { refused, duplicates, unknown, streams, pulls, rejected, .. } = &books.figures;
    let Figures { cut, stalls, stops, purges, looks, taken_over, .. } = &books.figures;
    verdict.figures = format!(
        "accepted {}, refused {refused}, outcome unknown at first {unknown}, duplicates {duplicates}\n\
         delivered {deliveries}, rejected {rejected}, dead letters {}, gaps said {gaps}\n\
         streams {streams}, pulls {pulls}, connections cut {cut}, stalls {stalls}, taken over {taken_over}, \
         stops {stops}, purges {purges}, looks {looks}",
        books.accepted.len(),
        books.buried.len(),
    );
    verdict
}

/// What is known of a stream, while its receiver's events are gone through.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// The event that opened it.
    opened: usize,
    pulled: bool,
    generation: i64,
    /// The last delivery of its generation.
    last: i64,
    /// The furthest delivery.
    reached: i64,
}

/// One receiver is judged.
struct Trial<'a> {
    who: Who,
    receiver: &'a Receiver,
    books: &'a Books,
    events: &'a [Event],
    meant: BTreeMap<i64, Accepted>,
    /// Neither acknowledged, as far as is known, nor within a gap that was said, nor (AUTOMATIC) delivered.
    waiting: BTreeSet<i64>,
    /// Within a gap that was said.
    gone: HashSet<i64>,
    /// Acknowledgements on their way or answered, by message.
    acknowledging: HashMap<i64, u32>,
    acknowledged: HashMap<i64, (Stream, usize)>,
    streams: HashMap<Stream, Known>,
    /// When each was delivered last.
    delivered: HashMap<i64, usize>,
    buried: HashSet<i64>,
    verdict: &'a mut Verdict,
}

impl<'a> Trial<'a> {
    fn new(
        who: Who,
        receiver: &'a Receiver,
        cast: &'a Cast,
        books: &'a Books,
        verdict: &'a mut Verdict,
    ) -> Self {
        let (events, meant) = (&books.events[who], books.meant_for(who, receiver));
        let deliveries = events.iter().enumerate().filter_map(|(place, event)| match event {
            Event::Delivered(delivered) => Some((delivered.sequence, place)),
            Event::Opened { .. }
            | Event::Gap(_)
            | Event::Acknowledging { .. }
            | Event::Acknowledged { .. }
            | Event::NotCovered { .. }
            | Event::Buried { .. } => None,
        });
        let here = |(dead, _): &(Who, i64)| cast.receivers[*dead].channel == receiver.channel;
        let buried =
            books.buried.iter().filter(|(at, (listener, _))| here(at) && *listener == receiver.listener);
        Self {
            who,
            receiver,
            books,
            events,
            waiting: meant.keys().copied().collect(),
            meant,
            gone: HashSet::new(),
            acknowledging: HashMap::new(),
            acknowledged: HashMap::new(),
            streams: HashMap::new(),
            delivered: deliveries.collect(),
            buried: buried.map(|(_, (_, sequence))| *sequence).collect(),
            verdict,
        }
    }

    fn hold(mut self) {
        for (place, event) in self.events.iter().enumerate() {
            match *event {
                Event::Opened { stream, pulled } => {
                    self.streams.insert(stream, Known { opened: place, pulled, ..Known::default() });
                }
                Event::Delivered(delivered) => self.deliver(place, delivered),
                Event::Gap(gap) => self.gap(gap),
                Event::Acknowledging { sequence } => {
                    *self.acknowledging.entry(sequence).or_default() += 1;
                    self.waiting.remove(&sequence);
                }
                Event::Acknowledged { stream, sequence } => {
                    self.acknowledged.entry(sequence).or_insert((stream, place));
                }
                Event::NotCovered { sequence } => self.not_covered(sequence),
                Event::Buried { sequence } => {
                    self.waiting.remove(&sequence);
                    self.gone.insert(sequence);
                }
            }
        }
        self.end();
    }

    /// It waits still, unless another acknowledgement of it is on its way.
    fn not_covered(&mut self, sequence: i64) {
        let on_their_way = self.acknowledging.entry(sequence).or_default();
        *on_their_way = on_their_way.saturating_sub(1);
        if *on_their_way == 0 && self.meant.contains_key(&sequence) && !self.gone.contains(&sequence) {
            self.waiting.insert(sequence);
        }
    }

    fn deliver(&mut self, place: usize, delivered: Delivered) {
        let Delivered { stream, generation, sequence, name, repeat } = delivered;
        let told = format!("{}: {sequence} {name:?}", self.receiver.name());
        if self.meant.get(&sequence).is_none_or(|meant| meant.name != name) {
            self.verdict.other.push(format!("{told} was never sent to it"));
        }
        let mut known = self.streams.get(&stream).copied().unwrap_or_default();
        if let Some((by, when)) = self.acknowledged.get(&sequence)
            && (*by == stream || *when < known.opened)
        {
            self.verdict.other.push(format!(
                "{told} came after its acknowledgement was answered; {}",
                self.history(sequence)
            ));
        }
        let alone = self.receiver.overtaking && repeat;
        if generation < known.generation || generation == known.generation && sequence <= known.last && !alone
        {
            self.verdict.out_of_order.push(format!("{told} came after {} on stream {stream}", known.last));
        }
        self.overlooked(place, delivered, &known);
        if !self.receiver.acknowledges() && !self.waiting.remove(&sequence) {
            self.verdict.other.push(format!("{told} came twice, or after a gap that covers it"));
        }
        if !alone {
            (known.generation, known.last) = (generation, sequence);
            known.reached = known.reached.max(sequence);
        }
        self.streams.insert(stream, known);
    }

    /// Nothing that waits is passed over. A pull goes on where the one before stood, and after a rejection the stream
    /// does where it was rewound to; what may be overtaken is looked at in the end alone.
    fn overlooked(&mut self, place: usize, delivered: Delivered, known: &Known) {
        let Delivered { stream, sequence, generation, .. } = delivered;
        let from = if generation == known.generation { known.last } else { known.reached };
        if known.pulled || self.receiver.overtaking || sequence <= from {
            return;
        }
        let missing: Vec<_> = self.waiting.range(from + 1..sequence).copied().collect();
        for missing in missing {
            let name = self.receiver.name();
            let told =
                format!("{name}: {missing} before {sequence} on stream {stream}; {}", self.history(missing));
            if self.delivered.get(&missing).is_some_and(|last| *last > place) {
                self.verdict.out_of_order.push(told);
            } else if !self.delivered.contains_key(&missing) {
                self.verdict.unannounced.push(told);
                self.waiting.remove(&missing);
            }
        }
    }

    fn gap(&mut self, gap: Gap) {
        let Gap { stream, generation, after, through, .. } = gap;
        let told = format!("{}: a gap from {after} to {through}", self.receiver.name());
        let covered: Vec<_> = self.waiting.range(after + 1..=through.max(after)).copied().collect();
        let all = self.meant.range(after + 1..=through.max(after)).map(|(sequence, _)| *sequence);
        self.gone.extend(all);
        let mut never = 0;
        for sequence in covered {
            self.waiting.remove(&sequence);
            never += i64::from(!self.delivered.contains_key(&sequence));
            let single = gap.reason == GapReason::Rejected && gap.count == Some(1);
            if self.receiver.buries && single && !self.buried.contains(&sequence) {
                self.verdict.lost.push(format!("{told}: {sequence} is no dead letter"));
            }
        }
        // what comes next is above it
        let known = self.streams.entry(stream).or_default();
        known.last = if generation == known.generation { known.last.max(through) } else { through };
        (known.generation, known.reached) = (generation, known.reached.max(through));
        let Some(count) = gap.count else { return };
        if never > count {
            self.verdict.unannounced.push(format!("{told} says {count}, and {never} are missing"));
        }
        self.merged(after, count - never);
    }

    /// Beyond so many gaps the two oldest are said as one, in the place of the later: its count tells of both.
    fn merged(&mut self, after: i64, more: i64) {
        let more = usize::try_from(more).unwrap_or_default();
        let never = |sequence: &&i64| !self.delivered.contains_key(*sequence);
        let gone: Vec<_> = self.waiting.range(..=after).filter(never).take(more).copied().collect();
        self.waiting.retain(|sequence| !gone.contains(sequence));
        self.gone.extend(gone);
    }

    /// What happened to a message, for those who look for the cause.
    fn history(&self, sequence: i64) -> String {
        let events = self.events.iter().enumerate().filter(|(_, event)| event.concerns(sequence));
        let told: Vec<_> = events.take(12).map(|(place, event)| format!("{place} {event:?}")).collect();
        told.join(", ")
    }

    fn end(self) {
        let furthest = self.delivered.keys().copied().max().unwrap_or_default();
        for sequence in &self.waiting {
            let (name, history) = (self.receiver.name(), self.history(*sequence));
            let told = format!("{name}: {sequence} {:?}; {history}", self.meant[sequence]);
            let skipped = *sequence < furthest && !self.delivered.contains_key(sequence);
            if skipped { self.verdict.unannounced.push(told) } else { self.verdict.lost.push(told) }
        }
        let never = |sequence: &&i64| !self.delivered.contains_key(*sequence);
        let missing = self.meant.keys().filter(never).count() as i64;
        let lost = self.books.lost.get(&self.who).filter(|_| self.receiver.mode == Mode::Explicit);
        if let Some(lost) = lost.filter(|lost| **lost < missing) {
            let name = self.receiver.name();
            self.verdict.other.push(format!("{name}: {missing} never came, and GetListener tells of {lost}"));
        }
    }
}
