//! A conversation with the real grpcurl, by reflection alone. `make test` names it in `ERIC_GRPCURL`.

use crate::support::{TestServer, message::numbered, until, within};
use serde_json::{Value, json};
use std::{
    ffi::OsString,
    process::{Output, Stdio},
};
use tokio::{
    io::{AsyncReadExt as _, BufReader},
    process::{Child, ChildStdout, Command},
};

const SERVICE: &str = "eric.v1.DispatcherService";

/// grpcurl, or a word about why there is no test.
fn grpcurl() -> Option<OsString> {
    let found = std::env::var_os("ERIC_GRPCURL");
    if found.is_none() {
        eprintln!("ERIC_GRPCURL names no grpcurl: nothing was tested (`make test` installs it)");
    }
    found
}

struct Grpcurl<'s> {
    program: OsString,
    server: &'s TestServer,
}

impl Grpcurl<'_> {
    fn command(&self, request: &Value, what: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-plaintext", "-d", &request.to_string(), &self.server.address().to_string(), what]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    async fn run(&self, verb: &str, request: &Value) -> Output {
        let mut command = self.command(request, &format!("{SERVICE}/{verb}"));
        within(command.output()).await.expect("grpcurl runs")
    }

    async fn call(&self, verb: &str, request: &Value) -> Value {
        let output = self.run(verb, request).await;
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("grpcurl prints JSON")
    }

    fn stream(&self, verb: &str, request: &Value) -> Stream {
        let mut child = self.command(request, &format!("{SERVICE}/{verb}")).spawn().expect("grpcurl runs");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Stream { child, output, read: Vec::new() }
    }
}

/// What grpcurl prints of a stream: one JSON object after the other.
struct Stream {
    child: Child,
    output: BufReader<ChildStdout>,
    read: Vec<u8>,
}

impl Stream {
    async fn next(&mut self) -> Value {
        loop {
            let mut objects = serde_json::Deserializer::from_slice(&self.read).into_iter::<Value>();
            if let Some(Ok(object)) = objects.next() {
                let used = objects.byte_offset();
                self.read.drain(..used);
                return object;
            }
            let mut more = [0; 4096];
            let read = within(self.output.read(&mut more)).await.expect("it is piped");
            assert!(read > 0, "grpcurl goes on: {}", String::from_utf8_lossy(&self.read));
            self.read.extend(&more[..read]);
        }
    }
}

#[tokio::test]
async fn grpcurl_converses_by_reflection_alone() {
    let Some(program) = grpcurl() else { return };
    let server = TestServer::start();
    let wire = server.wire().await;
    let grpcurl = Grpcurl { program, server: &server };
    let created = grpcurl.call("CreateChannel", &json!({ "channel": "prices" })).await;
    assert_eq!(created["channel"]["id"], "prices");
    let registered = grpcurl.call("Register", &json!({ "channel": "prices", "listener": "alice" })).await;
    assert_eq!(registered["listener"]["acknowledgementMode"], "ACKNOWLEDGEMENT_MODE_AUTOMATIC");

    let message = json!({ "type": "price", "value": { "p": 1.5, "of": ["a", null] } });
    let to_alice = json!({ "channel": "prices", "listener": "alice", "message": message });
    let receipt = grpcurl.call("Dispatch", &to_alice).await["receipt"].clone();
    assert!(receipt["messageId"].is_string() && receipt["sequence"].is_string());

    let mut listening =
        grpcurl.stream("Listen", &json!({ "subscriptions": [{ "channel": "prices", "listener": "alice" }] }));
    let opened = listening.next().await;
    assert_eq!(opened["opened"]["incarnation"], wire.server().await.incarnation);
    let delivery = listening.next().await["batches"][0]["deliveries"][0].clone();
    assert_eq!(delivery["message"]["value"], message["value"]);
    assert_eq!(delivery["sequence"], receipt["sequence"]);

    let watch = json!({ "subscriptions": [{ "channel": "prices" }], "presence": true });
    let mut watching = grpcurl.stream("Watch", &watch);
    watching.next().await;
    let present = watching.next().await["presence"][0].clone();
    assert_eq!(
        [&present["event"], &present["listener"]],
        [&json!("PRESENCE_EVENT_PRESENT"), &json!("alice")]
    );
    until(async || wire.look_at("prices").await.streams == 2).await;
    let to_all = json!({ "channel": "prices", "message": { "type": "hello", "json": "{\"exact\":9007199254740993}" } });
    assert_eq!(grpcurl.call("Broadcast", &to_all).await["receipt"]["receivers"], "1");
    for stream in [&mut listening, &mut watching] {
        let part = stream.next().await;
        let delivery = &part["batches"][0]["deliveries"][0];
        assert_eq!(delivery["message"]["json"], "{\"exact\":9007199254740993}");
        assert_eq!(delivery["kind"], "DELIVERY_KIND_BROADCAST");
    }

    grpcurl.call("RemoveChannel", &json!({ "channel": "prices" })).await;
    for stream in [listening, watching] {
        let output = within(stream.child.wait_with_output()).await.unwrap();
        assert!(!output.status.success());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("NotFound") && told.contains("CHANNEL_REMOVED"), "{told}");
    }
}

#[tokio::test]
async fn grpcurl_listens_for_many_and_changes_them() {
    let Some(program) = grpcurl() else { return };
    let server = TestServer::start();
    let wire = server.wire().await;
    let grpcurl = Grpcurl { program, server: &server };
    wire.create("c").await;
    for listener in ["a", "b", "d"] {
        wire.register("c", listener).await;
    }
    let of = |listener: &str| json!({ "channel": "c", "listener": listener });
    let asked = json!({ "subscriptions": [of("a"), of("no"), of("b")] });
    let mut listening = grpcurl.stream("Listen", &asked);
    let opened = listening.next().await;
    assert_eq!(opened["started"].as_array().map(Vec::len), Some(2));
    assert_eq!(opened["ended"][0]["subscription"], 2);
    assert_eq!(opened["ended"][0]["status"]["details"][0]["reason"], "LISTENER_NOT_FOUND");

    let stream = opened["opened"]["stream"].as_str().expect("a stream has an id");
    let change = json!({ "stream": stream, "add": [of("d"), of("no")], "remove": [1] });
    let changed = grpcurl.call("ChangeListen", &change).await;
    assert_eq!(changed["removed"], json!([{ "subscription": 1 }]));
    assert_eq!(changed["added"][0], json!({ "subscription": 4 }));
    assert_eq!(changed["added"][1]["error"]["details"][0]["reason"], "LISTENER_NOT_FOUND");
    wire.dispatch("c", "d", numbered(7)).await;
    let (mut ended, mut started, mut delivered) = (false, false, false);
    while !(ended && started && delivered) {
        let part = listening.next().await;
        ended |= part["ended"][0]["subscription"] == 1;
        started |= part["started"][0]["listener"] == "d";
        delivered |= part["batches"][0]["deliveries"][0]["message"]["json"] == "7";
    }

    let unknown = json!({ "stream": "s0", "add": [of("d")] });
    let output = grpcurl.run("ChangeListen", &unknown).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("NotFound") && told.contains("STREAM_NOT_FOUND"), "{told}");
}

#[tokio::test]
async fn grpcurl_adds_a_listener_with_credit_and_acknowledges_for_it() {
    let Some(program) = grpcurl() else { return };
    let server = TestServer::start();
    let wire = server.wire().await;
    let grpcurl = Grpcurl { program, server: &server };
    wire.create("c").await;
    wire.register("c", "a").await;
    let mode = "ACKNOWLEDGEMENT_MODE_EXPLICIT";
    let register = json!({ "channel": "c", "listener": "e", "acknowledgementMode": mode });
    assert_eq!(grpcurl.call("Register", &register).await["listener"]["acknowledgementMode"], mode);
    let asked = json!({ "subscriptions": [{ "channel": "c", "listener": "a" }] });
    let mut listening = grpcurl.stream("Listen", &asked);
    let opened = listening.next().await;

    let credit = json!({ "maxUnacknowledgedMessages": 2 });
    let add = json!({ "channel": "c", "listener": "e", "credit": credit });
    let change = json!({ "stream": opened["opened"]["stream"], "add": [add] });
    assert_eq!(grpcurl.call("ChangeListen", &change).await["added"], json!([{ "subscription": 2 }]));
    wire.dispatch_all("c", "e", (0..5).map(numbered)).await;
    let mut seen = Vec::new();
    delivered(&mut listening, &mut seen, 2).await;
    assert_eq!(wire.listener("c", "e").await.unacknowledged_messages, 2);
    let item = json!({ "channel": "c", "listener": "e", "throughSequence": seen[1]["sequence"] });
    let answer = grpcurl.call("Acknowledge", &json!({ "items": [item] })).await;
    let acknowledged = &answer["results"][0]["acknowledged"];
    assert_eq!(acknowledged["coveredMessages"], "2");
    assert_eq!(acknowledged["throughSequence"], seen[1]["sequence"]);
    delivered(&mut listening, &mut seen, 4).await;
    let told: Vec<_> = seen.iter().map(|delivery| delivery["message"]["json"].clone()).collect();
    assert_eq!(told, ["0", "1", "2", "3"]);
    assert_eq!(wire.listener("c", "e").await.unacknowledged_messages, 2);
}

/// Reads on until there are so many deliveries.
async fn delivered(stream: &mut Stream, seen: &mut Vec<Value>, count: usize) {
    while seen.len() < count {
        let part = stream.next().await;
        for batch in part["batches"].as_array().into_iter().flatten() {
            seen.extend(batch["deliveries"].as_array().into_iter().flatten().cloned());
        }
    }
    assert_eq!(seen.len(), count);
}

#[tokio::test]
async fn grpcurl_shows_what_stands_in_an_errors_details() {
    let Some(program) = grpcurl() else { return };
    let server = TestServer::start();
    let grpcurl = Grpcurl { program, server: &server };
    let output = grpcurl.run("GetChannel", &json!({ "channel": "a b" })).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{told}");
    for part in [
        "Code: InvalidArgument",
        "google.rpc.ErrorInfo",
        "\"reason\": \"INVALID_ID\"",
        "\"domain\": \"eric\"",
        "google.rpc.BadRequest",
        "\"field\": \"channel\"",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert!(!told.contains("@value") && !told.contains("@error"), "details are no base64: {told}");
}

#[tokio::test]
async fn grpcurl_lists_and_describes() {
    let Some(program) = grpcurl() else { return };
    let server = TestServer::start();
    let address = server.address().to_string();
    for (arguments, part) in [
        (&["list"][..], SERVICE),
        (&["list", SERVICE], "eric.v1.DispatcherService.Dispatch"),
        (&["describe", SERVICE], "rpc Dispatch"),
        (&["describe", "google.rpc.ErrorInfo"], "string reason"),
    ] {
        let mut command = Command::new(&program);
        command.args(["-plaintext", &address]).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        let output = within(command.output()).await.expect("grpcurl runs");
        assert!(output.status.success(), "{output:?}");
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(told.contains(part), "{part} in {told}");
    }
}
