//! The commands of `eric`: what they print, and the exit codes that scripts trust.

use crate::support::TestServer;
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

fn eric(server: &TestServer, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eric"));
    command.env("ERIC_SERVER", server.url()).args(arguments);
    command
}

/// The exit code and standard output.
fn run(server: &TestServer, arguments: &[&str]) -> (i32, String) {
    let output = outcome(server, arguments);
    (output.status.code().expect("nobody kills it"), text(&output.stdout))
}

fn outcome(server: &TestServer, arguments: &[&str]) -> Output {
    eric(server, arguments).output().expect("the command is built before its tests")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it prints text")
}

fn done(server: &TestServer, arguments: &[&str]) -> String {
    let (code, text) = run(server, arguments);
    assert_eq!(code, 0, "{arguments:?}");
    text
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("each line is an object")).collect()
}

fn with_listener() -> TestServer {
    let server = TestServer::start();
    done(&server, &["channel", "create", "c"]);
    done(&server, &["listener", "register", "c", "l"]);
    server
}

/// A command that goes on, and what it prints.
struct Running {
    child: Child,
    /// None: nobody reads.
    output: Option<BufReader<ChildStdout>>,
}

impl Running {
    fn start(server: &TestServer, arguments: &[&str]) -> Self {
        let mut command = eric(server, arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("the command is built before its tests");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, output: Some(output) }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let output = self.output.as_mut().expect("somebody reads");
        output.read_line(&mut line).expect("it prints text");
        line
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("there is a kill").success());
    }

    /// The exit code and standard error.
    fn end(mut self) -> (i32, String) {
        let mut told = String::new();
        let mut stderr = self.child.stderr.take().expect("it is piped");
        stderr.read_to_string(&mut told).expect("it prints text");
        let status = self.child.wait().expect("it is a child of ours");
        (status.code().expect("it ends by itself"), told)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // of one that has ended, that is an error
        let _ = self.child.kill();
    }
}

/// Until the listener has its stream: what is told of it is asked of the server.
fn until_connected(server: &TestServer) {
    while lines(&done(server, &["listener", "show", "c", "l", "--json"]))[0]["connected"] != json!(true) {}
}

#[test]
fn exit_codes_are_those_of_the_table() {
    let server = with_listener();
    let code = |arguments: &[&str]| run(&server, arguments).0;
    assert_eq!(code(&["channel", "list"]), 0);
    assert_eq!(code(&["channel"]), 2);
    assert_eq!(code(&["broadcast", "c", "t", "{no json"]), 2);
    assert_eq!(code(&["channel", "show", "nope"]), 3);
    assert_eq!(code(&["channel", "create", "c"]), 4);
    assert_eq!(code(&["channel", "create", "an id"]), 4);
    assert_eq!(code(&["pull", "c", "l"]), 8);
    let large = format!("{:?}", "x".repeat(3 << 19));
    let mut child = eric(&server, &["broadcast", "c", "t", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(large.as_bytes()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
    assert_eq!(code(&["--server", "127.0.0.1:1", "info"]), 6);
}

#[test]
fn errors_are_said_to_people_and_to_machines() {
    let server = TestServer::start();
    let told = outcome(&server, &["channel", "show", "prices"]);
    assert_eq!(text(&told.stderr), "error: no channel \"prices\" (CHANNEL_NOT_FOUND)\n");
    let told = outcome(&server, &["channel", "show", "prices", "--json"]);
    let error = &lines(&text(&told.stderr))[0]["error"];
    assert_eq!(error["reason"], "CHANNEL_NOT_FOUND");
    assert_eq!((&error["code"], &error["exitCode"]), (&json!("NOT_FOUND"), &json!(3)));
    assert!(told.stdout.is_empty());
}

#[test]
fn what_is_sent_is_pulled() {
    let server = with_listener();
    assert_eq!(done(&server, &["channel", "create", "--json", "d"]).lines().count(), 1);
    done(&server, &["dispatch", "c", "l", "price", r#"{"p": 1.50}"#, "--sender", "me", "--attribute", "k=v"]);
    done(&server, &["broadcast", "c", "text", "--text", "say \"hi\""]);
    let pulled = lines(&done(&server, &["pull", "c", "l", "--max", "5", "--json"]));
    let messages: Vec<_> = pulled.iter().map(|line| &line["delivery"]["message"]).collect();
    assert_eq!(messages[0]["payload"], json!({"p": 1.5}));
    assert_eq!((&messages[0]["senderId"], &messages[0]["attributes"]), (&json!("me"), &json!({"k": "v"})));
    assert_eq!(messages[1]["payload"], "say \"hi\"");
    assert!(pulled[1]["resumeToken"].is_string() && pulled[0]["resumeToken"].is_null());
}

#[test]
fn listening_ends_with_the_reason_why() {
    let server = with_listener();
    let listen = || {
        let listening = Running::start(&server, &["listen", "c", "l"]);
        until_connected(&server);
        listening
    };
    let closed = listen();
    done(&server, &["notify-end", "c"]);
    assert_eq!(closed.end(), (0, "ended: the sender said that no more will come\n".to_owned()));

    let stopped = listen();
    done(&server, &["listener", "stop", "c", "l"]);
    assert_eq!(stopped.end(), (0, "ended: the listener was stopped\n".to_owned()));

    let (removed, watching) = (listen(), Running::start(&server, &["watch", "c"]));
    done(&server, &["listener", "remove", "c", "l"]);
    let (code, told) = removed.end();
    assert!(code == 7 && told.contains("LISTENER_REMOVED"), "{code} {told}");
    while lines(&done(&server, &["channel", "show", "c", "--json"]))[0]["streams"] != json!(1) {}
    done(&server, &["channel", "remove", "c"]);
    let (code, told) = watching.end();
    assert!(code == 7 && told.contains("CHANNEL_REMOVED"), "{code} {told}");
}

#[test]
fn an_interrupted_listener_tells_how_to_go_on() {
    let server = with_listener();
    let mut listening = Running::start(&server, &["listen", "c", "l", "--json"]);
    done(&server, &["broadcast", "c", "t", "1"]);
    let first: Value = serde_json::from_str(&listening.line()).unwrap();
    assert_eq!(first["delivery"]["message"]["payload"], 1);
    listening.signal("-INT");
    let ended: Value = serde_json::from_str(&listening.line()).unwrap();
    assert_eq!(ended["ended"]["cause"], "INTERRUPTED");
    assert_eq!(listening.end().0, 130);

    done(&server, &["broadcast", "c", "t", "2"]);
    let token = ended["ended"]["resumeToken"].as_str().unwrap();
    let rest =
        lines(&done(&server, &["listen", "c", "l", "--resume-token", token, "--count", "1", "--json"]));
    assert_eq!(rest[0]["delivery"]["message"]["payload"], 2);
}

#[test]
fn a_count_leaves_the_rest_to_the_next() {
    let server = with_listener();
    for number in ["1", "2", "3"] {
        done(&server, &["broadcast", "c", "t", number]);
    }
    let listened = done(&server, &["listen", "c", "l", "--count", "2"]);
    assert_eq!(listened.lines().count(), 2);
    assert!(listened.lines().all(|line| line.starts_with('#') && line.contains(" broadcast t ")));
    let rest = lines(&done(&server, &["pull", "c", "l", "--max", "10", "--json"]));
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0]["delivery"]["message"]["payload"], 3);
}

#[test]
fn a_reader_that_has_enough_ends_it_quietly() {
    let server = with_listener();
    let mut listening = Running::start(&server, &["listen", "c", "l"]);
    done(&server, &["broadcast", "c", "t", "1"]);
    assert!(listening.line().ends_with(" broadcast t 1\n"));
    // the pipe closes here; the next line has no reader
    listening.output = None;
    done(&server, &["broadcast", "c", "t", "2"]);
    assert_eq!(listening.end(), (0, String::new()));
}

#[test]
fn a_bench_reports_and_leaves_nothing_behind() {
    let server = TestServer::start();
    let load = ["--duration", "300ms", "--listeners", "2", "--watchers", "1", "--publishers", "2", "--json"];
    let report = lines(&done(&server, &[&["bench"], &load[..]].concat()));
    let bench = &report[0]["bench"];
    let (accepted, delivered) = (&bench["accepted"]["messages"], &bench["delivered"]["messages"]);
    assert!(accepted.as_u64().unwrap() > 0);
    assert_eq!(
        accepted.as_u64().unwrap() * 3,
        delivered.as_u64().unwrap() + bench["missing"].as_u64().unwrap()
    );
    assert_eq!((&bench["refused"], &bench["unaccounted"]), (&json!(0), &json!(0)));
    assert_eq!(done(&server, &["channel", "list"]), "");
}

#[test]
fn an_interrupted_bench_still_removes_its_channel() {
    let server = TestServer::start();
    let bench = Running::start(&server, &["bench", "--duration", "1h", "--rate", "10"]);
    while lines(&done(&server, &["info", "--json"]))[0]["streams"] != json!(1) {}
    bench.signal("-INT");
    assert_eq!(bench.end().0, 130);
    assert_eq!(done(&server, &["channel", "list"]), "");
}
