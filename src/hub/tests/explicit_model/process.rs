//! A process ends, and another begins with what the log was told: what was accepted is there, and where everybody
//! stands is known as it was told last.

use super::*;
use crate::hub::tests::dated::Next;

/// What the log was told of a listener.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) ear: Box<Ear>,
    /// Everything up to there is done with.
    pub(super) passed: u64,
}

impl Sent {
    /// As it was accepted.
    fn anew(self) -> Self {
        let Self { bytes, broadcast, wanted, ttl, accepted, expires, .. } = self;
        Self::new(Message { bytes, ttl, letter: false, wanted }, broadcast, accepted, expires)
    }

    /// By the clock of a process that begins so long after the one before. Where the calendar was set back it has no
    /// longer than when it was accepted; what is gone does not come back.
    fn restart(&mut self, away: i64, there: bool) {
        self.accepted -= away;
        let waited = (-self.accepted).max(0) as u64;
        let left = |ttl: u64| if there { ttl.saturating_sub(waited).max(1) } else { 1 };
        self.expires = self.expires.and(self.ttl).map(left);
        (self.in_hand, self.due, self.deadline, self.extended) = (false, 0, None, false);
        self.delivery = self.delivery.max(1);
    }
}

impl Ear {
    /// The log is told where it stands.
    pub(in super::super) fn keep(&mut self, passed: u64) {
        self.kept = None;
        self.kept = Some(Kept { ear: Box::new(self.clone()), passed });
    }

    /// It goes from the log at once.
    pub(super) fn erase(&mut self, position: u64) {
        self.sent.get_mut(&position).into_iter().for_each(|sent| sent.erased = true);
    }

    /// What was told last, and what was accepted since.
    fn back(self, floor: u64) -> Self {
        let Self { kept, sent, ack_deadline, turns, heard, .. } = self;
        let Some(kept) = kept else { panic!("the log knows nothing of it") };
        let mut back = Self { ack_deadline, turns, heard, begun: false, ..(*kept.ear).clone() };
        for (position, now) in sent {
            let then = back.sent.entry(position).or_insert(now.anew());
            (then.accepted, then.expires) = (now.accepted, now.expires);
            if now.erased {
                (then.fate, then.erased) = (now.fate, true);
            } else if then.is_there(position, kept.passed, floor) {
                // what was taken out by itself and had failed before begins anew
                *then = now.anew();
            } else if then.fate == Waits && then.broadcast && position <= floor {
                then.fate = Lost(None);
            }
        }
        back.kept = Some(kept);
        back
    }

    /// Checks when a message expires, of those that wait.
    pub(in super::super) fn check_expiry(&self, position: u64, expires: Option<u64>) {
        let Some(sent) = self.sent.get(&position).filter(|sent| sent.fate == Waits) else { return };
        assert_eq!(expires, sent.expires, "{position}: {sent:?}");
    }

    /// All that waits counts as delivered, and nothing is in hand.
    fn restart(&mut self, next: &Next, ended: u64) {
        let last = next.last;
        (self.open, self.holder, self.pulls, self.first) = (false, None, None, None);
        (self.delivered, self.reached, self.brought, self.fresh_start) = (last, last, 0, true);
        self.told_here.clear();
        for (position, sent) in &mut self.sent {
            let there = next.there.contains(position);
            assert!(there || sent.fate != Waits || sent.expired(ended), "{position} is lost: {sent:?}");
            sent.restart(next.away, there);
        }
        self.stand_at_first();
    }
}

impl Sent {
    /// The log still has it, and nothing that it was told says that it is done with.
    fn is_there(&self, position: u64, passed: u64, floor: u64) -> bool {
        let told = match self.fate {
            Waits => return false,
            Lost(None) => position <= floor,
            Acknowledged | Lost(Some(_)) => self.broadcast,
        };
        !told && position > passed
    }
}

impl Room {
    /// Who receives dead letters may not have been told so before the end of the process: he is so from here on.
    fn agree_on_hearing(&mut self, last: u64) -> bool {
        let named = self.grave;
        self.grave = self.ears.iter().find(|(_, ear)| ear.deaf).map(|(listener, _)| *listener);
        let another = self.grave != named;
        self.name(named, last, 0);
        another
    }

    /// What is done with goes from the log for good; these are still there.
    pub(in super::super) fn erase(&mut self, there: &BTreeSet<u64>) {
        for (position, sent) in self.ears.values_mut().flat_map(|ear| &mut ear.sent) {
            sent.erased |= sent.fate != Waits || !sent.broadcast && !there.contains(position);
        }
    }

    /// The log is told that no broadcast up to there is kept.
    pub(in super::super) fn keep(&mut self, floor: u64) {
        self.kept_floor = floor;
    }

    /// Another process has begun; the one before had been there so long. Tells whether somebody hears since then.
    pub(in super::super) fn restart(&mut self, next: &Next, ended: u64) -> bool {
        // what was forgotten of acknowledgements makes no backlog overflow
        self.limited_at = self.limited_at.max(next.last);
        let (redelivery, floor) = (self.settings.redelivery, self.kept_floor);
        for ear in self.ears.values_mut() {
            let heard = ear.heard;
            *ear = std::mem::take(ear).back(floor);
            ear.restart(next, ended);
            ear.adopt(redelivery, 0);
            assert!(ear.generation >= heard, "a generation is forgotten");
        }
        self.agree_on_hearing(next.last)
    }
}
