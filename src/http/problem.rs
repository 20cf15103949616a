//! Why a request was not done, as `application/problem+json`.
//!
//! Sources: RFC 9457; <https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto> for the statuses.

use crate::{
    hub::Incarnation,
    verbs::{
        self,
        status::{DOMAIN, RETRY_AFTER, Refusal},
    },
};
use axum::{body::Body, response::Response};
use http::{
    HeaderValue, Method, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER as RETRY_AFTER_HEADER},
};
use serde::Serialize;
use std::collections::BTreeMap;
use tonic::Code;

/// Nothing that a client sent is repeated to him beyond this.
const MAX_TOLD_CHARS: usize = 128;
/// No words are longer, in bytes: what a client sent may stand among them.
const MAX_DETAIL: usize = 1024;
/// Of what is wrong so many are told: more than any request has fields that can be so, but for lists of them.
const MAX_VIOLATIONS: usize = 32;

/// Why a request was not done.
#[derive(Debug)]
pub(super) struct Problem(Box<Told>);

/// What its JSON says.
#[derive(Debug, Serialize)]
struct Told {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    reason: &'static str,
    domain: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<Violation>,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Violation {
    field: String,
    description: String,
}

impl Problem {
    fn new(status: StatusCode, reason: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Told {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Client Closed Request"),
            status: status.as_u16(),
            detail: detail.into(),
            reason,
            domain: DOMAIN,
            metadata: BTreeMap::new(),
            violations: Vec::new(),
            retry_after: None,
        }))
    }

    pub(super) fn no_path(path: &str) -> Self {
        let path: String = path.chars().take(MAX_TOLD_CHARS).collect();
        Self::new(StatusCode::NOT_FOUND, "NO_SUCH_PATH", format!("nothing is served at {path:?}"))
    }

    pub(super) fn method(method: &Method) -> Self {
        let method: String = method.as_str().chars().take(MAX_TOLD_CHARS).collect();
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            format!("{method} is not for this path"),
        )
    }

    pub(super) fn origin() -> Self {
        let detail = "the request comes from a page of another origin, which cors_origin does not name";
        Self::new(StatusCode::FORBIDDEN, "ORIGIN_NOT_ALLOWED", detail)
    }

    /// A name leads here that is not this machine's.
    pub(super) fn host() -> Self {
        let detail =
            "the request is for a host that is not this machine, and of no origin that cors_origin names";
        Self::new(StatusCode::FORBIDDEN, "ORIGIN_NOT_ALLOWED", detail)
    }

    pub(super) fn media_type() -> Self {
        let detail = "the body of a request is application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", detail)
    }

    /// The parser's words, which may repeat a text of megabytes; where it stands is told at their end.
    pub(super) fn json(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_JSON", shortened(detail.into(), 2 * MAX_TOLD_CHARS))
    }

    pub(super) fn parameter(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_PARAMETER", detail)
    }

    pub(super) fn too_large(detail: String) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "MESSAGE_TOO_LARGE", detail)
    }

    pub(super) fn too_slow(detail: String) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT", detail)
    }

    pub(super) fn broken_off(detail: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", detail)
    }

    pub(super) fn too_much(detail: String) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "REQUEST_LIMIT", detail);
        problem.0.retry_after = Some(RETRY_AFTER.as_secs());
        problem
    }

    /// A listener was stopped, for good.
    pub(super) fn stopped() -> Self {
        Self::new(StatusCode::OK, "LISTENER_STOPPED", "the listener was stopped")
    }

    pub(super) fn token(channels: usize) -> Self {
        let detail = format!("the last event id is none of a stream of {channels} channels");
        Self::new(StatusCode::BAD_REQUEST, "RESUME_TOKEN_INVALID", detail)
    }

    /// Of which start of a server it is.
    pub(super) fn of(refusal: Refusal, incarnation: Incarnation) -> Self {
        let mut problem = Self::from(refusal);
        problem.0.metadata.insert("incarnation", incarnation.to_string());
        problem
    }

    /// Without the place of a subscription in a request that has one.
    pub(super) fn alone(mut self) -> Self {
        for violation in &mut self.0.violations {
            if let Some((_, field)) = violation.field.split_once("].") {
                violation.field = field.to_owned();
            }
        }
        self
    }

    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        // it is made of texts and numbers
        serde_json::to_vec(&self.0).unwrap_or_default()
    }

    pub(super) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.to_json()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.0.retry_after {
            headers.insert(RETRY_AFTER_HEADER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = status(&refusal);
        let mut problem = Self::new(status, refusal.reason, shortened(refusal.message, MAX_DETAIL));
        problem.0.metadata.extend(refusal.metadata);
        let violation = |it: verbs::status::Violation| Violation {
            field: it.field,
            description: shortened(it.description, 2 * MAX_TOLD_CHARS),
        };
        problem.0.violations = refusal.violations.into_iter().take(MAX_VIOLATIONS).map(violation).collect();
        problem.0.retry_after = refusal.retry.then_some(RETRY_AFTER.as_secs());
        problem
    }
}

/// Its beginning and its end.
fn shortened(mut text: String, at_most: usize) -> String {
    const BETWEEN: &str = " … ";
    if text.len() > at_most {
        let half = (at_most - BETWEEN.len()) / 2;
        let end = text.ceil_char_boundary(text.len() - half);
        text.replace_range(text.floor_char_boundary(half)..end, BETWEEN);
    }
    text
}

fn status(refusal: &Refusal) -> StatusCode {
    if refusal.reason == "MESSAGE_TOO_LARGE" {
        return StatusCode::PAYLOAD_TOO_LARGE;
    }
    let status = match refusal.code {
        Code::Ok => 200,
        Code::Cancelled => 499,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::ResourceExhausted => 429,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
    };
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(descriptions: &[String]) -> Told {
        let violation = |description: &String| verbs::status::Violation {
            field: "update_mask".to_owned(),
            description: description.clone(),
        };
        *Problem::from(Refusal::settings(descriptions.iter().map(violation).collect())).0
    }

    #[test]
    fn what_a_client_sent_is_repeated_to_him_in_part() {
        let long = format!("no setting \"{}\"", "é".repeat(4096));
        let problem = told(&vec![long; 1000]);
        assert_eq!(problem.violations.len(), MAX_VIOLATIONS);
        assert!(problem.detail.len() <= MAX_DETAIL && problem.detail.contains("no setting"));
        for Violation { description, .. } in problem.violations {
            assert!(description.len() <= 2 * MAX_TOLD_CHARS && description.ends_with("é\""), "{description}");
        }
    }

    #[test]
    fn what_is_no_longer_than_usual_is_told_as_it_is() {
        let usual = ["x".repeat(2 * MAX_TOLD_CHARS), "no setting \"a\"".to_owned()];
        let problem = told(&usual);
        assert_eq!(
            problem.violations.iter().map(|it| &it.description).collect::<Vec<_>>(),
            [&usual[0], &usual[1]]
        );
        assert_eq!(problem.detail, format!("update_mask: {}; update_mask: {}", usual[0], usual[1]));
    }
}
