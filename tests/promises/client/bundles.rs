//! Many listeners on one stream of the SDK.

use super::support::{Proxy, TestServer, numbered, patiently, send, until};
use eric::client::{Bundle, Client, End, Event, Listen, NewListener, Rejection, Told, What, reason};
use std::{collections::BTreeMap, time::Duration};

/// With a channel `c` and listeners `0`, `1` and so on.
async fn with_listeners(count: u64) -> (TestServer, Client) {
    let server = TestServer::start();
    let client = server.client();
    client.create_channel("c").await.expect("it is new");
    for number in 0..count {
        client.register("c", number.to_string()).await.expect("it is new");
    }
    (server, client)
}

/// The same, with listeners that acknowledge.
async fn with_explicit(count: u64) -> (TestServer, Client) {
    let (server, client) = with_listeners(0).await;
    for number in 0..count {
        client.register("c", NewListener::named(number.to_string()).explicit()).await.expect("it is new");
    }
    (server, client)
}

fn listens(client: &Client, count: u64) -> Vec<Listen> {
    (0..count).map(|number| client.listen("c", number.to_string())).collect()
}

async fn next(bundle: &mut Bundle) -> Told {
    patiently(bundle.next()).await.expect("something comes")
}

fn number(told: &Told) -> u64 {
    match &told.what {
        What::Event(Event::Delivery(delivery)) => delivery.message.json().expect("a number was sent"),
        other @ (What::Event(_) | What::Ended(_)) => panic!("{}: {other:?}", told.listener),
    }
}

/// The numbers of the next so many deliveries, by listener.
async fn numbers(bundle: &mut Bundle, count: usize) -> BTreeMap<String, Vec<u64>> {
    let mut numbers = BTreeMap::<_, Vec<_>>::new();
    for _ in 0..count {
        let told = next(bundle).await;
        numbers.entry(told.listener.to_string()).or_default().push(number(&told));
    }
    numbers
}

#[tokio::test]
async fn each_listener_has_its_messages_in_order() {
    let (_server, client) = with_listeners(50).await;
    let mut bundle = client.listen_many(listens(&client, 50)).await.unwrap();
    for number in 0..20 {
        client.broadcast("c", numbered(number)).await.unwrap();
    }
    let numbers = numbers(&mut bundle, 50 * 20).await;
    assert_eq!(numbers.len(), 50);
    assert!(numbers.values().all(|numbers| *numbers == (0..20).collect::<Vec<_>>()));
    assert_eq!(client.server().await.unwrap().streams, 1);
}

#[tokio::test]
async fn one_that_ends_does_not_disturb_the_others() {
    let (_server, client) = with_listeners(4).await;
    let mut bundle = client.listen_many(listens(&client, 4)).await.unwrap();
    client.remove_listener("c", "0").await.unwrap();
    let removed = next(&mut bundle).await;
    let What::Ended(End::Failed(error)) = &removed.what else { panic!("{removed:?}") };
    assert_eq!((&*removed.listener, error.reason()), ("0", Some(reason::LISTENER_REMOVED)));
    client.stop_listener("c", "1").await.unwrap();
    let stopped = next(&mut bundle).await;
    assert!(&*stopped.listener == "1" && matches!(stopped.what, What::Ended(End::Stopped)), "{stopped:?}");
    client.notify_end("c", Some("2")).await.unwrap();
    let closed = next(&mut bundle).await;
    assert!(&*closed.listener == "2" && matches!(closed.what, What::Ended(End::ChannelClosed)), "{closed:?}");
    client.broadcast("c", numbered(7)).await.unwrap();
    assert_eq!(numbers(&mut bundle, 1).await["3"], [7]);
    client.stop_listener("c", "3").await.unwrap();
    assert!(matches!(next(&mut bundle).await.what, What::Ended(End::Stopped)));
    assert!(patiently(bundle.next()).await.is_none());
}

#[tokio::test]
async fn one_that_is_refused_is_told_and_the_others_go_on() {
    let (_server, client) = with_listeners(1).await;
    let listens = ["nobody", "0"].map(|listener| client.listen("c", listener));
    let mut bundle = client.listen_many(listens).await.unwrap();
    let refused = next(&mut bundle).await;
    let What::Ended(End::Failed(error)) = &refused.what else { panic!("{refused:?}") };
    assert_eq!((&*refused.listener, error.reason()), ("nobody", Some(reason::LISTENER_NOT_FOUND)));
    client.broadcast("c", numbered(1)).await.unwrap();
    assert_eq!(numbers(&mut bundle, 1).await["0"], [1]);
    let nobody = client.listen_many([client.listen("c", "nobody")]).await;
    assert_eq!(nobody.err().unwrap().reason(), Some(reason::LISTENER_NOT_FOUND));
    assert!(client.listen_many([]).await.is_err());
}

#[tokio::test]
async fn listeners_come_and_go_while_it_is_open() {
    let (_server, client) = with_listeners(3).await;
    let mut bundle = client.listen_many(listens(&client, 1)).await.unwrap();
    client.broadcast("c", numbered(1)).await.unwrap();
    assert_eq!(numbers(&mut bundle, 1).await["0"], [1]);
    bundle.add(client.listen("c", "1")).await.unwrap();
    assert_eq!(numbers(&mut bundle, 1).await["1"], [1]);
    bundle.remove("c", "0").await.unwrap();
    client.broadcast("c", numbered(2)).await.unwrap();
    assert_eq!(numbers(&mut bundle, 1).await["1"], [2]);
    assert!(!client.listener("c", "0").await.unwrap().connected);
    let refused = bundle.add(client.listen("c", "nobody")).await.unwrap_err();
    assert_eq!(refused.reason(), Some(reason::LISTENER_NOT_FOUND));
    bundle.add(client.listen("c", "1")).await.unwrap();
    client.broadcast("c", numbered(3)).await.unwrap();
    assert_eq!(numbers(&mut bundle, 1).await["1"], [3]);
}

#[tokio::test]
async fn a_cut_connection_loses_nothing_for_any_of_them() {
    const LISTENERS: u64 = 20;
    let (server, client) = with_listeners(LISTENERS).await;
    let proxy = Proxy::before(server.address()).await;
    let through = proxy.client();
    let mut bundle = through.listen_many(listens(&through, LISTENERS - 1)).await.unwrap();
    next_after(&client, &mut bundle, LISTENERS - 1).await;
    let added = LISTENERS - 1;
    bundle.add(through.listen("c", added.to_string())).await.unwrap();
    for number in 1..200 {
        client.broadcast("c", numbered(number)).await.unwrap();
        if number % 50 == 0 {
            proxy.cut();
        }
    }
    // the one that was added later has the first as well
    let numbers = numbers(&mut bundle, (LISTENERS * 199 + 1) as usize).await;
    for (listener, numbers) in numbers {
        let first = u64::from(listener != added.to_string());
        assert!(numbers == (first..200).collect::<Vec<_>>(), "{listener}: {numbers:?}");
    }
}

#[tokio::test]
async fn explicit_listeners_on_one_stream_acknowledge_each_for_itself() {
    const LISTENERS: u64 = 30;
    let (_server, client) = with_explicit(LISTENERS).await;
    for number in 0..20 {
        client.broadcast("c", numbered(number)).await.unwrap();
    }
    let mut bundle = client.listen_many(listens(&client, LISTENERS)).await.unwrap();
    let mut left = LISTENERS * 20;
    while left > 0 {
        let told = next(&mut bundle).await;
        let What::Event(Event::Delivery(delivery)) = &told.what else { panic!("{told:?}") };
        if (delivery.message.json::<u64>().unwrap(), delivery.attempt, &*told.listener) == (5, 1, "3") {
            delivery.reject(Rejection::new("again").after(Duration::ZERO)).await.unwrap();
            continue;
        }
        drop(delivery.acknowledge());
        left -= 1;
    }
    bundle.flush().await;
    for listener in client.listeners("c").all().await.unwrap() {
        assert_eq!((listener.backlog_messages, listener.generation), (0, i64::from(listener.id == "3")));
    }
}

#[tokio::test]
async fn a_cut_connection_has_nothing_handled_twice_by_any_explicit_listener() {
    const LISTENERS: u64 = 20;
    const MESSAGES: u64 = 500;
    let (server, client) = with_explicit(LISTENERS).await;
    let proxy = Proxy::before(server.address()).await;
    let through = proxy.client();
    send(&client, 0..MESSAGES).await;
    // each ends behind its last, so that what comes too often is seen as well
    client.notify_end("c", None).await.unwrap();
    let mut bundle = through.listen_many(listens(&through, LISTENERS)).await.unwrap();
    let (mut handled, mut ended, mut count) = (BTreeMap::<String, Vec<u64>>::new(), 0, 0);
    while let Some(told) = patiently(bundle.next()).await {
        let What::Event(Event::Delivery(delivery)) = &told.what else {
            assert!(matches!(told.what, What::Ended(End::ChannelClosed)), "{told:?}");
            ended += 1;
            continue;
        };
        // while what was handled before is on its way to be acknowledged
        if count % 500 == 77 {
            proxy.cut();
        }
        count += 1;
        handled.entry(told.listener.to_string()).or_default().push(number(&told));
        drop(delivery.acknowledge());
    }
    assert_eq!((handled.len() as u64, ended), (LISTENERS, LISTENERS));
    for (listener, numbers) in handled {
        assert!(numbers == (0..MESSAGES).collect::<Vec<_>>(), "{listener}: each once, in order: {numbers:?}");
    }
    until(async || all_is_acknowledged(&client).await).await;
}

async fn all_is_acknowledged(client: &Client) -> bool {
    let listeners = client.listeners("c").all().await.expect("the channel is there");
    listeners.iter().all(|listener| listener.backlog_messages == 0)
}

/// Each has had the first message.
async fn next_after(client: &Client, bundle: &mut Bundle, count: u64) {
    client.broadcast("c", numbered(0)).await.expect("it is accepted");
    assert_eq!(numbers(bundle, count as usize).await.len() as u64, count);
}
