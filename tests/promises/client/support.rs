//! What the SDK is tested with beside the server and the proxy of all tests.

pub(crate) use crate::support::{TestServer, proxy::Proxy};

use eric::client::{ChannelSettings, Client, Event, Message, NewChannel, NewListener, Subscription};
use std::{net::SocketAddr, time::Duration};
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// A server with a channel `c` and a listener `l`.
pub(crate) async fn with_listener() -> (TestServer, Client) {
    let server = TestServer::start();
    let client = server.client();
    client.create_channel("c").await.expect("it is new");
    client.register("c", "l").await.expect("it is new");
    (server, client)
}

/// Until nobody listens there any more.
pub(crate) async fn until_free(address: SocketAddr) {
    until(async || std::net::TcpListener::bind(address).is_ok()).await;
}

pub(crate) fn numbered(number: u64) -> Message {
    Message::new("number").with_json(&number).expect("a number is JSON")
}

/// The next event, in time.
pub(crate) async fn next(subscription: &mut Subscription) -> Option<eric::client::Result<Event>> {
    timeout(LONG, subscription.next()).await.expect("something comes, or it ends")
}

/// The numbers of the next so many deliveries; a gap is none of them.
pub(crate) async fn numbers(subscription: &mut Subscription, count: usize) -> Vec<u64> {
    let mut numbers = Vec::with_capacity(count);
    while numbers.len() < count {
        match next(subscription).await {
            Some(Ok(Event::Delivery(delivery))) => {
                numbers.push(delivery.message.json().expect("a number was sent"));
            }
            other => panic!("after {} of {count}: {other:?}", numbers.len()),
        }
    }
    numbers
}

/// What comes of it, in time.
pub(crate) async fn patiently<T>(future: impl Future<Output = T>) -> T {
    timeout(LONG, future).await.expect("it comes to an end")
}

/// Looks again and again until it is so.
pub(crate) async fn until(mut so: impl AsyncFnMut() -> bool) {
    patiently(async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// With a channel `c` of these settings, and an explicit listener `l`.
pub(crate) async fn with_settings(settings: ChannelSettings) -> (TestServer, Client) {
    let server = TestServer::start();
    let client = server.client();
    client.create_channel(NewChannel::named("c").settings(settings)).await.expect("it is new");
    client.register("c", NewListener::named("l").explicit()).await.expect("it is new");
    (server, client)
}

pub(crate) async fn explicit() -> (TestServer, Client) {
    with_settings(ChannelSettings::default()).await
}

pub(crate) async fn send(client: &Client, numbers: impl IntoIterator<Item = u64>) {
    let publisher = client.publish();
    for number in numbers {
        publisher.broadcast("c", numbered(number)).await.expect("the runtime lives");
    }
    publisher.flush().await;
}
