//! A client of the bare wire: the generated stub, and short forms of what every test does.

use super::{Reader, message::message, until, within};
use eric::v1::{self, dispatcher_service_client::DispatcherServiceClient};
use futures_util::{Stream, stream};
use tokio::task::JoinHandle;
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Channel, Endpoint},
};

pub(crate) type Service = DispatcherServiceClient<Channel>;

/// One connection. Clones share it; it is closed with the last of them and the last of its streams.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    pub(crate) channel: Channel,
}

impl Wire {
    pub(crate) async fn connect(url: String) -> Self {
        Self::over(Endpoint::from_shared(url).expect("it is a URL")).await
    }

    /// A connection that takes in a few KiB of a stream that nobody reads, and no more.
    pub(crate) async fn narrow(url: String) -> Self {
        let endpoint = Endpoint::from_shared(url).expect("it is a URL");
        Self::over(endpoint.initial_stream_window_size(64 << 10).initial_connection_window_size(1 << 20))
            .await
    }

    async fn over(endpoint: Endpoint) -> Self {
        Self { channel: within(endpoint.connect()).await.expect("the server accepts") }
    }

    /// The generated stub.
    pub(crate) fn call(&self) -> Service {
        DispatcherServiceClient::new(self.channel.clone()).max_decoding_message_size(64 << 20)
    }

    pub(crate) async fn create(&self, channel: &str) -> v1::Channel {
        self.create_with(channel, v1::ChannelSettings::default()).await
    }

    pub(crate) async fn create_with(&self, channel: &str, settings: v1::ChannelSettings) -> v1::Channel {
        let request = v1::CreateChannelRequest {
            channel: Some(channel.to_owned()),
            settings: Some(settings),
            ..Default::default()
        };
        let answer = within(self.call().create_channel(request)).await.expect("the channel is new");
        answer.into_inner().channel.expect("it is told")
    }

    pub(crate) async fn update(&self, channel: &str, settings: v1::ChannelSettings) -> v1::Channel {
        let request = v1::UpdateChannelRequest {
            channel: channel.to_owned(),
            settings: Some(settings),
            update_mask: None,
        };
        let answer = within(self.call().update_channel(request)).await.expect("the settings are sound");
        answer.into_inner().channel.expect("it is told")
    }

    pub(crate) async fn look_at(&self, channel: &str) -> v1::Channel {
        let request = v1::GetChannelRequest { channel: channel.to_owned() };
        let answer = within(self.call().get_channel(request)).await.expect("the channel is there");
        answer.into_inner().channel.expect("it is told")
    }

    pub(crate) async fn register(&self, channel: &str, listener: &str) -> v1::Listener {
        self.register_at(channel, listener, v1::StartAt::Unspecified).await
    }

    pub(crate) async fn register_at(
        &self,
        channel: &str,
        listener: &str,
        start_at: v1::StartAt,
    ) -> v1::Listener {
        let request = v1::RegisterRequest {
            channel: channel.to_owned(),
            listener: Some(listener.to_owned()),
            start_at: start_at.into(),
            ..Default::default()
        };
        let answer = within(self.call().register(request)).await.expect("the listener is new");
        answer.into_inner().listener.expect("it is told")
    }

    pub(crate) async fn listener(&self, channel: &str, listener: &str) -> v1::Listener {
        let request = v1::GetListenerRequest { channel: channel.to_owned(), listener: listener.to_owned() };
        let answer = within(self.call().get_listener(request)).await.expect("the listener is there");
        answer.into_inner().listener.expect("it is told")
    }

    pub(crate) async fn server(&self) -> v1::GetServerResponse {
        within(self.call().get_server(v1::GetServerRequest {})).await.expect("it answers").into_inner()
    }

    pub(crate) async fn try_dispatch(
        &self,
        channel: &str,
        listener: &str,
        message: v1::Message,
    ) -> Result<v1::Receipt, Status> {
        let request = dispatch(channel, listener, message);
        let answer = within(self.call().dispatch(request)).await?;
        Ok(answer.into_inner().receipt.expect("what is accepted has a receipt"))
    }

    pub(crate) async fn dispatch(&self, channel: &str, listener: &str, message: v1::Message) -> v1::Receipt {
        self.try_dispatch(channel, listener, message).await.expect("it is accepted")
    }

    pub(crate) async fn try_broadcast(
        &self,
        channel: &str,
        message: v1::Message,
    ) -> Result<v1::Receipt, Status> {
        let request = v1::BroadcastRequest { channel: channel.to_owned(), message: Some(message) };
        let answer = within(self.call().broadcast(request)).await?;
        Ok(answer.into_inner().receipt.expect("what is accepted has a receipt"))
    }

    pub(crate) async fn broadcast(&self, channel: &str, message: v1::Message) -> v1::Receipt {
        self.try_broadcast(channel, message).await.expect("it is accepted")
    }

    /// Marks a place in a channel: what was sent before it has arrived where it has.
    pub(crate) async fn mark(&self, channel: &str) -> v1::Receipt {
        self.broadcast(channel, message("mark")).await
    }

    pub(crate) async fn batch(&self, publications: Vec<v1::Publication>) -> Vec<v1::PublishResult> {
        let request = v1::PublishBatchRequest { publications, stop_at_error: false };
        within(self.call().publish_batch(request)).await.expect("a batch is answered").into_inner().results
    }

    /// Broadcasts all of them as one batch.
    pub(crate) async fn broadcast_all(
        &self,
        channel: &str,
        messages: impl IntoIterator<Item = v1::Message>,
    ) -> Vec<v1::Receipt> {
        let publications = messages.into_iter().map(|message| broadcast(channel, message)).collect();
        receipts(&self.batch(publications).await)
    }

    /// Dispatches all of them as one batch.
    pub(crate) async fn dispatch_all(
        &self,
        channel: &str,
        listener: &str,
        messages: impl IntoIterator<Item = v1::Message>,
    ) -> Vec<v1::Receipt> {
        let to = |message| publication(channel, listener, message);
        receipts(&self.batch(messages.into_iter().map(to).collect()).await)
    }

    pub(crate) async fn publish(
        &self,
        requests: impl Stream<Item = v1::PublishRequest> + Send + 'static,
    ) -> Streaming<v1::PublishResponse> {
        within(self.call().publish(requests)).await.expect("the stream opens").into_inner()
    }

    /// The answers to these requests on a stream that is closed behind them.
    pub(crate) async fn publish_all(&self, requests: Vec<v1::PublishRequest>) -> Vec<v1::PublishResponse> {
        let mut answers = self.publish(stream::iter(requests)).await;
        let mut all = Vec::new();
        while let Some(answer) = within(answers.message()).await.expect("the stream ends with OK") {
            all.push(answer);
        }
        all
    }

    pub(crate) async fn try_listen(&self, subscription: v1::Subscription) -> Result<Reader, Status> {
        let request = v1::ListenRequest { subscriptions: vec![subscription], max_response_bytes: 0 };
        Reader::of_listen(within(self.call().listen(request)).await?.into_inner()).await
    }

    pub(crate) async fn listen(&self, channel: &str, listener: &str) -> Reader {
        self.listen_from(channel, listener, "").await
    }

    pub(crate) async fn listen_from(&self, channel: &str, listener: &str, token: &str) -> Reader {
        let subscription = subscription(channel, listener, token);
        self.try_listen(subscription).await.expect("the stream opens")
    }

    pub(crate) async fn try_watch(&self, subscription: v1::WatchSubscription) -> Result<Reader, Status> {
        let request = v1::WatchRequest { subscriptions: vec![subscription], ..Default::default() };
        Reader::of_watch(within(self.call().watch(request)).await?.into_inner()).await
    }

    pub(crate) async fn watch(&self, channel: &str) -> Reader {
        let subscription = v1::WatchSubscription { channel: channel.to_owned(), ..Default::default() };
        self.try_watch(subscription).await.expect("the stream opens")
    }

    pub(crate) async fn pull(
        &self,
        channel: &str,
        listener: &str,
        max_messages: i32,
    ) -> (v1::Batch, v1::PullResponse) {
        let request = v1::PullRequest { max_messages, ..pull(channel, listener) };
        let answer = within(self.call().pull(request)).await.expect("a pull is answered").into_inner();
        (answer.batch.clone().expect("a pull answers a batch"), answer)
    }

    /// A pull that waits, by now on the server, for longer than any test.
    pub(crate) async fn pull_waiting(
        &self,
        channel: &str,
        listener: &str,
    ) -> JoinHandle<Result<v1::PullResponse, Status>> {
        let wait = Some(prost_types::Duration { seconds: 60, nanos: 0 });
        let (mut call, request) = (self.call(), v1::PullRequest { wait, ..pull(channel, listener) });
        let waiting = tokio::spawn(async move { call.pull(request).await.map(Response::into_inner) });
        until(async || self.listener(channel, listener).await.connected).await;
        waiting
    }

    pub(crate) async fn notify_end(&self, channel: &str, listener: Option<&str>) -> v1::Receipt {
        let listener = listener.map(str::to_owned);
        let request = v1::NotifyEndRequest { channel: channel.to_owned(), listener };
        let answer = within(self.call().notify_end(request)).await.expect("it is accepted");
        answer.into_inner().receipt.expect("what is accepted has a receipt")
    }

    pub(crate) async fn stop(&self, channel: &str, listener: &str) -> v1::Listener {
        let request = v1::StopListenerRequest { channel: channel.to_owned(), listener: listener.to_owned() };
        let answer = within(self.call().stop_listener(request)).await.expect("the listener is there");
        answer.into_inner().listener.expect("it is told")
    }

    pub(crate) async fn start(&self, channel: &str, listener: &str) -> v1::Listener {
        let request = v1::StartListenerRequest { channel: channel.to_owned(), listener: listener.to_owned() };
        let answer = within(self.call().start_listener(request)).await.expect("the listener is there");
        answer.into_inner().listener.expect("it is told")
    }

    pub(crate) async fn purge(
        &self,
        channel: &str,
        listener: &str,
        through: Option<i64>,
    ) -> v1::PurgeListenerResponse {
        let request = v1::PurgeListenerRequest {
            channel: channel.to_owned(),
            listener: listener.to_owned(),
            through_sequence: through,
        };
        within(self.call().purge_listener(request)).await.expect("the listener is there").into_inner()
    }

    pub(crate) async fn remove(&self, channel: &str, listener: &str) -> i64 {
        let request =
            v1::RemoveListenerRequest { channel: channel.to_owned(), listener: listener.to_owned() };
        let answer = within(self.call().remove_listener(request)).await.expect("the listener is there");
        answer.into_inner().discarded_messages
    }

    pub(crate) async fn remove_channel(&self, channel: &str) -> v1::RemoveChannelResponse {
        let request = v1::RemoveChannelRequest { channel: channel.to_owned() };
        within(self.call().remove_channel(request)).await.expect("the channel is there").into_inner()
    }

    /// The server answers, whatever happened before.
    pub(crate) async fn still_answers(&self) {
        let channel = format!("answers-{}", uuid::Uuid::new_v4());
        self.create(&channel).await;
        self.register(&channel, "l").await;
        let mut reader = self.listen(&channel, "l").await;
        self.dispatch(&channel, "l", message("alive")).await;
        assert_eq!(reader.one().await.message.expect("it was sent").r#type, "alive");
        self.remove_channel(&channel).await;
    }
}

pub(crate) fn subscription(channel: &str, listener: &str, token: &str) -> v1::Subscription {
    v1::Subscription {
        channel: channel.to_owned(),
        listener: listener.to_owned(),
        resume_token: token.to_owned(),
        ..Default::default()
    }
}

pub(crate) fn pull(channel: &str, listener: &str) -> v1::PullRequest {
    v1::PullRequest { channel: channel.to_owned(), listener: listener.to_owned(), ..Default::default() }
}

pub(crate) fn dispatch(channel: &str, listener: &str, message: v1::Message) -> Request<v1::DispatchRequest> {
    Request::new(v1::DispatchRequest {
        channel: channel.to_owned(),
        listener: listener.to_owned(),
        message: Some(message),
    })
}

/// A dispatch of a batch.
pub(crate) fn publication(channel: &str, listener: &str, message: v1::Message) -> v1::Publication {
    v1::Publication {
        channel: channel.to_owned(),
        receiver: Some(v1::publication::Receiver::Listener(listener.to_owned())),
        message: Some(message),
    }
}

/// A broadcast of a batch.
pub(crate) fn broadcast(channel: &str, message: v1::Message) -> v1::Publication {
    v1::Publication {
        channel: channel.to_owned(),
        receiver: Some(v1::publication::Receiver::Broadcast(true)),
        message: Some(message),
    }
}

/// The receipts of a batch that was accepted as a whole.
#[track_caller]
pub(crate) fn receipts(results: &[v1::PublishResult]) -> Vec<v1::Receipt> {
    results.iter().map(|result| receipt(result).clone()).collect()
}

#[track_caller]
pub(crate) fn receipt(result: &v1::PublishResult) -> &v1::Receipt {
    match &result.outcome {
        Some(v1::publish_result::Outcome::Receipt(receipt)) => receipt,
        other => panic!("it was not accepted: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn error(result: &v1::PublishResult) -> super::Refused {
    match &result.outcome {
        Some(v1::publish_result::Outcome::Error(status)) => super::Refused::of_pb(status),
        other => panic!("it was accepted: {other:?}"),
    }
}
