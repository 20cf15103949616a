//! A pull delivers next: at most so many, waiting at most so long, and an empty answer is no error.

use crate::support::{
    TestServer, Wire,
    explicit::{explicit_of, rejection},
    listener,
    message::{message, numbered, numbers, sent, sized},
    until,
    wire::pull,
    within,
};
use eric::{
    client::Error,
    v1::{Batch, ChannelSettings, Gap, PullRequest, PullResponse, Redelivery, Rejection},
};
use prost_types::Duration;

#[tokio::test]
async fn a_pull_gives_one_where_nothing_else_is_said() {
    let (_server, wire) = listener().await;
    wire.dispatch_all("c", "l", (0..5).map(numbered)).await;
    assert_eq!(numbers(&wire.pull("c", "l", 0).await.0.deliveries), [0]);
    assert_eq!(numbers(&wire.pull("c", "l", 3).await.0.deliveries), [1, 2, 3]);
    assert_eq!(numbers(&wire.pull("c", "l", 3).await.0.deliveries), [4]);
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 0);
}

#[tokio::test]
async fn a_pull_that_finds_nothing_is_empty_at_once() {
    let (_server, wire) = listener().await;
    let (batch, answer) = wire.pull("c", "l", 1).await;
    assert!(batch.deliveries.is_empty() && batch.gaps.is_empty());
    let started = answer.started.unwrap();
    assert_eq!((started.channel.as_str(), started.listener.as_str()), ("c", "l"));
    assert_eq!(started.birth, wire.listener("c", "l").await.birth);
    assert_eq!(started.resume_token, batch.resume_token);
}

#[tokio::test]
async fn a_pull_waits_for_the_first() {
    let (_server, wire) = listener().await;
    for n in 0..3 {
        let waiting = wire.pull_waiting("c", "l").await;
        match n {
            1 => wire.broadcast("c", numbered(n)).await,
            _ => wire.dispatch("c", "l", numbered(n)).await,
        };
        let answer: PullResponse = within(waiting).await.unwrap().unwrap();
        assert_eq!(numbers(&answer.batch.unwrap().deliveries), [n]);
        until(async || !wire.listener("c", "l").await.connected).await;
    }
}

#[tokio::test]
async fn a_pull_that_waited_in_vain_is_empty() {
    let (_server, wire) = listener().await;
    let wait = Some(Duration { seconds: 0, nanos: 20_000_000 });
    let request = PullRequest { wait, ..pull("c", "l") };
    let answer = within(wire.call().pull(request)).await.unwrap().into_inner();
    assert!(answer.batch.unwrap().deliveries.is_empty());
    until(async || !wire.listener("c", "l").await.running).await;
}

#[tokio::test]
async fn many_pulls_one_after_the_other_are_the_stream() {
    let (_server, wire) = listener().await;
    wire.dispatch_all("c", "l", (0..100).map(numbered)).await;
    let mut all = Vec::new();
    while all.len() < 100 {
        let (batch, _) = wire.pull("c", "l", 7).await;
        assert!(!batch.deliveries.is_empty());
        all.extend(numbers(&batch.deliveries));
    }
    assert_eq!(all, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_pull_gives_no_more_than_a_batch_may_hold() {
    let server = TestServer::with(|config| config.max_batch_messages = 10);
    let wire = server.listener().await;
    for first in [0, 10] {
        wire.dispatch_all("c", "l", (first..first + 10).map(numbered)).await;
    }
    assert_eq!(wire.pull("c", "l", i32::MAX).await.0.deliveries.len(), 10);
}

#[tokio::test]
async fn a_pull_that_was_cut_short_by_its_size_leaves_the_rest() {
    let (_server, wire) = listener().await;
    for _ in 0..10 {
        wire.dispatch("c", "l", sized(1 << 20)).await;
    }
    let mut got = 0;
    while got < 10 {
        let (batch, _) = wire.pull("c", "l", 100).await;
        assert!(!batch.deliveries.is_empty());
        got += batch.deliveries.len();
    }
}

#[tokio::test]
async fn a_pull_may_select_types() {
    let (_server, wire) = listener().await;
    for kind in ["a", "b", "a", "c"] {
        wire.dispatch("c", "l", message(kind)).await;
    }
    let types = vec!["b".to_owned(), "c".to_owned()];
    let request = PullRequest { types, max_messages: 10, ..pull("c", "l") };
    let batch = within(wire.call().pull(request)).await.unwrap().into_inner().batch.unwrap();
    let kinds: Vec<_> = batch.deliveries.iter().map(|it| sent(it).r#type.as_str()).collect();
    assert_eq!(kinds, ["b", "c"]);
    // what does not match counts as delivered
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 0);
}

#[tokio::test]
async fn in_a_channel_with_a_delay_a_pull_gives_at_most_one() {
    let (_server, wire) = listener().await;
    let stream_delay = Some(Duration { seconds: 0, nanos: 1_000_000 });
    wire.update("c", ChannelSettings { stream_delay, ..Default::default() }).await;
    wire.dispatch_all("c", "l", (0..3).map(numbered)).await;
    for n in 0..3 {
        assert_eq!(numbers(&wire.pull("c", "l", 100).await.0.deliveries), [n]);
    }
}

#[tokio::test]
async fn a_pull_that_is_cancelled_leaves_its_listener_free_and_loses_nothing() {
    let (_server, wire) = listener().await;
    let waiting = wire.pull_waiting("c", "l").await;
    waiting.abort();
    until(async || !wire.listener("c", "l").await.connected).await;
    wire.dispatch("c", "l", numbered(1)).await;
    assert_eq!(numbers(&wire.pull("c", "l", 1).await.0.deliveries), [1]);
}

#[tokio::test]
async fn the_sdk_delivers_next_and_says_when_there_is_nothing() {
    let (server, wire) = listener().await;
    let client = server.client();
    wire.dispatch("c", "l", numbered(7)).await;
    let delivery = client.deliver_next("c", "l").await.unwrap();
    assert_eq!(delivery.message.json::<i64>().unwrap(), 7);
    match client.deliver_next("c", "l").await {
        Err(Error::NoMessages { channel, listener }) => {
            assert_eq!((channel.as_str(), listener.as_str()), ("c", "l"))
        }
        other => panic!("nothing waits, so {other:?}"),
    }
}

#[tokio::test]
async fn the_sdk_pulls_on_behind_a_token() {
    let (server, wire) = listener().await;
    let client = server.client();
    wire.dispatch_all("c", "l", (0..4).map(numbered)).await;
    let first = client.pull("c", "l").max_messages(2).await.unwrap();
    assert_eq!(first.deliveries.len(), 2);
    let rest = client.pull("c", "l").max_messages(9).await.unwrap();
    assert_eq!(rest.deliveries.len(), 2);
    // the answer with the rest was lost: the token of the pull before brings it back
    let again = client.pull("c", "l").max_messages(9).resume_from(first.resume_token).await.unwrap();
    assert_eq!(again.deliveries, rest.deliveries);
}

/// A pull of one session that tells how far the answers to those before have come.
async fn pull_behind(wire: &Wire, token: &str) -> Batch {
    let (resume_token, session) = (token.to_owned(), "s".to_owned());
    let request = PullRequest { max_messages: 9, resume_token, session, ..pull("c", "l") };
    let answer = within(wire.call().pull(request)).await.expect("a pull is answered").into_inner();
    answer.batch.expect("a pull answers a batch")
}

/// All that comes behind a token, one pull after the other, and the last token.
async fn pull_all_behind(wire: &Wire, token: &str) -> (Vec<i64>, Vec<Gap>, String) {
    let (mut deliveries, mut gaps, mut token) = (Vec::new(), Vec::new(), token.to_owned());
    loop {
        let batch = pull_behind(wire, &token).await;
        token = batch.resume_token;
        if batch.deliveries.is_empty() && batch.gaps.is_empty() {
            return (deliveries, gaps, token);
        }
        deliveries.extend(numbers(&batch.deliveries));
        gaps.extend(batch.gaps);
    }
}

#[tokio::test]
async fn a_token_tells_of_a_lost_answer_that_brought_a_message_again_and_nothing_new() {
    let overtaking =
        ChannelSettings { redelivery: Some(Redelivery::Overtaking.into()), ..Default::default() };
    let (_server, wire) = explicit_of(overtaking).await;
    wire.dispatch_all("c", "l", (0..3).map(numbered)).await;
    let first = pull_behind(&wire, "").await;
    let delay = Some(Duration::default());
    wire.reject(Rejection { attempt: 1, delay, ..rejection(first.deliveries[1].sequence) }).await;
    let lost = pull_behind(&wire, &first.resume_token).await;
    assert_eq!(numbers(&lost.deliveries), [1]);
    let (again, _, token) = pull_all_behind(&wire, &first.resume_token).await;
    assert_eq!(again, [0, 1, 2]);
    let (more, _, _) = pull_all_behind(&wire, &token).await;
    assert!(more.is_empty(), "nothing was lost: they go on");
}

#[tokio::test]
async fn a_token_tells_of_a_lost_answer_that_brought_a_gap_alone() {
    let (_server, wire) = explicit_of(ChannelSettings::default()).await;
    wire.dispatch_all("c", "l", (0..3).map(numbered)).await;
    let first = pull_behind(&wire, "").await;
    wire.reject(Rejection { r#final: true, ..rejection(first.deliveries[2].sequence) }).await;
    let lost = pull_behind(&wire, &first.resume_token).await;
    assert_eq!((lost.deliveries.len(), lost.gaps.len()), (0, 1));
    let (again, gaps, _) = pull_all_behind(&wire, &first.resume_token).await;
    assert_eq!((again, gaps), (vec![0, 1], lost.gaps));
}
