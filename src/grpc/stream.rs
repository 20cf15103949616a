//! Listen and Watch: a response body that hands out frames as they are ready, in place of an encoder with buffers of
//! its own for each stream.

use super::{
    Dispatcher,
    codec::WireDecoder,
    convert, frame, receive,
    status::Refusal,
    wire::{self, ListenRequest, WatchRequest},
};
use crate::{
    error::Error,
    hub::{Ending, Subscription},
};
use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use http_body::{Body as HttpBody, Frame};
use prost::Message;
use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep};
use tonic::{Status, Streaming, codec::CompressionEncoding};

/// An idle stream carries a heartbeat at least this often: gRPC-Web has no ping, and proxies close what is idle for 60 s.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// It is looked after twice as often, so that a delivery need not touch the clock.
const LOOK_AFTER: Duration = Duration::from_secs(10);

pub(super) async fn listen(State(dispatcher): State<Dispatcher>, request: Request) -> Response {
    let opened = read::<ListenRequest>(&dispatcher, request).await;
    dispatcher
        .respond(opened.and_then(|request| dispatcher.listen(request).map_err(|it| dispatcher.status(it))))
}

pub(super) async fn watch(State(dispatcher): State<Dispatcher>, request: Request) -> Response {
    let opened = read::<WatchRequest>(&dispatcher, request).await;
    dispatcher
        .respond(opened.and_then(|request| dispatcher.watch(request).map_err(|it| dispatcher.status(it))))
}

impl Dispatcher {
    fn respond(&self, opened: Result<Subscription, Status>) -> Response {
        let body = match opened {
            Ok(subscription) => Body::new(StreamBody::new(self.clone(), subscription)),
            Err(status) => return status.into_http(),
        };
        let mut response = Response::new(body);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        response
    }
}

/// The one request of a server stream.
async fn read<T: Message + Default + 'static>(
    dispatcher: &Dispatcher,
    request: Request,
) -> Result<T, Status> {
    let encoding = encoding(request.headers())?;
    let limit = dispatcher.limits.max_request_bytes();
    let decoder = WireDecoder::<T>::default();
    let mut requests = Streaming::new_request(decoder, request.into_body(), encoding, Some(limit));
    match requests.message().await {
        Ok(Some(request)) => Ok(request),
        Ok(None) => Err(dispatcher.status(Refusal::missing("request"))),
        Err(status) if Refusal::by_size(&status) => Err(dispatcher.status(Refusal::request_too_large())),
        Err(status) => Err(status),
    }
}

fn encoding(headers: &HeaderMap) -> Result<Option<CompressionEncoding>, Status> {
    match headers.get("grpc-encoding").map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(None),
        Some(b"gzip") => Ok(Some(CompressionEncoding::Gzip)),
        Some(b"zstd") => Ok(Some(CompressionEncoding::Zstd)),
        Some(_) => {
            let mut status = Status::unimplemented("the request's compression is neither gzip nor zstd");
            status.metadata_mut().insert(
                "grpc-accept-encoding",
                "gzip,zstd,identity".parse().map_err(|_| Status::internal(""))?,
            );
            Err(status)
        }
    }
}

/// Where a stream's body is.
enum Stage {
    /// It has yet to say that it is open.
    Opening,
    Live,
    /// It has handed over what was ready, and has yet to say that the server is going away.
    GoingAway,
    /// Its trailers are yet to come.
    Ending(Status),
    Ended,
}

struct StreamBody {
    dispatcher: Dispatcher,
    subscription: Option<Subscription>,
    stage: Stage,
    beat: Pin<Box<Sleep>>,
    /// Something was sent since the last look.
    lively: bool,
}

impl StreamBody {
    fn new(dispatcher: Dispatcher, subscription: Subscription) -> Self {
        let beat = {
            let _clock = dispatcher.clock.enter();
            Box::pin(sleep(LOOK_AFTER))
        };
        Self { dispatcher, subscription: Some(subscription), stage: Stage::Opening, beat, lively: true }
    }

    fn opened(&mut self) -> Bytes {
        self.stage = Stage::Live;
        let started = self.subscription.as_ref().map(Subscription::started);
        let opened = wire::StreamOpened {
            stream: started.as_ref().map_or_else(String::new, |started| format!("s{:x}", started.stream)),
            incarnation: self.dispatcher.hub.incarnation().to_string(),
            heartbeat: Some(convert::wire_duration(HEARTBEAT)),
        };
        frame::of(&wire::ListenResponse {
            opened: Some(opened),
            started: started.iter().map(receive::started).collect(),
            ..wire::ListenResponse::default()
        })
    }

    fn poll_live(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(subscription) = &mut self.subscription else { return Poll::Ready(None) };
        match subscription.poll_batch(context) {
            Poll::Ready(Ok(handed)) => {
                self.lively = true;
                Poll::Ready(Some(handed.batch.frame(frame::of_batch)))
            }
            Poll::Ready(Err(ending)) => Poll::Ready(self.end(ending)),
            Poll::Pending => self.poll_heartbeat(context).map(Some),
        }
    }

    /// Turns to the end; what is ready at a shutdown is handed over first.
    fn end(&mut self, ending: Ending) -> Option<Bytes> {
        let going = ending == Ending::Failed(Error::ShuttingDown);
        let last = self.subscription.as_mut().filter(|_| going).and_then(Subscription::last_batch);
        if let Some(handed) = last {
            // the next poll asks for what is ready behind it
            return Some(handed.batch.frame(frame::of_batch));
        }
        self.subscription = None;
        self.stage = match ending {
            Ending::Failed(Error::ShuttingDown) => Stage::GoingAway,
            Ending::Failed(error) => Stage::Ending(self.dispatcher.status(error)),
            Ending::Stopped => Stage::Ending(Status::ok("stopped")),
        };
        None
    }

    fn going_away(&mut self) -> Bytes {
        self.stage = Stage::Ending(self.dispatcher.shutting_down());
        let going_away = Some(wire::GoingAway { grace: Some(convert::wire_duration(self.dispatcher.grace)) });
        frame::of(&wire::ListenResponse { going_away, ..wire::ListenResponse::default() })
    }

    fn poll_heartbeat(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        while self.beat.as_mut().poll(context).is_ready() {
            self.beat.as_mut().reset(Instant::now() + LOOK_AFTER);
            if !std::mem::take(&mut self.lively) {
                return Poll::Ready(self.heartbeat());
            }
        }
        Poll::Pending
    }

    fn heartbeat(&self) -> Bytes {
        let token = self.subscription.as_ref().map(|subscription| subscription.token().to_string());
        let batch = wire::Batch {
            subscription: frame::FIRST,
            resume_token: token.unwrap_or_default(),
            ..wire::Batch::default()
        };
        frame::of(&wire::ListenResponse { batches: vec![batch], ..wire::ListenResponse::default() })
    }
}

impl HttpBody for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = |bytes| Poll::Ready(Some(Ok(Frame::data(bytes))));
        loop {
            match &self.stage {
                Stage::Opening => return data(self.opened()),
                Stage::Live => {
                    if let Some(bytes) = ready!(self.poll_live(context)) {
                        return data(bytes);
                    }
                }
                Stage::GoingAway => return data(self.going_away()),
                Stage::Ending(status) => {
                    let trailers = trailers(status);
                    self.stage = Stage::Ended;
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Stage::Ended => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }
}

pub(super) fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        // a message that no header can hold; the code is what counts
        trailers.insert(Status::GRPC_STATUS, HeaderValue::from(status.code() as i32));
    }
    trailers
}
