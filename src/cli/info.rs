//! `eric info`: what a server says of itself.

use super::{
    context::Context,
    exit::{Exit, Fault},
};
use clap::Args;

/// Show what the server is: version, durability, limits, and how much of them is used
#[derive(Args, Debug)]
pub(crate) struct Info {}

impl Info {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        context.output.show(&context.client()?.server().await?)?;
        Ok(Exit::Done)
    }
}
