//! Who listens on a channel, as a watcher of the SDK is told.

use super::support::{Proxy, TestServer, numbered, patiently, until};
use eric::client::{ChannelSettings, Client, Event, NewChannel, Presence, PresenceEvent, Watch};
use std::time::Duration;
use tokio::sync::mpsc::{self, Receiver};

/// With a channel `c` whose listeners `a` and `b` have gone as soon as they go.
async fn without_grace() -> (TestServer, Client) {
    let server = TestServer::start();
    let client = server.client();
    let settings = ChannelSettings { presence_grace: Some(Duration::ZERO), ..Default::default() };
    client.create_channel(NewChannel::named("c").settings(settings)).await.expect("it is new");
    for listener in ["a", "b"] {
        client.register("c", listener).await.expect("it is new");
    }
    (server, client)
}

/// What a watcher that goes on is told: of listeners, and the numbers that are broadcast.
async fn watching(watch: Watch) -> (Receiver<Presence>, Receiver<u64>) {
    let ((tell, told), (pass, numbers)) = (mpsc::channel(16), mpsc::channel(16));
    let attendant = move |presence| tell.try_send(presence).expect("a test tells of a few");
    let mut watcher = watch.on_presence(attendant).await.expect("it opens");
    tokio::spawn(async move {
        while let Some(Ok(Event::Delivery(delivery))) = watcher.next().await {
            let number = delivery.message.json().expect("a number was sent");
            pass.try_send(number).expect("a test sends a few");
        }
    });
    (told, numbers)
}

async fn one(told: &mut Receiver<Presence>) -> (PresenceEvent, String, String) {
    let Presence { event, listener, session, .. } = patiently(told.recv()).await.expect("it goes on");
    (event, listener, session)
}

fn of(event: PresenceEvent, listener: &str, session: &str) -> (PresenceEvent, String, String) {
    (event, listener.to_owned(), session.to_owned())
}

#[tokio::test]
async fn a_watcher_is_told_who_is_there_who_comes_and_who_goes() {
    let (_server, client) = without_grace().await;
    let a = client.listen("c", "a").session("s").await.unwrap();
    let (mut told, mut numbers) = watching(client.watch("c")).await;
    assert_eq!(one(&mut told).await, of(PresenceEvent::Present, "a", "s"));
    let b = client.listen("c", "b").session("").await.unwrap();
    assert_eq!(one(&mut told).await, of(PresenceEvent::Joined, "b", ""));
    drop(a);
    assert_eq!(one(&mut told).await, of(PresenceEvent::Left, "a", "s"));
    client.stop_listener("c", "b").await.unwrap();
    assert_eq!(one(&mut told).await, of(PresenceEvent::Left, "b", ""));
    drop(b);
    // and it receives as every other
    client.broadcast("c", numbered(1)).await.unwrap();
    assert_eq!(patiently(numbers.recv()).await, Some(1));
    assert!(told.try_recv().is_err(), "nothing else has happened");
}

#[tokio::test]
async fn after_a_cut_connection_it_is_told_anew_who_is_there() {
    let (server, client) = without_grace().await;
    let proxy = Proxy::before(server.address()).await;
    let [a, b] = ["a", "b"].map(|listener| client.listen("c", listener).session(listener));
    let (a, _b) = (a.await.unwrap(), b.await.unwrap());
    let (mut told, mut numbers) = watching(proxy.client().watch("c")).await;
    let mut there = [one(&mut told).await, one(&mut told).await];
    there.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(there, [of(PresenceEvent::Present, "a", "a"), of(PresenceEvent::Present, "b", "b")]);
    proxy.fall_silent();
    // what it cannot hear of now it is not told later: who is not there again has gone
    drop(a);
    until(async || !client.listener("c", "a").await.unwrap().connected).await;
    client.broadcast("c", numbered(1)).await.unwrap();
    proxy.cut();
    assert_eq!(one(&mut told).await, of(PresenceEvent::Present, "b", "b"));
    assert_eq!(patiently(numbers.recv()).await, Some(1), "what was broadcast meanwhile is not lost");
    let _a = client.listen("c", "a").session("a").await.unwrap();
    assert_eq!(one(&mut told).await, of(PresenceEvent::Joined, "a", "a"));
}
