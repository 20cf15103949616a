//! Every verb as JSON over HTTP, over the same hub as gRPC.

use crate::support::{
    Wire,
    explicit::with_dead_letters,
    http::{Answer, Http},
    listener,
    message::{json, numbers, sent},
    within,
};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// A connection on which one call follows the other.
struct Caller(Http);

impl Caller {
    async fn to(server: SocketAddr) -> Self {
        Self(Http::connect(server).await)
    }

    async fn call(&mut self, method: &str, path: &str, body: Value) -> Answer {
        self.0.call(method, path, (!body.is_null()).then_some(body)).await
    }

    async fn get(&mut self, path: &str) -> Value {
        self.call("GET", path, Value::Null).await.done()
    }

    async fn post(&mut self, path: &str, body: Value) -> Value {
        self.call("POST", path, body).await.done()
    }
}

async fn stage() -> (crate::support::TestServer, Wire, Caller) {
    let (server, wire) = listener().await;
    let caller = Caller::to(server.http()).await;
    (server, wire, caller)
}

#[tokio::test]
async fn channels_are_created_told_changed_and_removed() {
    let (_server, wire, mut http) = stage().await;
    let created = http.post("/v1/channels", json!({"channel": "d", "settings": {"maxAttempts": 7}})).await;
    assert_eq!(created["existed"], false);
    assert_eq!(created["channel"]["settings"]["maxAttempts"], 7);
    assert_eq!(created["channel"]["settings"]["sseRetry"], "3s");
    assert_eq!(created["channel"]["settings"]["maxBacklogMessages"], "65536");
    let again = http.post("/v1/channels", json!({"channel": "d", "allowExisting": true})).await;
    assert_eq!(again["existed"], true);
    let refused = http.call("POST", "/v1/channels", json!({"channel": "d"})).await;
    assert_eq!(refused.problem(409, "CHANNEL_ALREADY_EXISTS")["metadata"]["channel"], "d");
    assert!(
        http.post("/v1/channels", Value::Null).await["channel"]["id"]
            .as_str()
            .is_some_and(|id| id.len() == 36)
    );

    assert_eq!(http.get("/v1/channels/d").await["channel"], created["channel"]);
    let page = http.get("/v1/channels?page_size=1").await;
    assert_eq!(page["channels"][0]["id"], "c");
    let next = format!("/v1/channels?pageSize=1&page_token={}", page["nextPageToken"].as_str().unwrap());
    assert_eq!(http.get(&next).await["channels"][0]["id"], "d");

    let changed = http
        .call(
            "PATCH",
            "/v1/channels/d",
            json!({"settings": {"streamDelay": "1.5s"}, "updateMask": "streamDelay,maxAttempts"}),
        )
        .await
        .done();
    assert_eq!(changed["channel"]["settings"]["streamDelay"], "1.500s");
    assert_eq!(changed["channel"]["settings"]["maxAttempts"], 5, "named and absent: the default");
    assert_eq!(wire.look_at("d").await.settings.unwrap().max_attempts, Some(5));
    let removed = http.call("DELETE", "/v1/channels/d", Value::Null).await.done();
    assert_eq!(removed, json!({"listeners": "0", "discardedMessages": "0"}));
    http.call("GET", "/v1/channels/d", Value::Null).await.problem(404, "CHANNEL_REMOVED");
}

#[tokio::test]
async fn listeners_are_registered_told_changed_started_stopped_purged_and_removed() {
    let (_server, wire, mut http) = stage().await;
    let path = "/v1/channels/c/listeners";
    let asked = json!({"listener": "m", "acknowledgementMode": "ACKNOWLEDGEMENT_MODE_EXPLICIT", "startAt": "START_AT_OLDEST"});
    let registered = http.post(path, asked).await["listener"].clone();
    assert_eq!((&registered["id"], &registered["running"]), (&json!("m"), &json!(false)));
    assert_eq!(http.get("/v1/channels/c/listeners/m").await["listener"], registered);
    assert_eq!(http.get(path).await["listeners"].as_array().map(Vec::len), Some(2));
    let changed = json!({"settings": {"idleTimeout": "60s"}});
    let changed = http.call("PATCH", "/v1/channels/c/listeners/m", changed).await.done();
    assert_eq!(changed["listener"]["settings"]["idleTimeout"], "60s");
    for (verb, running) in [("start", true), ("start", true), ("stop", false), ("stop", false)] {
        let told = http.post(&format!("{path}/m/{verb}"), Value::Null).await;
        assert_eq!(told["listener"]["running"], running);
    }
    wire.dispatch_all("c", "m", (0..3).map(|n| json(&n.to_string()))).await;
    let purged = http.post(&format!("{path}/m/purge"), json!({})).await;
    assert_eq!(purged["purgedMessages"], "3");
    let removed = http.call("DELETE", "/v1/channels/c/listeners/m", Value::Null).await.done();
    assert_eq!(removed["discardedMessages"], "0");
    http.call("POST", &format!("{path}/m/start"), Value::Null).await.problem(404, "LISTENER_REMOVED");
}

#[tokio::test]
async fn messages_are_dispatched_broadcast_published_and_received_by_grpc() {
    let (_server, wire, mut http) = stage().await;
    let mut listen = wire.listen("c", "l").await;
    let message = |n: i64| json!({"type": "t", "json": n.to_string(), "attributes": {"k": "v"}});
    let dispatched = http.post("/v1/channels/c/listeners/l/dispatch", json!({"message": message(0)})).await;
    assert_eq!(dispatched["receipt"]["receivers"], "1");
    let broadcast = http.post("/v1/channels/c/broadcast", json!({"message": message(1)})).await;
    assert_eq!(broadcast["receipt"]["duplicate"], false);
    let publications = json!([
        {"channel": "c", "listener": "l", "message": message(2)},
        {"channel": "c", "listener": "nobody", "message": message(3)},
        {"channel": "c", "broadcast": true, "message": message(3)},
    ]);
    let published = http.post("/v1/publish", json!({"publications": publications})).await;
    assert!(published["results"][0]["receipt"].is_object() && published["results"][2]["receipt"].is_object());
    let error = &published["results"][1]["error"];
    assert_eq!(error["code"], 5);
    assert_eq!(error["details"][0]["@type"], "type.googleapis.com/google.rpc.ErrorInfo");
    assert_eq!(error["details"][0]["reason"], "LISTENER_NOT_FOUND");
    let deliveries = listen.take(4).await;
    assert_eq!(numbers(&deliveries), [0, 1, 2, 3]);
    assert_eq!(sent(&deliveries[0]).attributes["k"], "v");
    let end = http.post("/v1/channels/c/notify-end", json!({"listener": "l"})).await;
    assert!(end["receipt"]["sequence"].is_string());
    http.post("/v1/channels/c/notify-end", Value::Null).await;
    for _ in 0..2 {
        assert_eq!(sent(&listen.one().await).r#type, "_eric_channel_closed");
    }
}

#[tokio::test]
async fn a_message_that_is_sent_again_is_accepted_once() {
    let (_server, _wire, mut http) = stage().await;
    let body = json!({"message": {"id": "m-1", "type": "t"}});
    let first = http.post("/v1/channels/c/broadcast", body.clone()).await;
    let second = http.post("/v1/channels/c/broadcast", body).await;
    assert_eq!(second["receipt"]["duplicate"], true);
    assert_eq!(second["receipt"]["sequence"], first["receipt"]["sequence"]);
}

#[tokio::test]
async fn a_listener_pulls_acknowledges_rejects_and_asks_for_time() {
    let (server, wire) = with_dead_letters(2).await;
    let mut http = Caller::to(server.http()).await;
    wire.dispatch_all("c", "l", (0..3).map(|n| json(&n.to_string()))).await;
    let pull = json!({"maxMessages": 10, "session": "s", "wait": "1s"});
    let pulled = http.post("/v1/channels/c/listeners/l/pull", pull).await;
    let deliveries = pulled["batch"]["deliveries"].as_array().unwrap();
    assert_eq!(deliveries.iter().map(|it| &it["message"]["json"]).collect::<Vec<_>>(), ["0", "1", "2"]);
    let of =
        |place: usize| json!({"channel": "c", "listener": "l", "sequence": deliveries[place]["sequence"]});
    let mut item = of(0);
    item["extension"] = json!("30s");
    let extended = http.post("/v1/extend", json!({"items": [item]})).await;
    assert!(extended["results"][0]["extended"].is_object());
    let through = json!({"channel": "c", "listener": "l", "throughSequence": deliveries[0]["sequence"]});
    let acknowledged = http.post("/v1/acknowledge", json!({"items": [through]})).await;
    assert_eq!(acknowledged["results"][0]["acknowledged"]["coveredMessages"], "1");
    let mut item = of(1);
    item["final"] = json!(true);
    item["reason"] = json!("no use");
    let rejected = http.post("/v1/reject", json!({"items": [item, of(0)]})).await;
    assert_ne!(rejected["results"][0]["rejected"]["deadLetterSequence"], "0");
    assert_eq!(rejected["results"][1]["error"]["details"][0]["reason"], "NOT_OUTSTANDING");

    let letters = http.get("/v1/channels/c/listeners/dead/messages?page_size=10").await;
    let letter = &letters["deliveries"][0];
    assert_eq!(letter["deadLetter"]["cause"], "DEAD_LETTER_CAUSE_FINAL_REJECTION");
    assert_eq!(
        (&letter["deadLetter"]["listener"], &letter["deadLetter"]["reason"]),
        (&json!("l"), &json!("no use"))
    );
    let back = json!({"sequences": [letter["sequence"]]});
    let requeued = http.post("/v1/channels/c/listeners/dead/requeue", back).await;
    assert!(requeued["results"][0]["receipt"].is_object());
    assert_eq!(wire.listener("c", "dead").await.backlog_messages, 0);
}

#[tokio::test]
async fn a_pull_that_waits_is_answered_when_something_comes_and_given_up_with_its_caller() {
    let (server, wire, mut http) = stage().await;
    let waiting =
        tokio::spawn(
            async move { http.post("/v1/channels/c/listeners/l/pull", json!({"wait": "60s"})).await },
        );
    crate::support::until(async || wire.listener("c", "l").await.connected).await;
    wire.dispatch("c", "l", json("7")).await;
    let pulled = within(waiting).await.unwrap();
    assert_eq!(pulled["batch"]["deliveries"][0]["message"]["json"], "7");
    let mut gone = Http::connect(server.http()).await;
    let path = "/v1/channels/c/listeners/l/pull";
    gone.ask("POST", path, "content-type: application/json\r\n", br#"{"wait":"60s"}"#).await;
    crate::support::until(async || wire.listener("c", "l").await.connected).await;
    drop(gone);
    crate::support::until(async || !wire.listener("c", "l").await.connected).await;
}

#[tokio::test]
async fn the_server_says_what_it_is() {
    let (_server, wire, mut http) = stage().await;
    let told = http.get("/v1/server").await;
    let by_grpc = wire.server().await;
    assert_eq!(
        (&told["incarnation"], &told["version"]),
        (&json!(by_grpc.incarnation), &json!(by_grpc.version))
    );
    assert_eq!((&told["channels"], &told["limits"]["maxBatchMessages"]), (&json!("1"), &json!(1024)));
}

#[tokio::test]
async fn names_of_the_contract_are_taken_as_well_as_those_of_json() {
    let (_server, _wire, mut http) = stage().await;
    let asked = json!({"channel": "d", "allow_existing": true, "settings": {"max_backlog_messages": 5, "max_replay_messages": "6"}});
    let settings = http.post("/v1/channels", asked).await["channel"]["settings"].clone();
    assert_eq!((&settings["maxBacklogMessages"], &settings["maxReplayMessages"]), (&json!("5"), &json!("6")));
}

#[tokio::test]
async fn a_value_of_a_message_is_plain_json() {
    let (_server, _wire, mut http) = stage().await;
    let value = json!({"a": [1, 2.5, null, true, "x"], "b": {}});
    let message = json!({"type": "t", "value": value, "ttl": "60s", "createTime": "2026-01-02T03:04:05Z"});
    http.post("/v1/channels/c/listeners/l/dispatch", json!({"message": message})).await;
    let told = http.get("/v1/channels/c/listeners/l/messages").await["deliveries"][0]["message"].clone();
    assert_eq!(told["value"].to_string(), value.to_string(), "whole numbers are whole");
    assert_eq!((&told["ttl"], &told["createTime"]), (&json!("60s"), &json!("2026-01-02T03:04:05Z")));
}

#[tokio::test]
async fn grpc_and_grpc_web_are_served_at_the_same_address() {
    let (server, wire, _http) = stage().await;
    let beside = Wire::connect(format!("http://{}", server.http())).await;
    let mut listen = beside.listen("c", "l").await;
    wire.broadcast("c", json("1")).await;
    assert_eq!(numbers(&listen.take(1).await), [1]);
    beside.still_answers().await;
    let mut browser = crate::support::http1::Http1::connect(server.http()).await;
    let (status, _) = browser.post("GetServer", &eric::v1::GetServerRequest {}).await;
    assert!(status.starts_with("HTTP/1.1 200"), "{status}");
    let answer: eric::v1::GetServerResponse = browser.frame().await.unwrap().message();
    assert_eq!(answer.incarnation, wire.server().await.incarnation);
    // the other port has neither JSON nor anything for browsers
    let answer = crate::support::http::call(server.address(), "GET", "/v1/server", None).await;
    assert_ne!(answer.headers.get("content-type").map(String::as_str), Some("application/json"));
    let mut browser = crate::support::http1::Http1::connect(server.address()).await;
    let (_, headers) = browser.post("GetServer", &eric::v1::GetServerRequest {}).await;
    assert!(headers.iter().any(|header| header == "content-type: application/grpc"), "{headers:?}");
}
