//! `eric ack`, `eric reject`, `eric extend`: an operator says what became of deliveries.

use super::{
    context::{Context, duration},
    exit::{Exit, Fault},
    output::{Counted, Shown, time},
    view,
};
use crate::client::{Acknowledged, Acknowledgement, Extended, Outstanding, Rejected, Rejection};
use clap::{ArgGroup, Args};
use serde::Serialize;
use serde_json::json;
use std::time::Duration;

/// Acknowledge deliveries of an explicit listener: they do not come again. Twice is no error
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("what").args(["through", "sequences", "gaps"]).required(true).multiple(true))]
pub(crate) struct Ack {
    /// The channel's id
    channel: String,
    /// The listener's id
    listener: String,
    /// Single deliveries, by their sequences
    #[arg(value_name = "SEQUENCE")]
    sequences: Vec<i64>,
    /// Everything up to this sequence, included
    #[arg(long, value_name = "SEQUENCE")]
    through: Option<i64>,
    /// A gap that its stream has told, by its two sequences, such as 4..9; several times for several
    #[arg(long = "gap", value_name = "AFTER..THROUGH", value_parser = gap)]
    gaps: Vec<(i64, i64)>,
    /// Which attempt the single deliveries are, where the channel's redelivery is overtaking
    #[arg(long, value_name = "NUMBER", requires = "sequences")]
    attempt: Option<i32>,
}

/// Reject deliveries of an explicit listener: they come again, or become dead letters
#[derive(Args, Debug)]
pub(crate) struct Reject {
    #[command(flatten)]
    named: Named,
    /// Why, for people
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    /// Come again after this time, 0s: at once [default: the channel's back-off]
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "is_final")]
    delay: Option<Duration>,
    /// Never come again: become a dead letter, or be dropped where the channel names no listener for them
    #[arg(long = "final")]
    is_final: bool,
}

/// Give deliveries of an explicit listener more time before they count as rejected
#[derive(Args, Debug)]
pub(crate) struct Extend {
    #[command(flatten)]
    named: Named,
    /// So long from now, at most 1d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    by: Duration,
}

#[derive(Args, Debug)]
struct Named {
    /// The channel's id
    channel: String,
    /// The listener's id
    listener: String,
    /// The deliveries, by their sequences
    #[arg(value_name = "SEQUENCE", required = true)]
    sequences: Vec<i64>,
    /// Which attempt it is; required where the channel's redelivery is overtaking
    #[arg(long, value_name = "NUMBER")]
    attempt: Option<i32>,
}

fn gap(text: &str) -> Result<(i64, i64), String> {
    let ends =
        text.split_once("..").map(|(after, through)| Some((after.parse().ok()?, through.parse().ok()?)));
    ends.flatten().ok_or_else(|| "it is two sequences with .. between".to_owned())
}

impl Ack {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let what = Acknowledgement::of(self.channel, self.listener);
        let what = self.gaps.iter().fold(what, |what, (after, through)| what.gap_between(*after, *through));
        let what = match self.attempt {
            None => what.sequences(self.sequences),
            Some(attempt) => {
                self.sequences.into_iter().fold(what, |what, sequence| what.attempt(sequence, attempt))
            }
        };
        let what = match self.through {
            Some(sequence) => what.through(sequence),
            None => what,
        };
        for acknowledged in context.client()?.acknowledge([what]).await? {
            context.output.show(&acknowledged?)?;
        }
        Ok(Exit::Done)
    }
}

impl Named {
    fn deliveries(&self) -> impl Iterator<Item = Outstanding> {
        self.sequences.iter().map(|&sequence| {
            let delivery = Outstanding::new(&self.channel, &self.listener, sequence);
            match self.attempt {
                Some(attempt) => delivery.attempt(attempt),
                None => delivery,
            }
        })
    }
}

impl Reject {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let rejection = Rejection::new(&self.reason);
        let rejection = match self.delay {
            Some(delay) => rejection.after(delay),
            None => rejection,
        };
        let rejection = if self.is_final { rejection.finally() } else { rejection };
        let items = self.named.deliveries().map(|delivery| (delivery, rejection.clone()));
        let outcomes = context.client()?.reject(items).await?;
        view::each(context.output, self.named.sequences.into_iter().zip(outcomes))
    }
}

impl Extend {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let items = self.named.deliveries().map(|delivery| (delivery, self.by));
        let outcomes = context.client()?.extend(items).await?;
        view::each(context.output, self.named.sequences.into_iter().zip(outcomes))
    }
}

impl Shown for Acknowledged {
    fn text(&self) -> String {
        let covered = Counted(self.covered_messages, "message");
        format!("acknowledged {covered}; everything through #{} is", self.through_sequence)
    }

    fn json(&self) -> impl Serialize {
        json!({ "acknowledged": {
            "throughSequence": self.through_sequence,
            "coveredMessages": self.covered_messages,
            "generation": self.generation,
        } })
    }
}

/// What became of one delivery.
impl Shown for (i64, Rejected) {
    fn text(&self) -> String {
        let (sequence, rejected) = self;
        let then = match (rejected.dead_letter_sequence, rejected.dropped) {
            (Some(letter), _) => format!("it is dead letter #{letter}"),
            (None, true) => "it was dropped".into(),
            (None, false) => format!("it comes again in {}", view::duration(rejected.delay)),
        };
        format!("rejected #{sequence}, attempt {}: {then}", rejected.attempts)
    }

    fn json(&self) -> impl Serialize {
        let (sequence, rejected) = self;
        json!({ "rejected": {
            "sequence": sequence,
            "generation": rejected.generation,
            "attempts": rejected.attempts,
            "deadLetterSequence": rejected.dead_letter_sequence,
            "dropped": rejected.dropped,
            "delay": view::seconds(rejected.delay),
        } })
    }
}

impl Shown for (i64, Extended) {
    fn text(&self) -> String {
        match self.1.deadline {
            Some(deadline) => format!("extended #{} until {}", self.0, time(deadline)),
            None => format!("#{} has no deadline", self.0),
        }
    }

    fn json(&self) -> impl Serialize {
        json!({ "extended": { "sequence": self.0, "deadline": self.1.deadline.map(time) } })
    }
}
