//! Until all is read back and the start itself is safe, a server says that it does not serve yet.

use crate::support::{
    Wire,
    command::free_address,
    directory::{end, file, over, waiting_numbers},
    events::Events,
    http::call,
    message::numbered,
    power::Power,
    refused, until,
    wire::{dispatch, subscription},
    within,
};
use eric::v1::GetServerRequest;
use rusqlite::Connection;
use serde_json::Value;
use std::{
    fs,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};
use tonic::{Code, transport::Channel, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

async fn connected(url: &str) -> Channel {
    let endpoint = Endpoint::from_shared(url.to_owned()).expect("it is a URL");
    until(async || endpoint.connect().await.is_ok()).await;
    within(endpoint.connect()).await.expect("it was there")
}

async fn health(channel: Channel) -> ServingStatus {
    let checked = within(HealthClient::new(channel).check(HealthCheckRequest::default())).await;
    checked.expect("health answers").into_inner().status()
}

/// So long a start says nothing.
const QUIET: Duration = Duration::from_secs(1);

/// A directory with a thousand messages for the listener `l` of the channel `c`.
async fn filled() -> Power {
    let power = Power::new();
    let (server, wire) = over(&power.dir()).await;
    wire.create("c").await;
    wire.register("c", "l").await;
    wire.dispatch_all("c", "l", (0..1_000).map(numbered)).await;
    drop(wire);
    end(server).await;
    power
}

async fn is_told_while_it_starts(power: &Power, read_at: Option<u64>) {
    let (address, http) = (free_address(), free_address());
    power.ask("hold");
    let served = power.start(&["--listen", &address, "--http", &http], read_at);
    power.holds().await;
    let url = format!("http://{address}");
    let channel = connected(&url).await;
    assert_eq!(health(channel.clone()).await, ServingStatus::NotServing);
    let wire = Wire { channel };
    let refusal = refused(wire.call().get_server(GetServerRequest {})).await;
    refusal.is(Code::Unavailable, "LOG_UNAVAILABLE", &[]);
    let refusal = refused(wire.call().dispatch(dispatch("c", "l", numbered(0)))).await;
    refusal.is(Code::Unavailable, "LOG_UNAVAILABLE", &[]);
    let listening = wire.try_listen(subscription("c", "l", "")).await;
    assert_eq!(listening.err().map(|status| status.code()), Some(Code::Unavailable));
    is_told_by_http(http.parse().expect("it is an address")).await;
    power.ask_no_more("hold");
    let served = served.serving().await;
    let wire = served.wire().await;
    assert_eq!(health(wire.channel.clone()).await, ServingStatus::Serving);
    assert_eq!(waiting_numbers(&wire, "l").await, (0..1_000).collect::<Vec<_>>());
    assert!(served.said().iter().any(|line| line.contains("the log was read")), "{:?}", served.said());
    served.kill().await;
}

/// An EventSource is told to come back; at a status it would give up.
async fn is_told_by_http(http: SocketAddr) {
    assert_eq!(call(http, "GET", "/", None).await.status, 200, "the console is there, and tells people");
    let answer = call(http, "GET", "/v1/server", None).await;
    assert_eq!(answer.header("retry-after"), "1");
    answer.problem(503, "LOG_UNAVAILABLE");
    call(http, "POST", "/v1/channels", None).await.problem(503, "LOG_UNAVAILABLE");
    assert!(call(http, "GET", "/openapi.json", None).await.done()["paths"].is_object());
    let Err(answer) = Events::try_open(http, "/v1/channels/c/events", "last-event-id: x\r\n").await else {
        panic!("it does not serve yet")
    };
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/event-stream"));
    assert!(String::from_utf8_lossy(&answer.body).contains("LOG_UNAVAILABLE"));
}

#[tokio::test]
async fn a_server_that_reads_its_log_back_is_not_serving_and_then_serves() {
    let power = filled().await;
    // a message in the middle, which only a scan of all comes upon
    let middle = fs::metadata(file(&power.dir())).expect("it is there").len() / 2;
    is_told_while_it_starts(&power, Some(middle)).await;
}

#[tokio::test]
async fn a_server_serves_nothing_before_its_start_is_on_disk() {
    is_told_while_it_starts(&filled().await, None).await;
}

/// The same messages many times over.
fn copy_messages(dir: &Path) {
    let connection = Connection::open(file(dir)).expect("it is there");
    let copy = "CREATE TEMP TABLE copy AS SELECT * FROM message;
        UPDATE copy SET position = position + (SELECT max(position) FROM message);
        INSERT INTO message SELECT * FROM copy;
        DROP TABLE copy";
    for _ in 0..6 {
        connection.execute_batch(copy).expect("the places behind them are free");
    }
}

#[tokio::test]
async fn a_start_that_takes_long_says_how_far_it_is() {
    let power = filled().await;
    copy_messages(&power.dir());
    let middle = fs::metadata(file(&power.dir())).expect("it is there").len() / 2;
    power.ask("hold");
    let served = power.start(&[], Some(middle));
    power.holds().await;
    let held = Instant::now();
    until(async || held.elapsed() > QUIET).await;
    power.ask_no_more("hold");
    let served = served.serving().await;
    let far = |line: &String| {
        let line: Value = serde_json::from_str(line).expect("each line of its log is a JSON object");
        (line["message"] == "reading the log").then(|| line["messages"].as_u64().expect("a number"))
    };
    let said: Vec<_> = served.said().iter().filter_map(far).collect();
    assert!(!said.is_empty() && said.iter().all(|messages| (1..64_000).contains(messages)), "{said:?}");
    assert_eq!(served.wire().await.listener("c", "l").await.backlog_messages, 64_000);
    served.kill().await;
}
