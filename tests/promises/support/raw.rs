//! Calls whose messages are bytes, for what no generated client would send or show.

use super::within;
use bytes::{Buf as _, BufMut as _, Bytes};
use futures_util::{Stream, stream};
use http::uri::PathAndQuery;
use prost::encoding::encode_varint;
use tonic::{
    Request, Response, Status, Streaming,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

fn path(verb: &str) -> PathAndQuery {
    format!("/eric.v1.DispatcherService/{verb}").parse().expect("a verb is a word")
}

async fn grpc(channel: &Channel) -> Grpc<Channel> {
    let mut grpc = Grpc::new(channel.clone()).max_decoding_message_size(64 << 20);
    within(grpc.ready()).await.expect("the connection is open");
    grpc
}

pub(crate) async fn unary(channel: &Channel, verb: &str, request: Bytes) -> Result<Response<Bytes>, Status> {
    within(grpc(channel).await.unary(Request::new(request), path(verb), Raw)).await
}

pub(crate) async fn server_stream(
    channel: &Channel,
    verb: &str,
    request: Bytes,
) -> Result<Streaming<Bytes>, Status> {
    let mut grpc = grpc(channel).await;
    within(grpc.server_streaming(Request::new(request), path(verb), Raw)).await.map(Response::into_inner)
}

pub(crate) async fn publish(channel: &Channel, requests: Vec<Bytes>) -> Result<Streaming<Bytes>, Status> {
    publish_from(channel, stream::iter(requests)).await
}

pub(crate) async fn publish_from(
    channel: &Channel,
    requests: impl Stream<Item = Bytes> + Send + 'static,
) -> Result<Streaming<Bytes>, Status> {
    let mut grpc = grpc(channel).await;
    within(grpc.streaming(Request::new(requests), path("Publish"), Raw)).await.map(Response::into_inner)
}

/// A length-delimited field.
pub(crate) fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    encode_varint(number << 3 | 2, &mut field);
    encode_varint(bytes.len() as u64, &mut field);
    field.extend(bytes);
    field
}
