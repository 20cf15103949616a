//! Which pages may use the door: those that come from it, and those of origins that the operator has named.
//!
//! A page of elsewhere can send much without asking, and only not read the answer; so what comes from there is refused
//! before it does anything. So is what comes to this machine alone by the name of another: whoever owns a name may have it
//! lead here.
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
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PATCH, DELETE");
/// What a page may read beside the body: gRPC-Web's status, and when to try again.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "grpc-status, grpc-message, grpc-status-details-bin, grpc-encoding, retry-after",
);
/// As long as browsers remember it at most.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whose pages may use the door.
#[derive(Clone, Debug)]
pub(crate) struct Origins {
    /// The origins that the operator has named.
    named: Arc<[String]>,
    /// Only this machine reaches the door, and knows it by no name but its own and those that are named. A page can give its
    /// own name any address, and this one, too: then a browser takes the door for that page's, and says nothing of elsewhere.
    local: bool,
}

impl Origins {
    pub(crate) fn new(named: &[String], door: Option<SocketAddr>) -> Self {
        let local = door.is_some_and(|door| door.ip().to_canonical().is_loopback());
        Self { named: named.into(), local }
    }

    /// What a page of this origin is told that may read: itself, or that any may.
    fn allow(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        let named = |origin: &str| self.named.iter().any(|named| named == origin);
        if named("*") {
            return Some(HeaderValue::from_static("*"));
        }
        origin.to_str().is_ok_and(named).then(|| origin.clone())
    }

    /// Whether the client has come by a name of this door. Who gives none is no browser.
    fn knows(&self, request: &Request) -> bool {
        let known = |host: Option<&str>| host.is_some_and(|host| is_local(host) || self.names(name(host)));
        !self.local || self.names("*") || hosts(request).all(known)
    }

    /// Whether an origin of this host is named, or any.
    fn names(&self, host: &str) -> bool {
        let host_of =
            |origin: &str| origin.split_once("://").map_or(origin.to_owned(), |(_, it)| name(it).to_owned());
        self.named.iter().any(|origin| host_of(origin).eq_ignore_ascii_case(host))
    }

    /// Whether a browser asks for a page of this door.
    fn own(request: &Request) -> bool {
        let headers = request.headers();
        let Some(Some(host)) = hosts(request).next() else { return false };
        let of_host = |origin: &HeaderValue| {
            // whether it is `https` a server behind a proxy cannot know
            let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
            origin.is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host))
        };
        headers.get(ORIGIN).is_none_or(of_host) && !is_of_elsewhere(headers)
    }
}

/// Refuses what comes from pages of elsewhere, and tells browsers which pages may read the answer.
pub(super) async fn guard(State(origins): State<Origins>, request: Request, next: Next) -> Response {
    if !origins.knows(&request) {
        return Problem::host().into_response();
    }
    let origin = request.headers().get(ORIGIN);
    let Some(allowed) = origin.and_then(|origin| origins.allow(origin)) else {
        let served = !is_of_a_browser(request.headers()) || Origins::own(&request);
        return if served { next.run(request).await } else { Problem::origin().into_response() };
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

/// As the client has named the server, with the port: `None` for what is no text. HTTP/1.0 may name none, and a target of
/// HTTP/1.1 another than the header.
fn hosts(request: &Request) -> impl Iterator<Item = Option<&str>> {
    let named = request.headers().get_all(HOST).iter().map(|host| host.to_str().ok());
    named.chain(request.uri().authority().map(|authority| Some(authority.as_str())))
}

/// A host without its port.
fn name(host: &str) -> &str {
    let split = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    split.map_or(host, |(name, _)| name)
}

/// An address, which no page can give itself, or a name that is never another machine's.
fn is_local(host: &str) -> bool {
    let name = name(host).trim_matches(['[', ']']);
    let localhost = |name: &str| name == "localhost" || name.ends_with(".localhost");
    name.parse::<IpAddr>().is_ok() || localhost(&name.to_ascii_lowercase())
}

/// What is no browser, or an old one, says neither.
fn is_of_a_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || headers.contains_key(FETCH_SITE)
}

/// An image, a form or a link of elsewhere names no origin. Another port of this machine is `same-site`, and elsewhere.
fn is_of_elsewhere(headers: &HeaderMap) -> bool {
    headers.get(FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_localhost_are_this_machine_and_no_other_name() {
        for local in [
            "localhost",
            "LOCALHOST:8080",
            "a.localhost:1",
            "127.0.0.1:8080",
            "[::1]:8080",
            "[::1]",
            "10.0.0.1",
        ] {
            assert!(is_local(local), "{local}");
        }
        for other in [
            "",
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "x:y",
        ] {
            assert!(!is_local(other), "{other}");
        }
    }
}
