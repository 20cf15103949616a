//! The end of a server takes nothing out of a client's hands: what was in them is not held against it, and what is there again
//! counts as delivered.

use crate::support::{
    Wire,
    command::Served,
    directory::{directory, end, over},
    explicit::{rejection, through},
    message::{number, numbered, numbers},
};
use eric::v1::{ChannelSettings, DeadLetterCause};
use tonic::Code;

/// The first attempt is the last.
fn one_attempt() -> ChannelSettings {
    let dead_letter_listener = Some("dead".to_owned());
    ChannelSettings { max_attempts: Some(1), dead_letter_listener, ..Default::default() }
}

async fn begin(wire: &Wire, settings: ChannelSettings) {
    wire.create("c").await;
    wire.register_explicit("c", "l").await;
    wire.register("c", "dead").await;
    wire.update("c", settings).await;
}

#[tokio::test]
async fn an_end_of_the_server_counts_no_attempt_and_makes_no_dead_letter() {
    const IN_HAND: i64 = 100;
    let dir = directory();
    let mut server = Served::over(dir.path(), &[]).await;
    let wire = server.wire().await;
    begin(&wire, one_attempt()).await;
    wire.dispatch_all("c", "l", (0..IN_HAND).map(numbered)).await;
    let mut reader = wire.listen("c", "l").await;
    assert_eq!(numbers(&reader.take(IN_HAND as usize).await), (0..IN_HAND).collect::<Vec<_>>());
    for killed in [false, false, true] {
        match killed {
            false => assert_eq!(server.end().await, Some(0)),
            true => server.kill().await,
        }
        server = Served::over(dir.path(), &[]).await;
        let wire = server.wire().await;
        // of no session: whatever counts would count
        reader = wire.listen("c", "l").await;
        for expected in 0..IN_HAND {
            let (delivery, attempt, generation) = reader.attempt().await;
            assert_eq!((number(&delivery), attempt, generation), (expected, Some(1), 0), "{killed}");
        }
        assert_eq!(wire.messages("c", "dead", 0).await, []);
        let standing = wire.listener("c", "l").await;
        assert_eq!((standing.unacknowledged_messages, standing.lost_messages), (IN_HAND, 0));
    }
    // the first that counts does
    let wire = server.wire().await;
    let first = wire.messages("c", "l", 1).await[0].sequence;
    wire.reject(rejection(first)).await;
    let letters = wire.messages("c", "dead", 0).await;
    let facts = letters[0].dead_letter.as_ref().unwrap();
    assert_eq!((numbers(&letters), facts.cause()), (vec![0], DeadLetterCause::MaxAttempts));
    server.kill().await;
}

#[tokio::test]
async fn what_is_there_again_counts_as_delivered_though_no_stream_was_ever_open() {
    let dir = directory();
    let (server, wire) = over(dir.path()).await;
    begin(&wire, ChannelSettings::default()).await;
    let sent = wire.dispatch_all("c", "l", (0..3).map(numbered)).await;
    let [first, second, third] = [0, 1, 2].map(|at: usize| sent[at].sequence);
    let refused =
        [wire.try_acknowledge(through(first)).await.err(), wire.try_reject(rejection(second)).await.err()];
    for refused in refused {
        refused.expect("none was delivered").is(Code::FailedPrecondition, "NOT_DELIVERED", &[]);
    }
    drop(wire);
    end(server).await;

    let (_server, wire) = over(dir.path()).await;
    let later = wire.dispatch("c", "l", numbered(3)).await.sequence;
    assert_eq!(wire.acknowledge(through(first)).await.covered_messages, 1);
    let rejected = wire.reject(rejection(second)).await;
    assert_eq!((rejected.attempts, rejected.generation), (1, 1));
    // what came after the start was not
    let refused = wire.try_acknowledge(through(later)).await.unwrap_err();
    refused.is(Code::FailedPrecondition, "NOT_DELIVERED", &[]);
    let mut reader = wire.listen("c", "l").await;
    for expected in [(second, Some(2)), (third, Some(1)), (later, None)] {
        let (delivery, attempt, _) = reader.attempt().await;
        assert_eq!((delivery.sequence, attempt), expected);
    }
}
