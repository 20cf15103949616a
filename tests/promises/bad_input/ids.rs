//! Ids that are none, unknown, or there already, at every verb that names one.

use super::*;

/// What every verb that names a channel answers to an id; with the field it stands in.
async fn verbs_of_a_channel(wire: &Wire, id: &str) -> Vec<(&'static str, Refused)> {
    let channel = id.to_owned();
    let (mut call, l) = (wire.call(), || "l".to_owned());
    let mut answers = Vec::new();
    macro_rules! answered {
        ($($verb:ident $Request:ident { $($rest:tt)* },)*) => { $({
            let request = $Request { channel: channel.clone(), $($rest)* };
            answers.push(("channel", refused(call.$verb(request)).await));
        })* };
    }
    answered! {
        get_channel GetChannelRequest {},
        update_channel UpdateChannelRequest { ..Default::default() },
        remove_channel RemoveChannelRequest {},
        register RegisterRequest { ..Default::default() },
        get_listener GetListenerRequest { listener: l() },
        list_listeners ListListenersRequest { ..Default::default() },
        update_listener UpdateListenerRequest { listener: l(), ..Default::default() },
        start_listener StartListenerRequest { listener: l() },
        stop_listener StopListenerRequest { listener: l() },
        purge_listener PurgeListenerRequest { listener: l(), ..Default::default() },
        remove_listener RemoveListenerRequest { listener: l() },
        dispatch DispatchRequest { listener: l(), message: Some(message("t")) },
        broadcast BroadcastRequest { message: Some(message("t")) },
        notify_end NotifyEndRequest { listener: None },
        pull PullRequest { listener: l(), ..Default::default() },
    }
    let listen = opening(wire.try_listen(subscription(id, "l", "")).await);
    answers.push(("subscriptions[0].channel", listen));
    let from = WatchSubscription { channel, ..Default::default() };
    answers.push(("subscriptions[0].channel", opening(wire.try_watch(from).await)));
    let results = wire.batch(vec![publication(id, "l", message("t")), broadcast(id, message("t"))]).await;
    answers.push(("publications[0].channel", error(&results[0])));
    answers.push(("publications[1].channel", error(&results[1])));
    answers
}

/// The same for every verb that names a listener.
async fn verbs_of_a_listener(wire: &Wire, id: &str) -> Vec<(&'static str, Refused)> {
    let listener = id.to_owned();
    let (mut call, channel) = (wire.call(), || "c".to_owned());
    let mut answers = Vec::new();
    macro_rules! answered {
        ($($verb:ident $Request:ident { $($rest:tt)* },)*) => { $({
            let request = $Request { channel: channel(), listener: listener.clone().into(), $($rest)* };
            answers.push(("listener", refused(call.$verb(request)).await));
        })* };
    }
    answered! {
        get_listener GetListenerRequest {},
        update_listener UpdateListenerRequest { ..Default::default() },
        start_listener StartListenerRequest {},
        stop_listener StopListenerRequest {},
        purge_listener PurgeListenerRequest { ..Default::default() },
        remove_listener RemoveListenerRequest {},
        dispatch DispatchRequest { message: Some(message("t")) },
        notify_end NotifyEndRequest {},
        pull PullRequest { ..Default::default() },
    }
    let listen = opening(wire.try_listen(subscription("c", id, "")).await);
    answers.push(("subscriptions[0].listener", listen));
    let results = wire.batch(vec![publication("c", id, message("t"))]).await;
    answers.push(("publications[0].listener", error(&results[0])));
    answers
}

const ILL_FORMED: [&str; 9] = ["", ".", "..", "a b", "a/b", "größe", "a\n", "{}", "a\u{0}"];

#[tokio::test]
async fn an_id_that_is_none_is_refused_by_every_verb() {
    let (_server, wire) = listener().await;
    let too_long = "x".repeat(129);
    for id in ILL_FORMED.into_iter().chain([too_long.as_str()]) {
        for (field, refusal) in verbs_of_a_channel(&wire, id).await {
            refusal.is(Code::InvalidArgument, "INVALID_ID", &[field]);
        }
        for (field, refusal) in verbs_of_a_listener(&wire, id).await {
            refusal.is(Code::InvalidArgument, "INVALID_ID", &[field]);
        }
        let request = CreateChannelRequest { channel: Some(id.into()), ..Default::default() };
        let refusal = refused(wire.call().create_channel(request)).await;
        refusal.is(Code::InvalidArgument, "INVALID_ID", &["channel"]);
        let request =
            RegisterRequest { channel: "c".into(), listener: Some(id.into()), ..Default::default() };
        let refusal = refused(wire.call().register(request)).await;
        refusal.is(Code::InvalidArgument, "INVALID_ID", &["listener"]);
    }
    unharmed(&wire).await;
}

#[tokio::test]
async fn an_id_that_is_unknown_is_not_found_by_every_verb() {
    let (_server, wire) = listener().await;
    for (_, refusal) in verbs_of_a_channel(&wire, "unknown").await {
        refusal.is(Code::NotFound, "CHANNEL_NOT_FOUND", &[]).tells("channel", "unknown");
    }
    for (_, refusal) in verbs_of_a_listener(&wire, "unknown").await {
        refusal.is(Code::NotFound, "LISTENER_NOT_FOUND", &[]);
        refusal.tells("channel", "c").tells("listener", "unknown");
    }
    unharmed(&wire).await;
}

#[tokio::test]
async fn an_id_that_exists_is_refused_unless_that_is_allowed() {
    let (_server, wire) = listener().await;
    let settings = Some(ChannelSettings { max_backlog_messages: Some(7), ..Default::default() });
    let create = |allow_existing| CreateChannelRequest {
        channel: Some("c".into()),
        settings: settings.clone(),
        allow_existing,
    };
    let refusal = refused(wire.call().create_channel(create(false))).await;
    refusal.is(Code::AlreadyExists, "CHANNEL_ALREADY_EXISTS", &[]).tells("channel", "c");
    let answer = within(wire.call().create_channel(create(true))).await.unwrap().into_inner();
    assert!(answer.existed);
    // as it is, whatever its settings
    assert_eq!(answer.channel.unwrap().settings.unwrap().max_backlog_messages, Some(65_536));

    let register = |allow_existing| RegisterRequest {
        channel: "c".into(),
        listener: Some("l".into()),
        allow_existing,
        ..Default::default()
    };
    let refusal = refused(wire.call().register(register(false))).await;
    refusal.is(Code::AlreadyExists, "LISTENER_ALREADY_EXISTS", &[]);
    refusal.tells("channel", "c").tells("listener", "l");
    let birth = wire.listener("c", "l").await.birth;
    let answer = within(wire.call().register(register(true))).await.unwrap().into_inner();
    assert!(answer.existed);
    assert_eq!(answer.listener.unwrap().birth, birth);
    let fresh = CreateChannelRequest { channel: Some("d".into()), ..create(true) };
    assert!(!within(wire.call().create_channel(fresh)).await.unwrap().into_inner().existed);
    unharmed(&wire).await;
}

#[tokio::test]
async fn without_an_id_the_server_makes_one() {
    let (_server, wire) = listener().await;
    let channel = within(wire.call().create_channel(CreateChannelRequest::default())).await.unwrap();
    let channel = channel.into_inner().channel.unwrap().id;
    assert_eq!(uuid::Uuid::parse_str(&channel).unwrap().get_version_num(), 4);
    let request = RegisterRequest { channel: channel.clone(), ..Default::default() };
    let listener = within(wire.call().register(request)).await.unwrap().into_inner().listener.unwrap().id;
    assert_eq!(uuid::Uuid::parse_str(&listener).unwrap().get_version_num(), 4);
    let receipt = wire.dispatch(&channel, &listener, message("t")).await;
    assert_eq!(uuid::Uuid::parse_str(&receipt.message_id).unwrap().get_version_num(), 7);
    let named = wire.dispatch(&channel, &listener, Message { id: "mine".into(), ..message("t") }).await;
    assert_eq!(named.message_id, "mine");
    let ids: Vec<_> = wire.listen(&channel, &listener).await.take(2).await;
    assert_eq!([&sent(&ids[0]).id, &sent(&ids[1]).id], [&receipt.message_id, "mine"]);
}
