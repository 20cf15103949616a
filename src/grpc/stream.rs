//! Listen and Watch: a response body that hands out frames as they are ready, in place of an encoder with buffers of
//! its own for each stream.

use super::{
    codec::WireDecoder,
    frame,
    response::{self, Gathered},
};
use crate::{
    error::Error,
    hub::{Bundle, Ending, Event, Handed},
    verbs::{
        Dispatcher, FIRST, convert, format,
        receive::Opened,
        status::Refusal,
        wire::{self, ListenRequest, WatchRequest},
    },
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
    let opened = match read::<ListenRequest>(&dispatcher, request).await {
        Ok(request) => dispatcher.listen(request).await.map_err(|refusal| dispatcher.status(refusal)),
        Err(status) => Err(status),
    };
    respond(dispatcher, opened)
}

pub(super) async fn watch(State(dispatcher): State<Dispatcher>, request: Request) -> Response {
    let opened = match read::<WatchRequest>(&dispatcher, request).await {
        Ok(request) => dispatcher.watch(request).await.map_err(|refusal| dispatcher.status(refusal)),
        Err(status) => Err(status),
    };
    respond(dispatcher, opened)
}

pub(super) fn respond(dispatcher: Dispatcher, opened: Result<Opened, Status>) -> Response {
    let body = match opened {
        Ok(opened) => Body::new(StreamBody::new(dispatcher, opened)),
        Err(status) => return status.into_http(),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
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
    bundle: Option<Bundle>,
    /// What was refused when it opened, and has yet to be said.
    refused: Vec<(u32, Refusal)>,
    max_response_bytes: usize,
    /// What did not fit into the last response.
    held: Vec<u8>,
    stage: Stage,
    beat: Pin<Box<Sleep>>,
    /// Something was sent since the last look.
    lively: bool,
    /// The core's other streams have a turn now.
    rests: bool,
}

impl StreamBody {
    fn new(dispatcher: Dispatcher, opened: Opened) -> Self {
        let beat = {
            let _clock = dispatcher.clock.enter();
            Box::pin(sleep(LOOK_AFTER))
        };
        Self {
            dispatcher,
            bundle: Some(opened.bundle),
            refused: opened.refused,
            max_response_bytes: opened.max_response_bytes,
            held: Vec::new(),
            stage: Stage::Opening,
            beat,
            lively: true,
            rests: false,
        }
    }

    fn opened(&mut self) -> Bytes {
        self.stage = Stage::Live;
        let opened = wire::StreamOpened {
            stream: self.bundle.as_ref().map(|bundle| bundle.id().to_string()).unwrap_or_default(),
            incarnation: self.dispatcher.hub.incarnation().to_string(),
            heartbeat: Some(convert::wire_duration(HEARTBEAT)),
        };
        let opened = wire::ListenResponse { opened: Some(opened), ..wire::ListenResponse::default() };
        let mut response = self.begin();
        self.held = response.put(|bytes| opened.encode_raw(bytes));
        while self.wants_more(&response)
            && let Some(event) = self.bundle.as_mut().and_then(Bundle::news)
        {
            self.put(&mut response, event);
        }
        response.finish()
    }

    /// A response that begins with what is left over.
    fn begin(&mut self) -> Gathered {
        let mut response = Gathered::new(self.max_response_bytes);
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.held = response.put(|bytes| bytes.extend_from_slice(&held));
        }
        while self.wants_more(&response)
            && let Some((number, refusal)) = self.refused.pop()
        {
            let status = refusal.into_pb(self.dispatcher.hub.incarnation());
            self.held = response.put(|bytes| response::put_ended(bytes, number, status));
        }
        response
    }

    fn wants_more(&self, response: &Gathered) -> bool {
        self.held.is_empty() && !response.is_enough()
    }

    fn put(&mut self, response: &mut Gathered, event: Event) {
        let incarnation = self.dispatcher.hub.incarnation();
        self.held = response.put(|bytes| response::put_event(bytes, event, incarnation));
    }

    fn poll_live(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        // whoever sends it asks again at once, for as long as there is room for what it sends
        if std::mem::take(&mut self.rests) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut response = self.begin();
        while self.wants_more(&response)
            && let Some(bundle) = &mut self.bundle
            && let Poll::Ready(event) = bundle.poll(context)
        {
            match event {
                // nothing else is there to be gathered
                Event::Only(handed) if response.is_empty() => return Poll::Ready(Some(self.only(&handed))),
                Event::Over(ending) => self.end(ending),
                Event::Only(_)
                | Event::Started(..)
                | Event::Batch(..)
                | Event::Presence(..)
                | Event::Ended(..) => {
                    self.put(&mut response, event);
                }
            }
        }
        if !response.is_empty() {
            self.lively = true;
            self.rests = response.took_long();
            return Poll::Ready(Some(response.finish()));
        }
        if self.bundle.is_some() { self.poll_heartbeat(context).map(Some) } else { Poll::Ready(None) }
    }

    /// What goes to a stream's only subscription is the same bytes for all that are level.
    fn only(&mut self, handed: &Handed) -> Bytes {
        self.lively = true;
        if handed.generation == 0 && handed.repeats.is_empty() {
            return handed.batch.frame(format::GRPC, frame::of_batch);
        }
        let mut response = Gathered::new(self.max_response_bytes);
        self.held = response.put(|bytes| frame::put_batch(bytes, FIRST, handed));
        response.finish()
    }

    fn end(&mut self, ending: Ending) {
        self.bundle = None;
        self.stage = match ending {
            Ending::Failed(Error::ShuttingDown) => Stage::GoingAway,
            Ending::Failed(error) => Stage::Ending(self.dispatcher.status(error)),
            Ending::Stopped => Stage::Ending(Status::ok("stopped")),
        };
    }

    fn going_away(&mut self) -> Bytes {
        self.stage = Stage::Ending(self.dispatcher.shutting_down());
        let going_away = Some(wire::GoingAway { grace: Some(convert::wire_duration(self.dispatcher.grace)) });
        frame::of(&wire::ListenResponse { going_away, ..wire::ListenResponse::default() })
    }

    fn poll_heartbeat(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        while self.beat.as_mut().poll(context).is_ready() {
            self.beat.as_mut().reset(Instant::now() + LOOK_AFTER);
            let idle = !std::mem::take(&mut self.lively);
            if let Some(tokens) = self.bundle.as_mut().and_then(|bundle| bundle.heartbeat(idle)) {
                return Poll::Ready(response::heartbeat(tokens));
            }
        }
        Poll::Pending
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
