//! `eric channel`: make, look at, change and remove channels.

use super::{
    context::{Context, duration, size},
    exit::{Exit, Fault},
    output::{Counted, Shown},
    view::{CHANNELS, Row},
};
use crate::client::{
    ChannelSettings, ChannelUpdate, NewChannel, Overflow, Redelivery, RedeliveryBackoff, RemovedChannel,
};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::json;
use std::time::Duration;

/// Channels: named sets of listeners with one order
#[derive(Args, Debug)]
pub(crate) struct Channel {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Create a channel and print its id
    Create(Create),
    /// List all channels in the order of their creation
    List,
    /// Show a channel and the settings in force
    Show(Named),
    /// Change a channel's settings and show it
    Update(Update),
    /// Remove a channel with its listeners and what waits for them
    Remove(Named),
}

#[derive(Args, Debug)]
struct Named {
    /// The channel's id
    channel: String,
}

#[derive(Args, Debug)]
struct Create {
    /// The channel's id; without one the server makes a UUID
    channel: Option<String>,
    /// Where the channel exists, leave it as it is: no error
    #[arg(long)]
    allow_existing: bool,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Args, Debug)]
struct Update {
    /// The channel's id
    channel: String,
    #[command(flatten)]
    settings: Settings,
    /// Bring a setting, as `replay_window`, back to its default; can be repeated
    #[arg(long, value_name = "SETTING")]
    reset: Vec<String>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Settings")]
struct Settings {
    /// Wait so long between deliveries of a subscription [default: 0s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    stream_delay: Option<Duration>,
    /// What a dispatch to a listener whose backlog is full does [default: reject-new]
    #[arg(long, value_name = "OVERFLOW")]
    dispatch_overflow: Option<OnOverflow>,
    /// What a broadcast does while a listener's backlog is full [default: drop-oldest]
    #[arg(long, value_name = "OVERFLOW")]
    broadcast_overflow: Option<OnOverflow>,
    /// The most messages that wait for one listener [default: 65536]
    #[arg(long, value_name = "NUMBER")]
    max_backlog_messages: Option<i64>,
    /// The most bytes that wait for one listener [default: 64MiB]
    #[arg(long, value_name = "BYTES", value_parser = size)]
    max_backlog_bytes: Option<i64>,
    /// How long delivered messages are kept for clients that resume [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    replay_window: Option<Duration>,
    /// The most messages in the replay window [default: 65536]
    #[arg(long, value_name = "NUMBER")]
    max_replay_messages: Option<i64>,
    /// Their most bytes [default: 64MiB]
    #[arg(long, value_name = "BYTES", value_parser = size)]
    max_replay_bytes: Option<i64>,
    /// How long the ids of accepted messages are remembered [default: 2m]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    idempotency_window: Option<Duration>,
    /// How a rejected message comes again [default: strict]
    #[arg(long, value_name = "REDELIVERY")]
    redelivery: Option<ComesAgain>,
    /// Wait so long before its second attempt; the three of a back-off are set together [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    backoff_initial: Option<Duration>,
    /// Each further wait is that many times the one before [default: 2]
    #[arg(long, value_name = "FACTOR")]
    backoff_factor: Option<f64>,
    /// No wait is longer [default: 1m]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    backoff_maximum: Option<Duration>,
    /// After so many attempts a message goes to the dead letter listener, or is dropped [default: 5]
    #[arg(long, value_name = "NUMBER")]
    max_attempts: Option<i32>,
    /// The listener of this channel that receives dead letters; empty: none [default: none]
    #[arg(long, value_name = "LISTENER")]
    dead_letter_listener: Option<String>,
    /// The `retry:` that browsers are told [default: 3s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    sse_retry: Option<Duration>,
    /// A listener that is back within this time counts as never gone [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    presence_grace: Option<Duration>,
}

impl Settings {
    /// One setting on the wire: what is not said of it has its default.
    fn backoff(&self) -> Option<RedeliveryBackoff> {
        let backoff = RedeliveryBackoff {
            initial: self.backoff_initial,
            factor: self.backoff_factor,
            maximum: self.backoff_maximum,
        };
        (backoff != RedeliveryBackoff::default()).then_some(backoff)
    }
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum ComesAgain {
    /// Nothing overtakes it
    Strict,
    /// Others pass; it comes again alone
    Overtaking,
}

impl From<ComesAgain> for Redelivery {
    fn from(redelivery: ComesAgain) -> Self {
        match redelivery {
            ComesAgain::Strict => Redelivery::Strict,
            ComesAgain::Overtaking => Redelivery::Overtaking,
        }
    }
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum OnOverflow {
    /// The new message is refused
    RejectNew,
    /// The oldest are dropped, and the listener is told by a gap
    DropOldest,
}

impl From<OnOverflow> for Overflow {
    fn from(overflow: OnOverflow) -> Self {
        match overflow {
            OnOverflow::RejectNew => Overflow::RejectNew,
            OnOverflow::DropOldest => Overflow::DropOldest,
        }
    }
}

impl From<Settings> for ChannelSettings {
    fn from(settings: Settings) -> Self {
        Self {
            backoff: settings.backoff(),
            stream_delay: settings.stream_delay,
            dispatch_overflow: settings.dispatch_overflow.map(Overflow::from),
            broadcast_overflow: settings.broadcast_overflow.map(Overflow::from),
            max_backlog_messages: settings.max_backlog_messages,
            max_backlog_bytes: settings.max_backlog_bytes,
            replay_window: settings.replay_window,
            max_replay_messages: settings.max_replay_messages,
            max_replay_bytes: settings.max_replay_bytes,
            idempotency_window: settings.idempotency_window,
            redelivery: settings.redelivery.map(Redelivery::from),
            max_attempts: settings.max_attempts,
            dead_letter_listener: settings.dead_letter_listener,
            sse_retry: settings.sse_retry,
            presence_grace: settings.presence_grace,
        }
    }
}

impl Channel {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        match self.verb {
            Verb::Create(create) => create.run(context).await,
            Verb::List => list(context).await,
            Verb::Show(named) => named.show(context).await,
            Verb::Update(update) => update.run(context).await,
            Verb::Remove(named) => named.remove(context).await,
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let channel = self.channel.map(NewChannel::named).unwrap_or_default();
        let channel = channel.settings(self.settings.into()).allow_existing(self.allow_existing);
        context.output.show(&context.client()?.create_channel(channel).await?)?;
        Ok(Exit::Done)
    }
}

async fn list(context: &Context) -> Result<Exit, Fault> {
    let mut channels = context.client()?.channels();
    let mut titled = false;
    while let Some(channel) = channels.next().await {
        let channel = channel?;
        // below an error there is no table
        if !std::mem::replace(&mut titled, true) {
            context.output.title(CHANNELS)?;
        }
        context.output.show(&Row(&channel))?;
    }
    Ok(Exit::Done)
}

impl Named {
    async fn show(self, context: &Context) -> Result<Exit, Fault> {
        context.output.show(&context.client()?.channel(self.channel).await?)?;
        Ok(Exit::Done)
    }

    async fn remove(self, context: &Context) -> Result<Exit, Fault> {
        let removed = context.client()?.remove_channel(&self.channel).await?;
        context.output.show(&Removed { channel: &self.channel, removed })?;
        Ok(Exit::Done)
    }
}

impl Update {
    async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let update = ChannelUpdate::from(ChannelSettings::from(self.settings));
        let update = self.reset.into_iter().fold(update, |update, setting| update.reset(wire_name(&setting)));
        context.output.show(&context.client()?.update_channel(self.channel, update).await?)?;
        Ok(Exit::Done)
    }
}

/// `replay-window`, as the flag has it, is as good as `replay_window`.
fn wire_name(setting: &str) -> String {
    setting.trim_start_matches("--").replace('-', "_")
}

struct Removed<'c> {
    channel: &'c str,
    removed: RemovedChannel,
}

impl Shown for Removed<'_> {
    fn text(&self) -> String {
        let listeners = Counted(self.removed.listeners, "listener");
        let messages = Counted(self.removed.discarded_messages, "message");
        format!("removed channel {:?}, with {listeners} and {messages}", self.channel)
    }

    fn json(&self) -> impl Serialize {
        let RemovedChannel { listeners, discarded_messages, .. } = self.removed;
        json!({ "listeners": listeners, "discardedMessages": discarded_messages })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_named_as_its_flag_or_as_in_the_contract() {
        assert_eq!(
            ["--replay-window", "replay-window", "replay_window"].map(wire_name),
            ["replay_window"; 3]
        );
    }
}
