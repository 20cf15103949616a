//! `eric listen`, `eric watch`, `eric pull`: the commands that receive.

use super::{
    context::{Context, duration},
    delivered::Delivered,
    exit::{Exit, Fault, interrupted},
    output::{Output, Shown, printable, time},
    view::short,
};
use crate::client::{
    self, Acknowledgement, CHANNEL_CLOSED, Client, Delivery, End, Error, Event, Interruption, Presence,
    Pulled, StartAt, Subscription,
};
use clap::Args;
use futures_util::future::try_join_all;
use serde::Serialize;
use serde_json::json;
use std::{future::IntoFuture as _, time::Duration};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

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

/// Receive the next messages of a listener, once
#[derive(Args, Debug)]
pub(crate) struct Pull {
    /// The channel's id
    channel: String,
    /// The listener's id
    listener: String,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    max: u32,
    /// Acknowledge what was printed; of explicit listeners only
    #[arg(long)]
    ack: bool,
    /// Wait so long for the first, at most 60s
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    wait: Duration,
    /// Go on after what this token covers
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    resume_token: String,
    /// Only these types; what does not match counts as delivered
    #[arg(long, value_name = "TYPE,…", value_delimiter = ',')]
    types: Vec<String>,
}

#[derive(Args, Debug)]
struct How {
    /// Go on after what this token covers
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    resume_token: String,
    /// Only these types; what does not match counts as delivered
    #[arg(long, value_name = "TYPE,…", value_delimiter = ',')]
    types: Vec<String>,
    /// End after so many messages; a listener keeps the rest
    #[arg(long, visible_alias = "max", value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// How long to try to reconnect [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    reconnect_for: Option<Duration>,
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

/// Says that what was pulled is done with: deliveries, and gaps by their ends.
async fn acknowledge(
    client: &Client,
    channel: &str,
    listener: &str,
    pulled: &Pulled,
    end: Option<&Delivery>,
) -> Result<(), Fault> {
    if !pulled.gaps.is_empty() {
        let ends = pulled.gaps.iter().map(|gap| gap.through_sequence);
        let passed = Acknowledgement::of(channel, listener).birth(pulled.birth).sequences(ends);
        client.acknowledge([passed]).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    }
    let deliveries = pulled.deliveries.iter().chain(end);
    try_join_all(deliveries.map(Delivery::acknowledge)).await?;
    Ok(())
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

impl Pull {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let client = context.client()?;
        let pull = client.pull(&self.channel, &self.listener).max_messages(self.max).wait(self.wait);
        let pulled = pull.resume_from(self.resume_token).types(self.types).await?;
        show(&pulled, context.output)?;
        if self.ack {
            acknowledge(&client, &self.channel, &self.listener, &pulled, None).await?;
        }
        if pulled.deliveries.is_empty() {
            context.output.remark("no message waits");
            return Ok(Exit::Nothing);
        }
        Ok(Exit::Done)
    }
}

/// Prints what comes until it ends, is interrupted, or has been enough.
async fn receive(
    mut subscription: Subscription,
    count: Option<u64>,
    acknowledge: bool,
    output: Output,
) -> Result<Exit, Fault> {
    let end = receive_some(&mut subscription, count, acknowledge, output).await;
    subscription.flush().await;
    end
}

async fn receive_some(
    subscription: &mut Subscription,
    count: Option<u64>,
    acknowledge: bool,
    output: Output,
) -> Result<Exit, Fault> {
    let mut left = count.unwrap_or(u64::MAX);
    let interrupted = interrupted();
    tokio::pin!(interrupted);
    while left > 0 {
        let event = tokio::select! {
            event = subscription.next() => event,
            exit = &mut interrupted => {
                return leave(Cause::Interrupted, subscription.resume_token(), exit, output);
            }
        };
        match event {
            None => return finish(subscription, output),
            Some(Err(error)) => return Err(failed(error, subscription.resume_token(), output)),
            Some(Ok(event)) => {
                left -= u64::from(print(subscription.resume_token(), &event, output)?);
                // only now: what nobody could read comes again
                if let (Event::Delivery(delivery), true) = (&event, acknowledge) {
                    drop(delivery.acknowledge());
                }
            }
        }
    }
    leave(Cause::Counted, subscription.resume_token(), Exit::Done, output)
}

/// Whether it was a message.
fn print(token: &str, event: &Event, output: Output) -> Result<bool, Fault> {
    match event {
        Event::Gap(gap) => output.show(gap).map(|()| false),
        Event::Delivery(delivery) => {
            let resume_token = Some(token).filter(|token| !token.is_empty());
            output.show(&Delivered { delivery, resume_token }).map(|()| true)
        }
    }
}

fn finish(subscription: &Subscription, output: Output) -> Result<Exit, Fault> {
    let cause = match subscription.ended_by() {
        Some(End::ChannelClosed) => Cause::ChannelClosed,
        Some(End::Stopped | End::Left | End::Failed(_)) | None => Cause::Stopped,
    };
    leave(cause, subscription.resume_token(), Exit::Done, output)
}

fn leave(cause: Cause, resume_token: &str, exit: Exit, output: Output) -> Result<Exit, Fault> {
    say(&Ended { cause, resume_token }, output)?;
    Ok(exit)
}

/// The end is a result for machines, and a remark for people.
fn say(ended: &Ended<'_>, output: Output) -> Result<(), Fault> {
    if output.json() {
        return output.show(ended);
    }
    output.note(ended);
    Ok(())
}

fn failed(error: Error, resume_token: &str, output: Output) -> Fault {
    let fault = Fault::Ended(error);
    // what is removed has nothing to resume
    if fault.exit() != Exit::Ended && !resume_token.is_empty() {
        output.note(&Ended { cause: Cause::Failed, resume_token });
    }
    fault
}

/// Why nothing more is received.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cause {
    ChannelClosed,
    Stopped,
    Counted,
    Interrupted,
    Failed,
}

struct Ended<'t> {
    cause: Cause,
    resume_token: &'t str,
}

impl Shown for Ended<'_> {
    fn text(&self) -> String {
        match self.cause {
            Cause::ChannelClosed => "ended: the sender said that no more will come".into(),
            Cause::Stopped => "ended: the listener was stopped".into(),
            Cause::Counted | Cause::Interrupted | Cause::Failed => {
                format!("go on with --resume-token {}", self.resume_token)
            }
        }
    }

    fn json(&self) -> impl Serialize {
        let cause = match self.cause {
            Cause::ChannelClosed => "CHANNEL_CLOSED",
            Cause::Stopped => "STOPPED",
            Cause::Counted => "COUNTED",
            Cause::Interrupted => "INTERRUPTED",
            Cause::Failed => "FAILED",
        };
        json!({ "ended": { "cause": cause, "resumeToken": self.resume_token } })
    }
}

/// Tells of lost streams while the command goes on.
fn reporting(output: Output) -> impl FnMut(Interruption) + Send + 'static {
    move |interruption| output.note(&Reported(interruption))
}

struct Reported(Interruption);

impl Shown for Reported {
    fn text(&self) -> String {
        match &self.0 {
            Interruption::Lost { cause, retry_in, .. } => {
                format!("interrupted: {cause}; trying again in {} ms", retry_in.as_millis())
            }
            Interruption::Over => "receiving again".into(),
        }
    }

    fn json(&self) -> impl Serialize {
        match &self.0 {
            Interruption::Lost { cause, failures, retry_in } => json!({ "lost": {
                "cause": cause.to_string(),
                "failures": failures,
                "retryIn": format!("{}s", retry_in.as_secs_f64()),
            } }),
            Interruption::Over => json!({ "reconnected": {} }),
        }
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

fn show(pulled: &Pulled, output: Output) -> Result<(), Fault> {
    pulled.gaps.iter().try_for_each(|gap| output.show(gap))?;
    let last = pulled.deliveries.len().saturating_sub(1);
    for (index, delivery) in pulled.deliveries.iter().enumerate() {
        let resume_token = (index == last).then_some(pulled.resume_token.as_str());
        output.show(&Delivered { delivery, resume_token })?;
    }
    Ok(())
}
