//! `eric pull`: what is next, once.

use super::super::{
    context::{Context, duration},
    delivered::Delivered,
    exit::{Exit, Fault},
    output::Output,
};
use crate::client::{Acknowledgement, Client, Delivery, Pulled};
use clap::Args;
use futures_util::future::try_join_all;
use std::time::Duration;

/// Receive the next messages of a listener, once
///
/// What an explicit listener is given without --ack, and `eric ack` does not acknowledge either, comes again with
/// the next pull, and each time that counts an attempt of the first of it: after the channel's --max-attempts it
/// goes to the dead letter listener. `eric messages` looks without taking.
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

/// Says that what was pulled is done with: deliveries and gaps.
pub(super) async fn acknowledge(
    client: &Client,
    channel: &str,
    listener: &str,
    pulled: &Pulled,
    end: Option<&Delivery>,
) -> Result<(), Fault> {
    if !pulled.gaps.is_empty() {
        let passed = Acknowledgement::of(channel, listener).birth(pulled.birth);
        let passed = pulled.gaps.iter().fold(passed, Acknowledgement::gap);
        client.acknowledge([passed]).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    }
    let deliveries = pulled.deliveries.iter().chain(end);
    try_join_all(deliveries.map(Delivery::acknowledge)).await?;
    Ok(())
}

/// Prints what was pulled.
pub(super) fn show(pulled: &Pulled, output: Output) -> Result<(), Fault> {
    pulled.gaps.iter().try_for_each(|gap| output.show(gap))?;
    let last = pulled.deliveries.len().saturating_sub(1);
    for (index, delivery) in pulled.deliveries.iter().enumerate() {
        let resume_token = (index == last).then_some(pulled.resume_token.as_str());
        output.show(&Delivered { delivery, resume_token })?;
    }
    Ok(())
}
