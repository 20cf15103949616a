//! What is known of single messages that are not acknowledged: how often they have failed, and when they are due.

use crate::log::Position;
use std::collections::BTreeMap;

/// When a message counts as rejected, where that was said for it alone. A moment in milliseconds of the hub's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deadline {
    /// Then: as each delivery has it, where each has one.
    Usual(u64),
    /// Then: its time ran as this was said.
    At(u64),
    /// No sooner: its time had not begun.
    NotBefore(u64),
}

/// What is known of one message. Moments are in milliseconds of the hub's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// How often it was rejected, not acknowledged in time, or left.
    pub(super) failed: u32,
    /// When it comes again; before that it is held back.
    pub(super) due: u64,
    /// Where others overtake it: it has come again, and is in hand.
    pub(super) sent: bool,
    /// When it counts as rejected, where that was said for it alone.
    pub(super) deadline: Option<Deadline>,
}

/// Notes, by the messages' positions. Each lies behind what is acknowledged and at most as far as what was delivered, so
/// there are no more than may be outstanding.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes(BTreeMap<Position, Note>);

impl Deadline {
    fn moment(self) -> u64 {
        let (Self::Usual(moment) | Self::At(moment) | Self::NotBefore(moment)) = self;
        moment
    }

    /// When that is for one which would have until a moment else.
    pub(super) fn or(self, until: u64) -> u64 {
        match self {
            Self::Usual(moment) | Self::At(moment) => moment,
            Self::NotBefore(moment) => moment.max(until),
        }
    }
}

impl Note {
    fn is_due(&self, now: u64) -> bool {
        self.failed > 0 && !self.sent && self.due <= now
    }
}

impl Notes {
    pub(super) fn get(&self, position: Position) -> Option<&Note> {
        self.0.get(&position)
    }

    /// The note of a message, a new one where it has none.
    pub(super) fn of(&mut self, position: Position) -> &mut Note {
        self.0.entry(position).or_default()
    }

    pub(super) fn remove(&mut self, position: Position) {
        self.0.remove(&position);
    }

    /// How often a message has failed.
    pub(super) fn failed(&self, position: Position) -> u32 {
        self.0.get(&position).map_or(0, |note| note.failed)
    }

    /// How often each has, of those that have.
    pub(super) fn all_failed(&self) -> Vec<(Position, u32)> {
        let failed = self.0.iter().filter(|(_, note)| note.failed > 0);
        failed.map(|(position, note)| (*position, note.failed)).collect()
    }

    /// Those of messages that have failed so often, and are due.
    pub(super) fn of_failed(failed: &[(Position, u32)]) -> Self {
        let note = |&(position, failed): &(Position, u32)| (position, Note { failed, ..Note::default() });
        Self(failed.iter().map(note).collect())
    }

    /// Whether any up to a position has failed.
    pub(super) fn any_failed_through(&self, through: Position) -> bool {
        self.0.range(..=through).any(|(_, note)| note.failed > 0)
    }

    /// Whether any stands behind a position.
    pub(super) fn any_after(&self, position: Position) -> bool {
        self.0.last_key_value().is_some_and(|(last, _)| *last > position)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(Position) -> bool) {
        self.0.retain(|position, _| keep(*position));
    }

    pub(super) fn drop_through(&mut self, through: Position) {
        while self.0.first_key_value().is_some_and(|(first, _)| *first <= through) {
            self.0.pop_first();
        }
    }

    /// A new delivery begins: what was said of an earlier one's deadline does not hold for it.
    pub(super) fn begin_again(&mut self, behind: Position) {
        for note in self.0.range_mut(Position(behind.0.saturating_add(1))..).map(|(_, note)| note) {
            (note.sent, note.deadline) = (false, None);
        }
    }

    /// What is delivered from here on has the time that every delivery has.
    pub(super) fn forget_deadlines(&mut self, from: Position) {
        self.0.range_mut(from..).for_each(|(_, note)| note.deadline = None);
    }

    /// Each has another time than before, or more where that was said for it alone.
    pub(super) fn loosen_deadlines(&mut self) {
        for note in self.0.values_mut() {
            let said = note.deadline.filter(|deadline| !matches!(deadline, Deadline::Usual(_)));
            note.deadline = said.map(|deadline| Deadline::NotBefore(deadline.moment()));
        }
    }

    /// Those that have failed, up to a position, count as come again.
    pub(super) fn mark_sent(&mut self, through: Position) {
        self.0.range_mut(..=through).for_each(|(_, note)| note.sent = note.failed > 0);
    }

    /// The last that has come again alone.
    pub(super) fn last_sent(&self) -> Position {
        let mut sent = self.0.iter().rev().filter(|(_, note)| note.sent);
        sent.next().map_or(Position::ZERO, |(position, _)| *position)
    }

    /// Those behind a position that are not due.
    pub(super) fn not_due(&self, after: Position, now: u64) -> impl Iterator<Item = Position> + '_ {
        let behind = self.0.range(Position(after.0.saturating_add(1))..);
        behind.filter(move |(_, note)| note.failed > 0 && note.due > now).map(|(position, _)| *position)
    }

    /// Those that have failed, are due and have not come again.
    pub(super) fn due(&self, now: u64) -> impl Iterator<Item = Position> + '_ {
        self.0.iter().filter(move |(_, note)| note.is_due(now)).map(|(position, _)| *position)
    }

    pub(super) fn is_due(&self, position: Position, now: u64) -> bool {
        self.get(position).is_some_and(|note| note.is_due(now))
    }

    /// Those that have failed and have not come again.
    pub(super) fn set_aside(&self) -> impl Iterator<Item = Position> + '_ {
        self.0.iter().filter(|(_, note)| note.failed > 0 && !note.sent).map(|(position, _)| *position)
    }

    /// When the next one is due that is held back.
    pub(super) fn next_due(&self, now: u64) -> Option<u64> {
        self.0.values().filter(|note| note.failed > 0 && note.due > now).map(|note| note.due).min()
    }

    /// When each counts as rejected, of those of which that is known.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = (Position, u64)> + '_ {
        self.0.iter().filter_map(|(position, note)| Some((*position, note.deadline?.moment())))
    }

    /// Those that count as rejected by now.
    pub(super) fn overdue(&self, now: u64) -> Vec<Position> {
        let overdue = |note: &Note| note.deadline.is_some_and(|deadline| deadline.moment() <= now);
        self.0.iter().filter(|(_, note)| overdue(note)).map(|(position, _)| *position).collect()
    }
}
