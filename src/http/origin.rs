//! Which pages may use the door: those that come from it, and those of origins that the operator has named.
//!
//! A page of elsewhere can send much without asking, and only not read the answer; so what comes from there is refused
//! before it does anything.
//! Sources: <https://fetch.spec.whatwg.org/#http-cors-protocol>, <https://www.w3.org/TR/fetch-metadata/>.

use super::problem::Problem;
use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
    },
};
use std::sync::Arc;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PATCH, DELETE");
/// What a page may read beside the body: gRPC-Web's status, and when to try again.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "grpc-status, grpc-message, grpc-status-details-bin, grpc-encoding, retry-after",
);
/// As long as browsers remember it at most.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The origins that the operator has named.
#[derive(Clone, Debug)]
pub(crate) struct Origins(Arc<[String]>);

impl Origins {
    pub(crate) fn new(named: &[String]) -> Self {
        Self(named.into())
    }

    /// What a page of this origin is told that may read: itself, or that any may.
    fn allow(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        let named = |origin: &str| self.0.iter().any(|named| named == origin);
        if named("*") {
            return Some(HeaderValue::from_static("*"));
        }
        origin.to_str().is_ok_and(named).then(|| origin.clone())
    }
}

/// Refuses what comes from pages of elsewhere, and tells browsers which pages may read the answer.
pub(super) async fn guard(State(origins): State<Origins>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let Some(origin) = headers.get(ORIGIN) else {
        return if is_cross_site(headers) { refused() } else { next.run(request).await };
    };
    let Some(allowed) = origins.allow(origin) else {
        return if is_own(origin, &request) { next.run(request).await } else { refused() };
    };
    let mut response = match preflight(&request) {
        Some(answer) => answer,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.append(VARY, HeaderValue::from_static("origin"));
    response
}

/// Of the same host and port; whether it is `https` a server behind a proxy cannot know.
fn is_own(origin: &HeaderValue, request: &Request) -> bool {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    origin.zip(host).is_some_and(|((_, origin), host)| origin.eq_ignore_ascii_case(host))
}

/// An image, a form or a link of elsewhere names no origin.
fn is_cross_site(headers: &HeaderMap) -> bool {
    headers.get(FETCH_SITE).is_some_and(|site| site == "cross-site")
}

/// The answer to a browser that asks before it asks.
fn preflight(request: &Request) -> Option<Response> {
    if request.method() != Method::OPTIONS || !request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    // a page that may ask may ask with whatever headers it likes: there are no cookies to be sent along
    if let Some(asked) = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    Some(response)
}

fn refused() -> Response {
    Problem::origin().into_response()
}
