//! A resume token brings back just what came after it, or says what cannot come.

use super::*;
use crate::hub::GapReason::{OtherLife, Overflow as Overflown, Purged as Cleared, Trimmed};

#[test]
fn without_a_token_a_stream_goes_on_where_the_last_one_stood() {
    let stage = Stage::new(room());
    stage.listener("l");
    let sent = [stage.broadcast(), stage.dispatch("l"), stage.broadcast()];
    assert_eq!(stage.listen("l").rest(), got(sent));
    let later = stage.dispatch("l");
    assert_eq!(stage.listen("l").rest(), got([later]));
}

#[test]
fn a_token_brings_back_what_came_after_it() {
    let stage = Stage::new(room());
    stage.listener("l");
    let sent = [stage.broadcast(), stage.dispatch("l"), stage.broadcast(), stage.dispatch("l")];
    assert_eq!(stage.listen("l").rest(), got(sent));
    assert_eq!(stage.resume("l", sent[1]).rest(), got(sent[2..].to_vec()));
    assert_eq!(stage.info("l").backlog, Tally::default(), "what was handed over is no backlog");
}

#[test]
fn a_window_of_dispatches_comes_back_in_as_many_batches_as_it_takes() {
    let stage = Stage::new(room());
    let birth = stage.listener("l");
    let sent = stage.dispatches("l", 5);
    assert_eq!(stage.listen("l").rest(), got(sent.clone()));
    let options = ListenOptions { max_messages: 2, ..after(stage.token(birth)) };
    assert_eq!(stage.try_listen("l", options).unwrap().rest(), got(sent));
}

#[test]
fn a_token_ahead_of_everything_is_refused_and_takes_nothing_over() {
    let stage = Stage::new(room());
    stage.listener("l");
    let last = stage.broadcast();
    let mut stream = stage.listen("l");
    assert_eq!(stage.try_listen("l", after(stage.token(last + 1))).err(), Some(Error::ResumeTokenAhead));
    assert_eq!(stage.try_listen("l", after("nonsense".into())).err(), Some(Error::ResumeTokenInvalid));
    assert_eq!(stream.rest(), got([last]));
    assert_eq!(stage.hub.info().streams, 1);
}

#[test]
fn a_token_forward_skips_what_its_client_has_from_elsewhere() {
    let stage = Stage::new(room());
    stage.listener("l");
    let sent = [stage.broadcast(), stage.dispatch("l"), stage.broadcast()];
    assert_eq!(stage.resume("l", sent[1]).rest(), got([sent[2]]));
    assert_eq!(
        stage.resume("l", sent[0]).rest(),
        got([sent[1], sent[2]]),
        "what was skipped is in the window"
    );
}

#[test]
fn a_gap_that_a_token_skips_is_not_said_later_out_of_place() {
    let stage = Stage::new(ChannelSettings { max_backlog: messages(2), ..room() });
    stage.listener("l");
    let sent = stage.broadcasts(5);
    stage.info("l");
    drop(stage.resume("l", sent[3]));
    assert_eq!(stage.listen("l").rest(), got([sent[4]]));
}

#[test]
fn a_token_forward_into_what_was_trimmed_begins_with_a_gap() {
    let stage = Stage::new(room());
    stage.listener("l");
    stage.dispatch("l");
    let lost = stage.broadcasts(3);
    let last = stage.broadcast();
    stage.trim(3);
    let gap = Lost(Trimmed, lost[0], lost[2], None);
    assert_eq!(stage.resume("l", lost[0]).rest(), [gap, Got(last)]);
}

#[test]
fn a_token_of_another_life_begins_with_a_gap_and_the_oldest_kept() {
    let stage = Stage::new(room());
    let other = Stage::new(room());
    let birth = stage.listener("l");
    let sent = [stage.broadcast(), stage.dispatch("l"), stage.broadcast()];
    assert_eq!(stage.listen("l").rest(), got(sent));
    let expected = [vec![Lost(OtherLife, birth, birth, None)], got(sent)].concat();
    for token in [other.token(sent[0]), stage.token(birth - 1)] {
        assert_eq!(stage.try_listen("l", after(token)).unwrap().rest(), expected);
    }
}

#[test]
fn a_listener_that_was_registered_again_is_another_one() {
    let stage = Stage::new(room());
    stage.listener("l");
    let sent = stage.broadcast();
    stage.listen("l").rest();
    stage.hub.remove_listener(channel_id("room"), listener_id("l")).unwrap();
    let birth = stage.listener("l");
    let later = stage.dispatch("l");
    assert_eq!(stage.resume("l", sent).rest(), [Lost(OtherLife, birth, birth, None), Got(later)]);
}

#[test]
fn in_another_life_the_gaps_of_this_one_keep_their_places_and_counts() {
    let stage = Stage::new(ChannelSettings { max_backlog: messages(2), ..room() });
    let birth = stage.listener("l");
    let sent = stage.broadcasts(4);
    let overflow = Lost(Overflown, birth, sent[1], Some(2));
    assert_eq!(stage.listen("l").rest(), [overflow, Got(sent[2]), Got(sent[3])]);
    let other_life = Lost(OtherLife, birth, birth, None);
    let again = stage.resume("l", birth - 1).rest();
    assert_eq!(again, [other_life, overflow, Got(sent[2]), Got(sent[3])]);
}

#[test]
fn a_gap_is_repeated_until_it_is_handed_over_and_an_older_token_brings_it_back() {
    let stage = Stage::new(ChannelSettings { max_backlog: messages(2), ..room() });
    let birth = stage.listener("l");
    let sent = stage.broadcasts(4);
    let expected = [Lost(Overflown, birth, sent[1], Some(2)), Got(sent[2]), Got(sent[3])];
    drop(stage.listen("l"));
    assert_eq!(stage.listen("l").rest(), expected);
    assert_eq!(stage.listen("l").rest(), []);
    assert_eq!(stage.resume("l", birth).rest(), expected);
    assert_eq!(stage.resume("l", sent[1]).rest(), got([sent[2], sent[3]]));
    let within = [Lost(Overflown, sent[0], sent[1], None), Got(sent[2]), Got(sent[3])];
    assert_eq!(stage.resume("l", sent[0]).rest(), within, "a token of another listener lies within");
}

#[test]
fn what_was_trimmed_behind_a_gap_is_said_too() {
    let stage = Stage::new(ChannelSettings { max_backlog: messages(2), ..room() });
    let birth = stage.listener("l");
    let lost = stage.broadcasts(4);
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest().len(), 3);
    let last = stage.broadcast();
    assert_eq!(stream.rest(), got([last]));
    stage.trim(4);
    let gaps = [Lost(Overflown, birth, lost[1], Some(2)), Lost(Trimmed, lost[1], lost[3], None)];
    assert_eq!(stage.resume("l", birth).rest(), [gaps[0], gaps[1], Got(last)]);
}

#[test]
fn dispatches_that_left_the_window_are_gaps_between_the_broadcasts_that_did_not() {
    let stage = Stage::new(ChannelSettings { max_replay: messages(1), ..room() });
    let birth = stage.listener("l");
    let sent = [stage.broadcast(), stage.dispatch("l"), stage.broadcast(), stage.dispatch("l")];
    assert_eq!(stage.listen("l").rest(), got(sent));
    let expected = [Got(sent[0]), Lost(Trimmed, sent[0], sent[1], None), Got(sent[2]), Got(sent[3])];
    assert_eq!(stage.resume("l", birth).rest(), expected);
}

#[test]
fn what_was_purged_from_the_window_never_comes_back() {
    let stage = Stage::new(room());
    let birth = stage.listener("l");
    let sent = [stage.broadcast(), stage.dispatch("l"), stage.broadcast()];
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), got(sent));
    assert_eq!(stage.purge("l", None).messages, 0);
    assert_eq!(stream.rest(), [], "there was nothing to lose");
    assert_eq!(stage.resume("l", birth).rest(), [Lost(Cleared, birth, sent[2], None)]);
    let later = stage.broadcast();
    assert_eq!(stage.resume("l", sent[0]).rest(), [Lost(Cleared, sent[0], sent[2], None), Got(later)]);
}
