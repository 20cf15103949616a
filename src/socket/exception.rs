//! Why something was not done, in the words of the reference: the one table of errors.
//!
//! An answer is the `repr` of the exception that `eric-sse` 2.1.1.2 raises. Its version 0.7.9 differs in one place: it
//! refuses the removal of a listener that is not there with the words of a dispatch to it.
//!
//! What the reference has no exception for is a `RepositoryError`, which it raises when a queue is full, or an
//! `InvalidMessageFormat`; what only Python's parsers say has their exception's name, and our words.

use super::{python::repr, value::Value};
use crate::{error::Error, hub::ListenerInfo, message::InvalidMessage};
use std::{fmt, str::Utf8Error, time::Duration};

/// An exception of the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exception {
    name: &'static str,
    /// As `repr` shows it.
    argument: Option<String>,
}

impl Exception {
    fn new(name: &'static str, text: &str) -> Self {
        Self { name, argument: Some(repr(text)) }
    }

    pub(super) fn no_channel(id: &str) -> Self {
        Self::new(CHANNEL, &format!("No channel with id {id}"))
    }

    pub(super) fn no_listener(id: &str) -> Self {
        Self::new(LISTENER, &format!("Invalid listener {id}"))
    }

    pub(super) fn invalid_listener(argument: Option<String>) -> Self {
        Self { name: LISTENER, argument }
    }

    /// Nothing here can acknowledge.
    pub(super) fn acknowledges(listener: &ListenerInfo) -> Self {
        let ListenerInfo { channel, id, .. } = listener;
        let told = format!("listener {id:?} of channel {channel:?} acknowledges, which this protocol cannot");
        Self::new(LISTENER, &told)
    }

    /// Shows the request to whoever sent it.
    pub(super) fn invalid_format(request: &str) -> Self {
        Self::new(FORMAT, request)
    }

    pub(super) fn request_too_large(most: usize) -> Self {
        Self::new(FORMAT, &format!("a request has at most {most} bytes"))
    }

    pub(super) fn invalid_message(invalid: &InvalidMessage) -> Self {
        Self::new(FORMAT, &invalid.to_string())
    }

    pub(super) fn no_end_of_input(patience: Duration) -> Self {
        let told = format!("no end of input within {}", humantime::format_duration(patience));
        Self::new("TimeoutError", &told)
    }

    pub(super) fn not_utf8(error: &Utf8Error) -> Self {
        Self::new("UnicodeDecodeError", &error.to_string())
    }

    pub(super) fn no_json(error: &serde_json::Error, text: &str) -> Self {
        let told = error.to_string();
        let (words, _) = told.rsplit_once(" at line ").unwrap_or((&told, ""));
        let (line, column) = (error.line(), error.column().max(1));
        let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let place = before + column - 1;
        Self::new("JSONDecodeError", &format!("{words}: line {line} column {column} (char {place})"))
    }

    /// Something else than an object was looked into for its verb.
    pub(super) fn no_object(found: &Value<'_>) -> Self {
        let told = match found {
            Value::List => "list indices must be integers or slices, not str".to_owned(),
            Value::Text(_) => "string indices must be integers, not 'str'".to_owned(),
            Value::None | Value::Bool(_) | Value::Number(_) | Value::Dict => {
                format!("'{}' object is not subscriptable", found.type_name())
            }
        };
        Self::new("TypeError", &told)
    }

    /// Where a value is to be looked up by.
    pub(super) fn unless_hashable(value: &Value<'_>) -> Result<(), Self> {
        let unhashable = || Self::new("TypeError", &format!("unhashable type: '{}'", value.type_name()));
        if value.hashable() { Ok(()) } else { Err(unhashable()) }
    }

    pub(super) fn type_is_no_text() -> Self {
        Self::new(FORMAT, "type: a type is text")
    }

    /// What the hub says; what it says of a listener that is not there depends on the verb.
    pub(super) fn of(error: &Error, no_listener: impl FnOnce() -> Self) -> Self {
        let told = error.to_string();
        match error {
            Error::ChannelNotFound { channel } | Error::ChannelRemoved { channel } => {
                Self::no_channel(channel)
            }
            Error::ChannelExists { channel } => {
                Self::new(CHANNEL, &format!("Channel with id {channel} already exists"))
            }
            Error::ListenerNotFound { .. }
            | Error::ListenerRemoved { .. }
            | Error::ListenerExpired { .. } => no_listener(),
            Error::ListenerExists { .. }
            | Error::ListenerTakenOver { .. }
            | Error::ListenerStopped { .. }
            | Error::InUse { .. }
            | Error::NotExplicit { .. }
            | Error::OtherLife { .. } => Self::new(LISTENER, &told),
            Error::BacklogFull { .. }
            | Error::LimitReached { .. }
            | Error::ShuttingDown
            | Error::Log(_)
            | Error::NotSafeYet { .. }
            | Error::NotDelivered { .. }
            | Error::NotOutstanding { .. }
            | Error::StaleGeneration { .. }
            | Error::StreamNotFound { .. }
            | Error::SubscriptionNotFound { .. }
            | Error::ResumeTokenInvalid
            | Error::ResumeTokenAhead
            | Error::InvalidSetting { .. } => Self::new(REPOSITORY, &told),
        }
    }
}

const CHANNEL: &str = "InvalidChannelException";
const LISTENER: &str = "InvalidListenerException";
const FORMAT: &str = "InvalidMessageFormat";
const REPOSITORY: &str = "RepositoryError";

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, self.argument.as_deref().unwrap_or_default())
    }
}
