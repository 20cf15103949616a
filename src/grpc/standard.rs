//! The standard services: health and reflection. Their streams end with the server, as ours do.

use super::wire::dispatcher_service_server::SERVICE_NAME;
use crate::verbs::DESCRIPTORS;
use axum::{Router, body::Body};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame};
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Status, service::Routes};
use tonic_health::{ServingStatus, server::HealthReporter};
use tower::util::{MapRequestLayer, MapResponseLayer};

/// Says whether the server serves.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    reporter: HealthReporter,
    /// Everybody who watches was told that it does not.
    told: CancellationToken,
}

impl Health {
    /// It does not serve yet.
    pub(super) async fn starting(&self) {
        self.set(ServingStatus::NotServing).await;
    }

    /// From now on it serves.
    pub(crate) async fn serving(&self) {
        self.set(ServingStatus::Serving).await;
    }

    /// From now on it does not: it drains. Streams of the standard services end.
    pub(crate) async fn draining(&self) {
        self.set(ServingStatus::NotServing).await;
        self.told.cancel();
    }

    async fn set(&self, status: ServingStatus) {
        self.reporter.set_service_status(SERVICE_NAME, status).await;
        self.reporter.set_service_status("", status).await;
    }
}

/// Health, and what every client of the dispatcher may ask the server about its contract.
pub(super) fn routes() -> (Router, Health) {
    let (reporter, health) = tonic_health::server::health_reporter();
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let mut routes = Routes::builder();
    routes.add_service(health);
    routes.add_service(reflection().build_v1().expect("the descriptors that were built in are sound"));
    routes.add_service(reflection().build_v1alpha().expect("the descriptors that were built in are sound"));
    let told = CancellationToken::new();
    let router = with_ends(routes.routes().into_axum_router(), &told);
    (router, Health { reporter, told })
}

/// Both directions end: reflection holds a stream for as long as its client asks, health for as long as it answers.
fn with_ends(router: Router, told: &CancellationToken) -> Router {
    let (asked, answered) = (told.clone(), told.clone());
    router
        .layer(MapRequestLayer::new(move |request: Request<Body>| {
            request.map(|body| Ending::of(body, &asked, None))
        }))
        .layer(MapResponseLayer::new(move |response: Response<Body>| {
            response.map(|body| Ending::of(body, &answered, Some(super::stream::trailers(&going()))))
        }))
}

/// A body that hands over what it has, and ends when the server does.
struct Ending {
    body: Body,
    /// `None` once it has ended.
    end: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    trailers: Option<HeaderMap>,
}

impl Ending {
    fn of(body: Body, end: &CancellationToken, trailers: Option<HeaderMap>) -> Body {
        Body::new(Self { body, end: Some(Box::pin(end.clone().cancelled_owned())), trailers })
    }
}

impl HttpBody for Ending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(mut end) = self.end.take() else { return Poll::Ready(None) };
        let ended = end.as_mut().poll(context).is_ready();
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if ended && polled.is_pending() {
            return Poll::Ready(self.trailers.take().map(Frame::trailers).map(Ok));
        }
        self.end = Some(end);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.end.is_none() || self.body.is_end_stream()
    }
}

fn going() -> Status {
    Status::unavailable("the server is shutting down")
}
