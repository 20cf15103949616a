//! Messages that come together are accepted as one after the other would be.

use super::*;
use crate::{hub::Publication, log::held::Held};

impl Stage {
    fn run(&self, run: &[(Option<&str>, &str)], stop_at_error: bool) -> Vec<Result<Accepted, Error>> {
        let run = run.iter().map(|(listener, id)| {
            let message = v1::Message { id: (*id).into(), r#type: "t".into(), ..Default::default() };
            let message = Message::parse(&message.encode_to_vec(), 1 << 20, 0).unwrap();
            Publication { listener: listener.map(listener_id), message }
        });
        self.hub.publish(channel_id("room"), run.collect(), stop_at_error)
    }
}

fn positions(results: &[Result<Accepted, Error>]) -> Vec<u64> {
    results.iter().flatten().map(|accepted| accepted.position.0).collect()
}

#[test]
fn each_is_answered_for_itself_and_the_order_is_kept() {
    let stage = Stage::new(room());
    stage.listeners(&["l", "m"]);
    let run = [(Some("l"), "a"), (None, "b"), (Some("nobody"), "c"), (Some("l"), "a"), (Some("m"), "a")];
    let results = stage.run(&run, false);
    assert!(matches!(results[2], Err(Error::ListenerNotFound { .. })));
    let duplicates: Vec<_> = results.iter().flatten().map(|accepted| accepted.duplicate).collect();
    assert_eq!(duplicates, [false, false, true, false], "also of one that came in the same run");
    let at = positions(&results);
    assert_eq!(at[2], at[0]);
    assert_eq!(stage.listen("l").rest(), got([at[0], at[1]]));
    assert_eq!(stage.listen("m").rest(), got([at[1], at[3]]));
}

#[test]
fn after_an_error_it_stops_where_that_is_asked_for() {
    for (stop_at_error, answered) in [(true, 2), (false, 3)] {
        let stage = Stage::new(room());
        stage.listener("l");
        let results = stage.run(&[(None, "a"), (Some("nobody"), "b"), (None, "c")], stop_at_error);
        assert_eq!((results.len(), results[1].is_err()), (answered, true));
        assert_eq!(stage.listen("l").rest(), got(positions(&results)));
    }
}

#[test]
fn a_channel_that_is_not_there_is_said_for_each() {
    let stage = Stage::new(room());
    stage.hub.remove_channel(channel_id("room")).unwrap();
    let results = stage.run(&[(None, "a"), (None, "b")], false);
    assert!(results.iter().all(|result| matches!(result, Err(Error::ChannelRemoved { .. }))));
    assert_eq!(results.len(), 2);
}

#[test]
fn where_the_log_has_room_for_some_they_are_accepted() {
    let limits = Limits { max_log_bytes: 2 * (BESIDE + 10), ..UNLIMITED };
    let stage = Stage::over(Arc::new(Memory::default()), limits, 0, room());
    stage.listener("l");
    let results = stage.run(&[(Some("l"), "a"), (Some("l"), "b"), (Some("l"), "c"), (Some("l"), "a")], false);
    let accepted: Vec<_> = results.iter().map(Result::is_ok).collect();
    assert_eq!(accepted, [true, true, false, true]);
    assert!(matches!(results[2], Err(Error::LimitReached { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_run_rings_once_for_each_who_has_something_to_hear() {
    let stage = Stage::over(Arc::new(Memory::default()), UNLIMITED, 1, room());
    let mut core = Core::new(&stage.hub, 0);
    core.enter();
    stage.listeners(&["l", "m"]);
    let mut streams = ["l", "m"].map(|id| stage.listen(id));
    assert!(streams.iter_mut().all(|stream| stream.rest().is_empty()));
    let own = stage.run(&[(Some("l"), "a"), (Some("l"), "b"), (Some("m"), "c"), (Some("l"), "d")], false);
    core.answer();
    let own = positions(&own);
    assert!(streams.iter().all(Stream::woken));
    assert_eq!(streams[0].rest(), got([own[0], own[1], own[3]]));
    assert_eq!(streams[1].rest(), got([own[2]]));
    let all = positions(&stage.run(&[(None, "e"), (None, "f")], false));
    core.answer();
    assert!(streams.iter().all(Stream::woken));
    assert!(streams.iter_mut().all(|stream| stream.rest() == got(all.clone())));
}

#[tokio::test(start_paused = true)]
async fn what_is_safe_later_is_heard_then() {
    let log = Arc::new(Held::default());
    let stage = Stage::over(Arc::clone(&log) as Arc<dyn Log>, UNLIMITED, 1, room());
    let mut core = Core::new(&stage.hub, 0);
    core.enter();
    stage.listener("l");
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), []);
    let sent = positions(&stage.run(&[(Some("l"), "a"), (None, "b"), (None, "c")], false));
    core.answer();
    assert!(!stream.woken() && stream.rest().is_empty());
    log.release();
    core.answer();
    assert!(stream.woken());
    assert_eq!(stream.rest(), got(sent));
}
