//! The time in which a delivery is to be acknowledged: when it begins, and what gives more of it.

use super::*;
use crate::hub::settings::Backoff;

const ALLOWED: u64 = 400;

fn timed() -> ListenerSettings {
    ListenerSettings { ack_deadline: Some(Duration::from_millis(ALLOWED)), ..ListenerSettings::default() }
}

fn stage(redelivery: Redelivery) -> Stage {
    let backoff = Backoff { initial: Duration::ZERO, ..room().backoff };
    let stage = Stage::new(ChannelSettings { redelivery, backoff, ..room() });
    stage.explicit("l", timed());
    stage
}

/// Time passes, and alarms ring on the way.
async fn pass(stage: &Stage, millis: u64) {
    for _ in 0..millis {
        tokio::time::advance(Duration::from_millis(1)).await;
        stage.hub.ring_alarms();
    }
}

/// Two messages in strict order, which its stream has.
fn two_in_hand() -> (Stage, Vec<u64>, Stream) {
    let stage = stage(Redelivery::Strict);
    let sent = stage.dispatches("l", 2);
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), got(sent.clone()));
    (stage, sent, stream)
}

/// In strict order the first counts as rejected then, and not before.
async fn fails_after(stage: &Stage, millis: u64) {
    let before = stage.info("l").generation;
    pass(stage, millis - 1).await;
    assert_eq!(stage.info("l").generation, before);
    pass(stage, 1).await;
    assert_eq!(stage.info("l").generation, before + 1);
}

fn set_deadline(stage: &Stage, allowed: Option<u64>) {
    let ack_deadline = allowed.map(Duration::from_millis);
    let changed = |settings| Ok::<_, Error>(ListenerSettings { ack_deadline, ..settings });
    stage.hub.update_listener(channel_id("room"), listener_id("l"), changed).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_time_to_acknowledge_begins_when_a_message_becomes_the_first() {
    let (stage, sent, _stream) = two_in_hand();
    pass(&stage, 300).await;
    stage.acknowledge("l", Some(sent[0]), &[]).unwrap();
    pass(&stage, 300).await;
    assert_eq!(stage.info("l").generation, 0, "the second has been the first for 300 ms only");
    pass(&stage, 100).await;
    assert_eq!(stage.info("l").generation, 1);
}

/// Gives more time.
fn extend(stage: &Stage, position: u64, attempt: Option<u32>, millis: u64) {
    let (life, position, by) = (Life::default(), Position(position), Duration::from_millis(millis));
    let extension = Extension { life, generation: None, position, attempt, by };
    assert!(stage.hub.extend(channel_id("room"), listener_id("l"), &extension).unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_delivery_has_its_own_time_whatever_was_said_of_the_one_before() {
    let stage = stage(Redelivery::Strict);
    let sent = stage.dispatch("l");
    assert_eq!(stage.listen("l").rest(), got([sent]));
    let mut newer = stage.listen("l");
    extend(&stage, sent, None, 1);
    assert_eq!(newer.rest(), got([sent]));
    pass(&stage, 399).await;
    assert_eq!(stage.info("l").generation, 0);
    pass(&stage, 1).await;
    assert_eq!(stage.info("l").generation, 1);
}

#[tokio::test(start_paused = true)]
async fn more_time_for_what_its_stream_has_not_got_again_rings_no_alarm() {
    let stage = stage(Redelivery::Overtaking);
    let sent = stage.dispatches("l", 2);
    assert_eq!(stage.listen("l").rest(), got(sent.clone()));
    let _newer = stage.listen("l");
    extend(&stage, sent[1], Some(1), 1);
    pass(&stage, 10).await;
    assert_eq!(stage.hub.alarms.next(), None, "it would ring for ever");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_set_late_counts_for_what_is_in_hand_from_then_on() {
    for redelivery in [Redelivery::Strict, Redelivery::Overtaking] {
        let stage = stage(redelivery);
        set_deadline(&stage, None);
        let sent = stage.dispatch("l");
        let mut stream = stage.listen("l");
        assert_eq!(stream.rest(), got([sent]));
        pass(&stage, 2 * ALLOWED).await;
        set_deadline(&stage, Some(ALLOWED));
        pass(&stage, ALLOWED - 1).await;
        assert_eq!(stream.rest(), got([]), "{redelivery:?}");
        pass(&stage, 1).await;
        assert_eq!(stream.rest(), got([sent]), "{redelivery:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_was_taken_away_and_set_again_counts_anew() {
    for redelivery in [Redelivery::Strict, Redelivery::Overtaking] {
        let stage = stage(redelivery);
        let sent = stage.dispatch("l");
        let mut stream = stage.listen("l");
        assert_eq!(stream.rest(), got([sent]));
        extend(&stage, sent, Some(1), 10);
        set_deadline(&stage, None);
        pass(&stage, 2 * ALLOWED).await;
        set_deadline(&stage, Some(ALLOWED));
        pass(&stage, ALLOWED - 1).await;
        assert_eq!(stream.rest(), got([]), "{redelivery:?}");
        pass(&stage, 1).await;
        assert_eq!(stream.rest(), got([sent]), "{redelivery:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_in_hand_as_a_channel_begins_to_overtake_has_its_time() {
    let stage = stage(Redelivery::Strict);
    let sent = stage.dispatches("l", 3);
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), got(sent.clone()));
    pass(&stage, 100).await;
    extend(&stage, sent[0], None, 10_000);
    stage.update(|settings| settings.redelivery = Redelivery::Overtaking);
    pass(&stage, ALLOWED - 1).await;
    assert_eq!(stream.rest(), got([]));
    pass(&stage, 1).await;
    assert_eq!(stream.rest(), got(sent[1..].to_vec()), "the first has more time");
}

#[tokio::test(start_paused = true)]
async fn more_time_for_a_later_message_does_not_shorten_what_it_has_as_the_first() {
    let (stage, sent, _stream) = two_in_hand();
    pass(&stage, 300).await;
    extend(&stage, sent[1], None, 150);
    pass(&stage, 50).await;
    stage.acknowledge("l", Some(sent[0]), &[]).unwrap();
    fails_after(&stage, ALLOWED).await;
}

#[tokio::test(start_paused = true)]
async fn a_later_message_keeps_the_time_that_it_was_given() {
    let (stage, sent, _stream) = two_in_hand();
    extend(&stage, sent[1], None, 5_000);
    pass(&stage, 100).await;
    stage.acknowledge("l", Some(sent[0]), &[]).unwrap();
    fails_after(&stage, 4_900).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_may_be_given_less_time_than_it_has() {
    let (stage, sent, mut stream) = two_in_hand();
    extend(&stage, sent[0], None, 10);
    pass(&stage, 10).await;
    assert_eq!(stage.info("l").generation, 1);
    assert_eq!(stream.rest(), got(sent.clone()));
    extend(&stage, sent[1], None, 0);
    stage.acknowledge("l", Some(sent[0]), &[]).unwrap();
    pass(&stage, 1).await;
    assert_eq!(stage.info("l").generation, 2, "no time at all holds for a later one too");
}

#[tokio::test(start_paused = true)]
async fn a_later_message_that_has_no_time_left_counts_as_rejected_when_it_is_the_first() {
    let (stage, sent, _stream) = two_in_hand();
    extend(&stage, sent[1], None, 0);
    pass(&stage, ALLOWED / 2).await;
    stage.acknowledge("l", Some(sent[0]), &[]).unwrap();
    pass(&stage, 1).await;
    assert_eq!(stage.info("l").generation, 1);
}

#[tokio::test(start_paused = true)]
async fn who_follows_a_message_that_goes_while_it_has_more_time_has_his_own() {
    let requeue = |stage: &Stage, letter: u64| {
        let answers = stage.hub.requeue(channel_id("room"), listener_id("l"), &[Position(letter)]).unwrap();
        assert!(answers[0].is_ok());
    };
    let purge = |stage: &Stage, letter: u64| _ = stage.purge("l", Some(letter));
    for goes in [&requeue as &dyn Fn(&Stage, u64), &purge] {
        let stage = stage(Redelivery::Strict);
        stage.explicit("whose", ListenerSettings::default());
        stage.bury_in("l");
        let mut source = stage.listen("whose");
        let letter = |_| {
            let sent = stage.dispatch("whose");
            source.rest();
            stage.reject("whose", sent, 0, true).unwrap().dead_letter.unwrap().0
        };
        let letters: Vec<_> = (0..2).map(letter).collect();
        assert_eq!(pulled(&stage).rest(), got(letters.clone()));
        extend(&stage, letters[0], None, 3_600_000);
        pass(&stage, ALLOWED).await;
        goes(&stage, letters[0]);
        fails_after(&stage, ALLOWED).await;
    }
}

/// A pull whose session goes on: nobody hears of what happens meanwhile.
fn pulled(stage: &Stage) -> Stream {
    let options = ListenOptions { pull: true, session: Some("s".into()), ..ListenOptions::default() };
    stage.try_listen("l", options).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_shorter_deadline_counts_for_what_is_in_hand_too_unless_more_time_was_given() {
    for redelivery in [Redelivery::Strict, Redelivery::Overtaking] {
        let stage = stage(redelivery);
        set_deadline(&stage, Some(3_600_000));
        let sent = stage.dispatch("l");
        let mut stream = stage.listen("l");
        assert_eq!(stream.rest(), got([sent]));
        pass(&stage, 100).await;
        set_deadline(&stage, Some(ALLOWED));
        pass(&stage, ALLOWED - 1).await;
        assert_eq!(stream.rest(), got([]), "{redelivery:?}");
        pass(&stage, 1).await;
        assert_eq!(stream.rest(), got([sent]), "{redelivery:?}");
        extend(&stage, sent, Some(2), 5_000);
        set_deadline(&stage, Some(2 * ALLOWED));
        pass(&stage, 4_999).await;
        assert_eq!(stream.rest(), got([]), "{redelivery:?}");
        pass(&stage, 1).await;
        assert_eq!(stream.rest(), got([sent]), "{redelivery:?}");
    }
}
