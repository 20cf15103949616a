//! Bytes that no generated client would send, and bytes that a later one would.

use super::*;
use crate::support::{
    message::sized,
    raw::{self, field},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use prost::Message as _;
use tonic::Streaming;

/// The bytes of a message with its payload twice, which no generated client would send.
fn twice(first: Payload, second: Payload) -> Vec<u8> {
    let half = |payload| Message { payload: Some(payload), ..Message::default() }.encode_to_vec();
    [message("t").encode_to_vec(), half(first), half(second)].concat()
}

fn raw_dispatch(message: &[u8]) -> Bytes {
    [field(1, b"c"), field(2, b"l"), field(3, message)].concat().into()
}

fn raw_batch(message: &[u8]) -> Bytes {
    field(1, &[field(1, b"c"), field(2, b"l"), field(4, message)].concat()).into()
}

#[tokio::test]
async fn a_message_with_its_payload_twice_is_refused() {
    let (_server, wire) = listener().await;
    let value = Payload::Value(prost_types::Value::from(1.0));
    let text = Payload::Json("1".into());
    for (first, second) in [(text.clone(), text.clone()), (value.clone(), value.clone()), (text, value)] {
        let request = raw_dispatch(&twice(first, second));
        let refusal = opening(raw::unary(&wire.channel, "Dispatch", request).await);
        refusal.is(Code::InvalidArgument, "INVALID_MESSAGE", &["message.payload"]);
    }
    unharmed(&wire).await;
}

const NO_PROTOBUF: [&[u8]; 5] = [b"\xff", b"hello", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x05ab", b"\x00\x00"];

#[tokio::test]
async fn bytes_that_are_no_protobuf_are_refused_by_every_verb() {
    let (_server, wire) = listener().await;
    for bytes in NO_PROTOBUF {
        for verb in
            ["CreateChannel", "GetChannel", "Register", "Dispatch", "Broadcast", "PublishBatch", "Pull"]
        {
            let answer = raw::unary(&wire.channel, verb, Bytes::from_static(bytes)).await;
            opening(answer).is(Code::InvalidArgument, "INVALID_MESSAGE", &["request"]);
        }
        for verb in ["Listen", "Watch"] {
            let opened = raw::server_stream(&wire.channel, verb, Bytes::from_static(bytes)).await;
            opening(opened).is(Code::InvalidArgument, "INVALID_MESSAGE", &["request"]);
        }
    }
    unharmed(&wire).await;
}

#[tokio::test]
async fn a_message_that_is_no_protobuf_is_refused_as_a_message() {
    let (_server, wire) = listener().await;
    for bytes in NO_PROTOBUF {
        let answer = raw::unary(&wire.channel, "Dispatch", raw_dispatch(bytes)).await;
        opening(answer).is(Code::InvalidArgument, "INVALID_MESSAGE", &["message"]);
    }
    // the same field of another wire type
    let number = [&[2 << 3][..], &[1]].concat();
    let answer = raw::unary(&wire.channel, "Dispatch", raw_dispatch(&number)).await;
    opening(answer).is(Code::InvalidArgument, "INVALID_MESSAGE", &["message.type"]);
    unharmed(&wire).await;
}

async fn next_raw(answers: &mut Streaming<Bytes>) -> Result<PublishResponse, Status> {
    let answer = within(answers.message()).await?.expect("it is answered");
    Ok(PublishResponse::decode(answer).expect("the server sends protobuf"))
}

#[tokio::test]
async fn a_message_that_is_no_protobuf_leaves_its_publish_stream_alone() {
    let (_server, wire) = listener().await;
    let good: Bytes =
        PublishRequest { publications: vec![publication("c", "l", numbered(1))], stop_at_error: false }
            .encode_to_vec()
            .into();
    let bad = raw_batch(b"hello");
    let requests = vec![good.clone(), bad, good];
    let mut answers = raw::publish(&wire.channel, requests).await.unwrap();
    receipt(&next_raw(&mut answers).await.unwrap().results[0]);
    let refusal = error(&next_raw(&mut answers).await.unwrap().results[0]);
    refusal.is(Code::InvalidArgument, "INVALID_MESSAGE", &["publications[0].message"]);
    receipt(&next_raw(&mut answers).await.unwrap().results[0]);
    assert_eq!(numbers(&wire.listen("c", "l").await.take(2).await), [1, 1]);
}

#[tokio::test]
async fn bytes_that_are_no_protobuf_end_their_publish_stream_behind_the_answers_before_them() {
    let (_server, wire) = listener().await;
    let good: Bytes =
        PublishRequest { publications: vec![publication("c", "l", numbered(1))], stop_at_error: false }
            .encode_to_vec()
            .into();
    for bytes in NO_PROTOBUF {
        let requests = vec![good.clone(), Bytes::from_static(bytes), good.clone()];
        let mut answers = raw::publish(&wire.channel, requests).await.unwrap();
        receipt(&next_raw(&mut answers).await.unwrap().results[0]);
        let refusal = Refused::of(&next_raw(&mut answers).await.unwrap_err());
        refusal.is(Code::InvalidArgument, "INVALID_MESSAGE", &["request"]);
        assert_eq!(wire.pull("c", "l", 10).await.0.deliveries.len(), 1);
    }
    unharmed(&wire).await;
}

#[tokio::test]
async fn a_request_that_is_far_too_large_ends_its_publish_stream_and_no_other() {
    let (_server, wire) = listener().await;
    let batch =
        |message| PublishRequest { publications: vec![publication("c", "l", message)], stop_at_error: false };
    let mut other = wire.publish(stream::iter([batch(numbered(1))]).chain(stream::pending())).await;
    let mut answers = wire.publish(stream::iter([batch(numbered(2)), batch(sized(6 << 20))])).await;
    receipt(&within(answers.message()).await.unwrap().unwrap().results[0]);
    let refusal = Refused::of(&within(answers.message()).await.unwrap_err());
    refusal.is(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", &["request"]).limit("max_batch_bytes");
    receipt(&within(other.message()).await.unwrap().unwrap().results[0]);
    wire.still_answers().await;
}

#[tokio::test]
async fn what_a_message_has_beyond_the_contract_arrives_byte_for_byte() {
    let (_server, wire) = listener().await;
    let known = Message {
        sender_id: "me".into(),
        attributes: [("k".to_owned(), "v".to_owned())].into(),
        payload: Some(Payload::Json("{ \"a\" : 1.50 }".into())),
        ..message("t")
    };
    // unknown fields of every wire type, before, behind and in the middle
    let varint = [&[0x98, 0x06][..], &[0x96, 0x01]].concat();
    let fixed = [&[0xa1, 0x06][..], &1_u64.to_le_bytes()].concat();
    let with_id = |id: &str| {
        let known = Message { id: id.into(), ..known.clone() }.encode_to_vec();
        [varint.clone(), known, field(15, b"unknown"), fixed.clone(), field(1000, &[0; 300])].concat()
    };
    let messages = ["mine", "mine-too"].map(with_id);
    let mut delivered = raw_listen(&wire).await;
    raw::unary(&wire.channel, "Dispatch", raw_dispatch(&messages[0])).await.unwrap();
    let mut answers = raw::publish(&wire.channel, vec![raw_batch(&messages[1])]).await.unwrap();
    next_raw(&mut answers).await.unwrap();
    for message in &messages {
        let part = within(delivered.message()).await.unwrap().unwrap();
        assert!(contains(&part, message), "the bytes of a message are kept");
    }
    drop(delivered);

    // an id is appended where there is none, and nothing else
    let message = [known.encode_to_vec(), field(15, b"unknown")].concat();
    let receipt = raw::unary(&wire.channel, "Dispatch", raw_dispatch(&message)).await.unwrap().into_inner();
    let receipt = DispatchResponse::decode(receipt).unwrap().receipt.unwrap();
    let answer = raw::unary(&wire.channel, "Pull", pull("c", "l").encode_to_vec().into()).await.unwrap();
    let expected = [message, field(1, receipt.message_id.as_bytes())].concat();
    assert!(contains(&answer.into_inner(), &field(1, &expected)));
}

/// A stream whose first part was read.
async fn raw_listen(wire: &Wire) -> Streaming<Bytes> {
    let request = ListenRequest { subscriptions: vec![subscription("c", "l", "")], max_response_bytes: 0 };
    let opened = raw::server_stream(&wire.channel, "Listen", request.encode_to_vec().into()).await;
    let mut parts = opened.expect("the stream opens");
    within(parts.message()).await.expect("it goes on").expect("it says that it is open");
    parts
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
