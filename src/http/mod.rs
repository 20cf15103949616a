//! The HTTP door, over the verbs: for browsers, scripts and whoever has no gRPC at hand.
//!
//! In reading order: [`table`] says which method and path is which verb; [`json`] turns proto3 JSON into requests of the
//! contract and their answers back, [`usual`] does so faster for what is sent most; [`call`] does a verb, [`path`] and
//! [`body`] are what it is sent; [`problem`] says why one was not done. [`watch`] opens a stream of Server-Sent Events,
//! [`stream`] is such a stream, [`events`] what stands in it, [`places`] its ids. [`origin`] keeps pages of elsewhere out,
//! [`openapi`] describes the door, [`console`] is the page that is served here.

mod body;
mod call;
mod console;
mod events;
#[cfg(test)]
mod fuzz;
mod json;
mod openapi;
mod origin;
mod path;
mod places;
mod problem;
mod query;
mod stream;
mod table;
mod usual;
mod watch;

pub(crate) use origin::Origins;
pub(crate) use stream::Live;

use crate::{
    error::Error,
    log::LogError,
    verbs::{Dispatcher, status::Refusal},
};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::from_fn_with_state,
    response::Response,
    routing::{any, get},
};
use http::{
    HeaderMap, HeaderValue, Method,
    header::{ALLOW, CONTENT_TYPE},
};
use problem::Problem;
use tower::Service as _;

/// What this door serves, to pages of these origins, too; `grpc` is what stands beside it at the same address.
pub(crate) fn routes(dispatcher: Dispatcher, grpc: Router, origins: Origins) -> Router {
    let verbs =
        table::VERBS.iter().fold(Router::new(), |router, verb| router.route(verb.path, call::route(verb)));
    verbs
        .route(openapi::PATH, get(described))
        .route("/v1/events", get(watch::channels).head(no_head))
        .route("/v1/channels/{channel}/events", get(watch::channel).head(no_head))
        .route("/v1/channels/{channel}/listeners/{listener}/events", get(watch::listener).head(no_head))
        .method_not_allowed_fallback(not_allowed)
        .fallback(move |State(dispatcher): State<Dispatcher>, request: Request| {
            beside(grpc.clone(), bounded(&dispatcher, request))
        })
        .with_state(dispatcher)
        .layer(from_fn_with_state(origins, origin::guard))
        .merge(console::routes())
}

/// What is answered while the log is read back: that the server does not serve yet, and what it will.
pub(crate) fn starting(grpc: Router, origins: Origins) -> Router {
    Router::new()
        .route("/v1/{*rest}", any(later))
        .route(openapi::PATH, get(described))
        .method_not_allowed_fallback(not_allowed)
        .fallback(move |request| beside(grpc.clone(), request))
        .layer(from_fn_with_state(origins, origin::guard))
        .merge(console::routes())
}

async fn described() -> Response {
    call::told(openapi::document().to_vec())
}

async fn later(headers: HeaderMap) -> Response {
    let problem = Problem::from(Refusal::from(Error::Log(LogError::Unavailable)));
    if stream::is_asked_for(&headers) { stream::once_more(&problem) } else { problem.into_response() }
}

/// What a browser sends by gRPC-Web is one message, which comes as a body of JSON does. Streams go in by gRPC alone.
fn bounded(dispatcher: &Dispatcher, request: Request) -> Request {
    if media_type(&request).starts_with(b"application/grpc-web") {
        return request.map(|body| Body::new(body::Coming::new(dispatcher, body)));
    }
    request
}

fn media_type(request: &Request) -> &[u8] {
    request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default()
}

/// gRPC and gRPC-Web say so themselves.
async fn beside(mut grpc: Router, request: Request) -> Response {
    if media_type(&request).starts_with(b"application/grpc") {
        return grpc.call(request).await.unwrap_or_else(|never| match never {});
    }
    Problem::no_path(request.uri().path()).into_response()
}

/// A stream is opened by whoever reads it: its head alone would open one for nobody.
async fn no_head(method: Method) -> Response {
    let mut response = not_allowed(method).await;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    response
}

async fn not_allowed(method: Method) -> Response {
    Problem::method(&method).into_response()
}
