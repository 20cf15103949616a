//! Where its disk is full, fails, or keeps it waiting, a server says so, loses nothing that it accepted, and shows nothing
//! that it could still lose.

use crate::support::{
    Refused, Wire,
    command::Served,
    directory::{end, over, waiting_numbers},
    explicit::{final_rejection, through},
    message::{numbered, numbers},
    power::Power,
    refused, until,
    wire::{error, publication, receipts},
    within,
};
use eric::v1::{
    Acknowledgement, ChannelSettings, CreateChannelRequest, GapReason, LogState, Message, PublishRequest,
    Receipt, RemoveListenerRequest,
};
use futures_util::{StreamExt as _, stream};
use std::time::Duration;
use tokio::{task::JoinSet, time::timeout};
use tonic::Code;

pub(super) fn named(number: i64) -> Message {
    Message { id: format!("m-{number}"), ..numbered(number) }
}

/// A channel `c` with a listener `l`, and these that were accepted.
pub(super) async fn begun(server: &Served, accepted: std::ops::Range<i64>) -> Wire {
    let wire = server.wire().await;
    wire.create("c").await;
    wire.register("c", "l").await;
    wire.dispatch_all("c", "l", accepted.map(named)).await;
    wire
}

pub(super) async fn refusal(wire: &Wire, number: i64) -> Refused {
    let refused = wire.try_dispatch("c", "l", named(number)).await.expect_err("the disk takes nothing");
    Refused::of(&refused)
}

/// What the server says of its log.
pub(super) async fn state(wire: &Wire) -> LogState {
    wire.server().await.log.expect("it has a directory").state()
}

/// As a client does that is told that the log is unavailable.
async fn at_last(wire: &Wire, number: i64) -> Receipt {
    until(async || match wire.try_dispatch("c", "l", named(number)).await {
        Ok(_) => true,
        Err(status) => {
            Refused::of(&status).is(Code::Unavailable, "LOG_UNAVAILABLE", &[]);
            false
        }
    })
    .await;
    wire.dispatch("c", "l", named(number)).await
}

#[tokio::test]
async fn while_the_disk_is_full_nothing_is_accepted_and_then_it_goes_on_by_itself() {
    goes_on_after("full", "full").await;
}

/// The store does not tell these from a disk that is broken.
#[tokio::test]
async fn so_it_is_where_a_quota_is_used_up_or_a_file_may_grow_no_more() {
    goes_on_after("quota", "quota").await;
    goes_on_after("limit", "too large").await;
}

async fn goes_on_after(fault: &str, said: &str) {
    let power = Power::new();
    let server = power.serve(&[]).await;
    let wire = begun(&server, 0..10).await;
    power.ask(fault);
    for number in 10..13 {
        let refusal = refusal(&wire, number).await;
        assert!(refusal.retry.is_some(), "it passes: {refusal:?}");
        refusal.is(Code::Unavailable, "LOG_UNAVAILABLE", &[]);
    }
    assert_eq!(state(&wire).await, LogState::Stalled);
    // what is durable is served
    assert_eq!(waiting_numbers(&wire, "l").await, (0..10).collect::<Vec<_>>());
    let mut reader = wire.listen("c", "l").await;
    assert_eq!(numbers(&reader.take(10).await), (0..10).collect::<Vec<_>>());
    power.ask_no_more(fault);
    for number in 10..13 {
        assert!(at_last(&wire, number).await.duplicate, "it was accepted once");
    }
    assert_eq!(state(&wire).await, LogState::Writing);
    assert_eq!(numbers(&reader.take(3).await), [10, 11, 12], "each of them once");
    let told = |line: &String| line.contains("cannot be written") && line.contains(said);
    assert!(server.said().iter().any(told), "{:?}", server.said());
    drop((reader, wire));
    server.kill().await;
    let (_server, wire) = over(&power.kept()).await;
    let again = wire.dispatch("c", "l", named(11)).await;
    assert!(again.duplicate, "it was on the disk");
}

#[tokio::test]
async fn a_batch_is_refused_as_a_whole_while_the_disk_is_full_and_comes_in_once() {
    let power = Power::new();
    let server = power.serve(&[]).await;
    let wire = begun(&server, 0..3).await;
    power.ask("full");
    let batch = || (3..8).map(|number| publication("c", "l", named(number))).collect();
    for _ in 0..2 {
        for result in wire.batch(batch()).await {
            error(&result).is(Code::Unavailable, "LOG_UNAVAILABLE", &[]);
        }
    }
    power.ask_no_more("full");
    at_last(&wire, 8).await;
    let sequences: Vec<_> = receipts(&wire.batch(batch()).await).iter().map(|it| it.sequence).collect();
    assert!(crate::support::message::rising(&sequences));
    let mut waiting = waiting_numbers(&wire, "l").await;
    waiting.sort_unstable();
    assert_eq!(waiting, (0..9).collect::<Vec<_>>(), "each of them once");
    server.kill().await;
}

/// Of the EXPLICIT listener `l`, which has it in hand.
async fn in_hand(wire: &Wire, number: i64) -> i64 {
    wire.dispatch("c", "l", named(number)).await;
    wire.listen("c", "l").await.one().await.sequence
}

#[tokio::test]
async fn a_dead_letter_that_cannot_be_written_is_moved_once_or_stays() {
    for stalled in [false, true] {
        let power = Power::new();
        let server = power.serve(&[]).await;
        let wire = server.wire().await;
        wire.create("c").await;
        wire.register_explicit("c", "l").await;
        wire.register("c", "dead").await;
        wire.register("c", "other").await;
        let dead_letter_listener = Some("dead".to_owned());
        wire.update("c", ChannelSettings { dead_letter_listener, ..Default::default() }).await;
        let sequence = in_hand(&wire, 1).await;
        power.ask("full");
        if stalled {
            wire.try_dispatch("c", "other", named(2)).await.expect_err("the disk is full");
        }
        let refused = wire.try_reject(final_rejection(sequence, "no")).await.expect_err("the disk is full");
        refused.is(Code::Unavailable, "LOG_UNAVAILABLE", &[]);
        let letters = async || waiting_numbers(&wire, "dead").await.len();
        assert_eq!(letters().await, 0, "nothing is shown that could be lost");
        power.ask_no_more("full");
        // whoever was told that it is not known says it again
        until(async || match wire.try_reject(final_rejection(sequence, "no")).await {
            Ok(_) => true,
            Err(refused) => refused.reason != "LOG_UNAVAILABLE",
        })
        .await;
        until(async || letters().await == 1).await;
        assert_eq!(waiting_numbers(&wire, "l").await, [0; 0]);
        server.kill().await;
        let (_server, wire) = over(&power.kept()).await;
        assert_eq!(waiting_numbers(&wire, "dead").await, [1]);
        assert_eq!(waiting_numbers(&wire, "l").await, [0; 0]);
    }
}

#[tokio::test]
async fn names_that_are_made_or_removed_while_the_disk_is_full_are_so_once_there_is_room() {
    let power = Power::new();
    let server = power.serve(&[]).await;
    let wire = begun(&server, 0..3).await;
    wire.register("c", "goes").await;
    power.ask("full");
    let request = RemoveListenerRequest { channel: "c".into(), listener: "goes".into() };
    refused(wire.call().remove_listener(request)).await.is(Code::Unavailable, "LOG_UNAVAILABLE", &[]);
    let create = |id: &str| CreateChannelRequest {
        channel: Some(id.to_owned()),
        allow_existing: true,
        ..Default::default()
    };
    refused(wire.call().create_channel(create("d"))).await.is(Code::Unavailable, "LOG_UNAVAILABLE", &[]);
    power.ask_no_more("full");
    at_last(&wire, 3).await;
    let made = within(wire.call().create_channel(create("d"))).await.expect("there is room").into_inner();
    let request = RemoveListenerRequest { channel: "c".into(), listener: "goes".into() };
    if let Err(status) = within(wire.call().remove_listener(request)).await {
        // the first one came through after all
        Refused::of(&status).is(Code::NotFound, "LISTENER_REMOVED", &[]);
    }
    assert_eq!(made.channel.expect("it is told").id, "d");
    let told = wire.server().await;
    assert_eq!((told.channels, told.listeners), (2, 1));
    server.kill().await;
    let (_server, wire) = over(&power.kept()).await;
    let told = wire.server().await;
    assert_eq!((told.channels, told.listeners), (2, 1));
    assert_eq!(waiting_numbers(&wire, "l").await, [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_server_that_cannot_write_its_start_says_why() {
    let power = Power::new();
    let (server, wire) = over(&power.dir()).await;
    drop(wire);
    end(server).await;
    power.ask("full");
    let (exit, said) = power.start(&[], None).ended().await;
    assert_eq!(exit, Some(1), "{said:?}");
    let said = said.join("\n");
    assert!(said.contains("eric.db") && said.contains("full"), "{said}");
    power.ask_no_more("full");
    power.serve(&[]).await.wire().await.still_answers().await;
}

#[tokio::test]
async fn after_a_failed_fsync_nothing_more_is_accepted_and_what_is_durable_is_served() {
    let power = Power::new();
    let server = power.serve(&[]).await;
    let wire = begun(&server, 0..10).await;
    let mut reader = wire.listen("c", "l").await;
    assert_eq!(numbers(&reader.take(10).await), (0..10).collect::<Vec<_>>());
    wire.register("c", "other").await;
    wire.dispatch_all("c", "other", (20..25).map(named)).await;
    power.ask("fail");
    refusal(&wire, 10).await.is(Code::Unavailable, "LOG_UNAVAILABLE", &[]);
    power.ask_no_more("fail");
    // a second fsync that succeeds would not tell what the first one lost
    for number in 11..14 {
        refusal(&wire, number).await.is(Code::Unavailable, "LOG_UNAVAILABLE", &[]);
    }
    assert_eq!(state(&wire).await, LogState::Failed);
    assert_eq!(waiting_numbers(&wire, "other").await, (20..25).collect::<Vec<_>>());
    assert_eq!(numbers(&wire.listen("c", "other").await.take(5).await), (20..25).collect::<Vec<_>>());
    assert_eq!(waiting_numbers(&wire, "l").await, [0; 0], "what may be lost is not shown");
    assert!(server.said().iter().any(|line| line.contains("the log has failed")), "{:?}", server.said());
    assert_eq!(server.end().await, Some(0), "it ends like any other");
    let ended = reader.rest().await.0;
    assert!(!ended.iter().any(|event| matches!(event, crate::support::Event::Delivery(_))), "{ended:?}");
    drop(wire);
    // on what the disk has
    let (_server, wire) = over(&power.kept()).await;
    assert_eq!(waiting_numbers(&wire, "other").await, (20..25).collect::<Vec<_>>());
    for number in 0..10 {
        assert!(wire.dispatch("c", "l", named(number)).await.duplicate, "{number} was accepted");
    }
    wire.dispatch("c", "l", named(11)).await;
}

#[tokio::test]
async fn a_dispatch_is_answered_and_shown_when_it_is_on_disk() {
    let power = Power::new();
    let server = power.serve(&[]).await;
    let wire = begun(&server, 0..0).await;
    let mut reader = wire.listen("c", "l").await;
    power.ask("hold");
    let [answered, cancelled] = [0, 1].map(|number| {
        let wire = wire.clone();
        tokio::spawn(async move { wire.try_dispatch("c", "l", named(number)).await })
    });
    power.holds().await;
    assert_eq!(waiting_numbers(&wire, "l").await, [0; 0], "nothing is shown that could be lost");
    assert!(!answered.is_finished());
    cancelled.abort();
    assert!(cancelled.await.is_err_and(|ended| ended.is_cancelled()));
    assert_eq!(waiting_numbers(&wire, "l").await, [0; 0]);
    power.ask_no_more("hold");
    let receipt = answered.await.expect("it was not cancelled").expect("it is accepted");
    let first = reader.one().await;
    // whoever gave up may ask again: it is there once, whether it had come in or not
    let again = wire.dispatch("c", "l", named(1)).await;
    let second = reader.one().await;
    let mut told = [(first.sequence, numbers(&[first])[0]), (second.sequence, numbers(&[second])[0])];
    assert!(told.is_sorted(), "in the order of acceptance");
    told.sort_by_key(|(_, number)| *number);
    assert_eq!(told.map(|(_, number)| number), [0, 1]);
    assert_eq!(told.map(|(sequence, _)| sequence), [receipt.sequence, again.sequence]);
    server.kill().await;
}

const VERBS: [&str; 3] = ["Dispatch", "PublishBatch", "Publish"];

/// By this verb, and nothing beside it.
async fn sent_by(verb: &str, wire: Wire, number: i64) -> Receipt {
    let publications = vec![publication("c", "l", named(number))];
    let results = match verb {
        "Dispatch" => return wire.dispatch("c", "l", named(number)).await,
        "PublishBatch" => wire.batch(publications).await,
        "Publish" => {
            let request = PublishRequest { publications, stop_at_error: false };
            wire.publish_all(vec![request]).await.remove(0).results
        }
        other => panic!("{other} sends nothing"),
    };
    receipts(&results).remove(0)
}

/// The receipts of a message that is sent once, and again by each verb before it is on disk.
async fn sent_again(power: &Power, wire: &Wire, first: &'static str, number: i64) -> Vec<Receipt> {
    let mut sends = JoinSet::new();
    power.ask("hold");
    sends.spawn(sent_by(first, wire.clone(), number));
    power.holds().await;
    for verb in VERBS {
        sends.spawn(sent_by(verb, wire.clone(), number));
    }
    let early = timeout(Duration::from_millis(100), sends.join_next()).await;
    assert!(early.is_err(), "a crash could undo it: {early:?}");
    power.ask_no_more("hold");
    within(sends.join_all()).await
}

#[tokio::test]
async fn a_duplicate_is_answered_when_what_it_repeats_is_on_disk() {
    let power = Power::new();
    let server = power.serve(&[]).await;
    let wire = begun(&server, 0..0).await;
    for (number, first) in (0..).zip(VERBS) {
        let receipts = sent_again(&power, &wire, first, number).await;
        assert!(receipts.iter().all(|it| it.sequence == receipts[0].sequence), "{receipts:?}");
        assert_eq!(receipts.iter().filter(|it| !it.duplicate).count(), 1, "{receipts:?}");
    }
    assert_eq!(waiting_numbers(&wire, "l").await, [0, 1, 2], "each of them once");
    server.kill().await;
}

#[tokio::test]
async fn a_broadcast_comes_to_nobody_before_it_is_on_disk() {
    let power = Power::new();
    let server = power.serve(&[]).await;
    let wire = begun(&server, 0..0).await;
    wire.register_explicit("c", "e").await;
    let mut readers = [wire.listen("c", "l").await, wire.listen("c", "e").await, wire.watch("c").await];
    power.ask("hold");
    let sends = wire.clone();
    let answered = tokio::spawn(async move { sends.broadcast("c", named(7)).await });
    power.holds().await;
    for reader in &mut readers {
        assert!(timeout(Duration::from_millis(100), reader.one()).await.is_err(), "a crash could undo it");
    }
    assert!(!answered.is_finished());
    power.ask_no_more("hold");
    let receipt = answered.await.expect("it does not panic");
    for reader in &mut readers {
        assert_eq!(reader.one().await.sequence, receipt.sequence);
    }
    drop(readers);
    server.kill().await;
}

#[tokio::test]
async fn what_a_power_cut_takes_at_an_interval_is_another_life() {
    let power = Power::new();
    let server = power.serve(&["--sync", "1h"]).await;
    let wire = begun(&server, 0..5).await;
    let mut reader = wire.listen("c", "l").await;
    reader.take(5).await;
    let token = reader.token.clone();
    drop((reader, wire));
    server.kill().await;
    let (_server, wire) = over(&power.kept()).await;
    // all of it was accepted within the hour: the channel, too
    assert_eq!(wire.server().await.channels, 0);
    wire.create("c").await;
    wire.register("c", "l").await;
    wire.dispatch_all("c", "l", (50..53).map(numbered)).await;
    let mut reader = wire.listen_from("c", "l", &token).await;
    reader.gap_of(GapReason::OtherLife, None).await;
    assert_eq!(numbers(&reader.take(3).await), [50, 51, 52]);
}

/// Positions that a power cut takes are given again; who was told of the lost ones is told that these are others.
#[tokio::test]
async fn what_is_given_the_place_of_what_was_lost_is_not_taken_for_it() {
    let power = Power::new();
    let (server, wire) = over(&power.dir()).await;
    wire.create("c").await;
    wire.register("c", "l").await;
    wire.register_explicit("c", "e").await;
    wire.broadcast_all("c", (0..5).map(named)).await;
    drop(wire);
    end(server).await;
    let server = power.serve(&["--sync", "1h"]).await;
    let wire = server.wire().await;
    let lost = wire.broadcast_all("c", (5..10).map(named)).await;
    let [mut automatic, mut explicit] = [wire.listen("c", "l").await, wire.listen("c", "e").await];
    assert_eq!(numbers(&automatic.take(10).await), (0..10).collect::<Vec<_>>());
    explicit.take(10).await;
    let tokens = [automatic.token.clone(), explicit.token.clone()];
    let life = Acknowledgement {
        listener: "e".into(),
        birth: explicit.started.birth,
        incarnation: explicit.opened.incarnation.clone(),
        ..through(lost[4].sequence)
    };
    drop((automatic, explicit, wire));
    server.kill().await;

    let (_server, wire) = over(&power.kept()).await;
    assert_eq!(waiting_numbers(&wire, "e").await, (0..5).collect::<Vec<_>>());
    let others = wire.broadcast_all("c", (50..60).map(named)).await;
    assert!(others[0].sequence <= lost[4].sequence, "their places are given again");
    let refused = wire.try_acknowledge(life).await.expect_err("these are others");
    refused.is(Code::FailedPrecondition, "OTHER_LIFE", &[]);
    for (listener, token) in ["l", "e"].into_iter().zip(&tokens) {
        let mut reader = wire.listen_from("c", listener, token).await;
        reader.gap_of(GapReason::OtherLife, None).await;
        let kept = numbers(&reader.take(15).await);
        assert_eq!(kept, (0..5).chain(50..60).collect::<Vec<_>>(), "{listener}");
    }
    for number in 5..10 {
        assert!(!wire.dispatch("c", "l", named(number)).await.duplicate, "{number} was lost");
    }
}

#[tokio::test]
async fn what_was_accepted_is_there_after_a_power_cut() {
    let power = Power::new();
    let server = power.serve(&[]).await;
    let wire = begun(&server, 0..50).await;
    wire.broadcast_all("c", (50..60).map(named)).await;
    drop(wire);
    server.kill().await;
    let (_server, wire) = over(&power.kept()).await;
    assert_eq!(waiting_numbers(&wire, "l").await, (0..60).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_a_publish_stream_brought_before_the_end_is_answered_also_where_the_disk_is_slow() {
    let power = Power::new();
    let server = power.serve(&[]).await;
    let wire = begun(&server, 0..0).await;
    let watch = wire.watch("c").await;
    power.ask("hold");
    let request = |number| PublishRequest {
        publications: vec![publication("c", "l", named(number))],
        stop_at_error: false,
    };
    let mut answers = wire.publish(stream::iter([request(0), request(1)]).chain(stream::pending())).await;
    power.holds().await;
    server.stop().await;
    // every stream has been told by now
    watch.rest().await.1.expect_err("the server goes");
    power.ask_no_more("hold");
    for _ in 0..2 {
        let answer = within(answers.message()).await.expect("it is answered").expect("it is answered");
        assert_eq!(receipts(&answer.results).len(), 1);
    }
    let end = within(answers.message()).await.expect_err("the server goes");
    Refused::of(&end).is(Code::Unavailable, "SHUTTING_DOWN", &[]);
    drop((answers, wire));
    assert_eq!(server.ended().await.0, Some(0));
    let (_server, wire) = over(&power.kept()).await;
    assert_eq!(waiting_numbers(&wire, "l").await, [0, 1]);
}
