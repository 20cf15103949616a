//! `eric listener`: register, look at, run and remove listeners.

use super::{
    context::Context,
    exit::{Exit, Fault},
    output::{Counted, Shown},
    view::{LISTENERS, Row, as_value},
};
use crate::client::{NewListener, Purged, StartAt};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};

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
        let listener = listener.start_at(start_at).allow_existing(self.allow_existing);
        context.output.show(&context.client()?.register(self.channel, listener).await?)
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
