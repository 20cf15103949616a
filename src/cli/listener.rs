//! `eric listener`: register, look at, run and remove listeners.

use super::{
    context::{Context, duration},
    exit::{Exit, Fault},
    output::{Counted, Shown},
    view::{LISTENERS, Row, as_value},
};
use crate::client::{AcknowledgementMode, ListenerSettings, NewListener, Purged, StartAt};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Listeners: receivers in a channel, each with a queue of its own
#[derive(Args, Debug)]
pub(crate) struct Listener {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Register a listener, stopped, and print its id: from now on messages queue for it
    Register(Register),
    /// List a channel's listeners in the order of their registration
    List(List),
    /// Show a listener
    Show(Named),
    /// Change a listener's settings and show it
    Update(Update),
    /// Mark a listener as running, as `listen` and `pull` do
    Start(Named),
    /// End a listener's stream for good; its queue is kept
    Stop(Named),
    /// Clear what waits for a listener; its stream carries a gap
    Purge(Purge),
    /// Remove a listener with what waits for it
    Remove(Named),
}

#[derive(Args, Debug)]
struct Named {
    /// The channel's id
    channel: String,
    /// The listener's id
    listener: String,
}

#[derive(Args, Debug)]
struct Register {
    /// The channel's id
    channel: String,
    /// The listener's id; without one the server makes a UUID
    listener: Option<String>,
    /// Begin with the oldest broadcast that the channel still keeps, not with what comes
    #[arg(long)]
    from_oldest: bool,
    /// Where the listener exists, leave it as it is: no error
    #[arg(long)]
    allow_existing: bool,
    /// Keep its messages until they are acknowledged
    #[arg(long)]
    explicit: bool,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Args, Debug)]
struct Update {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Settings")]
struct Settings {
    /// Remove the listener when nobody listened, pulled or acknowledged for so long; 0s: never [default: 0s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    idle_timeout: Option<Duration>,
    /// What is not acknowledged within this time counts as rejected; 0s: for ever [default: 0s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    ack_deadline: Option<Duration>,
}

impl From<Settings> for ListenerSettings {
    fn from(settings: Settings) -> Self {
        Self { idle_timeout: settings.idle_timeout, ack_deadline: settings.ack_deadline }
    }
}

#[derive(Args, Debug)]
struct List {
    /// The channel's id
    channel: String,
}

#[derive(Args, Debug)]
struct Purge {
    #[command(flatten)]
    named: Named,
    /// Clear up to this sequence, included [default: everything accepted before]
    #[arg(long, value_name = "SEQUENCE")]
    through: Option<i64>,
}

impl Listener {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        match self.verb {
            Verb::Register(register) => register.run(context).await,
            Verb::List(list) => list.run(context).await,
            Verb::Show(named) => named.show(context).await,
            Verb::Update(update) => update.run(context).await,
            Verb::Start(named) => named.start(context).await,
            Verb::Stop(named) => named.stop(context).await,
            Verb::Purge(purge) => purge.run(context).await,
            Verb::Remove(named) => named.remove(context).await,
        }?;
        Ok(Exit::Done)
    }
}

impl Register {
    async fn run(self, context: &Context) -> Result<(), Fault> {
        let listener = self.listener.map(NewListener::named).unwrap_or_default();
        let start_at = if self.from_oldest { StartAt::Oldest } else { StartAt::New };
        let mode = if self.explicit { AcknowledgementMode::Explicit } else { AcknowledgementMode::Automatic };
        let listener = listener.start_at(start_at).allow_existing(self.allow_existing);
        let listener = listener.acknowledgement_mode(mode).settings(self.settings.into());
        context.output.show(&context.client()?.register(self.channel, listener).await?)
    }
}

impl Update {
    async fn run(self, context: &Context) -> Result<(), Fault> {
        let Named { channel, listener } = self.named;
        let updated = context.client()?.update_listener(channel, listener, self.settings.into()).await?;
        context.output.show(&updated)
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<(), Fault> {
        let mut listeners = context.client()?.listeners(self.channel);
        let mut titled = false;
        while let Some(listener) = listeners.next().await {
            let listener = listener?;
            // below an error there is no table
            if !std::mem::replace(&mut titled, true) {
                context.output.title(LISTENERS)?;
            }
            context.output.show(&Row(&listener))?;
        }
        Ok(())
    }
}

impl Named {
    async fn show(self, context: &Context) -> Result<(), Fault> {
        context.output.show(&context.client()?.listener(self.channel, self.listener).await?)
    }

    async fn start(self, context: &Context) -> Result<(), Fault> {
        let listener = context.client()?.start_listener(&self.channel, &self.listener).await?;
        self.done(context, "started", "", as_value(&listener))
    }

    async fn stop(self, context: &Context) -> Result<(), Fault> {
        let listener = context.client()?.stop_listener(&self.channel, &self.listener).await?;
        let waiting = format!(": {} in its backlog", Counted(listener.backlog_messages, "message"));
        self.done(context, "stopped", &waiting, as_value(&listener))
    }

    async fn remove(self, context: &Context) -> Result<(), Fault> {
        let discarded = context.client()?.remove_listener(&self.channel, &self.listener).await?;
        let with = format!(", with {}", Counted(discarded, "message"));
        self.done(context, "removed", &with, json!({ "discardedMessages": discarded }))
    }

    fn done(&self, context: &Context, what: &str, more: &str, json: Value) -> Result<(), Fault> {
        let Self { channel, listener } = self;
        context
            .output
            .show(&Done { text: format!("{what} listener {listener:?} of channel {channel:?}{more}"), json })
    }
}

impl Purge {
    async fn run(self, context: &Context) -> Result<(), Fault> {
        let Named { channel, listener } = &self.named;
        let purged = context.client()?.purge_listener(channel, listener, self.through).await?;
        let Purged { messages, through_sequence, .. } = purged;
        let what = format!(" of {} through #{through_sequence}", Counted(messages, "message"));
        let json = json!({ "purgedMessages": messages, "throughSequence": through_sequence });
        self.named.done(context, "purged", &what, json)
    }
}

/// What was done, both ways.
struct Done {
    text: String,
    json: Value,
}

impl Shown for Done {
    fn text(&self) -> String {
        self.text.clone()
    }

    fn json(&self) -> impl Serialize {
        &self.json
    }
}
