//! The verbs that send and manage, through the SDK.

use super::support::{Proxy, TestServer, next, numbered, numbers, patiently, until_free, with_listener};
use eric::client::{
    Backoff, ChannelSettings, ChannelUpdate, Client, Code, Error, Event, Message, NewChannel, Overflow,
    Payload, Publication,
};
use std::time::Duration;

#[tokio::test]
async fn what_is_created_can_be_looked_at_changed_and_removed() {
    let server = TestServer::start();
    let client = server.client();
    let settings = ChannelSettings { max_backlog_messages: Some(7), ..Default::default() };
    let created = client.create_channel(NewChannel::named("c").settings(settings)).await.unwrap();
    assert!(!created.existed && created.item.settings.max_backlog_messages == Some(7));
    assert!(client.create_channel(NewChannel::named("c").allow_existing(true)).await.unwrap().existed);
    let error = client.create_channel("c").await.unwrap_err();
    assert_eq!(error.reason(), Some("CHANNEL_ALREADY_EXISTS"));

    let settings = ChannelSettings { dispatch_overflow: Some(Overflow::DropOldest), ..Default::default() };
    let update = ChannelUpdate::from(settings).reset("max_backlog_messages");
    let changed = client.update_channel("c", update).await.unwrap().settings;
    assert_eq!(changed.dispatch_overflow, Some(Overflow::DropOldest));
    assert_eq!(changed.max_backlog_messages, Some(65_536));
    assert_eq!(client.channel("c").await.unwrap().settings, changed);

    let listener = client.register("c", "l").await.unwrap().item;
    assert_eq!((listener.id.as_str(), listener.channel.as_str(), listener.running), ("l", "c", false));
    assert!(client.start_listener("c", "l").await.unwrap().running);
    assert!(!client.stop_listener("c", "l").await.unwrap().running);
    client.dispatch("c", "l", Message::new("t")).await.unwrap();
    assert_eq!(client.listener("c", "l").await.unwrap().backlog_messages, 1);
    assert_eq!(client.purge_listener("c", "l", None).await.unwrap().messages, 1);
    assert_eq!(client.remove_listener("c", "l").await.unwrap(), 0);
    assert_eq!(client.listener("c", "l").await.unwrap_err().reason(), Some("LISTENER_REMOVED"));
    assert_eq!(client.remove_channel("c").await.unwrap().listeners, 0);
    assert_eq!(client.channel("c").await.unwrap_err().reason(), Some("CHANNEL_REMOVED"));
}

#[tokio::test]
async fn a_list_longer_than_a_page_is_read_to_its_end() {
    let server = TestServer::start();
    let client = server.client();
    for number in 0..250 {
        client.create_channel(format!("c{number}")).await.unwrap();
        client.register("c0", format!("l{number}")).await.unwrap();
    }
    let channels = client.channels().all().await.unwrap();
    let ids: Vec<_> = channels.into_iter().map(|channel| channel.id).collect();
    assert_eq!(ids, (0..250).map(|number| format!("c{number}")).collect::<Vec<_>>());
    assert_eq!(client.listeners("c0").all().await.unwrap().len(), 250);
    assert_eq!(client.listeners("none").all().await.unwrap_err().reason(), Some("CHANNEL_NOT_FOUND"));
}

#[tokio::test]
async fn payloads_arrive_as_they_were_sent() {
    let (_server, client) = with_listener().await;
    let messages = [
        Message::new("t"),
        Message::new("t").with_json(&u64::MAX).unwrap(),
        Message::new("t").with_value(serde_json::json!({"a": [1, 2.5]})),
        Message::new("t").with_binary(vec![0, 255]),
    ];
    for message in &messages {
        let message = message.clone().with_sender_id("me").with_attribute("k", "v");
        client.dispatch("c", "l", message).await.unwrap();
    }
    for sent in &messages {
        let received = client.deliver_next("c", "l").await.unwrap().message;
        assert_eq!(received.payload(), sent.payload());
        assert_eq!((received.sender_id(), received.attribute("k")), (Some("me"), Some("v")));
        assert!(!received.id().is_empty());
    }
    assert!(matches!(client.deliver_next("c", "l").await, Err(Error::NoMessages { .. })));
}

#[tokio::test]
async fn a_batch_answers_each_of_its_publications() {
    let (_server, client) = with_listener().await;
    let batch = || {
        [
            Publication::dispatch("c", "l", numbered(1)),
            Publication::dispatch("c", "nobody", numbered(2)),
            Publication::broadcast("c", numbered(3)),
        ]
    };
    let answers = client.publish_batch(batch(), false).await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap().receivers, Some(1));
    assert_eq!(answers[1].as_ref().unwrap_err().reason(), Some("LISTENER_NOT_FOUND"));
    assert!(answers[2].is_ok());

    let answers = client.publish_batch(batch(), true).await.unwrap();
    let third = answers[2].as_ref().unwrap_err();
    assert_eq!((third.code(), third.reason()), (Some(Code::Aborted), Some("PRECEDING_FAILED")));
}

#[tokio::test]
async fn a_publisher_keeps_the_order_and_answers_each() {
    let (_server, client) = with_listener().await;
    let mut subscription = client.listen("c", "l").await.unwrap();
    let publisher = client.publish();
    let mut pending = Vec::new();
    for number in 0..5_000 {
        pending.push(publisher.dispatch("c", "l", numbered(number)).await.unwrap());
    }
    assert_eq!(numbers(&mut subscription, 5_000).await, (0..5_000).collect::<Vec<_>>());
    let mut last = 0;
    for receipt in pending {
        let sequence = receipt.await.unwrap().sequence;
        assert!(sequence > last);
        last = sequence;
    }
}

#[tokio::test]
async fn an_error_of_one_message_is_told_to_that_one() {
    let (_server, client) = with_listener().await;
    let publisher = client.publish();
    let large = Message::new("t").with_binary(vec![0; 2 << 20]);
    let large = publisher.broadcast("c", large).await.unwrap();
    let unknown = publisher.broadcast("nowhere", numbered(1)).await.unwrap();
    let good = publisher.broadcast("c", numbered(2)).await.unwrap();
    let error = large.await.unwrap_err();
    assert_eq!((error.reason(), error.outcome_unknown()), (Some("MESSAGE_TOO_LARGE"), false));
    assert_eq!(unknown.await.unwrap_err().reason(), Some("CHANNEL_NOT_FOUND"));
    assert!(good.await.is_ok());
}

#[tokio::test]
async fn what_a_publisher_sends_over_streams_that_are_lost_arrives_once_and_in_order() {
    const MESSAGES: u64 = 4_000;
    let (server, client) = with_listener().await;
    let mut subscription = client.listen("c", "l").await.unwrap();
    let proxy = Proxy::before(server.address()).await;
    let publisher = impatient(&proxy).publish();
    let mut pending = Vec::new();
    for number in 0..MESSAGES {
        pending.push(publisher.dispatch("c", "l", numbered(number)).await.unwrap());
        if number % 500 == 250 {
            // some of it has been answered, some is on its way
            tokio::time::sleep(Duration::from_millis(2)).await;
            proxy.cut();
        }
    }
    let mut last = 0;
    for receipt in pending {
        let receipt = receipt.await.unwrap();
        assert!(receipt.sequence > last);
        last = receipt.sequence;
    }
    assert_eq!(numbers(&mut subscription, MESSAGES as usize).await, (0..MESSAGES).collect::<Vec<_>>());
    client.notify_end("c", Some("l")).await.unwrap();
    assert!(next(&mut subscription).await.is_none(), "nothing came twice");
}

#[tokio::test]
async fn what_was_accepted_when_its_answer_was_lost_is_answered_as_a_duplicate() {
    let (server, client) = with_listener().await;
    let proxy = Proxy::before(server.address()).await;
    let publisher = impatient(&proxy).publish();
    proxy.swallow_answers();
    let pending = publisher.dispatch("c", "l", numbered(1)).await.unwrap();
    while client.listener("c", "l").await.unwrap().backlog_messages == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    proxy.cut();
    let receipt = pending.await.unwrap();
    assert!(receipt.duplicate);
    assert_eq!(client.listener("c", "l").await.unwrap().backlog_messages, 1);
}

#[tokio::test]
async fn a_call_whose_answer_was_lost_is_made_again_and_accepted_once() {
    let (server, client) = with_listener().await;
    let proxy = Proxy::before(server.address()).await;
    let sender = impatient(&proxy);
    let calls = ["dispatch", "broadcast", "batch"];
    for (before, verb) in (0..).zip(calls) {
        proxy.swallow_answers();
        let sender = sender.clone();
        let call = tokio::spawn(async move {
            match verb {
                "dispatch" => sender.dispatch("c", "l", numbered(1)).await,
                "broadcast" => sender.broadcast("c", numbered(1)).await,
                _ => {
                    let batch = [Publication::dispatch("c", "l", numbered(1))];
                    sender.publish_batch(batch, false).await.and_then(|mut answers| answers.remove(0))
                }
            }
        });
        while client.listener("c", "l").await.unwrap().backlog_messages == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        proxy.cut();
        assert!(call.await.unwrap().unwrap().duplicate, "{verb}");
        assert_eq!(client.listener("c", "l").await.unwrap().backlog_messages, before + 1);
    }
}

#[tokio::test]
async fn what_a_publisher_cannot_send_for_long_may_have_been_accepted() {
    let (server, client) = with_listener().await;
    let proxy = Proxy::before(server.address()).await;
    let builder = Client::builder(proxy.url()).repeat_for(Duration::from_millis(100));
    let publisher = builder.connect().unwrap().publish();
    proxy.swallow_answers();
    let pending = publisher.dispatch("c", "l", numbered(1)).await.unwrap();
    while client.listener("c", "l").await.unwrap().backlog_messages == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // nobody is there any more
    drop(proxy);
    let error = pending.await.unwrap_err();
    assert!(error.outcome_unknown(), "{error}");
    publisher.flush().await;
}

/// Waits little before it tries again.
fn impatient(proxy: &Proxy) -> Client {
    let backoff = Backoff { initial: Duration::from_millis(5), maximum: Duration::from_millis(50) };
    Client::builder(proxy.url()).backoff(backoff).connect().expect("the address is one")
}

#[tokio::test]
async fn what_was_sent_is_accepted_also_when_the_publisher_is_dropped() {
    let (_server, client) = with_listener().await;
    let mut subscription = client.listen("c", "l").await.unwrap();
    let publisher = client.publish();
    for number in 0..100 {
        publisher.broadcast("c", numbered(number)).await.unwrap();
    }
    drop(publisher);
    assert_eq!(numbers(&mut subscription, 100).await, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_call_waits_for_a_server_that_is_about_to_start() {
    let address = TestServer::start().address();
    until_free(address).await;
    let client = Client::builder(format!("http://{address}")).repeat_for(Duration::from_secs(20));
    let client = client.connect().unwrap();
    let late = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(400)).await;
        TestServer::again_on(address).await
    });
    // not one that may be repeated: but it never left
    client.create_channel("c").await.unwrap();
    let _server = late.await.unwrap();
}

#[tokio::test]
async fn the_announced_end_is_a_message_to_those_who_pull() {
    let (_server, client) = with_listener().await;
    client.notify_end("c", Some("l")).await.unwrap();
    assert!(client.notify_end("c", Some("l")).await.unwrap().duplicate);
    let end = client.deliver_next("c", "l").await.unwrap().message;
    assert_eq!((end.message_type(), end.payload()), (eric::client::CHANNEL_CLOSED, Payload::Empty));
}

#[tokio::test]
async fn a_dropped_backlog_is_a_gap_in_a_pull() {
    let server = TestServer::start();
    let client = server.client();
    let settings = ChannelSettings { max_backlog_messages: Some(2), ..Default::default() };
    client.create_channel(NewChannel::named("c").settings(settings)).await.unwrap();
    client.register("c", "l").await.unwrap();
    for number in 0..5 {
        client.broadcast("c", numbered(number)).await.unwrap();
    }
    let pulled = client.pull("c", "l").max_messages(10).await.unwrap();
    assert_eq!(pulled.gaps.iter().filter_map(|gap| gap.count).sum::<i64>(), 3);
    assert_eq!(pulled.deliveries.len(), 2);
    client.dispatch("c", "l", numbered(5)).await.unwrap();
    let mut subscription = client.listen("c", "l").resume_from(pulled.resume_token).await.unwrap();
    assert!(matches!(next(&mut subscription).await, Some(Ok(Event::Delivery(_)))));
}

#[tokio::test]
async fn a_message_that_no_request_may_hold_fails_alone() {
    let server = TestServer::start();
    let client = server.client();
    client.create_channel("c").await.unwrap();
    client.register("c", "l").await.unwrap();
    let publisher = client.publish();
    // far above what the server reads of a request
    let oversized = || Message::new("huge").with_binary(vec![0; 12 << 20]);
    let mut pending = Vec::new();
    for number in 0..30 {
        let message = if number % 10 == 5 { oversized() } else { numbered(number) };
        pending.push(publisher.dispatch("c", "l", message).await.unwrap());
    }
    for (number, pending) in pending.into_iter().enumerate() {
        let outcome = patiently(pending).await;
        if number % 10 != 5 {
            assert!(!outcome.unwrap().duplicate);
            continue;
        }
        let error = outcome.unwrap_err();
        assert_eq!(error.code(), Some(Code::ResourceExhausted), "{number}: {error}");
        assert!(!error.outcome_unknown());
    }
    let mut subscription = client.listen("c", "l").await.unwrap();
    let expected: Vec<_> = (0..30).filter(|number| number % 10 != 5).collect();
    assert_eq!(numbers(&mut subscription, 27).await, expected);
}
