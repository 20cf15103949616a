//! The `eric` command: exit codes that scripts can trust, text for people, JSON for machines.

use crate::support::{
    TestServer, Wire, listener,
    message::{numbered, sent},
    until, within,
};
use eric::v1::message::Payload;
use serde_json::Value;
use std::process::{Output, Stdio};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

fn eric(server: &TestServer, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eric"));
    command.args(arguments).env_clear().env("ERIC_SERVER", server.url()).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn run(server: &TestServer, arguments: &[&str]) -> Output {
    within(eric(server, arguments).output()).await.expect("the command is built before its tests")
}

/// What a command that succeeds prints.
async fn done(server: &TestServer, arguments: &[&str]) -> String {
    let output = run(server, arguments).await;
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("it prints text").trim_end().to_owned()
}

async fn json(server: &TestServer, arguments: &[&str]) -> Value {
    let text = done(server, &[arguments, &["--json"]].concat()).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// The exit code of a command that fails, and what it says to machines.
async fn failed(server: &TestServer, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = run(server, &[arguments, &["--json"]].concat()).await;
    let told = String::from_utf8(output.stderr).expect("it prints text");
    (output.status.code(), serde_json::from_str(told.trim()).unwrap_or(Value::String(told)))
}

/// A command that receives, and its lines.
async fn receiving(server: &TestServer, arguments: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = eric(server, arguments).spawn().expect("the command is built before its tests");
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    (child, lines)
}

async fn line(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    within(lines.next_line()).await.expect("it prints text").expect("there is another line")
}

async fn exit(mut child: Child) -> Option<i32> {
    within(child.wait()).await.expect("it ends").code()
}

#[tokio::test]
async fn a_first_conversation_works() {
    let server = TestServer::start();
    assert_eq!(done(&server, &["channel", "create", "prices"]).await, "prices");
    assert_eq!(done(&server, &["listener", "register", "prices", "alice"]).await, "alice");
    let told = done(&server, &["dispatch", "prices", "alice", "price", "{\"p\": 1.50}"]).await;
    assert!(told.starts_with("accepted ") && told.contains("1 receiver"), "{told}");
    done(&server, &["broadcast", "prices", "hello"]).await;
    let received = done(&server, &["listen", "prices", "alice", "--count", "2"]).await;
    assert!(received.contains("price {\"p\":1.50}") && received.contains("hello"), "{received}");
    assert!(done(&server, &["channel", "list"]).await.contains("prices"));
    assert!(done(&server, &["channel", "show", "prices"]).await.contains("prices"));
    assert!(done(&server, &["listener", "list", "prices"]).await.contains("alice"));
    assert!(done(&server, &["listener", "show", "prices", "alice"]).await.contains("alice"));
    let durability = if crate::support::server::over_a_directory() { "disk" } else { "memory" };
    assert!(done(&server, &["info"]).await.contains(durability));
    done(&server, &["listener", "start", "prices", "alice"]).await;
    done(&server, &["listener", "stop", "prices", "alice"]).await;
    done(&server, &["listener", "remove", "prices", "alice"]).await;
    done(&server, &["channel", "remove", "prices"]).await;
    assert_eq!(done(&server, &["channel", "list"]).await, "");
}

#[tokio::test]
async fn an_id_that_the_server_makes_can_be_captured() {
    let server = TestServer::start();
    let channel = done(&server, &["channel", "create"]).await;
    assert!(uuid::Uuid::parse_str(&channel).is_ok(), "{channel}");
    let listener = done(&server, &["listener", "register", &channel]).await;
    assert!(uuid::Uuid::parse_str(&listener).is_ok(), "{listener}");
}

#[tokio::test]
async fn machines_read_json() {
    let (server, wire) = listener().await;
    let receipt = json(&server, &["dispatch", "c", "l", "t", "1", "--id", "mine"]).await;
    assert_eq!((&receipt["messageId"], &receipt["duplicate"]), (&Value::from("mine"), &Value::from(false)));
    assert_eq!(json(&server, &["listener", "show", "c", "l"]).await["backlogMessages"], 1);
    assert_eq!(json(&server, &["channel", "show", "c"]).await["id"], "c");
    assert_eq!(json(&server, &["info"]).await["incarnation"], wire.server().await.incarnation);
    let pulled = json(&server, &["pull", "c", "l"]).await;
    assert_eq!(pulled["delivery"]["message"]["payload"], 1);
    assert_eq!(pulled["delivery"]["sequence"], receipt["sequence"]);
    assert!(pulled["resumeToken"].is_string());
    assert_eq!(json(&server, &["channel", "create", "c", "--allow-existing"]).await["existed"], true);
}

#[tokio::test]
async fn exit_codes_can_be_trusted() {
    let (server, wire) = listener().await;
    wire.update("c", eric::v1::ChannelSettings { max_backlog_messages: Some(1), ..Default::default() }).await;
    wire.dispatch("c", "l", numbered(1)).await;
    for (code, reason, arguments) in [
        (3, "CHANNEL_NOT_FOUND", &["channel", "show", "no"][..]),
        (3, "LISTENER_NOT_FOUND", &["dispatch", "c", "no", "t"]),
        (3, "LISTENER_NOT_FOUND", &["pull", "c", "no"]),
        (4, "CHANNEL_ALREADY_EXISTS", &["channel", "create", "c"]),
        (4, "LISTENER_ALREADY_EXISTS", &["listener", "register", "c", "l"]),
        (4, "INVALID_ID", &["channel", "create", "a b"]),
        (4, "INVALID_MESSAGE", &["broadcast", "c", "_eric_mine"]),
        (4, "INVALID_SETTING", &["channel", "update", "c", "--max-backlog-messages", "0"]),
        (5, "BACKLOG_FULL", &["dispatch", "c", "l", "t"]),
    ] {
        let (exit, told) = failed(&server, arguments).await;
        assert_eq!(
            (exit, &told["error"]["reason"]),
            (Some(code), &Value::from(reason)),
            "{arguments:?} {told}"
        );
        assert_eq!(told["error"]["exitCode"], code);
    }
    for arguments in [
        &["dispatch", "c", "l", "t", "{no json"][..],
        &["dispatch", "c", "l", "t", "1", "--file", "x"],
        &["dispatch", "c"],
        &["channel", "create", "--replay-window", "5"],
        &["nothing"],
        &["info", "--server", "https://127.0.0.1:1"],
    ] {
        assert_eq!(failed(&server, arguments).await.0, Some(2), "{arguments:?}");
    }
    wire.pull("c", "l", 1).await;
    let output = run(&server, &["pull", "c", "l"]).await;
    assert_eq!((output.status.code(), output.stdout.len()), (Some(8), 0));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_exit_of_its_own() {
    let server = TestServer::start();
    let address = server.address().to_string();
    let gone = TestServer::start();
    let url = gone.url();
    drop(gone);
    for arguments in [&["info"][..], &["dispatch", "c", "l", "t"], &["listen", "c", "l"], &["watch", "c"]] {
        let (exit, told) = failed(&server, &[arguments, &["--server", &url]].concat()).await;
        assert_eq!(exit, Some(6), "{arguments:?} {told}");
        assert_eq!(told["error"]["code"], "UNAVAILABLE");
    }
    // an address without a scheme is as good
    done(&server, &["info", "--server", &address]).await;
}

#[tokio::test]
async fn a_command_may_wait_for_its_server() {
    let gone = TestServer::start();
    let address = gone.address();
    let waiting = eric(&gone, &["info", "--wait-for-server", "30s"]).output();
    drop(gone);
    let waiting = tokio::spawn(waiting);
    let _server = TestServer::again_on(address).await;
    assert_eq!(within(waiting).await.unwrap().unwrap().status.code(), Some(0));
}

#[tokio::test]
async fn a_payload_is_an_argument_a_file_or_standard_input() {
    let (server, wire) = listener().await;
    let mut reader = wire.listen("c", "l").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("payload.json");
    std::fs::write(&path, "[1, 2]\n").unwrap();
    let path = path.to_str().expect("temporary folders have plain names");
    done(&server, &["dispatch", "c", "l", "t"]).await;
    done(&server, &["dispatch", "c", "l", "t", "-1.50"]).await;
    done(&server, &["dispatch", "c", "l", "t", "--file", path]).await;
    done(&server, &["dispatch", "c", "l", "t", "--text", "say \"hi\""]).await;
    done(&server, &["dispatch", "c", "l", "t", "--binary", "--file", path]).await;
    for arguments in [&["dispatch", "c", "l", "t", "-"][..], &["broadcast", "c", "t", "--file", "-"]] {
        let mut child = eric(&server, arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().expect("it is piped");
        within(stdin.write_all(b"{\"from\": \"stdin\"}")).await.unwrap();
        drop(stdin);
        assert_eq!(exit(child).await, Some(0));
    }
    let payloads: Vec<_> = reader.take(7).await.iter().map(|it| sent(it).payload.clone()).collect();
    let text = |text: &str| Some(Payload::Json(text.into()));
    assert_eq!(payloads[..4], [None, text("-1.50"), text("[1, 2]"), text("\"say \\\"hi\\\"\"")]);
    assert_eq!(payloads[4], Some(Payload::Binary("[1, 2]\n".into())));
    assert_eq!(payloads[5..], [text("{\"from\": \"stdin\"}"), text("{\"from\": \"stdin\"}")]);
}

#[tokio::test]
async fn a_message_has_what_was_written_with_it() {
    let (server, wire) = listener().await;
    let arguments = ["dispatch", "c", "l", "t", "--id", "i", "--sender", "s", "--attribute", "k=v=w"];
    done(&server, &arguments).await;
    let delivery = wire.listen("c", "l").await.one().await;
    let message = sent(&delivery);
    assert_eq!((message.id.as_str(), message.sender_id.as_str(), message.r#type.as_str()), ("i", "s", "t"));
    assert_eq!(message.attributes["k"], "v=w");
}

#[tokio::test]
async fn listening_prints_what_comes_until_the_end_is_notified() {
    let (server, wire) = listener().await;
    wire.dispatch("c", "l", numbered(1)).await;
    let (child, mut lines) = receiving(&server, &["listen", "c", "l"]).await;
    assert!(line(&mut lines).await.ends_with(" dispatch number 1"));
    wire.broadcast("c", numbered(2)).await;
    assert!(line(&mut lines).await.ends_with(" broadcast number 2"));
    assert!(done(&server, &["notify-end", "c", "l"]).await.contains("1 receiver"));
    assert_eq!(exit(child).await, Some(0));
    assert_eq!(within(lines.next_line()).await.unwrap(), None);
}

#[tokio::test]
async fn watching_ends_when_the_end_is_notified_to_all() {
    let (server, wire) = listener().await;
    let (child, mut lines) = receiving(&server, &["watch", "c", "--json"]).await;
    until(async || wire.look_at("c").await.streams == 1).await;
    wire.broadcast("c", numbered(1)).await;
    let delivery: Value = serde_json::from_str(&line(&mut lines).await).unwrap();
    assert_eq!(delivery["delivery"]["message"]["payload"], 1);
    done(&server, &["notify-end", "c"]).await;
    let end: Value = serde_json::from_str(&line(&mut lines).await).unwrap();
    assert_eq!(end["ended"]["cause"], "CHANNEL_CLOSED");
    assert_eq!(exit(child).await, Some(0));
}

#[tokio::test]
async fn listening_says_so_and_stops_when_its_listener_or_channel_is_removed_or_taken_over() {
    let (server, wire) = listener().await;
    for end in ["removed", "taken over", "channel"] {
        let (child, _lines) = receiving(&server, &["listen", "c", "l", "--json"]).await;
        until(async || wire.listener("c", "l").await.connected).await;
        let reason = match end {
            "removed" => {
                wire.remove("c", "l").await;
                wire.register("c", "l").await;
                "LISTENER_REMOVED"
            }
            "taken over" => {
                wire.pull("c", "l", 1).await;
                "LISTENER_TAKEN_OVER"
            }
            _ => {
                wire.remove_channel("c").await;
                "CHANNEL_REMOVED"
            }
        };
        let output = within(child.wait_with_output()).await.unwrap();
        assert_eq!(output.status.code(), Some(7), "{end}: {output:?}");
        let told: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(told["error"]["reason"], reason);
    }
}

#[tokio::test]
async fn listening_ends_well_when_its_listener_is_stopped() {
    let (server, wire) = listener().await;
    for count in [&[][..], &["--count", "3"]] {
        let (child, _lines) = receiving(&server, &[&["listen", "c", "l"], count].concat()).await;
        until(async || wire.listener("c", "l").await.connected).await;
        wire.stop("c", "l").await;
        assert_eq!(exit(child).await, Some(0));
    }
}

#[tokio::test]
async fn listening_for_a_number_of_messages_leaves_the_rest() {
    let (server, wire) = listener().await;
    wire.dispatch_all("c", "l", (0..5).map(numbered)).await;
    let received = done(&server, &["listen", "c", "l", "--count", "2", "--json"]).await;
    assert_eq!(received.lines().count(), 3, "two messages and the end: {received}");
    let end: Value = serde_json::from_str(received.lines().last().unwrap()).unwrap();
    let token = end["ended"]["resumeToken"].as_str().unwrap();
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 3);
    let rest = done(&server, &["pull", "c", "l", "--max", "9", "--resume-token", token]).await;
    assert_eq!(rest.lines().count(), 3, "{rest}");
}

#[tokio::test]
async fn listening_goes_on_after_the_server_was_started_again() {
    let (server, wire) = listener().await;
    let address = server.address();
    let (child, mut lines) = receiving(&server, &["watch", "c", "--json"]).await;
    until(async || wire.look_at("c").await.streams == 1).await;
    wire.broadcast("c", numbered(1)).await;
    line(&mut lines).await;
    drop((server, wire));
    // what was in memory is gone: the channel is no more, and the command says so
    let _server = TestServer::again_on(address).await;
    let output = within(child.wait_with_output()).await.unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("CHANNEL_NOT_FOUND"), "{output:?}");
}

#[tokio::test]
async fn gaps_are_shown() {
    let (server, wire) = listener().await;
    wire.dispatch_all("c", "l", (0..3).map(numbered)).await;
    assert!(done(&server, &["listener", "purge", "c", "l"]).await.contains('3'));
    wire.dispatch("c", "l", numbered(3)).await;
    let received = done(&server, &["pull", "c", "l", "--max", "5"]).await;
    let lines: Vec<_> = received.lines().collect();
    assert!(lines[0].starts_with("-- gap: 3 messages missing (purged)"), "{received}");
    assert!(lines[1].ends_with("number 3"), "{received}");
}

/// `eric serve` on a free port, and where it serves.
async fn serving(arguments: &[&str]) -> (Child, Lines<BufReader<tokio::process::ChildStderr>>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_eric"))
        .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])
        .args(arguments)
        .env_clear()
        // flags are stronger
        .env("ERIC_HTTP", "off")
        .kill_on_drop(true)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command is built before its tests");
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    loop {
        let line = within(lines.next_line()).await.expect("it is text").expect("it says where it serves");
        let line: Value = serde_json::from_str(&line).expect("each line of its log is a JSON object");
        if let Some(address) = line["address"].as_str() {
            let url = format!("http://{address}");
            return (child, lines, url);
        }
    }
}

#[cfg(unix)]
async fn signal(child: &Child, signal: &str) {
    let id = child.id().expect("it has not ended").to_string();
    let killed = within(Command::new("kill").args([signal, &id]).status()).await.expect("there is kill");
    assert!(killed.success());
}

#[cfg(unix)]
#[tokio::test]
async fn a_server_drains_at_either_signal() {
    for name in ["-TERM", "-INT"] {
        let (child, _log, url) = serving(&["--drain-deadline", "1h"]).await;
        let wire = Wire::connect(url).await;
        wire.create("c").await;
        let stream = wire.watch("c").await;
        signal(&child, name).await;
        let (events, end) = stream.rest().await;
        assert_eq!(events.len(), 1, "it says that it goes away");
        assert_eq!(end.unwrap_err().code(), tonic::Code::Unavailable);
        drop(wire);
        assert_eq!(exit(child).await, Some(0));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_second_signal_cuts() {
    use crate::support::peer::Peer;
    let (child, mut log, url) = serving(&["--drain-deadline", "1h"]).await;
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut peer = Peer::connect(address).await;
    peer.begin().await;
    peer.open(1, address, "Broadcast").await;
    peer.read_until(|frame| frame.settled()).await;
    signal(&child, "-TERM").await;
    while !within(log.next_line()).await.unwrap().expect("it drains").contains("draining") {}
    signal(&child, "-INT").await;
    assert_eq!(exit(child).await, Some(1), "what was still open was cut");
}

#[cfg(unix)]
#[tokio::test]
async fn receiving_tells_how_to_go_on_when_it_is_interrupted() {
    let (server, wire) = listener().await;
    wire.dispatch("c", "l", numbered(1)).await;
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let (child, mut lines) = receiving(&server, &["listen", "c", "l", "--json"]).await;
        until(async || wire.listener("c", "l").await.connected).await;
        wire.dispatch("c", "l", numbered(2)).await;
        while !line(&mut lines).await.contains("\"payload\":2") {}
        signal(&child, name).await;
        let end: Value = serde_json::from_str(&line(&mut lines).await).unwrap();
        assert_eq!(end["ended"]["cause"], "INTERRUPTED");
        assert!(end["ended"]["resumeToken"].is_string());
        assert_eq!(exit(child).await, Some(code));
    }
}

#[tokio::test]
async fn no_payload_is_ever_logged() {
    let (mut child, mut log, url) = serving(&["--log-level", "trace"]).await;
    // a log that nobody reads would stop whoever writes it
    let reading = tokio::spawn(async move {
        let mut lines = Vec::new();
        while let Some(line) = within(log.next_line()).await.unwrap() {
            lines.push(line);
        }
        lines
    });
    let wire = Wire::connect(url).await;
    wire.create("c").await;
    wire.register("c", "l").await;
    let secret = crate::support::message::json("\"a secret of the sender\"");
    let mut reader = wire.listen("c", "l").await;
    wire.dispatch("c", "l", secret.clone()).await;
    wire.broadcast("c", secret.clone()).await;
    reader.take(2).await;
    let bad = crate::support::message::json("a secret of the sender");
    assert!(wire.try_dispatch("c", "l", bad).await.is_err());
    child.start_kill().unwrap();
    let lines = within(reading).await.unwrap();
    assert!(!lines.is_empty(), "at this level it says something");
    for line in lines {
        assert!(!line.contains("a secret of the sender"), "{line}");
    }
}
