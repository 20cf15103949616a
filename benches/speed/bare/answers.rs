//! The verbs that the bench uses, answered with as little as can be.

use super::{
    calls::{self, Answered},
    frame::Shared,
};
use crate::{client::verb, messages};
use eric::v1;
use futures_util::{
    FutureExt as _, StreamExt as _,
    stream::{self, BoxStream},
};
use std::{
    convert::Infallible,
    future,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    task::{Context, Poll},
    time::SystemTime,
};
use tokio::sync::broadcast;
use tonic::{Status, body::Body, server::NamedService};
use tower::Service;

/// More than ever waits for one stream: what a slow one loses would spoil the count.
const WAITING: usize = 1 << 16;

/// A listener of this name and a number has so many messages waiting.
pub(crate) const BACKLOG: &str = "backlog-";

/// Watch and Listen share their field numbers.
type Frame = Shared<v1::WatchResponse>;
type Frames = BoxStream<'static, Result<Frame, Status>>;

/// The service. One fan-out serves all channels.
#[derive(Clone)]
pub(super) struct Bare {
    sequence: Arc<AtomicI64>,
    fan_out: broadcast::Sender<Frame>,
}

impl Default for Bare {
    fn default() -> Self {
        Self { sequence: Arc::default(), fan_out: broadcast::Sender::new(WAITING) }
    }
}

impl NamedService for Bare {
    const NAME: &'static str = "eric.v1.DispatcherService";
}

// As the code that tonic generates does it.
impl Service<http::Request<Body>> for Bare {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answered;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let bare = self.clone();
        match request.uri().path().rsplit('/').next().unwrap_or_default() {
            verb::CREATE_CHANNEL => calls::unary(request, |_: v1::CreateChannelRequest| created()),
            verb::REGISTER => calls::unary(request, |_: v1::RegisterRequest| registered()),
            verb::DISPATCH => calls::unary(request, move |request| bare.dispatch(request)),
            verb::BROADCAST => calls::unary(request, move |request| bare.broadcast(request)),
            verb::PUBLISH => calls::streaming(request, move |request| bare.publish(request)),
            verb::LISTEN => calls::server_streaming(request, move |request| bare.listen(&request)),
            verb::WATCH => calls::server_streaming(request, move |_: v1::WatchRequest| bare.watch()),
            _ => future::ready(Ok(Status::unimplemented("no such verb").into_http())).boxed(),
        }
    }
}

fn created() -> v1::CreateChannelResponse {
    v1::CreateChannelResponse::default()
}

fn registered() -> v1::RegisterResponse {
    v1::RegisterResponse::default()
}

impl Bare {
    fn dispatch(&self, request: v1::DispatchRequest) -> v1::DispatchResponse {
        v1::DispatchResponse { receipt: Some(self.receipt(request.message.unwrap_or_default().id)) }
    }

    fn broadcast(&self, request: v1::BroadcastRequest) -> v1::BroadcastResponse {
        let message = request.message.unwrap_or_default();
        let receipt = self.receipt(message.id.clone());
        // without receivers it is an error, and nobody's concern
        let _ = self.fan_out.send(frame(message, receipt.sequence));
        v1::BroadcastResponse { receipt: Some(receipt) }
    }

    fn publish(&self, request: v1::PublishRequest) -> v1::PublishResponse {
        let accept = |publication: v1::Publication| self.receipt(publication.message.unwrap_or_default().id);
        let result =
            |receipt| v1::PublishResult { outcome: Some(v1::publish_result::Outcome::Receipt(receipt)) };
        v1::PublishResponse { results: request.publications.into_iter().map(accept).map(result).collect() }
    }

    fn receipt(&self, message_id: String) -> v1::Receipt {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        v1::Receipt { message_id, sequence, receivers: Some(1), duplicate: false }
    }

    // A backlog of so many, or what is broadcast from now.
    fn listen(&self, request: &v1::ListenRequest) -> Frames {
        let listener = request.subscriptions.first().map_or("", |subscription| &subscription.listener);
        match listener.strip_prefix(BACKLOG).and_then(|count| count.parse().ok()) {
            Some(count) => backlog(count),
            None => self.watch(),
        }
    }

    fn watch(&self) -> Frames {
        let next = |mut receiver: broadcast::Receiver<Frame>| async {
            let frame = receiver.recv().await.map_err(|lost| Status::data_loss(lost.to_string()));
            Some((frame, receiver))
        };
        stream::unfold(self.fan_out.subscribe(), next).boxed()
    }
}

fn backlog(count: usize) -> Frames {
    let ready = frame(messages::message(), 1);
    stream::iter(std::iter::repeat_n(ready, count).map(Ok)).boxed()
}

fn frame(message: v1::Message, sequence: i64) -> Frame {
    let delivery = v1::Delivery {
        message: Some(message),
        sequence,
        accept_time: Some(SystemTime::now().into()),
        kind: v1::DeliveryKind::Broadcast.into(),
        dead_letter: None,
    };
    let batch = v1::Batch { subscription: 1, deliveries: vec![delivery], ..Default::default() };
    Shared(Arc::new(v1::WatchResponse { batches: vec![batch], ..Default::default() }))
}
