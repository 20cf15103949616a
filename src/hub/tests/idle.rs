//! Listeners that nobody listens to.

use super::*;

fn idle(seconds: u64) -> ListenerSettings {
    ListenerSettings { idle_timeout: Some(Duration::from_secs(seconds)), ..ListenerSettings::default() }
}

fn there(stage: &Stage, id: &str) -> bool {
    stage.hub.get_listener(channel_id("room"), listener_id(id)).is_ok()
}

#[tokio::test(start_paused = true)]
async fn who_receives_dead_letters_never_idles_out_until_it_does_no_longer() {
    let stage = Stage::new(room());
    stage.explicit("grave", idle(2));
    stage.bury_in("grave");
    tokio::time::advance(Duration::from_secs(10)).await;
    // it would never come back
    stage.hub.ring_alarms();
    assert!(there(&stage, "grave"));
    stage.update(|settings| settings.dead_letter_listener = None);
    tokio::time::advance(Duration::from_secs(1)).await;
    stage.hub.ring_alarms();
    assert!(there(&stage, "grave"), "its time begins when it is free");
    tokio::time::advance(Duration::from_secs(1)).await;
    stage.hub.ring_alarms();
    assert!(!there(&stage, "grave"));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_listener_idles_from_when_it_was_stopped() {
    let stage = Stage::new(room());
    stage.explicit("l", idle(2));
    let stream = stage.listen("l");
    tokio::time::advance(Duration::from_secs(10)).await;
    stage.hub.ring_alarms();
    stage.hub.stop_listener(channel_id("room"), listener_id("l")).unwrap();
    drop(stream);
    tokio::time::advance(Duration::from_secs(1)).await;
    stage.hub.ring_alarms();
    assert!(there(&stage, "l"));
    tokio::time::advance(Duration::from_secs(1)).await;
    stage.hub.ring_alarms();
    assert!(!there(&stage, "l"));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_one_goes_with_it() {
    let log = Arc::new(Surviving::default());
    let stage = Stage::over(Arc::clone(&log) as Arc<dyn Log>, UNLIMITED, 0, room());
    stage.explicit("l", idle(2));
    stage.explicit("stays", ListenerSettings::default());
    let stays = stage.dispatch("stays");
    stage.dispatches("l", 3);
    assert!(there_after(&stage, 1_999).await);
    assert_eq!(stage.hub.info().log_bytes, 4 * (BESIDE + SIZE as u64));
    assert!(!there_after(&stage, 1).await);
    assert_eq!(stage.hub.info().log_bytes, BESIDE + SIZE as u64);
    assert_eq!(log.rows(), [Position(stays)]);
    let listed = stage.hub.list_listeners(channel_id("room"), Position::ZERO, 10).unwrap();
    assert_eq!(listed.iter().map(|it| &*it.id).collect::<Vec<_>>(), ["stays"]);
}

/// Whoever looks after it has taken its alarm, and somebody comes before it is removed.
#[tokio::test(start_paused = true)]
async fn one_that_is_saved_in_the_last_moment_may_idle_out_later() {
    let stage = Stage::new(room());
    stage.explicit("l", idle(5));
    let channel = stage.hub.channel(channel_id("room")).unwrap();
    let listener = Arc::clone(channel.lock().listener("l").unwrap());
    stage.hub.silence(&listener, &mut listener.lock());
    stage.hub.expire_listener(&channel, &listener);
    assert_eq!(stage.hub.alarms.next(), Some(5_000));
}

/// After so many milliseconds more.
async fn there_after(stage: &Stage, millis: u64) -> bool {
    tokio::time::advance(Duration::from_millis(millis)).await;
    stage.hub.ring_alarms();
    there(stage, "l")
}

fn pull(stage: &Stage, session: Option<&str>) {
    let options = ListenOptions { pull: true, session: session.map(Into::into), ..ListenOptions::default() };
    assert_eq!(stage.try_listen("l", options).unwrap().next(), None, "nothing waits");
}

#[tokio::test(start_paused = true)]
async fn each_pull_and_each_acknowledgement_begins_its_time_anew() {
    let signs: [fn(&Stage); 3] = [
        |stage| pull(stage, None),
        |stage| pull(stage, Some("s")),
        |stage| assert_eq!(stage.acknowledge("l", None, &[]).unwrap().covered, 0),
    ];
    for sign in signs {
        let stage = Stage::new(room());
        stage.explicit("l", idle(2));
        for _ in 0..3 {
            assert!(there_after(&stage, 1_999).await);
            sign(&stage);
        }
        assert!(there_after(&stage, 1_999).await);
        assert!(!there_after(&stage, 1).await, "and at its end it goes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_of_the_server_begins_its_time_anew() {
    let log = Arc::new(Surviving::default());
    let mut stage = Stage::over(Arc::clone(&log) as Arc<dyn Log>, UNLIMITED, 0, room());
    stage.explicit("l", idle(2));
    for _ in 0..3 {
        assert!(there_after(&stage, 1_999).await);
        stage = Stage { hub: Hub::new(log.left() as Arc<dyn Log>, UNLIMITED, 0).unwrap() };
    }
    assert!(there_after(&stage, 1_999).await);
    assert!(!there_after(&stage, 1).await);
}
