//! The socket speaks the protocol of `eric-sse`, over the same channels as the other doors.

mod bad_input;
mod ends;
mod file;
mod reference;
mod streams;
mod verbs;
