//! A message that is sent again under the id that its sender gave it is accepted once.

use super::*;
use crate::log::held::Held;
use futures_util::FutureExt;

fn named(id: &str) -> Message {
    let message = v1::Message { id: id.into(), r#type: "t".into(), ..Default::default() };
    Message::parse(&message.encode_to_vec(), 1 << 20, 0).unwrap()
}

impl Stage {
    fn send(&self, listener: &str, id: &str) -> Result<Accepted, Error> {
        self.hub.dispatch(channel_id("room"), listener_id(listener), named(id))
    }

    fn send_to_all(&self, id: &str) -> Result<Accepted, Error> {
        self.hub.broadcast(channel_id("room"), named(id))
    }
}

/// Where the first was accepted, if it was not the first.
fn repeats(accepted: &Result<Accepted, Error>) -> Option<Position> {
    let accepted = accepted.as_ref().unwrap();
    accepted.duplicate.then_some(accepted.position)
}

fn limited(max_idempotency_bytes: u64) -> Stage {
    let limits = Limits { max_idempotency_bytes, ..UNLIMITED };
    Stage::over(Arc::new(Memory::default()), limits, 0, room())
}

#[test]
fn a_second_one_is_not_queued_and_is_answered_as_the_first() {
    let stage = Stage::new(room());
    stage.listeners(&["l", "m"]);
    let (one, all) = (stage.send("l", "a").unwrap(), stage.send_to_all("a").unwrap());
    assert_eq!(
        (one.receivers, one.duplicate, all.receivers, all.duplicate),
        (Some(1), false, Some(2), false)
    );
    for _ in 0..2 {
        let again = Accepted { duplicate: true, ..one };
        assert_eq!(stage.send("l", "a").unwrap(), again);
        let again = Accepted { position: all.position, receivers: None, duplicate: true };
        assert_eq!(stage.send_to_all("a").unwrap(), again);
    }
    assert_eq!(stage.listen("l").rest(), got([one.position.0, all.position.0]));
    assert_eq!(stage.hub.get_channel(channel_id("room")).unwrap().last, all.position);
    // delivered or not makes no difference
    assert_eq!(repeats(&stage.send("l", "a")), Some(one.position));
}

#[test]
fn another_receiver_another_channel_and_another_id_are_another_message() {
    let stage = Stage::new(room());
    stage.channel("hall", room());
    stage.hub.register(channel_id("hall"), listener_id("l"), NewListener::default()).unwrap();
    stage.listeners(&["l", "m"]);
    let elsewhere = [
        stage.hub.dispatch(channel_id("hall"), listener_id("l"), named("a")),
        stage.hub.broadcast(channel_id("hall"), named("a")),
    ];
    let here = [stage.send("l", "a"), stage.send("m", "a"), stage.send_to_all("a"), stage.send("l", "b")];
    assert!(elsewhere.iter().chain(&here).all(|accepted| repeats(accepted).is_none()));
}

#[test]
fn what_was_registered_or_created_again_is_another_one() {
    let stage = Stage::new(room());
    stage.listener("l");
    let first = [stage.send("l", "a").unwrap(), stage.send_to_all("a").unwrap()];
    stage.remove("l");
    stage.listener("l");
    let anew = stage.send("l", "a").unwrap();
    assert!(!anew.duplicate && anew.position > first[1].position);
    assert_eq!(repeats(&stage.send_to_all("a")), Some(first[1].position), "the channel is the same");
    stage.hub.remove_channel(channel_id("room")).unwrap();
    assert_eq!(stage.hub.info().id_bytes, 0);
    stage.channel("room", room());
    assert_eq!(repeats(&stage.send_to_all("a")), None);
}

#[test]
fn an_id_that_the_server_made_is_not_remembered() {
    let stage = Stage::new(room());
    let unnamed = v1::Message { r#type: "t".into(), ..Default::default() }.encode_to_vec();
    let unnamed = Message::parse(&unnamed, 1 << 20, 0).unwrap();
    let id = unnamed.id().to_owned();
    stage.hub.broadcast(channel_id("room"), unnamed).unwrap();
    assert_eq!((repeats(&stage.send_to_all(&id)), stage.hub.info().ids_evicted), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn an_id_is_remembered_for_the_window() {
    let window = Duration::from_millis(1500);
    let stage = Stage::new(ChannelSettings { idempotency_window: window, ..room() });
    stage.listener("l");
    let first = stage.send("l", "a").unwrap();
    tokio::time::advance(Duration::from_millis(1499)).await;
    stage.hub.upkeep();
    assert_eq!(repeats(&stage.send("l", "a")), Some(first.position));
    // it counts from the first
    tokio::time::advance(Duration::from_millis(1)).await;
    let second = stage.send("l", "a").unwrap();
    assert!(!second.duplicate && second.position > first.position);
    assert_eq!(repeats(&stage.send("l", "a")), Some(second.position));
    tokio::time::advance(window).await;
    stage.hub.upkeep();
    assert_eq!(stage.hub.info().id_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn an_id_keeps_the_window_in_which_it_was_accepted() {
    let minute = Duration::from_secs(60);
    let stage = Stage::new(ChannelSettings { idempotency_window: minute, ..room() });
    let long = stage.send_to_all("long").unwrap();
    stage.update(|settings| settings.idempotency_window = minute / 2);
    let short = stage.send_to_all("short").unwrap();
    stage.update(|settings| settings.idempotency_window = Duration::ZERO);
    assert_eq!([stage.send_to_all("none"), stage.send_to_all("none")].map(|sent| repeats(&sent)), [None; 2]);
    assert_eq!(repeats(&stage.send_to_all("short")), Some(short.position));
    tokio::time::advance(minute / 2).await;
    assert_eq!(repeats(&stage.send_to_all("long")), Some(long.position));
    assert_eq!(repeats(&stage.send_to_all("short")), None);
    tokio::time::advance(minute / 2).await;
    assert_eq!(repeats(&stage.send_to_all("long")), None);
}

#[test]
fn what_was_refused_is_not_remembered() {
    let stage = Stage::new(ChannelSettings { max_backlog: messages(1), ..room() });
    stage.listener("l");
    let first = stage.send("l", "a").unwrap();
    assert!(matches!(stage.send("l", "b"), Err(Error::BacklogFull { .. })));
    assert!(matches!(stage.send("nobody", "b"), Err(Error::ListenerNotFound { .. })));
    assert_eq!(
        repeats(&stage.send("l", "a")),
        Some(first.position),
        "for this one there is room no more, either"
    );
    assert_eq!(stage.listen("l").rest(), got([first.position.0]));
    assert_eq!(repeats(&stage.send("l", "b")), None);
}

#[test]
fn a_broadcast_that_was_accepted_is_answered_while_a_backlog_is_full() {
    let settings =
        ChannelSettings { max_backlog: messages(1), broadcast_overflow: Overflow::RejectNew, ..room() };
    let stage = Stage::new(settings);
    stage.listener("l");
    let first = stage.send_to_all("a").unwrap();
    assert!(matches!(stage.send_to_all("b"), Err(Error::BacklogFull { .. })));
    assert_eq!(repeats(&stage.send_to_all("a")), Some(first.position));
    assert_eq!(stage.listen("l").rest(), got([first.position.0]));
    assert_eq!(repeats(&stage.send_to_all("b")), None);
}

#[test]
fn what_was_accepted_is_answered_while_the_log_is_full() {
    let limits = Limits { max_log_bytes: BESIDE + 50, ..UNLIMITED };
    let stage = Stage::over(Arc::new(Memory::default()), limits, 0, room());
    stage.listener("l");
    let first = stage.send("l", "a").unwrap();
    assert!(matches!(stage.send("l", "b"), Err(Error::LimitReached { .. })));
    assert_eq!(repeats(&stage.send("l", "a")), Some(first.position));
}

#[test]
fn what_the_log_did_not_take_is_not_remembered() {
    let log = Arc::new(Meddled::default());
    let stage = Stage::over(Arc::clone(&log) as Arc<dyn Log>, UNLIMITED, 0, room());
    stage.listener("l");
    let send = || [stage.send("l", "a"), stage.send_to_all("a")];
    log.fails.store(true, Ordering::SeqCst);
    assert!(send().iter().all(|sent| matches!(sent, Err(Error::Log(_)))));
    log.fails.store(false, Ordering::SeqCst);
    let first = send();
    log.fails.store(true, Ordering::SeqCst);
    assert_eq!(send().map(|sent| repeats(&sent)), first.map(|sent| Some(sent.unwrap().position)));
}

#[test]
fn the_second_waits_with_the_first_until_it_is_safe() {
    let log = Arc::new(Held::default());
    let stage = Stage::over(Arc::clone(&log) as Arc<dyn Log>, UNLIMITED, 0, room());
    stage.listener("l");
    let first = stage.send("l", "a").unwrap();
    let second = stage.send("l", "a").unwrap();
    assert_eq!((second.position, second.duplicate), (first.position, true));
    assert!(stage.hub.durable(second.position).now_or_never().is_none());
    log.release();
    assert!(stage.hub.durable(second.position).now_or_never().is_some());
}

#[test]
fn of_many_who_send_the_same_at_once_one_is_accepted() {
    const SENDERS: usize = 8;
    const IDS: usize = 200;
    let stage = Stage::new(room());
    stage.listener("l");
    let barrier = std::sync::Barrier::new(SENDERS);
    let send = |_| {
        barrier.wait();
        (0..IDS).map(|id| stage.send("l", &id.to_string()).unwrap()).collect::<Vec<_>>()
    };
    let answers: Vec<_> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS).map(|n| scope.spawn(move || send(n))).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    for id in 0..IDS {
        let of_id = || answers.iter().map(|of_sender| of_sender[id]);
        assert_eq!(of_id().filter(|accepted| !accepted.duplicate).count(), 1);
        assert!(of_id().all(|accepted| accepted.position == answers[0][id].position));
    }
    assert_eq!(stage.listen("l").rest().len(), IDS);
}

#[test]
fn ids_keep_to_their_budget_and_what_it_costs_is_counted() {
    let budget = 100_000;
    let stage = limited(budget);
    stage.channel("hall", room());
    for id in 0..5000 {
        stage.send_to_all(&id.to_string()).unwrap();
        stage.hub.broadcast(channel_id("hall"), named(&id.to_string())).unwrap();
        assert!(stage.hub.info().id_bytes <= budget);
    }
    let info = stage.hub.info();
    assert!(info.id_bytes > budget / 3 && info.ids_evicted > 5000, "{info:?}");
    assert!(stage.send_to_all("4999").unwrap().duplicate && !stage.send_to_all("0").unwrap().duplicate);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_comes_later_has_its_part() {
    let stage = limited(100_000);
    for id in 0..5000 {
        stage.send_to_all(&id.to_string()).unwrap();
    }
    stage.channel("hall", room());
    let send = |id: usize| stage.hub.broadcast(channel_id("hall"), named(&id.to_string())).unwrap().duplicate;
    assert_eq!((0..300).filter(|id| send(*id)).count(), 0);
    assert_eq!((0..300).filter(|id| send(*id)).count(), 300);
    let before = stage.hub.info().id_bytes;
    stage.hub.upkeep();
    assert!(stage.hub.info().id_bytes < before, "the first gives back what it has beyond its part");
}

#[test]
fn without_a_budget_nothing_is_remembered_nor_counted() {
    let stage = limited(0);
    assert_eq!([stage.send_to_all("a"), stage.send_to_all("a")].map(|sent| repeats(&sent)), [None; 2]);
    assert_eq!((stage.hub.info().id_bytes, stage.hub.info().ids_evicted), (0, 0));
}
