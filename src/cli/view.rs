//! How the things of the service look, as text and as JSON.
//!
//! The JSON has the names of proto3 JSON (`lowerCamelCase`, enums by their full names, times by RFC 3339,
//! durations as `"1.5s"`), except that integers are numbers, and that what a message carries stands in
//! `payload` as the JSON that it is.

mod channel;
mod listener;
mod log;
mod server;
mod told;

pub(crate) use channel::CHANNELS;
pub(crate) use listener::LISTENERS;

use super::{
    exit::{Exit, Fault},
    output::{Output, Shown},
};
use crate::client;
use serde_json::Value;
use std::time::Duration;

/// A row of a list.
pub(crate) struct Row<'s, T>(pub(crate) &'s T);

/// Nothing that is shown fails to be a JSON value.
pub(crate) fn as_value(shown: &impl Shown) -> Value {
    serde_json::to_value(shown.json()).unwrap_or_default()
}

/// What became of each sequence: what was done to stdout, what was refused to stderr, but for the last, which
/// is the command's own end.
pub(crate) fn each<T>(
    output: Output,
    outcomes: impl IntoIterator<Item = (i64, client::Result<T>)>,
) -> Result<Exit, Fault>
where
    (i64, T): Shown,
{
    let mut refused = None;
    for (sequence, outcome) in outcomes {
        match outcome {
            Ok(done) => output.show(&(sequence, done))?,
            Err(error) => {
                if let Some(earlier) = refused.replace(Fault::Refused(sequence, error)) {
                    output.note(&earlier);
                }
            }
        }
    }
    refused.map_or(Ok(Exit::Done), Err)
}

pub(crate) fn duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// As proto3 JSON has it.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}

/// An enum's value in words.
pub(crate) fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}
