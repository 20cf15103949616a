//! Everything that this door serves: the dispatcher and the standard services; and the same as gRPC-Web, for the door that
//! browsers come to.

use super::{
    standard::{self, Health},
    stream,
    wire::dispatcher_service_server::{DispatcherServiceServer, SERVICE_NAME},
};
use crate::{
    error::Error,
    log::LogError,
    verbs::{Dispatcher, status::Refusal},
};
use axum::{Router, body::Body, routing::post};
use futures_util::future::{FutureExt, Map};
use http::{Request, Response};
use std::{
    convert::Infallible,
    task::{Context, Poll},
};
use tonic::{Status, codec::CompressionEncoding, server::NamedService, service::RoutesBuilder};
use tonic_web::GrpcWebLayer;
use tower::Service;

/// The routes of the door.
pub(crate) fn routes(dispatcher: Dispatcher) -> (Router, Health) {
    let (standard, health) = standard::routes();
    let mut routes = RoutesBuilder::from(standard);
    routes.add_service(dispatcher_service(dispatcher.clone()));
    let router = routes.routes().prepare().into_axum_router();
    (router.merge(streams(dispatcher)), health)
}

/// The same for browsers, too, which speak gRPC-Web. They are to come through a door that knows whose pages may.
pub(crate) fn for_browsers(router: Router) -> Router {
    router.layer(GrpcWebLayer::new())
}

/// What is answered while the log is read back: that the server does not serve yet.
pub(crate) async fn starting() -> (Router, Health) {
    let (standard, health) = standard::routes();
    health.starting().await;
    let later =
        || async { Refusal::from(Error::Log(LogError::Unavailable)).into_status(None).into_http::<Body>() };
    (standard.fallback(later), health)
}

fn dispatcher_service(dispatcher: Dispatcher) -> Translated<DispatcherServiceServer<Dispatcher>> {
    let limit = dispatcher.limits.max_request_bytes();
    let service = DispatcherServiceServer::new(dispatcher)
        .max_decoding_message_size(limit)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        .send_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Zstd);
    Translated(service)
}

fn streams(dispatcher: Dispatcher) -> Router {
    Router::new()
        .route(&format!("/{SERVICE_NAME}/Listen"), post(stream::listen))
        .route(&format!("/{SERVICE_NAME}/Watch"), post(stream::watch))
        .with_state(dispatcher)
}

/// Says in the dispatcher's words that a request was too large, which tonic says before a verb is asked.
#[derive(Clone)]
struct Translated<S>(S);

impl<S: NamedService> NamedService for Translated<S> {
    const NAME: &'static str = S::NAME;
}

type Answer<B> = Result<Response<B>, Infallible>;

impl<S, R, B> Service<Request<R>> for Translated<S>
where
    S: Service<Request<R>, Response = Response<B>, Error = Infallible>,
    B: Default,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Map<S::Future, fn(Answer<B>) -> Answer<B>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        self.0.call(request).map(translated::<B>)
    }
}

fn translated<B: Default>(answer: Answer<B>) -> Answer<B> {
    answer.map(|response| match Status::from_header_map(response.headers()) {
        Some(status) if Refusal::by_size(&status) => {
            Refusal::request_too_large().into_status(None).into_http()
        }
        Some(_) | None => response,
    })
}
