//! Everything that this door serves: the dispatcher, health, reflection, and gRPC-Web for browsers.

use super::{
    Dispatcher,
    status::Refusal,
    stream,
    wire::dispatcher_service_server::{DispatcherServiceServer, SERVICE_NAME},
};
use axum::{Router, routing::post};
use futures_util::future::{FutureExt, Map};
use http::{HeaderValue, Request, Response};
use std::{
    convert::Infallible,
    task::{Context, Poll},
};
use tonic::{Code, Status, codec::CompressionEncoding, server::NamedService, service::Routes};
use tonic_health::server::HealthReporter;
use tonic_web::GrpcWebLayer;
use tower::Service;

const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/eric.v1.binpb"));

/// Says whether the server serves.
#[derive(Clone, Debug)]
pub(crate) struct Health(HealthReporter);

impl Health {
    /// From now on it serves.
    pub(crate) async fn serving(&self) {
        self.0.set_service_status(SERVICE_NAME, tonic_health::ServingStatus::Serving).await;
        self.0.set_service_status("", tonic_health::ServingStatus::Serving).await;
    }

    /// From now on it does not: it drains.
    pub(crate) async fn draining(&self) {
        self.0.set_service_status(SERVICE_NAME, tonic_health::ServingStatus::NotServing).await;
        self.0.set_service_status("", tonic_health::ServingStatus::NotServing).await;
    }
}

/// The routes of the door.
pub(crate) fn routes(dispatcher: Dispatcher) -> (Router, Health) {
    let (reporter, health) = tonic_health::server::health_reporter();
    let mut routes = Routes::builder();
    routes.add_service(health);
    routes.add_service(dispatcher_service(dispatcher.clone()));
    let router = with_reflection(routes.routes().prepare().into_axum_router())
        .merge(streams(dispatcher))
        .layer(GrpcWebLayer::new());
    (router, Health(reporter))
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

/// What every client of the dispatcher may ask the server about its contract.
fn with_reflection(router: Router) -> Router {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let mut routes = tonic::service::RoutesBuilder::from(router);
    routes.add_service(builder().build_v1().expect("the descriptors that were built in are sound"));
    routes.add_service(builder().build_v1alpha().expect("the descriptors that were built in are sound"));
    routes.routes().into_axum_router()
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
    const OUT_OF_RANGE: HeaderValue = HeaderValue::from_static("11");
    debug_assert_eq!(Code::OutOfRange as i32, 11, "no verb of ours answers it");
    answer.map(|response| match response.headers().get(Status::GRPC_STATUS) {
        Some(status) if *status == OUT_OF_RANGE => Refusal::request_too_large().into_status(None).into_http(),
        Some(_) | None => response,
    })
}
