//! Explicit listeners through the SDK: what is handled is acknowledged, what fails comes again, and each message
//! is handled once.

use super::support::{
    Proxy, TestServer, explicit, next, numbered, numbers, patiently, send, until, with_listener,
    with_settings,
};
use eric::client::{
    Acknowledgement, ChannelSettings, Client, DeadLetterCause, Delivery, End, Event, GapReason, Handling,
    Listen, ListenerSettings, NewListener, Outstanding, Redelivery, Rejection, Result, reason,
};
use std::{
    future::{IntoFuture as _, Ready, ready},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::Notify;

async fn one(subscription: &mut eric::client::Subscription) -> Delivery {
    match next(subscription).await {
        Some(Ok(Event::Delivery(delivery))) => delivery,
        other => panic!("a delivery is next, not {other:?}"),
    }
}

async fn until_all_is_acknowledged(client: &Client) {
    until(async || client.listener("c", "l").await.expect("it is there").backlog_messages == 0).await;
}

/// What a handler was called with: numbers and attempts; gaps as their negative count.
type Seen = Arc<Mutex<Vec<(i64, i32)>>>;

fn note(seen: &Seen, event: &Event) -> i64 {
    let (number, attempt) = match event {
        Event::Delivery(delivery) => (delivery.message.json().expect("a number was sent"), delivery.attempt),
        Event::Gap(gap) => (-gap.count.unwrap_or_default(), 0),
    };
    seen.lock().expect("nobody panics with it").push((number, attempt));
    number
}

type Answer = Ready<std::result::Result<(), Rejection>>;

/// Notes what comes, and answers as it is told to by number and attempt.
fn handled(
    listen: Listen,
    seen: &Seen,
    answer: impl Fn(i64, i32) -> std::result::Result<(), Rejection> + Send + 'static,
) -> Handling<impl FnMut(Event) -> Answer + Send + 'static> {
    let seen = seen.clone();
    listen.handle(move |event| {
        let number = note(&seen, &event);
        let attempt = match &event {
            Event::Delivery(delivery) => delivery.attempt,
            Event::Gap(_) => 0,
        };
        ready(answer(number, attempt))
    })
}

/// Handles four at once, until all is acknowledged.
async fn handled_by_four(client: &Client, handling: Handling<impl FnMut(Event) -> Answer + Send + 'static>) {
    let stop = Arc::new(Notify::new());
    let stopped = stop.clone();
    let handling = handling.at_once(4).until(async move { stopped.notified().await });
    let handling = tokio::spawn(handling.into_future());
    until_all_is_acknowledged(client).await;
    stop.notify_one();
    let ended = patiently(handling).await.expect("it does not panic");
    assert!(matches!(ended, Ok(End::Left)), "{ended:?}");
}

fn numbers_of(seen: &Seen) -> Vec<i64> {
    seen.lock().expect("nobody panics with it").iter().map(|(number, _)| *number).collect()
}

#[tokio::test]
async fn what_a_handler_returns_ok_for_is_acknowledged() {
    let (_server, client) = explicit().await;
    send(&client, 0..3_000).await;
    client.notify_end("c", None).await.unwrap();
    let seen = Seen::default();
    let end = patiently(handled(client.listen("c", "l"), &seen, |_, _| Ok(())).into_future()).await.unwrap();
    assert!(matches!(end, End::ChannelClosed), "{end:?}");
    assert_eq!(numbers_of(&seen), (0..3_000).collect::<Vec<_>>());
    // what was earned is said before it ends: the announced end as well
    let listener = client.listener("c", "l").await.unwrap();
    assert_eq!((listener.backlog_messages, listener.unacknowledged_messages), (0, 0));
}

#[tokio::test]
async fn a_rejected_message_comes_again_before_those_behind_it() {
    let (_server, client) = explicit().await;
    send(&client, 0..6).await;
    client.notify_end("c", None).await.unwrap();
    let seen = Seen::default();
    let handling = handled(client.listen("c", "l"), &seen, |number, attempt| match (number, attempt) {
        (2, 1 | 2) => Err(Rejection::new("not yet").after(Duration::ZERO)),
        _ => Ok(()),
    });
    patiently(handling.into_future()).await.unwrap();
    let expected = [(0, 1), (1, 1), (2, 1), (2, 2), (2, 3), (3, 1), (4, 1), (5, 1)];
    assert_eq!(*seen.lock().unwrap(), expected);
    assert_eq!(client.listener("c", "l").await.unwrap().generation, 2);
    until_all_is_acknowledged(&client).await;
}

#[tokio::test]
async fn a_cut_connection_has_nothing_handled_twice() {
    const MESSAGES: i64 = 10_000;
    let (server, client) = explicit().await;
    let proxy = Proxy::before(server.address()).await;
    send(&client, 0..MESSAGES as u64).await;
    client.notify_end("c", None).await.unwrap();
    let (seen, listen) = (Seen::default(), proxy.client().listen("c", "l"));
    let handling = handled(listen, &seen, move |number, _| {
        // while what was handled before is on its way to be acknowledged
        if number % 500 == 77 {
            proxy.cut();
        }
        Ok(())
    });
    patiently(handling.into_future()).await.unwrap();
    assert!(numbers_of(&seen) == (0..MESSAGES).collect::<Vec<_>>(), "each once, in order");
    until_all_is_acknowledged(&client).await;
}

#[tokio::test]
async fn cut_connections_and_rejections_together_keep_the_order() {
    const MESSAGES: i64 = 5_000;
    let (server, client) = explicit().await;
    let proxy = Proxy::before(server.address()).await;
    send(&client, 0..MESSAGES as u64).await;
    client.notify_end("c", None).await.unwrap();
    let (seen, refused) = (Seen::default(), |number: i64, attempt: i32| number % 50 == 7 && attempt == 1);
    let listen = proxy.client().listen("c", "l");
    let handling = handled(listen, &seen, move |number, attempt| {
        if number % 500 == 57 {
            proxy.cut();
        }
        match refused(number, attempt) {
            true => Err(Rejection::new("not yet").after(Duration::ZERO)),
            false => Ok(()),
        }
    });
    patiently(handling.into_future()).await.unwrap();
    let mut accepted = seen.lock().unwrap().clone();
    accepted.retain(|&(number, attempt)| !refused(number, attempt));
    let accepted: Vec<_> = accepted.into_iter().map(|(number, _)| number).collect();
    assert!(accepted == (0..MESSAGES).collect::<Vec<_>>(), "each once, in order");
    until_all_is_acknowledged(&client).await;
}

#[tokio::test]
async fn what_fails_for_good_becomes_a_dead_letter_that_can_be_sent_back() {
    let settings = ChannelSettings { max_attempts: Some(2), ..Default::default() };
    let (_server, client) = with_settings(settings).await;
    client.register("c", "dead").await.unwrap();
    let dead = ChannelSettings { dead_letter_listener: Some("dead".into()), ..Default::default() };
    client.update_channel("c", dead).await.unwrap();
    for number in 0..4 {
        client.dispatch("c", "l", numbered(number)).await.unwrap();
    }
    client.notify_end("c", Some("l")).await.unwrap();
    let seen = Seen::default();
    let handling = handled(client.listen("c", "l"), &seen, |number, _| match number {
        1 => Err(Rejection::new("no stock").after(Duration::ZERO)),
        2 => Err(Rejection::new("no such thing").finally()),
        _ => Ok(()),
    });
    patiently(handling.into_future()).await.unwrap();
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen, [(0, 1), (1, 1), (1, 2), (-1, 0), (2, 1), (-1, 0), (3, 1)], "a gap tells of each");
    until_all_is_acknowledged(&client).await;

    let letters = client.messages("c", "dead").all().await.unwrap();
    let facts: Vec<_> = letters.iter().map(|letter| letter.dead_letter.clone().unwrap()).collect();
    assert_eq!((facts[0].cause, facts[0].attempts), (DeadLetterCause::MaxAttempts, 2));
    assert_eq!((facts[1].cause, facts[1].attempts), (DeadLetterCause::FinalRejection, 1));
    assert_eq!((facts[1].reason.as_str(), facts[1].listener.as_str()), ("no such thing", "l"));
    assert_eq!(client.listener("c", "dead").await.unwrap().backlog_messages, 2, "looking consumes nothing");

    let back = client.requeue("c", "dead", [letters[1].sequence, 1]).await.unwrap();
    assert!(back[0].is_ok() && back[1].is_err());
    let mut subscription = client.listen("c", "l").await.unwrap();
    let again = one(&mut subscription).await;
    assert_eq!((again.message.json::<u64>().unwrap(), again.attempt), (2, 1));
    assert_ne!(again.message.id(), letters[1].message.id());
    assert_eq!(client.listener("c", "dead").await.unwrap().backlog_messages, 1);
}

#[tokio::test]
async fn a_rejected_message_that_nobody_keeps_is_a_gap_that_is_told_once() {
    let (_server, client) = explicit().await;
    send(&client, [1]).await;
    let mut subscription = client.listen("c", "l").await.unwrap();
    let delivery = one(&mut subscription).await;
    let rejected = delivery.reject(Rejection::new("never").finally()).await.unwrap();
    assert!(rejected.dropped && !rejected.comes_again());
    let Some(Ok(Event::Gap(gap))) = next(&mut subscription).await else { panic!("a gap tells of it") };
    assert_eq!((gap.reason, gap.count), (GapReason::Rejected, Some(1)));
    send(&client, [2]).await;
    one(&mut subscription).await.acknowledge().await.unwrap();
    drop(subscription);
    send(&client, [3]).await;
    let mut subscription = client.listen("c", "l").await.unwrap();
    assert_eq!(numbers(&mut subscription, 1).await, [3]);
}

#[tokio::test]
async fn what_is_acknowledged_singly_never_comes_again() {
    let (_server, client) = explicit().await;
    send(&client, 0..3).await;
    let mut subscription = client.listen("c", "l").await.unwrap();
    let (first, second) = (one(&mut subscription).await, one(&mut subscription).await);
    let acknowledged = second.acknowledge().await.unwrap();
    assert_eq!(acknowledged.covered_messages, 1);
    assert!(acknowledged.through_sequence < first.sequence);
    assert_eq!(second.acknowledge().await.unwrap().covered_messages, 0, "twice is once");
    drop((first, second, subscription));
    let mut subscription = client.listen("c", "l").await.unwrap();
    let first = one(&mut subscription).await;
    assert_eq!(first.message.json::<u64>().unwrap(), 0);
    assert_eq!(numbers(&mut subscription, 1).await, [2]);
}

#[tokio::test]
async fn what_cannot_be_said_of_a_delivery_has_its_reason() {
    let (_server, client) = explicit().await;
    client.register("c", "automatic").await.unwrap();
    send(&client, 0..3).await;
    let mut subscription = client.listen("c", "l").await.unwrap();
    let (first, second) = (one(&mut subscription).await, one(&mut subscription).await);
    let why = |outcome: Result<_>| outcome.map(drop).unwrap_err().reason().unwrap_or_default().to_owned();

    first.reject(Rejection::new("again").after(Duration::ZERO)).await.unwrap();
    assert_eq!(why(second.reject(Rejection::new("stale")).await), reason::STALE_GENERATION);
    let first = one(&mut subscription).await;
    assert_eq!(first.attempt, 2);
    first.acknowledge().await.unwrap();
    assert_eq!(why(first.reject(Rejection::new("late")).await), reason::NOT_OUTSTANDING);

    let ahead = Acknowledgement::of("c", "l").through(first.sequence + 1_000);
    let outcome = client.acknowledge([ahead]).await.unwrap().remove(0);
    assert_eq!(outcome.unwrap_err().reason(), Some(reason::NOT_DELIVERED));
    let automatic = Acknowledgement::of("c", "automatic").through(first.sequence);
    let outcome = client.acknowledge([automatic]).await.unwrap().remove(0);
    assert_eq!(outcome.unwrap_err().reason(), Some(reason::NOT_EXPLICIT));
    let automatic = client.deliver_next("c", "automatic").await.unwrap();
    assert_eq!(automatic.acknowledge().await.unwrap_err().reason(), Some(reason::NOT_EXPLICIT));

    client.remove_listener("c", "l").await.unwrap();
    client.register("c", NewListener::named("l").explicit()).await.unwrap();
    assert_eq!(second.acknowledge().await.unwrap_err().reason(), Some(reason::OTHER_LIFE));
}

#[tokio::test]
async fn a_handler_needs_an_explicit_listener() {
    let (_server, client) = with_listener().await;
    send(&client, [1]).await;
    let seen = Seen::default();
    let handling = handled(client.listen("c", "l"), &seen, |_, _| Ok(())).into_future();
    assert_eq!(patiently(handling).await.unwrap_err().reason(), Some(reason::NOT_EXPLICIT));
    assert!(numbers_of(&seen).is_empty());
}

#[tokio::test]
async fn others_pass_what_was_rejected_where_the_channel_lets_them() {
    let settings = ChannelSettings { redelivery: Some(Redelivery::Overtaking), ..Default::default() };
    let (_server, client) = with_settings(settings).await;
    send(&client, 0..100).await;
    let seen = Seen::default();
    let handling =
        handled(client.listen("c", "l"), &seen, |number, attempt| match number % 10 == 3 && attempt < 3 {
            true => Err(Rejection::new("again").after(Duration::ZERO)),
            false => Ok(()),
        });
    handled_by_four(&client, handling).await;
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_unstable();
    let attempts = |number: i64| if number % 10 == 3 { 3 } else { 1 };
    let expected = (0..100).flat_map(|number| (1..=attempts(number)).map(move |attempt| (number, attempt)));
    assert_eq!(seen, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn cut_connections_and_rejections_together_have_each_handled_once_where_others_pass() {
    const MESSAGES: i64 = 5_000;
    let settings = ChannelSettings { redelivery: Some(Redelivery::Overtaking), ..Default::default() };
    let (server, client) = with_settings(settings).await;
    let proxy = Proxy::before(server.address()).await;
    send(&client, 0..MESSAGES as u64).await;
    let (seen, refused) = (Seen::default(), |number: i64, attempt: i32| number % 50 == 7 && attempt == 1);
    let handling = handled(proxy.client().listen("c", "l"), &seen, move |number, attempt| {
        // also where it is to be rejected, or has been
        if number % 500 == 57 {
            proxy.cut();
        }
        match refused(number, attempt) {
            true => Err(Rejection::new("not yet").after(Duration::ZERO)),
            false => Ok(()),
        }
    });
    handled_by_four(&client, handling).await;
    let mut accepted = seen.lock().unwrap().clone();
    assert!((0..MESSAGES).filter(|number| refused(*number, 1)).all(|number| accepted.contains(&(number, 2))));
    accepted.retain(|&(number, attempt)| !refused(number, attempt));
    let mut accepted: Vec<_> = accepted.into_iter().map(|(number, _)| number).collect();
    accepted.sort_unstable();
    assert!(accepted == (0..MESSAGES).collect::<Vec<_>>(), "each once");
}

#[tokio::test]
async fn a_handler_slower_than_its_deadline_handles_a_message_once() {
    let (_server, client) = explicit().await;
    let settings = ListenerSettings { ack_deadline: Some(Duration::from_millis(200)), ..Default::default() };
    client.update_listener("c", "l", settings).await.unwrap();
    send(&client, 0..3).await;
    client.notify_end("c", None).await.unwrap();
    let seen = Seen::default();
    let (noted, rewound) = (seen.clone(), client.clone());
    let handling = client.listen("c", "l").handle(move |event| {
        let (number, client) = (note(&noted, &event), rewound.clone());
        async move {
            // until the server has given it up
            while number == 0 && client.listener("c", "l").await?.generation == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok::<(), Rejection>(())
        }
    });
    patiently(handling.into_future()).await.unwrap();
    assert_eq!(numbers_of(&seen), [0, 1, 2]);
    until_all_is_acknowledged(&client).await;
}

#[tokio::test]
async fn more_time_can_be_asked_for() {
    let (_server, client) = explicit().await;
    send(&client, [0]).await;
    let mut subscription = client.listen("c", "l").await.unwrap();
    let delivery = one(&mut subscription).await;
    assert_eq!(delivery.extend(Duration::from_secs(60)).await.unwrap().deadline, None);
    let settings = ListenerSettings { ack_deadline: Some(Duration::from_secs(3_600)), ..Default::default() };
    client.update_listener("c", "l", settings).await.unwrap();
    assert!(delivery.extend(Duration::from_secs(60)).await.unwrap().deadline.is_some());
    let outstanding = Outstanding::new("c", "l", delivery.sequence + 1_000);
    let outcome = client.extend([(outstanding, Duration::from_secs(1))]).await.unwrap().remove(0);
    assert_eq!(outcome.unwrap_err().reason(), Some(reason::NOT_DELIVERED));
}

#[tokio::test]
async fn a_stop_waits_for_the_handlers_at_work_and_says_what_they_earned() {
    let (_server, client) = explicit().await;
    send(&client, 0..10).await;
    let (begun, stop, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (starting, stopped, going) = (begun.clone(), stop.clone(), go_on.clone());
    let handling = client.listen("c", "l").handle(move |_| {
        let (starting, going) = (starting.clone(), going.clone());
        async move {
            starting.notify_one();
            going.notified().await;
            Ok::<(), Rejection>(())
        }
    });
    let handling = tokio::spawn(handling.until(async move { stopped.notified().await }).into_future());
    begun.notified().await;
    stop.notify_one();
    tokio::task::yield_now().await;
    go_on.notify_one();
    assert!(matches!(patiently(handling).await.unwrap(), Ok(End::Left)));
    assert_eq!(client.listener("c", "l").await.unwrap().backlog_messages, 9);
}

#[tokio::test]
async fn what_was_earned_is_said_also_when_the_handling_is_dropped() {
    let (_server, client) = explicit().await;
    send(&client, 0..5).await;
    let seen = Seen::default();
    let handling = handled(client.listen("c", "l"), &seen, |_, _| Ok(()));
    let handling = tokio::spawn(handling.into_future());
    until(async || numbers_of(&seen).len() == 5).await;
    handling.abort();
    until_all_is_acknowledged(&client).await;
}

#[tokio::test]
async fn no_more_is_outstanding_than_is_allowed() {
    let (_server, client) = explicit().await;
    send(&client, 0..50).await;
    let mut subscription = client.listen("c", "l").max_unacknowledged(2, 1 << 20).await.unwrap();
    for number in 0..50 {
        let delivery = one(&mut subscription).await;
        assert_eq!(delivery.message.json::<u64>().unwrap(), number);
        assert!(client.listener("c", "l").await.unwrap().unacknowledged_messages <= 2);
        delivery.acknowledge().await.unwrap();
    }
}

#[tokio::test]
async fn one_call_acknowledges_for_many_listeners() {
    const LISTENERS: usize = 20;
    let server = TestServer::start();
    let client = server.client();
    client.create_channel("c").await.unwrap();
    let mut subscriptions = Vec::new();
    for number in 0..LISTENERS {
        client.register("c", NewListener::named(format!("l{number}")).explicit()).await.unwrap();
        subscriptions.push(client.listen("c", format!("l{number}")).await.unwrap());
    }
    send(&client, 0..100).await;
    for subscription in &mut subscriptions {
        for _ in 0..100 {
            drop(one(subscription).await.acknowledge());
        }
    }
    for subscription in &subscriptions {
        subscription.flush().await;
    }
    for listener in client.listeners("c").all().await.unwrap() {
        assert_eq!(listener.backlog_messages, 0, "{}", listener.id);
    }
}

#[tokio::test]
async fn in_another_life_the_same_sequences_are_other_messages() {
    let server = TestServer::start();
    let (address, client) = (server.address(), server.client());
    let begin = async || {
        client.create_channel("c").await.unwrap();
        client.register("c", NewListener::named("l").explicit()).await.unwrap();
    };
    begin().await;
    let mut subscription = client.listen("c", "l").await.unwrap();
    send(&client, 0..2).await;
    let (done, held) = (one(&mut subscription).await, one(&mut subscription).await);
    done.acknowledge().await.unwrap();

    drop(server);
    let _server = TestServer::again_on(address).await;
    assert_eq!(client.server().await.unwrap().channels, 0);
    begin().await;
    send(&client, 10..13).await;
    let Some(Ok(Event::Gap(gap))) = next(&mut subscription).await else { panic!("the gap comes first") };
    assert_eq!(gap.reason, GapReason::OtherLife);
    assert_eq!(numbers(&mut subscription, 3).await, [10, 11, 12]);
    assert_eq!(held.acknowledge().await.unwrap_err().reason(), Some(reason::OTHER_LIFE));
    assert_eq!(client.listener("c", "l").await.unwrap().backlog_messages, 3);
}

#[tokio::test]
async fn a_handler_is_left_also_while_its_rejection_cannot_be_said() {
    let (server, client) = explicit().await;
    send(&client, [1]).await;
    let [called, fails, stop] = [(); 3].map(|()| Arc::new(Notify::new()));
    let (calls, waits, stops) = (called.clone(), fails.clone(), stop.clone());
    // a call is not repeated within itself: who repeats is the handling
    let client = Client::builder(server.url()).repeat_for(Duration::ZERO).connect().unwrap();
    let handling = client.listen("c", "l").handle(move |_| {
        calls.notify_one();
        let waits = waits.clone();
        async move {
            waits.notified().await;
            Err(Rejection::new("no"))
        }
    });
    let handling = tokio::spawn(handling.until(async move { stops.notified().await }).into_future());
    patiently(called.notified()).await;
    drop(server);
    fails.notify_one();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!handling.is_finished(), "it waits for the server to come back");
    stop.notify_one();
    let end = patiently(handling).await.unwrap().unwrap();
    assert!(matches!(end, End::Left), "{end:?}");
}
