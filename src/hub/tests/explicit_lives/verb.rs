//! What may happen in a life, and how often it does.

use super::*;

#[derive(Clone, Debug)]
pub(super) enum Verb {
    Update(ChannelSettings),
    /// Dead letters are kept from now on, or no longer.
    Name(bool),
    Register(usize),
    Remove(usize),
    Deadline(usize, Option<u64>),
    Dispatch(usize, usize, Option<u64>),
    Broadcast(usize, Option<u64>),
    /// The last: for dispatches alone.
    Listen(usize, Option<&'static str>, Quota, usize, bool),
    /// The last: its answer gets lost.
    Pull(usize, Option<&'static str>, usize, bool),
    Read(usize, usize),
    Leave(usize),
    Stop(usize),
    /// Up to one, single ones, all gaps that were told, and of which generation, backwards.
    Acknowledge(usize, Option<Pick>, Vec<Pick>, bool, u64),
    Reject(usize, Vec<Pick>, Option<u64>, bool, u64),
    /// More time for what is picked, in milliseconds.
    Extend(usize, Pick, u64, u64),
    /// What is meant for an earlier listener of that id.
    Stale(usize),
    /// While the log takes nothing.
    Refuse(usize),
    Purge(usize, Option<Pick>),
    Requeue(Pick),
    /// The oldest broadcasts go, as where the log is full.
    Trim(usize),
    /// So many milliseconds, and upkeep at their end.
    Pass(u64),
    /// So many milliseconds.
    Wait(u64),
    Inspect(usize),
    Hear,
    /// The log is told all.
    Save,
    /// The process ends, in order or cut off, and another one begins over what the log was told, so many milliseconds
    /// later by the calendar.
    Restart(bool, i64),
    /// Of what a verb has the log keep, only so many records are kept, and the process ends.
    Cut(Box<Verb>, usize),
}

fn settings(timed: bool, overtaking: bool) -> impl Strategy<Value = ChannelSettings> {
    let overflow = || select(vec![Overflow::RejectNew, Overflow::DropOldest]);
    let backlog = (select(vec![1, 2, 3, 5, 1000]), select(vec![60, 100, LARGE, LARGE]));
    let redelivery = select(if overtaking {
        vec![Redelivery::Strict, Redelivery::Overtaking, Redelivery::Overtaking]
    } else {
        vec![Redelivery::Strict]
    });
    let attempts = select(vec![1, 2, 5]);
    (overflow(), overflow(), backlog, redelivery, attempts, select(vec![0, 5])).prop_map(
        move |(
            dispatch_overflow,
            broadcast_overflow,
            (messages, bytes),
            redelivery,
            max_attempts,
            window,
        )| {
            let tight = Quota { messages, bytes };
            ChannelSettings {
                dispatch_overflow,
                broadcast_overflow,
                max_backlog: if timed { super::messages(1000) } else { tight },
                max_replay: super::messages(1000),
                replay_window: Duration::from_secs(window),
                redelivery,
                max_attempts,
                ..ChannelSettings::default()
            }
        },
    )
}

fn restart() -> impl Strategy<Value = Verb> {
    let later = select(vec![0, 0, 1, 300, 2000, 61_000, -1, -700]);
    (any::<bool>(), later).prop_map(|(in_order, later)| Restart(in_order, later))
}

/// Processes that end often.
pub(super) fn ending(timed: bool, overtaking: bool) -> impl Strategy<Value = Verb> {
    let wait = select(vec![1, 300, 499, 700, 3000]).prop_map(Wait);
    let long = prop_oneof![
        2 => settings(timed, overtaking).prop_map(Update),
        3 => any::<bool>().prop_map(Name),
        1 => (select(vec![0, 0, 1, GRAVE]), prop::option::of(0..8_usize)).prop_map(|(l, back)| Purge(l, back)),
    ];
    let cut = (long, 1..4_usize).prop_map(|(verb, records)| Cut(Box::new(verb), records));
    let bury =
        (select(vec![0, 0, 1]), vec(0..4_usize, 1..2)).prop_map(|(l, picks)| Reject(l, picks, None, true, 0));
    prop_oneof![
        32 => verb(timed, overtaking),
        2 => restart(),
        1 => Just(Save),
        2 => wait,
        1 => cut,
        1 => bury,
        1 => (0..2_usize).prop_map(Requeue),
    ]
}

pub(super) fn verb(timed: bool, overtaking: bool) -> impl Strategy<Value = Verb> {
    let listener = || select(vec![0, 0, 0, 0, 1, GRAVE]);
    let bytes = || select(vec![10, 20, 30, 50, 120]);
    let ttl = move || select(if timed { vec![None, None, Some(500), Some(2500)] } else { vec![None] });
    let session = || select(vec![None, Some("a"), Some("a"), Some("b")]);
    let credit = (select(vec![1, 2, 3, 1000]), select(vec![60, LARGE, LARGE]))
        .prop_map(|(messages, bytes)| Quota { messages, bytes });
    let most = || select(vec![1, 2, usize::MAX]);
    let delay = select(vec![None, Some(0), Some(0), Some(700), Some(3000)]);
    let back = || select(vec![0, 0, 0, 0, 0, 1, 2]);
    // what comes again alone, or expires, and is not wanted is gone when nobody can see it
    let choosy = prop::bool::weighted(if timed || overtaking { 0.0 } else { 0.25 });
    prop_oneof![
        2 => settings(timed, overtaking).prop_map(Update),
        1 => any::<bool>().prop_map(Name),
        2 => listener().prop_map(Register),
        1 => listener().prop_map(Remove),
        1 => (listener(), select(vec![None, Some(400), Some(2000)])).prop_map(|(l, deadline)| Deadline(l, deadline)),
        14 => (listener(), bytes(), ttl()).prop_map(|(l, bytes, ttl)| Dispatch(l, bytes, ttl)),
        14 => (bytes(), ttl()).prop_map(|(bytes, ttl)| Broadcast(bytes, ttl)),
        8 => (listener(), session(), credit, most(), choosy)
            .prop_map(|(l, s, credit, most, choosy)| Listen(l, s, credit, most, choosy && l != GRAVE)),
        6 => (listener(), session(), select(vec![1, 3]), prop::bool::weighted(0.3))
            .prop_map(|(l, s, most, lost)| Pull(l, s, most, lost)),
        24 => (listener(), 1..4_usize).prop_map(|(l, batches)| Read(l, batches)),
        2 => listener().prop_map(Leave),
        1 => listener().prop_map(Stop),
        14 => (listener(), prop::option::of(0..8_usize), vec(0..8_usize, 0..3), any::<bool>(), back())
            .prop_map(|(l, through, singles, heard, back)| Acknowledge(l, through, singles, heard, back)),
        8 => (listener(), vec(0..8_usize, 1..3), delay, prop::bool::weighted(0.2), back())
            .prop_map(|(l, picks, delay, last, back)| Reject(l, picks, delay, last, back)),
        2 => (listener(), 0..8_usize, select(vec![0, 1, 300, 3000]), back())
            .prop_map(|(l, pick, by, back)| Extend(l, pick, by, back)),
        1 => listener().prop_map(Stale),
        2 => listener().prop_map(Refuse),
        1 => (listener(), prop::option::of(0..8_usize)).prop_map(|(l, back)| Purge(l, back)),
        1 => (0..4_usize).prop_map(Requeue),
        1 => (1..3_usize).prop_map(Trim),
        4 => select(vec![1, 300, 700, 1000, 5000, 61_000]).prop_map(Pass),
        3 => listener().prop_map(Inspect),
        6 => Just(Hear),
        1 => restart(),
    ]
}
