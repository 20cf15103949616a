//! What a channel promises to EXPLICIT listeners, as plain code that keeps everything and walks all of it.

mod check;
mod process;
mod room;
mod said;

use super::{ChannelSettings, Error, Overflow, Quota, Redelivery, Tally};
use crate::hub::{Gap, GapReason, Handed, Repeat};
use process::Kept;
use std::collections::{BTreeMap, BTreeSet};

/// Pulls of one session that are less than this apart are one stream.
const PULLS_APART: u64 = 60_000;

/// What has become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Waits,
    Acknowledged,
    /// Lost for that reason; `None`: it went with the channel's oldest broadcasts, for one of several.
    Lost(Option<GapReason>),
}
use Fate::{Acknowledged, Lost, Waits};

/// A message that is meant for a listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) bytes: u64,
    pub(super) broadcast: bool,
    /// Of the type that a stream which is choosy wants.
    wanted: bool,
    /// How long it may wait, each time that it is sent.
    pub(super) ttl: Option<u64>,
    /// When it was accepted, from where the process began, by the calendar.
    accepted: i64,
    expires: Option<u64>,
    pub(super) fate: Fate,
    pub(super) failed: u32,
    due: u64,
    /// On the stream that is open, in this generation.
    pub(super) in_hand: bool,
    /// Which delivery it was; 0: none yet.
    delivery: u64,
    deadline: Option<u64>,
    /// That was said for it alone.
    extended: bool,
    /// It had more time before that of the first began.
    no_sooner: bool,
    /// The gap that told of its loss.
    told_by: Option<Told>,
    /// That gap was acknowledged.
    settled: bool,
    /// No crash brings it again.
    erased: bool,
}

/// A gap, as one lost message knows it.
#[derive(Clone, Copy, Debug)]
struct Told {
    end: u64,
    /// How far messages had been brought before it was told first.
    had: u64,
}

impl Sent {
    fn new(message: Message, broadcast: bool, accepted: i64, expires: Option<u64>) -> Self {
        let Message { bytes, ttl, wanted, .. } = message;
        Self {
            bytes,
            broadcast,
            wanted,
            ttl,
            accepted,
            expires,
            fate: Waits,
            failed: 0,
            due: 0,
            in_hand: false,
            delivery: 0,
            deadline: None,
            extended: false,
            no_sooner: false,
            told_by: None,
            settled: false,
            erased: false,
        }
    }

    fn is_told_by(&mut self, end: u64, had: u64) {
        let before = self.told_by.map_or(had, |told| told.had.min(had));
        self.told_by = Some(Told { end, had: before });
    }

    fn expired(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// A listener.
#[derive(Clone, Debug, Default)]
pub(super) struct Ear {
    /// Broadcasts up to here are not for it.
    hears_from: u64,
    /// The channel keeps no broadcast up to here.
    floor: u64,
    /// It was purged up to here.
    purged: u64,
    pub(super) sent: BTreeMap<u64, Sent>,
    pub(super) generation: u64,
    /// It began with a setting, and the log was not told so.
    pub(super) begun: bool,
    /// The last one that a client has heard of.
    heard: u64,
    rewound: u64,
    /// The same, where nothing is counted that may be gone: the hub rewinds to one of the two.
    rewound_at_most: u64,
    /// Where its stream stands.
    at: u64,
    pub(super) delivered: u64,
    reached: u64,
    credit: Option<Quota>,
    /// Lost messages that its stream has told of.
    told_here: BTreeSet<u64>,
    /// Gaps that were told, and those of them that its client has said to know of.
    told: BTreeSet<(u64, u64)>,
    known: BTreeSet<(u64, u64)>,
    /// Gaps that stand behind what they tell of, by their ends.
    apart: BTreeMap<u64, u64>,
    /// The first delivery that is not acknowledged, and since when it is that.
    first: Option<(u64, u64, u64)>,
    deliveries: u64,
    ack_deadline: Option<u64>,
    pub(super) open: bool,
    /// Its stream wants dispatches alone.
    pub(super) choosy: bool,
    /// A bell may bring a message before it is looked what is too much.
    pub(super) on_core: bool,
    /// The last message that came in this generation on this stream.
    brought: u64,
    holder: Option<&'static str>,
    left: Option<Option<&'static str>>,
    pulls: Option<(Option<&'static str>, u64)>,
    /// Its process has brought nothing yet: what is done with is passed with what is.
    fresh_start: bool,
    /// So often a stream brought something.
    pub(super) turns: u64,
    /// It receives dead letters.
    deaf: bool,
    /// The way to redeliver that it has taken on.
    overtakes: bool,
    /// What the log was told of it last.
    kept: Option<Kept>,
}

/// A channel.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) settings: ChannelSettings,
    limited_at: u64,
    newest: u64,
    /// Its log was told that no broadcast up to here is kept.
    kept_floor: u64,
    pub(super) ears: BTreeMap<usize, Ear>,
    /// Who receives dead letters.
    pub(super) grave: Option<usize>,
}

/// What is accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) bytes: u64,
    pub(super) ttl: Option<u64>,
    /// It is a dead letter, and does not expire.
    pub(super) letter: bool,
    /// Of the type that dispatches are of.
    pub(super) wanted: bool,
}

/// A delivery that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failing {
    pub(super) position: u64,
    pub(super) delay: Option<u64>,
    pub(super) last: bool,
}

/// A message that is buried, to be found again by its dead letter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    pub(super) attempts: u32,
    pub(super) buried: bool,
}

fn holds(quota: Quota, tally: Tally) -> bool {
    tally.messages <= quota.messages && (tally.bytes <= quota.bytes || tally.messages <= 1)
}

fn tally<'a>(sent: impl Iterator<Item = &'a Sent>) -> Tally {
    sent.fold(Tally::default(), |mut tally, sent| {
        tally += Tally::one(sent.bytes);
        tally
    })
}

impl Ear {
    pub(super) fn new(birth: u64) -> Self {
        Self { at: birth, delivered: birth, reached: birth, ..Self::default() }
    }

    fn add(&mut self, position: u64, message: Message, broadcast: bool, now: u64) {
        let expires = message.ttl.filter(|_| !message.letter).map(|ttl| now + ttl);
        self.sent.insert(position, Sent::new(message, broadcast, now as i64, expires));
    }

    fn waiting(&self) -> impl Iterator<Item = (u64, &Sent)> {
        self.sent.iter().filter(|(_, sent)| sent.fate == Waits).map(|(position, sent)| (*position, sent))
    }

    pub(super) fn backlog(&self) -> Tally {
        tally(self.waiting().map(|(_, sent)| sent))
    }

    /// What of it has not expired by now.
    pub(super) fn fresh(&self, now: u64) -> u64 {
        self.waiting().filter(|(_, sent)| !sent.expired(now)).count() as u64
    }

    pub(super) fn outstanding(&self) -> Tally {
        tally(self.waiting().map(|(_, sent)| sent).filter(|sent| sent.in_hand))
    }

    pub(super) fn lost(&self) -> u64 {
        self.sent.values().filter(|sent| matches!(sent.fate, Lost(_))).count() as u64
    }

    /// Without what went with the channel's oldest broadcasts: that counts when it is told.
    pub(super) fn lost_for_certain(&self) -> u64 {
        self.sent.values().filter(|sent| matches!(sent.fate, Lost(Some(_)))).count() as u64
    }

    pub(super) fn ack_deadline(&self) -> Option<u64> {
        self.ack_deadline
    }

    pub(super) fn positions(&self) -> Vec<u64> {
        self.sent.keys().copied().collect()
    }

    pub(super) fn attended(&self, now: u64) -> bool {
        self.open || self.pulls.is_some_and(|(_, until)| now < until)
    }

    /// Where everything is acknowledged or gone.
    pub(super) fn check_passed(&self, passed: u64, now: u64) {
        // what has expired may be a gap by now, of which nobody has been told yet
        let there = self.waiting().find(|(_, sent)| sent.broadcast || !self.may_be_gone(sent, now));
        assert!(
            there.is_none_or(|(there, _)| passed < there),
            "{there:?} waits, and everything up to {passed} is done with"
        );
        let first = self.waiting().next().map_or(u64::MAX, |(position, _)| position);
        let done = self.sent.range(..first.min(self.delivered + 1)).next_back();
        assert!(
            self.fresh_start || done.is_none_or(|(done, _)| *done <= passed),
            "{done:?} is done with, but not passed: {passed}"
        );
    }

    fn lose(&mut self, position: u64, reason: Option<GapReason>) {
        if let Some(sent) = self.sent.get_mut(&position) {
            (sent.fate, sent.in_hand) = (Lost(reason), false);
        }
    }

    /// The first that is not acknowledged is so since now, if it is another one than before.
    fn look_who_is_first(&mut self, now: u64) {
        let first = self.waiting().next().filter(|(_, sent)| sent.in_hand);
        let first = first.map(|(position, sent)| (position, sent.delivery));
        if first != self.first.map(|(position, delivery, _)| (position, delivery)) {
            self.first = first.map(|(position, delivery)| (position, delivery, now));
        }
    }

    /// What counts as rejected, and when.
    pub(super) fn deadlines(&self, overtaking: bool, now: u64) -> Vec<(u64, u64)> {
        let Some(allowed) = self.ack_deadline.filter(|_| self.attended(now)) else { return Vec::new() };
        if overtaking {
            let in_hand = self.waiting().filter(|(_, sent)| sent.in_hand);
            return in_hand.filter_map(|(position, sent)| Some((sent.deadline?, position))).collect();
        }
        let of = |(position, _, since): (u64, u64, u64)| {
            let Sent { deadline, no_sooner, .. } = &self.sent[&position];
            let (deadline, until) = (deadline.unwrap_or(since + allowed), since + allowed);
            (if *no_sooner { deadline.max(until) } else { deadline }, position)
        };
        self.first.into_iter().map(of).collect()
    }

    /// When a message comes again of which a stream has been told to wait.
    pub(super) fn next_due(&self, now: u64) -> Option<u64> {
        let comes = |sent: &Sent| sent.broadcast || !sent.expired(now);
        let due = self.waiting().filter(|(_, sent)| sent.failed > 0 && sent.due > now && !sent.in_hand);
        let due = due.filter(|(_, sent)| comes(sent));
        due.map(|(_, sent)| sent.due).filter(|_| self.open).min()
    }

    pub(super) fn goes_on(&self, session: Option<&str>, now: u64) -> bool {
        self.pulls.is_some_and(|(whose, until)| whose == session && now < until)
    }

    pub(super) fn leave(&mut self, pull: bool, now: u64) {
        self.open = false;
        if pull {
            self.left = self.holder.map(Some);
            self.pulls = self.holder.map(|holder| (Some(holder), now + PULLS_APART));
        } else {
            self.left = Some(self.holder);
        }
    }

    /// Its stream stands before all that waits.
    fn stand_at_first(&mut self) {
        let first = self.waiting().next().map(|(position, _)| position);
        self.at = first.map_or(self.delivered, |first| self.delivered.min(first - 1));
    }

    pub(super) fn stop(&mut self) {
        (self.open, self.pulls) = (false, None);
    }
}
