//! The codec of the server's generated code: prost, with small buffers, and with an answer to bytes that are no
//! protobuf that says whose fault it is.

use crate::verbs::status::Refusal;
use prost::Message;
use std::{any::type_name, marker::PhantomData};
use tonic::{
    Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder},
};
use tonic_prost::ProstEncoder;

/// Requests and answers are small, and there are many calls at once; larger ones make their buffers grow.
const BUFFERS: (usize, usize) = (1024, 64 * 1024);

pub(crate) struct WireCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for WireCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for WireCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = WireDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(settings())
    }

    fn decoder(&mut self) -> Self::Decoder {
        WireDecoder(PhantomData)
    }
}

fn settings() -> BufferSettings {
    BufferSettings::new(BUFFERS.0, BUFFERS.1)
}

pub(crate) struct WireDecoder<U>(PhantomData<U>);

impl<U> Default for WireDecoder<U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<U: Message + Default> Decoder for WireDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        U::decode(bytes).map(Some).map_err(|_| {
            let name = type_name::<U>().rsplit("::").next().unwrap_or_default();
            Refusal::malformed(name).into_status(None)
        })
    }

    fn buffer_settings(&self) -> BufferSettings {
        settings()
    }
}
