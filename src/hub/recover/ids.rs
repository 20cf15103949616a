//! Ids that a log gives back, put into the order in which their messages were accepted.

use crate::{
    hub::{
        Hub, Moment,
        ids::{Key, Keys, Remembered},
    },
    log::{AcceptedId, Position},
};
use std::collections::VecDeque;

/// An id that a log knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) channel: Position,
    pub(super) key: Key,
    position: Position,
    /// In milliseconds since 1970-01-01 UTC.
    until: i64,
}

impl Known {
    /// Its text is not kept.
    pub(super) fn new(id: &AcceptedId, keys: &Keys) -> Self {
        let AcceptedId { position, channel, until, .. } = *id;
        Self { channel, key: keys.key(id.listener, &id.id), position, until }
    }

    /// What is to be remembered of it, in milliseconds no longer than the window of its channel; `None`: its time is over.
    pub(super) fn remembered(self, window: u64, now: Moment) -> Option<Remembered> {
        let left = self.until.saturating_sub(now.unix_nanos / 1_000_000);
        // a clock that was set back must not make it longer than it may be
        let left = u64::try_from(left).ok().filter(|left| *left > 0)?.min(window);
        let until = now.millis.saturating_add(left);
        Some(Remembered { key: self.key, position: self.position, until })
    }
}

/// Hands on, in runs of one channel each, what the log tells: first those of messages that are gone, then those of
/// messages, among which they belong, and of messages that are about to go.
#[derive(Debug, Default)]
pub(super) struct InOrder {
    gone: VecDeque<Known>,
    run: Vec<Known>,
}

impl InOrder {
    /// Takes that of a message that is gone. Each of the two parts rises: what does not is of the second.
    pub(super) fn push_gone(&mut self, id: Known, hand_on: impl FnMut(&[Known])) {
        if self.gone.back().is_some_and(|last| last.position > id.position) {
            self.push(id, hand_on);
        } else {
            self.gone.push_back(id);
        }
    }

    /// Takes that of a message.
    pub(super) fn push(&mut self, id: Known, mut hand_on: impl FnMut(&[Known])) {
        while let Some(gone) = self.gone.pop_front_if(|gone| gone.position < id.position) {
            self.add(gone, &mut hand_on);
        }
        self.add(id, &mut hand_on);
    }

    fn add(&mut self, id: Known, hand_on: &mut impl FnMut(&[Known])) {
        let of_another = self.run.last().is_some_and(|last| last.channel != id.channel);
        if of_another || self.run.len() == Hub::LONGEST_RUN {
            hand_on(&self.run);
            self.run.clear();
        }
        self.run.push(id);
    }

    /// Hands on what is left.
    pub(super) fn end(mut self, mut hand_on: impl FnMut(&[Known])) {
        for gone in std::mem::take(&mut self.gone) {
            self.add(gone, &mut hand_on);
        }
        hand_on(&self.run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(position: u64, channel: u64) -> Known {
        let (channel, key) = (Position(channel), Keys::default().key(None, "a"));
        Known { channel, key, position: Position(position), until: 0 }
    }

    #[test]
    fn those_of_messages_that_are_gone_come_among_the_others() {
        let (mut order, mut runs) = (InOrder::default(), Vec::new());
        let mut note = |run: &[Known]| runs.push(run.iter().map(|id| id.position.0).collect::<Vec<_>>());
        [3, 5, 9].into_iter().for_each(|position| order.push_gone(known(position, 1), &mut note));
        order.push(known(4, 1), &mut note);
        order.push_gone(known(6, 1), &mut note);
        order.push(known(7, 2), &mut note);
        order.end(&mut note);
        assert_eq!(runs, [vec![3, 4, 5, 6], vec![7], vec![9]]);
    }

    #[test]
    fn a_run_is_handed_on_once_it_is_long() {
        let (mut order, mut runs) = (InOrder::default(), Vec::new());
        let mut note = |run: &[Known]| runs.push(run.len());
        (0..100).for_each(|position| order.push(known(position, 1), &mut note));
        order.end(&mut note);
        assert_eq!(runs, [64, 36]);
    }

    #[test]
    fn an_id_is_remembered_for_what_is_left_of_its_time_and_no_longer_than_the_window() {
        let now = Moment { millis: 5, unix_nanos: 1_000_000_000 };
        let until = |until, window| {
            Known { until, ..known(1, 1) }.remembered(window, now).map(|remembered| remembered.until)
        };
        assert_eq!([until(1_010, 20), until(1_050, 20)], [Some(15), Some(25)]);
        assert_eq!([until(1_000, 20), until(999, 20)], [None; 2]);
    }
}
