//! Explicit listeners that pull through the SDK: what an answer holds is in hand, also where the answer is lost.

use super::support::{Proxy, explicit, patiently, send, until};
use eric::client::{Client, Rejection};
use std::{future::IntoFuture as _, time::Duration};

#[tokio::test]
async fn what_is_pulled_is_acknowledged_or_comes_again() {
    let (_server, client) = explicit().await;
    send(&client, 0..4).await;
    let pulled = client.pull("c", "l").max_messages(3).await.unwrap();
    pulled.deliveries[1].acknowledge().await.unwrap();
    pulled.deliveries[0].reject(Rejection::new("again").after(Duration::ZERO)).await.unwrap();
    let again = client.pull("c", "l").max_messages(9).await.unwrap();
    let got: Vec<_> =
        again.deliveries.iter().map(|it| (it.message.json::<u64>().unwrap(), it.attempt)).collect();
    assert_eq!(got, [(0, 2), (2, 1), (3, 1)]);
}

#[tokio::test]
async fn a_pull_whose_answer_was_lost_is_made_again_by_itself() {
    let (server, client) = explicit().await;
    let proxy = Proxy::before(server.address()).await;
    let distant = proxy.client();
    send(&client, 0..4).await;
    let first = distant.pull("c", "l").max_messages(2).await.unwrap();
    for delivery in &first.deliveries {
        delivery.acknowledge().await.unwrap();
    }
    proxy.swallow_answers();
    let again = distant.pull("c", "l").max_messages(2).resume_from(&first.resume_token).into_future();
    let again = tokio::spawn(again);
    until(async || client.listener("c", "l").await.unwrap().unacknowledged_messages == 2).await;
    proxy.cut();
    let again = patiently(again).await.unwrap().unwrap();
    let got: Vec<u64> = again.deliveries.iter().map(|it| it.message.json().unwrap()).collect();
    assert_eq!(got, [2, 3]);
    again.deliveries[1].acknowledge().await.unwrap();
    assert_eq!(client.listener("c", "l").await.unwrap().backlog_messages, 1, "each for itself");
}

/// The answer to the next pull gets lost, after the server has delivered so many by it.
async fn lose_a_pull(proxy: &Proxy, puller: &Client, client: &Client, messages: u32) {
    let in_hand = async || client.listener("c", "l").await.expect("it is there").unacknowledged_messages;
    proxy.swallow_answers();
    let pull = tokio::spawn(puller.pull("c", "l").max_messages(messages).into_future());
    until(async || in_hand().await == i64::from(messages)).await;
    pull.abort();
    assert!(pull.await.expect_err("it was cut off").is_cancelled());
    proxy.cut();
    // it finds out that its connection is gone
    puller.server().await.expect("it answers");
}

/// Its token is that of the answer before.
#[tokio::test]
async fn what_a_lost_answer_brought_again_comes_with_the_next() {
    let (server, client) = explicit().await;
    let proxy = Proxy::before(server.address()).await;
    let puller = proxy.client();
    send(&client, 0..2).await;
    let pulled = puller.pull("c", "l").max_messages(2).await.unwrap();
    pulled.deliveries[0].reject(Rejection::new("not now").after(Duration::ZERO)).await.unwrap();
    lose_a_pull(&proxy, &puller, &client, 2).await;
    let again = puller.pull("c", "l").max_messages(2).await.unwrap();
    let came: Vec<_> = again.deliveries.iter().map(|delivery| delivery.attempt).collect();
    assert_eq!(came, [2, 1]);
}

#[tokio::test]
async fn what_a_lost_answer_to_a_pull_held_comes_with_the_next() {
    let (server, client) = explicit().await;
    let proxy = Proxy::before(server.address()).await;
    let puller = proxy.client();
    send(&client, 0..6).await;
    let next = async || {
        let delivery = puller.deliver_next("c", "l").await.unwrap();
        (delivery.message.json::<u64>().unwrap(), delivery)
    };
    lose_a_pull(&proxy, &puller, &client, 1).await;
    let (number, delivery) = next().await;
    assert_eq!((number, delivery.attempt), (0, 2), "which answer was lost could not be said");
    delivery.acknowledge().await.unwrap();
    let (number, delivery) = next().await;
    assert_eq!(number, 1);
    delivery.acknowledge().await.unwrap();
    for messages in 1..=2 {
        lose_a_pull(&proxy, &puller, &client, messages).await;
    }
    for expected in [2, 3, 4] {
        let (number, delivery) = next().await;
        assert_eq!((number, delivery.attempt), (expected, 1));
        delivery.acknowledge().await.unwrap();
    }
    // nothing was lost: they go on, whatever is in hand
    let held = next().await;
    assert_eq!(held.0, 5);
    assert!(puller.deliver_next("c", "l").await.is_err());
}
