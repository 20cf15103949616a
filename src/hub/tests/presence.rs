//! Presence: who listens, for those who watch for it; and nothing for those who do not.

use super::*;
use crate::hub::presence::{MAX_PAST, TOLD_AT_ONCE};
use tokio::time::advance;

const SECOND: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(5);

/// A watch of `room` that is polled by hand.
struct Watching {
    bundle: Bundle,
    wakes: Arc<Wakes>,
}

impl Watching {
    fn open(stage: &Stage) -> Self {
        Self::of(stage, &["room"])
    }

    fn of(stage: &Stage, channels: &[&str]) -> Self {
        let bundle = stage.hub.open_stream(StreamKind::Watch, u64::MAX).unwrap();
        for channel in channels {
            let options = ListenOptions { presence: true, ..ListenOptions::default() };
            bundle.add(channel_id(channel), Receiver::Watcher(From::New), options).unwrap();
        }
        Self { bundle, wakes: Arc::default() }
    }

    fn next(&mut self) -> Option<Event> {
        self.wakes.0.store(0, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self.wakes));
        match self.bundle.poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(event) => Some(event),
            Poll::Pending => None,
        }
    }

    /// Everything about presence until it waits, part by part.
    fn parts(&mut self) -> Vec<(u32, Vec<PresenceChange>)> {
        std::iter::from_fn(|| self.next())
            .filter_map(|event| match event {
                Event::Presence(number, changes) => Some((number, changes)),
                Event::Started(..) | Event::Batch(..) | Event::Only(_) => None,
                Event::Ended(..) | Event::Over(_) => panic!("it goes on: {event:?}"),
            })
            .collect()
    }

    fn told(&mut self) -> Vec<(PresenceEvent, String)> {
        let changes = self.parts().into_iter().flat_map(|(_, changes)| changes);
        changes.map(|change| (change.event, change.listener.to_string())).collect()
    }

    fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::SeqCst)
    }
}

fn stage(listeners: &[&str]) -> Stage {
    let stage = Stage::new(room());
    stage.listeners(listeners);
    stage
}

fn named(session: &str) -> ListenOptions {
    ListenOptions { session: Some(session.into()), ..ListenOptions::default() }
}

fn a_pull(session: Option<&str>) -> ListenOptions {
    ListenOptions { pull: true, session: session.map(Into::into), ..ListenOptions::default() }
}

/// Time passes, and what is due is done.
async fn pass(stage: &Stage, time: Duration) {
    advance(time).await;
    stage.hub.ring_alarms();
}

fn present(id: &str) -> (PresenceEvent, String) {
    (PresenceEvent::Present, id.to_owned())
}

fn joined(id: &str) -> (PresenceEvent, String) {
    (PresenceEvent::Joined, id.to_owned())
}

fn left(id: &str) -> (PresenceEvent, String) {
    (PresenceEvent::Left, id.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_watch_begins_with_those_who_listen_and_hears_who_comes_and_goes() {
    let stage = stage(&["a", "b", "c"]);
    let a = stage.listen("a");
    let mut watching = Watching::open(&stage);
    assert_eq!(watching.told(), [present("a")]);
    let b = stage.listen("b");
    assert_eq!((watching.wakes(), watching.told()), (1, vec![joined("b")]));
    let mut later = Watching::open(&stage);
    assert_eq!(later.told(), [present("a"), present("b")]);
    drop(a);
    assert_eq!(watching.told(), []);
    pass(&stage, GRACE).await;
    assert_eq!((watching.told(), later.told()), (vec![left("a")], vec![left("a")]));
    drop(b);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_within_the_grace_was_never_away() {
    let stage = stage(&["a"]);
    for watched_first in [true, false] {
        let stream = stage.listen("a");
        let early = watched_first.then(|| Watching::open(&stage));
        drop(stream);
        advance(GRACE - SECOND / 1000).await;
        let mut watching = early.unwrap_or_else(|| Watching::open(&stage));
        assert_eq!(watching.told(), [present("a")], "also for one who watches only now");
        let again = stage.listen("a");
        pass(&stage, GRACE * 2).await;
        assert_eq!((watching.wakes(), watching.told()), (0, vec![]));
        drop(again);
        pass(&stage, GRACE).await;
        let again = stage.listen("a");
        assert_eq!(watching.told(), [left("a"), joined("a")]);
        drop((again, watching));
        assert!(stage.hub.alarms.next().is_none(), "who is not watched needs no looking after");
        advance(GRACE * 2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_grace_every_end_is_told() {
    let stage = stage(&["a"]);
    stage.update(|settings| settings.presence_grace = Duration::ZERO);
    let mut watching = Watching::open(&stage);
    (0..3).for_each(|_| drop(stage.listen("a")));
    assert_eq!(
        watching.told(),
        vec![[joined("a"), left("a")]; 3].concat(),
        "in their order, however late they are read"
    );
}

#[tokio::test(start_paused = true)]
async fn a_takeover_is_silent_and_names_the_new_session_to_those_who_come_later() {
    let stage = stage(&["a"]);
    let first = stage.try_listen("a", named("one")).unwrap();
    let mut watching = Watching::open(&stage);
    assert_eq!(watching.parts()[0].1[0].session.as_deref(), Some("one"));
    let second = stage.try_listen("a", named("two")).unwrap();
    drop(first);
    pass(&stage, GRACE * 2).await;
    assert_eq!(watching.told(), []);
    assert_eq!(Watching::open(&stage).parts()[0].1[0].session.as_deref(), Some("two"));
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn who_is_stopped_removed_or_withdrawn_has_left_at_once() {
    let stage = stage(&["a", "b", "c"]);
    let streams = [stage.listen("a"), stage.listen("b"), stage.listen("c")];
    let mut watching = Watching::open(&stage);
    assert_eq!(watching.told().len(), 3);
    stage.hub.stop_listener(channel_id("room"), listener_id("a")).unwrap();
    stage.hub.stop_listener(channel_id("room"), listener_id("a")).unwrap();
    stage.remove("b");
    let [a, b, c] = streams;
    drop((a, b));
    assert_eq!(watching.told(), [left("a"), left("b")]);
    c.subscription.withdraw();
    assert_eq!(watching.told(), [left("c")]);
    stage.listener("b");
    let again = stage.listen("b");
    assert_eq!(watching.told(), [joined("b")]);
    drop(again);
    stage.remove("b");
    pass(&stage, GRACE * 2).await;
    assert_eq!(watching.told(), [left("b")]);
}

#[tokio::test(start_paused = true)]
async fn who_expires_within_the_grace_has_left_at_once() {
    let stage = stage(&[]);
    let settings = ListenerSettings { idle_timeout: Some(SECOND), ..ListenerSettings::default() };
    let new = NewListener { settings, ..NewListener::default() };
    stage.hub.register(channel_id("room"), listener_id("a"), new).unwrap();
    let mut watching = Watching::open(&stage);
    drop(stage.listen("a"));
    pass(&stage, SECOND - SECOND / 1000).await;
    assert_eq!(watching.told(), [joined("a")]);
    pass(&stage, SECOND / 1000).await;
    assert_eq!(watching.told(), [left("a")]);
}

#[tokio::test(start_paused = true)]
async fn pulls_of_a_session_count_for_a_minute_and_pulls_of_nobody_not_at_all() {
    let stage = stage(&["a"]);
    let mut watching = Watching::open(&stage);
    drop(stage.try_listen("a", a_pull(None)).unwrap());
    assert_eq!(watching.told(), []);
    for _ in 0..3 {
        drop(stage.try_listen("a", a_pull(Some("s"))).unwrap());
        pass(&stage, SECOND * 59).await;
    }
    assert_eq!(watching.told(), [joined("a")]);
    pass(&stage, SECOND).await;
    assert_eq!(watching.told(), [left("a")]);
    let stream = stage.listen("a");
    drop(stage.try_listen("a", a_pull(None)).unwrap());
    drop(stream);
    assert_eq!(watching.told(), [joined("a")]);
    pass(&stage, GRACE).await;
    assert_eq!(watching.told(), [left("a")], "the pull had put an end to its stream");
}

#[tokio::test(start_paused = true)]
async fn a_crowd_wakes_who_watches_twenty_times_a_second_at_most() {
    let limits = Limits { max_listeners: 10_000, max_streams: 10_000, ..UNLIMITED };
    let stage = Stage::over(Arc::new(Memory::default()), limits, 0, room());
    let ids: Vec<_> = (0..5000).map(|n| format!("l{n}")).collect();
    ids.iter().for_each(|id| assert!(stage.listener(id) > 0));
    let mut watching = Watching::open(&stage);
    assert_eq!(watching.told(), []);
    let (mut streams, mut wakes, mut told) = (Vec::new(), 0, Vec::new());
    for crowd in ids.chunks(100) {
        for id in crowd {
            streams.push(stage.listen(id));
            if watching.wakes() > 0 {
                wakes += 1;
                told.extend(watching.told());
            }
        }
        pass(&stage, SECOND / 100).await;
    }
    pass(&stage, SECOND).await;
    wakes += watching.wakes();
    told.extend(watching.told());
    assert!((2..=12).contains(&wakes), "{wakes} in half a second");
    assert!(told.into_iter().eq(ids.iter().map(|id| joined(id))));
    let mut later = Watching::open(&stage);
    let parts = later.parts();
    assert!(parts.iter().all(|(_, changes)| changes.len() <= TOLD_AT_ONCE));
    assert_eq!(parts.iter().map(|(_, changes)| changes.len()).sum::<usize>(), 5000);
}

#[tokio::test(start_paused = true)]
async fn one_who_reads_too_slowly_is_told_to_begin_anew() {
    let stage = stage(&["a", "b"]);
    stage.update(|settings| settings.presence_grace = Duration::ZERO);
    let (mut slow, mut fast) = (Watching::open(&stage), Watching::open(&stage));
    let b = stage.listen("b");
    assert_eq!((slow.told(), fast.told()), (vec![joined("b")], vec![joined("b")]));
    for _ in 0..=MAX_PAST / 2 {
        drop(stage.listen("a"));
        fast.told();
    }
    assert_eq!(slow.told()[..2], [(PresenceEvent::Reset, String::new()), present("b")]);
    let a = stage.listen("a");
    assert_eq!((slow.told(), fast.told()), (vec![joined("a")], vec![joined("a")]));
    drop((a, b));
    assert_eq!(slow.told(), [left("a"), left("b")]);
}

#[tokio::test(start_paused = true)]
async fn each_channel_of_a_watch_has_its_own_and_messages_come_between() {
    let stage = stage(&["a"]);
    stage.channel("other", room());
    stage.hub.register(channel_id("other"), listener_id("x"), NewListener::default()).unwrap();
    let mut watching = Watching::of(&stage, &["room", "other"]);
    assert_eq!(watching.told(), []);
    let a = stage.listen("a");
    let receiver = Receiver::Listener(listener_id("x"));
    let x = stage.hub.subscribe(channel_id("other"), receiver, ListenOptions::default()).unwrap();
    stage.broadcast();
    let (mut told, mut messages) = (Vec::new(), 0);
    while let Some(event) = watching.next() {
        match event {
            Event::Presence(number, changes) => {
                told.extend(changes.into_iter().map(|change| (number, change.listener.to_string())));
            }
            Event::Batch(1, handed) => messages += handed.batch.entries.len(),
            Event::Started(..) | Event::Batch(..) | Event::Only(_) | Event::Ended(..) | Event::Over(_) => {
                panic!("{event:?}")
            }
        }
    }
    told.sort();
    assert_eq!((told, messages), (vec![(1, "a".to_owned()), (2, "x".to_owned())], 1));
    drop((a, x));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_says_nothing_of_those_whose_streams_end() {
    let stage = stage(&["a"]);
    stage.update(|settings| settings.presence_grace = Duration::ZERO);
    let stream = stage.listen("a");
    let mut watching = Watching::open(&stage);
    assert_eq!(watching.told(), [present("a")]);
    stage.hub.close();
    drop(stream);
    assert!(matches!(watching.next(), Some(Event::Over(Ending::Failed(Error::ShuttingDown)))));
}

#[tokio::test(start_paused = true)]
async fn what_everybody_was_told_is_kept_no_longer() {
    let stage = stage(&["a"]);
    stage.update(|settings| settings.presence_grace = Duration::ZERO);
    let mut watching = Watching::open(&stage);
    (0..100).for_each(|_| drop(stage.listen("a")));
    let room = stage.hub.channel(channel_id("room")).unwrap();
    stage.hub.upkeep();
    assert_eq!(room.presence.kept(), Some(200));
    assert_eq!(watching.told().len(), 200);
    stage.hub.upkeep();
    assert_eq!(room.presence.kept(), Some(0));
    let _stream = stage.listen("a");
    drop(watching);
    assert_eq!(room.presence.kept(), None, "nobody watches: there is nothing");
}
