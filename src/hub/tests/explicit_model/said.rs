//! What a listener says of its deliveries, and what becomes of them by that.

use super::*;

impl Ear {
    /// Acknowledges; tells how many that covers, or that it is too much.
    pub(in super::super) fn acknowledge(
        &mut self,
        through: Option<u64>,
        singles: &[u64],
        gaps: &[(u64, u64)],
        back: u64,
        overtaking: bool,
        now: u64,
    ) -> Result<(u64, u64), ()> {
        let highest = singles
            .iter()
            .chain(&through)
            .chain(gaps.iter().map(|(_, end)| end))
            .copied()
            .max()
            .unwrap_or_default();
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
        if back == 0 {
            self.known.extend(gaps);
        }
        let passed_by_now = named.min(gaps_below.saturating_sub(1));
        for (position, sent) in &mut self.sent {
            let single = singles.contains(position) && *position < below;
            let again = overtaking && sent.failed > 0;
            if sent.fate == Waits && (single || *position <= through && !again) {
                // what has expired, and is in nobody's hand, may be gone
                least += u64::from(!sent.expired(now) || sent.in_hand && attended);
                most += 1;
                (sent.fate, sent.in_hand) = (Acknowledged, false);
            }
            if let Some(Told { end, had }) = sent.told_by.filter(|_| matches!(sent.fate, Lost(_))) {
                // whoever names a message that came before the gap means that, and nothing else that is missing
                let means_it = *position == end || end > had;
                let covered = end < passed_by_now && had < passed_by_now;
                let named = end == passed_by_now || singles.contains(&end);
                sent.settled |= end < gaps_below
                    && (gaps.iter().any(|(_, known)| *known == end) || covered || means_it && named);
            }
        }
        self.look_who_is_first(now);
        Ok((least, most))
    }

    /// The gaps that its client may name.
    pub(in super::super) fn told_gaps(&self) -> Vec<(u64, u64)> {
        self.told.difference(&self.known).copied().collect()
    }

    /// Whether a delivery may be rejected.
    pub(in super::super) fn may_reject(
        &self,
        position: u64,
        back: u64,
        overtaking: bool,
    ) -> Result<(), Error> {
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

    /// It has until then, or as the first for longer if it is not yet that; false where there is no deadline.
    pub(in super::super) fn extend(&mut self, position: u64, now: u64, by: u64, overtaking: bool) -> bool {
        let until = now + by;
        let is_first = self.waiting().next().is_some_and(|(first, _)| first == position);
        let sent = self.sent.get_mut(&position).filter(|_| self.ack_deadline.is_some());
        let Some(sent) = sent else { return false };
        (sent.deadline, sent.extended, sent.no_sooner) =
            (Some(until), true, !overtaking && !is_first && by > 0);
        true
    }

    /// Another deadline: what is in hand has all its time from now on.
    pub(in super::super) fn allow(&mut self, allowed: Option<u64>, overtaking: bool, now: u64) {
        if self.ack_deadline != allowed {
            self.ack_deadline = allowed;
            self.give_time(overtaking, now);
        }
    }

    fn give_time(&mut self, overtaking: bool, now: u64) {
        let Some(allowed) = self.ack_deadline else { return };
        for sent in self.sent.values_mut() {
            sent.deadline = sent.deadline.filter(|_| sent.extended);
            sent.no_sooner = true;
            if overtaking && sent.in_hand && sent.deadline < Some(now + allowed) {
                (sent.deadline, sent.extended) = (Some(now + allowed), false);
            }
        }
        self.first = self.first.map(|(position, delivery, _)| (position, delivery, now));
    }

    pub(in super::super) fn is_uncertain(&self, position: u64, now: u64) -> bool {
        self.sent.get(&position).is_some_and(|sent| self.may_be_gone(sent, now))
    }

    /// It has expired, and in nobody's hand.
    pub(super) fn may_be_gone(&self, sent: &Sent, now: u64) -> bool {
        sent.expired(now) && !(sent.in_hand && self.attended(now))
    }

    pub(super) fn rewind(&mut self, first: u64) {
        self.generation += 1;
        (self.rewound, self.rewound_at_most) = (first, first);
        for (_, sent) in self.sent.range_mut(first..) {
            (sent.in_hand, sent.deadline) = (false, None);
        }
        self.at = self.at.min(first - 1);
        (self.reached, self.brought) = (self.at, self.at);
    }

    /// Deliveries have failed.
    pub(in super::super) fn fail(
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
                self.erase(failing.position);
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
    pub(in super::super) fn left_behind(&self, session: Option<&'static str>, now: u64) -> Option<u64> {
        let left = self.left.is_some_and(|whose| whose.is_none() || whose != session);
        let first = self.waiting().find(|(_, sent)| !sent.expired(now));
        first.filter(|(_, sent)| left && sent.in_hand).map(|(position, _)| position)
    }

    pub(in super::super) fn begin(
        &mut self,
        session: Option<&'static str>,
        credit: Option<Quota>,
        goes_on: bool,
    ) {
        (self.open, self.holder, self.left, self.pulls) = (true, session, None, None);
        self.credit = credit;
        if goes_on {
            return;
        }
        self.told_here.clear();
        self.sent.values_mut().for_each(|sent| (sent.in_hand, sent.deadline) = (false, None));
        (self.first, self.brought) = (None, 0);
        self.stand_at_first();
    }

    /// It was sent back to whom it was meant for.
    pub(in super::super) fn take_out(&mut self, position: u64, now: u64) {
        if let Some(sent) = self.sent.get_mut(&position) {
            (sent.fate, sent.in_hand) = (Acknowledged, false);
        }
        self.erase(position);
        self.look_who_is_first(now);
    }

    /// The channel's way to redeliver, if it is another than before.
    pub(in super::super) fn adopt(&mut self, redelivery: Redelivery, now: u64) {
        let overtakes = redelivery == Redelivery::Overtaking;
        if std::mem::replace(&mut self.overtakes, overtakes) == overtakes {
            return;
        }
        if redelivery == Redelivery::Strict {
            let last = self.sent.keys().next_back().copied().unwrap_or_default();
            let none = last.max(self.delivered) + 1;
            let first = self.waiting().next().map_or(none, |(position, _)| position);
            let certain = self.waiting().find(|(_, sent)| !self.may_be_gone(sent, now));
            // a purge passes all that was there, whoever it was for
            let at_most = certain.map_or(none.max(self.purged + 1), |(position, _)| position);
            self.rewind(first);
            (self.rewound_at_most, self.begun) = (at_most, true);
        }
        self.look_who_is_first(now);
        self.give_time(redelivery == Redelivery::Overtaking, now);
    }
}
