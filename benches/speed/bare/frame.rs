//! A message that many streams send: built once, encoded by each.

use prost::{
    DecodeError, Message,
    bytes::{Buf, BufMut},
    encoding::{DecodeContext, WireType},
};
use std::sync::Arc;

/// Encodes as what it holds, so that a stream need not copy a message to send it.
#[derive(Clone, Debug)]
pub(crate) struct Shared<M>(pub(crate) Arc<M>);

impl<M: Message> Message for Shared<M> {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        self.0.encode_raw(buffer);
    }

    fn encoded_len(&self) -> usize {
        self.0.encoded_len()
    }

    fn merge_field(
        &mut self,
        _: u32,
        _: WireType,
        _: &mut impl Buf,
        _: DecodeContext,
    ) -> Result<(), DecodeError> {
        unreachable!("a response is only ever encoded here")
    }

    fn clear(&mut self) {
        unreachable!("a response is only ever encoded here")
    }
}
