//! What is next for a stream: the order of a channel's broadcasts, a listener's own dispatches and its gaps.

use super::{
    batch::Room,
    gap::{Gap, GapReason},
    listener::Standing,
    ring::Ring,
    tally::Tally,
};
use crate::log::Position;

/// Where a stream stands. It is behind its listener's standing while it repeats what an older token asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Everything up to here was handed over on this stream, or before.
    pub(super) at: Position,
    /// The gaps up to here were.
    pub(super) said: Position,
}

/// What is next.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) gaps: Vec<Gap>,
    pub(super) positions: Vec<Position>,
    /// Where the stream stands with it.
    pub(super) cursor: Cursor,
    /// The channel's broadcasts up to there, where they can be counted.
    pub(super) tally: Option<Tally>,
}

impl Look {
    pub(super) fn empty(&self) -> bool {
        self.gaps.is_empty() && self.positions.is_empty()
    }
}

/// Looks what is next for a receiver whose standing is settled, of what is visible: up to `through`.
pub(super) fn look(standing: &Standing, ring: &Ring, cursor: Cursor, room: Room, through: Position) -> Look {
    let mut gaps = Vec::new();
    let mut cursor = cursor;
    say_what_is_too_old(standing, ring, &mut cursor, &mut gaps);
    say_gaps(standing, ring, &mut cursor, &mut gaps);
    // behind the next gap another batch begins: a batch has its gaps before its first message
    let stop = standing.gaps.after(cursor.said).next().map_or(through, |gap| gap.after.min(through));
    let messages = merged(standing, ring, cursor.at).take_while(|(position, _)| *position <= stop);
    let positions = room.take(messages);
    if let Some(last) = positions.last() {
        cursor.at = *last;
    }
    let tally = (cursor.at >= ring.floor()).then(|| ring.tally_through(cursor.at));
    Look { gaps, positions, cursor, tally }
}

/// A token may reach back further than what is kept.
fn say_what_is_too_old(standing: &Standing, ring: &Ring, cursor: &mut Cursor, gaps: &mut Vec<Gap>) {
    if cursor.at >= standing.passed {
        return;
    }
    let gone = ring.floor().max(standing.queue.floor()).max(standing.gaps.forgotten());
    let reason = if standing.cleared >= gone { GapReason::Purged } else { GapReason::Trimmed };
    let floor = gone.max(standing.cleared).min(standing.passed);
    let noted = standing.gaps.after(cursor.said).next().map_or(floor, |gap| gap.after);
    let through = floor.min(noted).min(before_next(standing, ring, cursor.at));
    if cursor.at < through {
        gaps.push(Gap { reason, after: cursor.at, through, count: None });
        cursor.at = through;
    }
}

/// Says the noted gaps that lie before the next message.
fn say_gaps(standing: &Standing, ring: &Ring, cursor: &mut Cursor, gaps: &mut Vec<Gap>) {
    if !standing.gaps.any_after(cursor.said) {
        return;
    }
    let before_next = before_next(standing, ring, cursor.at);
    for gap in standing.gaps.after(cursor.said).take_while(|gap| gap.after <= before_next) {
        gaps.push(gap);
        cursor.said = gap.through;
        cursor.at = cursor.at.max(gap.through);
    }
}

/// The place before the next message.
pub(super) fn before_next(standing: &Standing, ring: &Ring, at: Position) -> Position {
    merged(standing, ring, at).next().map_or(Position(u64::MAX), |(next, _)| next.before())
}

/// Broadcasts and own dispatches behind a position, in one order.
fn merged(standing: &Standing, ring: &Ring, at: Position) -> impl Iterator<Item = (Position, u64)> {
    let mut broadcasts = ring.after(at).peekable();
    let mut own = standing.queue.after(at).peekable();
    std::iter::from_fn(move || match (broadcasts.peek(), own.peek()) {
        (Some((broadcast, _)), Some((dispatch, _))) if dispatch < broadcast => own.next(),
        (Some(_), _) => broadcasts.next(),
        (None, _) => own.next(),
    })
}
