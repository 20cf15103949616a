//! Settings are spelled out in answers, change by mask, and are refused by name where they are out of range.

use crate::support::{
    Refused, Wire, channel,
    message::{numbered, numbers},
    refused, within,
};
use eric::v1::{
    Backoff, Channel, ChannelSettings, CreateChannelRequest, Overflow, Redelivery, UpdateChannelRequest,
    UpdateListenerRequest,
};
use prost_types::{Duration, FieldMask};
use tonic::Code;

fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

/// Parts that make no duration, whatever they add up to.
fn malformed() -> [Option<Duration>; 4] {
    [(1, -1), (1, 1_000_000_000), (-1, 1), (-1, 2_000_000_000)]
        .map(|(seconds, nanos)| Some(Duration { seconds, nanos }))
}

async fn update(wire: &Wire, settings: ChannelSettings, mask: &[&str]) -> Channel {
    let paths = mask.iter().map(|path| (*path).to_owned()).collect();
    let request = UpdateChannelRequest {
        channel: "c".into(),
        settings: Some(settings),
        update_mask: Some(FieldMask { paths }),
    };
    let answer = within(wire.call().update_channel(request)).await.expect("the settings are sound");
    answer.into_inner().channel.expect("it is told")
}

/// What an update and a creation with these settings are refused with.
async fn refused_settings(wire: &Wire, settings: ChannelSettings) -> Refused {
    let request =
        UpdateChannelRequest { channel: "c".into(), settings: Some(settings.clone()), update_mask: None };
    let updated = refused(wire.call().update_channel(request)).await;
    let request = CreateChannelRequest { settings: Some(settings), ..Default::default() };
    let created = refused(wire.call().create_channel(request)).await;
    assert_eq!((updated.code, &updated.reason), (created.code, &created.reason));
    assert_eq!(updated.fields, created.fields);
    updated
}

#[tokio::test]
async fn defaults_are_spelled_out() {
    let (_server, wire) = channel().await;
    let settings = wire.look_at("c").await.settings.unwrap();
    assert_eq!(settings.stream_delay, seconds(0));
    assert_eq!(settings.dispatch_overflow(), Overflow::RejectNew);
    assert_eq!(settings.broadcast_overflow(), Overflow::DropOldest);
    assert_eq!((settings.max_backlog_messages, settings.max_backlog_bytes), (Some(65_536), Some(64 << 20)));
    assert_eq!(settings.replay_window, seconds(60));
    assert_eq!((settings.max_replay_messages, settings.max_replay_bytes), (Some(65_536), Some(64 << 20)));
    assert_eq!(settings.idempotency_window, seconds(120));
    assert_eq!(settings.redelivery(), Redelivery::Strict);
    let backoff = Backoff { initial: seconds(1), factor: Some(2.0), maximum: seconds(60) };
    assert_eq!((settings.backoff, settings.max_attempts), (Some(backoff), Some(5)));
    assert_eq!(settings.dead_letter_listener.as_deref(), Some(""));
    assert_eq!((settings.sse_retry, settings.presence_grace), (seconds(3), seconds(5)));
}

#[tokio::test]
async fn without_a_mask_what_is_set_changes_and_the_rest_stays() {
    let (_server, wire) = channel().await;
    let one = ChannelSettings { max_backlog_messages: Some(1), ..Default::default() };
    let two = ChannelSettings {
        broadcast_overflow: Some(Overflow::RejectNew.into()),
        replay_window: seconds(5),
        ..Default::default()
    };
    wire.update("c", one).await;
    let settings = wire.update("c", two).await.settings.unwrap();
    assert_eq!((settings.max_backlog_messages, settings.replay_window), (Some(1), seconds(5)));
    assert_eq!(settings.broadcast_overflow(), Overflow::RejectNew);
    assert_eq!(wire.look_at("c").await.settings.unwrap(), settings);
}

#[tokio::test]
async fn a_mask_names_what_changes_and_what_goes_back_to_its_default() {
    let (_server, wire) = channel().await;
    let given = ChannelSettings {
        max_backlog_messages: Some(7),
        max_replay_messages: Some(8),
        stream_delay: seconds(9),
        ..Default::default()
    };
    let settings = update(&wire, given, &["max_backlog_messages", "stream_delay"]).await.settings.unwrap();
    assert_eq!((settings.max_backlog_messages, settings.max_replay_messages), (Some(7), Some(65_536)));
    let given = ChannelSettings { max_backlog_messages: Some(6), ..Default::default() };
    let settings = update(&wire, given, &["stream_delay"]).await.settings.unwrap();
    assert_eq!((settings.max_backlog_messages, settings.stream_delay), (Some(7), seconds(0)));
    // an enum's zero is its default
    let reject =
        ChannelSettings { dispatch_overflow: Some(Overflow::DropOldest.into()), ..Default::default() };
    wire.update("c", reject).await;
    let zero = ChannelSettings { dispatch_overflow: Some(0), ..Default::default() };
    let settings = wire.update("c", zero).await.settings.unwrap();
    assert_eq!(settings.dispatch_overflow(), Overflow::RejectNew);
}

#[tokio::test]
async fn an_unknown_path_of_a_mask_is_refused_and_nothing_changes() {
    let (_server, wire) = channel().await;
    wire.register("c", "l").await;
    for path in ["mood", "settings.stream_delay", "stream_delay.seconds", "", "*"] {
        let update_mask = Some(FieldMask { paths: vec!["max_backlog_messages".into(), path.into()] });
        let settings = Some(ChannelSettings { max_backlog_messages: Some(1), ..Default::default() });
        let request = UpdateChannelRequest { channel: "c".into(), settings, update_mask };
        let refusal = refused(wire.call().update_channel(request)).await;
        refusal.is(Code::InvalidArgument, "INVALID_SETTING", &["update_mask"]);
        let request = UpdateListenerRequest {
            channel: "c".into(),
            listener: "l".into(),
            settings: None,
            update_mask: Some(FieldMask { paths: vec![path.into()] }),
        };
        let refusal = refused(wire.call().update_listener(request)).await;
        refusal.is(Code::InvalidArgument, "INVALID_SETTING", &["update_mask"]);
    }
    assert_eq!(wire.look_at("c").await.settings.unwrap().max_backlog_messages, Some(65_536));
}

#[tokio::test]
async fn a_mask_full_of_what_is_no_setting_is_refused_in_few_words() {
    let (_server, wire) = channel().await;
    for paths in [vec!["x".repeat(1 << 20)], vec!["é".repeat(100); 10_000]] {
        let update_mask = Some(FieldMask { paths });
        let request = UpdateChannelRequest { channel: "c".into(), settings: None, update_mask };
        let refusal = refused(wire.call().update_channel(request)).await;
        assert_eq!((refusal.code, &*refusal.reason), (Code::InvalidArgument, "INVALID_SETTING"));
        assert!(refusal.message.len() < 2_000, "{}", refusal.message.len());
        assert!(refusal.fields.len() < 10 && refusal.fields.iter().all(|field| field == "update_mask"));
    }
}

#[tokio::test]
async fn a_value_out_of_its_range_is_refused_by_name() {
    let (_server, wire) = channel().await;
    let nanos = |nanos| Some(Duration { seconds: 0, nanos });
    let none = ChannelSettings::default;
    let mut cases = Vec::new();
    for n in [0, -1, 100_000_001, i64::MAX, i64::MIN] {
        cases.push(("max_backlog_messages", ChannelSettings { max_backlog_messages: Some(n), ..none() }));
    }
    for n in [0, -1, (1 << 50) + 1, i64::MAX] {
        cases.push(("max_backlog_bytes", ChannelSettings { max_backlog_bytes: Some(n), ..none() }));
    }
    for n in [-1, 100_000_001] {
        cases.push(("max_replay_messages", ChannelSettings { max_replay_messages: Some(n), ..none() }));
    }
    for n in [-1, (1 << 50) + 1] {
        cases.push(("max_replay_bytes", ChannelSettings { max_replay_bytes: Some(n), ..none() }));
    }
    for delay in
        [seconds(-1), seconds(86_401), seconds(i64::MAX), seconds(i64::MIN), nanos(-1), nanos(i32::MIN)]
    {
        cases.push(("stream_delay", ChannelSettings { stream_delay: delay, ..none() }));
    }
    for delay in malformed() {
        cases.push(("stream_delay", ChannelSettings { stream_delay: delay, ..none() }));
    }
    for window in
        [seconds(-1), seconds(7 * 86_400 + 1), seconds(i64::MAX), nanos(-1)].into_iter().chain(malformed())
    {
        cases.push(("replay_window", ChannelSettings { replay_window: window, ..none() }));
    }
    for value in [3, 99, -1] {
        cases.push(("dispatch_overflow", ChannelSettings { dispatch_overflow: Some(value), ..none() }));
        cases.push(("broadcast_overflow", ChannelSettings { broadcast_overflow: Some(value), ..none() }));
        cases.push(("redelivery", ChannelSettings { redelivery: Some(value), ..none() }));
    }
    let before = wire.look_at("c").await.settings;
    for (name, settings) in cases {
        let refusal = refused_settings(&wire, settings).await;
        refusal.is(Code::InvalidArgument, "INVALID_SETTING", &[&format!("settings.{name}")]);
    }
    assert_eq!(wire.look_at("c").await.settings, before);
    assert_eq!(wire.server().await.channels, 1);
}

#[tokio::test]
async fn what_is_absurd_in_how_messages_fail_and_are_remembered_is_refused_by_name() {
    let (_server, wire) = channel().await;
    let none = ChannelSettings::default;
    let mut cases = Vec::new();
    let out_of_range = [seconds(-1), seconds(86_401), seconds(i64::MAX), seconds(i64::MIN)];
    for absurd in out_of_range.into_iter().chain(malformed()) {
        cases.push(("idempotency_window", ChannelSettings { idempotency_window: absurd, ..none() }));
        cases.push(("presence_grace", ChannelSettings { presence_grace: absurd, ..none() }));
        cases.push(("sse_retry", ChannelSettings { sse_retry: absurd, ..none() }));
        for backoff in [
            Backoff { initial: absurd, ..Default::default() },
            Backoff { maximum: absurd, ..Default::default() },
        ] {
            cases.push(("backoff", ChannelSettings { backoff: Some(backoff), ..none() }));
        }
    }
    for factor in [0.0, 0.99, -1.0, 100.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let backoff = Some(Backoff { factor: Some(factor), ..Default::default() });
        cases.push(("backoff", ChannelSettings { backoff, ..none() }));
    }
    let backoff = Some(Backoff { initial: seconds(10), factor: None, maximum: seconds(9) });
    cases.push(("backoff", ChannelSettings { backoff, ..none() }));
    for attempts in [0, -1, 1_000_001, i32::MAX, i32::MIN] {
        cases.push(("max_attempts", ChannelSettings { max_attempts: Some(attempts), ..none() }));
    }
    let before = wire.look_at("c").await.settings;
    for (name, settings) in cases {
        let refusal = refused_settings(&wire, settings).await;
        assert_eq!((refusal.code, refusal.reason.as_str()), (Code::InvalidArgument, "INVALID_SETTING"));
        let [field] = refusal.fields.as_slice() else { panic!("one is at fault: {refusal:?}") };
        assert!(field.starts_with(&format!("settings.{name}")), "{field}");
    }
    assert_eq!(wire.look_at("c").await.settings, before);
}

#[tokio::test]
async fn the_ends_of_a_range_are_taken() {
    let (_server, wire) = channel().await;
    let least = ChannelSettings {
        max_backlog_messages: Some(1),
        max_backlog_bytes: Some(1),
        max_replay_messages: Some(0),
        max_replay_bytes: Some(0),
        replay_window: seconds(0),
        ..Default::default()
    };
    let most = ChannelSettings {
        max_backlog_messages: Some(100_000_000),
        max_backlog_bytes: Some(1 << 50),
        max_replay_messages: Some(100_000_000),
        max_replay_bytes: Some(1 << 50),
        replay_window: seconds(7 * 86_400),
        stream_delay: seconds(86_400),
        ..Default::default()
    };
    for given in [least, most] {
        let settings = wire.update("c", given.clone()).await.settings.unwrap();
        assert_eq!(settings.max_backlog_bytes, given.max_backlog_bytes);
        assert_eq!(settings.replay_window, given.replay_window);
    }
}

#[tokio::test]
async fn a_delay_sends_deliveries_one_a_batch() {
    let (_server, wire) = channel().await;
    wire.register("c", "l").await;
    let stream_delay = Some(Duration { seconds: 0, nanos: 2_000_000 });
    wire.update("c", ChannelSettings { stream_delay, ..Default::default() }).await;
    let mut readers = [wire.listen("c", "l").await, wire.watch("c").await];
    wire.broadcast_all("c", (0..10).map(numbered)).await;
    for reader in &mut readers {
        let mut deliveries = Vec::new();
        while deliveries.len() < 10 {
            for batch in reader.part().await.unwrap().unwrap().batches {
                assert!(batch.deliveries.len() <= 1);
                deliveries.extend(batch.deliveries);
            }
        }
        assert_eq!(numbers(&deliveries), (0..10).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_setting_holds_for_streams_that_are_open() {
    let (_server, wire) = channel().await;
    wire.register("c", "l").await;
    let mut reader = wire.listen("c", "l").await;
    let stream_delay = Some(Duration { seconds: 0, nanos: 2_000_000 });
    wire.update("c", ChannelSettings { stream_delay, ..Default::default() }).await;
    wire.dispatch_all("c", "l", (0..5).map(numbered)).await;
    for n in 0..5 {
        let part = reader.part().await.unwrap().unwrap();
        assert_eq!(numbers(&part.batches[0].deliveries), [n]);
    }
}
