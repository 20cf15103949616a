//! A stream of Server-Sent Events: what is ready, as it is ready, and a sign of life where nothing is.

use super::{
    events::{self, Beside, Cut, Data, ENDED, OPENED, chunk},
    json,
    places::{Place, Places},
    problem::Problem,
};
use crate::{
    error::Error,
    hub::{Bundle, Ending, Event, Handed, Hub, ResumeToken, Started},
    verbs::{AIM_BYTES, Dispatcher, FIRST, delivery, format, status::Refusal},
};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE},
};
use http_body::{Body as HttpBody, Frame};
use serde::Serialize;
use serde_json::value::RawValue;
use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep};

/// An idle stream shows a sign of life every 15 s at least: proxies close what is idle for 60 s. It is looked after twice as
/// often, so that a delivery need not touch the clock.
const LOOK_AFTER: Duration = Duration::from_millis(7_500);
/// After a shutdown clients come back over so long a time, not all at once.
const SPREAD: Duration = Duration::from_secs(3);
/// A comment. There is no empty line behind it: that would end an event, of which some readers make an empty one.
const COMMENT: &[u8] = b"00000002\r\n:\n\r\n";
const EVENT_STREAM: &str = "text/event-stream";

/// What the first event says. It names no stream for ChangeListen: nothing in an event would say whose it is.
#[derive(Serialize)]
struct Opened {
    incarnation: String,
    started: Vec<Box<RawValue>>,
}

/// A channel that a stream goes on without.
pub(super) struct Gone {
    pub(super) number: u32,
    /// Where the stream stood in it, which stays in its ids.
    pub(super) place: Place,
    pub(super) why: Problem,
}

/// A batch, and how many of its events are written.
struct Rest {
    number: u32,
    handed: Handed,
    written: usize,
}

/// Where a stream is.
enum Stage {
    /// It has yet to say that it is open.
    Opening,
    Live,
    /// It has yet to say why it ends.
    Ending(Ending),
    Ended,
}

/// A stream of events.
pub(crate) struct EventStream {
    dispatcher: Dispatcher,
    bundle: Option<Bundle>,
    data: Data,
    retry: Duration,
    places: Places,
    /// What did not fit: on a stream of several channels each event says where it is in all of them.
    rest: Option<Rest>,
    /// What it has yet to say is not there.
    gone: Vec<Gone>,
    /// How many of its channels have ended.
    ended: usize,
    stage: Stage,
    beat: Pin<Box<Sleep>>,
    /// Something was sent since the last look.
    lively: bool,
    /// The clock knows whom to wake.
    clocked: bool,
    /// What came last was all there was.
    rests: bool,
}

impl EventStream {
    /// `gone` is in the order of its numbers.
    pub(super) fn new(
        dispatcher: Dispatcher,
        bundle: Bundle,
        gone: Vec<Gone>,
        data: Data,
        retry: Duration,
    ) -> Self {
        let beat = {
            let _clock = dispatcher.clock.enter();
            Box::pin(sleep(LOOK_AFTER))
        };
        Self {
            dispatcher,
            bundle: Some(bundle),
            data,
            retry,
            places: Places::default(),
            rest: None,
            ended: gone.len(),
            gone,
            stage: Stage::Opening,
            beat,
            lively: true,
            clocked: false,
            rests: false,
        }
    }

    pub(super) fn into_response(self) -> Response {
        let live = Live(Arc::new(Mutex::new(self)));
        let mut response = with_headers(Body::new(EventBody(live.clone())));
        response.extensions_mut().insert(live);
        response
    }

    /// What comes next, as a chunk; nothing at the end.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.rests = false;
        loop {
            match &self.stage {
                Stage::Opening => return Poll::Ready(Some(self.opened())),
                Stage::Live => {
                    if let Some(chunk) = ready!(self.poll_live(context)) {
                        return Poll::Ready(Some(chunk));
                    }
                }
                Stage::Ending(ending) => {
                    let last = self.last(ending.clone());
                    self.stage = Stage::Ended;
                    return Poll::Ready(Some(last));
                }
                Stage::Ended => return Poll::Ready(None),
            }
        }
    }

    /// The first event: where each channel's stream begins, so that whoever loses it before anything came knows where to
    /// go on.
    fn opened(&mut self) -> Bytes {
        self.stage = Stage::Live;
        let mut started = Vec::new();
        while let Some(Event::Started(number, begun)) = self.bundle.as_mut().and_then(Bundle::news) {
            started.push(json::raw("eric.v1.SubscriptionStarted", &delivery::started(number, &begun)));
            self.begin(begun);
        }
        let mut ends = Vec::new();
        for Gone { number, place, why } in std::mem::take(&mut self.gone) {
            let at = index(number).map_or(self.places.0.len(), |at| at.min(self.places.0.len()));
            events::put_own(&mut ends, ENDED, &in_channel(&place.channel, &why));
            self.places.0.insert(at, place);
        }
        let incarnation = self.dispatcher.hub.incarnation().to_string();
        let told = serde_json::to_vec(&Opened { incarnation, started }).unwrap_or_default();
        chunk(|text| {
            events::put_retry(text, self.retry);
            events::put_id(text, |text| self.places.write(text));
            events::put_own(text, OPENED, &told);
            text.append(&mut ends);
        })
    }

    fn begin(&mut self, started: Started) {
        self.places.0.push(Place { channel: started.channel, token: started.token });
    }

    fn poll_live(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut gathered = Vec::new();
        if let Some(Rest { number, handed, written }) = self.rest.take() {
            self.put_batch(&mut gathered, number, handed, written);
        }
        while gathered.len() < AIM_BYTES
            && let Some(bundle) = &mut self.bundle
            && let Poll::Ready(event) = bundle.poll(context)
        {
            match event {
                // nothing else is there to be gathered
                Event::Only(handed) if gathered.is_empty() => {
                    self.rests = self.clocked && bundle.rests();
                    return Poll::Ready(Some(self.only(&handed)));
                }
                Event::Only(handed) => self.put_batch(&mut gathered, FIRST, handed, 0),
                Event::Batch(number, handed) => self.put_batch(&mut gathered, number, handed, 0),
                Event::Ended(number, ending) => self.put_end(&mut gathered, number, ending),
                Event::Over(ending) => {
                    self.bundle = None;
                    self.stage = Stage::Ending(ending);
                }
                Event::Started(_, started) => self.begin(started),
                // it was not asked for
                Event::Presence(..) => {}
            }
        }
        if !gathered.is_empty() {
            self.lively = true;
            return Poll::Ready(Some(chunk(|text| text.append(&mut gathered))));
        }
        if self.bundle.is_some() { self.poll_heartbeat(context).map(Some) } else { Poll::Ready(None) }
    }

    /// What goes to a stream of one channel is the same bytes for all that are level.
    fn only(&mut self, handed: &Handed) -> Bytes {
        self.lively = true;
        let Some(place) = self.places.0.first_mut() else { return COMMENT.into() };
        place.token = handed.batch.token;
        let beside =
            Beside { channel: &place.channel, generation: handed.generation, repeats: &handed.repeats };
        let (data, hub) = (self.data, &*self.dispatcher.hub);
        let make = |batch: &_| {
            let id = |text: &mut Vec<u8>, token: ResumeToken| token.write(text);
            chunk(|text| _ = events::put_batch(text, batch, Cut::WHOLE, data, &beside, hub, id))
        };
        match data {
            Data::Payload => handed.batch.frame(format::EVENTS, make),
            Data::Delivery if handed.generation == 0 && handed.repeats.is_empty() => {
                handed.batch.frame(format::DELIVERIES, make)
            }
            Data::Delivery => make(&handed.batch),
        }
    }

    fn put_batch(&mut self, text: &mut Vec<u8>, number: u32, handed: Handed, written: usize) {
        let Some(place) = index(number).filter(|place| *place < self.places.0.len()) else { return };
        let channel = Arc::clone(&self.places.0[place].channel);
        let beside = Beside { channel: &channel, generation: handed.generation, repeats: &handed.repeats };
        let hub: &Hub = &self.dispatcher.hub;
        let cut = Cut { from: written, enough: AIM_BYTES };
        let written = events::put_batch(text, &handed.batch, cut, self.data, &beside, hub, |text, token| {
            self.places.0[place].token = token;
            self.places.write(text);
        });
        if written < handed.batch.gaps.len() + handed.batch.entries.len() {
            self.rest = Some(Rest { number, handed, written });
        } else {
            self.places.0[place].token = handed.batch.token;
        }
    }

    /// A channel has ended, and others go on. With the last of them the stream ends: nothing can be added to it.
    fn put_end(&mut self, text: &mut Vec<u8>, number: u32, ending: Ending) {
        let channel = index(number).and_then(|place| self.places.0.get(place)).map(|place| &*place.channel);
        events::put_own(text, ENDED, &self.told(channel, ending));
        self.ended += 1;
        if self.ended == self.places.0.len() {
            self.bundle = None;
            self.stage = Stage::Ended;
        }
    }

    /// The last event, and when to come back where the server goes.
    fn last(&self, ending: Ending) -> Bytes {
        chunk(|text| {
            if ending == Ending::Failed(Error::ShuttingDown) {
                events::put_retry(text, spread(self.retry));
            }
            events::put_own(text, ENDED, &self.told(None, ending));
        })
    }

    fn told(&self, channel: Option<&str>, ending: Ending) -> Vec<u8> {
        let problem = match ending {
            Ending::Failed(error) => Problem::of(Refusal::from(error), self.dispatcher.hub.incarnation()),
            Ending::Stopped => Problem::stopped(),
        };
        channel.map_or_else(|| problem.to_json(), |channel| in_channel(channel, &problem))
    }

    fn poll_heartbeat(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        self.clocked = true;
        while self.beat.as_mut().poll(context).is_ready() {
            self.beat.as_mut().reset(Instant::now() + LOOK_AFTER);
            let idle = !std::mem::take(&mut self.lively);
            if let Some(tokens) = self.bundle.as_mut().and_then(|bundle| bundle.heartbeat(idle)) {
                self.clocked = false;
                return Poll::Ready(self.heartbeat(&tokens));
            }
        }
        Poll::Pending
    }

    /// A comment; where the stream has moved on past what nobody wants, an id, which is no event.
    fn heartbeat(&mut self, tokens: &[(u32, ResumeToken)]) -> Bytes {
        let mut moved = false;
        for (number, token) in tokens {
            let place = index(*number).and_then(|place| self.places.0.get_mut(place));
            moved |= place.is_some_and(|place| std::mem::replace(&mut place.token, *token) != *token);
        }
        if !moved {
            return Bytes::from_static(COMMENT);
        }
        chunk(|text| {
            events::put_id(text, |text| self.places.write(text));
            text.push(b'\n');
        })
    }
}

/// Why a channel of a stream has ended.
fn in_channel(channel: &str, problem: &Problem) -> Vec<u8> {
    json::with(&events::InChannel { channel }, &problem.to_json())
}

/// A subscription's place among the stream's.
pub(super) fn index(number: u32) -> Option<usize> {
    usize::try_from(number.checked_sub(FIRST)?).ok()
}

/// A random time from `retry` on.
fn spread(retry: Duration) -> Duration {
    retry + SPREAD.mul_f64(fastrand::f64())
}

/// The stream of an answer: whoever has the answer may send its chunks by himself, in place of its body.
#[derive(Clone)]
pub(crate) struct Live(Arc<Mutex<EventStream>>);

impl Live {
    /// What comes next, as a chunk of HTTP/1.1; nothing at the end.
    pub(crate) fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.stream().poll_next(context)
    }

    /// Whether a poll that follows the last one at once would find nothing, so that it need not be made: whatever comes
    /// next wakes.
    pub(crate) fn rests(&self) -> bool {
        let stream = self.stream();
        stream.rests && !stream.beat.is_elapsed()
    }

    fn stream(&self) -> MutexGuard<'_, EventStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct EventBody(Live);

impl HttpBody for EventBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = ready!(self.0.poll_chunk(context));
        Poll::Ready(next.map(|chunk| Ok(Frame::data(events::inside(&chunk)))))
    }
}

fn with_headers(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    // nothing is kept on the way, and nothing is made smaller, for which it would have to be held back
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// Tells an EventSource that it is not to come back.
pub(super) fn no_more() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Whether whoever asks says that he reads one, as an EventSource does, and nobody else by himself.
pub(super) fn is_asked_for(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|range| range.split(';').next().unwrap_or_default().trim() == EVENT_STREAM)
}

/// A stream that says only when to try again: an EventSource gives up for good at any status but 200.
pub(super) fn once_more(problem: &Problem) -> Response {
    let text = events::inside(&chunk(|text| {
        events::put_retry(text, spread(Duration::from_secs(1)));
        events::put_own(text, ENDED, &problem.to_json());
    }));
    with_headers(Body::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hub::{self, ChannelSettings, Hub, Limits},
        id::ChannelId,
        log::Memory,
        v1,
        verbs::{RequestLimits, Served, bodies::Bodies, wire},
    };
    use prost::Message as _;
    use std::future::poll_fn;
    use tokio::{runtime::Handle, time::timeout};

    fn dispatcher() -> Dispatcher {
        hub::on_core(0);
        let hub = Hub::new(Arc::new(Memory::default()), Limits::default(), 1).unwrap();
        hub.create_channel(ChannelId::parse("c").unwrap(), ChannelSettings::default(), false).unwrap();
        let limits =
            RequestLimits { max_payload_bytes: 1 << 20, max_batch_messages: 10, max_batch_bytes: 1 << 20 };
        let (closing, grace, clock) = (Default::default(), Duration::ZERO, Handle::current());
        let bodies = Bodies::new(&limits);
        Dispatcher::new(Served { hub, limits, closing, grace, clock, bodies })
    }

    async fn watch(dispatcher: &Dispatcher, types: &[&str], data: Data) -> EventStream {
        let types = types.iter().map(|kind| (*kind).to_owned()).collect();
        let subscription = wire::WatchSubscription { channel: "c".into(), types, ..Default::default() };
        let request = wire::WatchRequest { subscriptions: vec![subscription], ..Default::default() };
        let opened = dispatcher.watch(request).await.unwrap();
        EventStream::new(dispatcher.clone(), opened.bundle, Vec::new(), data, Duration::from_secs(3))
    }

    async fn broadcast(dispatcher: &Dispatcher, kind: &str) {
        let message = v1::Message { r#type: kind.into(), ..Default::default() }.encode_to_vec();
        let request = wire::BroadcastRequest { channel: "c".into(), message: Some(message.into()) };
        dispatcher.broadcast(request).await.unwrap();
    }

    async fn next_chunk(stream: &mut EventStream) -> Bytes {
        poll_fn(|context| stream.poll_next(context)).await.unwrap()
    }

    async fn next(stream: &mut EventStream) -> String {
        let chunk = next_chunk(stream).await;
        let (head, _) = chunk.split_at(8);
        let said = events::inside(&chunk);
        assert_eq!(usize::from_str_radix(str::from_utf8(head).unwrap(), 16).unwrap(), said.len());
        assert!(chunk.ends_with(b"\r\n"));
        String::from_utf8(said.into()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_stream_shows_a_sign_of_life_every_fifteen_seconds_at_least() {
        let dispatcher = dispatcher();
        let mut stream = watch(&dispatcher, &[], Data::Payload).await;
        assert!(next(&mut stream).await.starts_with("retry: 3000\nid: "));
        for _ in 0..3 {
            let before = Instant::now();
            assert_eq!(next(&mut stream).await, ":\n");
            assert!(before.elapsed() <= Duration::from_secs(15));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn past_what_nobody_wants_an_idle_stream_says_where_it_is() {
        let dispatcher = dispatcher();
        let mut stream = watch(&dispatcher, &["t"], Data::Payload).await;
        next(&mut stream).await;
        broadcast(&dispatcher, "u").await;
        let said = next(&mut stream).await;
        assert!(said.starts_with("id: ") && said.ends_with("\n\n") && said.lines().count() == 2, "{said}");
        assert_eq!(next(&mut stream).await, ":\n", "and then nothing new");
    }

    #[tokio::test(start_paused = true)]
    async fn level_streams_are_sent_one_and_the_same_chunk() {
        let dispatcher = dispatcher();
        for data in [Data::Payload, Data::Delivery] {
            let mut streams = Vec::new();
            for types in [&[][..], &["t"], &["t", "u"]] {
                let mut stream = watch(&dispatcher, types, data).await;
                next(&mut stream).await;
                // it looks for itself first, and is level then
                assert!(timeout(Duration::ZERO, next_chunk(&mut stream)).await.is_err());
                streams.push(stream);
            }
            broadcast(&dispatcher, "t").await;
            let _ = timeout(Duration::from_millis(10), dispatcher.hub.attend()).await;
            let mut chunks = Vec::new();
            for stream in &mut streams {
                chunks.push(next_chunk(stream).await);
            }
            assert!(String::from_utf8_lossy(&chunks[0]).contains("id: "));
            assert!(chunks.iter().all(|chunk| chunk.as_ptr() == chunks[0].as_ptr()), "{data:?}");
        }
    }
}
