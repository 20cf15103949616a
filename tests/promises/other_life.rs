//! A token of another life or from the future is answered at once, whatever it opens: by a gap and the oldest that is kept
//! since birth, or by an error; never by silence, and never by waiting. So is one that is too old.

use crate::support::{
    Reader, Refused, TestServer, Wire,
    explicit::{extension, rejection, through},
    message::{numbered, numbers},
    until,
    wire::{pull, subscription},
    within,
};
use eric::{
    hub::ResumeToken,
    log::Position,
    v1::{
        Acknowledgement, Batch, ChangeListenRequest, ChannelSettings, Extension, Gap, GapReason,
        ListenRequest, PullRequest, Rejection, WatchSubscription, change_listen_result::Outcome,
    },
};
use std::net::SocketAddr;
use tonic::Code;

/// What a token may open.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Door {
    Listen(&'static str),
    Pull(&'static str),
    /// A subscription that is added to a stream.
    Change(&'static str),
    Watch,
}

/// Each of them, for an AUTOMATIC listener `l` and an EXPLICIT one `e`.
const DOORS: [Door; 7] = [
    Door::Listen("l"),
    Door::Pull("l"),
    Door::Change("l"),
    Door::Listen("e"),
    Door::Pull("e"),
    Door::Change("e"),
    Door::Watch,
];

/// What came first: the gaps before so many deliveries, and the numbers of those.
type Began = (Vec<Gap>, Vec<i64>);

impl Door {
    async fn open(self, wire: &Wire, token: &str, count: usize) -> Result<Began, Refused> {
        match self {
            Self::Listen(listener) => {
                let opened = wire.try_listen(subscription("c", listener, token)).await;
                Ok(began(opened.map_err(|status| Refused::of(&status))?, count).await)
            }
            Self::Watch => {
                let resume_token = token.to_owned();
                let asked = WatchSubscription { channel: "c".into(), resume_token, ..Default::default() };
                let opened = wire.try_watch(asked).await;
                Ok(began(opened.map_err(|status| Refused::of(&status))?, count).await)
            }
            Self::Pull(listener) => {
                let resume_token = token.to_owned();
                // of one session: such pulls go on after the last, but not from another life
                let session = "s".to_owned();
                // longer than a test has patience: what such a token is answered is there at once
                let wait = Some(prost_types::Duration { seconds: 60, nanos: 0 });
                let asked = PullRequest { resume_token, session, wait, ..pull("c", listener) };
                let request = PullRequest { max_messages: 100, ..asked };
                let answer = within(wire.call().pull(request)).await;
                let batch = answer.map_err(|status| Refused::of(&status))?.into_inner().batch;
                let batch = batch.expect("a pull answers a batch");
                Ok((batch.gaps, numbers(&batch.deliveries)))
            }
            Self::Change(listener) => added(wire, listener, token, count).await,
        }
    }

    fn field(self) -> &'static str {
        match self {
            Self::Listen(_) | Self::Watch => "subscriptions[0].resume_token",
            Self::Pull(_) => "resume_token",
            Self::Change(_) => "add[0].resume_token",
        }
    }
}

async fn began(mut reader: Reader, count: usize) -> Began {
    let gap = reader.gap().await;
    (vec![gap], numbers(&reader.take(count).await))
}

/// To a stream that carries another listener.
async fn added(wire: &Wire, listener: &str, token: &str, count: usize) -> Result<Began, Refused> {
    let request =
        ListenRequest { subscriptions: vec![subscription("c", "carrier", "")], max_response_bytes: 0 };
    let mut parts = within(wire.call().listen(request)).await.expect("it opens").into_inner();
    let opened = within(parts.message()).await.expect("it goes on").and_then(|part| part.opened);
    let stream = opened.expect("its first part says so").stream;
    let add = vec![subscription("c", listener, token)];
    let request = ChangeListenRequest { stream, add, remove: Vec::new() };
    let answer = within(wire.call().change_listen(request)).await.expect("the stream is open").into_inner();
    let number = match answer.added[0].outcome.as_ref().expect("each is answered") {
        Outcome::Subscription(number) => *number,
        Outcome::Error(status) => return Err(Refused::of_pb(status)),
    };
    let (mut gaps, mut deliveries) = (Vec::new(), Vec::new());
    while gaps.is_empty() || deliveries.len() < count {
        let part = within(parts.message()).await.expect("it goes on").expect("it goes on");
        for Batch { gaps: missing, deliveries: came, .. } in
            part.batches.into_iter().filter(|batch| batch.subscription == number)
        {
            gaps.extend(missing);
            deliveries.extend(came);
        }
    }
    Ok((gaps, numbers(&deliveries)))
}

/// A channel with its listeners, who have all that is broadcast there later, and begin with it.
async fn begin(wire: &Wire) {
    // streams come and go here, and nobody acknowledges
    wire.create_with("c", ChannelSettings { max_attempts: Some(1000), ..Default::default() }).await;
    register(wire).await;
}

async fn register(wire: &Wire) {
    wire.register("c", "l").await;
    wire.register_explicit("c", "e").await;
    wire.register("c", "carrier").await;
}

async fn server_with_three() -> (TestServer, Wire) {
    let server = TestServer::start();
    let wire = server.wire().await;
    begin(&wire).await;
    wire.broadcast_all("c", (0..3).map(numbered)).await;
    (server, wire)
}

/// Before the first and behind the last of so many messages that `l` is given.
async fn tokens(wire: &Wire, count: usize) -> [String; 2] {
    let mut reader = wire.listen("c", "l").await;
    reader.take(count).await;
    [reader.started.resume_token, reader.token]
}

/// Through each door the token begins with a gap, and with these numbers, the same as often as it is used there.
async fn begins_anew(wire: &Wire, doors: &[Door], token: &str, expected: &[i64]) {
    for door in doors.iter().flat_map(|door| [door, door]) {
        let (gaps, numbers) = door.open(wire, token, expected.len()).await.expect("it opens");
        let [gap] = gaps.as_slice() else { panic!("one gap is said: {gaps:?}, {door:?}") };
        assert_eq!((gap.reason(), gap.count), (GapReason::OtherLife, None), "{door:?}");
        assert!(gap.after_sequence <= gap.through_sequence, "{gap:?}, {door:?}");
        assert_eq!(numbers, expected, "{door:?}");
    }
    let waiting = wire.listener("c", "e").await.backlog_messages;
    assert_eq!(waiting, expected.len() as i64, "a token acknowledges nothing");
}

async fn started_again(old: TestServer) -> (TestServer, Wire) {
    let address: SocketAddr = old.address();
    drop(old);
    let server = TestServer::again_on(address).await;
    let wire = server.wire().await;
    (server, wire)
}

#[tokio::test]
async fn a_token_of_a_server_before_it_was_started_again_begins_anew() {
    let (old, wire) = server_with_three().await;
    let tokens = tokens(&wire, 3).await;
    drop(wire);
    let (_server, wire) = started_again(old).await;
    begin(&wire).await;
    // even before there is anything to be given
    for token in &tokens {
        begins_anew(&wire, &DOORS, token, &[]).await;
    }
    wire.broadcast_all("c", (10..14).map(numbered)).await;
    for token in &tokens {
        begins_anew(&wire, &DOORS, token, &[10, 11, 12, 13]).await;
    }
}

#[tokio::test]
async fn a_token_of_a_channel_that_was_removed_and_created_again_begins_anew() {
    let (_server, wire) = server_with_three().await;
    let tokens = tokens(&wire, 3).await;
    wire.remove_channel("c").await;
    begin(&wire).await;
    begins_anew(&wire, &DOORS, &tokens[1], &[]).await;
    wire.broadcast_all("c", (10..12).map(numbered)).await;
    for token in &tokens {
        begins_anew(&wire, &DOORS, token, &[10, 11]).await;
    }
}

#[tokio::test]
async fn a_token_from_before_a_listener_was_registered_again_begins_anew() {
    let (_server, wire) = server_with_three().await;
    let tokens = tokens(&wire, 3).await;
    for listener in ["l", "e", "carrier"] {
        wire.remove("c", listener).await;
    }
    register(&wire).await;
    let doors = &DOORS[..DOORS.len() - 1];
    begins_anew(&wire, doors, &tokens[0], &[]).await;
    wire.broadcast_all("c", (10..12).map(numbered)).await;
    for token in &tokens {
        // what is kept of the channel from before its birth was never meant for it
        begins_anew(&wire, doors, token, &[10, 11]).await;
    }
    // a watcher lives with its channel: its token is good
    let resume_token = tokens[0].clone();
    let asked = WatchSubscription { channel: "c".into(), resume_token, ..Default::default() };
    let mut watcher = wire.try_watch(asked).await.unwrap();
    assert_eq!(numbers(&watcher.take(5).await), [0, 1, 2, 10, 11]);
}

#[tokio::test]
async fn a_token_of_a_life_that_nobody_knows_begins_anew() {
    let (_server, wire) = server_with_three().await;
    let [_, token] = tokens(&wire, 3).await;
    let token = ResumeToken::parse(&token).expect("the server gave it");
    let incarnation = eric::hub::Incarnation::parse("0123456789abcdef").expect("it is a tag");
    let ahead = Position(token.sequence.0 + 1_000_000);
    for token in [
        ResumeToken { incarnation, ..token },
        ResumeToken { incarnation, sequence: ahead, ..token },
        ResumeToken { incarnation, birth: Position(0), sequence: Position(0), turn: None },
        ResumeToken { birth: Position(token.birth.0 + 1), ..token },
        ResumeToken { sequence: Position(0), ..token },
    ] {
        let doors = match token.sequence {
            // the beginning of all is the oldest that is kept: a watcher misses nothing, or is told that it does
            Position(0) => &DOORS[..DOORS.len() - 1],
            _ => &DOORS[..],
        };
        begins_anew(&wire, doors, &token.to_string(), &[0, 1, 2]).await;
    }
}

#[tokio::test]
async fn what_an_explicit_listener_has_acknowledged_does_not_come_again_in_another_life() {
    let (_server, wire) = server_with_three().await;
    let foreign = {
        let (_other, elsewhere) = server_with_three().await;
        tokens(&elsewhere, 3).await
    };
    let mut reader = wire.listen("c", "e").await;
    let first = reader.one().await.sequence;
    let of = |item: Acknowledgement| Acknowledgement { listener: "e".into(), ..item };
    wire.acknowledge(of(through(first))).await;
    let mut reader = wire.listen_from("c", "e", &foreign[1]).await;
    let gap = reader.gap_of(GapReason::OtherLife, None).await;
    // its end may be acknowledged like that of every gap
    wire.acknowledge(of(through(gap.through_sequence))).await;
    let (delivery, attempt, _) = reader.attempt().await;
    assert_eq!((numbers(&[delivery]), attempt), (vec![1], Some(1)), "it is a redelivery");
    assert_eq!(numbers(&reader.take(1).await), [2]);
    // whoever goes on with the token it is given now is told nothing any more
    let mut reader = wire.listen_from("c", "e", &reader.token.clone()).await;
    assert_eq!(numbers(&reader.take(2).await), [1, 2]);
}

#[tokio::test]
async fn a_token_that_is_too_old_begins_with_a_gap_at_every_door_and_what_the_window_holds() {
    let server = TestServer::start();
    let wire = server.wire().await;
    wire.create_with("c", ChannelSettings { max_replay_messages: Some(3), ..Default::default() }).await;
    // an EXPLICIT one would keep all, and its token skips nothing
    for listener in ["l", "carrier"] {
        wire.register("c", listener).await;
    }
    wire.broadcast_all("c", (0..10).map(numbered)).await;
    let [oldest, _] = tokens(&wire, 10).await;
    wire.listen("c", "carrier").await.take(10).await;
    until(async || wire.look_at("c").await.kept_broadcasts == 3).await;
    // once each: a session's second pull goes on after its first
    for door in [Door::Listen("l"), Door::Pull("l"), Door::Change("l"), Door::Watch] {
        let (gaps, numbers) = door.open(&wire, &oldest, 3).await.expect("it opens");
        let [gap] = gaps.as_slice() else { panic!("one gap is said: {gaps:?}, {door:?}") };
        assert_eq!(gap.reason(), GapReason::Trimmed, "{door:?}");
        assert!(gap.after_sequence < gap.through_sequence, "{gap:?}, {door:?}");
        assert_eq!(numbers, [7, 8, 9], "{door:?}");
    }
}

#[tokio::test]
async fn a_token_ahead_of_all_is_refused_at_every_door_and_moves_nothing() {
    let (_server, wire) = server_with_three().await;
    let [_, token] = tokens(&wire, 3).await;
    let token = ResumeToken::parse(&token).expect("the server gave it");
    let last = wire.look_at("c").await.last_sequence.unsigned_abs();
    for sequence in [last + 1, u64::from(u32::MAX), i64::MAX.unsigned_abs(), u64::MAX] {
        let ahead = ResumeToken { sequence: Position(sequence), ..token }.to_string();
        for door in DOORS {
            let refused = door.open(&wire, &ahead, 0).await.expect_err("it is ahead");
            refused.is(Code::FailedPrecondition, "RESUME_TOKEN_AHEAD", &[door.field()]);
        }
    }
    wire.broadcast("c", numbered(3)).await;
    assert_eq!(numbers(&wire.listen("c", "l").await.take(1).await), [3]);
    assert_eq!(numbers(&wire.listen("c", "e").await.take(4).await), [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_text_that_is_no_whole_token_is_refused_at_every_door() {
    let (_server, wire) = server_with_three().await;
    let [_, token] = tokens(&wire, 3).await;
    let mut texts: Vec<String> = (1..token.len()).map(|end| token[..end].to_owned()).collect();
    texts.extend((1..token.len()).map(|start| token[start..].to_owned()));
    texts.extend([" ".to_owned(), format!(" {token}"), format!("{token} "), format!("{token}{token}")]);
    texts.extend(["....", "0.0.0.0", "-1.0.0.0", "é", "\u{0}", "%s"].map(str::to_owned));
    texts.extend([token.replace('.', ":"), token.to_uppercase() + ".", "f".repeat(100_000)]);
    for text in texts {
        for door in DOORS {
            let refused = door.open(&wire, &text, 0).await.expect_err("it is no token");
            refused.is(Code::InvalidArgument, "RESUME_TOKEN_INVALID", &[door.field()]);
        }
    }
    assert_eq!(wire.listener("c", "e").await.unacknowledged_messages, 0, "nothing was begun");
}

#[tokio::test]
async fn what_was_in_hand_in_another_life_is_neither_acknowledged_nor_rejected_in_this_one() {
    let (old, wire) = server_with_three().await;
    let mut reader = wire.listen("c", "e").await;
    let (birth, incarnation) = (reader.started.birth, reader.opened.incarnation.clone());
    let sequence = reader.take(3).await[2].sequence;
    drop((reader, wire));
    let (_server, wire) = started_again(old).await;
    begin(&wire).await;
    wire.broadcast_all("c", (10..13).map(numbered)).await;
    let mut reader = wire.listen("c", "e").await;
    let again = reader.take(3).await;
    // the same ids, birth and sequences: only the start of the server tells them apart
    assert_eq!((reader.started.birth, again[2].sequence), (birth, sequence));
    let listener = || String::from("e");
    let acknowledgement = Acknowledgement {
        listener: listener(),
        birth,
        incarnation: incarnation.clone(),
        ..through(sequence)
    };
    let rejection = Rejection {
        listener: listener(),
        birth,
        incarnation: incarnation.clone(),
        ..rejection(again[0].sequence)
    };
    let extension = Extension { listener: listener(), birth, incarnation, ..extension(sequence, 1) };
    for refused in [
        wire.try_acknowledge(acknowledgement).await.unwrap_err(),
        wire.try_reject(rejection).await.unwrap_err(),
        wire.try_extend(extension).await.unwrap_err(),
    ] {
        refused.is(Code::FailedPrecondition, "OTHER_LIFE", &[]).tells("listener", "e");
    }
    let standing = wire.listener("c", "e").await;
    assert_eq!((standing.unacknowledged_messages, standing.generation), (3, 0));
}

#[tokio::test]
async fn what_is_said_of_a_listener_or_channel_that_was_removed_is_not_found_and_later_of_another_life() {
    let (_server, wire) = server_with_three().await;
    let mut reader = wire.listen("c", "e").await;
    let birth = reader.started.birth;
    let sequence = reader.take(3).await[2].sequence;
    drop(reader);
    let said = async || {
        let listener = || String::from("e");
        [
            wire.try_acknowledge(Acknowledgement { listener: listener(), birth, ..through(sequence) })
                .await
                .unwrap_err(),
            wire.try_reject(Rejection { listener: listener(), birth, ..rejection(sequence) })
                .await
                .unwrap_err(),
            wire.try_extend(Extension { listener: listener(), birth, ..extension(sequence, 1) })
                .await
                .unwrap_err(),
        ]
    };
    wire.remove("c", "e").await;
    for refused in said().await {
        refused.is(Code::NotFound, "LISTENER_REMOVED", &[]);
    }
    let again = wire.register_explicit("c", "e").await;
    assert_ne!(again.birth, birth);
    for refused in said().await {
        refused.is(Code::FailedPrecondition, "OTHER_LIFE", &[]);
    }
    wire.remove_channel("c").await;
    for refused in said().await {
        refused.is(Code::NotFound, "CHANNEL_REMOVED", &[]);
    }
}
