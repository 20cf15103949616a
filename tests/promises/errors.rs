//! Errors say in details what machines can decide by: a stable reason, ids, fields, limits, and when to try again.

use crate::support::{
    Refused, TestServer, listener,
    message::{message, numbered, sized},
    refused,
    wire::{broadcast, dispatch, error, publication},
};
use eric::{
    client::{Error, Message},
    v1::{
        BroadcastRequest, ChannelSettings, CreateChannelRequest, GetChannelRequest, GetListenerRequest,
        GetServerRequest, UpdateChannelRequest,
    },
};
use std::time::Duration;
use tonic::Code;
use tonic_types::StatusExt as _;

#[tokio::test]
async fn every_error_tells_which_start_of_the_server_it_is_of() {
    let server = TestServer::with(|config| config.max_channels = 1);
    let wire = server.listener().await;
    let incarnation = wire.server().await.incarnation;
    let refusals = [
        refused(wire.call().get_channel(GetChannelRequest { channel: "no".into() })).await,
        refused(wire.call().get_channel(GetChannelRequest { channel: String::new() })).await,
        refused(wire.call().create_channel(CreateChannelRequest::default())).await,
        refused(wire.call().dispatch(dispatch("c", "l", message("")))).await,
        error(&wire.batch(vec![publication("c", "no", message("t"))]).await[0]),
        Refused::of(&wire.try_listen(crate::support::wire::subscription("c", "no", "")).await.err().unwrap()),
    ];
    for refusal in refusals {
        refusal.tells("incarnation", &incarnation);
    }
}

#[tokio::test]
async fn ids_stand_in_the_metadata_and_in_the_message() {
    let (_server, wire) = listener().await;
    let request = GetListenerRequest { channel: "c".into(), listener: "nobody".into() };
    let refusal = refused(wire.call().get_listener(request)).await;
    refusal.tells("channel", "c").tells("listener", "nobody");
    assert!(refusal.message.contains("\"nobody\"") && refusal.message.contains("\"c\""), "{refusal:?}");
}

#[tokio::test]
async fn every_field_at_fault_is_named_at_once() {
    let (_server, wire) = listener().await;
    let settings = Some(ChannelSettings {
        max_backlog_messages: Some(0),
        max_replay_bytes: Some(-1),
        stream_delay: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
        ..Default::default()
    });
    let paths =
        vec!["max_backlog_messages".into(), "mood".into(), "max_replay_bytes".into(), "stream_delay".into()];
    let update_mask = Some(prost_types::FieldMask { paths });
    let request = UpdateChannelRequest { channel: "c".into(), settings, update_mask };
    let mut refusal = refused(wire.call().update_channel(request)).await;
    refusal.fields.sort();
    let expected = [
        "settings.max_backlog_messages",
        "settings.max_replay_bytes",
        "settings.stream_delay",
        "update_mask",
    ];
    refusal.is(Code::InvalidArgument, "INVALID_SETTING", &expected);
}

#[tokio::test]
async fn a_violation_says_what_is_allowed() {
    let (_server, wire) = listener().await;
    let status = wire.try_dispatch("c", "l", message("_eric_mine")).await.unwrap_err();
    let details = status.get_error_details();
    let violation = &details.bad_request().unwrap().field_violations[0];
    assert_eq!(violation.field, "message.type");
    assert!(violation.description.contains("_eric_"), "{violation:?}");
}

#[tokio::test]
async fn what_may_help_later_says_when_to_try_again_and_what_never_helps_does_not() {
    let server = TestServer::with(|config| config.max_listeners = 1);
    let wire = server.listener().await;
    wire.update("c", ChannelSettings { max_backlog_messages: Some(1), ..Default::default() }).await;
    wire.dispatch("c", "l", numbered(1)).await;
    let full = Refused::of(&wire.try_dispatch("c", "l", numbered(2)).await.unwrap_err());
    let request = eric::v1::RegisterRequest { channel: "c".into(), ..Default::default() };
    let many = refused(wire.call().register(request)).await;
    for refusal in [full, many] {
        assert_eq!(refusal.code, Code::ResourceExhausted);
        assert!(refusal.retry.is_some_and(|retry| retry > Duration::ZERO), "{refusal:?}");
        assert!(!refusal.limits.is_empty(), "{refusal:?}");
    }
    let large = Refused::of(&wire.try_dispatch("c", "l", sized(2 << 20)).await.unwrap_err());
    let unknown = refused(wire.call().get_channel(GetChannelRequest { channel: "no".into() })).await;
    for refusal in [large, unknown] {
        assert_eq!(refusal.retry, None, "{refusal:?}");
    }
}

#[tokio::test]
async fn an_item_of_a_batch_is_refused_as_a_call_of_its_own_would_be() {
    let (_server, wire) = listener().await;
    let request = BroadcastRequest { channel: "no".into(), message: Some(message("t")) };
    let alone = refused(wire.call().broadcast(request)).await;
    let item = error(&wire.batch(vec![broadcast("no", message("t"))]).await[0]);
    assert_eq!((alone.code, alone.reason, alone.message), (item.code, item.reason, item.message));
    assert_eq!(alone.metadata, item.metadata);
}

#[tokio::test]
async fn the_sdk_reads_all_of_it() {
    let (server, wire) = listener().await;
    wire.update("c", ChannelSettings { max_backlog_messages: Some(1), ..Default::default() }).await;
    let client = server.client();
    client.dispatch("c", "l", Message::new("t")).await.unwrap();
    let error = client.dispatch("c", "l", Message::new("t")).await.unwrap_err();
    assert_eq!((error.code(), error.reason()), (Some(Code::ResourceExhausted), Some("BACKLOG_FULL")));
    assert!(error.retryable() && !error.outcome_unknown());
    let failure = error.failure().unwrap();
    assert_eq!((failure.metadata["channel"].as_str(), failure.metadata["listener"].as_str()), ("c", "l"));
    assert_eq!(failure.metadata["incarnation"], wire.server().await.incarnation);
    assert!(!failure.limits.is_empty() && failure.retry_after.is_some() && !failure.unsent);
    let error = client.dispatch("c", "l", Message::new("")).await.unwrap_err();
    assert_eq!(error.failure().unwrap().violations[0].subject, "message.type");
    assert!(!error.retryable());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_from_one_that_refuses() {
    let server = TestServer::start();
    let (url, address) = (server.url(), server.address());
    drop(server);
    let client = eric::client::Client::builder(url).repeat_for(Duration::ZERO).connect().unwrap();
    let error = crate::support::within(client.server()).await.unwrap_err();
    assert!(matches!(&error, Error::Call(failure) if failure.unsent));
    assert!(error.retryable() && !error.outcome_unknown() && error.reason().is_none());
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn an_answer_without_an_error_has_no_details() {
    let server = TestServer::start();
    let answer = server.wire().await.call().get_server(GetServerRequest {}).await.unwrap();
    assert!(answer.metadata().get("grpc-status-details-bin").is_none());
}
