//! The verbs of receivers, up to where their streams begin.

use super::{AIM_BYTES, Dispatcher, FIRST, convert, delivery, status::Refusal, wire};
use crate::{
    error::Error,
    hub::{Bundle, Credit, Hub, ListenOptions, Quota, Receiver, StreamKind, TakeOver},
    id::{self, ChannelId},
    message::MAX_TYPE_BYTES,
};
use std::{sync::Arc, time::Duration};
use tokio::{select, task::yield_now};

const MAX_WAIT: Duration = Duration::from_secs(60);
const MAX_TYPES: usize = 64;
/// Where the subscriptions of a stream stand in its request.
const SUBSCRIPTIONS: &str = "subscriptions";
/// Of a stream of thousands so many are opened, then the core's other streams have a turn.
const OPENED_AT_ONCE: usize = 32;
const DEFAULT_MAX_RESPONSE_BYTES: usize = 3 * 1024 * 1024;
const LARGEST_MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;
/// What a response has beside its messages, at most: a token, and as many gaps as a listener remembers.
const BESIDE_MESSAGES: usize = 8 * 1024;

/// A stream that is open, and what of it was refused.
pub(crate) struct Opened {
    pub(crate) bundle: Bundle,
    /// By their numbers, the first last.
    pub(crate) refused: Vec<(u32, Refusal)>,
    pub(crate) max_response_bytes: usize,
}

impl Dispatcher {
    pub(crate) async fn listen(&self, request: wire::ListenRequest) -> Result<Opened, Refusal> {
        let most = request.max_response_bytes;
        self.open(StreamKind::Listen, &request.subscriptions, most, listener).await
    }

    /// Listens for one listener, on a stream that carries no other; `returns`: by itself, and not asked for anew.
    pub(crate) async fn listen_alone(
        &self,
        subscription: wire::Subscription,
        returns: bool,
    ) -> Result<Opened, Refusal> {
        self.open(StreamKind::Watch, &[subscription], 0, |asked| {
            let (channel, receiver, options) = listener(asked)?;
            Ok((channel, receiver, ListenOptions { returns, ..options }))
        })
        .await
    }

    pub(crate) async fn watch(&self, request: wire::WatchRequest) -> Result<Opened, Refusal> {
        let (most, presence) = (request.max_response_bytes, request.presence);
        self.open(StreamKind::Watch, &request.subscriptions, most, |asked| {
            let from = convert::start_from(asked.start_at, "start_at")?;
            let options = ListenOptions { presence, ..options(&asked.resume_token, &asked.types)? };
            Ok((convert::channel_id(&asked.channel)?, Receiver::Watcher(from), options))
        })
        .await
    }

    /// Opens a stream with what of it is not refused. All refused is refused as a whole.
    async fn open<T>(
        &self,
        kind: StreamKind,
        asked: &[T],
        max_response_bytes: i32,
        parsed: impl Fn(&T) -> Result<Asked<'_>, Refusal>,
    ) -> Result<Opened, Refusal> {
        if asked.is_empty() {
            return Err(Refusal::missing(SUBSCRIPTIONS));
        }
        if asked.len() > Bundle::MAX_SUBSCRIPTIONS {
            let description = format!("at most {} on a stream", Bundle::MAX_SUBSCRIPTIONS);
            return Err(Refusal::setting(SUBSCRIPTIONS, description));
        }
        let max_response_bytes = self.max_response_bytes(max_response_bytes)?;
        let bundle = self.hub.open_stream(kind, max_bytes(max_response_bytes))?;
        let mut refused = Vec::new();
        for (place, asked_for) in asked.iter().enumerate() {
            let added = async {
                let (channel, receiver, options) = parsed(asked_for)?;
                self.once_registered(options, |options| bundle.add(channel, receiver, options)).await
            };
            if let Err(refusal) = added.await {
                refused.push((bundle.skip(), refusal.within(&format!("{SUBSCRIPTIONS}[{place}]"))));
            }
            if place % OPENED_AT_ONCE == OPENED_AT_ONCE - 1 {
                yield_now().await;
            }
        }
        refused.reverse();
        if refused.len() == asked.len() {
            return Err(refused.pop().map_or_else(|| Refusal::missing(SUBSCRIPTIONS), |(_, first)| first));
        }
        Ok(Opened { bundle, refused, max_response_bytes })
    }

    /// Takes its seat as soon as the registration of whom it is for is safe.
    pub(super) async fn once_registered<T>(
        &self,
        options: ListenOptions,
        take: impl Fn(ListenOptions) -> Result<T, Error>,
    ) -> Result<T, Refusal> {
        let options = ListenOptions { once_safe: true, ..options };
        loop {
            match take(options.clone()) {
                Err(Error::NotSafeYet { at }) => self.hub.durable(at).await?,
                taken => return Ok(taken?),
            }
        }
    }

    pub(crate) async fn pull(&self, request: wire::PullRequest) -> Result<wire::PullResponse, Refusal> {
        let wait = wait(request.wait)?;
        let max_response_bytes = self.max_response_bytes(request.max_response_bytes)?;
        let options = ListenOptions {
            max_messages: self.max_messages(request.max_messages)?,
            max_bytes: max_bytes(max_response_bytes),
            credit: request.credit.map(credit).transpose()?,
            session: session(&request.session)?,
            take_over: take_over(request.take_over)?,
            pull: true,
            ..options(&request.resume_token, &request.types)?
        };
        let (channel, listener) =
            (convert::channel_id(&request.channel)?, convert::listener_id(&request.listener)?);
        let subscribe = |options| self.hub.subscribe(channel, Receiver::Listener(listener), options);
        let mut subscription = select! {
            biased;
            subscription = self.once_registered(options, subscribe) => subscription?,
            // nobody waits for it any more
            () = self.hung_up.told() => return Ok(wire::PullResponse::default()),
        };
        let started = delivery::started(FIRST, &subscription.started());
        let handed = select! {
            biased;
            handed = Hub::pull(&mut subscription, wait) => handed?,
            // nothing is taken for somebody who may be gone; who is not has his answer
            () = self.hung_up.told() => None,
        };
        let batch = handed.as_ref().map(|handed| &handed.batch);
        let token = subscription.token();
        Ok(wire::PullResponse {
            started: Some(started),
            batch: Some(wire::Batch {
                subscription: convert::to_i32(FIRST),
                gaps: batch.into_iter().flat_map(|batch| &batch.gaps).map(delivery::gap).collect(),
                deliveries: batch
                    .into_iter()
                    .flat_map(|batch| &batch.entries)
                    .map(delivery::delivery)
                    .collect(),
                resume_token: token.to_string(),
                generation: handed.as_ref().map_or(0, |handed| convert::to_i64(handed.generation)),
                repeats: handed.iter().flat_map(|handed| &handed.repeats).map(delivery::attempt).collect(),
            }),
            incarnation: self.hub.incarnation().to_string(),
        })
    }

    fn max_messages(&self, asked: i32) -> Result<usize, Refusal> {
        match usize::try_from(asked) {
            Err(_) => Err(Refusal::setting("max_messages", "it must not be negative")),
            Ok(0) => Ok(1),
            Ok(asked) => Ok(asked.min(self.limits.max_batch_messages)),
        }
    }

    fn max_response_bytes(&self, asked: i32) -> Result<usize, Refusal> {
        let least = self.limits.max_message_bytes() + BESIDE_MESSAGES;
        let allowed = least..=LARGEST_MAX_RESPONSE_BYTES.max(least);
        match usize::try_from(asked) {
            Ok(0) => Ok(DEFAULT_MAX_RESPONSE_BYTES.max(least)),
            Ok(asked) if allowed.contains(&asked) => Ok(asked),
            Ok(_) | Err(_) => {
                let description = format!("0, or a number from {} to {}", allowed.start(), allowed.end());
                Err(Refusal::setting("max_response_bytes", description))
            }
        }
    }
}

/// What the messages of a batch may take.
fn max_bytes(max_response_bytes: usize) -> u64 {
    (max_response_bytes - BESIDE_MESSAGES).min(AIM_BYTES) as u64
}

/// Whom a subscription is for, and how.
pub(super) type Asked<'a> = (ChannelId<'a>, Receiver<'a>, ListenOptions);

/// A listener's subscription, parsed.
pub(super) fn listener(asked: &wire::Subscription) -> Result<Asked<'_>, Refusal> {
    let options = ListenOptions {
        credit: asked.credit.map(credit).transpose()?,
        session: session(&asked.session)?,
        take_over: take_over(asked.take_over)?,
        ..options(&asked.resume_token, &asked.types)?
    };
    let (channel, listener) = (convert::channel_id(&asked.channel)?, convert::listener_id(&asked.listener)?);
    Ok((channel, Receiver::Listener(listener), options))
}

fn options(token: &str, types: &[String]) -> Result<ListenOptions, Refusal> {
    check_types(types)?;
    let resume_token = Some(token.to_owned());
    Ok(ListenOptions { resume_token, types: types.to_vec(), ..ListenOptions::default() })
}

fn credit(asked: wire::Credit) -> Result<Credit, Refusal> {
    let Quota { messages, bytes } = Credit::default().0;
    let messages = match u64::try_from(asked.max_unacknowledged_messages) {
        Ok(0) => messages,
        Ok(asked) if asked <= Credit::MAX_MESSAGES => asked,
        Ok(_) | Err(_) => {
            let description = format!("0, or a number from 1 to {}", Credit::MAX_MESSAGES);
            return Err(Refusal::setting("credit.max_unacknowledged_messages", description));
        }
    };
    let bytes = match u64::try_from(asked.max_unacknowledged_bytes) {
        Ok(0) => bytes,
        Ok(asked) => asked,
        Err(_) => return Err(Refusal::setting("credit.max_unacknowledged_bytes", "it must not be negative")),
    };
    Ok(Credit(Quota { messages, bytes }))
}

fn session(asked: &str) -> Result<Option<Arc<str>>, Refusal> {
    if asked.is_empty() {
        return Ok(None);
    }
    id::check(asked).map_err(|invalid| Refusal::id("session", invalid))?;
    Ok(Some(asked.into()))
}

fn take_over(asked: i32) -> Result<TakeOver, Refusal> {
    match wire::TakeOver::try_from(asked) {
        Ok(wire::TakeOver::Unspecified) => Ok(TakeOver::Fairly),
        Ok(wire::TakeOver::Always) => Ok(TakeOver::Always),
        Ok(wire::TakeOver::Never) => Ok(TakeOver::Never),
        Err(_) => Err(Refusal::setting("take_over", "no such way")),
    }
}

fn wait(asked: Option<prost_types::Duration>) -> Result<Duration, Refusal> {
    let wait = asked.map(|asked| convert::duration(asked, MAX_WAIT)).transpose();
    wait.map(Option::unwrap_or_default).map_err(|description| Refusal::setting("wait", description))
}

fn check_types(types: &[String]) -> Result<(), Refusal> {
    let sound =
        types.len() <= MAX_TYPES && types.iter().all(|kind| (1..=MAX_TYPE_BYTES).contains(&kind.len()));
    if sound {
        return Ok(());
    }
    Err(Refusal::setting("types", format!("at most {MAX_TYPES}, each of 1 to {MAX_TYPE_BYTES} bytes")))
}
