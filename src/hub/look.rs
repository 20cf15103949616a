//! What is next for a stream: the order of a channel's broadcasts, a listener's own dispatches and its gaps.

use super::{
    batch::Room,
    cursor::{Cursor, Look},
    gap::{Gap, GapReason},
    listener::Standing,
    ring::Ring,
};
use crate::log::Position;

/// Looks what is next for a receiver whose standing is settled, of what is visible: up to `through`.
pub(super) fn look(standing: &Standing, ring: &Ring, cursor: Cursor, room: Room, through: Position) -> Look {
    let mut gaps = Vec::new();
    let mut cursor = cursor;
    // behind a noted gap there may be more that is too old, and the other way round
    while let Some(gap) =
        too_old(standing, ring, &mut cursor, through).or_else(|| noted(standing, ring, &mut cursor, through))
    {
        gaps.push(gap);
    }
    // behind the next gap another batch begins: a batch has its gaps before its first message
    let stop = standing.gaps.first_after(cursor.said).map_or(through, |gap| gap.after.min(through));
    let mut at = cursor.at;
    let messages = merged(standing, ring, cursor.at).take_while(|(position, _)| {
        let next = *position <= stop && (at == position.before() || nothing_lost_after(standing, ring, at));
        at = *position;
        next
    });
    let positions = room.take(messages);
    if let Some(last) = positions.last() {
        cursor.at = *last;
    }
    let tally = (cursor.at >= ring.floor()).then(|| ring.tally_through(cursor.at));
    Look { gaps, positions, cursor, tally, passed: standing.passed, cleared: standing.cleared }
}

/// Whether everything behind a position that was meant for the receiver is kept, noted gaps apart.
fn nothing_lost_after(standing: &Standing, ring: &Ring, at: Position) -> bool {
    at >= ring.floor() && (at >= standing.passed || at >= gone(standing, ring).max(standing.cleared))
}

/// The last position of what was handed over, or told as a gap, and is not remembered any more.
fn gone(standing: &Standing, ring: &Ring) -> Position {
    ring.floor().max(standing.queue.floor()).max(standing.gaps.forgotten())
}

/// A token may reach back further than what is kept.
fn too_old(standing: &Standing, ring: &Ring, cursor: &mut Cursor, through: Position) -> Option<Gap> {
    if cursor.at >= standing.passed {
        return None;
    }
    let gone = gone(standing, ring);
    let reason = if standing.cleared >= gone { GapReason::Purged } else { GapReason::Trimmed };
    let floor = gone.max(standing.cleared).min(standing.passed).min(through);
    let noted = standing.gaps.first_after(cursor.said).map_or(floor, |gap| gap.after);
    let through = floor.min(noted).min(before_next(standing, ring, cursor.at));
    let gap = Gap { reason, after: cursor.at, through, count: None };
    cursor.at = cursor.at.max(through);
    (gap.after < through).then_some(gap)
}

/// The next noted gap, where it lies before the next message.
fn noted(standing: &Standing, ring: &Ring, cursor: &mut Cursor, through: Position) -> Option<Gap> {
    let gap = standing.gaps.first_after(cursor.said)?;
    if gap.through > through || gap.after > before_next(standing, ring, cursor.at) {
        return None;
    }
    let said = *cursor;
    *cursor = Cursor { at: said.at.max(gap.through), said: gap.through };
    // a token of another listener may lie within it
    Some(if gap.after < said.at { Gap { after: said.at, count: None, ..gap } } else { gap })
}

/// The place before the next message.
pub(super) fn before_next(standing: &Standing, ring: &Ring, at: Position) -> Position {
    merged(standing, ring, at).next().map_or(Position(u64::MAX), |(next, _)| next.before())
}

/// Broadcasts and own dispatches behind a position, in one order.
fn merged(standing: &Standing, ring: &Ring, at: Position) -> impl Iterator<Item = (Position, u64)> {
    // what was purged may still be kept for others
    let at = at.max(standing.cleared);
    let mut broadcasts = ring.after(at).peekable();
    let mut own = standing.queue.after(at).peekable();
    std::iter::from_fn(move || match (broadcasts.peek(), own.peek()) {
        (Some((broadcast, _)), Some((dispatch, _))) if dispatch < broadcast => own.next(),
        (Some(_), _) => broadcasts.next(),
        (None, _) => own.next(),
    })
}
