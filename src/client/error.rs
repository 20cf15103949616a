//! What can go wrong with a call or a stream, as a value that a program can decide by.

use super::Code;
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};

/// What a verb of [`Client`](super::Client) answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call, a stream or a payload failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server refused the call, or the call failed on its way there or back.
    #[error(transparent)]
    Call(Box<Failure>),
    /// [`deliver_next`](super::Client::deliver_next) found nothing that waits.
    #[error("no message waits for listener {listener:?} of channel {channel:?}")]
    NoMessages {
        /// The channel's id.
        channel: String,
        /// The listener's id.
        listener: String,
    },
    /// The client cannot be built as asked: the endpoint is no URI, or its scheme is not served.
    #[error("endpoint {endpoint:?} cannot be used: {cause}")]
    Endpoint {
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The server's answer does not hold what the contract promises.
    #[error("the server broke the contract: {0}")]
    Contract(&'static str),
    /// A payload could not be written as JSON, or not read as what was asked for.
    #[error("payload: {0}")]
    Payload(Arc<serde_json::Error>),
    /// The publisher's task is gone: its runtime was shut down.
    #[error("the publisher has ended")]
    Ended,
}

/// A call that did not end with OK.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Failure {
    /// The gRPC status code.
    pub code: Code,
    /// The stable reason, as `CHANNEL_NOT_FOUND`; empty where the failure is not of the server's making.
    pub reason: String,
    /// What is so, for people.
    pub message: String,
    /// The ids concerned and the server's `incarnation`.
    pub metadata: BTreeMap<String, String>,
    /// Each field that is at fault.
    pub violations: Vec<Violation>,
    /// Each limit that was passed.
    pub limits: Vec<Violation>,
    /// When the server says that trying again may help.
    pub retry_after: Option<Duration>,
    /// No connection could be made: the request never left.
    pub unsent: bool,
}

/// A field or a limit, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field's path, as `settings.max_backlog_messages`, or what the limit is on.
    pub subject: String,
    /// What is so.
    pub description: String,
}

impl Error {
    /// The call's gRPC code, where a call failed.
    pub fn code(&self) -> Option<Code> {
        self.failure().map(|failure| failure.code)
    }

    /// The server's stable reason (`google.rpc.ErrorInfo`, domain `eric`), as `LISTENER_TAKEN_OVER`: see
    /// [`reason`](super::reason).
    pub fn reason(&self) -> Option<&str> {
        self.failure().map(|failure| failure.reason.as_str()).filter(|reason| !reason.is_empty())
    }

    /// All that is known of a failed call.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Error::Call(failure) => Some(failure),
            Error::NoMessages { .. }
            | Error::Endpoint { .. }
            | Error::Contract(_)
            | Error::Payload(_)
            | Error::Ended => None,
        }
    }

    /// The same call may succeed later, with nothing changed by its caller.
    pub fn retryable(&self) -> bool {
        self.failure().is_some_and(|failure| {
            failure.retry_after.is_some()
                || matches!(failure.code, Code::Unavailable | Code::DeadlineExceeded)
        })
    }

    /// A message sent by this call may have been accepted all the same. Otherwise it was not.
    pub fn outcome_unknown(&self) -> bool {
        self.failure().is_some_and(|failure| !failure.unsent && failure.code_leaves_it_open())
    }

    /// What the client knows without asking, in the words of the server.
    pub(super) fn refused(code: Code, reason: &str, told: &str) -> Self {
        let details = ErrorDetails::with_error_info(reason, "eric", []);
        Self::from(Status::with_error_details(code, told, details))
    }

    /// The request left with an earlier attempt, whose outcome nobody knows.
    pub(super) fn after_one_that_left_it_open(mut self) -> Self {
        if let Error::Call(failure) = &mut self {
            failure.unsent = false;
        }
        self
    }

    pub(super) fn deadline(after: Duration) -> Self {
        Self::from(Status::deadline_exceeded(format!("no answer within {after:?}")))
    }
}

impl Failure {
    /// The code as the contract spells it: `NOT_FOUND`.
    pub fn code_name(&self) -> String {
        let mut name = String::new();
        for letter in format!("{:?}", self.code).chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_uppercase());
        }
        name
    }

    fn code_leaves_it_open(&self) -> bool {
        matches!(
            self.code,
            Code::DeadlineExceeded | Code::Unavailable | Code::Cancelled | Code::Unknown | Code::Internal
        )
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reason.is_empty() {
            return write!(f, "{} ({})", self.message, self.code_name());
        }
        write!(f, "{} ({})", self.message, self.reason)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Error::Payload(Arc::new(error))
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Error::Call(Box::new(Failure::from(status)))
    }
}

impl From<tonic_types::pb::Status> for Error {
    /// What stands in an answer or a stream has the same details as the status of a call.
    fn from(status: tonic_types::pb::Status) -> Self {
        let details = prost::Message::encode_to_vec(&status);
        Status::with_details(Code::from_i32(status.code), status.message, details.into()).into()
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let unsent = caused_by::<tonic::ConnectError>(&status);
        let details = status.get_error_details();
        let (reason, metadata) = reason(&details);
        Failure {
            code: code(&status),
            reason,
            message: message(&status, unsent),
            metadata,
            violations: violations(&details),
            limits: limits(&details),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
            unsent,
        }
    }
}

/// What tonic says of its own clock and of its connection, in the terms of the contract: a deadline that
/// passed is no cancellation, and a connection that broke is no unknown error of the server's.
fn code(status: &Status) -> Code {
    if caused_by::<tonic::TimeoutExpired>(status) {
        return Code::DeadlineExceeded;
    }
    match matches!(status.code(), Code::Unknown | Code::Internal | Code::Cancelled) && is_broken(status) {
        true => Code::Unavailable,
        false => status.code(),
    }
}

fn is_broken(status: &Status) -> bool {
    caused_by::<tonic::transport::Error>(status) || caused_by::<hyper::Error>(status)
}

fn message(status: &Status, unsent: bool) -> String {
    match (unsent, status.message()) {
        (true, _) => root_cause(status),
        (false, _) if is_broken(status) => format!("the connection was lost: {}", root_cause(status)),
        (false, "") => status.code().description().to_owned(),
        (false, text) => text.to_owned(),
    }
}

/// Only what is said in our own domain is a reason: a proxy's may mean anything.
fn reason(details: &ErrorDetails) -> (String, BTreeMap<String, String>) {
    match details.error_info().filter(|info| info.domain == "eric") {
        Some(info) => (info.reason.clone(), info.metadata.clone().into_iter().collect()),
        None => Default::default(),
    }
}

fn violations(details: &ErrorDetails) -> Vec<Violation> {
    let fields = details.bad_request().into_iter().flat_map(|bad| &bad.field_violations);
    fields
        .map(|field| Violation { subject: field.field.clone(), description: field.description.clone() })
        .collect()
}

fn limits(details: &ErrorDetails) -> Vec<Violation> {
    let quotas = details.quota_failure().into_iter().flat_map(|quota| &quota.violations);
    quotas
        .map(|quota| Violation { subject: quota.subject.clone(), description: quota.description.clone() })
        .collect()
}

fn causes<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

fn caused_by<E: std::error::Error + 'static>(status: &Status) -> bool {
    causes(status).any(|cause| cause.is::<E>())
}

fn root_cause(status: &Status) -> String {
    causes(status).last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(domain: &str) -> Status {
        let mut details = ErrorDetails::new();
        details.set_error_info("CHANNEL_NOT_FOUND", domain, [("channel".to_owned(), "prices".to_owned())]);
        details.add_bad_request_violation("channel", "is not there");
        Status::with_error_details(Code::NotFound, "no channel \"prices\"", details)
    }

    #[test]
    fn a_refusal_tells_its_reason_and_its_ids() {
        let error = Error::from(refusal("eric"));
        assert_eq!(error.code(), Some(Code::NotFound));
        assert_eq!(error.reason(), Some("CHANNEL_NOT_FOUND"));
        assert_eq!(error.failure().unwrap().metadata["channel"], "prices");
        assert_eq!(error.failure().unwrap().violations[0].subject, "channel");
        assert_eq!(error.to_string(), "no channel \"prices\" (CHANNEL_NOT_FOUND)");
    }

    #[test]
    fn a_reason_of_another_domain_is_none() {
        assert_eq!(Error::from(refusal("proxy.example")).reason(), None);
    }

    #[test]
    fn a_status_within_an_answer_keeps_its_details() {
        let within = tonic_types::pb::Status {
            code: Code::NotFound as i32,
            message: "no channel \"prices\"".into(),
            details: prost::Message::decode(refusal("eric").details())
                .map(|status: tonic_types::pb::Status| status.details)
                .unwrap(),
        };
        assert_eq!(Error::from(within).reason(), Some("CHANNEL_NOT_FOUND"));
    }

    #[test]
    fn codes_have_their_names_of_the_contract() {
        let name = |code| Failure::from(Status::new(code, "")).code_name();
        let codes = [Code::NotFound, Code::ResourceExhausted, Code::Unavailable].map(name);
        assert_eq!(codes, ["NOT_FOUND", "RESOURCE_EXHAUSTED", "UNAVAILABLE"]);
    }

    #[test]
    fn only_what_leaves_the_outcome_open_says_so() {
        assert!(Error::from(Status::unavailable("")).outcome_unknown());
        assert!(Error::from(Status::internal("")).outcome_unknown());
        assert!(!Error::from(Status::resource_exhausted("")).outcome_unknown());
        assert!(!Error::Ended.outcome_unknown());
    }

    #[test]
    fn what_never_left_was_not_accepted() {
        let mut status = Status::unavailable("error trying to connect");
        status.set_source(Arc::new(tonic::ConnectError("refused".into())));
        let error = Error::from(status);
        assert!(error.retryable());
        assert!(!error.outcome_unknown());
    }
}
