//! Streams: order, ends, gaps, and what is left behind.

use super::{super::*, channel, message, numbered, send, soon};
use crate::{error, hub::ListenOptions, id::ListenerId};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::json;
use std::time::Duration;

async fn numbers(stream: MessageStream) -> Vec<u32> {
    let number = |delivery: Delivery| delivery.message.json::<u32>().unwrap();
    let numbers = stream.adapt(number).map_ok(|event| event.message().unwrap());
    soon(numbers.try_collect()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_adapted_stream_gives_messages_in_order_and_ends_with_the_channel() {
    let channel = channel();
    let listener = channel.add_listener().unwrap();
    let watch = channel.watch().unwrap();
    send(&channel, listener.id(), 0..3).await;
    let receipt = channel.broadcast(numbered(3)).await.unwrap();
    assert_eq!((receipt.receivers, receipt.duplicate), (Some(1), false));
    channel.notify_end().await.unwrap();
    assert_eq!(numbers(listener.message_stream().unwrap()).await, [0, 1, 2, 3]);
    assert_eq!(numbers(watch).await, [3]);
    assert!(!listener.running().unwrap());
    assert_eq!(channel.hub().info().streams, 0);
}

#[tokio::test(start_paused = true)]
async fn an_end_is_given_once_and_then_nothing() {
    let channel = channel();
    let mut stream = channel.watch().unwrap();
    assert_eq!(stream.ended_by(), None);
    channel.notify_end().await.unwrap();
    assert!(stream.next().await.is_none() && stream.next().await.is_none());
    assert_eq!(stream.ended_by(), Some(&End::ChannelClosed));
}

#[tokio::test(start_paused = true)]
async fn server_sent_events_have_the_form_of_eric_sse_and_tell_of_the_end() {
    let channel = channel();
    let mut events = channel.watch().unwrap().adapt(Sse::default());
    channel.broadcast(Message::new("price").with_json(&json!({"bid": 1})).unwrap()).await.unwrap();
    channel.broadcast(Message::new("raw").with_binary(&b"\xff"[..])).await.unwrap();
    channel.notify_end().await.unwrap();
    let mut next = async || serde_json::to_value(message(events.next().await)).unwrap();
    assert_eq!(next().await, json!({"event": "price", "retry": 5, "data": {"bid": 1}}));
    assert_eq!(next().await, json!({"event": "raw", "retry": 5, "data": "/w=="}));
    assert_eq!(next().await, json!({"event": "_eric_channel_closed", "retry": 5, "data": null}));
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn json_that_few_can_read_is_passed_on_as_it_is() {
    let channel = channel();
    let mut events = channel.watch().unwrap().adapt(Sse::with_retry(Duration::from_secs(1)));
    for text in ["1e999", r#""\ud800""#, &("[".repeat(100) + &"]".repeat(100))] {
        channel.broadcast(Message::new("t").with_json_text(text)).await.unwrap();
        let event = message(events.next().await);
        assert_eq!((event.data.get(), event.retry), (text, 1000));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_listener_keeps_its_queue() {
    let channel = channel();
    let listener = channel.add_listener().unwrap();
    send(&channel, listener.id(), 0..3).await;
    let mut stream = listener.message_stream().unwrap();
    assert_eq!(message(stream.next().await).message.json::<u32>().unwrap(), 0);
    listener.stop().unwrap();
    assert!(stream.next().await.is_none());
    assert_eq!(stream.ended_by(), Some(&End::Stopped));
    channel.notify_end_of(listener.id()).await.unwrap();
    assert_eq!(numbers(listener.message_stream().unwrap()).await, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_a_dropped_stream_has_not_given_stays() {
    let channel = channel();
    let listener = channel.add_listener().unwrap();
    for number in 0..3 {
        channel.broadcast(numbered(number)).await.unwrap();
    }
    let mut stream = listener.message_stream().unwrap();
    message(stream.next().await);
    let token = stream.resume_token();
    drop(stream);
    assert_eq!(listener.info().unwrap().backlog.messages, 2);
    channel.notify_end().await.unwrap();
    channel.broadcast(numbered(7)).await.unwrap();
    assert_eq!(numbers(listener.message_stream().unwrap()).await, [1, 2]);
    assert_eq!(listener.info().unwrap().backlog.messages, 1, "what comes behind the end waits");

    let receiver = crate::hub::Receiver::Listener(ListenerId::parse(listener.id()).unwrap());
    let options = ListenOptions { resume_token: Some(token), max_messages: 1, ..ListenOptions::default() };
    assert_eq!(numbers(channel.open_stream(receiver, options).unwrap()).await, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn removal_takeover_and_closing_are_errors_that_end_a_stream() {
    let dispatcher = Dispatcher::in_memory().unwrap();
    let channel = dispatcher.create_channel("c").unwrap();
    let [removed, taken, closed] = [0, 1, 2].map(|_| channel.add_listener().unwrap());
    let mut streams = [&removed, &taken, &closed].map(|listener| listener.message_stream().unwrap());
    removed.remove().unwrap();
    let newer = taken.message_stream().unwrap();
    let mut ends = Vec::new();
    for (at, stream) in streams.iter_mut().enumerate() {
        if at == 2 {
            dispatcher.close();
        }
        let Some(Err(Error::Refused(error))) = soon(stream.next()).await else { panic!("no error") };
        assert_eq!(stream.ended_by(), Some(&End::Failed(Error::Refused(error.clone()))));
        assert!(stream.next().await.is_none());
        ends.push(error);
    }
    assert!(matches!(
        &ends[..],
        [
            error::Error::ListenerRemoved { .. },
            error::Error::ListenerTakenOver { .. },
            error::Error::ShuttingDown
        ]
    ));
    drop(newer);
    assert!(matches!(channel.dispatch(removed.id(), numbered(0)).await, Err(Error::Refused(_))));
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_is_said() {
    let dispatcher = Dispatcher::in_memory().unwrap();
    let defaults = ChannelSettings::default();
    let max_backlog = crate::hub::Quota { messages: 2, ..defaults.max_backlog };
    let settings = ChannelSettings { max_backlog, dispatch_overflow: Overflow::DropOldest, ..defaults };
    let channel = dispatcher.create_channel_with("c", settings).unwrap();
    let listener = channel.add_listener().unwrap();
    send(&channel, listener.id(), 0..5).await;
    let mut stream = listener.message_stream().unwrap();
    let Some(Ok(Event::Gap(gap))) = stream.next().await else { panic!("no gap") };
    assert_eq!((gap.reason, gap.count), (GapReason::Overflow, Some(3)));
    assert_eq!(message(stream.next().await).message.json::<u32>().unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_next_message_is_delivered_alone() {
    let channel = channel();
    let listener = channel.add_listener().unwrap();
    assert_eq!(listener.deliver_next().unwrap(), Delivered::default());
    send(&channel, listener.id(), 0..2).await;
    for number in 0..2 {
        let next = listener.deliver_next().unwrap().delivery.unwrap();
        assert_eq!(next.message.json::<u32>().unwrap(), number);
    }
    send(&channel, listener.id(), 2..5).await;
    assert_eq!(listener.purge().unwrap(), 3);
    let next = listener.deliver_next().unwrap();
    assert_eq!((next.gaps[0].reason, next.delivery), (GapReason::Purged, None));
}

#[tokio::test(start_paused = true)]
async fn a_long_backlog_leaves_other_tasks_their_turn() {
    let channel = channel();
    let listener = channel.add_listener().unwrap();
    send(&channel, listener.id(), 0..1000).await;
    let other = tokio::spawn(async {});
    assert_eq!(listener.message_stream().unwrap().take(1000).count().await, 1000);
    assert!(other.is_finished());
}

#[tokio::test]
async fn ids_and_messages_are_checked_where_they_come_in() {
    let dispatcher = Dispatcher::in_memory().unwrap().with_max_payload_bytes(4);
    assert!(matches!(dispatcher.create_channel("a b"), Err(Error::InvalidId { .. })));
    let channel = dispatcher.create_channel("c").unwrap();
    assert!(matches!(channel.listener(""), Err(Error::InvalidId { .. })));
    let long = Message::new("t").with_json("long").unwrap();
    assert!(matches!(channel.broadcast(long).await, Err(Error::InvalidMessage(_))));
    assert!(matches!(channel.broadcast(Message::new("_eric_gap")).await, Err(Error::InvalidMessage(_))));
}
