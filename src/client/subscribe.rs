//! How a subscription is asked for, and how its streams are opened.

use super::{
    Backoff, Client, Interruption, Presence, Result, Service, StartAt, Subscription, account::Account,
};
use crate::v1;
use futures_util::{StreamExt as _, future::BoxFuture, stream::BoxStream};
use std::{
    future::{Future, IntoFuture},
    sync::Arc,
    time::Duration,
};
use tonic::Status;

/// The parts of a stream, whichever verb opened it: a watch's hold all that a listen's do, by the contract.
pub(super) type Parts = BoxStream<'static, Result<v1::WatchResponse, Status>>;

/// Told of each loss of a stream, and of its end.
pub(super) type Observer = Box<dyn FnMut(Interruption) + Send>;

/// Told who listens.
pub(super) type Attendant = Box<dyn FnMut(Presence) + Send>;

/// Opens a stream that goes on after a token.
pub(super) type Opener = Box<dyn Fn(String) -> BoxFuture<'static, Result<Parts>> + Send>;

/// What holds for all streams of a subscription.
#[derive(Default)]
pub(super) struct Options {
    pub(super) backoff: Backoff,
    pub(super) reconnect_for: Option<Duration>,
    pub(super) observer: Option<Observer>,
    pub(super) attendant: Option<Attendant>,
}

/// A subscription, about to be opened; await it. [`Listen`] and [`Watch`] are the two there are.
#[must_use = "nothing is opened until it is awaited"]
pub struct Opening<A> {
    pub(super) client: Client,
    pub(super) asked: A,
    pub(super) options: Options,
}

/// A subscription to a listener's messages, about to be opened. From [`Client::listen`].
pub type Listen = Opening<ListenAsked>;

/// A subscription to what is broadcast in a channel, about to be opened. From [`Client::watch`].
pub type Watch = Opening<WatchAsked>;

/// What is asked for by [`Listen`].
#[derive(Clone)]
pub struct ListenAsked(pub(super) v1::Subscription);

/// What is asked for by [`Watch`].
#[derive(Clone)]
pub struct WatchAsked {
    subscription: v1::WatchSubscription,
    presence: bool,
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
    /// Of a listener that acknowledges explicitly, each delivery is to be
    /// [acknowledged](super::Delivery::acknowledge) or [rejected](super::Delivery::reject); a
    /// [handler](Listen::handle) has it done. What is dropped without either stays outstanding, and comes
    /// again with the next stream or after its deadline.
    ///
    /// # Errors
    /// When it is opened: NOT_FOUND; RESOURCE_EXHAUSTED, reason `STREAM_LIMIT`; INVALID_ARGUMENT, reasons
    /// `RESUME_TOKEN_INVALID`, `NOT_EXPLICIT`; FAILED_PRECONDITION, reason `RESUME_TOKEN_AHEAD`.
    pub fn listen(&self, channel: impl Into<String>, listener: impl Into<String>) -> Listen {
        let (channel, listener, session) = (channel.into(), listener.into(), self.session.to_string());
        let asked = v1::Subscription { channel, listener, session, ..Default::default() };
        Opening { client: self.clone(), asked: ListenAsked(asked), options: self.options() }
    }

    /// Receives what is broadcast in a channel, from now on where nothing else is said. It leaves nothing
    /// behind.
    ///
    /// # Errors
    /// As [`listen`](Self::listen).
    pub fn watch(&self, channel: impl Into<String>) -> Watch {
        let subscription = v1::WatchSubscription { channel: channel.into(), ..Default::default() };
        let asked = WatchAsked { subscription, presence: false };
        Opening { client: self.clone(), asked, options: self.options() }
    }

    fn options(&self) -> Options {
        Options { backoff: self.policy.backoff, ..Default::default() }
    }
}

/// What both ways to subscribe have in common.
pub trait Asked: Clone + Send + 'static {
    /// Where to begin.
    #[doc(hidden)]
    fn resume_token(&mut self) -> &mut String;
    /// Which types; none: all.
    #[doc(hidden)]
    fn types(&mut self) -> &mut Vec<String>;
    /// Opens one stream.
    #[doc(hidden)]
    fn open(self, client: Client) -> impl Future<Output = Result<Parts>> + Send;
    /// The ids of channel and listener, where there is one.
    #[doc(hidden)]
    fn listener(&self) -> Option<(&str, &str)>;
}

impl Asked for ListenAsked {
    fn resume_token(&mut self) -> &mut String {
        &mut self.0.resume_token
    }

    fn types(&mut self) -> &mut Vec<String> {
        &mut self.0.types
    }

    async fn open(self, client: Client) -> Result<Parts> {
        listen_stream(client, vec![self.0]).await
    }

    fn listener(&self) -> Option<(&str, &str)> {
        Some((&self.0.channel, &self.0.listener))
    }
}

impl Asked for WatchAsked {
    fn resume_token(&mut self) -> &mut String {
        &mut self.subscription.resume_token
    }

    fn types(&mut self) -> &mut Vec<String> {
        &mut self.subscription.types
    }

    async fn open(self, client: Client) -> Result<Parts> {
        let Self { subscription, presence } = self;
        let request = v1::WatchRequest { subscriptions: vec![subscription], max_response_bytes: 0, presence };
        let verb = |mut service: Service, request| async move { service.watch(request).await };
        Ok(client.open(request, verb).await?.boxed())
    }

    fn listener(&self) -> Option<(&str, &str)> {
        None
    }
}

pub(super) async fn listen_stream(client: Client, subscriptions: Vec<v1::Subscription>) -> Result<Parts> {
    let request = v1::ListenRequest { subscriptions, max_response_bytes: 0 };
    let verb = |mut service: Service, request| async move { service.listen(request).await };
    Ok(client.open(request, verb).await?.map(|part| part.map(as_watch)).boxed())
}

fn as_watch(part: v1::ListenResponse) -> v1::WatchResponse {
    v1::WatchResponse {
        opened: part.opened,
        started: part.started,
        batches: part.batches,
        ended: part.ended,
        going_away: part.going_away,
        presence: Vec::new(),
    }
}

impl<A: Asked> Opening<A> {
    /// Goes on after what this token covers ([`Subscription::resume_token`]). Empty: where the listener
    /// stands, or where a watcher [starts](Watch::start_at).
    pub fn resume_from(mut self, token: impl Into<String>) -> Self {
        *self.asked.resume_token() = token.into();
        self
    }

    /// Only these types; what does not match counts as delivered. At most 64; none: all.
    pub fn types(mut self, types: impl IntoIterator<Item = impl Into<String>>) -> Self {
        *self.asked.types() = types.into_iter().map(Into::into).collect();
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

    pub(super) async fn open(mut self) -> Result<Subscription> {
        let parts = self.asked.clone().open(self.client.clone()).await?;
        let token = self.asked.resume_token().clone();
        let account = self.account();
        // the subscription waits and repeats by itself
        let client = self.client.repeating_for(Duration::ZERO);
        let opener: Opener = Box::new(move |resume_token| {
            let mut asked = self.asked.clone();
            *asked.resume_token() = resume_token;
            Box::pin(asked.open(client.clone()))
        });
        Ok(Subscription::new(parts, token, account, opener, self.options))
    }

    fn account(&self) -> Option<Arc<Account>> {
        let (channel, listener) = self.asked.listener()?;
        Some(Account::new(self.client.clone(), channel.to_owned(), listener.to_owned()))
    }
}

impl Listen {
    /// How much may be outstanding: messages from 1 to 65,536, default 1,000, and bytes, default 16 MiB; one
    /// message always fits. Only of listeners that acknowledge explicitly.
    pub fn max_unacknowledged(mut self, messages: u32, bytes: u64) -> Self {
        self.asked.0.credit = Some(credit(messages, bytes));
        self
    }

    /// Under another name than the client's ([`Builder::session`](super::Builder::session)); empty: none.
    pub fn session(mut self, session: impl Into<String>) -> Self {
        self.asked.0.session = session.into();
        self
    }
}

/// What is too much for the wire is refused by the server, with its own words.
pub(super) fn credit(messages: u32, bytes: u64) -> v1::Credit {
    v1::Credit {
        max_unacknowledged_messages: messages.try_into().unwrap_or(i32::MAX),
        max_unacknowledged_bytes: bytes.try_into().unwrap_or(i64::MAX),
    }
}

impl Watch {
    /// Where to begin without a token. Default [`StartAt::New`].
    pub fn start_at(mut self, start_at: StartAt) -> Self {
        self.asked.subscription.start_at = start_at.into();
        self
    }

    /// Is told who listens on the channel: each that does, when a stream begins, and then who comes and who
    /// leaves. It is told while the program asks for what is next. After a reconnect
    /// ([`Interruption::Over`]) those are gone that are not told again.
    pub fn on_presence(mut self, attendant: impl FnMut(Presence) + Send + 'static) -> Self {
        self.asked.presence = true;
        self.options.attendant = Some(Box::new(attendant));
        self
    }
}

impl<A: Asked> IntoFuture for Opening<A> {
    type Output = Result<Subscription>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}
