//! The token of a pull tells of an answer that was lost, whatever came between.

use super::{
    restart::{again, stage},
    *,
};

/// A pull of one session, and the token that its answer tells.
fn pull(stage: &Stage, token: Option<&str>, max_messages: usize) -> (Vec<Said>, String) {
    let (session, resume_token) = (Some("s".into()), token.map(str::to_owned));
    let options =
        ListenOptions { pull: true, session, resume_token, max_messages, ..ListenOptions::default() };
    let mut stream = stage.try_listen("l", options).unwrap();
    (stream.next().unwrap_or_default(), stream.subscription.token().to_string())
}

#[test]
fn a_token_of_a_pull_before_a_crash_tells_of_an_answer_that_was_lost_after_it() {
    let (stage, log) = stage(room());
    stage.explicit("l", ListenerSettings::default());
    let sent = stage.dispatches("l", 3);
    let (came, token) = pull(&stage, None, 1);
    assert_eq!(came, got([sent[0]]));
    let (stage, _) = again(&stage, &log);
    let lost = pull(&stage, Some(&token), 9).0;
    assert_eq!(lost, got(sent.clone()));
    assert_eq!(pull(&stage, Some(&token), 9).0, got(sent));
}

#[test]
fn a_token_of_a_pull_from_a_listener_that_was_removed_tells_of_an_answer_that_was_lost_after_that() {
    let (stage, _log) = stage(room());
    let sent = stage.broadcasts(3);
    let oldest = || {
        let mode = AcknowledgementMode::Explicit;
        let new = NewListener { mode, from: From::Oldest, ..NewListener::default() };
        stage.hub.register(channel_id("room"), listener_id("l"), new).unwrap();
    };
    stage.listener("keeps");
    oldest();
    let (came, token) = pull(&stage, None, 1);
    assert_eq!(came, got([sent[0]]));
    stage.hub.remove_listener(channel_id("room"), listener_id("l")).unwrap();
    oldest();
    let lost = pull(&stage, Some(&token), 9).0;
    assert_eq!(pull(&stage, Some(&token), 9).0, lost);
}
