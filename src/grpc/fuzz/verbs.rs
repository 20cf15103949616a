//! Bytes as requests of every verb, one after the other, to a server that must be as good as new afterwards.

use super::requests::*;
use crate::{
    grpc::{
        codec::WireDecoder, stream::respond, wire::dispatcher_service_server::DispatcherService as Service,
    },
    hub::{Hub, Incarnation, Limits, ResumeToken},
    log::Memory,
    v1,
    verbs::{
        Dispatcher, RequestLimits, Served,
        bodies::Bodies,
        fuzz::damaged,
        wire::{self, acknowledge_result::Outcome},
    },
};
use axum::body::Body;
use fastrand::Rng;
use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture};
use prost::Message;
use std::{sync::Arc, time::Duration};
use tokio::{runtime::Builder, time::timeout};
use tonic::{Request, Status, Streaming};
use tonic_types::StatusExt;

/// No verb takes longer, and Pull not as long.
const LONGEST: Duration = Duration::from_secs(61);
const PREFIX_BYTES: usize = 5;
const EXPLICIT: &str = "explicit";
/// No request of a run names it but by chance.
const UNTOUCHED: &str = "untouched";

type Answer<'a> = LocalBoxFuture<'a, Result<(), Status>>;

/// A verb to call with bytes, if they are a request of it, and what sound bytes are.
struct Verb {
    call: for<'a> fn(&'a Stage, &'a [u8]) -> Answer<'a>,
    sound: fn(&mut Rng) -> Vec<u8>,
}

macro_rules! verbs {
    ($($verb:ident $Request:ident |$rng:ident| { $($field:ident: $value:expr),* $(,)? })*) => {
        [$(Verb {
            call: |stage, bytes| Box::pin(async move {
                let Ok(request) = wire::$Request::decode(bytes) else { return Ok(()) };
                stage.$verb(request).await
            }),
            sound: |$rng| v1::$Request { $($field: $value,)* ..Default::default() }.encode_to_vec(),
        }),*]
    };
}

/// Verbs that the generated service has, under the names of the stage.
macro_rules! plain {
    ($($verb:ident $Request:ident)*) => {
        impl Stage {
            $(async fn $verb(&self, request: wire::$Request) -> Result<(), Status> {
                Service::$verb(&self.dispatcher, Request::new(request)).await.map(drop)
            })*
        }
    };
}

plain! {
    create_channel CreateChannelRequest update_channel UpdateChannelRequest
    remove_channel RemoveChannelRequest list_channels ListChannelsRequest register RegisterRequest
    update_listener UpdateListenerRequest list_listeners ListListenersRequest
    stop_listener StopListenerRequest start_listener StartListenerRequest
    purge_listener PurgeListenerRequest remove_listener RemoveListenerRequest dispatch DispatchRequest
    broadcast BroadcastRequest notify_end NotifyEndRequest publish_batch PublishBatchRequest
    acknowledge AcknowledgeRequest reject RejectRequest extend ExtendRequest
    list_messages ListMessagesRequest requeue RequeueRequest get_server GetServerRequest
}

#[expect(clippy::needless_update, reason = "some verbs leave fields out, others have none left")]
const VERBS: [Verb; 26] = verbs! {
    create_channel CreateChannelRequest |rng| { channel: maybe(rng, name), settings: maybe(rng, channel_settings) }
    update_channel UpdateChannelRequest |rng| {
        channel: channel(rng), settings: maybe(rng, channel_settings), update_mask: maybe(rng, mask),
    }
    remove_channel RemoveChannelRequest |rng| { channel: name(rng) }
    list_channels ListChannelsRequest |rng| { page_size: small(rng), page_token: "p1".into() }
    register RegisterRequest |rng| {
        channel: channel(rng), listener: maybe(rng, name), acknowledgement_mode: rng.i32(0..4),
        settings: maybe(rng, listener_settings), start_at: rng.i32(0..4), allow_existing: rng.bool(),
    }
    update_listener UpdateListenerRequest |rng| {
        channel: channel(rng), listener: listener(rng), settings: maybe(rng, listener_settings),
        update_mask: maybe(rng, mask),
    }
    list_listeners ListListenersRequest |rng| { channel: channel(rng), page_size: small(rng) }
    stop_listener StopListenerRequest |rng| { channel: channel(rng), listener: listener(rng) }
    start_listener StartListenerRequest |rng| { channel: channel(rng), listener: listener(rng) }
    purge_listener PurgeListenerRequest |rng| {
        channel: channel(rng), listener: listener(rng), through_sequence: maybe(rng, number),
    }
    remove_listener RemoveListenerRequest |rng| { channel: channel(rng), listener: listener(rng) }
    dispatch DispatchRequest |rng| { channel: channel(rng), listener: listener(rng), message: maybe(rng, message) }
    broadcast BroadcastRequest |rng| { channel: channel(rng), message: maybe(rng, message) }
    notify_end NotifyEndRequest |rng| { channel: channel(rng), listener: maybe(rng, listener) }
    publish PublishRequest |rng| { publications: several(rng, publication), stop_at_error: rng.bool() }
    publish_batch PublishBatchRequest |rng| { publications: several(rng, publication), stop_at_error: rng.bool() }
    listen ListenRequest |rng| { subscriptions: several(rng, subscription) }
    watch WatchRequest |rng| {
        subscriptions: vec![v1::WatchSubscription {
            channel: channel(rng), start_at: rng.i32(0..4), types: several(rng, name), resume_token: token(rng),
            ..Default::default()
        }],
        presence: rng.bool(),
    }
    change_listen ChangeListenRequest |rng| {
        add: several(rng, subscription), remove: several(rng, small),
    }
    pull PullRequest |rng| {
        channel: channel(rng), listener: listener(rng), max_messages: small(rng), wait: maybe(rng, duration),
        credit: maybe(rng, credit), types: several(rng, name), take_over: rng.i32(0..4),
        resume_token: token(rng), session: maybe(rng, name).unwrap_or_default(),
    }
    acknowledge AcknowledgeRequest |rng| {
        items: several(rng, |rng| v1::Acknowledgement {
            channel: channel(rng), listener: listener(rng), generation: maybe(rng, number),
            through_sequence: maybe(rng, number), sequences: numbers(rng), attempts: several(rng, attempt),
            gaps: several(rng, gap), birth: birth(rng), ..Default::default()
        }),
    }
    reject RejectRequest |rng| {
        items: several(rng, |rng| v1::Rejection {
            channel: channel(rng), listener: listener(rng), generation: maybe(rng, number),
            sequence: number(rng), attempt: small(rng), delay: maybe(rng, duration), r#final: rng.bool(),
            birth: birth(rng), ..Default::default()
        }),
    }
    extend ExtendRequest |rng| {
        items: several(rng, |rng| v1::Extension {
            channel: channel(rng), listener: listener(rng), sequence: number(rng), attempt: small(rng),
            extension: maybe(rng, duration), generation: maybe(rng, number), birth: birth(rng),
            ..Default::default()
        }),
    }
    list_messages ListMessagesRequest |rng| { channel: channel(rng), listener: listener(rng), page_size: small(rng) }
    requeue RequeueRequest |rng| { channel: channel(rng), listener: listener(rng), sequences: numbers(rng) }
    get_server GetServerRequest |_rng| {}
};

/// One to six requests: a byte for the verb, two for the length, then the request.
pub(super) fn sound(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..rng.usize(1..=6) {
        let verb = rng.usize(0..VERBS.len());
        let request = (VERBS[verb].sound)(rng);
        // half of the damage must not shift what follows it
        let request = if rng.bool() { request } else { damaged(rng, request.clone(), &request) };
        bytes.extend([verb as u8, (request.len() >> 8) as u8, request.len() as u8]);
        bytes.extend(request);
    }
    bytes
}

/// Whatever is asked, each call ends, a refusal has its reason, what streams say decodes, and the server lives on.
pub(super) fn requests(mut bytes: &[u8]) {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let stage = Stage::set().await;
        while let [verb, high, low, rest @ ..] = bytes {
            let (request, rest) =
                rest.split_at(usize::from(u16::from_be_bytes([*high, *low])).min(rest.len()));
            let verb = usize::from(*verb) % VERBS.len();
            let answer = timeout(LONGEST, (VERBS[verb].call)(&stage, request)).await;
            if let Err(status) = answer.expect("every call ends") {
                let reason = status.get_details_error_info().map(|info| info.reason);
                assert!(reason.is_some_and(|reason| !reason.is_empty()), "verb {verb}: {status:?}");
            }
            bytes = rest;
        }
        stage.serves().await;
    });
}

/// A server with a channel, listeners of both modes, messages at work and waiting, and an open stream.
struct Stage {
    dispatcher: Dispatcher,
    stream: String,
    _open: axum::response::Response,
}

impl Stage {
    async fn set() -> Self {
        let limits = Limits { max_channels: 100, max_listeners: 100, max_streams: 20, ..Limits::default() };
        let hub = Hub::new(Arc::new(Memory::default()), limits, 0).unwrap();
        let limits =
            RequestLimits { max_payload_bytes: 1 << 16, max_batch_messages: 100, max_batch_bytes: 1 << 20 };
        let clock = tokio::runtime::Handle::current();
        let (bodies, closing) = (Bodies::new(&limits), Default::default());
        let served = Served { hub, limits, closing, grace: Duration::ZERO, clock, bodies };
        let dispatcher = Dispatcher::new(served);
        furnish(&dispatcher, "c", &["automatic", EXPLICIT, "dead"]).await;
        let settings = wire::ChannelSettings {
            max_attempts: Some(2),
            dead_letter_listener: Some("dead".into()),
            ..Default::default()
        };
        let update =
            wire::UpdateChannelRequest { channel: "c".into(), settings: Some(settings), update_mask: None };
        dispatcher.update_channel(&update).unwrap();
        let subscription =
            wire::Subscription { channel: "c".into(), listener: "automatic".into(), ..Default::default() };
        let request = wire::ListenRequest { subscriptions: vec![subscription], ..Default::default() };
        let opened = dispatcher.listen(request).await.unwrap();
        let stream = opened.bundle.id().to_string();
        Self { _open: respond(dispatcher.clone(), Ok(opened)), dispatcher, stream }
    }

    /// A token that names no start is one of this one.
    fn issue(&self, token: &mut String) {
        if let Some(given) =
            ResumeToken::parse(token).filter(|token| token.incarnation == Incarnation::from(0))
        {
            let incarnation = self.dispatcher.hub.incarnation();
            *token = ResumeToken { incarnation, ..given }.to_string();
        }
    }

    async fn pull(&self, mut request: wire::PullRequest) -> Result<(), Status> {
        self.issue(&mut request.resume_token);
        Service::pull(&self.dispatcher, Request::new(request)).await.map(drop)
    }

    async fn listen(&self, mut request: wire::ListenRequest) -> Result<(), Status> {
        request.subscriptions.iter_mut().for_each(|asked| self.issue(&mut asked.resume_token));
        let opened =
            self.dispatcher.listen(request).await.map_err(|refusal| self.dispatcher.status(refusal))?;
        said(respond(self.dispatcher.clone(), Ok(opened)).into_body());
        Ok(())
    }

    async fn watch(&self, mut request: wire::WatchRequest) -> Result<(), Status> {
        request.subscriptions.iter_mut().for_each(|asked| self.issue(&mut asked.resume_token));
        let opened =
            self.dispatcher.watch(request).await.map_err(|refusal| self.dispatcher.status(refusal))?;
        said(respond(self.dispatcher.clone(), Ok(opened)).into_body());
        Ok(())
    }

    /// Of the stream that is open, where none is named.
    async fn change_listen(&self, mut request: wire::ChangeListenRequest) -> Result<(), Status> {
        if request.stream.is_empty() {
            request.stream.clone_from(&self.stream);
        }
        request.add.iter_mut().for_each(|asked| self.issue(&mut asked.resume_token));
        Service::change_listen(&self.dispatcher, Request::new(request)).await.map(drop)
    }

    async fn publish(&self, request: wire::PublishRequest) -> Result<(), Status> {
        let request = request.encode_to_vec();
        let body = [&[0][..], &(request.len() as u32).to_be_bytes(), &request].concat();
        let requests = Streaming::new_request(WireDecoder::default(), Body::from(body), None, None);
        let mut answers = Service::publish(&self.dispatcher, Request::new(requests)).await?.into_inner();
        while let Some(answer) = answers.next().await {
            answer?;
        }
        Ok(())
    }

    /// A channel that nobody has touched works from end to end.
    async fn serves(&self) {
        furnish(&self.dispatcher, UNTOUCHED, &[EXPLICIT]).await;
        let through = self.dispatcher.list_messages(&wire::ListMessagesRequest {
            channel: UNTOUCHED.into(),
            listener: EXPLICIT.into(),
            ..Default::default()
        });
        let first = v1::Delivery::decode(&*through.unwrap().deliveries[0]).unwrap().sequence;
        let item = wire::Acknowledgement {
            channel: UNTOUCHED.into(),
            listener: EXPLICIT.into(),
            through_sequence: Some(first + 1),
            ..Default::default()
        };
        let answer = self.dispatcher.acknowledge(&wire::AcknowledgeRequest { items: vec![item] }).unwrap();
        let Some(Outcome::Acknowledged(acknowledged)) = &answer.results[0].outcome else {
            panic!("{answer:?}")
        };
        assert_eq!(acknowledged.covered_messages, 2);
        self.get_server(wire::GetServerRequest {}).await.unwrap();
    }
}

/// Makes a channel with listeners, of which `explicit` gets three messages and has taken the first two.
async fn furnish(dispatcher: &Dispatcher, channel: &str, listeners: &[&str]) {
    let id = || channel.to_owned();
    let create = wire::CreateChannelRequest { channel: Some(id()), ..Default::default() };
    dispatcher.create_channel(&create).unwrap();
    for listener in listeners {
        let acknowledgement_mode = if *listener == EXPLICIT { 2 } else { 1 };
        let listener = Some((*listener).to_owned());
        let register =
            wire::RegisterRequest { channel: id(), listener, acknowledgement_mode, ..Default::default() };
        Service::register(dispatcher, Request::new(register)).await.unwrap();
    }
    for _ in 0..3 {
        let message = v1::Message { r#type: "t".into(), ..Default::default() }.encode_to_vec();
        let dispatch =
            wire::DispatchRequest { channel: id(), listener: EXPLICIT.into(), message: Some(message.into()) };
        Service::dispatch(dispatcher, Request::new(dispatch)).await.unwrap();
    }
    let pull =
        wire::PullRequest { channel: id(), listener: EXPLICIT.into(), max_messages: 2, ..Default::default() };
    let pulled = Service::pull(dispatcher, Request::new(pull)).await.unwrap().into_inner();
    assert_eq!(pulled.batch.unwrap().deliveries.len(), 2);
}

/// All that a stream has to say now is what its receivers can decode.
fn said(body: Body) {
    let mut frames = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(Some(Ok(frame))) = frames.next().now_or_never() {
        bytes.extend(frame);
    }
    let mut rest = &bytes[..];
    while let Some((prefix, behind)) = rest.split_at_checked(PREFIX_BYTES) {
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
        let (response, behind) = behind.split_at(length as usize);
        v1::WatchResponse::decode(response).expect("what a stream says decodes");
        rest = behind;
    }
}
