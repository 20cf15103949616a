//! Beside the reference: `eric-sse`'s own clients and servers, of 2.1.1.2 and of 0.7.9, as they come from their registry.
//! `make test` names a Python that has them in `ERIC_SSE_PYTHON` and `ERIC_SSE_OLD_PYTHON`.

use crate::support::{
    socket::{Socket, served},
    until, within,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, ffi::OsString, path::Path, process::Stdio, time::Duration};
use tokio::{
    net::UnixStream,
    process::{Child, Command},
    time::timeout,
};

const CONVERSE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/promises/socket/reference/converse.py");
const SERVE: &str = "import sys; from eric_sse.servers import SocketServer; SocketServer.start(sys.argv[1])";
/// A Python that is started on a busy machine, and talks for a while.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Python that has `eric-sse`.
struct Python(OsString);

impl Python {
    /// It, or a word about why there is no test.
    fn named_by(variable: &str) -> Option<Self> {
        let found = std::env::var_os(variable);
        if found.is_none() {
            eprintln!(
                "{variable} names no Python with eric-sse: nothing was tested (`make test` installs it)"
            );
        }
        found.map(Self)
    }

    /// With the library of 2.1.1.2.
    fn new() -> Option<Self> {
        Self::named_by("ERIC_SSE_PYTHON")
    }

    /// With the library of 0.7.9.
    fn old() -> Option<Self> {
        Self::named_by("ERIC_SSE_OLD_PYTHON")
    }

    fn command(&self, arguments: &[&str], socket: &Path) -> Command {
        let mut command = Command::new(&self.0);
        command.args(arguments).arg(socket).kill_on_drop(true).stdin(Stdio::null());
        command
    }

    /// What its client hears of the server at a socket, by step.
    async fn converses(&self, socket: &Socket) -> BTreeMap<String, Value> {
        let mut conversation = self.command(&[CONVERSE], socket.path());
        let output = timeout(PATIENCE, conversation.output()).await.expect("it comes to its end");
        let output = output.expect("there is a Python");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("it prints what it heard")
    }

    /// Its own server.
    async fn serves(&self) -> (Child, Socket) {
        let socket = Socket::nowhere();
        let mut server = self.command(&["-c", SERVE], socket.path());
        let server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("there is a Python");
        until(async || UnixStream::connect(socket.path()).await.is_ok()).await;
        (server, socket)
    }
}

/// What differs between two conversations: each step, as the first and as the second has it.
fn differences(
    one: &BTreeMap<String, Value>,
    other: &BTreeMap<String, Value>,
) -> BTreeMap<String, (Value, Value)> {
    assert!(one.keys().eq(other.keys()), "they go the same way");
    let pairs = one.iter().zip(other.values()).filter(|((_, one), other)| one != other);
    pairs.map(|((step, one), other)| (step.clone(), (one.clone(), other.clone()))).collect()
}

#[tokio::test]
async fn its_client_hears_from_us_what_it_hears_from_its_own_server() {
    let Some(python) = Python::new() else { return };
    let (_reference, theirs) = python.serves().await;
    let (_server, ours) = served();
    let heard = python.converses(&ours).await;
    assert_eq!(differences(&heard, &python.converses(&theirs).await), BTreeMap::new());
    // what was compared is what was meant
    assert_eq!(heard["broadcast"], "ack");
    assert_eq!(heard["stream of the first"].as_array().map(Vec::len), Some(11));
    assert_eq!(
        heard["stream of the closed"][0],
        "{\"event\": \"_eric_channel_closed\", \"retry\": 5, \"data\": null}\n"
    );
    assert_eq!(heard["watch"].as_array().map(Vec::len), Some(11));
    assert_eq!(heard["stream of nobody"], json!(["InvalidListenerException()"]));
    assert_eq!(heard["nothing"], "InvalidMessageFormat('{}')");
}

#[tokio::test]
async fn its_old_client_hears_the_same() {
    let Some(old) = Python::old() else { return };
    let (_server, socket) = served();
    let heard = old.converses(&socket).await;
    assert_eq!(heard["stream of the first"].as_array().map(Vec::len), Some(11));
    let Some(new) = Python::new() else { return };
    let (_server, socket) = served();
    assert_eq!(differences(&heard, &new.converses(&socket).await), BTreeMap::new());
}

#[tokio::test]
async fn its_old_server_differs_where_we_say_so() {
    let Some(old) = Python::old() else { return };
    let (_reference, theirs) = old.serves().await;
    let (_server, ours) = served();
    let differences = differences(&old.converses(&ours).await, &old.converses(&theirs).await);
    // it could not listen at all
    let broken = json!(["TypeError(\"object async_generator can't be used in 'await' expression\")"]);
    let (streams, others): (Vec<_>, Vec<_>) = differences
        .into_iter()
        .partition(|(step, _)| step.starts_with("stream of the ") && step != "stream of the removed");
    assert_eq!(streams.len(), 3);
    assert!(streams.iter().all(|(_, (_, theirs))| *theirs == broken), "{streams:?}");
    let removal =
        (json!("InvalidListenerException('no')"), json!("InvalidListenerException('Invalid listener no')"));
    assert_eq!(others, [("remove nobody".to_owned(), removal)]);
}

/// A server with a channel and a listener, for what is said to it by hand.
struct Said<'s> {
    socket: &'s Socket,
    channel: String,
    listener: String,
}

impl<'s> Said<'s> {
    async fn to(socket: &'s Socket) -> Self {
        let channel = socket.create().await;
        let listener = socket.register(&channel).await;
        Self { socket, channel, listener }
    }

    /// The answer to a request, with the ids of this server for `CHANNEL` and `LISTENER`, there and back.
    async fn answer(&self, request: &str) -> String {
        let request = request.replace("CHANNEL", &self.channel).replace("LISTENER", &self.listener);
        let answer = within(self.socket.answer(request.as_bytes())).await;
        answer.replace(&self.channel, "CHANNEL").replace(&self.listener, "LISTENER")
    }
}

const SAID: [&str; 44] = [
    "[1]",
    "[]",
    "5",
    "-5",
    "1.5",
    "1e5",
    "true",
    "null",
    "\"x\"",
    "{}",
    " \n{\"x\": 1}\t",
    r#"{"v": 5}"#,
    r#"{"v": null}"#,
    r#"{"v": ["d"]}"#,
    r#"{"v": "größe 'x' \u00e4"}"#,
    "{\"v\": \"\u{a0}\u{ad}\u{2028}\u{7f}€𝄞\"}",
    r#"{"v": "c", "v": "x"}"#,
    r#"{"v": "d"}"#,
    r#"{"v": "b", "c": "it's"}"#,
    r#"{"v": "d", "t": "t"}"#,
    r#"{"v": "d", "t": "t", "c": null, "r": "no"}"#,
    r#"{"v": "d", "t": "t", "c": ""}"#,
    r#"{"v": "d", "t": "t", "c": 5}"#,
    r#"{"v": "d", "t": "t", "c": true}"#,
    r#"{"v": "d", "t": "t", "c": false}"#,
    r#"{"v": "d", "t": "t", "c": [1]}"#,
    r#"{"v": "d", "t": "t", "c": {}}"#,
    r#"{"v": "d", "t": "t", "c": "größe \" '"}"#,
    r#"{"v": "d", "t": "t", "c": "CHANNEL"}"#,
    r#"{"v": "d", "t": "t", "c": "CHANNEL", "r": 7}"#,
    r#"{"v": "d", "t": "t", "c": "CHANNEL", "r": [1]}"#,
    r#"{"v": "d", "t": "t", "c": "CHANNEL", "r": "LISTENER"}"#,
    r#"{"v": "d", "t": "t", "c": "CHANNEL", "r": "LISTENER", "p": {"a": [1.0, "\ud800"]}, "more": {}}"#,
    r#"{"v": "b", "t": "t", "c": "CHANNEL", "r": ["whatever"]}"#,
    r#"{"t": "t", "c": "CHANNEL", "v": "\u0062"}"#,
    r#"{"v": "r"}"#,
    r#"{"v": "l"}"#,
    r#"{"v": "l", "c": "CHANNEL"}"#,
    r#"{"v": "l", "c": "CHANNEL", "r": {}}"#,
    r#"{"v": "w", "c": "no"}"#,
    r#"{"v": "rc"}"#,
    r#"{"v": "rl", "c": "no", "r": "no"}"#,
    r#"{"v": "rl", "c": "CHANNEL", "r": "LISTENER"}"#,
    r#"{"v": "rc", "c": "CHANNEL"}"#,
];

#[tokio::test]
async fn what_no_client_sends_is_answered_as_its_servers_answer_it() {
    for python in [Python::new(), Python::old()] {
        let Some(python) = python else { continue };
        let (_reference, theirs) = python.serves().await;
        let (_server, ours) = served();
        let (theirs, ours) = (Said::to(&theirs).await, Said::to(&ours).await);
        for request in SAID {
            assert_eq!(ours.answer(request).await, theirs.answer(request).await, "{request}");
        }
    }
}

/// Where only Python's parsers speak, the exception's name is theirs and the words are ours.
#[tokio::test]
async fn what_cannot_be_read_is_answered_by_the_same_exception() {
    let Some(python) = Python::new() else { return };
    let (_reference, theirs) = python.serves().await;
    let (_server, ours) = served();
    for request in [
        &b""[..],
        b" ",
        b"{",
        b"nul",
        b"{\"v\": }",
        b"{\"v\": \"c\"}{}",
        b"{'v': 'c'}",
        b"\"\x01\"",
        b"\xff",
        b"\"\xc3\"",
    ] {
        let (theirs, ours) = (theirs.answer(request).await, ours.answer(request).await);
        let name = |answer: &str| answer.split_once('(').expect("it is an exception").0.to_owned();
        assert_eq!(name(&ours), name(&theirs), "{}", String::from_utf8_lossy(request));
    }
}

#[tokio::test]
async fn what_its_servers_leave_open_is_refused() {
    let Some(python) = Python::new() else { return };
    let (_reference, theirs) = python.serves().await;
    let (_server, ours) = served();
    let (theirs, ours) = (Said::to(&theirs).await, Said::to(&ours).await);
    for (request, their_answer, our_exception) in [
        // nothing happens, and nothing is said of it
        (r#"{"v": "x", "t": "t"}"#, "", "InvalidMessageFormat("),
        // no JSON
        (r#"{"v": "b", "c": "CHANNEL", "t": "t", "p": NaN}"#, "ack", "JSONDecodeError("),
        // a type is text, and some types are the server's
        (r#"{"v": "b", "c": "CHANNEL", "t": 5}"#, "ack", "InvalidMessageFormat("),
        (r#"{"v": "b", "c": "CHANNEL", "t": ""}"#, "ack", "InvalidMessageFormat("),
        (r#"{"v": "b", "c": "CHANNEL", "t": "_eric_error"}"#, "ack", "InvalidMessageFormat("),
    ] {
        assert_eq!(theirs.answer(request).await, their_answer, "{request}");
        let our_answer = ours.answer(request).await;
        assert!(our_answer.starts_with(our_exception), "{our_answer} to {request}");
    }
}
