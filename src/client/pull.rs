//! Receiving by asking: the next messages of a listener, once.

use super::{Client, Delivery, Error, Gap, Result, Service, policy::Repeat, time};
use crate::v1;
use futures_util::future::BoxFuture;
use std::{future::IntoFuture, time::Duration};

/// A pull, about to be made; await it. From [`Client::pull`].
#[must_use = "nothing is asked until it is awaited"]
pub struct Pull {
    client: Client,
    request: v1::PullRequest,
    wait: Duration,
}

/// What a pull brought.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pulled {
    /// What is missing before the first delivery.
    pub gaps: Vec<Gap>,
    /// The deliveries, in rising sequence; none where none came in time.
    pub deliveries: Vec<Delivery>,
    /// Where to go on once these are handled ([`Pull::resume_from`]).
    pub resume_token: String,
    /// The start of the server that answered.
    pub incarnation: String,
}

impl Client {
    /// Receives the next messages of a listener: one, without waiting, where nothing else is said. It takes
    /// the listener over as a stream does. An end that was announced is a delivery of the type
    /// [`CHANNEL_CLOSED`](super::CHANNEL_CLOSED).
    ///
    /// What an answer that was lost on its way held is had again by pulling with the token of the pull
    /// before, within the channel's replay window; only such a pull is repeated by itself.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # async fn run(client: eric::client::Client) -> Result<(), eric::client::Error> {
    /// let pulled = client.pull("prices", "alice").max_messages(10).wait(Duration::from_secs(5)).await?;
    /// let more = client.pull("prices", "alice").resume_from(pulled.resume_token).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// NOT_FOUND; ABORTED, reason `LISTENER_TAKEN_OVER`, while it waits; INVALID_ARGUMENT.
    pub fn pull(&self, channel: impl Into<String>, listener: impl Into<String>) -> Pull {
        let request =
            v1::PullRequest { channel: channel.into(), listener: listener.into(), ..Default::default() };
        Pull { client: self.clone(), request, wait: Duration::ZERO }
    }

    /// Receives the next message of a listener. Gaps before it are only logged: who must know of them
    /// [pulls](Self::pull).
    ///
    /// # Errors
    /// [`Error::NoMessages`] where none waits; as [`pull`](Self::pull).
    pub async fn deliver_next(
        &self,
        channel: impl Into<String>,
        listener: impl Into<String>,
    ) -> Result<Delivery> {
        let (channel, listener) = (channel.into(), listener.into());
        let pulled = self.pull(&channel, &listener).await?;
        for gap in &pulled.gaps {
            tracing::warn!(channel, listener, ?gap, "messages are missing");
        }
        pulled.deliveries.into_iter().next().ok_or(Error::NoMessages { channel, listener })
    }
}

impl Pull {
    /// At most so many; more than the server's largest batch is taken as that. Default 1.
    pub fn max_messages(mut self, messages: u32) -> Self {
        self.request.max_messages = i32::try_from(messages).unwrap_or(i32::MAX);
        self
    }

    /// How long to wait for the first. At most 60 s; default not at all.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.request.wait = Some(time::to_wire(wait));
        self.wait = wait;
        self
    }

    /// Goes on after what this token covers.
    pub fn resume_from(mut self, token: impl Into<String>) -> Self {
        self.request.resume_token = token.into();
        self
    }

    /// Only these types; what does not match counts as delivered. At most 64; none: all.
    pub fn types(mut self, types: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.request.types = types.into_iter().map(Into::into).collect();
        self
    }

    /// How long to repeat it while the server is UNAVAILABLE: with a token only. Default as
    /// [the client's](super::Builder::repeat_for).
    pub fn repeat_for(mut self, time: Duration) -> Self {
        self.client = self.client.repeating_for(time);
        self
    }

    async fn ask(self) -> Result<Pulled> {
        let limit = self.client.policy.timeout.saturating_add(self.wait);
        // a token says where to begin, and so the same comes again
        let repeat = Repeat::safe_if(!self.request.resume_token.is_empty());
        let verb = |mut service: Service, request| async move { service.pull(request).await };
        let answer = self.client.call_within(limit, repeat, self.request, verb).await?;
        Ok(answer.into())
    }
}

impl IntoFuture for Pull {
    type Output = Result<Pulled>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.ask())
    }
}

impl From<v1::PullResponse> for Pulled {
    fn from(answer: v1::PullResponse) -> Self {
        let batch = answer.batch.unwrap_or_default();
        Self {
            gaps: batch.gaps.into_iter().map(Gap::from).collect(),
            deliveries: batch.deliveries.into_iter().map(Delivery::from).collect(),
            resume_token: batch.resume_token,
            incarnation: answer.incarnation,
        }
    }
}
