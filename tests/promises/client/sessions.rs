//! Two clients of the SDK that reconnect by themselves do not fight for a listener.

use super::support::{Proxy, explicit, next, numbered, numbers, until, with_listener};
use eric::client::{Backoff, Client, Code, End, Event, Interruption, Subscription, reason};
use std::time::Duration;
use tokio::sync::mpsc::{self, Receiver};

fn session(url: String, name: &str) -> Client {
    let backoff = Backoff { initial: Duration::from_millis(20), maximum: Duration::from_millis(100) };
    Client::builder(url).session(name).backoff(backoff).connect().expect("the address is an endpoint")
}

/// A subscription, and what it is told of its streams.
async fn listen(client: &Client) -> (Subscription, Receiver<Interruption>) {
    let (tell, told) = mpsc::channel(16);
    let observer = move |interruption| drop(tell.try_send(interruption));
    (client.listen("c", "l").on_interruption(observer).await.expect("it opens"), told)
}

#[tokio::test]
async fn one_that_was_cut_off_and_taken_over_gives_way_when_it_reconnects() {
    for set_up in [with_listener().await, explicit().await] {
        let (server, client) = set_up;
        let proxy = Proxy::before(server.address()).await;
        let (a, b) = (session(proxy.url(), "a"), session(server.url(), "b"));
        let (mut of_a, mut told_a) = listen(&a).await;
        client.dispatch("c", "l", numbered(0)).await.unwrap();
        let Some(Ok(Event::Delivery(first))) = next(&mut of_a).await else { panic!("it is first") };
        if first.is_explicit() {
            first.acknowledge().await.unwrap();
        }
        // the server believes that it is there
        proxy.fall_silent();
        let (mut of_b, mut told_b) = listen(&b).await;
        proxy.cut();

        let error = next(&mut of_a).await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.reason()), (Some(Code::Aborted), Some(reason::LISTENER_TAKEN_OVER)));
        assert!(next(&mut of_a).await.is_none());
        assert!(matches!(of_a.ended_by(), Some(End::Failed(_))));
        // it had lost its stream, and was never there again: it was its reconnect that was refused
        let told: Vec<_> = std::iter::from_fn(|| told_a.try_recv().ok()).collect();
        let all_lost = told.iter().all(|it| matches!(it, Interruption::Lost { .. }));
        assert!(!told.is_empty() && all_lost, "{told:?}");
        client.dispatch("c", "l", numbered(1)).await.unwrap();
        assert_eq!(numbers(&mut of_b, 1).await, [1]);
        assert!(told_b.try_recv().is_err(), "nobody took it from the other");
        assert_eq!(client.listener("c", "l").await.unwrap().session, "b");

        // once it is free, a reconnect has it again
        let token = of_a.resume_token().to_owned();
        drop(of_b);
        until(async || !client.listener("c", "l").await.unwrap().connected).await;
        let _again = a.listen("c", "l").resume_from(token).await.unwrap();
        assert_eq!(client.listener("c", "l").await.unwrap().session, "a");
    }
}
