//! `eric messages`, `eric requeue`: look through a backlog, and send dead letters back.

use super::{
    context::Context,
    delivered::Delivered,
    exit::{Exit, Fault},
    output::Shown,
    view,
};
use crate::client::{Client, Receipt};
use clap::Args;
use serde::Serialize;
use serde_json::json;

/// The most that a server sends back in one call.
const AT_ONCE: usize = 1_024;

/// Print what waits for a listener, oldest first, without consuming it; of dead letters also why
#[derive(Args, Debug)]
pub(crate) struct Messages {
    /// The channel's id
    channel: String,
    /// The listener's id
    listener: String,
}

/// Send dead letters back to the listeners they were meant for, each under a new id
#[derive(Args, Debug)]
pub(crate) struct Requeue {
    /// The channel's id
    channel: String,
    /// The dead letter listener's id
    listener: String,
    /// Which, by their sequences there, as `eric messages` prints them
    #[arg(value_name = "SEQUENCE", required_unless_present = "all", conflicts_with = "all")]
    sequences: Vec<i64>,
    /// All that are there now
    #[arg(long)]
    all: bool,
}

impl Messages {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let mut messages = context.client()?.messages(self.channel, self.listener);
        while let Some(delivery) = messages.next().await {
            context.output.show(&Delivered { delivery: &delivery?, resume_token: None })?;
        }
        Ok(Exit::Done)
    }
}

impl Requeue {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let client = context.client()?;
        let sequences = if self.all { self.all_of_them(&client).await? } else { self.sequences };
        let mut outcomes = Vec::with_capacity(sequences.len());
        for some in sequences.chunks(AT_ONCE) {
            let sent = client.requeue(&self.channel, &self.listener, some.iter().copied()).await?;
            outcomes.extend(some.iter().copied().zip(sent));
        }
        view::each(context.output, outcomes)
    }

    async fn all_of_them(&self, client: &Client) -> Result<Vec<i64>, Fault> {
        let mut messages = client.messages(&self.channel, &self.listener);
        let mut sequences = Vec::new();
        while let Some(delivery) = messages.next().await {
            sequences.push(delivery?.sequence);
        }
        Ok(sequences)
    }
}

/// What became of one dead letter.
impl Shown for (i64, Receipt) {
    fn text(&self) -> String {
        format!("#{}: {}", self.0, self.1.text())
    }

    fn json(&self) -> impl Serialize {
        json!({ "requeued": { "sequence": self.0, "receipt": view::as_value(&self.1) } })
    }
}
