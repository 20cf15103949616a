//! Gaps: messages that were meant for a listener and cannot reach it.

mod kept;

use super::queue::Run;
use crate::log::Position;
use serde::{Deserialize, Serialize};

/// A listener remembers no more gaps than this; beyond it the two oldest merge.
pub(super) const MAX_GAPS: usize = 64;

/// Why messages are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GapReason {
    /// The backlog was full.
    Overflow,
    /// They had waited longer than they may.
    Expired,
    /// They are older than what is kept.
    Trimmed,
    /// They were purged.
    Purged,
    /// They were rejected finally, or too often.
    Rejected,
    /// The resume token was of another life.
    OtherLife,
}

/// Messages that are missing, at their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// Everything up to here is not part of it.
    pub after: Position,
    /// The last position it covers.
    pub through: Position,
    /// How many are missing, where that is known.
    pub count: Option<u64>,
}

/// What a gap covers: everything behind the first, through the second.
pub type Span = (Position, Position);

impl Gap {
    fn span(&self) -> Span {
        (self.after, self.through)
    }

    /// Whether it covers the message at its end, and no other.
    fn is_of_one(&self) -> bool {
        let single = matches!(self.reason, GapReason::Rejected | GapReason::Expired);
        single && self.count == Some(1) && self.after == self.through.before()
    }

    fn joined(self, later: Self) -> Self {
        let count = self.count.zip(later.count).map(|(a, b)| a + b);
        // what lies between them may still be there, or may have been delivered: it is no part of the gap
        let after = if self.through == later.after { self.after } else { later.after };
        Self { reason: later.reason, after, through: later.through, count }
    }
}

/// The gaps of one listener, in rising order.
#[derive(Clone, Debug, Default)]
pub(super) struct Gaps {
    noted: Vec<Noted>,
    /// They stay until they are acknowledged, and may come behind where a stream stands.
    explicit: bool,
    /// Everything up to here was handed over.
    said: Position,
    /// The end of the last one that is remembered no more.
    forgotten: Position,
}

#[derive(Clone, Copy, Debug)]
struct Noted {
    gap: Gap,
    said: Option<Said>,
}

/// It was handed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    /// When that was first, in seconds of the hub's clock.
    pub(super) at: u32,
    /// Up to here messages had been brought before, in the same generation: a client that names one of them means that,
    /// and may not have heard of the gap. Whoever names one from behind has.
    pub(super) had: Position,
}

impl Gaps {
    /// For a listener that acknowledges.
    pub(super) fn explicit() -> Self {
        Self { explicit: true, ..Self::default() }
    }

    /// Everything up to here was handed over.
    pub(super) fn said(&self) -> Position {
        self.said
    }

    /// The end of the last one that was handed over too long ago to be told again.
    pub(super) fn forgotten(&self) -> Position {
        self.forgotten
    }

    /// Whether one waits that a stream has not said which has said everything up to `said`.
    pub(super) fn any_to_say(&self, said: Position) -> bool {
        self.to_say(said).next().is_some()
    }

    /// Those behind `said`, and those before it that came there later.
    pub(super) fn to_say(&self, said: Position) -> impl Iterator<Item = Gap> + '_ {
        let late = move |noted: &Noted| self.explicit && noted.said.is_none();
        let to_say = move |noted: &&Noted| noted.gap.through > said || late(noted);
        self.noted.iter().filter(to_say).map(|noted| noted.gap)
    }

    /// The first of them.
    pub(super) fn first_to_say(&self, said: Position) -> Option<Gap> {
        self.to_say(said).next()
    }

    /// Adds one, or makes the one before it longer where they touch and nobody has heard of that yet. One that covers it is
    /// enough.
    pub(super) fn note(&mut self, gap: Gap) {
        if let Some(wider) = self.unsaid_around(gap) {
            wider.count = wider.count.zip(gap.count).map(|(a, b)| a + b);
            return;
        }
        match self.unsaid_before(gap) {
            Some(last) if last.through == gap.after => *last = last.joined(gap),
            Some(_) | None => self.insert(gap, None),
        }
    }

    /// The one that covers all of it, where nobody has heard of that yet.
    fn unsaid_around(&mut self, gap: Gap) -> Option<&mut Gap> {
        let place = self.place(gap);
        let noted = self.noted.get_mut(place).filter(|noted| noted.said.is_none())?;
        Some(&mut noted.gap).filter(|noted| noted.after <= gap.after)
    }

    /// The one that stands before it, where it is of the same reason and nobody has heard of it yet.
    fn unsaid_before(&mut self, gap: Gap) -> Option<&mut Gap> {
        let before = self.place(gap).checked_sub(1)?;
        let unsaid = self.noted.get_mut(before).filter(|noted| noted.said.is_none());
        unsaid.map(|noted| &mut noted.gap).filter(|before| before.reason == gap.reason)
    }

    fn place(&self, gap: Gap) -> usize {
        self.noted.partition_point(|noted| noted.gap.through < gap.through)
    }

    /// Messages among those that wait have expired; what is `apart` has something that waits between.
    pub(super) fn expire(&mut self, run: Run, apart: impl Fn(Position, Position) -> bool) {
        let Run { first, last, count } = run;
        let gap =
            Gap { reason: GapReason::Expired, after: first.before(), through: last, count: Some(count) };
        match self.unsaid_before(gap) {
            Some(before) if !apart(before.through, first) => {
                let after = before.after;
                *before = Gap { after, ..before.joined(gap) };
            }
            Some(_) | None => self.insert(gap, None),
        }
    }

    /// Those that nobody has heard of, and that begin within one which tells of everything up to its end, are part of it,
    /// and so is the rest of the last of them: how many of it stand on which side is not known.
    pub(super) fn swallow(&mut self, mut gap: Gap) -> Gap {
        self.noted.retain(|Noted { gap: noted, said }| {
            let within = noted.after >= gap.after && noted.after < gap.through && said.is_none();
            if within {
                gap.count = gap.count.zip(noted.count).map(|(a, b)| a + b);
                gap.through = gap.through.max(noted.through);
            }
            !within
        });
        gap
    }

    /// Adds one at its place, among messages that still wait.
    pub(super) fn insert(&mut self, gap: Gap, said: Option<Said>) {
        let place = self.place(gap);
        self.noted.insert(place, Noted { gap, said });
        if self.noted.len() > MAX_GAPS {
            self.merge_oldest();
        }
    }

    /// Whether it is part of one.
    pub(super) fn cover(&self, position: Position) -> bool {
        let from = self.noted.partition_point(|noted| noted.gap.through < position);
        self.noted[from..].iter().any(|noted| noted.gap.after < position)
    }

    /// Whether one ends there.
    pub(super) fn ends_at(&self, through: Position) -> bool {
        self.noted.binary_search_by_key(&through, |noted| noted.gap.through).is_ok()
    }

    /// Of those that were handed over, what is `known` is passed for good, and so is what ends before `through`, or at one of
    /// `ends`, where a message there was brought behind it.
    pub(super) fn acknowledge(&mut self, through: Position, ends: &[Position], known: &[Span]) {
        let passed = |gap: Gap, had: Position| {
            let end = gap.through;
            let named = end == through || ends.contains(&end);
            known.contains(&gap.span())
                || (named && (end > had || gap.is_of_one()))
                || (end < through && had < through)
        };
        self.noted.retain(|noted| noted.said.is_none_or(|said| !passed(noted.gap, said.had)));
    }

    /// Never one that was handed over with one that was not: it would be handed over again, or be forgotten unsaid.
    fn merge_oldest(&mut self) {
        let handed_over = self.noted.iter().take_while(|noted| noted.said.is_some()).count();
        let first = if handed_over >= 2 { 0 } else { handed_over };
        let later = self.noted.remove(first + 1);
        let earlier = &self.noted[first];
        let said = earlier.said.zip(later.said);
        let said = said.map(|(earlier, later)| Said { had: earlier.had.max(later.had), ..earlier });
        self.noted[first] = Noted { gap: earlier.gap.joined(later.gap), said };
    }

    /// These were handed over. More than one may end at the same place.
    pub(super) fn told(&mut self, gaps: &[Gap], said: Said) {
        let told = |noted: &&mut Noted| gaps.iter().any(|gap| gap.through == noted.gap.through);
        for noted in self.noted.iter_mut().filter(told) {
            let known = noted.said.get_or_insert(said);
            // in a new generation less has been brought before it
            known.had = known.had.min(said.had);
        }
    }

    /// Whether one ends between two places.
    pub(super) fn any_between(&self, after: Position, before: Position) -> bool {
        let next = self.noted.partition_point(|noted| noted.gap.through <= after);
        self.noted.get(next).is_some_and(|noted| noted.gap.through < before)
    }

    /// Those up to here were handed over; those that were so before `forget_before` are forgotten.
    pub(super) fn hand_over(&mut self, through: Position, now: u32, forget_before: u32) {
        if self.noted.is_empty() {
            return;
        }
        self.said = self.said.max(through);
        for noted in self.noted.iter_mut().filter(|noted| noted.gap.through <= through) {
            noted.said.get_or_insert(Said { at: now, had: Position::ZERO });
        }
        let forgotten = &mut self.forgotten;
        self.noted.retain(|noted| {
            let kept = noted.said.is_none_or(|said| said.at >= forget_before);
            *forgotten = if kept { *forgotten } else { noted.gap.through.max(*forgotten) };
            kept
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(reason: GapReason, after: u64, through: u64) -> Gap {
        Gap { reason, after: Position(after), through: Position(through), count: Some(1) }
    }

    #[test]
    fn gaps_that_touch_become_one() {
        let mut gaps = Gaps::default();
        gaps.note(gap(GapReason::Overflow, 1, 2));
        gaps.note(gap(GapReason::Overflow, 2, 5));
        let joined = Gap { count: Some(2), ..gap(GapReason::Overflow, 1, 5) };
        assert_eq!(gaps.to_say(Position(0)).collect::<Vec<_>>(), [joined]);
    }

    #[test]
    fn beyond_the_limit_the_two_oldest_merge_and_none_is_lost() {
        let mut gaps = Gaps::default();
        for n in 0..100 {
            gaps.note(gap(GapReason::Purged, n * 10, n * 10 + 1));
        }
        assert_eq!(gaps.to_say(Position(0)).count(), MAX_GAPS);
        assert_eq!(gaps.to_say(Position(0)).filter_map(|gap| gap.count).sum::<u64>(), 100);
    }

    #[test]
    fn one_that_was_said_does_not_take_one_with_it_that_was_not() {
        let mut gaps = Gaps::default();
        gaps.note(gap(GapReason::Purged, 1, 2));
        gaps.hand_over(Position(2), 10, 0);
        (1..=MAX_GAPS as u64).for_each(|n| gaps.note(gap(GapReason::Purged, n * 10, n * 10 + 1)));
        gaps.hand_over(Position(3), 80, 20);
        let counted = gaps.to_say(Position(0)).filter_map(|gap| gap.count).sum::<u64>();
        assert_eq!((gaps.to_say(Position(0)).count(), counted), (MAX_GAPS - 1, MAX_GAPS as u64));
    }

    #[test]
    fn a_gap_that_was_said_is_kept_for_a_while_and_then_forgotten() {
        let mut gaps = Gaps::default();
        gaps.note(gap(GapReason::Purged, 1, 2));
        gaps.hand_over(Position(2), 10, 0);
        assert!(gaps.any_to_say(Position(0)) && !gaps.any_to_say(gaps.said()));
        gaps.hand_over(Position(3), 80, 20);
        assert!(!gaps.any_to_say(Position(0)));
        assert_eq!(gaps.forgotten(), Position(2));
    }

    #[test]
    fn a_message_that_ends_two_gaps_passes_neither() {
        let mut gaps = Gaps::explicit();
        let ends = [gap(GapReason::Trimmed, 1, 4), gap(GapReason::Purged, 2, 4)];
        ends.iter().for_each(|gap| gaps.insert(*gap, None));
        gaps.told(&ends, Said { at: 10, had: Position(4) });
        gaps.acknowledge(Position(4), &[Position(4)], &[]);
        assert_eq!(gaps.to_say(Position(0)).count(), 2);
        gaps.acknowledge(Position(0), &[], &[ends[1].span()]);
        assert_eq!(gaps.to_say(Position(0)).collect::<Vec<_>>(), [ends[0]]);
        gaps.acknowledge(Position(0), &[], &[ends[0].span()]);
        assert_eq!(gaps.to_say(Position(0)).count(), 0);
    }
}
