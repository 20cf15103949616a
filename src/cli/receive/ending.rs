//! How receiving ends, and what is said of it; and of streams that are lost meanwhile.

use super::super::{
    exit::{Exit, Fault},
    output::{Output, Shown},
};
use crate::client::{End, Error, Interruption, Subscription};
use serde::Serialize;
use serde_json::json;

pub(super) fn finish(subscription: &Subscription, output: Output) -> Result<Exit, Fault> {
    let cause = match subscription.ended_by() {
        Some(End::ChannelClosed) => Cause::ChannelClosed,
        Some(End::Stopped | End::Left | End::Failed(_)) | None => Cause::Stopped,
    };
    leave(cause, subscription.resume_token(), Exit::Done, output)
}

pub(super) fn leave(cause: Cause, resume_token: &str, exit: Exit, output: Output) -> Result<Exit, Fault> {
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

pub(super) fn failed(error: Error, resume_token: &str, output: Output) -> Fault {
    let fault = Fault::Ended(error);
    // what is removed has nothing to resume
    if fault.exit() != Exit::Ended && !resume_token.is_empty() {
        output.note(&Ended { cause: Cause::Failed, resume_token });
    }
    fault
}

/// Why nothing more is received.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cause {
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
pub(super) fn reporting(output: Output) -> impl FnMut(Interruption) + Send + 'static {
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
