//! One stream carries many listeners: each begins, waits and ends for itself, and none delays another.

use crate::support::{
    Refused, TestServer, Wire, channel,
    http1::Http1,
    listeners,
    many::{Many, change, changed, changes, of, unchanged},
    message::{number, numbered, numbers, sized},
    peer::Peer,
    refused,
    wire::{publication, receipts, subscription},
    within,
};
use eric::v1::{
    ChangeListenResponse, Credit, ListenRequest, ListenResponse, StartAt, Subscription, WatchRequest,
    WatchSubscription,
};
use prost::Message as _;
use std::collections::BTreeMap;
use tonic::Code;

#[tokio::test]
async fn each_gets_what_is_meant_for_it_and_all_get_what_is_for_all() {
    let (_server, wire) = listeners(&["a", "b", "d"]).await;
    let mut stream = Many::open(&wire, &["a", "b", "d"]).await;
    assert_eq!(stream.started, BTreeMap::from([(1, "a".into()), (2, "b".into()), (3, "d".into())]));
    wire.dispatch("c", "a", numbered(1)).await;
    wire.dispatch("c", "d", numbered(2)).await;
    wire.broadcast("c", numbered(3)).await;
    stream.until(|stream| (1..=3).all(|number| stream.of(number).last() == Some(&3))).await;
    assert_eq!([stream.of(1), stream.of(2), stream.of(3)], [&[1, 3][..], &[3], &[2, 3]]);
}

#[tokio::test]
async fn thousands_of_listeners_share_a_stream_and_each_gets_its_dispatches() {
    const LISTENERS: usize = 2_000;
    let (_server, wire) = channel().await;
    let ids: Vec<_> = (0..LISTENERS).map(|n| format!("l{n}")).collect();
    for id in &ids {
        wire.register("c", id).await;
    }
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let mut stream = Many::open(&wire, &ids).await;
    for round in 0..2 {
        for (first, chunk) in ids.chunks(500).enumerate() {
            let number = |n: usize| numbered((round * LISTENERS + first * 500 + n) as i64);
            let batch = chunk.iter().enumerate().map(|(n, id)| publication("c", id, number(n)));
            receipts(&wire.batch(batch.collect()).await);
        }
    }
    wire.broadcast("c", numbered(-1)).await;
    let complete = |stream: &Many| {
        stream.delivered.len() == LISTENERS && stream.delivered.values().all(|of| of.last() == Some(&-1))
    };
    stream.until(complete).await;
    for (n, (number, delivered)) in stream.delivered.iter().enumerate() {
        assert_eq!(stream.started[number], ids[n]);
        assert_eq!(delivered, &[n as i64, (n + LISTENERS) as i64, -1]);
    }
    assert_eq!(wire.server().await.streams, 1);
}

#[tokio::test]
async fn what_is_refused_at_opening_ends_at_once_and_the_others_go_on() {
    let (_server, wire) = listeners(&["a", "b"]).await;
    let mut request = of(&["a", "no", "b", "a b", "a", "b"]);
    request.subscriptions[5].resume_token = "no token".to_owned();
    let mut stream = Many::try_open(&wire, request).await.unwrap();
    stream.until(|stream| stream.ended.len() == 4).await;
    let not_there = stream.failure_of(2);
    not_there.is(Code::NotFound, "LISTENER_NOT_FOUND", &[]).tells("listener", "no");
    not_there.tells("incarnation", &wire.server().await.incarnation);
    stream.failure_of(4).is(Code::InvalidArgument, "INVALID_ID", &["subscriptions[3].listener"]);
    stream.failure_of(5).is(Code::InvalidArgument, "INVALID_SETTING", &["subscriptions[4].listener"]);
    // twice in one request is refused for that, whatever else is wrong with it
    stream.failure_of(6).is(Code::InvalidArgument, "INVALID_SETTING", &["subscriptions[5].listener"]);
    wire.broadcast("c", numbered(1)).await;
    stream.until(|stream| !stream.of(1).is_empty() && !stream.of(3).is_empty()).await;
    assert_eq!(stream.started.keys().collect::<Vec<_>>(), [&1, &3]);
}

#[tokio::test]
async fn where_all_are_refused_the_call_fails_with_the_first_and_leaves_nothing() {
    let (_server, wire) = listeners(&["a"]).await;
    let failure = |request| async { Refused::of(&Many::try_open(&wire, request).await.err().unwrap()) };
    let refusal = failure(of(&["no", "a b"])).await;
    refusal.is(Code::NotFound, "LISTENER_NOT_FOUND", &[]).tells("listener", "no");
    let refusal = failure(of(&["a b", "no"])).await;
    refusal.is(Code::InvalidArgument, "INVALID_ID", &["subscriptions[0].listener"]);
    let refusal = failure(of(&[])).await;
    refusal.is(Code::InvalidArgument, "INVALID_MESSAGE", &["subscriptions"]);
    let too_many =
        ListenRequest { subscriptions: vec![subscription("c", "a", ""); 65_537], max_response_bytes: 0 };
    failure(too_many).await.is(Code::InvalidArgument, "INVALID_SETTING", &["subscriptions"]);
    assert_eq!(wire.server().await.streams, 0);
    assert!(!wire.listener("c", "a").await.running);
}

#[tokio::test]
async fn takeover_stop_and_removal_end_one_and_no_other() {
    let (server, wire) = listeners(&["taken", "stopped", "removed", "stays"]).await;
    let mut stream = Many::open(&wire, &["taken", "stopped", "removed", "stays"]).await;
    let mut newer = server.wire().await.listen("c", "taken").await;
    wire.stop("c", "stopped").await;
    wire.remove("c", "removed").await;
    stream.until(|stream| stream.ended.len() == 3).await;
    stream.failure_of(1).is(Code::Aborted, "LISTENER_TAKEN_OVER", &[]).tells("listener", "taken");
    assert_eq!(stream.ended[&2].code, Code::Ok as i32);
    stream.failure_of(3).is(Code::NotFound, "LISTENER_REMOVED", &[]);
    wire.broadcast("c", numbered(1)).await;
    stream.until(|stream| stream.of(4) == [1]).await;
    assert_eq!(number(&newer.one().await), 1);

    wire.remove_channel("c").await;
    stream.until(|stream| stream.ended.len() == 4).await;
    stream.failure_of(4).is(Code::NotFound, "CHANNEL_REMOVED", &[]);
    // it had several, so it waits for others to be added
    wire.create("c").await;
    wire.register("c", "new").await;
    assert_eq!(changed(&change(&wire, &stream.id, &["new"], &[]).await.added), [5]);
    wire.dispatch("c", "new", numbered(2)).await;
    stream.until(|stream| stream.of(5) == [2]).await;
}

#[tokio::test]
async fn what_is_added_and_removed_disturbs_no_other() {
    const ROUNDS: i64 = 100;
    let (server, wire) = listeners(&["stays", "comes", "goes"]).await;
    let mut stream = Many::open(&wire, &["stays"]).await;
    let (sender, changer, id) = (server.wire().await, server.wire().await, stream.id.clone());
    let sending = tokio::spawn(async move {
        for n in 0..ROUNDS {
            sender.dispatch("c", "stays", numbered(n)).await;
        }
    });
    let changing = tokio::spawn(async move {
        let mut last = Vec::new();
        for _ in 0..ROUNDS {
            let answer = change(&changer, &id, &["comes", "goes"], &last).await;
            assert_eq!(changed(&answer.removed), last);
            last = changed(&answer.added);
        }
        last
    });
    stream.until(|stream| stream.of(1).len() as i64 == ROUNDS).await;
    within(sending).await.unwrap();
    let last = within(changing).await.unwrap();
    assert_eq!(stream.of(1), (0..ROUNDS).collect::<Vec<_>>());
    assert_eq!(last, [2 * ROUNDS as i32, 2 * ROUNDS as i32 + 1]);
    wire.dispatch("c", "goes", numbered(7)).await;
    stream.until(|stream| stream.of(last[1]) == [7]).await;
    assert!(stream.ended.values().all(|status| status.code == Code::Ok as i32));
    assert!(!stream.ended.contains_key(&1));
}

#[tokio::test]
async fn each_change_is_answered_for_itself() {
    let (_server, wire) = listeners(&["a", "b", "d"]).await;
    let mut stream = Many::open(&wire, &["a"]).await;
    let mut request = changes(&stream.id, &["no", "b", "b c", "a", "d"], &[0, -1, 2, i32::MAX]);
    request.add[4].credit = Some(Credit::default());
    let answer = within(wire.call().change_listen(request)).await.unwrap().into_inner();
    let added = |place: usize| unchanged(&answer.added[place]);
    added(0).is(Code::NotFound, "LISTENER_NOT_FOUND", &[]).tells("listener", "no");
    added(2).is(Code::InvalidArgument, "INVALID_ID", &["add[2].listener"]);
    added(4).is(Code::InvalidArgument, "NOT_EXPLICIT", &["add[4].credit"]).tells("listener", "d");
    assert_eq!(changed(&[answer.added[1].clone(), answer.added[3].clone()]), [2, 1]);
    for result in &answer.removed {
        unchanged(result).is(Code::NotFound, "SUBSCRIPTION_NOT_FOUND", &[]);
    }
    assert_eq!((answer.added.len(), answer.removed.len()), (5, 4));
    stream.until(|stream| stream.started.len() == 2).await;

    // what is removed comes first, so that one may begin anew in one call
    let answer = change(&wire, &stream.id, &["b"], &[2]).await;
    assert_eq!((changed(&answer.removed), changed(&answer.added)), (vec![2], vec![3]));
    stream.until(|stream| stream.ended.contains_key(&2) && stream.started.contains_key(&3)).await;
    assert_eq!(stream.ended[&2].code, Code::Ok as i32);
    wire.dispatch("c", "b", numbered(1)).await;
    stream.until(|stream| stream.of(3) == [1]).await;
}

#[tokio::test]
async fn a_change_of_what_is_no_stream_of_listeners_is_refused() {
    let (_server, wire) = listeners(&["a"]).await;
    let watch = wire.watch("c").await;
    let ended = Many::open(&wire, &["a"]).await.id;
    crate::support::until(async || wire.server().await.streams == 1).await;
    for id in ["", "s", "s0", "a b", watch.opened.stream.as_str(), ended.as_str()] {
        let refusal = refused(wire.call().change_listen(changes(id, &["a"], &[1]))).await;
        refusal.is(Code::NotFound, "STREAM_NOT_FOUND", &[]).tells("stream", id);
    }
    assert!(!wire.listener("c", "a").await.running);
}

#[tokio::test]
async fn a_change_of_too_much_changes_nothing() {
    let (_server, wire) = listeners(&["a", "b"]).await;
    let stream = Many::open(&wire, &["a"]).await;
    let refusal = refused(wire.call().change_listen(changes(&stream.id, &["b"; 1_025], &[1]))).await;
    refusal.is(Code::InvalidArgument, "INVALID_SETTING", &["add"]);
    let refusal = refused(wire.call().change_listen(changes(&stream.id, &["b"], &[1; 1_025]))).await;
    refusal.is(Code::InvalidArgument, "INVALID_SETTING", &["remove"]);
    assert!(wire.listener("c", "a").await.connected && !wire.listener("c", "b").await.connected);
    assert_eq!(changed(&change(&wire, &stream.id, &["b"; 1_024], &[]).await.added), [2; 1_024]);
}

#[tokio::test]
async fn a_stream_of_one_ends_with_it_and_one_that_had_another_does_not() {
    let (server, wire) = listeners(&["a", "b"]).await;
    let mut one = Many::open(&wire, &["a"]).await;
    let mut had_another = Many::open(&wire, &["b"]).await;
    wire.register("c", "other").await;
    assert_eq!(changed(&change(&wire, &had_another.id, &["other"], &[]).await.added), [2]);
    assert_eq!(changed(&change(&wire, &had_another.id, &[], &[2]).await.removed), [2]);
    let _newer = [server.wire().await.listen("c", "a").await, server.wire().await.listen("c", "b").await];
    Refused::of(&one.rest().await).is(Code::Aborted, "LISTENER_TAKEN_OVER", &[]);
    assert!(one.ended.is_empty(), "its end says it");
    had_another.until(|stream| stream.ended.contains_key(&1)).await;
    had_another.failure_of(1).is(Code::Aborted, "LISTENER_TAKEN_OVER", &[]);
    server.stop();
    Refused::of(&had_another.rest().await).is(Code::Unavailable, "SHUTTING_DOWN", &[]);
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn one_with_much_to_say_does_not_delay_the_quiet_ones() {
    const FLOOD: usize = 1_000;
    let (_server, wire) = listeners(&["flooded", "quiet"]).await;
    for _ in 0..10 {
        wire.dispatch_all("c", "flooded", (0..FLOOD / 10).map(|_| sized(8 << 10))).await;
    }
    wire.dispatch("c", "quiet", numbered(1)).await;
    let parts = within(wire.call().listen(of(&["flooded", "quiet"]))).await.unwrap();
    let (mut parts, mut before, mut after, mut quiet) = (parts.into_inner(), 0, 0, false);
    while before + after < FLOOD {
        for batch in within(parts.message()).await.unwrap().unwrap().batches {
            match batch.subscription {
                1 if quiet => after += batch.deliveries.len(),
                1 => before += batch.deliveries.len(),
                _ => quiet |= !batch.deliveries.is_empty(),
            }
        }
    }
    assert!(quiet && before < FLOOD / 10, "{before} came first");
}

#[tokio::test]
async fn a_stream_that_nobody_reads_can_be_changed_and_its_listeners_are_free_for_others() {
    let (server, wire) = listeners(&["a", "b", "d"]).await;
    let mut unread = Many::open(&Wire::narrow(server.url()).await, &["a", "b"]).await;
    for _ in 0..20 {
        wire.broadcast_all("c", (0..10).map(|_| sized(16 << 10))).await;
    }
    let answer = change(&wire, &unread.id, &["d"], &[1]).await;
    assert_eq!((changed(&answer.added), changed(&answer.removed)), (vec![3], vec![1]));
    assert!(wire.listener("c", "d").await.connected && !wire.listener("c", "a").await.connected);
    wire.listen("c", "b").await;
    wire.dispatch("c", "d", numbered(1)).await;
    unread.until(|stream| stream.of(3) == [1] && stream.ended.len() == 2).await;
    unread.failure_of(2).is(Code::Aborted, "LISTENER_TAKEN_OVER", &[]);
}

#[tokio::test]
async fn a_response_keeps_to_its_limit_however_many_have_something_to_say() {
    const LISTENERS: usize = 20;
    const LIMIT: usize = 30_000;
    let server = TestServer::with(|config| config.max_payload_bytes = 10_000);
    let wire = server.wire().await;
    wire.create("c").await;
    let ids: Vec<_> = (0..LISTENERS).map(|n| format!("l{n}")).collect();
    for id in &ids {
        wire.register("c", id).await;
        wire.dispatch_all("c", id, (0..3).map(|_| sized(9_000))).await;
    }
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let least = 10_000 + eric::message::MAX_BYTES_BESIDE_PAYLOAD + 8 * 1024;
    let limit = LIMIT.max(least);
    let request = ListenRequest { max_response_bytes: limit as i32, ..of(&ids) };
    let mut parts = within(wire.call().listen(request)).await.unwrap().into_inner();
    let mut counts = BTreeMap::<i32, usize>::new();
    while counts.values().sum::<usize>() < 3 * LISTENERS {
        let part = within(parts.message()).await.unwrap().unwrap();
        assert!(part.encoded_len() <= limit, "{} of {limit}", part.encoded_len());
        part.batches.iter().for_each(|it| *counts.entry(it.subscription).or_default() += it.deliveries.len());
    }
    assert!(counts.len() == LISTENERS && counts.values().all(|count| *count == 3), "{counts:?}");
}

#[tokio::test]
async fn a_shutdown_hands_over_for_all_what_is_ready() {
    const MESSAGES: i64 = 200;
    let (server, wire) = listeners(&["a", "b", "d"]).await;
    let mut stream = Many::open(&server.wire().await, &["a", "b", "d"]).await;
    wire.broadcast_all("c", (0..MESSAGES).map(numbered)).await;
    wire.dispatch("c", "d", numbered(MESSAGES)).await;
    server.stop();
    Refused::of(&stream.rest().await).is(Code::Unavailable, "SHUTTING_DOWN", &[]);
    let all: Vec<_> = (0..MESSAGES).collect();
    assert_eq!((stream.of(1), stream.of(2)), (&all[..], &all[..]));
    assert_eq!(stream.of(3), (0..=MESSAGES).collect::<Vec<_>>());
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn a_client_that_breaks_off_lets_all_of_its_listeners_go() {
    let (server, wire) = listeners(&["a", "b"]).await;
    let mut peer = Peer::connect(server.address()).await;
    peer.begin().await;
    peer.open(1, server.address(), "Listen").await;
    peer.ask(1, &of(&["a", "b"])).await;
    peer.read_until(|frame| frame.data()).await;
    assert!(wire.listener("c", "b").await.connected);
    peer.reset(1).await;
    crate::support::until(async || wire.server().await.streams == 0).await;
    assert!(!wire.listener("c", "a").await.connected && !wire.listener("c", "b").await.connected);
}

#[tokio::test]
async fn a_watch_sees_several_channels() {
    let (server, wire) = listeners(&[]).await;
    wire.create("other").await;
    wire.broadcast("other", numbered(1)).await;
    let of = |channel: &str, start_at: StartAt| WatchSubscription {
        channel: channel.to_owned(),
        start_at: start_at.into(),
        ..Default::default()
    };
    let subscriptions = vec![
        of("c", StartAt::New),
        of("no", StartAt::New),
        of("other", StartAt::Oldest),
        of("c", StartAt::New),
    ];
    let request = WatchRequest { subscriptions, ..Default::default() };
    let mut parts = within(wire.call().watch(request)).await.unwrap().into_inner();
    let (mut seen, mut ended, mut started) = (Vec::new(), Vec::new(), 0);
    while started < 3 || ended.is_empty() || seen.is_empty() {
        let part = within(parts.message()).await.unwrap().unwrap();
        started += part.started.len();
        ended.extend(part.ended);
        seen.extend(part.batches.iter().map(|batch| (batch.subscription, numbers(&batch.deliveries))));
    }
    assert_eq!((ended.len(), ended[0].subscription), (1, 2));
    Refused::of_pb(ended[0].status.as_ref().unwrap()).is(Code::NotFound, "CHANNEL_NOT_FOUND", &[]);
    server.wire().await.broadcast("c", numbered(2)).await;
    while seen.len() < 3 {
        let part = within(parts.message()).await.unwrap().unwrap();
        seen.extend(part.batches.iter().map(|batch| (batch.subscription, numbers(&batch.deliveries))));
    }
    assert_eq!(seen, [(3, vec![1]), (1, vec![2]), (4, vec![2])]);
}

#[tokio::test]
async fn a_browser_listens_for_many_and_changes_them() {
    let (server, wire) = listeners(&["a", "b", "d"]).await;
    let mut browser = Http1::connect(server.address()).await;
    browser.post("Listen", &of(&["a", "b"])).await;
    let opened: ListenResponse = browser.frame().await.unwrap().message();
    assert_eq!(opened.started.len(), 2);
    let mut other = Http1::connect(server.address()).await;
    other.post("ChangeListen", &changes(&opened.opened.unwrap().stream, &["d"], &[1])).await;
    let answer: ChangeListenResponse = other.frame().await.unwrap().message();
    assert_eq!((changed(&answer.added), changed(&answer.removed)), (vec![3], vec![1]));
    wire.broadcast("c", numbered(1)).await;
    let (mut started, mut ended, mut delivered) = (Vec::new(), Vec::new(), BTreeMap::new());
    while delivered.len() < 2 {
        let part: ListenResponse = browser.frame().await.unwrap().message();
        started.extend(part.started.iter().map(|started| started.subscription));
        ended.extend(part.ended.iter().map(|ended| ended.subscription));
        delivered.extend(part.batches.iter().map(|it| (it.subscription, numbers(&it.deliveries))));
    }
    assert_eq!((started, ended), (vec![3], vec![1]));
    assert_eq!(delivered, BTreeMap::from([(2, vec![1]), (3, vec![1])]));
}

#[tokio::test]
async fn a_listener_goes_on_from_its_own_token_on_a_shared_stream() {
    let (_server, wire) = listeners(&["a", "b"]).await;
    let sent: Vec<_> = wire.broadcast_all("c", (1..=3).map(numbered)).await;
    let mut first = wire.listen("c", "a").await;
    let opened = first.started.resume_token.clone();
    first.take(3).await;
    drop(first);
    let subscriptions: Vec<Subscription> = vec![subscription("c", "a", &opened), subscription("c", "b", "")];
    let request = ListenRequest { subscriptions, max_response_bytes: 0 };
    let mut stream = Many::try_open(&wire, request).await.unwrap();
    stream.until(|stream| stream.of(1).len() == sent.len() && stream.of(2).len() == sent.len()).await;
    assert_eq!((stream.of(1), stream.of(2)), (&[1, 2, 3][..], &[1, 2, 3][..]));
}
