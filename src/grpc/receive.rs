//! The verbs of receivers, up to where their streams begin.

use super::{Dispatcher, convert, frame, settings, status::Refusal, wire};
use crate::{
    hub::{Hub, ListenOptions, Receiver, Started, Subscription},
    message::MAX_TYPE_BYTES,
};
use std::time::Duration;

const MAX_WAIT: Duration = Duration::from_secs(60);
const MAX_TYPES: usize = 64;
/// Where the one subscription of a stream stands in its request.
const FIRST_FIELD: &str = "subscriptions[0]";
/// What a response aims at.
const RESPONSE_BYTES: usize = 256 * 1024;
const DEFAULT_MAX_RESPONSE_BYTES: usize = 3 * 1024 * 1024;
const LARGEST_MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;
/// What a response has beside its messages, at most: a token, and as many gaps as a listener remembers.
const BESIDE_MESSAGES: usize = 8 * 1024;

impl Dispatcher {
    pub(super) fn listen(&self, mut request: wire::ListenRequest) -> Result<Subscription, Refusal> {
        let asked = only_one(&mut request.subscriptions)?;
        let max_bytes = self.max_bytes(request.max_response_bytes)?;
        self.listen_one(asked, max_bytes).map_err(|refusal| refusal.within(FIRST_FIELD))
    }

    fn listen_one(&self, asked: wire::Subscription, max_bytes: u64) -> Result<Subscription, Refusal> {
        not_yet(&asked.session, asked.take_over)?;
        if asked.credit.is_some() {
            return Err(Refusal::not_explicit("credit"));
        }
        let options = options(asked.resume_token, asked.types, max_bytes)?;
        let (channel, listener) =
            (convert::channel_id(&asked.channel)?, convert::listener_id(&asked.listener)?);
        Ok(self.hub.subscribe(channel, Receiver::Listener(listener), options)?)
    }

    pub(super) fn watch(&self, mut request: wire::WatchRequest) -> Result<Subscription, Refusal> {
        let asked = only_one(&mut request.subscriptions)?;
        if request.presence {
            return Err(Refusal::not_implemented("presence"));
        }
        let max_bytes = self.max_bytes(request.max_response_bytes)?;
        self.watch_one(asked, max_bytes).map_err(|refusal| refusal.within(FIRST_FIELD))
    }

    fn watch_one(&self, asked: wire::WatchSubscription, max_bytes: u64) -> Result<Subscription, Refusal> {
        let from = convert::start_from(asked.start_at, "start_at")?;
        let options = options(asked.resume_token, asked.types, max_bytes)?;
        Ok(self.hub.subscribe(convert::channel_id(&asked.channel)?, Receiver::Watcher(from), options)?)
    }

    pub(super) async fn pull(&self, request: wire::PullRequest) -> Result<wire::PullResponse, Refusal> {
        not_yet(&request.session, request.take_over)?;
        if request.credit.is_some() {
            return Err(Refusal::not_explicit("credit"));
        }
        let wait = wait(request.wait)?;
        let max_bytes = self.max_bytes(request.max_response_bytes)?;
        let mut options = options(request.resume_token, request.types, max_bytes)?;
        options.max_messages = self.max_messages(request.max_messages)?;
        let (channel, listener) =
            (convert::channel_id(&request.channel)?, convert::listener_id(&request.listener)?);
        let mut subscription = self.hub.subscribe(channel, Receiver::Listener(listener), options)?;
        let started = started(&subscription.started());
        let handed = Hub::pull(&mut subscription, wait).await?;
        let batch = handed.as_ref().map(|handed| &handed.batch);
        let token = subscription.token();
        Ok(wire::PullResponse {
            started: Some(started),
            batch: Some(wire::Batch {
                subscription: frame::FIRST,
                gaps: batch.into_iter().flat_map(|batch| &batch.gaps).map(frame::gap).collect(),
                deliveries: batch.into_iter().flat_map(|batch| &batch.entries).map(frame::delivery).collect(),
                resume_token: token.to_string(),
                ..wire::Batch::default()
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

    /// What the messages of a response may take.
    fn max_bytes(&self, max_response_bytes: i32) -> Result<u64, Refusal> {
        let largest = self.max_response_bytes(max_response_bytes)?;
        Ok((largest - BESIDE_MESSAGES).min(RESPONSE_BYTES) as u64)
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

fn options(token: String, types: Vec<String>, max_bytes: u64) -> Result<ListenOptions, Refusal> {
    check_types(&types)?;
    Ok(ListenOptions { resume_token: Some(token), types, max_bytes, ..ListenOptions::default() })
}

/// A subscription's beginning as the wire has it.
pub(super) fn started(started: &Started) -> wire::SubscriptionStarted {
    wire::SubscriptionStarted {
        subscription: frame::FIRST,
        channel: started.channel.to_string(),
        listener: started.listener.as_deref().unwrap_or_default().to_owned(),
        birth: started.birth.to_i64(),
        generation: convert::to_i64(started.generation),
        resume_token: started.token.to_string(),
        acknowledgement_mode: settings::mode_to_wire(started.mode),
    }
}

fn only_one<T>(subscriptions: &mut Vec<T>) -> Result<T, Refusal> {
    match subscriptions.len() {
        0 => Err(Refusal::missing("subscriptions")),
        1 => Ok(subscriptions.remove(0)),
        _ => Err(Refusal::not_implemented("more than one subscription on a stream")),
    }
}

fn not_yet(session: &str, take_over: i32) -> Result<(), Refusal> {
    if !session.is_empty() {
        return Err(Refusal::not_implemented("session"));
    }
    match wire::TakeOver::try_from(take_over) {
        Ok(wire::TakeOver::Unspecified | wire::TakeOver::Always) => Ok(()),
        Ok(wire::TakeOver::Never) => Err(Refusal::not_implemented("take_over: NEVER")),
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
