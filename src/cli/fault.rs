//! How a command that failed says so.

use super::{
    exit::{Exit, Fault},
    output::{Output, Shown, printable},
};
use crate::client::{Error, Failure, Violation};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The exit of a command, after its fault, if it has one, is told.
pub(crate) fn exit(outcome: Result<Exit, Fault>, output: Output) -> Exit {
    match outcome {
        Ok(exit) => exit,
        Err(Fault::BrokenPipe) => Exit::Done,
        Err(fault) => {
            output.note(&fault);
            fault.exit()
        }
    }
}

impl Shown for Fault {
    fn text(&self) -> String {
        let mut text = match self {
            Fault::Ended(error) => format!("ended: {}", printable(&error.to_string())),
            Fault::Client(_)
            | Fault::Refused(..)
            | Fault::Usage(_)
            | Fault::Directory(_)
            | Fault::Import(_)
            | Fault::Io { .. }
            | Fault::BrokenPipe => {
                format!("error: {}", printable(&self.to_string()))
            }
        };
        if let Some(error) = self.error() {
            add_details(&mut text, error).expect("a String takes whatever is written");
        }
        text
    }

    fn json(&self) -> impl Serialize {
        let mut error = json!({ "message": self.to_string(), "exitCode": self.exit() as u8 });
        if let (Some(fields), Some(failure)) = (error.as_object_mut(), self.error().and_then(Error::failure))
        {
            fields.extend(facts(failure));
            if let Fault::Refused(sequence, _) = self {
                fields.insert("sequence".to_owned(), json!(sequence));
            }
        }
        json!({ "error": error })
    }
}

fn add_details(text: &mut String, error: &Error) -> std::fmt::Result {
    let Some(failure) = error.failure() else { return Ok(()) };
    let details = failure.violations.iter().chain(&failure.limits);
    // a single one is often the message itself
    for Violation { subject, description } in
        details.filter(|detail| !failure.message.contains(&detail.description))
    {
        write!(text, "\n  {}: {}", printable(subject), printable(description))?;
    }
    Ok(())
}

fn facts(failure: &Failure) -> serde_json::Map<String, Value> {
    let violations = |list: &[Violation]| -> Vec<Value> {
        let shown = |violation: &Violation| json!({ "subject": violation.subject, "description": violation.description });
        list.iter().map(shown).collect()
    };
    let facts = [
        ("message", json!(failure.message)),
        ("code", json!(failure.code_name())),
        ("reason", json!(failure.reason)),
        ("metadata", json!(failure.metadata)),
        ("violations", json!(violations(&failure.violations))),
        ("limits", json!(violations(&failure.limits))),
    ];
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Code;
    use tonic::Status;
    use tonic_types::{ErrorDetails, StatusExt as _};

    fn fault() -> Fault {
        let mut details = ErrorDetails::with_error_info(
            "CHANNEL_NOT_FOUND",
            "eric",
            [("channel".to_owned(), "prices".to_owned())],
        );
        details.add_bad_request_violation("channel", "is not there");
        Fault::Client(Status::with_error_details(Code::NotFound, "no channel \"prices\"", details).into())
    }

    #[test]
    fn people_read_what_is_so() {
        let text = "error: no channel \"prices\" (CHANNEL_NOT_FOUND)\n  channel: is not there";
        assert_eq!(fault().text(), text);
    }

    #[test]
    fn machines_read_the_same() {
        let json = serde_json::to_value(fault().json()).unwrap();
        assert_eq!(
            json,
            json!({ "error": {
                "code": "NOT_FOUND",
                "reason": "CHANNEL_NOT_FOUND",
                "message": "no channel \"prices\"",
                "metadata": { "channel": "prices" },
                "violations": [{ "subject": "channel", "description": "is not there" }],
                "limits": [],
                "exitCode": 3,
            } })
        );
    }
}
