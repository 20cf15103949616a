//! The one table that says in the words of `google.rpc` why a call was not done.
//!
//! Every error carries `google.rpc.ErrorInfo` with the domain `eric` and a stable reason; who is at fault, which limit
//! was reached and when to try again stand in the details that `google.rpc` has for it.
//! Source: <https://google.aip.dev/193>.

use crate::{
    error::{Error, Limit},
    hub::Incarnation,
    id::InvalidId,
    log::LogError,
    message::{Fault, InvalidMessage},
};
use std::{collections::HashMap, time::Duration};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt, pb};

pub(crate) const DOMAIN: &str = "eric";
/// When trying again may help: about when somebody will have read or written something.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a call was not done, before it is put on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) violations: Vec<Violation>,
    pub(crate) quota: Option<&'static str>,
    pub(crate) retry: bool,
    pub(crate) metadata: Vec<(&'static str, String)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) field: String,
    pub(crate) description: String,
}

impl Refusal {
    fn new(code: Code, reason: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        let (violations, metadata) = (Vec::new(), Vec::new());
        Self { code, reason, message, violations, quota: None, retry: false, metadata }
    }

    fn at(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        self.violations.push(Violation { field: field.into(), description: description.into() });
        self
    }

    fn with(mut self, key: &'static str, value: String) -> Self {
        self.metadata.push((key, value));
        self
    }

    fn over(mut self, quota: &'static str) -> Self {
        self.quota = Some(quota);
        self
    }

    fn retry(mut self) -> Self {
        self.retry = true;
        self
    }

    /// Bytes that are no protobuf.
    pub(crate) fn malformed(name: &str) -> Self {
        let message = format!("the request's bytes are no {name}");
        Self::new(Code::InvalidArgument, "INVALID_MESSAGE", &message).at("request", &message)
    }

    /// Whether tonic has refused a request beyond what the server reads: OUT_OF_RANGE as it came, or RESOURCE_EXHAUSTED once
    /// it was unpacked. Ours have details.
    pub(crate) fn by_size(status: &Status) -> bool {
        matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted) && status.details().is_empty()
    }

    /// A request beyond what the server reads.
    pub(crate) fn request_too_large() -> Self {
        let message = "the request is larger than a batch may be";
        Self::new(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", message)
            .at("request", message)
            .over("max_batch_bytes")
    }

    /// An id that breaks the rule of ids.
    pub(crate) fn id(field: &str, invalid: InvalidId) -> Self {
        Self::new(Code::InvalidArgument, "INVALID_ID", format!("{field}: {invalid}"))
            .at(field, invalid.to_string())
    }

    /// A field that must be there.
    pub(crate) fn missing(field: &str) -> Self {
        Self::new(Code::InvalidArgument, "INVALID_MESSAGE", format!("{field} is missing"))
            .at(field, "it is required")
    }

    /// A value that is not allowed.
    pub(crate) fn setting(field: &str, description: impl Into<String>) -> Self {
        let description = description.into();
        Self::new(Code::InvalidArgument, "INVALID_SETTING", format!("{field}: {description}"))
            .at(field, description)
    }

    /// Several of them at once.
    pub(crate) fn settings(violations: Vec<Violation>) -> Self {
        let told: Vec<_> =
            violations.iter().map(|fault| format!("{}: {}", fault.field, fault.description)).collect();
        let refusal = Self::new(Code::InvalidArgument, "INVALID_SETTING", told.join("; "));
        Self { violations, ..refusal }
    }

    pub(crate) fn page_token() -> Self {
        let message = "the text is no page token of this list";
        Self::new(Code::InvalidArgument, "INVALID_PAGE_TOKEN", message).at("page_token", message)
    }

    pub(crate) fn batch_too_large(quota: &'static str, limit: usize) -> Self {
        let message = format!("the batch is larger than {quota}, which is {limit}");
        Self::new(Code::InvalidArgument, "BATCH_TOO_LARGE", &message).at("publications", &message).over(quota)
    }

    /// What stood behind an error in a batch that stops at the first.
    pub(crate) fn preceding_failed() -> Self {
        Self::new(Code::Aborted, "PRECEDING_FAILED", "an earlier publication of the batch was not accepted")
    }

    /// A message that is none; `place` is the field it stands in.
    pub(crate) fn message(place: &str, invalid: InvalidMessage) -> Self {
        let field =
            if invalid.field.is_empty() { place.to_owned() } else { format!("{place}.{}", invalid.field) };
        let told = format!("{field}: {}", invalid.description);
        match invalid.fault {
            Fault::Rule => {
                Self::new(Code::InvalidArgument, "INVALID_MESSAGE", told).at(field, invalid.description)
            }
            Fault::TooLarge(_) => Self::new(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", told)
                .at(field, invalid.description)
                .over("max_payload_bytes"),
        }
    }

    /// The refusal with its fields named as parts of another.
    pub(crate) fn within(mut self, place: &str) -> Self {
        for violation in &mut self.violations {
            violation.field = format!("{place}.{}", violation.field);
        }
        self
    }

    /// The refusal with another field at fault where it names this one.
    pub(crate) fn naming(mut self, field: &str, instead_of: &str) -> Self {
        for violation in self.violations.iter_mut().filter(|violation| violation.field == instead_of) {
            field.clone_into(&mut violation.field);
        }
        self
    }

    /// As a status with its details; of which start of a server, where one is at work already.
    pub(crate) fn into_status(self, incarnation: Option<Incarnation>) -> Status {
        let details = self.details(incarnation);
        Status::with_error_details(self.code, self.message, details)
    }

    /// As a status that stands in a message.
    pub(crate) fn into_pb(self, incarnation: Incarnation) -> pb::Status {
        let status = self.into_status(Some(incarnation));
        prost::Message::decode(status.details()).unwrap_or_default()
    }

    fn details(&self, incarnation: Option<Incarnation>) -> ErrorDetails {
        let mut metadata: HashMap<String, String> =
            self.metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        if let Some(incarnation) = incarnation {
            metadata.insert("incarnation".to_owned(), incarnation.to_string());
        }
        let mut details = ErrorDetails::with_error_info(self.reason, DOMAIN, metadata);
        for violation in &self.violations {
            details.add_bad_request_violation(&violation.field, &violation.description);
        }
        if let Some(quota) = self.quota {
            details.add_quota_failure_violation(quota, &self.message);
        }
        if self.retry {
            details.set_retry_info(Some(RETRY_AFTER));
        }
        details
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let told = error.to_string();
        match error {
            Error::ChannelNotFound { channel } => {
                Self::new(Code::NotFound, "CHANNEL_NOT_FOUND", told).with("channel", channel)
            }
            Error::ChannelRemoved { channel } => {
                Self::new(Code::NotFound, "CHANNEL_REMOVED", told).with("channel", channel)
            }
            Error::ChannelExists { channel } => {
                Self::new(Code::AlreadyExists, "CHANNEL_ALREADY_EXISTS", told).with("channel", channel)
            }
            Error::ListenerNotFound { channel, listener } => {
                of_listener(Code::NotFound, "LISTENER_NOT_FOUND", told, channel, listener)
            }
            Error::ListenerRemoved { channel, listener } => {
                of_listener(Code::NotFound, "LISTENER_REMOVED", told, channel, listener)
            }
            Error::ListenerExists { channel, listener } => {
                of_listener(Code::AlreadyExists, "LISTENER_ALREADY_EXISTS", told, channel, listener)
            }
            Error::ListenerTakenOver { channel, listener } => {
                of_listener(Code::Aborted, "LISTENER_TAKEN_OVER", told, channel, listener)
            }
            Error::ListenerExpired { channel, listener } => {
                of_listener(Code::NotFound, "LISTENER_EXPIRED", told, channel, listener)
            }
            Error::ListenerStopped { channel, listener } => {
                of_listener(Code::FailedPrecondition, "LISTENER_STOPPED", told, channel, listener)
            }
            Error::OtherLife { channel, listener } => {
                of_listener(Code::FailedPrecondition, "OTHER_LIFE", told, channel, listener)
            }
            Error::InUse { channel, listener, .. } => {
                of_listener(Code::FailedPrecondition, "IN_USE", told, channel, listener)
            }
            Error::NotDelivered { delivered } => Self::new(Code::FailedPrecondition, "NOT_DELIVERED", told)
                .with("delivered", delivered.to_string()),
            Error::NotOutstanding { sequence } => {
                Self::new(Code::FailedPrecondition, "NOT_OUTSTANDING", told)
                    .with("sequence", sequence.to_string())
            }
            Error::StaleGeneration { generation } => {
                Self::new(Code::FailedPrecondition, "STALE_GENERATION", told)
                    .with("generation", generation.to_string())
            }
            Error::NotExplicit { channel, listener } => {
                of_listener(Code::InvalidArgument, "NOT_EXPLICIT", told.clone(), channel, listener)
                    .at("credit", told)
            }
            Error::StreamNotFound { stream } => {
                Self::new(Code::NotFound, "STREAM_NOT_FOUND", told).with("stream", stream)
            }
            Error::SubscriptionNotFound { subscription } => {
                Self::new(Code::NotFound, "SUBSCRIPTION_NOT_FOUND", told)
                    .with("subscription", subscription.to_string())
            }
            Error::BacklogFull { channel, listener, max_messages, max_bytes } => {
                of_listener(Code::ResourceExhausted, "BACKLOG_FULL", told, channel, listener)
                    .with("max_backlog_messages", max_messages.to_string())
                    .with("max_backlog_bytes", max_bytes.to_string())
                    .over("max_backlog_messages, max_backlog_bytes")
                    .retry()
            }
            Error::LimitReached { limit, value } => limit_reached(limit, value, told),
            Error::ResumeTokenInvalid => {
                Self::new(Code::InvalidArgument, "RESUME_TOKEN_INVALID", &told).at("resume_token", told)
            }
            Error::ResumeTokenAhead => {
                Self::new(Code::FailedPrecondition, "RESUME_TOKEN_AHEAD", &told).at("resume_token", told)
            }
            Error::InvalidSetting { field, description } => Self::setting(field, description),
            Error::ShuttingDown => Self::new(Code::Unavailable, "SHUTTING_DOWN", told).retry(),
            Error::Log(LogError::Unavailable) | Error::NotSafeYet { .. } => {
                Self::new(Code::Unavailable, "LOG_UNAVAILABLE", told).retry()
            }
            Error::Log(LogError::Corrupt) => Self::new(Code::Internal, "LOG_CORRUPT", told),
        }
    }
}

fn of_listener(code: Code, reason: &'static str, told: String, channel: String, listener: String) -> Refusal {
    Refusal::new(code, reason, told).with("channel", channel).with("listener", listener)
}

fn limit_reached(limit: Limit, value: u64, told: String) -> Refusal {
    let reason = match limit {
        Limit::Channels => "CHANNEL_LIMIT",
        Limit::Listeners => "LISTENER_LIMIT",
        Limit::Streams => "STREAM_LIMIT",
        Limit::Subscriptions => "SUBSCRIPTION_LIMIT",
        Limit::LogBytes => "LOG_FULL",
    };
    Refusal::new(Code::ResourceExhausted, reason, told)
        .with("limit", limit.setting().to_owned())
        .with("value", value.to_string())
        .over(limit.setting())
        .retry()
}
