//! Subscriptions of the SDK: they resume, and they end.

use super::support::{Proxy, TestServer, next, numbered, numbers, with_listener};
use eric::client::{Code, End, Event, Interruption, Message, StartAt};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

#[tokio::test]
async fn a_cut_connection_loses_nothing_and_repeats_nothing() {
    const MESSAGES: u64 = 20_000;
    let (server, client) = with_listener().await;
    let proxy = Proxy::before(server.address()).await;
    let losses = Arc::new(AtomicUsize::default());
    let counted = losses.clone();
    let listen = proxy.client().listen("c", "l").on_interruption(move |interruption| {
        counted.fetch_add(usize::from(matches!(interruption, Interruption::Lost { .. })), Relaxed);
    });
    let (mut subscription, mut watcher) = (listen.await.unwrap(), proxy.client().watch("c").await.unwrap());

    let sending = tokio::spawn(async move {
        let publisher = client.publish();
        for number in 0..MESSAGES {
            publisher.broadcast("c", numbered(number)).await.unwrap();
            if number % (MESSAGES / 5) == 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                proxy.cut();
            }
        }
        publisher.flush().await;
        proxy
    });
    let expected: Vec<_> = (0..MESSAGES).collect();
    let (listened, watched) =
        tokio::join!(numbers(&mut subscription, MESSAGES as usize), numbers(&mut watcher, MESSAGES as usize));
    assert!(listened == expected && watched == expected);
    assert!(losses.load(Relaxed) > 0);
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn a_token_goes_on_in_another_subscription() {
    let (_server, client) = with_listener().await;
    let mut first = client.listen("c", "l").await.unwrap();
    for number in 0..10 {
        client.broadcast("c", numbered(number)).await.unwrap();
    }
    assert_eq!(numbers(&mut first, 10).await, (0..10).collect::<Vec<_>>());
    let token = first.resume_token().to_owned();
    assert!(first.last_sequence().is_some());
    drop(first);

    client.broadcast("c", numbered(10)).await.unwrap();
    let mut second = client.listen("c", "l").resume_from(&token).await.unwrap();
    assert_eq!(numbers(&mut second, 1).await, [10]);
    // back again: the server keeps what was delivered for a while
    let mut third = client.listen("c", "l").resume_from(&token).await.unwrap();
    assert_eq!(numbers(&mut third, 1).await, [10]);
}

#[tokio::test]
async fn a_watcher_begins_where_it_is_told_to() {
    let (_server, client) = with_listener().await;
    client.broadcast("c", numbered(1)).await.unwrap();
    let mut new = client.watch("c").await.unwrap();
    let mut old = client.watch("c").start_at(StartAt::Oldest).await.unwrap();
    client.broadcast("c", numbered(2)).await.unwrap();
    assert_eq!(numbers(&mut old, 2).await, [1, 2]);
    assert_eq!(numbers(&mut new, 1).await, [2]);
}

#[tokio::test]
async fn only_the_types_asked_for_come() {
    let (_server, client) = with_listener().await;
    let mut subscription = client.listen("c", "l").types(["number"]).await.unwrap();
    client.broadcast("c", Message::new("other")).await.unwrap();
    client.broadcast("c", numbered(1)).await.unwrap();
    assert_eq!(numbers(&mut subscription, 1).await, [1]);
}

#[tokio::test]
async fn a_stop_ends_the_iteration() {
    let (_server, client) = with_listener().await;
    let mut subscription = client.listen("c", "l").await.unwrap();
    client.stop_listener("c", "l").await.unwrap();
    assert!(next(&mut subscription).await.is_none());
    assert!(matches!(subscription.ended_by(), Some(End::Stopped)));
}

#[tokio::test]
async fn the_announced_end_ends_the_iteration_after_what_came_before() {
    let (_server, client) = with_listener().await;
    let mut subscription = client.listen("c", "l").await.unwrap();
    client.broadcast("c", numbered(1)).await.unwrap();
    client.notify_end("c", None).await.unwrap();
    assert_eq!(numbers(&mut subscription, 1).await, [1]);
    assert!(next(&mut subscription).await.is_none());
    assert!(matches!(subscription.ended_by(), Some(End::ChannelClosed)));
}

#[tokio::test]
async fn a_takeover_ends_the_older_subscription_for_good() {
    let (_server, client) = with_listener().await;
    let mut older = client.listen("c", "l").await.unwrap();
    let mut newer = client.listen("c", "l").await.unwrap();
    let error = next(&mut older).await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.reason()), (Some(Code::Aborted), Some("LISTENER_TAKEN_OVER")));
    assert!(next(&mut older).await.is_none());
    client.broadcast("c", numbered(1)).await.unwrap();
    assert_eq!(numbers(&mut newer, 1).await, [1]);
}

#[tokio::test]
async fn a_removal_ends_it_with_its_reason() {
    let (_server, client) = with_listener().await;
    let mut listener = client.listen("c", "l").await.unwrap();
    let mut watcher = client.watch("c").await.unwrap();
    client.remove_listener("c", "l").await.unwrap();
    assert_eq!(next(&mut listener).await.unwrap().unwrap_err().reason(), Some("LISTENER_REMOVED"));
    client.remove_channel("c").await.unwrap();
    assert_eq!(next(&mut watcher).await.unwrap().unwrap_err().reason(), Some("CHANNEL_REMOVED"));
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let (_server, client) = with_listener().await;
    let error = client.listen("c", "nobody").await.err().unwrap();
    assert_eq!((error.code(), error.reason()), (Some(Code::NotFound), Some("LISTENER_NOT_FOUND")));
    let error = client.listen("c", "l").resume_from("no token").await.err().unwrap();
    assert_eq!(error.reason(), Some("RESUME_TOKEN_INVALID"));
    assert_eq!(client.watch("nowhere").await.err().unwrap().reason(), Some("CHANNEL_NOT_FOUND"));
}

#[tokio::test]
async fn a_purge_is_a_gap_in_the_stream() {
    let (_server, client) = with_listener().await;
    client.dispatch("c", "l", numbered(1)).await.unwrap();
    client.purge_listener("c", "l", None).await.unwrap();
    client.dispatch("c", "l", numbered(2)).await.unwrap();
    let mut subscription = client.listen("c", "l").await.unwrap();
    let Some(Ok(Event::Gap(gap))) = next(&mut subscription).await else { panic!("the gap comes first") };
    assert_eq!((gap.reason, gap.count), (eric::client::GapReason::Purged, Some(1)));
    assert_eq!(numbers(&mut subscription, 1).await, [2]);
}

#[tokio::test]
async fn a_restarted_server_tells_of_the_life_that_was_lost() {
    let server = TestServer::start();
    let (address, client) = (server.address(), server.client());
    client.create_channel("c").await.unwrap();
    let mut subscription = client.watch("c").await.unwrap();
    client.broadcast("c", numbered(1)).await.unwrap();
    assert_eq!(numbers(&mut subscription, 1).await, [1]);

    drop(server);
    let _server = TestServer::again_on(address).await;
    // which also finds out that the connection is gone: a creation would not be repeated
    assert_eq!(client.server().await.unwrap().channels, 0);
    client.create_channel("c").await.unwrap();
    client.broadcast("c", numbered(2)).await.unwrap();
    let Some(Ok(Event::Gap(gap))) = next(&mut subscription).await else { panic!("the gap comes first") };
    assert_eq!(gap.reason, eric::client::GapReason::OtherLife);
    assert_eq!(numbers(&mut subscription, 1).await, [2]);
}
