//! `eric dispatch`, `eric broadcast`, `eric notify-end`: the commands that send.

use super::{
    context::{Context, duration},
    exit::{Exit, Fault},
};
use crate::client::Message;
use clap::Args;
use serde::de::IgnoredAny;
use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

/// Send a message to one listener, running or stopped
#[derive(Args, Debug)]
pub(crate) struct Dispatch {
    /// The channel's id
    channel: String,
    /// The listener's id
    listener: String,
    #[command(flatten)]
    message: Written,
}

/// Send a message to all listeners and watchers of a channel
#[derive(Args, Debug)]
pub(crate) struct Broadcast {
    /// The channel's id
    channel: String,
    #[command(flatten)]
    message: Written,
}

/// Tell the listeners and watchers of a channel, or one listener, that no more will come
#[derive(Args, Debug)]
pub(crate) struct NotifyEnd {
    /// The channel's id
    channel: String,
    /// One listener's id [default: all listeners and watchers]
    listener: Option<String>,
}

/// A message, as it is written on a command line.
#[derive(Args, Debug)]
struct Written {
    /// What kind of message it is; receivers select by it
    #[arg(value_name = "TYPE")]
    message_type: String,
    /// JSON, or plain text, which is sent as a JSON string; `-` reads JSON from standard input
    #[arg(conflicts_with = "file", allow_negative_numbers = true)]
    payload: Option<String>,
    /// Read JSON from a file; `-` is standard input
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Whatever it looks like, the payload is text, and sent as a JSON string
    #[arg(long, conflicts_with = "binary")]
    text: bool,
    /// The payload is sent as it is, byte for byte
    #[arg(long)]
    binary: bool,
    /// The message's id; without one the server makes a UUID
    #[arg(long)]
    id: Option<String>,
    /// Who sends it
    #[arg(long, value_name = "ID")]
    sender: Option<String>,
    /// A fact beside the payload; can be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = attribute)]
    attribute: Vec<(String, String)>,
    /// Who has not received it by then, does not: a gap is said [default: it waits for ever]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    ttl: Option<Duration>,
}

impl Dispatch {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let message = self.message.read()?;
        context.output.show(&context.client()?.dispatch(self.channel, self.listener, message).await?)?;
        Ok(Exit::Done)
    }
}

impl Broadcast {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        let message = self.message.read()?;
        context.output.show(&context.client()?.broadcast(self.channel, message).await?)?;
        Ok(Exit::Done)
    }
}

impl NotifyEnd {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        context.output.show(&context.client()?.notify_end(self.channel, self.listener.as_deref()).await?)?;
        Ok(Exit::Done)
    }
}

/// How a payload is meant.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Json,
    /// By its looks: what does not begin as JSON is text.
    Typed,
    Text,
    Binary,
}

impl Written {
    fn read(self) -> Result<Message, Fault> {
        let form = self.form();
        let mut message = Message::new(self.message_type);
        if let Some(payload) = bytes(self.payload, self.file)? {
            message = carrying(message, payload, form)?;
        }
        if let Some(id) = self.id {
            message = message.with_id(id);
        }
        if let Some(sender) = self.sender {
            message = message.with_sender_id(sender);
        }
        if let Some(ttl) = self.ttl {
            message = message.with_ttl(ttl);
        }
        let facts = self.attribute.into_iter();
        Ok(facts.fold(message, |message, (key, value)| message.with_attribute(key, value)))
    }

    fn form(&self) -> Form {
        match (self.text, self.binary) {
            (_, true) => Form::Binary,
            (true, _) => Form::Text,
            (false, false) if self.is_typed() => Form::Typed,
            (false, false) => Form::Json,
        }
    }

    /// It stands on the command line itself: a program's output is never guessed at.
    fn is_typed(&self) -> bool {
        self.payload.as_deref().is_some_and(|payload| payload != "-")
    }
}

fn bytes(payload: Option<String>, file: Option<PathBuf>) -> Result<Option<Vec<u8>>, Fault> {
    match (payload.as_deref(), file) {
        (Some("-"), _) => standard_input().map(Some),
        (None, Some(path)) if path.as_os_str() == "-" => standard_input().map(Some),
        (None, Some(path)) => read_file(&path).map(Some),
        _ => Ok(payload.map(String::into_bytes)),
    }
}

fn standard_input() -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().read_to_end(&mut bytes);
    read.map_err(|cause| Fault::Io { what: "standard input".into(), cause })?;
    Ok(bytes)
}

fn read_file(path: &Path) -> Result<Vec<u8>, Fault> {
    fs::read(path).map_err(|cause| Fault::Io { what: path.display().to_string(), cause })
}

fn carrying(message: Message, payload: Vec<u8>, form: Form) -> Result<Message, Fault> {
    if form == Form::Binary {
        return Ok(message.with_binary(payload));
    }
    let text = String::from_utf8(payload)
        .map_err(|_| Fault::Usage("the payload is not UTF-8: send it with --binary".into()))?;
    match form {
        Form::Text => Ok(message.with_json(&text)?),
        Form::Typed if is_plain(&text) => Ok(message.with_json(&text)?),
        Form::Typed | Form::Json | Form::Binary => json(message, &text),
    }
}

/// Text that nobody means as JSON: it is none, and does not begin as if it were to be.
fn is_plain(text: &str) -> bool {
    let begins = text.trim_start().starts_with(['{', '[', '"']);
    !begins && serde_json::from_str::<IgnoredAny>(text).is_err()
}

fn json(message: Message, text: &str) -> Result<Message, Fault> {
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Ok(message.with_json_text(text.trim())),
        Err(error) => Err(Fault::Usage(format!("the payload is not JSON ({error}): send text with --text"))),
    }
}

fn attribute(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("no `=` between key and value")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Payload;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        message: Written,
    }

    fn read(arguments: &[&str]) -> Result<Message, Fault> {
        let line = Line::try_parse_from([&["t"], arguments].concat());
        line.map_err(|error| Fault::Usage(error.to_string()))?.message.read()
    }

    #[test]
    fn a_payload_is_json_as_it_was_typed() {
        let message = read(&["price", r#" {"p": 1.50} "#]).unwrap();
        assert_eq!(message.payload(), Payload::Json(r#"{"p": 1.50}"#));
        assert_eq!(read(&["price", "-1"]).unwrap().payload(), Payload::Json("-1"));
    }

    #[test]
    fn plain_text_is_sent_as_a_json_string() {
        for text in ["hello", "only for you", "1 2", ""] {
            assert_eq!(read(&["t", text]).unwrap().json::<String>().unwrap(), text);
        }
    }

    #[test]
    fn what_begins_as_json_and_is_none_is_refused() {
        for text in [r#"{"p": 1"#, "[1, 2", "\"quoted", "{}{}"] {
            assert!(
                matches!(read(&["t", text]), Err(Fault::Usage(told)) if told.contains("--text")),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_said_to_be_text_is_not_read_as_json() {
        assert_eq!(read(&["t", "--text", "1"]).unwrap().payload(), Payload::Json(r#""1""#));
        assert_eq!(read(&["t", "--text", "say \"hi\""]).unwrap().payload(), Payload::Json(r#""say \"hi\"""#));
    }

    #[test]
    fn bytes_are_sent_as_they_are() {
        let message = read(&["t", "--binary", " x "]).unwrap();
        assert!(matches!(message.payload(), Payload::Binary(bytes) if bytes == " x "));
    }

    #[test]
    fn a_file_is_a_payload_too() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "[1]\n").unwrap();
        let path = file.path().to_str().unwrap();
        assert_eq!(read(&["t", "--file", path]).unwrap().payload(), Payload::Json("[1]"));
        fs::write(file.path(), "no json").unwrap();
        assert!(matches!(read(&["t", "--file", path]), Err(Fault::Usage(_))));
        assert!(matches!(read(&["t", "--file", "/not/there"]), Err(Fault::Io { .. })));
        assert!(matches!(read(&["t", "1", "--file", path]), Err(Fault::Usage(_))));
    }

    #[test]
    fn no_payload_is_none() {
        let message = read(&["t", "--id", "i", "--sender", "s", "--attribute", "k=v=w"]).unwrap();
        assert_eq!(message.payload(), Payload::Empty);
        assert_eq!(
            (message.id(), message.sender_id(), message.attribute("k")),
            ("i", Some("s"), Some("v=w"))
        );
        assert!(read(&["t", "--attribute", "k"]).is_err());
        assert_eq!(read(&["t", "--ttl", "30s"]).unwrap().ttl(), Some(Duration::from_secs(30)));
        assert!(read(&["t", "--ttl", "30"]).is_err());
    }
}
