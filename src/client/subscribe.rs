//! How a subscription is asked for, and how its streams are opened.

use super::{Backoff, Client, Interruption, Result, Service, StartAt, Subscription};
use crate::v1;
use futures_util::{StreamExt as _, future::BoxFuture, stream::BoxStream};
use std::{future::IntoFuture, time::Duration};
use tonic::Status;

/// The parts of a stream, whichever verb opened it: a watch's are those of a listen, by the contract.
pub(super) type Parts = BoxStream<'static, Result<v1::ListenResponse, Status>>;

/// Told of each loss of a stream, and of its end.
pub(super) type Observer = Box<dyn FnMut(Interruption) + Send>;

/// Opens a stream that goes on after a token.
pub(super) type Opener = Box<dyn Fn(String) -> BoxFuture<'static, Result<Parts>> + Send>;

/// What holds for all streams of a subscription.
#[derive(Default)]
pub(super) struct Options {
    pub(super) backoff: Backoff,
    pub(super) reconnect_for: Option<Duration>,
    pub(super) observer: Option<Observer>,
}

/// A subscription to a listener's messages, about to be opened; await it. From [`Client::listen`].
#[must_use = "nothing is opened until it is awaited"]
pub struct Listen {
    client: Client,
    subscription: v1::Subscription,
    options: Options,
}

/// A subscription to what is broadcast in a channel, about to be opened; await it. From [`Client::watch`].
#[must_use = "nothing is opened until it is awaited"]
pub struct Watch {
    client: Client,
    subscription: v1::WatchSubscription,
    options: Options,
}

impl Client {
    /// Receives what waits for a listener, and what comes. It makes the listener run, and takes it over from
    /// whoever has it.
    ///
    /// ```no_run
    /// # async fn run(client: eric::client::Client, saved: String) -> Result<(), eric::client::Error> {
    /// let mut alice = client.listen("prices", "alice").await?;
    /// let mut bob = client.listen("prices", "bob").resume_from(saved).types(["price"]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When it is opened: NOT_FOUND; RESOURCE_EXHAUSTED, reason `STREAM_LIMIT`; INVALID_ARGUMENT, reason
    /// `RESUME_TOKEN_INVALID`; FAILED_PRECONDITION, reason `RESUME_TOKEN_AHEAD`.
    pub fn listen(&self, channel: impl Into<String>, listener: impl Into<String>) -> Listen {
        let subscription =
            v1::Subscription { channel: channel.into(), listener: listener.into(), ..Default::default() };
        Listen { client: self.clone(), subscription, options: self.options() }
    }

    /// Receives what is broadcast in a channel, from now on where nothing else is said. It leaves nothing
    /// behind.
    ///
    /// # Errors
    /// As [`listen`](Self::listen).
    pub fn watch(&self, channel: impl Into<String>) -> Watch {
        let subscription = v1::WatchSubscription { channel: channel.into(), ..Default::default() };
        Watch { client: self.clone(), subscription, options: self.options() }
    }

    async fn listen_stream(self, subscription: v1::Subscription) -> Result<Parts> {
        let request = v1::ListenRequest { subscriptions: vec![subscription], max_response_bytes: 0 };
        let verb = |mut service: Service, request| async move { service.listen(request).await };
        Ok(self.open(request, verb).await?.boxed())
    }

    async fn watch_stream(self, subscription: v1::WatchSubscription) -> Result<Parts> {
        let request =
            v1::WatchRequest { subscriptions: vec![subscription], max_response_bytes: 0, presence: false };
        let verb = |mut service: Service, request| async move { service.watch(request).await };
        Ok(self.open(request, verb).await?.map(|part| part.map(as_listen)).boxed())
    }

    fn options(&self) -> Options {
        Options { backoff: self.policy.backoff, ..Default::default() }
    }
}

fn as_listen(part: v1::WatchResponse) -> v1::ListenResponse {
    v1::ListenResponse {
        opened: part.opened,
        started: part.started,
        batches: part.batches,
        ended: part.ended,
        going_away: part.going_away,
    }
}

impl Listen {
    /// Goes on after what this token covers ([`Subscription::resume_token`]). Empty: where the listener
    /// stands.
    pub fn resume_from(mut self, token: impl Into<String>) -> Self {
        self.subscription.resume_token = token.into();
        self
    }

    /// Only these types; what does not match counts as delivered. At most 64; none: all.
    pub fn types(mut self, types: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.subscription.types = types.into_iter().map(Into::into).collect();
        self
    }

    /// How long to try to reconnect before the subscription ends with the error. Default: for ever.
    pub fn reconnect_for(mut self, time: Duration) -> Self {
        self.options.reconnect_for = Some(time);
        self
    }

    /// Is told when the stream is lost, each time that reconnecting fails, and when it is there again.
    pub fn on_interruption(mut self, observer: impl FnMut(Interruption) + Send + 'static) -> Self {
        self.options.observer = Some(Box::new(observer));
        self
    }
}

impl Watch {
    /// Goes on after what this token covers ([`Subscription::resume_token`]).
    pub fn resume_from(mut self, token: impl Into<String>) -> Self {
        self.subscription.resume_token = token.into();
        self
    }

    /// Where to begin without a token. Default [`StartAt::New`].
    pub fn start_at(mut self, start_at: StartAt) -> Self {
        self.subscription.start_at = start_at.into();
        self
    }

    /// Only these types. At most 64; none: all.
    pub fn types(mut self, types: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.subscription.types = types.into_iter().map(Into::into).collect();
        self
    }

    /// How long to try to reconnect before the subscription ends with the error. Default: for ever.
    pub fn reconnect_for(mut self, time: Duration) -> Self {
        self.options.reconnect_for = Some(time);
        self
    }

    /// Is told when the stream is lost, each time that reconnecting fails, and when it is there again.
    pub fn on_interruption(mut self, observer: impl FnMut(Interruption) + Send + 'static) -> Self {
        self.options.observer = Some(Box::new(observer));
        self
    }
}

impl Listen {
    async fn open(self) -> Result<Subscription> {
        let parts = self.client.clone().listen_stream(self.subscription.clone()).await?;
        // the subscription waits and repeats by itself
        let client = self.client.repeating_for(Duration::ZERO);
        let token = self.subscription.resume_token.clone();
        let opener: Opener = Box::new(move |resume_token| {
            let subscription = v1::Subscription { resume_token, ..self.subscription.clone() };
            Box::pin(client.clone().listen_stream(subscription))
        });
        Ok(Subscription::new(parts, token, opener, self.options))
    }
}

impl Watch {
    async fn open(self) -> Result<Subscription> {
        let parts = self.client.clone().watch_stream(self.subscription.clone()).await?;
        // the subscription waits and repeats by itself
        let client = self.client.repeating_for(Duration::ZERO);
        let token = self.subscription.resume_token.clone();
        let opener: Opener = Box::new(move |resume_token| {
            let subscription = v1::WatchSubscription { resume_token, ..self.subscription.clone() };
            Box::pin(client.clone().watch_stream(subscription))
        });
        Ok(Subscription::new(parts, token, opener, self.options))
    }
}

impl IntoFuture for Listen {
    type Output = Result<Subscription>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

impl IntoFuture for Watch {
    type Output = Result<Subscription>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}
