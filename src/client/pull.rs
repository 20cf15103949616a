//! Receiving by asking: the next messages of a listener, once.

mod series;

use super::{
    Acknowledgement, AcknowledgementMode, Client, Delivery, Error, Gap, Result, Service,
    account::Account,
    ledger::{Attempts, NOWHERE},
    policy::Repeat,
    subscribe::credit,
    time,
};
use crate::v1;
use futures_util::future::BoxFuture;
use series::Turn;
use std::{future::IntoFuture, sync::Arc, time::Duration};

pub(super) use series::AllSeries;

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
    /// The listener's birth.
    pub birth: i64,
    /// The start of the server that answered.
    pub incarnation: String,
}

impl Client {
    /// Receives the next messages of a listener: one, without waiting, where nothing else is said. It takes
    /// the listener over as a stream does. An end that was announced is a delivery of the type
    /// [`CHANNEL_CLOSED`](super::CHANNEL_CLOSED).
    ///
    /// What an answer that was lost on its way held is had again by pulling with the token of the pull
    /// before, within the channel's replay window; only a pull with a token is repeated by itself.
    ///
    /// What a listener that acknowledges explicitly is given is to be
    /// [acknowledged](Delivery::acknowledge) or [rejected](Delivery::reject). A gap before it is passed by a
    /// [`Client::acknowledge`] that names it. Where an answer was lost, or the pull was dropped, the next one
    /// of the same client says so by itself, and is given everything that is not acknowledged, from the oldest on.
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
        let (channel, listener, session) = (channel.into(), listener.into(), self.session.to_string());
        let request = v1::PullRequest { channel, listener, session, ..Default::default() };
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
        if !pulled.gaps.is_empty() {
            let known = Acknowledgement::of(&channel, &listener).birth(pulled.birth);
            // where it is not said, or the listener acknowledges nothing, they are logged again or were passed
            let _ = self.acknowledge([pulled.gaps.iter().fold(known, Acknowledgement::gap)]).await;
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

    /// How long to wait for the first that comes. At most 60 s; default not at all: what is there is given all the same.
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

    /// How much may be outstanding: messages from 1 to 65,536, default 1,000, and bytes, default 16 MiB. Only
    /// of listeners that acknowledge explicitly.
    pub fn max_unacknowledged(mut self, messages: u32, bytes: u64) -> Self {
        self.request.credit = Some(credit(messages, bytes));
        self
    }

    /// Under another name than the client's ([`Builder::session`](super::Builder::session)); empty: none.
    /// Pulls of one session less than 60 s apart are one stream: each goes on after the last, or, where its token
    /// says that the last answer did not arrive, begins with all that is not acknowledged.
    pub fn session(mut self, session: impl Into<String>) -> Self {
        self.request.session = session.into();
        self
    }

    /// How long to repeat it while the server is UNAVAILABLE: with a token only. Default as
    /// [the client's](super::Builder::repeat_for).
    pub fn repeat_for(mut self, time: Duration) -> Self {
        self.client = self.client.repeating_for(time);
        self
    }

    async fn ask(mut self) -> Result<Pulled> {
        let turn = Turn::begin(&self.client, &mut self.request);
        let limit = self.client.policy.timeout.saturating_add(self.wait);
        // a token says where to begin, and so the same comes again
        let repeat = Repeat::safe_if(!self.request.resume_token.is_empty());
        let verb = |mut service: Service, request| async move { service.pull(request).await };
        let (channel, listener) = (self.request.channel.clone(), self.request.listener.clone());
        let answer = self.client.call_within(limit, repeat, self.request, verb).await;
        match (turn, &answer) {
            (Some(turn), Ok(answer)) => turn.answered(answer),
            (Some(turn), Err(error)) => turn.failed(error),
            (None, _) => {}
        }
        let answer = answer?;
        Ok(pulled(answer, || Account::of_pull(self.client, channel, listener)))
    }
}

impl IntoFuture for Pull {
    type Output = Result<Pulled>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.ask())
    }
}

fn pulled(answer: v1::PullResponse, account: impl FnOnce() -> Arc<Account>) -> Pulled {
    let (started, batch) = (answer.started.unwrap_or_default(), answer.batch.unwrap_or_default());
    let (generation, attempts) = (batch.generation, Attempts::new(&batch.repeats));
    let explicit = started.acknowledgement_mode() == AcknowledgementMode::Explicit;
    let account = explicit.then(account);
    if let Some(account) = &account {
        account.started(&answer.incarnation.as_str().into(), started.birth, started.generation, NOWHERE);
        account.received(&batch, &attempts);
    }
    let held = |delivery: v1::Delivery| {
        let hold = account.as_ref().and_then(|account| account.admit(delivery.sequence, generation));
        let attempt = attempts.of(delivery.sequence);
        Delivery { attempt, hold: hold.into(), ..delivery.into() }
    };
    Pulled {
        gaps: batch.gaps.into_iter().map(Gap::from).collect(),
        deliveries: batch.deliveries.into_iter().map(held).collect(),
        resume_token: batch.resume_token,
        birth: started.birth,
        incarnation: answer.incarnation,
    }
}
