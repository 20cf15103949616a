//! A server that is started again on a directory goes on where the one before ended.

use crate::support::{
    TestServer, Wire,
    command::Served,
    directory::{directory, end, over, waiting, waiting_numbers},
    explicit::{final_rejection, rejection, through},
    message::{number, numbered, numbers, sequences},
    refused,
    wire::pull,
    within,
};
use eric::v1::{
    Acknowledgement, Channel, ChannelSettings, DeadLetterCause, GapReason, GetChannelRequest,
    GetListenerRequest, ListenerSettings, Message, PullRequest, RegisterRequest, Rejection,
    WatchSubscription,
};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tonic::Code;

async fn again(server: TestServer, wire: Wire, dir: &Path) -> (TestServer, Wire) {
    drop(wire);
    end(server).await;
    over(dir).await
}

fn named(id: &str, number: i64) -> Message {
    Message { id: id.to_owned(), ..numbered(number) }
}

/// Of the EXPLICIT listener `e` of the channel `c`.
fn through_of_e(sequence: i64) -> Acknowledgement {
    Acknowledgement { listener: "e".into(), ..through(sequence) }
}

async fn pulled(wire: &Wire, count: i32) -> (Vec<i64>, String) {
    let request = PullRequest { max_messages: count, ..pull("c", "l") };
    let batch = within(wire.call().pull(request)).await.expect("it is there").into_inner().batch;
    let batch = batch.expect("a pull answers a batch");
    (numbers(&batch.deliveries), batch.resume_token)
}

#[tokio::test]
async fn channels_listeners_settings_and_all_that_waits_are_there_again() {
    let dir = directory();
    let (server, wire) = over(dir.path()).await;
    let settings =
        ChannelSettings { max_attempts: Some(9), max_replay_messages: Some(7), ..Default::default() };
    wire.create_with("c", settings).await;
    wire.create("other").await;
    wire.register("c", "l").await;
    let deadline = Some(prost_types::Duration { seconds: 77, nanos: 0 });
    let settings = ListenerSettings { ack_deadline: deadline, ..Default::default() };
    wire.register_explicit_with("c", "e", settings).await;
    wire.update("c", ChannelSettings { max_backlog_messages: Some(123), ..Default::default() }).await;
    wire.broadcast_all("c", (0..3).map(numbered)).await;
    wire.dispatch_all("c", "l", (3..6).map(numbered)).await;
    let before = (waiting(&wire, &["l", "e"]).await, wire.look_at("c").await);
    let listeners = [wire.listener("c", "l").await, wire.listener("c", "e").await];
    let incarnation = wire.server().await.incarnation;
    let (server, wire) = again(server, wire, dir.path()).await;
    let (server, wire) = again(server, wire, dir.path()).await;
    let after = (waiting(&wire, &["l", "e"]).await, wire.look_at("c").await);
    assert_eq!((before.1.accepted_messages, after.1.accepted_messages), (6, 0), "of each start");
    let before = (before.0, Channel { accepted_messages: 0, ..before.1 });
    assert_eq!(after, before);
    assert_eq!([wire.listener("c", "l").await, wire.listener("c", "e").await], listeners);
    let told = wire.server().await;
    assert_eq!((told.channels, told.listeners), (2, 2));
    assert_ne!(told.incarnation, incarnation);
    // and it goes on: what comes is behind what is there
    wire.broadcast("c", numbered(6)).await;
    let all = wire.listen("c", "l").await.take(7).await;
    assert_eq!(numbers(&all), [0, 1, 2, 3, 4, 5, 6]);
    assert!(crate::support::message::rising(&sequences(&all)));
    drop(server);
}

#[tokio::test]
async fn what_was_received_or_acknowledged_does_not_come_again() {
    let dir = directory();
    let (server, wire) = over(dir.path()).await;
    wire.create("c").await;
    wire.register("c", "l").await;
    wire.register_explicit("c", "e").await;
    wire.broadcast_all("c", (0..4).map(numbered)).await;
    assert_eq!(pulled(&wire, 2).await.0, [0, 1]);
    let mut reader = wire.listen("c", "e").await;
    let sequences = sequences(&reader.take(4).await);
    wire.acknowledge(through_of_e(sequences[0])).await;
    let single = Acknowledgement { sequences: vec![sequences[2]], ..through_of_e(0) };
    wire.acknowledge(Acknowledgement { through_sequence: None, ..single }).await;
    drop(reader);
    let (_server, wire) = again(server, wire, dir.path()).await;
    assert_eq!(waiting_numbers(&wire, "l").await, [2, 3]);
    let mut reader = wire.listen("c", "e").await;
    for expected in [1, 3] {
        let (delivery, attempt, _) = reader.attempt().await;
        assert_eq!((number(&delivery), attempt), (expected, Some(1)));
    }
}

#[tokio::test]
async fn a_token_of_an_earlier_start_goes_on_where_it_was() {
    let dir = directory();
    let (server, wire) = over(dir.path()).await;
    let settings = ChannelSettings { max_replay_messages: Some(100), ..Default::default() };
    wire.create_with("c", settings).await;
    wire.register("c", "l").await;
    let mut watcher = wire.watch("c").await;
    wire.broadcast_all("c", (0..4).map(numbered)).await;
    watcher.take(4).await;
    let (_, token) = pulled(&wire, 3).await;
    let watched = watcher.token.clone();
    drop(watcher);
    let (server, wire) = again(server, wire, dir.path()).await;
    wire.broadcast("c", numbered(4)).await;
    let (server, wire) = again(server, wire, dir.path()).await;
    let mut reader = wire.listen_from("c", "l", &token).await;
    assert_eq!(numbers(&reader.take(2).await), [3, 4], "without a gap, two starts later");
    let asked = WatchSubscription { channel: "c".into(), resume_token: watched, ..Default::default() };
    let mut watcher = wire.try_watch(asked).await.expect("the window has it");
    assert_eq!(numbers(&watcher.take(1).await), [4]);
    drop(server);
}

#[tokio::test]
async fn an_id_is_a_duplicate_in_the_next_life_too() {
    let dir = directory();
    let (server, wire) = over(dir.path()).await;
    wire.create("c").await;
    wire.register("c", "l").await;
    let waits = wire.dispatch("c", "l", named("waits", 0)).await;
    assert_eq!(pulled(&wire, 1).await.0, [0]);
    let second = wire.dispatch("c", "l", named("second", 1)).await;
    let broadcast = wire.broadcast("c", named("all", 2)).await;
    let (_server, wire) = again(server, wire, dir.path()).await;
    for (id, first) in [("waits", &waits), ("second", &second)] {
        let receipt = wire.dispatch("c", "l", named(id, 7)).await;
        assert_eq!((receipt.duplicate, receipt.sequence), (true, first.sequence), "{id}");
    }
    let receipt = wire.broadcast("c", named("all", 7)).await;
    assert_eq!((receipt.duplicate, receipt.sequence), (true, broadcast.sequence));
    assert_eq!(waiting_numbers(&wire, "l").await, [1, 2]);
}

#[tokio::test]
async fn rejections_are_counted_on_and_dead_letters_keep_their_facts() {
    let dir = directory();
    let (server, wire) = over(dir.path()).await;
    let settings = ChannelSettings {
        max_attempts: Some(3),
        dead_letter_listener: Some("dead".into()),
        ..Default::default()
    };
    wire.create("c").await;
    wire.register_explicit("c", "l").await;
    wire.register("c", "dead").await;
    wire.update("c", settings).await;
    wire.register_explicit("c", "m").await;
    let first = wire.dispatch("c", "l", numbered(0)).await;
    let other = wire.dispatch("c", "m", numbered(1)).await;
    wire.listen("c", "m").await.one().await;
    let useless = final_rejection(other.sequence, "no use");
    wire.reject(Rejection { listener: "m".into(), ..useless }).await;
    let mut reader = wire.listen("c", "l").await;
    reader.one().await;
    wire.reject(rejection(first.sequence)).await;
    let (_, attempt, _) = reader.attempt().await;
    assert_eq!(attempt, Some(2));
    wire.reject(rejection(first.sequence)).await;
    reader.attempt().await;
    drop(reader);
    let before = wire.messages("c", "dead", 0).await;
    let (server, wire) = again(server, wire, dir.path()).await;
    assert_eq!(wire.messages("c", "dead", 0).await, before);
    let mut reader = wire.listen("c", "l").await;
    let (_, attempt, _) = reader.attempt().await;
    assert_eq!(attempt, Some(3), "two rejections are remembered");
    let rejected = wire.reject(rejection(first.sequence)).await;
    assert_eq!((rejected.attempts, rejected.dropped), (3, false));
    drop(reader);
    let (_server, wire) = again(server, wire, dir.path()).await;
    let letters = wire.messages("c", "dead", 0).await;
    let facts = |at: usize| letters[at].dead_letter.as_ref().expect("it is a dead letter");
    assert_eq!(numbers(&letters), [1, 0]);
    assert_eq!((facts(0).cause(), facts(0).reason.as_str()), (DeadLetterCause::FinalRejection, "no use"));
    assert_eq!((facts(1).cause(), facts(1).attempts), (DeadLetterCause::MaxAttempts, 3));
    assert_eq!((facts(1).listener.as_str(), facts(1).sequence), ("l", first.sequence));
    let sent_back = wire.requeue("c", "dead", &sequences(&letters)).await;
    assert!(sent_back.iter().all(Result::is_ok), "{sent_back:?}");
    assert_eq!((waiting_numbers(&wire, "l").await, waiting_numbers(&wire, "m").await), (vec![0], vec![1]));
}

#[tokio::test]
async fn a_gap_that_was_not_said_yet_is_said_by_the_next_server() {
    let dir = directory();
    let (server, wire) = over(dir.path()).await;
    wire.create("c").await;
    wire.register("c", "l").await;
    wire.dispatch_all("c", "l", (0..4).map(numbered)).await;
    wire.purge("c", "l", None).await;
    wire.dispatch("c", "l", numbered(4)).await;
    let (_server, wire) = again(server, wire, dir.path()).await;
    let mut reader = wire.listen("c", "l").await;
    reader.gap_of(GapReason::Purged, Some(4)).await;
    assert_eq!(numbers(&reader.take(1).await), [4]);
}

fn lasting(number: i64, ttl: Duration) -> Message {
    Message { ttl: Some(ttl.try_into().expect("it is in range")), ..numbered(number) }
}

/// A directory whose server accepted 1, 3 and 4 to last so long, the others up to 5 for an hour; `None` where any expired before
/// it ended. The first of all lasts, so that the others' places are remembered, and they can be counted.
async fn left_to_expire(ttl: Duration) -> Option<tempfile::TempDir> {
    const LONG: Duration = Duration::from_secs(3600);
    let dir = directory();
    let (server, wire) = over(dir.path()).await;
    wire.create("c").await;
    wire.register("c", "l").await;
    wire.register_explicit("c", "e").await;
    let begun = Instant::now();
    wire.broadcast("c", lasting(0, LONG)).await;
    wire.dispatch_all("c", "l", [lasting(1, ttl), lasting(2, LONG)]).await;
    wire.broadcast_all("c", [lasting(3, ttl), lasting(4, ttl), lasting(5, LONG)]).await;
    drop(wire);
    end(server).await;
    (begun.elapsed() < ttl).then_some(dir)
}

#[tokio::test]
async fn what_expires_while_no_server_runs_is_a_gap_and_what_does_not_is_there() {
    let mut ttl = Duration::from_secs(2);
    let dir = loop {
        match left_to_expire(ttl).await {
            Some(dir) => break dir,
            // the machine is that busy
            None => ttl *= 3,
        }
    };
    // and a little for the clock of the calendar
    sleep(ttl + Duration::from_millis(100)).await;
    let (_server, wire) = over(dir.path()).await;
    let [mut all, mut broadcasts] = [wire.listen("c", "l").await, wire.listen("c", "e").await];
    for reader in [&mut all, &mut broadcasts] {
        assert_eq!(numbers(&reader.take(1).await), [0]);
    }
    all.gap_of(GapReason::Expired, Some(1)).await;
    assert_eq!(numbers(&all.take(1).await), [2]);
    for mut reader in [all, broadcasts] {
        reader.gap_of(GapReason::Expired, Some(2)).await;
        assert_eq!(numbers(&reader.take(1).await), [5]);
    }
}

#[tokio::test]
async fn what_was_removed_is_known_as_removed_and_another_of_its_name_is_another() {
    let dir = directory();
    let (server, wire) = over(dir.path()).await;
    for channel in ["c", "gone"] {
        wire.create(channel).await;
        wire.register(channel, "l").await;
        wire.dispatch(channel, "l", numbered(1)).await;
    }
    let token = wire.listen("c", "l").await.started.resume_token;
    wire.remove("c", "l").await;
    wire.remove_channel("gone").await;
    let (_server, wire) = again(server, wire, dir.path()).await;
    let get = |channel: &str| GetChannelRequest { channel: channel.to_owned() };
    let refusal = refused(wire.call().get_channel(get("gone"))).await;
    refusal.is(Code::NotFound, "CHANNEL_REMOVED", &[]);
    let request = GetListenerRequest { channel: "c".into(), listener: "l".into() };
    refused(wire.call().get_listener(request)).await.is(Code::NotFound, "LISTENER_REMOVED", &[]);
    wire.register("c", "l").await;
    assert!(wire.messages("c", "l", 0).await.is_empty());
    wire.dispatch("c", "l", numbered(2)).await;
    let mut reader = wire.listen_from("c", "l", &token).await;
    reader.gap_of(GapReason::OtherLife, None).await;
    assert_eq!(numbers(&reader.take(1).await), [2]);
    let again = RegisterRequest { channel: "gone".into(), ..Default::default() };
    refused(wire.call().register(again)).await.is(Code::NotFound, "CHANNEL_REMOVED", &[]);
}

#[tokio::test]
async fn a_server_that_is_killed_loses_nothing_that_it_accepted() {
    let dir = directory();
    let mut accepted = Vec::new();
    for life in 0..3 {
        let server = Served::over(dir.path(), &[]).await;
        let wire = server.wire().await;
        if life == 0 {
            wire.create("c").await;
            wire.register("c", "l").await;
        }
        for n in 0..5 {
            accepted.push(wire.dispatch("c", "l", numbered(life * 10 + n)).await.sequence);
        }
        accepted.extend(
            wire.broadcast_all("c", (5..9).map(|n| numbered(life * 10 + n)))
                .await
                .iter()
                .map(|it| it.sequence),
        );
        assert_eq!(crate::support::message::sequences(&wire.messages("c", "l", 0).await), accepted);
        server.kill().await;
    }
    let (_server, wire) = over(dir.path()).await;
    assert_eq!(sequences(&wire.listen("c", "l").await.take(accepted.len()).await), accepted);
}

#[tokio::test]
async fn what_was_let_go_just_before_a_kill_takes_no_room_after_it() {
    let dir = directory();
    let few = ChannelSettings {
        max_backlog_messages: Some(20),
        max_replay_messages: Some(20),
        ..ChannelSettings::default()
    };
    let mut room = None;
    for life in 0..3 {
        let server = Served::over(dir.path(), &[]).await;
        let wire = server.wire().await;
        if life == 0 {
            wire.create_with("c", few.clone()).await;
            wire.register("c", "l").await;
        }
        wire.broadcast_all("c", (0..60).map(|_| numbered(1))).await;
        // where the channel stands is kept at once, and what it let go is deleted a little later
        wire.update("c", few.clone()).await;
        let bytes = wire.server().await.log_bytes;
        assert_eq!(*room.get_or_insert(bytes), bytes);
        server.kill().await;
    }
    let (_server, wire) = over(dir.path()).await;
    assert_eq!((wire.look_at("c").await.kept_broadcasts, Some(wire.server().await.log_bytes)), (20, room));
}

/// `--sync` with an interval says what it may lose, and only the end of the machine loses it.
#[tokio::test]
async fn at_an_interval_the_end_of_the_process_loses_nothing() {
    let dir = directory();
    let server = Served::over(dir.path(), &["--sync", "200ms"]).await;
    let start = server.said().into_iter().find(|line| line.contains("\"serving\"")).expect("it serves");
    assert!(start.contains("a power cut may lose what was accepted in its last 200ms"), "{start}");
    let wire = server.wire().await;
    let interval = wire.server().await.log.expect("it has a directory").sync_interval;
    assert_eq!(interval, Some(prost_types::Duration { seconds: 0, nanos: 200_000_000 }));
    wire.create("c").await;
    wire.register("c", "l").await;
    wire.dispatch_all("c", "l", (0..100).map(numbered)).await;
    server.kill().await;
    let (_server, wire) = over(dir.path()).await;
    assert_eq!(waiting_numbers(&wire, "l").await, (0..100).collect::<Vec<_>>());
}
