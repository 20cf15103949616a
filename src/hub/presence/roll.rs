//! The roll of a channel: who listens, in the order in which they came, and between them what has changed lately. It is one
//! list for all who watch; each of them is a place in it.

use super::{
    super::{
        alarm::{Alarms, Whom},
        attendance::{Attendance, OPEN},
    },
    PresenceChange, PresenceEvent, Who,
};
use crate::log::Position;
use slab::Slab;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
    task::Waker,
};

/// So many changes at most are kept for those who have not been told of them; beyond it the oldest is forgotten, and who
/// needed it begins anew.
pub(in super::super) const MAX_PAST: usize = 65_536;
/// So much is told at once. Ids and sessions have 128 bytes at most, so that it stays below 96 KiB, for which every response
/// has room.
pub(in super::super) const TOLD_AT_ONCE: usize = 256;
/// Those who wait are woken at most once in so many milliseconds: a crowd that comes back is told in few parts.
const APART: u64 = 50;

#[derive(Debug)]
enum What {
    /// It listens, or did up to the entry of this number.
    Came { over: u64 },
    /// It listens no more.
    Left,
}

#[derive(Debug)]
struct Entry {
    birth: Position,
    listener: Arc<str>,
    session: Option<Arc<str>>,
    at: i64,
    until: u64,
    what: What,
}

impl Entry {
    /// What this entry is to somebody who began behind the entry of a number.
    fn as_told(&self, number: u64, began: u64) -> Option<PresenceChange> {
        let event = match self.what {
            What::Came { .. } if number > began => PresenceEvent::Joined,
            What::Came { over } if over > began => PresenceEvent::Present,
            What::Left if number > began => PresenceEvent::Left,
            What::Came { .. } | What::Left => return None,
        };
        let (listener, session) = (Arc::clone(&self.listener), self.session.clone());
        Some(PresenceChange { event, listener, at: self.at, session })
    }
}

/// Somebody who watches.
#[derive(Debug, Default)]
struct Watcher {
    /// The number of the last entry that it was told, or that is not for it.
    told: u64,
    /// Who came up to here was there before it.
    began: u64,
    /// Whom to wake, while it waits.
    waits: Option<Waker>,
}

/// Who listens on a channel, and what has changed since.
#[derive(Debug)]
pub(super) struct Roll {
    /// The birth of its channel.
    birth: Position,
    alarms: Arc<Alarms>,
    last: u64,
    entries: BTreeMap<u64, Entry>,
    /// Who listens, by birth: the number of the entry that says so.
    present: HashMap<Position, u64>,
    /// Who will have left, unless he comes back, by the moment.
    due: BTreeSet<(u64, u64)>,
    /// The entries that are no longer so.
    past: BTreeSet<u64>,
    /// That somebody left has been forgotten up to here.
    forgotten: u64,
    /// Everybody who listens is on it.
    complete: bool,
    watchers: Slab<Watcher>,
    /// How many of them wait.
    waiting: usize,
    /// Nobody is woken before this moment.
    quiet_until: u64,
    alarm: Option<u64>,
}

impl Roll {
    pub(super) fn new(birth: Position, alarms: &Arc<Alarms>) -> Box<Self> {
        Box::new(Self {
            birth,
            alarms: Arc::clone(alarms),
            last: 0,
            entries: BTreeMap::new(),
            present: HashMap::new(),
            due: BTreeSet::new(),
            past: BTreeSet::new(),
            forgotten: 0,
            complete: false,
            watchers: Slab::new(),
            waiting: 0,
            quiet_until: 0,
            alarm: None,
        })
    }

    /// Takes somebody in who watches, and tells whether everybody who listens is on the roll already.
    pub(super) fn enter(&mut self) -> (usize, bool) {
        (self.watchers.insert(Watcher::default()), self.complete)
    }

    /// Everybody who listens is on the roll: who comes now comes after this watcher.
    pub(super) fn begin(&mut self, key: usize) {
        self.complete = true;
        if let Some(watcher) = self.watchers.get_mut(key) {
            watcher.began = self.last;
        }
    }

    /// Somebody watches no more; tells whether nobody does.
    pub(super) fn leave(&mut self, key: usize) -> bool {
        let left = self.watchers.try_remove(key);
        self.waiting -= usize::from(left.is_some_and(|watcher| watcher.waits.is_some()));
        if self.watchers.is_empty()
            && let Some(alarm) = self.alarm.take()
        {
            self.alarms.cancel(alarm, self.birth);
        }
        self.watchers.is_empty()
    }

    /// How a listener stands now.
    pub(super) fn note(&mut self, listener: Who<'_>, attendance: Attendance, now: u64) {
        let known = self.present.get(&listener.birth).copied();
        // his time may have come and nobody has looked yet
        let known = known.filter(|number| !self.end_if_due(*number, now));
        match known {
            Some(number) if attendance.lasts(now) => self.prolong(number, listener.session, attendance.until),
            Some(number) => self.end(number),
            None if attendance.lasts(now) => self.come(listener, attendance),
            None => return,
        }
        self.tell(now);
    }

    /// Does what is due.
    pub(super) fn look_after(&mut self, now: u64) {
        self.alarm = None;
        while let Some((_, number)) = self.due.first().copied()
            && self.end_if_due(number, now)
        {}
        self.tell(now);
    }

    /// What somebody was not told yet; where that is nothing, he is woken when there is something.
    pub(super) fn read(&mut self, key: usize, waker: &Waker) -> Vec<PresenceChange> {
        let Some(watcher) = self.watchers.get_mut(key) else { return Vec::new() };
        let mut changes = Vec::new();
        if watcher.told.max(watcher.began) < self.forgotten {
            (watcher.told, watcher.began) = (0, self.last);
            changes.push(reset());
        }
        let untold = (Bound::Excluded(watcher.told), Bound::Unbounded);
        for (number, entry) in self.entries.range(untold) {
            changes.extend(entry.as_told(*number, watcher.began));
            watcher.told = *number;
            if changes.len() >= TOLD_AT_ONCE {
                break;
            }
        }
        let waited = watcher.waits.take();
        self.waiting -= usize::from(waited.is_some());
        if changes.is_empty() {
            let known = waited.filter(|known| known.will_wake(waker));
            watcher.waits = Some(known.unwrap_or_else(|| waker.clone()));
            self.waiting += 1;
        }
        changes
    }

    /// Lets go of what everybody has been told.
    pub(super) fn forget_told(&mut self) {
        let told = self.watchers.iter().map(|(_, watcher)| watcher.told).min().unwrap_or(u64::MAX);
        while let Some(number) = self.past.pop_first() {
            if number > told {
                self.past.insert(number);
                break;
            }
            self.entries.remove(&number);
        }
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.entries.len()
    }

    fn push(&mut self, entry: Entry) -> u64 {
        self.last += 1;
        self.entries.insert(self.last, entry);
        self.last
    }

    fn come(&mut self, listener: Who<'_>, attendance: Attendance) {
        let number = self.push(Entry {
            birth: listener.birth,
            listener: Arc::clone(listener.id),
            session: listener.session.cloned(),
            at: attendance.since,
            until: OPEN,
            what: What::Came { over: u64::MAX },
        });
        self.present.insert(listener.birth, number);
        self.set_until(number, attendance.until);
    }

    /// He listens on, or may come back until then: that is nothing to tell.
    fn prolong(&mut self, number: u64, session: Option<&Arc<str>>, until: u64) {
        if let Some(entry) = self.entries.get_mut(&number)
            && entry.session.as_ref() != session
        {
            entry.session = session.cloned();
        }
        self.set_until(number, until);
    }

    fn set_until(&mut self, number: u64, until: u64) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        let before = std::mem::replace(&mut entry.until, until);
        self.due.remove(&(before, number));
        if until != OPEN {
            self.due.insert((until, number));
        }
    }

    fn end_if_due(&mut self, number: u64, now: u64) -> bool {
        let due = self.entries.get(&number).is_some_and(|entry| entry.until <= now);
        if due {
            self.end(number);
        }
        due
    }

    fn end(&mut self, number: u64) {
        self.set_until(number, OPEN);
        let over = self.last + 1;
        let Some(entry) = self.entries.get_mut(&number) else { return };
        entry.what = What::Came { over };
        let (birth, listener, session) = (entry.birth, Arc::clone(&entry.listener), entry.session.clone());
        self.present.remove(&birth);
        let at = super::super::now();
        self.push(Entry { birth, listener, session, at, until: OPEN, what: What::Left });
        self.past.extend([number, over]);
        while self.past.len() > MAX_PAST {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(number) = self.past.pop_first() else { return };
        if let Some(Entry { what: What::Left, .. }) = self.entries.remove(&number) {
            self.forgotten = number;
        }
    }

    /// Wakes those who wait and were not told, or has that done when they have been left in peace for long enough.
    fn tell(&mut self, now: u64) {
        let last = self.last;
        let waiting = |watcher: &Watcher| watcher.told < last && watcher.waits.is_some();
        let any = self.waiting > 0 && self.watchers.iter().any(|(_, watcher)| waiting(watcher));
        let mut next = self.due.first().map(|(until, _)| *until);
        if any && now < self.quiet_until {
            next = Some(next.map_or(self.quiet_until, |next| next.min(self.quiet_until)));
        } else if any {
            self.quiet_until = now + APART;
            for (_, watcher) in self.watchers.iter_mut().filter(|(_, watcher)| waiting(watcher)) {
                watcher.waits.take().into_iter().for_each(Waker::wake);
                self.waiting -= 1;
            }
        }
        self.set_alarm(next);
    }

    fn set_alarm(&mut self, next: Option<u64>) {
        let Some(next) = next.filter(|next| self.alarm.is_none_or(|alarm| *next < alarm)) else { return };
        if let Some(alarm) = self.alarm.replace(next) {
            self.alarms.cancel(alarm, self.birth);
        }
        self.alarms.put(next, Whom::Presence { channel: self.birth });
    }
}

fn reset() -> PresenceChange {
    PresenceChange {
        event: PresenceEvent::Reset,
        listener: "".into(),
        at: super::super::now(),
        session: None,
    }
}
