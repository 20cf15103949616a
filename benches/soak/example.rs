//! Small books by hand: what is wrong in them is told, as often as it is there, and what is allowed is not.

use crate::{
    books::{Accepted, Books},
    cast::{Cast, Habit, Mode},
    event::{Begins, Delivered, Event, Gap},
    judge,
    road::Outcome,
};
use Event::{Ended, HandedOver, Killed, Opened, Started};
use eric::v1::GapReason;
use std::time::Duration;

/// When everything happens, but for crashes.
const THEN: Duration = Duration::ZERO;
const SOON: Event = Killed { when: Duration::from_millis(999) };
const LATE: Event = Killed { when: Duration::from_millis(1001) };

/// Messages 1 to 6 were accepted; how many of those that did not come are excused, and how many are told.
struct Example {
    what: &'static str,
    events: Vec<Event>,
    excused: usize,
    missing: usize,
    out_of_order: usize,
    other: usize,
}

fn opened(stream: u32, begins: Begins) -> Event {
    Opened { stream, begins }
}

fn started(stream: u32, at: i64) -> Event {
    Started { stream, birth: 0, at, when: THEN }
}

fn came(stream: u32, sequence: i64) -> Event {
    let name = name(sequence);
    Event::Delivered(Delivered { stream, generation: 0, sequence, name, attempt: 0, when: THEN })
}

fn gap(stream: u32, after: i64, through: i64, reason: GapReason) -> Event {
    let count = Some(through - after);
    Event::Gap(Gap { stream, generation: 0, reason, after, through, count, when: THEN })
}

fn name(sequence: i64) -> (u32, u32) {
    (1, u32::try_from(sequence).unwrap_or_default())
}

fn all(stream: u32, sequences: std::ops::RangeInclusive<i64>) -> impl Iterator<Item = Event> {
    sequences.map(move |sequence| came(stream, sequence))
}

fn example(
    what: &'static str,
    before: impl IntoIterator<Item = Event>,
    then: impl IntoIterator<Item = Event>,
    (excused, missing): (usize, usize),
) -> Example {
    let events = before.into_iter().chain(then).collect();
    Example { what, events, excused, missing, out_of_order: 0, other: 0 }
}

fn examples() -> Vec<Example> {
    use Begins::{Afresh, Behind};
    // of 1 to 6 the first two came, and two were in flight when it was cut
    let cut = || [opened(1, Afresh), started(1, 0), came(1, 1), came(1, 2)];
    let said = |through| [HandedOver { through }, opened(2, Afresh), started(2, 4)];
    vec![
        example("everything came", [opened(1, Afresh), started(1, 0)], all(1, 1..=6), (0, 0)),
        example(
            "cut before its token",
            [opened(1, Afresh)],
            [opened(2, Afresh), started(2, 4), came(2, 5), came(2, 6)],
            (4, 0),
        ),
        example("cut, without its token", cut(), said(4).into_iter().chain(all(2, 5..=6)), (2, 0)),
        example("more than was in flight", cut(), said(4).into_iter().chain(all(2, 6..=6)), (2, 1)),
        example("more than was handed over", cut(), said(3).into_iter().chain(all(2, 5..=6)), (1, 1)),
        example("it had begun nothing", [opened(1, Afresh), started(1, 2)], all(1, 3..=6), (0, 2)),
        example(
            "it was ended, not cut",
            cut().into_iter().chain([Ended { stream: 1 }]),
            said(4).into_iter().chain(all(2, 5..=6)),
            (0, 2),
        ),
        example(
            "with its token",
            cut(),
            [opened(2, Behind(2)), started(2, 4), came(2, 5), came(2, 6)],
            (0, 2),
        ),
        example(
            "nothing at the end",
            cut(),
            [opened(2, Behind(2)), started(2, 2), came(2, 3), came(2, 4)],
            (0, 2),
        ),
        example("a gap", cut(), [gap(1, 2, 4, GapReason::Purged), came(1, 5), came(1, 6)], (0, 0)),
        example(
            "a gap for no reason",
            cut(),
            [gap(1, 2, 4, GapReason::Overflow), came(1, 5), came(1, 6)],
            (0, 2),
        ),
        example(
            "a gap that is too short",
            cut(),
            [gap(1, 2, 3, GapReason::Purged), came(1, 5), came(1, 6)],
            (0, 1),
        ),
    ]
}

/// A crash may have lost the cursor, of one that has no token.
fn examples_of_crashes() -> Vec<Example> {
    use Begins::{Afresh, Behind};
    let begun = || [opened(1, Afresh), started(1, 0)].into_iter().chain(all(1, 1..=6));
    let again = |crash, begins| [crash, opened(2, begins), started(2, 5), came(2, 6)];
    vec![
        example("again after a crash", begun(), again(SOON, Afresh), (0, 0)),
        example("again after a crash, in spite of a token", begun(), again(SOON, Behind(5)), (0, 0))
            .wrong(0, 1),
        example("again long before a crash", begun(), again(LATE, Afresh), (0, 0)).wrong(0, 1),
        example("lost by a crash", begun().take(6), [SOON, opened(2, Behind(4)), started(2, 4)], (0, 2)),
    ]
}

/// What it has missed was kept.
fn late_watch() -> Example {
    example("a watch", [opened(1, Begins::Afresh), started(1, 2)], all(1, 3..=6), (0, 2))
}

/// The same for one that acknowledges.
fn explicit_examples() -> Vec<Example> {
    use Begins::Afresh;
    let begun = || [opened(1, Afresh), started(1, 0)];
    let done = |sequences: std::ops::RangeInclusive<i64>| {
        let came = all(1, sequences.clone());
        let acknowledging = sequences.clone().map(|sequence| Event::Acknowledging { sequence });
        let acknowledged = sequences.map(|sequence| Event::Acknowledged { stream: 1, sequence, when: THEN });
        came.chain(acknowledging).chain(acknowledged)
    };
    let again = || [opened(2, Afresh), started(2, 6)];
    vec![
        example("everything is acknowledged", begun(), done(1..=6), (0, 0)),
        example("the last is lost", begun(), done(1..=5), (0, 1)),
        example("one is missing", begun(), done(1..=2).chain(done(4..=6)), (0, 1)),
        example("never acknowledged, never again", begun(), all(1, 1..=1).chain(done(2..=6)), (0, 1)),
        example(
            "a gap in its place",
            begun(),
            [gap(1, 0, 2, GapReason::Purged)].into_iter().chain(done(3..=6)),
            (0, 0),
        ),
        example(
            "swapped",
            begun(),
            done(1..=2).chain(done(4..=4)).chain(done(3..=3)).chain(done(5..=6)),
            (0, 0),
        )
        .wrong(2, 0),
        example(
            "again after its acknowledgement",
            begun(),
            done(1..=6).chain(again()).chain([came(2, 6)]),
            (0, 0),
        )
        .wrong(0, 1),
        example("again on the same stream", begun(), done(1..=6).chain([came(1, 6)]), (0, 0)).wrong(1, 1),
        example("never sent", begun(), done(1..=7), (0, 0)).wrong(0, 1),
    ]
}

impl Example {
    fn wrong(self, out_of_order: usize, other: usize) -> Self {
        Self { out_of_order, other, ..self }
    }

    fn hold(self, cast: &Cast) -> Outcome {
        let mut books = Books::of(1);
        for sequence in 1..=6 {
            let about = Accepted { name: name(sequence), to: None, kind: "even", ttl: false };
            books.accept("strict", sequence, about);
        }
        books.note(0, self.events);
        let faults = judge::try_one(cast, &books, 0);
        let missing = faults.lost.len() + faults.unannounced.len();
        let found = [faults.in_flight, missing, faults.out_of_order.len(), faults.other.len()];
        if found == [self.excused, self.missing, self.out_of_order, self.other] {
            return Ok(());
        }
        Err(format!("the checker is wrong about «{}»: {faults:?}", self.what).into())
    }
}

/// A crash may have lost what was acknowledged just before.
fn explicit_examples_of_crashes() -> Vec<Example> {
    let begun = || {
        let (sequences, stream) = (1..=6, 1);
        let acknowledging = sequences.clone().map(|sequence| Event::Acknowledging { sequence });
        let acknowledged =
            sequences.clone().map(move |sequence| Event::Acknowledged { stream, sequence, when: THEN });
        let came = [opened(1, Begins::Afresh), started(1, 0)].into_iter().chain(all(1, sequences));
        came.chain(acknowledging).chain(acknowledged)
    };
    let again = |crash| [crash, opened(2, Begins::Afresh), started(2, 6), came(2, 6)];
    let done = [
        Event::Acknowledging { sequence: 6 },
        Event::Acknowledged { stream: 2, sequence: 6, when: Duration::from_secs(2) },
    ];
    let before = [opened(2, Begins::Afresh), started(2, 6), SOON, came(2, 6)];
    vec![
        example("again after a crash", begun(), again(SOON).into_iter().chain(done), (0, 0)),
        example("and never acknowledged again", begun(), again(SOON), (0, 1)),
        example(
            "and again without a crash",
            begun(),
            again(SOON).into_iter().chain(done).chain([opened(3, Begins::Afresh), came(3, 6)]),
            (0, 0),
        )
        .wrong(0, 1),
        example(
            "and again though another had acknowledged it after the crash",
            begun(),
            [SOON].into_iter().chain(done).chain([opened(3, Begins::Afresh), came(3, 6)]),
            (0, 0),
        )
        .wrong(0, 1),
        example("again long before a crash", begun(), again(LATE), (0, 0)).wrong(0, 1),
        example("again before a crash", begun(), before, (0, 0)).wrong(0, 1),
    ]
}

/// An error: the judge is wrong.
pub(crate) fn hold() -> Outcome {
    let one = |mode| {
        let mut receivers = Cast::new().receivers;
        receivers.retain(|it| it.channel == "strict" && it.mode == mode && it.habit == Habit::None);
        Cast { receivers }
    };
    let (automatic, explicit, watcher) = (one(Mode::Automatic), one(Mode::Explicit), one(Mode::Watcher));
    late_watch().hold(&watcher)?;
    examples().into_iter().chain(examples_of_crashes()).try_for_each(|example| example.hold(&automatic))?;
    let explicit_examples = explicit_examples().into_iter().chain(explicit_examples_of_crashes());
    explicit_examples.into_iter().try_for_each(|example| example.hold(&explicit))
}
