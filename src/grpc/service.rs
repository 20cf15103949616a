//! The verbs as the generated service wants them.

use super::{publish, wire::dispatcher_service_server::DispatcherService};
use crate::verbs::{Dispatcher, wire};
use tonic::{Request, Response, Status, Streaming};

/// Makes the service: each verb is a function of the dispatcher under the same name, that answers at once, or when what
/// it has changed is safe, or after a wait of its own.
macro_rules! service {
    (
        now { $($verb:ident($Request:ident) -> $Response:ident;)* }
        changes { $($change:ident($ChangeRequest:ident) -> $ChangeResponse:ident;)* }
        later { $($slow:ident($SlowRequest:ident) -> $SlowResponse:ident;)* }
    ) => {
        #[tonic::async_trait]
        impl DispatcherService for Dispatcher {
            $(async fn $verb(
                &self,
                request: Request<wire::$Request>,
            ) -> Result<Response<wire::$Response>, Status> {
                let answer = Dispatcher::$verb(self, &request.into_inner());
                answer.map(Response::new).map_err(|refusal| self.status(refusal))
            })*

            $(async fn $change(
                &self,
                request: Request<wire::$ChangeRequest>,
            ) -> Result<Response<wire::$ChangeResponse>, Status> {
                let answer = self.once_safe(Dispatcher::$change(self, &request.into_inner())).await;
                answer.map(Response::new).map_err(|refusal| self.status(refusal))
            })*

            $(async fn $slow(
                &self,
                request: Request<wire::$SlowRequest>,
            ) -> Result<Response<wire::$SlowResponse>, Status> {
                let answer = Dispatcher::$slow(self, request.into_inner()).await;
                answer.map(Response::new).map_err(|refusal| self.status(refusal))
            })*

            async fn pull(
                &self,
                request: Request<wire::PullRequest>,
            ) -> Result<Response<wire::PullResponse>, Status> {
                let this = self.for_call(request.extensions());
                let answer = Dispatcher::pull(&this, request.into_inner()).await;
                answer.map(Response::new).map_err(|refusal| self.status(refusal))
            }

            type PublishStream = publish::Answers;

            async fn publish(
                &self,
                request: Request<Streaming<wire::PublishRequest>>,
            ) -> Result<Response<Self::PublishStream>, Status> {
                Ok(Response::new(publish::answers(self, request.into_inner())))
            }
        }
    };
}

service! {
    now {
        get_channel(GetChannelRequest) -> GetChannelResponse;
        list_channels(ListChannelsRequest) -> ListChannelsResponse;
        get_listener(GetListenerRequest) -> GetListenerResponse;
        list_listeners(ListListenersRequest) -> ListListenersResponse;
        start_listener(StartListenerRequest) -> StartListenerResponse;
        stop_listener(StopListenerRequest) -> StopListenerResponse;
        acknowledge(AcknowledgeRequest) -> AcknowledgeResponse;
        extend(ExtendRequest) -> ExtendResponse;
        list_messages(ListMessagesRequest) -> ListMessagesResponse;
        get_server(GetServerRequest) -> GetServerResponse;
    }
    changes {
        create_channel(CreateChannelRequest) -> CreateChannelResponse;
        update_channel(UpdateChannelRequest) -> UpdateChannelResponse;
        remove_channel(RemoveChannelRequest) -> RemoveChannelResponse;
        register(RegisterRequest) -> RegisterResponse;
        update_listener(UpdateListenerRequest) -> UpdateListenerResponse;
        purge_listener(PurgeListenerRequest) -> PurgeListenerResponse;
        remove_listener(RemoveListenerRequest) -> RemoveListenerResponse;
    }
    later {
        dispatch(DispatchRequest) -> DispatchResponse;
        broadcast(BroadcastRequest) -> BroadcastResponse;
        notify_end(NotifyEndRequest) -> NotifyEndResponse;
        publish_batch(PublishBatchRequest) -> PublishBatchResponse;
        reject(RejectRequest) -> RejectResponse;
        requeue(RequeueRequest) -> RequeueResponse;
        change_listen(ChangeListenRequest) -> ChangeListenResponse;
    }
}
