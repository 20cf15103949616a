//! A message that has waited too long is told as a gap; a listener that nobody listens to goes by itself.

use crate::support::{
    Event, Refused, Wire,
    explicit::{explicit, extension, rejection, singly, through},
    listener,
    message::{message, numbered, numbers, sequences},
    reader::{Reader, told},
    refused, until,
    wire::{dispatch, subscription},
};
use eric::v1::{
    Acknowledgement, Delivery, Extension, GapReason, GetListenerRequest, ListenerSettings, Message,
    RegisterRequest, Rejection, UpdateListenerRequest,
};
use prost_types::Duration;
use std::time;
use tokio::time::sleep;
use tonic::Code;

const MILLIS: i32 = 1_000_000;

fn lasting(number: i64, nanos: i32) -> Message {
    Message { ttl: Some(Duration { seconds: 0, nanos }), ..numbered(number) }
}

/// Longer than the messages of these tests last.
async fn outlast() {
    sleep(time::Duration::from_millis(50)).await;
}

#[tokio::test]
async fn what_has_waited_too_long_is_a_gap_at_its_place() {
    for wire in [listener().await, explicit().await] {
        let (_server, wire) = wire;
        wire.dispatch("c", "l", numbered(0)).await;
        let receipts = wire.dispatch_all("c", "l", (1..4).map(|n| lasting(n, MILLIS))).await;
        wire.dispatch("c", "l", numbered(4)).await;
        wire.broadcast_all("c", (5..7).map(|n| lasting(n, MILLIS))).await;
        wire.broadcast("c", numbered(7)).await;
        outlast().await;
        let mut reader = wire.listen("c", "l").await;
        assert_eq!(numbers(&reader.take(1).await), [0]);
        let gap = reader.gap_of(GapReason::Expired, Some(3)).await;
        assert!((receipts[2].sequence..).contains(&gap.through_sequence));
        assert_eq!(numbers(&reader.take(1).await), [4]);
        reader.gap_of(GapReason::Expired, Some(2)).await;
        assert_eq!(numbers(&reader.take(1).await), [7]);
        assert_eq!(wire.listener("c", "l").await.lost_messages, 5);
    }
}

/// A listener whose client has its only message in hand, which lasts for so many milliseconds as it is named. Where the machine is
/// too slow for the message to arrive before that, another one has more time.
async fn in_hand(wire: &Wire) -> (String, Reader, Delivery) {
    for millis in [20, 80, 320, 900] {
        let listener = format!("l{millis}");
        wire.register_explicit("c", &listener).await;
        let mut reader = wire.listen("c", &listener).await;
        wire.dispatch("c", &listener, lasting(0, millis * MILLIS)).await;
        if let Ok(Some(Event::Delivery(delivery))) = reader.event().await {
            return (listener, reader, delivery);
        }
    }
    panic!("a message took longer than 900 ms to arrive");
}

/// Longer than a message in hand lasts.
async fn outlast_it(listener: &str) {
    let millis = listener.trim_start_matches('l').parse().expect("it is named by that");
    sleep(time::Duration::from_millis(millis) + time::Duration::from_millis(30)).await;
}

#[tokio::test]
async fn what_is_in_hand_does_not_expire() {
    let (_server, wire) = explicit().await;
    let (listener, _reader, delivery) = in_hand(&wire).await;
    outlast_it(&listener).await;
    let standing = wire.listener("c", &listener).await;
    assert_eq!((standing.unacknowledged_messages, standing.lost_messages), (1, 0));
    let item = Acknowledgement { listener, ..through(delivery.sequence) };
    assert_eq!(wire.acknowledge(item).await.covered_messages, 1);
}

#[tokio::test]
async fn at_each_sending_it_is_judged_anew_and_the_gap_is_said_until_it_is_acknowledged() {
    let (_server, wire) = explicit().await;
    let (listener, _reader, delivery) = in_hand(&wire).await;
    wire.stop("c", &listener).await;
    outlast_it(&listener).await;
    for _ in 0..2 {
        let mut next = wire.listen("c", &listener).await;
        let gap = next.gap_of(GapReason::Expired, Some(1)).await;
        assert!(gap.through_sequence >= delivery.sequence);
    }
    // what is gone meanwhile is OK
    let item = Acknowledgement { listener: listener.clone(), ..singly(&[delivery.sequence]) };
    assert_eq!(wire.acknowledge(item).await.covered_messages, 0);
    let mut last = wire.listen("c", &listener).await;
    wire.mark("c").await;
    assert_eq!(last.before("mark").await, []);
}

#[tokio::test]
async fn what_has_expired_in_thousands_is_one_gap() {
    let (_server, wire) = explicit().await;
    for batch in 0..20 {
        wire.dispatch_all("c", "l", (0..1000).map(|n| lasting(batch * 1000 + n, 1))).await;
    }
    outlast().await;
    let mut reader = wire.listen("c", "l").await;
    wire.mark("c").await;
    let events = reader.before("mark").await;
    assert_eq!(told(&events), 20_000);
    assert!(
        events.iter().all(|event| matches!(event, Event::Gap(gap) if gap.reason() == GapReason::Expired))
    );
    assert!(events.len() <= 20, "{}", events.len());
}

#[tokio::test]
async fn a_time_to_live_that_is_none_is_refused() {
    let (_server, wire) = listener().await;
    for (seconds, nanos) in [(0, 0), (-1, 0), (0, -1), (i64::MIN, 0), (0, i32::MAX)] {
        let message = Message { ttl: Some(Duration { seconds, nanos }), ..message("t") };
        let refused = refused(wire.call().dispatch(dispatch("c", "l", message))).await;
        refused.is(Code::InvalidArgument, "INVALID_MESSAGE", &["message.ttl"]);
    }
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 0);
    let for_ever = Message { ttl: Some(Duration { seconds: 315_576_000_000, nanos: 0 }), ..message("t") };
    wire.dispatch("c", "l", for_ever).await;
    assert_eq!(sequences(&wire.listen("c", "l").await.take(1).await).len(), 1);
}

fn idle(seconds: i64, nanos: i32) -> ListenerSettings {
    ListenerSettings { idle_timeout: Some(Duration { seconds, nanos }), ack_deadline: None }
}

async fn expired(wire: &Wire, listener: &str) -> Option<Refused> {
    let request = GetListenerRequest { channel: "c".into(), listener: listener.into() };
    wire.call().get_listener(request).await.err().map(|status| Refused::of(&status))
}

#[tokio::test]
async fn a_listener_that_nobody_listens_to_expires_and_says_so() {
    let (_server, wire) = explicit().await;
    wire.register_explicit_with("c", "idle", idle(1, 0)).await;
    wire.register_explicit_with("c", "busy", idle(1, 0)).await;
    wire.dispatch("c", "idle", numbered(0)).await;
    let reader = wire.listen("c", "busy").await;
    until(async || expired(&wire, "idle").await.is_some()).await;
    let of = |wire: &Wire| {
        let wire = wire.clone();
        async move { expired(&wire, "idle").await.unwrap() }
    };
    of(&wire).await.is(Code::NotFound, "LISTENER_EXPIRED", &[]).tells("listener", "idle");
    let refused = Refused::of(&wire.try_dispatch("c", "idle", numbered(1)).await.unwrap_err());
    refused.is(Code::NotFound, "LISTENER_EXPIRED", &[]);
    let refused = Refused::of(&wire.try_listen(subscription("c", "idle", "")).await.err().unwrap());
    refused.is(Code::NotFound, "LISTENER_EXPIRED", &[]);
    let item = eric::v1::Acknowledgement { listener: "idle".into(), ..through(1) };
    wire.try_acknowledge(item).await.unwrap_err().is(Code::NotFound, "LISTENER_EXPIRED", &[]);
    let item = Rejection { listener: "idle".into(), ..rejection(1) };
    wire.try_reject(item).await.unwrap_err().is(Code::NotFound, "LISTENER_EXPIRED", &[]);
    let item = Extension { listener: "idle".into(), ..extension(1, 1) };
    wire.try_extend(item).await.unwrap_err().is(Code::NotFound, "LISTENER_EXPIRED", &[]);
    // while its stream is open it does not, and the one without a timeout never
    assert!(expired(&wire, "busy").await.is_none());
    assert!(expired(&wire, "l").await.is_none());
    drop(reader);
    until(async || expired(&wire, "busy").await.is_some()).await;
    // under its id another may be registered
    wire.register_explicit("c", "idle").await;
    assert_eq!(wire.listener("c", "idle").await.backlog_messages, 0);
}

#[tokio::test]
async fn a_dead_letter_listener_never_idles_out() {
    let (_server, wire) = explicit().await;
    wire.register_explicit_with("c", "dead", idle(1, 0)).await;
    wire.register_explicit_with("c", "other", idle(2, 0)).await;
    let settings =
        eric::v1::ChannelSettings { dead_letter_listener: Some("dead".into()), ..Default::default() };
    wire.update("c", settings).await;
    until(async || expired(&wire, "other").await.is_some()).await;
    assert!(expired(&wire, "dead").await.is_none());
}

#[tokio::test]
async fn a_timeout_out_of_its_range_is_refused_by_name() {
    let (_server, wire) = listener().await;
    for settings in [
        idle(0, 1),
        idle(-1, 0),
        idle(0, -1),
        idle(0, 999 * MILLIS),
        idle(366 * 24 * 3600, 1),
        idle(i64::MAX, 0),
        // parts that make no duration, whatever they add up to
        idle(2, -1),
        idle(1, 1_000_000_000),
        idle(-1, 1),
        idle(-1, 2_000_000_000),
    ] {
        let settings = Some(settings);
        let request = RegisterRequest { channel: "c".into(), settings, ..Default::default() };
        let answer = refused(wire.call().register(request)).await;
        answer.is(Code::InvalidArgument, "INVALID_SETTING", &["settings.idle_timeout"]);
        let (channel, listener) = ("c".into(), "l".into());
        let request = UpdateListenerRequest { channel, listener, settings, update_mask: None };
        let answer = refused(wire.call().update_listener(request)).await;
        answer.is(Code::InvalidArgument, "INVALID_SETTING", &["settings.idle_timeout"]);
    }
    let settings = wire.listener("c", "l").await.settings.unwrap();
    assert_eq!(settings.idle_timeout, Some(Duration::default()));
    assert_eq!(wire.look_at("c").await.listeners, 1);
}
