//! The tools of others find nothing to say about the HTTP door. `make test` names a Python that has them in `ERIC_PYTHON`.

use crate::support::{
    TestServer, Wire,
    http::call,
    listener,
    message::{json, message},
    wire::broadcast,
};
use eric::v1::{Message, message::Payload};
use serde_json::Value;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

/// Longer than any of them takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// How many examples of a kind the tester makes for each verb, where nobody asks for more.
const EXAMPLES: u32 = 10;

/// A Python with the tools, or a word about why there is no test.
fn python() -> Option<OsString> {
    let found = std::env::var_os("ERIC_PYTHON");
    if found.is_none() {
        eprintln!("ERIC_PYTHON names no Python: nothing was tested (`make test` installs it)");
    }
    found
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools")
}

async fn run(command: &mut Command) -> (bool, String) {
    run_within(command, PATIENCE).await
}

async fn run_within(command: &mut Command, patience: Duration) -> (bool, String) {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output: Output = timeout(patience, command.output()).await.expect("it ends").expect("Python runs");
    let told = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&told).into_owned())
}

/// A place for what a tool leaves behind, with its settings.
fn place(files: &[&str]) -> TempDir {
    let place = tempfile::tempdir().expect("there is a place for temporary files");
    for file in files {
        std::fs::copy(tools().join(file), place.path().join(file)).expect("it stands beside the tests");
    }
    place
}

#[tokio::test]
async fn a_validator_takes_the_description_of_the_door() {
    let Some(python) = python() else { return };
    let server = TestServer::start();
    let place = place(&[]);
    let document = place.path().join("openapi.json");
    std::fs::write(&document, call(server.http(), "GET", "/openapi.json", None).await.body).unwrap();
    let (sound, told) = run(Command::new(python).args(["-m", "openapi_spec_validator"]).arg(document)).await;
    assert!(sound, "{told}");
}

#[tokio::test]
async fn a_tester_that_asks_by_the_description_finds_nothing() {
    let Some(python) = python() else { return };
    let server = TestServer::start();
    furnish(&server.wire().await).await;
    let place = place(&["schemathesis.toml", "hooks.py"]);
    let url = format!("http://{}/openapi.json", server.http());
    let (examples, seed) = effort();
    let mut command = Command::new(python);
    command.args(["-m", "schemathesis.cli", "run", &url]).current_dir(place.path());
    command.args(["--max-examples", &examples.to_string()]);
    command.args(seed.map(|seed| format!("--seed={seed}")));
    let (nothing, told) = run_within(&mut command, PATIENCE * examples.div_ceil(EXAMPLES)).await;
    assert!(nothing && told.contains("Stateful"), "{told}");
    server.wire().await.still_answers().await;
}

/// How many examples, and the seed that they come of where it is not that of the settings: whoever asks for more is not
/// shown the same again.
fn effort() -> (u32, Option<u32>) {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("it is a number"));
    let more = number("ERIC_SCHEMATHESIS_EXAMPLES");
    let seed = number("ERIC_SCHEMATHESIS_SEED").or_else(|| more.map(|_| fastrand::u32(..)));
    (more.unwrap_or(EXAMPLES), seed)
}

/// What the tester's settings name.
async fn furnish(wire: &Wire) {
    for channel in ["c", "d"] {
        wire.create(channel).await;
        wire.register(channel, "automatic").await;
        for listener in ["explicit", "dead"] {
            wire.register_explicit(channel, listener).await;
        }
    }
}

/// Awkward payloads, each with its data by the specification.
fn payload(number: usize) -> (Message, String) {
    let json = |text: String| (json(&text), text.replace("\r\n", "\n").replace('\r', "\n"));
    match number % 10 {
        0 => json(format!("{{\"number\":{number},\r\n\"lines\":\n[\r1]}}")),
        1 => json(format!("\"\\u0000\\n {number}\"")),
        2 => json(
            "\"\u{1f600}\u{fe0f}\u{200d} \u{2028}\u{2029}\u{85}\u{b}\u{c}\"".replace(['\u{b}', '\u{c}'], ""),
        ),
        3 => json("\"\"".to_owned()),
        4 => json(" : data: x\n".replace(" : data: x", "\" : data: x\"")),
        5 => (message("empty"), "null".to_owned()),
        6 => binary(&[0, 13, 10, 255, u8::try_from(number % 256).unwrap_or_default()]),
        7 => binary(b""),
        8 => json(format!("\n\n\r\r\r\n  {number}\r")),
        _ if number == 5009 => json(format!("\"{}\"", "\u{e9}".repeat((1 << 19) - 1))),
        _ => json("[".repeat(100) + &"]".repeat(100)),
    }
}

fn binary(bytes: &[u8]) -> (Message, String) {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let data = format!("data:application/octet-stream;base64,{}", STANDARD.encode(bytes));
    (Message { payload: Some(Payload::Binary(bytes.to_vec().into())), ..message("binary") }, data)
}

#[tokio::test]
async fn a_reader_of_another_project_gets_ten_thousand_events_exactly_as_they_were_sent() {
    const EVENTS: usize = 10_000;
    let Some(python) = python() else { return };
    let (server, wire) = listener().await;
    let url = format!("http://{}/v1/channels/c/events?start_at=oldest", server.http());
    let mut reader = Command::new(python)
        .arg(tools().join("events.py"))
        .args([&url, &(EVENTS + 1).to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("Python runs");
    let mut lines = BufReader::new(reader.stdout.take().expect("it is piped")).lines();
    let sent: Vec<_> = (0..EVENTS).map(payload).collect();
    let sends = {
        let messages: Vec<_> = sent.iter().map(|(message, _)| message.clone()).collect();
        tokio::spawn(async move {
            for some in messages.chunks(200) {
                let batch = some.iter().map(|message| broadcast("c", message.clone())).collect();
                wire.batch(batch).await;
            }
        })
    };
    let mut next = async || {
        let line = timeout(PATIENCE, lines.next_line()).await.expect("it comes").expect("it is text");
        serde_json::from_str::<Value>(&line.expect("the reader reads on")).expect("it is JSON")
    };
    assert_eq!(next().await[1], "_eric_opened");
    let mut ids = std::collections::HashSet::new();
    for (number, (message, data)) in sent.iter().enumerate() {
        let event = next().await;
        assert_eq!(
            (&event[1], &event[2]),
            (&message.r#type.as_str().into(), &data.as_str().into()),
            "{number}"
        );
        assert!(ids.insert(event[0].as_str().expect("it has an id").to_owned()), "{number}");
    }
    sends.await.expect("all is accepted");
    assert!(reader.wait().await.expect("it ends").success());
}
