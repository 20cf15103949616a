//! The commands of `eric`: what they print, and the exit codes that scripts trust.

use super::support::TestServer;
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

/// The numbers that messages carry, in the order of the lines.
fn payloads(text: &str) -> Vec<Value> {
    let deliveries = lines(text).into_iter().filter(|line| !line["delivery"].is_null());
    deliveries.map(|line| line["delivery"]["message"]["payload"].clone()).collect()
}

fn with_explicit_listener() -> TestServer {
    let server = TestServer::start();
    done(&server, &["channel", "create", "c"]);
    done(&server, &["listener", "register", "c", "l", "--explicit", "--ack-deadline", "1h"]);
    for number in ["1", "2", "3"] {
        done(&server, &["dispatch", "c", "l", "t", number]);
    }
    server
}

fn backlog(server: &TestServer, listener: &str) -> Value {
    lines(&done(server, &["listener", "show", "c", listener, "--json"]))[0]["backlogMessages"].clone()
}

#[test]
fn settings_of_channels_and_listeners_are_written_as_they_are_shown() {
    let server = TestServer::start();
    done(&server, &["channel", "create", "c", "--redelivery", "overtaking", "--backoff-initial", "2s"]);
    done(&server, &["listener", "register", "c", "dead"]);
    let update = ["--max-attempts", "3", "--dead-letter-listener", "dead", "--idempotency-window", "1m"];
    let shown = lines(&done(&server, &[&["channel", "update", "c", "--json"], &update[..]].concat()));
    let settings = &shown[0]["settings"];
    assert_eq!(settings["redelivery"], "REDELIVERY_OVERTAKING");
    assert_eq!(settings["backoff"], json!({"initial": "2s", "factor": 2.0, "maximum": "60s"}));
    assert_eq!((&settings["maxAttempts"], &settings["deadLetterListener"]), (&json!(3), &json!("dead")));
    assert_eq!(settings["idempotencyWindow"], "60s");

    let register = ["listener", "register", "c", "l", "--explicit", "--idle-timeout", "1h", "--json"];
    let listener = &lines(&done(&server, &register))[0]["listener"];
    assert_eq!(listener["acknowledgementMode"], "ACKNOWLEDGEMENT_MODE_EXPLICIT");
    assert_eq!(listener["settings"]["idleTimeout"], "3600s");
    let updated = done(&server, &["listener", "update", "c", "l", "--ack-deadline", "30s"]);
    assert!(
        updated.contains("ack deadline") && updated.contains("30s") && updated.contains("1h"),
        "{updated}"
    );
}

#[test]
fn listening_acknowledges_what_it_has_printed() {
    let server = with_explicit_listener();
    let look = done(&server, &["listen", "c", "l", "--no-ack", "--max", "2", "--json"]);
    assert_eq!(payloads(&look), [1, 2]);
    assert_eq!(backlog(&server, "l"), 3, "a look acknowledges nothing");
    let listened = done(&server, &["listen", "c", "l", "--max", "2", "--json"]);
    assert_eq!(payloads(&listened), [1, 2]);
    assert_eq!(backlog(&server, "l"), 1);
    done(&server, &["notify-end", "c", "l"]);
    let rest = done(&server, &["listen", "c", "l", "--json"]);
    assert_eq!(payloads(&rest), [3]);
    assert_eq!(backlog(&server, "l"), 0, "the announced end is acknowledged as well");
}

#[test]
fn what_was_pulled_is_acknowledged_where_that_is_asked_for() {
    let server = with_explicit_listener();
    assert_eq!(payloads(&done(&server, &["pull", "c", "l", "--max", "2", "--json"])), [1, 2]);
    assert_eq!(payloads(&done(&server, &["pull", "c", "l", "--max", "2", "--ack", "--json"])), [1, 2]);
    assert_eq!(payloads(&done(&server, &["pull", "c", "l", "--max", "2", "--ack", "--json"])), [3]);
    assert_eq!(run(&server, &["pull", "c", "l"]).0, 8);
}

#[test]
fn what_is_pulled_again_counts_an_attempt_and_the_help_says_so() {
    let server = with_explicit_listener();
    let attempt = || {
        let pulled = lines(&done(&server, &["pull", "c", "l", "--json"]));
        pulled[0]["delivery"]["attempt"].clone()
    };
    assert_eq!([(); 3].map(|()| attempt()), [Value::Null, json!(2), json!(3)]);
    let help = done(&server, &["pull", "--help"]);
    assert!(help.contains("counts an attempt") && help.contains("--ack"), "{help}");
}

#[test]
fn an_operator_acknowledges_rejects_and_gives_more_time() {
    let server = with_explicit_listener();
    let pulled = lines(&done(&server, &["pull", "c", "l", "--max", "3", "--json"]));
    let sequences: Vec<_> = pulled.iter().map(|line| line["delivery"]["sequence"].to_string()).collect();
    let [first, second, third] = &sequences[..] else { panic!("three were sent") };
    let extended = done(&server, &["extend", "c", "l", first, "--by", "2h"]);
    assert!(extended.starts_with(&format!("extended #{first} until ")), "{extended}");
    let told = done(&server, &["ack", "c", "l", third]);
    assert!(told.starts_with("acknowledged 1 message;"), "{told}");
    let told = done(&server, &["reject", "c", "l", second, "--reason", "no stock", "--delay", "0s"]);
    assert_eq!(told, format!("rejected #{second}, attempt 1: it comes again in 0s\n"));
    let again = lines(&done(&server, &["pull", "c", "l", "--max", "3", "--json"]));
    assert_eq!((&again[1]["delivery"]["attempt"], again.len()), (&json!(2), 2));
    done(&server, &["ack", "c", "l", "--through", second]);
    assert_eq!(backlog(&server, "l"), 0);

    let refused = outcome(&server, &["reject", "c", "l", first, second, "--json"]);
    assert_eq!(refused.status.code(), Some(4));
    let told = lines(&text(&refused.stderr));
    assert!(told.iter().all(|line| line["error"]["reason"] == "NOT_OUTSTANDING"), "{told:?}");
    assert_eq!(
        told.iter().map(|line| line["error"]["sequence"].to_string()).collect::<Vec<_>>(),
        sequences[..2]
    );
    assert_eq!(run(&server, &["ack", "c", "l"]).0, 2, "nothing is named");
}

#[test]
fn a_gap_is_told_until_an_operator_names_it() {
    let server = with_explicit_listener();
    done(&server, &["pull", "c", "l", "--max", "3"]);
    done(&server, &["listener", "purge", "c", "l"]);
    let gaps = || {
        let told = lines(&run(&server, &["pull", "c", "l", "--json"]).1);
        let range = |gap: &Value| format!("{}..{}", gap["afterSequence"], gap["throughSequence"]);
        told.iter().map(|line| range(&line["gap"])).collect::<Vec<_>>()
    };
    let [gap] = &gaps()[..] else { panic!("one gap is told") };
    assert_eq!(gaps(), std::slice::from_ref(gap));
    assert_eq!(run(&server, &["ack", "c", "l", "--gap", "7"]).0, 2, "it has two ends");
    done(&server, &["ack", "c", "l", "--gap", gap]);
    assert_eq!(gaps(), [""; 0]);
}

#[test]
fn dead_letters_are_looked_through_and_sent_back() {
    let server = with_explicit_listener();
    done(&server, &["listener", "register", "c", "dead"]);
    done(&server, &["channel", "update", "c", "--dead-letter-listener", "dead"]);
    for _ in 0..2 {
        let pulled = lines(&done(&server, &["pull", "c", "l", "--json"]));
        let delivery = pulled.iter().find(|line| !line["delivery"].is_null()).expect("one is delivered");
        let sequence = delivery["delivery"]["sequence"].to_string();
        let told = done(&server, &["reject", "c", "l", &sequence, "--reason", "no stock", "--final"]);
        assert!(told.contains("it is dead letter #"), "{told}");
    }
    let letters = done(&server, &["messages", "c", "dead"]);
    assert_eq!(letters.matches("(dead letter of l #").count(), 2, "{letters}");
    assert_eq!(letters.matches("final rejection, no stock)").count(), 2, "{letters}");
    assert_eq!(done(&server, &["messages", "c", "l"]).lines().count(), 1);
    let sequence =
        lines(&done(&server, &["messages", "c", "dead", "--json"]))[0]["delivery"]["sequence"].to_string();
    done(&server, &["requeue", "c", "dead", &sequence]);
    assert_eq!(backlog(&server, "dead"), 1);
    done(&server, &["requeue", "c", "dead", "--all"]);
    assert_eq!((backlog(&server, "dead"), backlog(&server, "l")), (json!(0), json!(3)));
    assert_eq!(run(&server, &["requeue", "c", "dead", &sequence]).0, 4);
}

#[test]
fn what_waited_too_long_is_a_gap() {
    let server = with_listener();
    done(&server, &["dispatch", "c", "l", "t", "1", "--ttl", "1ms"]);
    // a command takes longer than that
    done(&server, &["info"]);
    done(&server, &["dispatch", "c", "l", "t", "2"]);
    let pulled = done(&server, &["pull", "c", "l", "--max", "5"]);
    assert!(pulled.starts_with("-- gap: 1 message missing (expired)"), "{pulled}");
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
