//! What may happen in a life, and how often it does.

use super::*;

#[derive(Clone, Copy, Debug)]
pub(super) enum Token {
    None,
    Malformed,
    Foreign,
    Ahead,
    /// Where the newest message stands.
    Newest,
    /// So many positions before the newest.
    Back(u64),
    /// The last that was told, whichever process told it.
    Told,
}

/// One call, on a channel and a listener by number.
#[derive(Clone, Debug)]
pub(super) enum Verb {
    Create(usize, ChannelSettings),
    RemoveChannel(usize),
    Update(usize, ChannelSettings),
    Register(usize, usize, From),
    Remove(usize, usize),
    Start(usize, usize),
    Stop(usize, usize),
    Purge(usize, usize, Option<u64>),
    Dispatch(usize, usize, usize),
    Broadcast(usize, usize),
    /// One that waits no longer than so many seconds.
    Perish(usize, Option<usize>, u64),
    End(usize, Option<usize>),
    Listen(usize, usize, Token, Wish),
    Watch(usize, From, Token, Wish),
    /// Reads so many batches of a stream.
    Read(usize, usize),
    Drop(usize),
    /// So many seconds pass, and upkeep is done.
    Pass(u64),
    Inspect(usize, usize),
    /// The core hears its bell.
    Hear,
    /// So many milliseconds.
    Wait(u64),
    /// The oldest broadcasts go, as where the log is full.
    Trim(usize, usize),
    /// The log is told all.
    Save,
    /// The process ends, in order or cut off, and another one begins over what the log was told, so many milliseconds
    /// later by the calendar.
    Restart(bool, i64),
    /// Of what a verb has the log keep, only so many records are kept, and the process ends.
    Cut(Box<Verb>, usize),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) only_dispatches: bool,
    pub(super) max_messages: usize,
}

fn settings(timed: bool) -> impl Strategy<Value = ChannelSettings> {
    let overflow = || select(vec![Overflow::RejectNew, Overflow::DropOldest]);
    let backlog = (select(vec![1, 2, 3, 5, 1000]), select(vec![60, 100, LARGE, LARGE]));
    let replay = (select(vec![0, 1, 3, 1000, 1000]), select(vec![0, 60, LARGE, LARGE]));
    let window = select(vec![0, 5, 60]).prop_map(Duration::from_secs);
    let quota = |(messages, bytes)| Quota { messages, bytes };
    let all = (overflow(), overflow(), backlog.prop_map(quota), replay.prop_map(quota), window);
    all.prop_map(move |(dispatch_overflow, broadcast_overflow, max_backlog, replay, replay_window)| {
        // where a channel's bytes are few, which of many listeners' oldest go depends on when that is looked at
        let max_replay = if max_backlog.bytes < LARGE { messages(1000) } else { replay };
        // whether what has expired by now still counts depends on it, too
        let (max_backlog, max_replay) =
            if timed { (messages(1000), messages(1000)) } else { (max_backlog, max_replay) };
        ChannelSettings {
            stream_delay: Duration::ZERO,
            dispatch_overflow,
            broadcast_overflow,
            max_backlog,
            replay_window,
            max_replay,
            ..ChannelSettings::default()
        }
    })
}

/// A listener's token within what has expired is not tried: whether it skips that depends on who has noticed.
fn token(within: bool) -> impl Strategy<Value = Token> {
    prop_oneof![
        6 => Just(Token::None),
        1 => Just(Token::Malformed),
        1 => Just(Token::Foreign),
        1 => Just(Token::Ahead),
        2 => Just(Token::Newest),
        6 => (0..12_u64).prop_map(move |back| if within { Token::Back(back) } else { Token::None }),
        3 => Just(Token::Told),
    ]
}

fn restart() -> impl Strategy<Value = Verb> {
    let later = select(vec![0, 0, 1, 300, 2000, 61_000, -1, -700]);
    (any::<bool>(), later).prop_map(|(in_order, later)| Restart(in_order, later))
}

/// Processes that end often.
pub(super) fn ending(timed: bool) -> impl Strategy<Value = Verb> {
    let wait = select(vec![1, 300, 999, 1000, 3000]).prop_map(Wait);
    let (channel, listener) = (select(vec![0, 0, 0, 1]), select(vec![0, 0, 0, 1, 2]));
    let long = prop_oneof![
        (channel.clone(), settings(timed)).prop_map(|(c, settings)| Update(c, settings)),
        (channel, listener, prop::option::of(0..10_u64)).prop_map(|(c, l, back)| Purge(c, l, back)),
    ];
    let trim = (select(vec![0, 0, 0, 1]), 1..3_usize).prop_map(|(c, count)| Trim(c, count));
    let cut = (long, 1..3_usize).prop_map(|(verb, records)| Cut(Box::new(verb), records));
    prop_oneof![
        36 => verb(timed),
        3 => restart(),
        1 => Just(Save),
        2 => wait,
        2 => trim,
        2 => cut,
    ]
}

pub(super) fn verb(timed: bool) -> impl Strategy<Value = Verb> {
    // most of what happens, happens in one channel to one listener
    let channel = || select(vec![0, 0, 0, 1]);
    let listener = || select(vec![0, 0, 0, 1, 2]);
    let from = || select(vec![From::New, From::New, From::Oldest]);
    let bytes = || select(vec![10, 20, 30, 50, 120]);
    let wish = || {
        (select(vec![false, false, true]), select(vec![1, 2, usize::MAX]))
            .prop_map(|(only_dispatches, max_messages)| Wish { only_dispatches, max_messages })
    };
    prop_oneof![
        1 => (channel(), settings(timed)).prop_map(|(c, settings)| Create(c, settings)),
        1 => channel().prop_map(RemoveChannel),
        2 => (channel(), settings(timed)).prop_map(|(c, settings)| Update(c, settings)),
        4 => (channel(), listener(), from()).prop_map(|(c, l, from)| Register(c, l, from)),
        1 => (channel(), listener()).prop_map(|(c, l)| Remove(c, l)),
        1 => (channel(), listener()).prop_map(|(c, l)| Start(c, l)),
        1 => (channel(), listener()).prop_map(|(c, l)| Stop(c, l)),
        2 => (channel(), listener(), prop::option::of(0..10_u64)).prop_map(|(c, l, back)| Purge(c, l, back)),
        12 => (channel(), listener(), bytes()).prop_map(|(c, l, bytes)| Dispatch(c, l, bytes)),
        8 => (channel(), bytes()).prop_map(|(c, bytes)| Broadcast(c, bytes)),
        10 => (channel(), prop::option::of(listener()), select(vec![1, 5])).prop_map(move |(c, l, seconds)| match l {
            _ if timed => Perish(c, l, seconds),
            Some(l) => Dispatch(c, l, 10),
            None => Broadcast(c, 10),
        }),
        2 => (channel(), prop::option::of(listener())).prop_map(|(c, l)| End(c, l)),
        10 => (channel(), listener(), token(!timed), wish()).prop_map(|(c, l, token, wish)| Listen(c, l, token, wish)),
        2 => (channel(), from(), token(true), wish()).prop_map(|(c, from, token, wish)| Watch(c, from, token, wish)),
        20 => (0..6_usize, 1..4_usize).prop_map(|(stream, batches)| Read(stream, batches)),
        3 => (0..6_usize).prop_map(Drop),
        3 => select(vec![1, 3, 7, 61]).prop_map(Pass),
        3 => (channel(), listener()).prop_map(|(c, l)| Inspect(c, l)),
        8 => Just(Hear),
        1 => restart(),
    ]
}
