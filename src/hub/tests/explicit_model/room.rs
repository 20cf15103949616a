//! A channel: what is accepted there for whom, and what it keeps.

use super::*;

impl Room {
    pub(in super::super) fn new(settings: ChannelSettings, birth: u64) -> Self {
        let (ears, grave) = (BTreeMap::new(), None);
        Self { settings, limited_at: birth, newest: birth, kept_floor: birth, ears, grave }
    }

    pub(in super::super) fn overtaking(&self) -> bool {
        self.settings.redelivery == Redelivery::Overtaking
    }

    pub(in super::super) fn update(&mut self, settings: ChannelSettings, mark: u64, now: u64) {
        if settings.max_backlog != self.settings.max_backlog {
            self.limited_at = mark;
        }
        self.ears.values_mut().for_each(|ear| ear.adopt(settings.redelivery, now));
        self.settings = settings;
    }

    /// A new listener looks at the channel.
    pub(in super::super) fn adopt(&mut self, listener: usize, now: u64) {
        let redelivery = self.settings.redelivery;
        self.ears.get_mut(&listener).into_iter().for_each(|ear| ear.adopt(redelivery, now));
    }

    /// Who receives dead letters hears no broadcasts.
    pub(in super::super) fn name(&mut self, grave: Option<usize>, mark: u64, now: u64) {
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
            (ear.hears_from, ear.deaf) = (mark, false);
        }
        self.grave = grave;
        grave.and_then(|grave| self.ears.get_mut(&grave)).into_iter().for_each(|ear| ear.deaf = true);
    }

    /// The listeners that refuse a broadcast, or a dispatch to one of them.
    pub(in super::super) fn refuses(&self, to: Option<usize>, bytes: u64) -> Vec<usize> {
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

    pub(in super::super) fn hearers(&self) -> u64 {
        (self.ears.len() - usize::from(self.grave.is_some())) as u64
    }

    pub(in super::super) fn accept(&mut self, position: u64, message: Message, to: Option<usize>, now: u64) {
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

    pub(super) fn settle(&mut self, listener: usize, now: u64) {
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
    pub(in super::super) fn trim(&mut self, floor: u64, expired: bool, now: u64) {
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

    pub(in super::super) fn purge(&mut self, listener: usize, through: u64, now: u64) -> u64 {
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
        ear.purged = ear.purged.max(through);
        if purged > 0 {
            ear.at = ear.at.max(through);
        }
        ear.look_who_is_first(now);
        purged
    }
}
