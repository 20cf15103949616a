//! What a message says, for those who write one and those who read one.

mod message;
mod value;

pub use message::{Message, Payload};
