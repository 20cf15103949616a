//! What a channel in AUTOMATIC mode promises, as plain code that keeps everything and walks all of it.
//!
//! Times are in milliseconds of the clock of the process that runs; what was before it lies below zero.

mod process;

use super::{Batch, ChannelSettings, From, Overflow, Quota, Tally};
use crate::hub::{Gap, GapReason};
use process::Kept;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A message that was accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) position: u64,
    pub(super) bytes: u64,
    /// Its type, of which a stream may want only some; the server's own always.
    pub(super) dispatched: bool,
    pub(super) end: bool,
    /// The birth of the listener it is for; `None` for all.
    pub(super) to: Option<u64>,
    /// When it was accepted; where another process has begun meanwhile, and its windows with it, when that was.
    at: i64,
    ttl: Option<u64>,
    /// When it was accepted, by the calendar.
    accepted: i64,
    expires: Option<u64>,
}

impl Sent {
    fn expired(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// A receiver: a listener, or a watcher, which was born when its stream began.
#[derive(Clone, Debug, Default)]
pub(super) struct Ear {
    /// The birth of a listener; 0 for a watcher.
    pub(super) birth: u64,
    start: u64,
    /// Everything up to here was handed over or lost.
    pub(super) passed: u64,
    /// Everything up to here was handed over, or a stream has told of its loss.
    pub(super) told: u64,
    cleared: u64,
    pub(super) lost: BTreeSet<u64>,
    /// When each message was told; in an earlier process, as [`Sent::at`] has it.
    told_at: BTreeMap<u64, i64>,
    end: u64,
    /// What the log was told of it.
    kept: Option<Kept>,
}

/// A channel.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) birth: u64,
    pub(super) settings: ChannelSettings,
    limited_at: u64,
    /// What was accepted up to here was kept under other settings.
    changed_at: u64,
    /// No broadcast up to there need be kept: they went before their time.
    trimmed: u64,
    pub(super) sent: Vec<Sent>,
    pub(super) ears: BTreeMap<usize, Ear>,
    /// The log was told that no broadcast up to there is kept.
    kept_floor: u64,
}

/// Where a stream stands.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) cursor: u64,
    /// It begins with a gap of another life behind this.
    pub(super) other_life: Option<u64>,
    /// A bell may bring it what it would have lost had it read later.
    pub(super) on_core: bool,
    pub(super) only_dispatches: bool,
}

fn holds(quota: Quota, tally: Tally) -> bool {
    tally.messages <= quota.messages && (tally.bytes <= quota.bytes || tally.messages <= 1)
}

fn fits(quota: Quota, tally: Tally) -> bool {
    tally.messages <= quota.messages && tally.bytes <= quota.bytes
}

fn tally<'a>(messages: impl Iterator<Item = &'a Sent>) -> Tally {
    let mut tally = Tally::default();
    messages.for_each(|sent| tally += Tally::one(sent.bytes));
    tally
}

impl Ear {
    pub(super) fn new(birth: u64, start: u64) -> Self {
        Self { birth, start, passed: start, told: start, ..Self::default() }
    }

    /// Whether a message is for it.
    pub(super) fn hears(&self, sent: &Sent) -> bool {
        sent.position > self.start && sent.to.is_none_or(|birth| birth == self.birth)
    }

    fn waits_for(&self, sent: &Sent) -> bool {
        self.hears(sent) && sent.position > self.passed && !self.lost.contains(&sent.position)
    }

    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// A token names a position: forward, it skips what waits, and the gaps that were not told.
    pub(super) fn skip_to(&mut self, through: u64, now: u64, sent: &[Sent]) {
        if through >= self.passed {
            self.hand_over(through, now, sent);
        }
    }

    /// What a stream has told to have expired is lost.
    pub(super) fn expire(&mut self, gaps: &[Gap], sent: &[Sent]) {
        for gap in gaps.iter().filter(|gap| gap.reason == GapReason::Expired) {
            let covered =
                sent.iter().filter(|sent| sent.position > gap.after.0 && sent.position <= gap.through.0);
            let covered: Vec<_> = covered.filter(|sent| self.hears(sent)).map(|sent| sent.position).collect();
            self.lost.extend(covered);
        }
    }

    /// What was thought lost was not where a stream has passed it without telling of a gap.
    pub(super) fn find(&mut self, gaps: &[Gap], after: u64, through: u64) {
        let told = |position| gaps.iter().any(|gap| position > gap.after.0 && position <= gap.through.0);
        let passed = |position| position > after && position <= through;
        let found = |position| passed(position) && !told(position) && !self.told_at.contains_key(&position);
        self.lost.retain(|position| !found(*position));
    }

    /// Nothing waits before what it has lost.
    fn pass_what_is_lost(&mut self, sent: &[Sent]) {
        let next = sent.iter().find(|sent| self.waits_for(sent)).map_or(u64::MAX, |sent| sent.position);
        self.passed = self.lost.range(..next).last().map_or(self.passed, |lost| self.passed.max(*lost));
    }

    /// Its channel keeps no broadcast up to there.
    fn lose_broadcasts(&mut self, floor: u64, sent: &[Sent]) {
        let gone = sent.iter().filter(|sent| sent.to.is_none() && sent.position <= floor);
        let gone: Vec<_> = gone.filter(|sent| self.waits_for(sent)).map(|sent| sent.position).collect();
        if gone.is_empty() {
            return;
        }
        self.lost.extend(gone);
        self.pass_what_is_lost(sent);
        // the gap goes on behind a dispatch that still waits
        let next = sent.iter().find(|sent| self.waits_for(sent)).map_or(floor, |sent| sent.position - 1);
        self.passed = self.passed.max(floor.min(next));
    }

    /// A stream has come to a position.
    pub(super) fn hand_over(&mut self, through: u64, now: u64, sent: &[Sent]) {
        self.passed = self.passed.max(through);
        self.told = self.told.max(through);
        let told = sent.iter().filter(|sent| self.hears(sent) && sent.position <= through);
        let told: Vec<_> = told.map(|sent| sent.position).collect();
        told.into_iter().for_each(|position| _ = self.told_at.entry(position).or_insert(now as i64));
    }
}

impl Room {
    pub(super) fn new(birth: u64, settings: ChannelSettings) -> Self {
        let (sent, ears) = Default::default();
        let (changed_at, trimmed) = (0, 0);
        Self { birth, settings, limited_at: birth, changed_at, trimmed, sent, ears, kept_floor: birth }
    }

    pub(super) fn update(&mut self, settings: ChannelSettings, mark: u64) {
        if settings.max_backlog != self.settings.max_backlog {
            self.limited_at = mark;
        }
        self.changed_at = mark;
        self.settings = settings;
    }

    /// Registers a listener whose first message lies behind `start`.
    pub(super) fn register(&mut self, listener: usize, birth: u64, start: u64) {
        let mut ear = Ear::new(birth, start);
        ear.keep(self.birth, start);
        self.ears.insert(listener, ear);
        self.settle(listener);
    }

    pub(super) fn last(&self) -> u64 {
        self.sent.last().map_or(self.birth, |sent| sent.position)
    }

    pub(super) fn backlog(&self, listener: usize) -> Tally {
        let ear = &self.ears[&listener];
        tally(self.sent.iter().filter(|sent| ear.waits_for(sent)))
    }

    fn full(&self, listener: usize, bytes: u64) -> bool {
        let mut backlog = self.backlog(listener);
        backlog += Tally::one(bytes);
        !holds(self.settings.max_backlog, backlog)
    }

    /// The listeners that refuse a broadcast, or a dispatch to one of them.
    pub(super) fn refuses(&self, to: Option<usize>, bytes: u64) -> Vec<usize> {
        let settings = &self.settings;
        let overflow = if to.is_some() { settings.dispatch_overflow } else { settings.broadcast_overflow };
        let full = |listener: &usize| overflow == Overflow::RejectNew && self.full(*listener, bytes);
        let asked = self.ears.keys().copied().filter(|listener| to.is_none_or(|to| to == *listener));
        asked.filter(full).collect()
    }

    pub(super) fn accept(&mut self, position: u64, bytes: u64, to: Option<usize>, end: bool, now: u64) {
        let birth = to.map(|to| self.ears[&to].birth);
        let (at, dispatched) = (now as i64, to.is_some());
        let sent =
            Sent { position, bytes, dispatched, end, to: birth, at, ttl: None, accepted: at, expires: None };
        self.sent.push(sent);
        if let Some(ear) = to.filter(|_| end).and_then(|to| self.ears.get_mut(&to)) {
            ear.end = position;
        }
        let everybody: Vec<_> = self.ears.keys().copied().collect();
        for listener in everybody {
            if to.is_none() {
                self.lose_what_no_channel_keeps(listener);
            }
            self.settle(listener);
        }
    }

    /// The newest expires so long after it was accepted.
    pub(super) fn perish(&mut self, ttl: u64) {
        let sent = self.sent.last_mut().unwrap();
        (sent.ttl, sent.expires) = (Some(ttl), Some(sent.accepted as u64 + ttl));
    }

    /// What of a listener's backlog has not expired by now.
    pub(super) fn fresh(&self, listener: usize, now: u64) -> u64 {
        let ear = &self.ears[&listener];
        self.sent.iter().filter(|sent| ear.waits_for(sent) && !sent.expired(now)).count() as u64
    }

    /// A channel keeps only so many broadcasts; an older dispatch may still wait.
    fn lose_what_no_channel_keeps(&mut self, listener: usize) {
        let kept = self.settings.max_backlog.messages.max(self.settings.max_replay.messages);
        let Some(ear) = self.ears.get_mut(&listener) else { return };
        let mut broadcasts = self.sent.iter().rev().filter(|sent| sent.to.is_none());
        let floor = broadcasts.nth(kept as usize).map_or(0, |sent| sent.position);
        ear.lose_broadcasts(floor, &self.sent);
    }

    /// The oldest broadcasts go, whoever waits for them.
    pub(super) fn trim(&mut self, floor: u64) {
        self.trimmed = self.trimmed.max(floor);
        self.ears.values_mut().for_each(|ear| ear.lose_broadcasts(floor, &self.sent));
    }

    /// An end that was sent to a listener alone and has not arrived.
    pub(super) fn undelivered_end(&self, listener: usize) -> Option<u64> {
        let ear = &self.ears[&listener];
        (ear.end > ear.passed && !ear.lost.contains(&ear.end)).then_some(ear.end)
    }

    /// Drops the oldest of what is too much, unless all of it was accepted before that was so.
    fn settle(&mut self, listener: usize) {
        let ear = &self.ears[&listener];
        let newest = self.sent.iter().rfind(|sent| sent.to.is_none() || ear.waits_for(sent));
        if newest.is_none_or(|newest| newest.position <= self.limited_at) {
            return;
        }
        while !holds(self.quota(listener), self.backlog(listener)) {
            self.lose(listener, None);
        }
    }

    /// An end that was dispatched stands beside the backlog.
    fn quota(&self, listener: usize) -> Quota {
        let mut quota = self.settings.max_backlog;
        if let Some(end) = self.undelivered_end(listener) {
            quota.messages += 1;
            quota.bytes += self.sent.iter().find(|sent| sent.position == end).map_or(0, |end| end.bytes);
        }
        quota
    }

    /// Loses what waits up to a position, or the oldest; tells how many that are.
    fn lose(&mut self, listener: usize, through: Option<u64>) -> u64 {
        let Some(ear) = self.ears.get_mut(&listener) else { return 0 };
        let waiting = self.sent.iter().filter(|sent| ear.waits_for(sent)).map(|sent| sent.position);
        let lost: Vec<_> = match through {
            Some(through) => waiting.filter(|position| *position <= through).collect(),
            None => waiting.take(1).collect(),
        };
        ear.passed = lost.last().map_or(ear.passed, |last| through.unwrap_or(*last));
        ear.lost.extend(&lost);
        ear.pass_what_is_lost(&self.sent);
        lost.len() as u64
    }

    pub(super) fn purge(&mut self, listener: usize, through: u64) -> u64 {
        if let Some(ear) = self.ears.get_mut(&listener) {
            ear.cleared = ear.cleared.max(through);
        }
        self.lose(listener, Some(through))
    }

    /// Whether a message that was told must still be there for those who ask again.
    fn must_be_kept(&self, ear: &Ear, sent: &Sent, now: u64) -> bool {
        let since = if sent.to.is_some() { ear.told_at.get(&sent.position).copied() } else { Some(sent.at) };
        let younger = |other: &&Sent| other.position >= sent.position && other.to == sent.to;
        let with_younger = tally(self.sent.iter().filter(younger));
        let trimmed = sent.to.is_none() && sent.position <= self.trimmed;
        sent.position > self.changed_at
            && !trimmed
            && !sent.expired(now)
            && since.is_some_and(|since| since + self.window() >= now as i64)
            && fits(self.settings.max_replay, with_younger)
    }

    fn window(&self) -> i64 {
        self.settings.replay_window.as_millis() as i64
    }

    /// Checks a gap for a receiver, which says that what it covers cannot come.
    fn check_gap(&self, ear: &Ear, watches: bool, gap: &Gap, now: u64) {
        let covers = |sent: &&Sent| sent.position > gap.after.0 && sent.position <= gap.through.0;
        let covered = self.sent.iter().filter(|sent| ear.hears(sent)).filter(covers);
        let mut count = 0;
        for sent in covered {
            count += 1;
            let told = watches || (sent.position <= ear.passed && !ear.lost.contains(&sent.position));
            let purged = sent.position <= ear.cleared;
            let gone = told && (purged || !self.must_be_kept(ear, sent, now));
            let lost = ear.lost.contains(&sent.position);
            assert!(
                lost || gone || sent.expired(now),
                "{gap:?} covers {sent:?}, which nobody dropped: {ear:?}"
            );
        }
        assert!(gap.count.is_none_or(|told| told == count), "{gap:?} covers {count}");
    }

    /// Checks that a message may be handed over.
    fn check_message(&self, ear: &Ear, place: &Place, sent: &Sent, now: u64) {
        assert!(ear.hears(sent), "{sent:?} is not for {ear:?}");
        assert!(sent.position > ear.cleared, "{sent:?} was purged");
        let again = ear.told_at.contains_key(&sent.position);
        assert!(!sent.expired(now) || again || place.on_core, "{sent:?} has expired");
        if ear.lost.contains(&sent.position) {
            let told = ear.told_at.get(&sent.position);
            let brought = place.on_core && told.is_none();
            let forgotten = told.is_some_and(|at| at + self.window() < now as i64);
            let may_come = brought || forgotten || sent.position <= self.changed_at;
            assert!(sent.to.is_none() && may_come, "{sent:?} was dropped, and told as a gap");
        }
    }

    /// Nothing that a stream wants may lie between two places it tells of one after the other.
    fn check_nothing_between(&self, ear: &Ear, place: &Place, after: u64, before: u64) {
        let wanted = |sent: &&Sent| !place.only_dispatches || sent.dispatched || sent.end;
        let between = |sent: &&Sent| sent.position > after && sent.position < before;
        let skipped = self.sent.iter().filter(|sent| ear.hears(sent)).filter(wanted).find(between);
        assert!(
            skipped.is_none(),
            "{skipped:?} was skipped in silence between {after} and {before}: {ear:?}"
        );
    }

    /// Checks a batch against everything that was promised to its receiver, and moves the stream behind it.
    pub(super) fn check(&self, ear: &Ear, watches: bool, place: &mut Place, batch: &Arc<Batch>, now: u64) {
        for gap in &batch.gaps {
            if gap.reason == GapReason::OtherLife {
                assert_eq!(place.other_life.take(), Some(gap.after.0), "{gap:?} was not asked for");
            } else {
                assert!(gap.through > gap.after, "{gap:?} is empty");
            }
            assert!(gap.after.0 >= place.cursor, "{gap:?} begins before {}", place.cursor);
            self.check_nothing_between(ear, place, place.cursor, gap.after.0 + 1);
            self.check_gap(ear, watches, gap, now);
            place.cursor = gap.through.0;
        }
        assert_eq!(place.other_life, None, "another life begins with a gap");
        for entry in &batch.entries {
            let sent = self.sent.iter().find(|sent| sent.position == entry.position.0);
            let sent = sent.unwrap_or_else(|| panic!("{entry:?} was never sent"));
            assert!(sent.position > place.cursor, "{sent:?} comes twice or too late");
            self.check_nothing_between(ear, place, place.cursor, sent.position);
            self.check_message(ear, place, sent, now);
            assert_eq!(entry.message.len() as u64, sent.bytes);
            place.cursor = sent.position;
        }
        self.check_at(ear, place, batch.token.sequence.0);
    }

    /// A stream stands at a position: what it does not want may lie between.
    pub(super) fn check_at(&self, ear: &Ear, place: &mut Place, at: u64) {
        assert!(at >= place.cursor, "the token {at} lies before {}", place.cursor);
        self.check_nothing_between(ear, place, place.cursor, at + 1);
        place.cursor = at;
    }

    /// Whether anything is there that a stream at this place has not seen.
    pub(super) fn more(&self, ear: &Ear, place: &Place, now: u64) -> Option<&Sent> {
        // what has expired is told with what comes next
        let more = |sent: &&Sent| ear.hears(sent) && sent.position > place.cursor && !sent.expired(now);
        self.sent.iter().find(more)
    }
}

/// Where a new receiver begins; `floor` is the last broadcast that is gone.
pub(super) fn start(from: From, now: u64, floor: u64) -> u64 {
    match from {
        From::New => now,
        From::Oldest => floor,
    }
}
