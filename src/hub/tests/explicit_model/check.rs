//! What a stream brings is just what is due, at its place.

use super::*;

impl Ear {
    /// What the stream has to do next; `None`: nothing.
    pub(super) fn next(&self, overtaking: bool, now: u64, lazily: bool) -> Option<String> {
        let fits = |sent: &Sent| {
            let mut more = self.outstanding();
            more += Tally::one(sent.bytes);
            self.credit.is_none_or(|credit| holds(credit, more))
        };
        if overtaking {
            let due = |sent: &Sent| sent.failed > 0 && !sent.in_hand && sent.due <= now;
            let mut behind =
                self.waiting().filter(|(position, sent)| *position > self.at && sent.failed == 0);
            let first = behind.next().map_or(u64::MAX, |(position, _)| position);
            let its_turn = |position: u64| position <= self.at || position < first;
            if let Some(again) = self.waiting().find(|(position, sent)| due(sent) && its_turn(*position)) {
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

    pub(in super::super) fn check_idle(&self, overtaking: bool, now: u64, lazily: bool) {
        let next = self.next(overtaking, now, lazily).filter(|_| self.open);
        assert!(next.is_none(), "its stream sleeps at {}: {next:?}\n{self:?}", self.at);
    }

    pub(super) fn check_gap(&mut self, gap: &Gap, had: u64, overtaking: bool, now: u64) {
        assert!(gap.through > gap.after, "{gap:?} is empty");
        let it = (gap.after.0, gap.through.0);
        let ring = [GapReason::Overflow, GapReason::Expired, GapReason::Trimmed].contains(&gap.reason);
        // what went with the channel's oldest is told where the last of them stood, which may have been told of before
        let untold = |sent: &Sent| sent.fate == Lost(None) && sent.told_by.is_none();
        let of_others = || ring && self.sent.range(..=gap.after.0).any(|(_, sent)| untold(sent));
        assert!(!self.known.contains(&it) || of_others(), "{gap:?} is told again");
        self.told.insert(it);
        let skipped = self.waiting().find(|(between, sent)| {
            let passed_over =
                overtaking && sent.failed > 0 || self.choosy && !sent.wanted || sent.expired(now);
            *between > self.at && *between <= gap.after.0 && !passed_over
        });
        assert!(skipped.is_none(), "{gap:?} is told before {skipped:?} comes: {self:?}");
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
            match sent.fate {
                Lost(None) if ring => {
                    most += 1;
                    let end = sent.told_by.map_or(gap.through.0, |told| told.end.min(gap.through.0));
                    sent.is_told_by(end, had);
                    self.told_here.insert(*position);
                }
                Lost(reason) if sent.told_by.is_none_or(|told| told.end == gap.through.0) => {
                    if reason == Some(gap.reason) {
                        (least, most) = (least + u64::from(!sent.settled), most + 1);
                        sent.is_told_by(gap.through.0, had);
                        self.told_here.insert(*position);
                    }
                }
                Acknowledged if sent.expired(now) => most += 1,
                Waits | Acknowledged | Lost(_) => {}
            }
        }
        // those that went with the channel's oldest are counted by one gap or by the next, and that may end where one
        // ends that told of what had expired before it
        let expired = gap.reason == GapReason::Expired;
        let shared = |sent: &Sent| {
            sent.fate == Lost(None) && (expired || sent.told_by.is_some_and(|told| told.end == gap.through.0))
        };
        if self.sent.range(..=gap.through.0).any(|(_, sent)| shared(sent)) {
            least = 0;
        }
        assert!(
            gap.count.is_none_or(|count| (least..=most).contains(&count)),
            "{gap:?}: {least}..={most}\n{self:?}"
        );
    }

    pub(super) fn check_message(&mut self, position: u64, overtaking: bool, now: u64) {
        let sent = self.sent.get(&position).unwrap_or_else(|| panic!("{position} is not for {self:?}"));
        let brought =
            self.on_core && sent.delivery == 0 && matches!(sent.fate, Lost(None | Some(GapReason::Overflow)));
        assert!(sent.fate == Waits || brought, "{position} comes again: {sent:?}");
        assert!(!sent.expired(now), "{position} has expired");
        assert!(!sent.in_hand, "{position} is in hand");
        assert!(sent.due <= now, "{position} is held back: {sent:?}");
        assert!(sent.wanted || !self.choosy, "{position} is of another type");
        let alone = overtaking && sent.failed > 0;
        let between = self.waiting().find(|(between, other)| {
            // of what has expired it may be told later, beside
            let lapsed = alone && other.expired(now);
            let passed_over = overtaking && other.failed > 0 || self.choosy && !other.wanted || lapsed;
            *between > self.at && *between < position && !passed_over
        });
        assert!(between.is_none(), "{between:?} was skipped before {position}");
        if alone {
            return;
        }
        // what a bell brings comes in order, too
        let at = if brought { self.brought } else { self.at };
        self.brought = self.brought.max(position);
        assert!(position > at, "{position} comes behind {at}");
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
    pub(in super::super) fn check(&mut self, handed: &Handed, overtaking: bool, now: u64) {
        let Handed { batch, generation, repeats } = handed;
        assert_eq!(*generation, self.generation);
        self.heard = self.generation;
        self.turns += 1;
        self.fresh_start = false;
        let had = self.reached.max(self.rewound_at_most.saturating_sub(1));
        batch.gaps.iter().for_each(|gap| self.check_gap(gap, had, overtaking, now));
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
            sent.extended = false;
            sent.deadline = allowed.filter(|_| overtaking).map(|allowed| now + allowed);
        }
        assert_eq!(*repeats, expected, "{self:?}");
        let outstanding = self.outstanding();
        assert!(
            self.credit.is_none_or(|credit| holds(credit, outstanding)),
            "beyond its credit: {outstanding:?}"
        );
        let ends = batch.gaps.iter().map(|gap| gap.through.0).max().unwrap_or_default();
        self.delivered = self.delivered.max(ends);
        self.come_to(batch.token.sequence.0, now);
    }

    fn come_to(&mut self, at: u64, now: u64) {
        self.at = self.at.max(at);
        self.reached = self.reached.max(self.at);
        self.pass_unwanted(at, self.at, now);
    }

    /// Its stream stands there: what it does not want of what lies before is acknowledged by that.
    pub(in super::super) fn pass_unwanted(&mut self, at: u64, delivered: u64, now: u64) {
        self.at = self.at.max(at);
        self.delivered = self.delivered.max(delivered);
        self.reached = self.reached.max(self.at.min(self.delivered));
        let choosy = self.choosy;
        let unwanted = |sent: &&mut Sent| choosy && sent.fate == Waits && !sent.wanted;
        let passed = self.sent.range_mut(..=self.at).map(|(_, sent)| sent).filter(unwanted);
        passed.for_each(|sent| (sent.fate, sent.in_hand) = (Acknowledged, false));
        self.look_who_is_first(now);
    }
}
