//! What a channel promises to EXPLICIT listeners, as plain code that keeps everything and walks all of it.

use super::{Batch, ChannelSettings, Error, Overflow, Quota, Redelivery, Tally};
use crate::hub::{Gap, GapReason, Handed, Repeat};
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
    /// How long it may wait, each time that it is sent.
    pub(super) ttl: Option<u64>,
    expires: Option<u64>,
    pub(super) fate: Fate,
    pub(super) failed: u32,
    due: u64,
    /// On the stream that is open, in this generation.
    pub(super) in_hand: bool,
    /// Which delivery it was; 0: none yet.
    delivery: u64,
    deadline: Option<u64>,
    /// The end of the gap that told of its loss.
    told_by: Option<u64>,
    /// That gap was acknowledged.
    settled: bool,
}

impl Sent {
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
    pub(super) sent: BTreeMap<u64, Sent>,
    pub(super) generation: u64,
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
    /// Gaps that stand behind what they tell of, by their ends.
    apart: BTreeMap<u64, u64>,
    /// The first delivery that is not acknowledged, and since when it is that.
    first: Option<(u64, u64, u64)>,
    deliveries: u64,
    pub(super) ack_deadline: Option<u64>,
    pub(super) open: bool,
    /// A bell may bring a message before it is looked what is too much.
    pub(super) on_core: bool,
    /// The last message that came in this generation on this stream.
    brought: u64,
    holder: Option<&'static str>,
    left: Option<Option<&'static str>>,
    pulls: Option<(Option<&'static str>, u64)>,
}

/// A channel.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) settings: ChannelSettings,
    limited_at: u64,
    newest: u64,
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
        let Message { bytes, ttl, letter } = message;
        let sent = Sent {
            bytes,
            broadcast,
            ttl,
            expires: ttl.filter(|_| !letter).map(|ttl| now + ttl),
            fate: Waits,
            failed: 0,
            due: 0,
            in_hand: false,
            delivery: 0,
            deadline: None,
            told_by: None,
            settled: false,
        };
        self.sent.insert(position, sent);
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
            done.is_none_or(|(done, _)| *done <= passed),
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
            (self.sent[&position].deadline.unwrap_or(since + allowed), position)
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

    pub(super) fn stop(&mut self) {
        (self.open, self.pulls) = (false, None);
    }

    /// What the stream has to do next; `None`: nothing.
    fn next(&self, overtaking: bool, now: u64, lazily: bool) -> Option<String> {
        let fits = |sent: &Sent| {
            let mut more = self.outstanding();
            more += Tally::one(sent.bytes);
            self.credit.is_none_or(|credit| holds(credit, more))
        };
        if overtaking {
            let due = |sent: &Sent| sent.failed > 0 && !sent.in_hand && sent.due <= now;
            if let Some(again) = self.waiting().find(|(_, sent)| due(sent)) {
                return (fits(again.1) && !again.1.expired(now)).then(|| format!("{again:?} is due again"));
            }
        }
        let mut behind =
            self.waiting().filter(|(position, sent)| *position > self.at && !(overtaking && sent.failed > 0));
        let next = behind.next();
        let until = next.map_or(u64::MAX, |(position, _)| position);
        let untold = self.sent.range(..until).find(|(position, sent)| {
            let its_turn = sent.fate != Lost(None) || until > self.floor;
            matches!(sent.fate, Lost(_)) && !sent.settled && !self.told_here.contains(position) && its_turn
        });
        if let Some(untold) = untold.filter(|_| !lazily) {
            return Some(format!("{untold:?} is not told"));
        }
        let (position, sent) = next?;
        let held = !overtaking && sent.failed > 0 && sent.due > now;
        if held || (lazily && sent.expired(now)) {
            return None;
        }
        (sent.expired(now) || fits(sent)).then(|| format!("{position} may be sent: {sent:?}"))
    }

    pub(super) fn check_idle(&self, overtaking: bool, now: u64, lazily: bool) {
        let next = self.next(overtaking, now, lazily).filter(|_| self.open);
        assert!(next.is_none(), "its stream sleeps at {}: {next:?}\n{self:?}", self.at);
    }

    fn check_gap(&mut self, gap: &Gap, now: u64) {
        assert!(gap.through > gap.after, "{gap:?} is empty");
        if let Some(count) = self.apart.get(&gap.through.0) {
            return assert_eq!(gap.count, Some(*count), "{gap:?} {self:?}");
        }
        let (mut least, mut most) = (0, 0);
        for (position, sent) in self.sent.range_mut(..=gap.through.0) {
            // of broadcasts that are gone it is told where the last of them stood
            if *position <= gap.after.0 && sent.fate != Lost(None) {
                // one that was acknowledged when it had expired may be counted with those that stood next to it
                most += u64::from(sent.fate == Acknowledged && sent.expired(now));
                continue;
            }
            if sent.fate == Waits {
                let expired = gap.reason == GapReason::Expired && sent.expired(now) && !sent.in_hand;
                assert!(expired, "{gap:?} covers {position}, which waits: {sent:?}");
                sent.fate = Lost(Some(GapReason::Expired));
            }
            let ring = [GapReason::Overflow, GapReason::Expired, GapReason::Trimmed].contains(&gap.reason);
            match sent.fate {
                Lost(None) if ring => {
                    most += 1;
                    sent.told_by = Some(sent.told_by.map_or(gap.through.0, |told| told.min(gap.through.0)));
                    self.told_here.insert(*position);
                }
                Lost(reason) if sent.told_by.is_none_or(|told| told == gap.through.0) => {
                    if reason == Some(gap.reason) {
                        (least, most) = (least + u64::from(!sent.settled), most + 1);
                        sent.told_by = Some(gap.through.0);
                        self.told_here.insert(*position);
                    }
                }
                Acknowledged if sent.expired(now) => most += 1,
                Waits | Acknowledged | Lost(_) => {}
            }
        }
        // those that went with the channel's oldest are counted by one gap or by the next, and that may end where one
        // ends that told of what had expired before it
        let shared = |sent: &Sent| sent.fate == Lost(None) && sent.told_by == Some(gap.through.0);
        if self.sent.values().any(shared) {
            least = 0;
        }
        assert!(
            gap.count.is_none_or(|count| (least..=most).contains(&count)),
            "{gap:?}: {least}..={most}\n{self:?}"
        );
    }

    fn check_message(&mut self, position: u64, overtaking: bool, now: u64) {
        let sent = self.sent.get(&position).unwrap_or_else(|| panic!("{position} is not for {self:?}"));
        let brought =
            self.on_core && sent.delivery == 0 && matches!(sent.fate, Lost(None | Some(GapReason::Overflow)));
        assert!(sent.fate == Waits || brought, "{position} comes again: {sent:?}");
        assert!(!sent.expired(now), "{position} has expired");
        assert!(!sent.in_hand, "{position} is in hand");
        assert!(sent.due <= now, "{position} is held back: {sent:?}");
        if overtaking && sent.failed > 0 {
            return;
        }
        // what a bell brings comes in order, too
        let at = if brought { self.brought } else { self.at };
        self.brought = self.brought.max(position);
        assert!(position > at, "{position} comes behind {at}");
        let between = self.waiting().find(|(between, sent)| {
            *between > self.at && *between < position && !(overtaking && sent.failed > 0)
        });
        assert!(between.is_none(), "{between:?} was skipped before {position}");
        let untold = self.sent.range(..position).find(|(between, sent)| {
            let its_turn = sent.fate != Lost(None) || position > self.floor;
            let lazily = self.on_core && sent.delivery > 0;
            let untold = !sent.settled && !self.told_here.contains(between) && !lazily;
            matches!(sent.fate, Lost(_)) && untold && its_turn
        });
        assert!(untold.is_none(), "{untold:?} was not told before {position}\n{self:?}");
        self.at = self.at.max(position);
    }

    /// Checks a batch against everything that was promised.
    pub(super) fn check(&mut self, handed: &Handed, overtaking: bool, now: u64) {
        let Handed { batch, generation, repeats } = handed;
        assert_eq!(*generation, self.generation);
        batch.gaps.iter().for_each(|gap| self.check_gap(gap, now));
        let mut expected = Vec::new();
        let mut last = 0;
        for entry in &batch.entries {
            let position = entry.position.0;
            assert!(position > last, "a batch rises");
            last = position;
            self.check_message(position, overtaking, now);
            self.deliveries += 1;
            let (delivery, allowed) = (self.deliveries, self.ack_deadline);
            let Some(sent) = self.sent.get_mut(&position) else { continue };
            if sent.delivery > 0 {
                expected.push(Repeat { position: entry.position, attempt: sent.failed + 1 });
            }
            (sent.in_hand, sent.delivery) = (sent.fate == Waits, delivery);
            sent.deadline = allowed.filter(|_| overtaking).map(|allowed| now + allowed);
        }
        assert_eq!(*repeats, expected, "{self:?}");
        let outstanding = self.outstanding();
        assert!(
            self.credit.is_none_or(|credit| holds(credit, outstanding)),
            "beyond its credit: {outstanding:?}"
        );
        self.come_to(batch);
        self.look_who_is_first(now);
    }

    fn come_to(&mut self, batch: &Batch) {
        self.at = self.at.max(batch.token.sequence.0);
        let ends = batch.gaps.iter().map(|gap| gap.through.0).max().unwrap_or_default();
        self.delivered = self.delivered.max(self.at).max(ends);
        self.reached = self.reached.max(self.at);
    }

    /// Acknowledges; tells how many that covers, or that it is too much.
    pub(super) fn acknowledge(
        &mut self,
        through: Option<u64>,
        singles: &[u64],
        back: u64,
        overtaking: bool,
        now: u64,
    ) -> Result<(u64, u64), ()> {
        let highest = singles.iter().chain(&through).copied().max().unwrap_or_default();
        if highest > self.delivered {
            return Err(());
        }
        let (below, gaps_below) = match back {
            0 => (u64::MAX, u64::MAX),
            1 => (self.rewound, self.rewound_at_most),
            _ => (0, 0),
        };
        let named = through.unwrap_or_default();
        let through = named.min(below.saturating_sub(1));
        let (mut least, mut most) = (0, 0);
        let attended = self.attended(now);
        for (position, sent) in &mut self.sent {
            let single = singles.contains(position) && *position < below;
            let again = overtaking && sent.failed > 0;
            if sent.fate == Waits && (single || *position <= through && !again) {
                // what has expired, and is in nobody's hand, may be gone
                least += u64::from(!sent.expired(now) || sent.in_hand && attended);
                most += 1;
                (sent.fate, sent.in_hand) = (Acknowledged, false);
            }
            if let Some(end) = sent.told_by.filter(|_| matches!(sent.fate, Lost(_))) {
                sent.settled |= end < gaps_below && (end <= named || singles.contains(&end));
            }
        }
        self.look_who_is_first(now);
        Ok((least, most))
    }

    /// Whether a delivery may be rejected.
    pub(super) fn may_reject(&self, position: u64, back: u64, overtaking: bool) -> Result<(), Error> {
        let not_outstanding = Err(Error::NotOutstanding { sequence: position });
        if back > 0 {
            return Err(Error::StaleGeneration { generation: self.generation });
        }
        if position > self.delivered {
            return Err(Error::NotDelivered { delivered: self.delivered });
        }
        let sent = self.sent.get(&position);
        let Some(sent) = sent.filter(|sent| sent.fate == Waits) else { return not_outstanding };
        let there = if overtaking { sent.failed == 0 || sent.in_hand } else { position <= self.reached };
        if there { Ok(()) } else { not_outstanding }
    }

    /// It has until then; false where there is no deadline.
    pub(super) fn extend(&mut self, position: u64, until: u64) -> bool {
        let sent = self.sent.get_mut(&position).filter(|_| self.ack_deadline.is_some());
        sent.map(|sent| sent.deadline = Some(until)).is_some()
    }

    pub(super) fn is_uncertain(&self, position: u64, now: u64) -> bool {
        self.sent.get(&position).is_some_and(|sent| self.may_be_gone(sent, now))
    }

    /// It has expired, and in nobody's hand.
    fn may_be_gone(&self, sent: &Sent, now: u64) -> bool {
        sent.expired(now) && !(sent.in_hand && self.attended(now))
    }

    fn rewind(&mut self, first: u64) {
        self.generation += 1;
        (self.rewound, self.rewound_at_most) = (first, first);
        for (_, sent) in self.sent.range_mut(first..) {
            (sent.in_hand, sent.deadline) = (false, None);
        }
        self.at = self.at.min(first - 1);
        (self.reached, self.brought) = (self.at, self.at);
    }

    /// Deliveries have failed.
    pub(super) fn fail(
        &mut self,
        failing: &[Failing],
        rewinds: bool,
        settings: &ChannelSettings,
        now: u64,
    ) -> Vec<Verdict> {
        let overtaking = settings.redelivery == Redelivery::Overtaking;
        let mut verdicts = Vec::new();
        for failing in failing {
            let Some(sent) = self.sent.get_mut(&failing.position) else { continue };
            sent.failed += 1;
            let attempts = sent.failed;
            let backoff = settings.backoff.after(attempts).as_millis() as u64;
            (sent.due, sent.in_hand, sent.deadline) = (now + failing.delay.unwrap_or(backoff), false, None);
            let buried = failing.last || attempts >= settings.max_attempts;
            verdicts.push(Verdict { attempts, buried });
            if buried {
                self.lose(failing.position, Some(GapReason::Rejected));
            }
        }
        let first = failing.iter().map(|failing| failing.position).min();
        if let Some(first) = first.filter(|_| rewinds && !overtaking) {
            self.rewind(first);
        }
        self.look_who_is_first(now);
        verdicts
    }

    /// The delivery that counts as failed when another client comes, if any.
    pub(super) fn left_behind(&self, session: Option<&'static str>, now: u64) -> Option<u64> {
        let left = self.left.is_some_and(|whose| whose.is_none() || whose != session);
        let first = self.waiting().find(|(_, sent)| !sent.expired(now));
        first.filter(|(_, sent)| left && sent.in_hand).map(|(position, _)| position)
    }

    pub(super) fn begin(&mut self, session: Option<&'static str>, credit: Option<Quota>, goes_on: bool) {
        (self.open, self.holder, self.left, self.pulls) = (true, session, None, None);
        self.credit = credit;
        if goes_on {
            return;
        }
        self.told_here.clear();
        self.sent.values_mut().for_each(|sent| (sent.in_hand, sent.deadline) = (false, None));
        (self.first, self.brought) = (None, 0);
        let first = self.waiting().next().map(|(position, _)| position);
        self.at = first.map_or(self.delivered, |first| self.delivered.min(first - 1));
    }

    /// It was sent back to whom it was meant for.
    pub(super) fn take_out(&mut self, position: u64, now: u64) {
        if let Some(sent) = self.sent.get_mut(&position) {
            (sent.fate, sent.in_hand) = (Acknowledged, false);
        }
        self.look_who_is_first(now);
    }

    /// Another way to redeliver.
    fn adopt(&mut self, redelivery: Redelivery, now: u64) {
        if redelivery == Redelivery::Strict {
            let last = self.sent.keys().next_back().copied().unwrap_or_default();
            let none = last.max(self.delivered) + 1;
            let first = self.waiting().next().map_or(none, |(position, _)| position);
            let certain = self.waiting().find(|(_, sent)| !self.may_be_gone(sent, now));
            let at_most = certain.map_or(u64::MAX, |(position, _)| position);
            self.rewind(first);
            self.rewound_at_most = at_most;
        }
        self.look_who_is_first(now);
    }
}

impl Room {
    pub(super) fn new(settings: ChannelSettings, birth: u64) -> Self {
        Self { settings, limited_at: birth, newest: birth, ears: BTreeMap::new(), grave: None }
    }

    pub(super) fn overtaking(&self) -> bool {
        self.settings.redelivery == Redelivery::Overtaking
    }

    pub(super) fn update(&mut self, settings: ChannelSettings, mark: u64, now: u64) {
        if settings.max_backlog != self.settings.max_backlog {
            self.limited_at = mark;
        }
        if settings.redelivery != self.settings.redelivery {
            self.ears.values_mut().for_each(|ear| ear.adopt(settings.redelivery, now));
        }
        self.settings = settings;
    }

    /// Who receives dead letters hears no broadcasts.
    pub(super) fn name(&mut self, grave: Option<usize>, mark: u64, now: u64) {
        if let Some(ear) = grave.filter(|_| self.grave != grave).and_then(|grave| self.ears.get_mut(&grave)) {
            let lost: Vec<_> =
                ear.waiting().filter(|(_, sent)| sent.broadcast).map(|(position, _)| position).collect();
            for position in &lost {
                ear.lose(*position, Some(GapReason::Purged));
                ear.sent.get_mut(position).unwrap().settled = true;
            }
            if !lost.is_empty() {
                ear.apart.insert(mark, lost.len() as u64);
            }
            ear.look_who_is_first(now);
        }
        let before = self.grave.filter(|before| grave != Some(*before));
        if let Some(ear) = before.and_then(|before| self.ears.get_mut(&before)) {
            ear.hears_from = mark;
        }
        self.grave = grave;
    }

    /// The listeners that refuse a broadcast, or a dispatch to one of them.
    pub(super) fn refuses(&self, to: Option<usize>, bytes: u64) -> Vec<usize> {
        let settings = &self.settings;
        let overflow = if to.is_some() { settings.dispatch_overflow } else { settings.broadcast_overflow };
        let full = |listener: &usize| {
            let mut backlog = self.ears[listener].backlog();
            backlog += Tally::one(bytes);
            overflow == Overflow::RejectNew && !holds(settings.max_backlog, backlog)
        };
        let hears = |listener: &usize| match to {
            Some(to) => to == *listener,
            None => self.grave != Some(*listener),
        };
        self.ears.keys().copied().filter(hears).filter(full).collect()
    }

    pub(super) fn hearers(&self) -> u64 {
        (self.ears.len() - usize::from(self.grave.is_some())) as u64
    }

    pub(super) fn accept(&mut self, position: u64, message: Message, to: Option<usize>, now: u64) {
        let grave = self.grave;
        if to.is_none() {
            self.newest = position;
        }
        let hears = |listener: &usize| match to {
            Some(to) => to == *listener,
            None => grave != Some(*listener),
        };
        for (listener, ear) in &mut self.ears {
            if hears(listener) {
                ear.add(position, message, to.is_none(), now);
            }
        }
        let everybody: Vec<_> = self.ears.keys().copied().collect();
        everybody.into_iter().for_each(|listener| self.settle(listener, now));
    }

    fn settle(&mut self, listener: usize, now: u64) {
        let (quota, limited_at, newest) = (self.settings.max_backlog, self.limited_at, self.newest);
        let deaf = self.grave == Some(listener);
        let Some(ear) = self.ears.get_mut(&listener) else { return };
        let own = ear.waiting().filter(|(_, sent)| !sent.broadcast).map(|(position, _)| position).last();
        if own.unwrap_or_default().max(if deaf || newest <= ear.hears_from { 0 } else { newest })
            <= limited_at
        {
            return;
        }
        while !holds(quota, ear.backlog()) {
            let Some(first) = ear.waiting().next().map(|(position, _)| position) else { return };
            ear.lose(first, Some(GapReason::Overflow));
            ear.at = ear.at.max(first);
        }
        ear.look_who_is_first(now);
    }

    /// The channel keeps nothing up to `floor`.
    pub(super) fn trim(&mut self, floor: u64, expired: bool, now: u64) {
        for (listener, ear) in &mut self.ears {
            ear.floor = floor;
            if self.grave == Some(*listener) {
                continue;
            }
            let gone: Vec<_> = ear
                .waiting()
                .filter(|(position, sent)| sent.broadcast && *position <= floor)
                .map(|(position, sent)| (position, ear.may_be_gone(sent, now)))
                .collect();
            for (position, may_go) in gone {
                assert!(may_go || !expired, "{position} went, and had not expired: {ear:?}");
                ear.lose(position, None);
            }
            ear.look_who_is_first(now);
        }
    }

    pub(super) fn purge(&mut self, listener: usize, through: u64, now: u64) -> u64 {
        let Some(ear) = self.ears.get_mut(&listener) else { return 0 };
        // what has expired by itself is gone already; broadcasts may still be kept for others
        let expired = |sent: &Sent| !sent.broadcast && ear.may_be_gone(sent, now);
        let gone: Vec<_> = ear.waiting().map(|(position, sent)| (position, expired(sent))).collect();
        let mut purged = 0;
        for (position, expired) in gone {
            if expired {
                ear.lose(position, Some(GapReason::Expired));
            } else if position <= through {
                ear.lose(position, Some(GapReason::Purged));
                purged += 1;
            }
        }
        if purged > 0 {
            ear.at = ear.at.max(through);
        }
        ear.look_who_is_first(now);
        purged
    }
}
