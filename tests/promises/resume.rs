//! A token says where to go on: nothing is lost on the way, and what cannot be had any more is said.

use crate::support::{
    Refused, TestServer, Wire, listener,
    message::{message, number, numbered, numbers, sent, sized},
    proxy::Proxy,
    server::client,
    until,
    wire::{pull, subscription},
    within,
};
use eric::{
    client::{End, Event, Interruption, Subscription},
    hub::ResumeToken,
    log::Position,
    v1::{ChannelSettings, GapReason, PullRequest, StartAt, WatchSubscription},
};
use prost_types::Duration;
use tonic::Code;

/// Ten messages, one after the other, by broadcast and dispatch in turn; the token behind each.
async fn ten_tokens(wire: &Wire) -> Vec<String> {
    let mut reader = wire.listen("c", "l").await;
    let mut tokens = vec![reader.token.clone()];
    for n in 0..10 {
        match n % 2 {
            0 => wire.broadcast("c", numbered(n)).await,
            _ => wire.dispatch("c", "l", numbered(n)).await,
        };
        assert_eq!(number(&reader.one().await), n);
        tokens.push(reader.token.clone());
    }
    tokens
}

#[tokio::test]
async fn a_stream_goes_on_behind_the_token_it_is_given() {
    let (_server, wire) = listener().await;
    let tokens = ten_tokens(&wire).await;
    // there and back: a token moves the listener either way
    for at in (0..=10).chain((0..10).rev()) {
        let mut reader = wire.listen_from("c", "l", &tokens[at]).await;
        assert_eq!(reader.started.resume_token, tokens[at]);
        let rest = reader.take(10 - at).await;
        assert_eq!(numbers(&rest), (at as i64..10).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_pull_goes_on_behind_the_token_it_is_given() {
    let (_server, wire) = listener().await;
    let tokens = ten_tokens(&wire).await;
    for at in [0, 9, 3] {
        let request = PullRequest { resume_token: tokens[at].clone(), max_messages: 100, ..pull("c", "l") };
        let answer = within(wire.call().pull(request)).await.unwrap().into_inner();
        assert_eq!(answer.started.unwrap().resume_token, tokens[at]);
        let batch = answer.batch.unwrap();
        assert_eq!(numbers(&batch.deliveries), (at as i64..10).collect::<Vec<_>>());
        assert_eq!(batch.resume_token, tokens[10]);
    }
}

#[tokio::test]
async fn without_a_token_a_stream_goes_on_where_its_listener_stands() {
    let (_server, wire) = listener().await;
    let tokens = ten_tokens(&wire).await;
    let mut reader = wire.listen("c", "l").await;
    assert_eq!(reader.started.resume_token, tokens[10]);
    wire.broadcast("c", numbered(10)).await;
    assert_eq!(numbers(&reader.take(1).await), [10]);
}

#[tokio::test]
async fn a_token_moves_a_listener_forward_past_what_waits() {
    let (_server, wire) = listener().await;
    wire.register("c", "other").await;
    wire.dispatch_all("c", "l", (0..5).map(numbered)).await;
    wire.broadcast_all("c", (5..10).map(numbered)).await;
    let mut other = wire.listen("c", "other").await;
    other.take(5).await;
    // the tokens of a channel are the same for all its listeners
    let mut reader = wire.listen_from("c", "l", &other.token).await;
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 0);
    wire.dispatch("c", "l", numbered(10)).await;
    assert_eq!(numbers(&reader.take(1).await), [10]);
}

#[tokio::test]
async fn a_watch_goes_on_behind_the_token_it_is_given() {
    let (_server, wire) = listener().await;
    let mut watcher = wire.watch("c").await;
    wire.broadcast_all("c", (0..5).map(numbered)).await;
    watcher.take(5).await;
    let token = watcher.token.clone();
    drop(watcher);
    wire.broadcast_all("c", (5..10).map(numbered)).await;
    let from = WatchSubscription { channel: "c".into(), resume_token: token, ..Default::default() };
    let mut watcher = wire.try_watch(from).await.unwrap();
    assert_eq!(numbers(&watcher.take(5).await), [5, 6, 7, 8, 9]);
}

#[tokio::test]
async fn a_text_that_is_no_token_is_refused() {
    let (_server, wire) = listener().await;
    let token = ten_tokens(&wire).await.remove(10);
    let cut = |bytes| token[..token.len() - bytes].to_owned();
    let mut texts =
        vec!["x".to_owned(), "0.0.0.0".to_owned(), token.to_uppercase() + "g", format!("{token}.0")];
    texts.extend([cut(1), cut(2), cut(5), cut(token.len() / 2), cut(token.len() - 1)]);
    for text in texts {
        let listen = wire.try_listen(subscription("c", "l", &text)).await.err().expect("it is no token");
        let fields = ["subscriptions[0].resume_token"];
        Refused::of(&listen).is(Code::InvalidArgument, "RESUME_TOKEN_INVALID", &fields);
        let request = PullRequest { resume_token: text.clone(), ..pull("c", "l") };
        let pull = within(wire.call().pull(request)).await.unwrap_err();
        Refused::of(&pull).is(Code::InvalidArgument, "RESUME_TOKEN_INVALID", &["resume_token"]);
        let from = WatchSubscription { channel: "c".into(), resume_token: text, ..Default::default() };
        let watch = wire.try_watch(from).await.err().expect("it is no token");
        Refused::of(&watch).is(Code::InvalidArgument, "RESUME_TOKEN_INVALID", &fields);
    }
    wire.still_answers().await;
}

#[tokio::test]
async fn a_token_ahead_of_all_that_was_accepted_is_refused() {
    let (_server, wire) = listener().await;
    let token = ten_tokens(&wire).await.remove(10);
    let token = ResumeToken::parse(&token).expect("the server gave it");
    let ahead = ResumeToken { sequence: Position(token.sequence.0 + 1), ..token }.to_string();
    let listen = wire.try_listen(subscription("c", "l", &ahead)).await.err().expect("it is ahead");
    let fields = ["subscriptions[0].resume_token"];
    Refused::of(&listen).is(Code::FailedPrecondition, "RESUME_TOKEN_AHEAD", &fields);
    let from = WatchSubscription { channel: "c".into(), resume_token: ahead, ..Default::default() };
    let watch = wire.try_watch(from).await.err().expect("it is ahead");
    Refused::of(&watch).is(Code::FailedPrecondition, "RESUME_TOKEN_AHEAD", &fields);
    // nothing was moved
    wire.broadcast("c", numbered(10)).await;
    assert_eq!(numbers(&wire.listen("c", "l").await.take(1).await), [10]);
}

#[tokio::test]
async fn a_token_of_another_server_begins_with_a_gap_and_the_oldest_kept_since_birth() {
    let (_other, elsewhere) = listener().await;
    let token = ten_tokens(&elsewhere).await.remove(10);
    let (_server, wire) = listener().await;
    ten_tokens(&wire).await;
    let mut reader = wire.listen_from("c", "l", &token).await;
    let gap = reader.gap_of(GapReason::OtherLife, None).await;
    let deliveries = reader.take(10).await;
    assert_eq!(numbers(&deliveries), (0..10).collect::<Vec<_>>());
    assert!(gap.after_sequence <= gap.through_sequence && gap.through_sequence < deliveries[0].sequence);

    let from = WatchSubscription { channel: "c".into(), resume_token: token, ..Default::default() };
    let mut watcher = wire.try_watch(from).await.unwrap();
    watcher.gap_of(GapReason::OtherLife, None).await;
    assert_eq!(numbers(&watcher.take(5).await), [0, 2, 4, 6, 8]);
}

#[tokio::test]
async fn a_token_of_another_channel_or_of_an_earlier_life_begins_with_a_gap() {
    let (_server, wire) = listener().await;
    wire.create("d").await;
    wire.register("d", "l").await;
    let early = wire.listen("c", "l").await.token;
    let other = wire.listen("d", "l").await.token;
    wire.remove("c", "l").await;
    wire.register("c", "l").await;
    wire.dispatch("c", "l", numbered(1)).await;
    for token in [early, other] {
        let mut reader = wire.listen_from("c", "l", &token).await;
        reader.gap_of(GapReason::OtherLife, None).await;
        assert_eq!(numbers(&reader.take(1).await), [1]);
    }
    // a channel that was created again is another one, too
    let token = wire.listen("c", "l").await.token;
    wire.remove_channel("c").await;
    wire.create("c").await;
    wire.register("c", "l").await;
    wire.listen_from("c", "l", &token).await.gap_of(GapReason::OtherLife, None).await;
}

#[tokio::test]
async fn a_token_older_than_the_window_begins_with_a_gap_and_what_the_window_holds() {
    let (_server, wire) = listener().await;
    let settings = ChannelSettings { max_replay_messages: Some(3), ..Default::default() };
    wire.update("c", settings).await;
    let mut reader = wire.listen("c", "l").await;
    let oldest = reader.token.clone();
    wire.broadcast_all("c", (0..10).map(numbered)).await;
    reader.take(10).await;
    until(async || wire.look_at("c").await.kept_broadcasts == 3).await;
    let mut reader = wire.listen_from("c", "l", &oldest).await;
    reader.gap_of(GapReason::Trimmed, None).await;
    assert_eq!(numbers(&reader.take(3).await), [7, 8, 9]);

    let oldest = reader.token.clone();
    wire.dispatch_all("c", "l", (10..20).map(numbered)).await;
    reader.take(10).await;
    let mut reader = wire.listen_from("c", "l", &oldest).await;
    reader.gap_of(GapReason::Trimmed, None).await;
    assert_eq!(numbers(&reader.take(3).await), [17, 18, 19]);
}

#[tokio::test]
async fn a_window_is_bounded_by_bytes_and_by_age_too() {
    let (_server, wire) = listener().await;
    // two of them fit, three do not
    wire.update("c", ChannelSettings { max_replay_bytes: Some(2_500), ..Default::default() }).await;
    let mut reader = wire.listen("c", "l").await;
    let oldest = reader.token.clone();
    let sent = wire.broadcast_all("c", (0..5).map(|_| sized(1_000))).await;
    reader.take(5).await;
    until(async || wire.look_at("c").await.kept_broadcasts == 2).await;
    let mut reader = wire.listen_from("c", "l", &oldest).await;
    reader.gap_of(GapReason::Trimmed, None).await;
    assert!(reader.take(2).await.iter().map(|it| it.sequence).eq(sent[3..].iter().map(|it| it.sequence)));

    let soon = Some(Duration { seconds: 0, nanos: 50_000_000 });
    wire.update("c", ChannelSettings { replay_window: soon, ..Default::default() }).await;
    until(async || wire.look_at("c").await.kept_broadcasts == 0).await;
    let mut reader = wire.listen_from("c", "l", &oldest).await;
    reader.gap_of(GapReason::Trimmed, None).await;
    wire.dispatch("c", "l", message("mark")).await;
    assert_eq!(reader.before("mark").await, [], "what is too old is gone");
}

#[tokio::test]
async fn without_a_window_nothing_that_was_delivered_comes_again() {
    let (_server, wire) = listener().await;
    let none = Some(Duration { seconds: 0, nanos: 0 });
    let settings =
        ChannelSettings { replay_window: none, max_replay_messages: Some(0), ..Default::default() };
    wire.update("c", settings).await;
    let mut reader = wire.listen("c", "l").await;
    let oldest = reader.token.clone();
    wire.broadcast_all("c", (0..5).map(numbered)).await;
    wire.dispatch_all("c", "l", (5..10).map(numbered)).await;
    reader.take(10).await;
    until(async || wire.server().await.log_bytes == 0).await;
    let mut reader = wire.listen_from("c", "l", &oldest).await;
    wire.broadcast("c", numbered(10)).await;
    reader.gap_of(GapReason::Trimmed, None).await;
    assert_eq!(numbers(&reader.take(1).await), [10]);
}

#[tokio::test]
async fn a_new_listener_may_begin_with_a_token() {
    let (_server, wire) = listener().await;
    let tokens = ten_tokens(&wire).await;
    wire.register_at("c", "new", StartAt::Oldest).await;
    let mut reader = wire.listen_from("c", "new", &tokens[4]).await;
    assert_eq!(numbers(&reader.take(3).await), [4, 6, 8]);
}

#[tokio::test]
async fn each_answer_tells_which_start_of_the_server_it_is_of() {
    let (_server, wire) = listener().await;
    let incarnation = wire.server().await.incarnation;
    assert!(!incarnation.is_empty());
    assert_eq!(wire.listen("c", "l").await.opened.incarnation, incarnation);
    assert_eq!(wire.pull("c", "l", 1).await.1.incarnation, incarnation);
    let (_other, elsewhere) = listener().await;
    assert_ne!(elsewhere.server().await.incarnation, incarnation);
}

async fn next_number(subscription: &mut Subscription) -> i64 {
    match within(subscription.next()).await {
        Some(Ok(Event::Delivery(delivery))) => delivery.message.json().expect("a number was sent"),
        other => panic!("a delivery was expected, not {other:?}"),
    }
}

#[tokio::test]
async fn the_sdk_resumes_after_each_broken_connection_and_misses_nothing() {
    const MESSAGES: i64 = 500;
    let (server, wire) = listener().await;
    let proxy = Proxy::before(server.address()).await;
    let client = client(&proxy.url());
    let mut listening = client.listen("c", "l").await.unwrap();
    let mut watching = client.watch("c").await.unwrap();
    let sending = tokio::spawn(async move {
        for n in 0..MESSAGES {
            wire.broadcast("c", numbered(n)).await;
        }
    });
    for n in 0..MESSAGES {
        assert_eq!(next_number(&mut listening).await, n);
        assert_eq!(next_number(&mut watching).await, n);
        if n % 50 == 49 {
            proxy.cut();
        }
    }
    within(sending).await.unwrap();
}

#[tokio::test]
async fn a_program_that_was_ended_goes_on_with_the_token_it_has_kept() {
    let (server, wire) = listener().await;
    let client = server.client();
    let mut first = client.listen("c", "l").await.unwrap();
    for n in 0..5 {
        wire.dispatch("c", "l", numbered(n)).await;
        assert_eq!(next_number(&mut first).await, n);
    }
    let (token, last) = (first.resume_token().to_owned(), first.last_sequence());
    wire.dispatch_all("c", "l", (5..10).map(numbered)).await;
    drop(first);
    let mut second = client.listen("c", "l").resume_from(token).await.unwrap();
    for n in 5..10 {
        assert_eq!(next_number(&mut second).await, n);
    }
    assert!(second.last_sequence() > last);
}

#[tokio::test]
async fn the_sdk_finds_the_server_that_was_started_again_and_is_told_of_its_other_life() {
    let (old, wire) = listener().await;
    let proxy = Proxy::before(old.address()).await;
    let (told, mut interruptions) = tokio::sync::mpsc::channel(64);
    let observer = move |interruption| drop(told.try_send(interruption));
    let mut listening = client(&proxy.url()).listen("c", "l").on_interruption(observer).await.unwrap();
    wire.dispatch("c", "l", numbered(1)).await;
    assert_eq!(next_number(&mut listening).await, 1);

    let (new, wire) = listener().await;
    wire.dispatch("c", "l", numbered(2)).await;
    proxy.lead_to(new.address());
    drop(old);
    match within(listening.next()).await {
        Some(Ok(Event::Gap(gap))) => assert_eq!(gap.reason, eric::client::GapReason::OtherLife),
        other => panic!("a gap was expected, not {other:?}"),
    }
    assert_eq!(next_number(&mut listening).await, 2);
    assert!(matches!(interruptions.recv().await, Some(Interruption::Lost { .. })));
    while let Ok(interruption) = interruptions.try_recv() {
        if matches!(interruption, Interruption::Over) {
            return;
        }
    }
    panic!("an observer is told when it is over");
}

#[tokio::test]
async fn a_channel_that_went_with_its_servers_memory_is_told_from_one_that_was_removed() {
    let (old, wire) = listener().await;
    let incarnation = wire.server().await.incarnation;
    let address = old.address();
    let mut listening = old.client().listen("c", "l").await.unwrap();
    drop((old, wire));
    let new = TestServer::again_on(address).await;
    let error = within(listening.next()).await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some("CHANNEL_NOT_FOUND"));
    assert_ne!(error.failure().unwrap().metadata["incarnation"], incarnation);
    assert!(matches!(listening.ended_by(), Some(End::Failed(_))));
    drop(new);
}

#[tokio::test]
async fn the_sdk_repeats_a_read_until_the_server_is_back_on_its_port() {
    let (old, _wire) = listener().await;
    let address = old.address();
    let client = old.client();
    client.server().await.unwrap();
    drop(old);
    let asking = tokio::spawn(async move { client.server().await });
    let _new = TestServer::again_on(address).await;
    within(asking).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_message_keeps_its_id_and_sequence_when_it_comes_again() {
    let (_server, wire) = listener().await;
    let mut reader = wire.listen("c", "l").await;
    let start = reader.token.clone();
    let receipt = wire.dispatch("c", "l", message("t")).await;
    let first = reader.one().await;
    let again = wire.listen_from("c", "l", &start).await.one().await;
    assert_eq!(first, again);
    assert_eq!((&sent(&first).id, first.sequence), (&receipt.message_id, receipt.sequence));
}
