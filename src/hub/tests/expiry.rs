//! What has expired costs next to nothing to pass.

use super::*;

fn perishable(seconds: i64) -> Message {
    let ttl = (seconds > 0).then_some(prost_types::Duration { seconds, nanos: 0 });
    let raw = v1::Message { id: "m".into(), r#type: "d".into(), ttl, ..Default::default() };
    Message::parse(&raw.encode_to_vec(), 1 << 20, 0).unwrap().named_by_the_server()
}

fn large() -> ChannelSettings {
    ChannelSettings { max_backlog: messages(2_000_000), ..room() }
}

#[tokio::test(start_paused = true)]
async fn any_number_of_dispatches_that_have_expired_is_one_gap() {
    let stage = Stage::new(large());
    stage.explicit("l", ListenerSettings::default());
    let send =
        |ttl| stage.hub.dispatch(channel_id("room"), listener_id("l"), perishable(ttl)).unwrap().position.0;
    let sent: Vec<_> = (0..100_000).map(|_| send(1)).collect();
    let last = send(0);
    tokio::time::advance(Duration::from_secs(3)).await;
    stage.hub.ring_alarms();
    assert_eq!(stage.info("l").backlog.messages, 1);
    let mut stream = stage.listen("l");
    let batch = stream.next().unwrap();
    let gap = Lost(GapReason::Expired, batch_after(&batch), *sent.last().unwrap(), Some(100_000));
    assert_eq!(batch, [gap, Got(last)]);
    assert_eq!(stream.next(), None);
}

#[tokio::test(start_paused = true)]
async fn broadcasts_that_have_expired_are_gone_before_anybody_looks() {
    let stage = Stage::new(large());
    stage.explicit("l", ListenerSettings::default());
    let send = |ttl| stage.hub.broadcast(channel_id("room"), perishable(ttl)).unwrap().position.0;
    let sent: Vec<_> = (0..100_000).map(|_| send(1)).collect();
    let last = send(0);
    tokio::time::advance(Duration::from_secs(3)).await;
    stage.hub.upkeep();
    assert_eq!(stage.kept(), 1);
    let batch = stage.listen("l").next().unwrap();
    let gap = Lost(GapReason::Expired, batch_after(&batch), *sent.last().unwrap(), Some(100_000));
    assert_eq!(batch, [gap, Got(last)]);
}

#[tokio::test(start_paused = true)]
async fn acknowledging_the_last_of_several_that_expired_does_not_swallow_the_rest() {
    let stage = Stage::new(room());
    stage.explicit("l", ListenerSettings::default());
    let send =
        |ttl| stage.hub.dispatch(channel_id("room"), listener_id("l"), perishable(ttl)).unwrap().position.0;
    let sent = [send(0), send(1), send(1)];
    assert_eq!(stage.listen("l").rest(), got(sent));
    tokio::time::advance(Duration::from_secs(3)).await;
    stage.hub.ring_alarms();
    stage.acknowledge("l", None, &[sent[2]]).unwrap();
    let gap = Lost(GapReason::Expired, sent[0], sent[2], Some(2));
    assert_eq!(stage.listen("l").rest(), [Got(sent[0]), gap]);
}

fn batch_after(batch: &[Said]) -> u64 {
    match batch.first() {
        Some(Lost(_, after, ..)) => *after,
        Some(Got(_)) | None => panic!("{batch:?} has no gap"),
    }
}
