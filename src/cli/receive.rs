//! `eric listen`, `eric watch`, `eric pull`: the commands that receive.

mod ending;
mod listen;
mod pull;
mod watch;

pub(crate) use listen::Listen;
pub(crate) use pull::Pull;
pub(crate) use watch::Watch;

use super::{
    context::duration,
    delivered::Delivered,
    exit::{Exit, Fault, interrupted},
    output::Output,
};
use crate::client::{Event, Subscription};
use clap::Args;
use ending::{Cause, failed, finish, leave};
use std::time::Duration;

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
