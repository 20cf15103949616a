//! `eric watch`: what is broadcast, and who listens.

use super::{
    super::{
        context::Context,
        exit::{Exit, Fault},
        output::{Shown, printable, time},
        view::short,
    },
    How,
    ending::reporting,
    receive,
};
use crate::client::{Presence, StartAt};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Receive what is broadcast in a channel, from now on, and leave nothing behind
#[derive(Args, Debug)]
pub(crate) struct Watch {
    /// The channel's id
    channel: String,
    /// Begin with the oldest that the channel still keeps
    #[arg(long)]
    from_oldest: bool,
    /// Also print who listens on the channel, who comes and who leaves
    #[arg(long)]
    presence: bool,
    #[command(flatten)]
    how: How,
}

impl Watch {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let start_at = if self.from_oldest { StartAt::Oldest } else { StartAt::New };
        let watch = context.client()?.watch(self.channel).start_at(start_at);
        let watch = watch.resume_from(self.how.resume_token).types(self.how.types);
        let watch = watch.on_interruption(reporting(context.output));
        let watch = match self.how.reconnect_for {
            Some(time) => watch.reconnect_for(time),
            None => watch,
        };
        if !self.presence {
            return receive(watch.await?, self.how.count, false, context.output).await;
        }
        let (output, unread) = (context.output, CancellationToken::new());
        let closed = unread.clone();
        let watch = watch.on_presence(move |presence| {
            if output.show(&presence).is_err() {
                unread.cancel();
            }
        });
        let receiving = receive(watch.await?, self.how.count, false, output);
        // who has read enough of it ends it
        closed.run_until_cancelled(receiving).await.unwrap_or(Err(Fault::BrokenPipe))
    }
}

impl Shown for Presence {
    fn text(&self) -> String {
        let event = short(self.event.as_str_name(), "PRESENCE_EVENT_");
        let session = match self.session.is_empty() {
            true => String::new(),
            false => format!(", session {}", printable(&self.session)),
        };
        format!("-- {}: {event} since {}{session}", self.listener, time(self.time))
    }

    fn json(&self) -> impl Serialize {
        json!({ "presence": {
            "event": self.event.as_str_name(),
            "listener": self.listener,
            "time": time(self.time),
            "session": self.session,
        } })
    }
}
