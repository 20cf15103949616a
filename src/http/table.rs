//! Which method and path is which verb of the contract.

use super::json;
use crate::verbs::{Dispatcher, status::Refusal, wire};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Method;
use prost::Message;
use prost_reflect::{FieldDescriptor, Kind};

type Answer = BoxFuture<'static, Result<Bytes, Refusal>>;

/// A verb at its place.
pub(super) struct Verb {
    pub(super) method: Method,
    /// With `{channel}` and `{listener}` for the fields of the request that stand in it.
    pub(super) path: &'static str,
    /// The name of the verb in the contract.
    pub(super) name: &'static str,
    /// From the bytes of its request to those of its answer.
    pub(super) run: fn(Dispatcher, Bytes) -> Answer,
}

impl Verb {
    pub(super) fn request(&self) -> String {
        format!("eric.v1.{}Request", self.name)
    }

    pub(super) fn answer(&self) -> String {
        format!("eric.v1.{}Response", self.name)
    }

    /// The fields of the request that stand in the path.
    pub(super) fn in_path(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    /// What is left of the request stands in the query, where a verb changes nothing.
    pub(super) fn reads(&self) -> bool {
        self.method == Method::GET
    }

    /// The fields of the request that may stand in the query: those of one plain value.
    pub(super) fn parameters(&self) -> impl Iterator<Item = FieldDescriptor> {
        let in_path: Vec<_> = self.in_path().collect();
        let single = |field: &FieldDescriptor| !field.is_list() && !matches!(field.kind(), Kind::Message(_));
        let fields: Vec<_> = json::message(&self.request()).fields().filter(single).collect();
        fields.into_iter().filter(move |field| !in_path.contains(&field.name()))
    }

    /// Whether what it asks for stands in a body.
    pub(super) fn has_body(&self) -> bool {
        self.method == Method::POST || self.method == Method::PATCH
    }
}

macro_rules! verbs {
    ($($method:ident $path:literal $name:literal $kind:ident $verb:ident $Request:ident)*) => {
        [$(Verb {
            method: Method::$method,
            path: $path,
            name: $name,
            run: |dispatcher, request| Box::pin(async move {
                // it was encoded by the contract's descriptor
                let request = wire::$Request::decode(request).map_err(|_| Refusal::malformed($name))?;
                let answer = verbs!($kind dispatcher $verb request)?;
                Ok(answer.encode_to_vec().into())
            }),
        }),*]
    };
    (now $dispatcher:ident $verb:ident $request:ident) => {
        $dispatcher.$verb(&$request)
    };
    (change $dispatcher:ident $verb:ident $request:ident) => {
        $dispatcher.once_safe($dispatcher.$verb(&$request)).await
    };
    (later $dispatcher:ident $verb:ident $request:ident) => {
        $dispatcher.$verb($request).await
    };
}

/// Every verb but the streams. ChangeListen is left out: an event has no room to say whose it is.
#[rustfmt::skip]
pub(super) static VERBS: [Verb; 24] = verbs! {
    GET    "/v1/channels"                                           "ListChannels"   now    list_channels   ListChannelsRequest
    POST   "/v1/channels"                                           "CreateChannel"  change create_channel  CreateChannelRequest
    GET    "/v1/channels/{channel}"                                 "GetChannel"     now    get_channel     GetChannelRequest
    PATCH  "/v1/channels/{channel}"                                 "UpdateChannel"  change update_channel  UpdateChannelRequest
    DELETE "/v1/channels/{channel}"                                 "RemoveChannel"  change remove_channel  RemoveChannelRequest
    POST   "/v1/channels/{channel}/broadcast"                       "Broadcast"      later  broadcast       BroadcastRequest
    POST   "/v1/channels/{channel}/notify-end"                      "NotifyEnd"      later  notify_end      NotifyEndRequest
    GET    "/v1/channels/{channel}/listeners"                       "ListListeners"  now    list_listeners  ListListenersRequest
    POST   "/v1/channels/{channel}/listeners"                       "Register"       change register        RegisterRequest
    GET    "/v1/channels/{channel}/listeners/{listener}"            "GetListener"    now    get_listener    GetListenerRequest
    PATCH  "/v1/channels/{channel}/listeners/{listener}"            "UpdateListener" change update_listener UpdateListenerRequest
    DELETE "/v1/channels/{channel}/listeners/{listener}"            "RemoveListener" change remove_listener RemoveListenerRequest
    POST   "/v1/channels/{channel}/listeners/{listener}/start"      "StartListener"  now    start_listener  StartListenerRequest
    POST   "/v1/channels/{channel}/listeners/{listener}/stop"       "StopListener"   now    stop_listener   StopListenerRequest
    POST   "/v1/channels/{channel}/listeners/{listener}/purge"      "PurgeListener"  change purge_listener  PurgeListenerRequest
    POST   "/v1/channels/{channel}/listeners/{listener}/dispatch"   "Dispatch"       later  dispatch        DispatchRequest
    POST   "/v1/channels/{channel}/listeners/{listener}/pull"       "Pull"           later  pull            PullRequest
    GET    "/v1/channels/{channel}/listeners/{listener}/messages"   "ListMessages"   now    list_messages   ListMessagesRequest
    POST   "/v1/channels/{channel}/listeners/{listener}/requeue"    "Requeue"        later  requeue         RequeueRequest
    POST   "/v1/publish"                                            "PublishBatch"   later  publish_batch   PublishBatchRequest
    POST   "/v1/acknowledge"                                        "Acknowledge"    now    acknowledge     AcknowledgeRequest
    POST   "/v1/reject"                                             "Reject"         later  reject          RejectRequest
    POST   "/v1/extend"                                             "Extend"         now    extend          ExtendRequest
    GET    "/v1/server"                                             "GetServer"      now    get_server      GetServerRequest
};
