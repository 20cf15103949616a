//! The lives of a server: each start begins one, and its positions run to the next start's.

use super::token::Incarnation;
use crate::log::{Position, Start};

/// The record of incarnations, in rising order.
#[derive(Debug)]
pub(super) struct Lives(Vec<(Position, Incarnation)>);

impl Lives {
    /// Of what a log has on record; the last is the one that runs.
    pub(super) fn on_record(starts: &[Start]) -> Self {
        Self(starts.iter().map(|start| (start.position, Incarnation::from(start.incarnation))).collect())
    }

    /// In whose range a position lies; before the first of the record, the first's.
    pub(super) fn of(&self, position: Position) -> Incarnation {
        let later = self.0.partition_point(|(first, _)| *first <= position);
        self.0.get(later.saturating_sub(1)).map_or(Incarnation::from(0), |(_, incarnation)| *incarnation)
    }

    /// Whether this start is on record and had what a listener, of this birth, was delivered up to a position: everything
    /// before the next start is as that start left it.
    pub(super) fn had(&self, incarnation: Incarnation, birth: Position, highest: Position) -> bool {
        // it is nearly always the last
        let place = self.0.iter().rposition(|(_, known)| *known == incarnation);
        let end = |place: usize| self.0.get(place + 1).map_or(Position(u64::MAX), |(next, _)| *next);
        place.is_some_and(|place| highest < end(place) && birth < end(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_belongs_to_the_start_before_it() {
        let start = |position, incarnation| Start { position: Position(position), incarnation };
        let lives = Lives::on_record(&[start(1, 7), start(10, 8), start(20, 9)]);
        let of: Vec<_> = [1, 9, 10, 19, 20, 1000].map(|at| lives.of(Position(at))).into();
        assert_eq!(of, [7, 7, 8, 8, 9, 9].map(Incarnation::from));
        let had = |tag, highest| lives.had(Incarnation::from(tag), Position(2), Position(highest));
        assert!(had(7, 9) && had(8, 9) && had(9, 1000));
        assert!(!had(7, 10) && !had(8, 20) && !had(6, 1));
    }
}
