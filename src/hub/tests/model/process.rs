//! A process ends, and another begins with what the log was told: what was accepted is there, and where everybody
//! stands is known as it was told last. Windows begin anew.

use super::*;
use crate::hub::tests::dated::Next;

/// What the log was told of a listener.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    ear: Box<Ear>,
    /// What of the channel's broadcasts was gone then.
    floor: u64,
}

/// A time of a process that ended, to the next one: what was in a window then is so for all its time from here on.
fn anew(at: i64, ended: i64, window: i64) -> i64 {
    if at + window >= ended { 0 } else { at - ended }
}

impl Sent {
    /// By the clock of a process that begins so long after the one before. Where the calendar was set back it has no
    /// longer than when it was accepted; what is gone does not come back.
    fn restart(&mut self, next: &Next, ended: i64, window: i64) {
        self.at = anew(self.at, ended, window);
        self.accepted -= next.away;
        let waited = (-self.accepted).max(0) as u64;
        let there = next.there.contains(&self.position);
        let left = |ttl: u64| if there { ttl.saturating_sub(waited).max(1) } else { 1 };
        self.expires = self.ttl.map(left);
    }
}

impl Ear {
    /// The log is told where it stands, and what of the channel's broadcasts is gone. What is to be lost and has not been
    /// passed yet is not lost if the process ends before.
    pub(super) fn keep(&mut self, floor: u64, passed: u64) {
        let mut ear = Box::new(Self { kept: None, ..self.clone() });
        assert!(ear.told <= passed, "a stream has come further than {passed}: {ear:?}");
        ear.lost.retain(|lost| *lost <= passed);
        ear.passed = ear.passed.min(passed);
        self.kept = Some(Kept { ear, floor });
    }

    /// What was told last. An end that was sent to it alone was accepted, whatever became of it since.
    fn back(self, floor: u64, ended: i64, window: i64, sent: &[Sent]) -> Self {
        let Self { end, kept, .. } = self;
        let Some(Kept { ear, floor: told }) = kept else { panic!("the log knows nothing of it") };
        let mut back = Self { end, ..*ear };
        back.told_at.values_mut().for_each(|at| *at = anew(*at, ended, window));
        back.kept = Some(Kept { ear: Box::new(back.clone()), floor: told });
        back.lose_broadcasts(floor, sent);
        back
    }
}

impl Room {
    /// The log is told where everybody stands; no broadcast up to there is kept.
    pub(in super::super) fn keep(&mut self, floor: u64, passed: &BTreeMap<usize, u64>) {
        self.kept_floor = floor;
        self.ears.iter_mut().for_each(|(listener, ear)| ear.keep(floor, passed[listener]));
    }

    /// The log is told where the channel stands.
    pub(in super::super) fn keep_floor(&mut self, floor: u64) {
        self.kept_floor = floor;
    }

    /// The log is told where a listener stands.
    pub(in super::super) fn keep_one(&mut self, listener: usize, floor: u64, passed: u64) {
        self.ears.get_mut(&listener).into_iter().for_each(|ear| ear.keep(floor, passed));
    }

    /// Another process has begun; the one before had been there so long. What it was to drop and had forgotten to be too
    /// much makes no backlog overflow.
    pub(in super::super) fn restart(&mut self, next: &Next, ended: u64) {
        self.limited_at = self.limited_at.max(next.last);
        let (ended, window) = (ended as i64, self.window());
        let told = self.ears.values().filter_map(|ear| ear.kept.as_ref()).map(|kept| kept.floor);
        let floor = told.max().unwrap_or_default().max(self.kept_floor);
        for ear in self.ears.values_mut() {
            *ear = std::mem::take(ear).back(floor, ended, window, &self.sent);
            for sent in self.sent.iter().filter(|sent| ear.waits_for(sent)) {
                let there = next.there.contains(&sent.position);
                assert!(there || sent.expired(ended as u64), "{sent:?} is lost, which waits for {ear:?}");
            }
        }
        self.sent.iter_mut().for_each(|sent| sent.restart(next, ended, window));
    }
}
