//! `eric listen`: a stream of a listener, or so many of its messages.

use super::{
    super::{
        context::Context,
        exit::{Exit, Fault, interrupted},
    },
    How,
    ending::{Cause, failed, leave, reporting},
    pull::{acknowledge, show},
    receive,
};
use crate::client::{self, CHANNEL_CLOSED, Client, Delivery, Pulled};
use clap::Args;
use std::{future::IntoFuture as _, time::Duration};
use tokio::time::Instant;

/// How long a pull waits: shorter than the minute that proxies give a call.
const PATIENCE: Duration = Duration::from_secs(30);

/// Receive what waits for a listener, and what comes, until it ends
///
/// Takes the listener over from whoever listens. Of an explicit listener, each message is acknowledged once it
/// is printed. Of another one, what was on its way to a command that was interrupted is lost unless the next
/// one resumes with its token, or --count was given.
#[derive(Args, Debug)]
pub(crate) struct Listen {
    /// The channel's id
    channel: String,
    /// The listener's id
    listener: String,
    /// Acknowledge nothing: what is printed comes again, to the next who listens. Each look may count as an
    /// attempt; `eric messages` looks without
    #[arg(long)]
    no_ack: bool,
    #[command(flatten)]
    how: How,
}

impl Listen {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        match self.how.count {
            Some(count) => self.counted(context, count).await,
            None => self.endless(context).await,
        }
    }

    async fn endless(self, context: &Context) -> Result<Exit, Fault> {
        let listen = context.client()?.listen(self.channel, self.listener);
        let listen = listen.resume_from(self.how.resume_token).types(self.how.types);
        let listen = listen.on_interruption(reporting(context.output));
        let listen = match self.how.reconnect_for {
            Some(time) => listen.reconnect_for(time),
            None => listen,
        };
        receive(listen.await?, None, !self.no_ack, context.output).await
    }

    /// A stream is handed more than is asked for; pulls leave the rest where it is.
    async fn counted(self, context: &Context, count: u64) -> Result<Exit, Fault> {
        let client = context.client()?;
        let (mut token, mut left) = (self.how.resume_token.clone(), count);
        let interrupted = interrupted();
        tokio::pin!(interrupted);
        while left > 0 {
            let begun = Instant::now();
            let pull = self.pull(&client, left, &token).into_future();
            let mut pulled = tokio::select! {
                pulled = pull => pulled.map_err(|error| failed(error, &token, context.output))?,
                exit = &mut interrupted => return leave(Cause::Interrupted, &token, exit, context.output),
            };
            let end = end_of(&mut pulled, begun.elapsed());
            show(&pulled, context.output)?;
            if !self.no_ack {
                self.acknowledge(&client, &pulled, end.as_ref()).await?;
            }
            let cause = end.map(|end| end.0);
            token.clone_from(&pulled.resume_token);
            if let Some(cause) = cause {
                return leave(cause, &token, Exit::Done, context.output);
            }
            left -= pulled.deliveries.len() as u64;
        }
        leave(Cause::Counted, &token, Exit::Done, context.output)
    }

    async fn acknowledge(&self, client: &Client, pulled: &Pulled, end: Option<&Ending>) -> Result<(), Fault> {
        let end = end.and_then(|end| end.1.as_ref());
        let explicit = pulled.deliveries.iter().chain(end).any(Delivery::is_explicit);
        if explicit || (!pulled.gaps.is_empty() && is_explicit(client, &self.channel, &self.listener).await?)
        {
            acknowledge(client, &self.channel, &self.listener, pulled, end).await?;
        }
        Ok(())
    }

    fn pull(&self, client: &Client, left: u64, token: &str) -> client::Pull {
        let max = u32::try_from(left).unwrap_or(u32::MAX);
        let pull = client.pull(&self.channel, &self.listener).max_messages(max).wait(PATIENCE);
        let pull = pull.resume_from(token).types(self.how.types.clone());
        match token.is_empty() {
            true => pull,
            false => pull.repeat_for(self.how.reconnect_for.unwrap_or(Duration::MAX)),
        }
    }
}

/// Why pulling ends, and the message that said so.
type Ending = (Cause, Option<Delivery>);

/// The end that a sender announced comes as a message, which is taken out with what stands behind it; a stop
/// answers a pull before its time.
fn end_of(pulled: &mut Pulled, waited: Duration) -> Option<Ending> {
    let nothing = pulled.deliveries.is_empty() && pulled.gaps.is_empty();
    let is_end = |delivery: &Delivery| delivery.message.message_type() == CHANNEL_CLOSED;
    if let Some(end) = pulled.deliveries.iter().position(is_end) {
        pulled.deliveries.truncate(end + 1);
        return Some((Cause::ChannelClosed, pulled.deliveries.pop()));
    }
    (nothing && waited < PATIENCE).then_some((Cause::Stopped, None))
}

async fn is_explicit(client: &Client, channel: &str, listener: &str) -> Result<bool, Fault> {
    let mode = client.listener(channel, listener).await?.acknowledgement_mode;
    Ok(mode == client::AcknowledgementMode::Explicit)
}
