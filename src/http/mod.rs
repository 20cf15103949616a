//! The HTTP door, over the verbs: for browsers, scripts and whoever has no gRPC at hand.
//!
//! In reading order: [`table`] says which method and path is which verb; [`json`] turns proto3 JSON into requests of the
//! contract and their answers back; [`call`] does a verb; [`problem`] says why one was not done. [`watch`] opens a stream
//! of Server-Sent Events, [`stream`] is such a stream, [`events`] what stands in it, [`places`] its ids.

mod call;
mod events;
mod json;
mod places;
mod problem;
mod query;
mod stream;
mod table;
mod watch;

use crate::{
    error::Error,
    log::LogError,
    verbs::{Dispatcher, status::Refusal},
};
use axum::{
    Router,
    extract::Request,
    response::Response,
    routing::{any, get},
};
use http::{HeaderMap, HeaderValue, Method, header::CONTENT_TYPE};
use problem::Problem;
use tower::Service as _;

/// What this door serves; `grpc` is what stands beside it at the same address.
pub(crate) fn routes(dispatcher: Dispatcher, grpc: Router) -> Router {
    let verbs =
        table::VERBS.iter().fold(Router::new(), |router, verb| router.route(verb.path, call::route(verb)));
    verbs
        .route("/v1/events", get(watch::channels))
        .route("/v1/channels/{channel}/events", get(watch::channel))
        .route("/v1/channels/{channel}/listeners/{listener}/events", get(watch::listener))
        .method_not_allowed_fallback(not_allowed)
        .fallback(move |request| beside(grpc.clone(), request))
        .with_state(dispatcher)
}

/// What is answered while the log is read back: that the server does not serve yet.
pub(crate) fn starting(grpc: Router) -> Router {
    Router::new().route("/v1/{*rest}", any(later)).fallback(move |request| beside(grpc.clone(), request))
}

async fn later(headers: HeaderMap) -> Response {
    let problem = Problem::from(Refusal::from(Error::Log(LogError::Unavailable)));
    if stream::is_asked_for(&headers) { stream::once_more(&problem) } else { problem.into_response() }
}

/// gRPC and gRPC-Web say so themselves.
async fn beside(mut grpc: Router, request: Request) -> Response {
    let media_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    if media_type.starts_with(b"application/grpc") {
        return grpc.call(request).await.unwrap_or_else(|never| match never {});
    }
    Problem::no_path(request.uri().path()).into_response()
}

async fn not_allowed(method: Method) -> Response {
    Problem::method(&method).into_response()
}
