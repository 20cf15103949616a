//! What is missing is a value that a program of the SDK can match on, whatever the reason, and however it receives.

use super::support::{explicit, next, send};
use crate::support::losses::losses;
use eric::{
    client::{Client, Event, Gap, GapReason},
    v1,
};

/// The first that a subscription brings, from where the listener stands or behind a token.
async fn listened(client: &Client, token: &str) -> Gap {
    let mut subscription = client.listen("c", "l").resume_from(token).await.expect("it opens");
    match next(&mut subscription).await {
        Some(Ok(Event::Gap(gap))) => gap,
        other => panic!("the gap comes first, not {other:?}"),
    }
}

async fn pulled(client: &Client, token: &str) -> Gap {
    let pulled = client.pull("c", "l").resume_from(token).await.expect("it is answered");
    let [gap] = pulled.gaps.as_slice() else { panic!("one gap is told, not {:?}", pulled.gaps) };
    gap.clone()
}

/// As the contract has it.
fn of_contract(reason: GapReason) -> Option<v1::GapReason> {
    match reason {
        GapReason::Overflow => Some(v1::GapReason::Overflow),
        GapReason::Expired => Some(v1::GapReason::Expired),
        GapReason::Trimmed => Some(v1::GapReason::Trimmed),
        GapReason::Purged => Some(v1::GapReason::Purged),
        GapReason::Rejected => Some(v1::GapReason::Rejected),
        GapReason::OtherLife => Some(v1::GapReason::OtherLife),
        GapReason::Unknown(_) | _ => None,
    }
}

#[tokio::test]
async fn every_loss_has_its_reason_whether_it_is_listened_or_pulled() {
    for loss in losses() {
        let (server, _wire, missing) = loss.happened().await;
        let client = server.client();
        // it is told until it is acknowledged
        let gap = pulled(&client, "").await;
        assert_eq!((of_contract(gap.reason), gap.count), (Some(loss.reason), Some(missing)));
        assert!(gap.after_sequence < gap.through_sequence, "{gap:?}");
        assert_eq!(listened(&client, "").await, gap);
        assert_eq!(pulled(&client, "").await, gap);
    }
}

#[tokio::test]
async fn what_was_missed_in_another_life_cannot_be_counted() {
    let token = {
        let (_elsewhere, client) = explicit().await;
        client.pull("c", "l").await.unwrap().resume_token
    };
    let (_server, client) = explicit().await;
    send(&client, 0..3).await;
    for gap in [pulled(&client, &token).await, listened(&client, &token).await] {
        assert_eq!((of_contract(gap.reason), gap.count), (Some(v1::GapReason::OtherLife), None));
    }
}
