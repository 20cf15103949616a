//! The stable reasons that a program may match [`Error::reason`](super::Error::reason) against.
//!
//! ```
//! # fn example(error: eric::client::Error) {
//! use eric::client::reason;
//!
//! match error.reason() {
//!     Some(reason::STALE_GENERATION) => println!("it comes again"),
//!     Some(reason::LISTENER_TAKEN_OVER) => println!("another stream has the listener"),
//!     _ => println!("{error}"),
//! }
//! # }
//! ```

/// Acknowledged or rejected is only what was delivered.
pub const NOT_DELIVERED: &str = "NOT_DELIVERED";
/// Rejected or extended is only what is delivered, and neither acknowledged nor gone.
pub const NOT_OUTSTANDING: &str = "NOT_OUTSTANDING";
/// The listener was rewound since: the delivery comes again, or came again already.
pub const STALE_GENERATION: &str = "STALE_GENERATION";
/// The delivery is of another start of the server, or of a listener that was removed since.
pub const OTHER_LIFE: &str = "OTHER_LIFE";
/// The listener acknowledges automatically.
pub const NOT_EXPLICIT: &str = "NOT_EXPLICIT";
/// There is no such channel.
pub const CHANNEL_NOT_FOUND: &str = "CHANNEL_NOT_FOUND";
/// The channel was removed a short time ago.
pub const CHANNEL_REMOVED: &str = "CHANNEL_REMOVED";
/// There is a channel of this id.
pub const CHANNEL_ALREADY_EXISTS: &str = "CHANNEL_ALREADY_EXISTS";
/// There is no such listener.
pub const LISTENER_NOT_FOUND: &str = "LISTENER_NOT_FOUND";
/// The listener was removed a short time ago.
pub const LISTENER_REMOVED: &str = "LISTENER_REMOVED";
/// The listener was removed because nobody received for its `idle_timeout`.
pub const LISTENER_EXPIRED: &str = "LISTENER_EXPIRED";
/// There is a listener of this id.
pub const LISTENER_ALREADY_EXISTS: &str = "LISTENER_ALREADY_EXISTS";
/// Another stream took the listener over.
pub const LISTENER_TAKEN_OVER: &str = "LISTENER_TAKEN_OVER";
/// There is no such stream any more.
pub const STREAM_NOT_FOUND: &str = "STREAM_NOT_FOUND";
/// A dead letter listener is not removed while its channel names it.
pub const IN_USE: &str = "IN_USE";
/// The listener's backlog has no room for the message.
pub const BACKLOG_FULL: &str = "BACKLOG_FULL";
/// The server's log has no room for the message.
pub const LOG_FULL: &str = "LOG_FULL";
/// The server's log cannot write now.
pub const LOG_UNAVAILABLE: &str = "LOG_UNAVAILABLE";
/// The message is larger than what the server takes.
pub const MESSAGE_TOO_LARGE: &str = "MESSAGE_TOO_LARGE";
/// A message breaks a rule; the violations name its fields.
pub const INVALID_MESSAGE: &str = "INVALID_MESSAGE";
/// A setting is out of its range; the violations name it.
pub const INVALID_SETTING: &str = "INVALID_SETTING";
/// An id breaks the rule of ids.
pub const INVALID_ID: &str = "INVALID_ID";
/// The text is no resume token.
pub const RESUME_TOKEN_INVALID: &str = "RESUME_TOKEN_INVALID";
/// The resume token is ahead of the newest message.
pub const RESUME_TOKEN_AHEAD: &str = "RESUME_TOKEN_AHEAD";
/// The server is about to stop.
pub const SHUTTING_DOWN: &str = "SHUTTING_DOWN";
/// The server's release does not have it.
pub const NOT_IMPLEMENTED: &str = "NOT_IMPLEMENTED";
