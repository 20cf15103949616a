//! Who sends and receives through the SDK need not care for a crash: each message comes in once, is received in order,
//! and is handled once.

use crate::support::{
    command::{Served, free_address},
    directory::{directory, waiting_numbers},
    server, until, within,
};
use eric::client::{Client, Event, Message, NewListener, Rejection};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

const MESSAGES: u64 = 2_000;
const KILLS: u64 = 4;

type Seen = Arc<Mutex<Vec<u64>>>;

fn note(seen: &Seen, event: &Event) {
    let Event::Delivery(delivery) = event else { panic!("nothing is missing: {event:?}") };
    let number = delivery.message.json().expect("a number was sent");
    seen.lock().expect("nobody panics with it").push(number);
}

fn count(seen: &Seen) -> u64 {
    seen.lock().expect("nobody panics with it").len() as u64
}

async fn send(client: Client) {
    let publisher = client.publish();
    for number in 0..MESSAGES {
        let message = Message::new("number").with_json(&number).expect("it is JSON");
        publisher.broadcast("c", message).await.expect("the runtime lives");
        if number % 10 == 0 {
            // so that a crash finds some of them sent, some on their way and some to come
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    publisher.flush().await;
}

/// An AUTOMATIC listener `l` and an EXPLICIT one `e`, whose program handles what comes.
async fn receive(client: &Client) -> [Seen; 2] {
    let [automatic, explicit] = [Seen::default(), Seen::default()];
    let mut subscription = client.listen("c", "l").await.expect("it is there");
    let seen = Arc::clone(&automatic);
    tokio::spawn(async move {
        while let Some(event) = subscription.next().await {
            note(&seen, &event.expect("it goes on"));
        }
    });
    let seen = Arc::clone(&explicit);
    let handling = client.listen("c", "e").handle(move |event| {
        note(&seen, &event);
        std::future::ready(Ok::<(), Rejection>(()))
    });
    tokio::spawn(async move { handling.await.expect("it goes on") });
    [automatic, explicit]
}

async fn serve(dir: &Path, address: &str) -> Served {
    Served::begin(dir, &["--listen", address], &[]).serving().await
}

#[tokio::test]
async fn a_crash_loses_nothing_of_what_a_client_sends_and_receives() {
    let dir = directory();
    let address = free_address();
    let mut served = serve(dir.path(), &address).await;
    let client = server::client(&format!("http://{address}"));
    client.create_channel("c").await.unwrap();
    client.register("c", "l").await.unwrap();
    client.register("c", NewListener::named("e").explicit()).await.unwrap();
    let received = receive(&client).await;
    let sending = tokio::spawn(send(client.clone()));
    for kill in 1..=KILLS {
        let enough = kill * MESSAGES / (KILLS + 2);
        until(async || received.iter().all(|seen| count(seen) >= enough)).await;
        served.kill().await;
        served = serve(dir.path(), &address).await;
    }
    within(sending).await.expect("all of them were accepted");
    until(async || received.iter().all(|seen| last(seen) == Some(MESSAGES - 1))).await;
    let wire = served.wire().await;
    // and behind the last there is nothing
    until(async || waiting_numbers(&wire, "e").await.is_empty()).await;
    until(async || waiting_numbers(&wire, "l").await.is_empty()).await;
    let [automatic, explicit] = received.map(|seen| seen.lock().expect("nobody panics with it").clone());
    assert_eq!(out_of_order(&automatic), None, "it goes on by its token");
    // a crash brings again what was acknowledged in its last second, and the SDK knows it
    assert_eq!(out_of_order(&explicit), None);
    drop((client, wire));
    served.kill().await;
}

fn last(seen: &Seen) -> Option<u64> {
    seen.lock().expect("nobody panics with it").last().copied()
}

/// Which came, and which should have come.
fn out_of_order(numbers: &[u64]) -> Option<(u64, u64)> {
    numbers.iter().copied().zip(0..).find(|(came, next)| came != next)
}
