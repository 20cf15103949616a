//! Whoever watches a channel may ask who listens on it.

use crate::support::{
    Reader, Wire, channel, command::eric, http1::Http1, listeners, message::numbered, proxy::Proxy, until,
    wire::subscription, within,
};
use eric::v1::{
    ChannelSettings, ListenRequest, Presence, PresenceEvent, Subscription, WatchRequest, WatchResponse,
    WatchSubscription,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout},
};
use tonic::Streaming;

fn request(channels: &[&str]) -> WatchRequest {
    let of = |channel: &&str| WatchSubscription { channel: (*channel).to_owned(), ..Default::default() };
    WatchRequest { subscriptions: channels.iter().map(of).collect(), presence: true, ..Default::default() }
}

/// A watch that asked who listens.
struct Watching {
    parts: Streaming<WatchResponse>,
    read: Vec<Presence>,
}

impl Watching {
    async fn open(wire: &Wire, channels: &[&str]) -> Self {
        let mut parts = within(wire.call().watch(request(channels))).await.expect("it opens").into_inner();
        let first = within(parts.message()).await.expect("it opens").expect("it says so");
        Self { parts, read: first.presence }
    }

    async fn take(&mut self, count: usize) -> Vec<Presence> {
        while self.read.len() < count {
            let part = within(self.parts.message()).await.expect("it goes on").expect("it goes on");
            self.read.extend(part.presence);
        }
        self.read.drain(..count).collect()
    }

    /// The next to be told.
    async fn one(&mut self) -> (PresenceEvent, String) {
        let told = self.take(1).await.remove(0);
        assert!(told.time.is_some(), "it says since when");
        (told.event(), told.listener)
    }
}

fn present(id: &str) -> (PresenceEvent, String) {
    (PresenceEvent::Present, id.to_owned())
}

fn joined(id: &str) -> (PresenceEvent, String) {
    (PresenceEvent::Joined, id.to_owned())
}

fn left(id: &str) -> (PresenceEvent, String) {
    (PresenceEvent::Left, id.to_owned())
}

async fn with_grace(wire: &Wire, seconds: i64) {
    let grace = Some(prost_types::Duration { seconds, nanos: 0 });
    wire.update("c", ChannelSettings { presence_grace: grace, ..Default::default() }).await;
}

async fn gone(wire: &Wire, stream: Reader, id: &str) {
    drop(stream);
    until(async || !wire.listener("c", id).await.connected).await;
}

#[tokio::test]
async fn a_watch_says_who_listens_and_then_who_comes_and_goes() {
    let (_server, wire) = listeners(&["a", "b"]).await;
    with_grace(&wire, 0).await;
    let asked = Subscription { session: "s".into(), ..subscription("c", "a", "") };
    let a = wire.try_listen(asked).await.expect("it opens");
    let mut watching = Watching::open(&wire, &["c"]).await;
    let told = watching.take(1).await.remove(0);
    assert_eq!(
        (told.event(), told.listener.as_str(), told.session.as_str()),
        (PresenceEvent::Present, "a", "s")
    );
    assert_eq!(told.subscription, 1);
    let b = wire.listen("c", "b").await;
    assert_eq!(watching.one().await, joined("b"));
    gone(&wire, a, "a").await;
    assert_eq!(watching.one().await, left("a"));
    let mut later = Watching::open(&wire, &["c"]).await;
    assert_eq!(later.one().await, present("b"));
    drop(b);
    assert_eq!((watching.one().await, later.one().await), (left("b"), left("b")));
}

#[tokio::test]
async fn a_reconnect_within_the_grace_and_a_takeover_say_nothing() {
    let (_server, wire) = listeners(&["a", "b"]).await;
    with_grace(&wire, 86_400).await;
    let mut watching = Watching::open(&wire, &["c"]).await;
    let first = wire.listen("c", "a").await;
    assert_eq!(watching.one().await, joined("a"));
    gone(&wire, first, "a").await;
    let second = wire.listen("c", "a").await;
    let third = wire.listen("c", "a").await;
    drop(second);
    let b = wire.listen("c", "b").await;
    assert_eq!(watching.one().await, joined("b"), "and nothing before it");
    wire.stop("c", "a").await;
    assert_eq!(watching.one().await, left("a"), "a stop has no grace");
    wire.remove("c", "b").await;
    assert_eq!(watching.one().await, left("b"), "nor has a removal");
    drop((third, b));
}

#[tokio::test]
async fn after_the_grace_one_has_left_and_comes_anew() {
    let (_server, wire) = listeners(&["a"]).await;
    with_grace(&wire, 1).await;
    let mut watching = Watching::open(&wire, &["c"]).await;
    let stream = wire.listen("c", "a").await;
    gone(&wire, stream, "a").await;
    assert_eq!([watching.one().await, watching.one().await], [joined("a"), left("a")]);
    let _again = wire.listen("c", "a").await;
    assert_eq!(watching.one().await, joined("a"));
}

#[tokio::test]
async fn each_channel_of_a_watch_is_told_under_its_number() {
    let (_server, wire) = listeners(&["a"]).await;
    wire.create("d").await;
    wire.register("d", "x").await;
    let mut watching = Watching::open(&wire, &["no", "c", "d"]).await;
    let _x = wire.listen("d", "x").await;
    let told = watching.take(1).await.remove(0);
    assert_eq!((told.subscription, told.listener.as_str()), (3, "x"));
    let _a = wire.listen("c", "a").await;
    let told = watching.take(1).await.remove(0);
    assert_eq!((told.subscription, told.listener.as_str()), (2, "a"));
}

#[tokio::test]
async fn thousands_are_told_in_several_responses() {
    const COUNT: usize = 3000;
    let (_server, wire) = channel().await;
    let ids: Vec<_> = (0..COUNT).map(|n| format!("{n:0>100}")).collect();
    for id in &ids {
        wire.register("c", id).await;
    }
    let subscriptions = ids.iter().map(|id| subscription("c", id, "")).collect();
    let request = ListenRequest { subscriptions, max_response_bytes: 0 };
    let _listening = within(wire.call().listen(request)).await.expect("it opens");
    let mut watching = Watching::open(&wire, &["c"]).await;
    let mut told: Vec<_> =
        watching.take(COUNT).await.into_iter().map(|it| (it.event(), it.listener)).collect();
    told.sort_by(|one, other| one.1.cmp(&other.1));
    assert!(told.into_iter().eq(ids.iter().map(|id| present(id))));
}

#[tokio::test]
async fn a_browser_is_told_too_and_who_did_not_ask_is_not() {
    let (server, wire) = listeners(&["a"]).await;
    let mut browser = Http1::connect(server.address()).await;
    browser.post("Watch", &request(&["c"])).await;
    let mut unasked = wire.watch("c").await;
    let _a = wire.listen("c", "a").await;
    let told = loop {
        let part: WatchResponse = browser.frame().await.unwrap().message();
        if let Some(told) = part.presence.into_iter().next() {
            break told;
        }
    };
    assert_eq!((told.event(), told.listener.as_str()), (PresenceEvent::Joined, "a"));
    wire.mark("c").await;
    assert_eq!(unasked.before("mark").await, [], "its reader takes no presence");
}

/// `eric watch`, with presence, and the lines it prints.
fn printing(url: &str, more: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let arguments = [&["watch", "c", "--presence", "--server", url], more].concat();
    let mut child = eric(&arguments).spawn().expect("the command is built before its tests");
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    (child, lines)
}

async fn line(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    within(lines.next_line()).await.expect("it prints text").expect("there is another line")
}

#[tokio::test]
async fn the_command_line_prints_who_listens_among_what_is_broadcast() {
    let (server, wire) = listeners(&["a", "b"]).await;
    with_grace(&wire, 0).await;
    let asked = Subscription { session: "s".into(), ..subscription("c", "a", "") };
    let a = wire.try_listen(asked).await.expect("it opens");
    let proxy = Proxy::before(server.address()).await;
    let (mut child, mut lines) = printing(&proxy.url(), &["--json"]);
    let mut told = async || serde_json::from_str::<Value>(&line(&mut lines).await).expect("it is an object");
    let mut presence = async || {
        let told = told().await["presence"].clone();
        assert!(told["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{told}");
        [&told["event"], &told["listener"], &told["session"]].map(Value::clone)
    };
    assert_eq!(presence().await, [json!("PRESENCE_EVENT_PRESENT"), json!("a"), json!("s")]);
    let b = wire.listen("c", "b").await;
    assert_eq!(presence().await, [json!("PRESENCE_EVENT_JOINED"), json!("b"), json!("")]);
    gone(&wire, b, "b").await;
    assert_eq!(presence().await, [json!("PRESENCE_EVENT_LEFT"), json!("b"), json!("")]);
    // a new stream begins with who is there
    proxy.cut();
    assert_eq!(presence().await, [json!("PRESENCE_EVENT_PRESENT"), json!("a"), json!("s")]);
    wire.broadcast("c", numbered(7)).await;
    assert_eq!(told().await["delivery"]["message"]["payload"], 7);
    wire.notify_end("c", None).await;
    assert_eq!(told().await["ended"]["cause"], "CHANNEL_CLOSED");
    assert_eq!(within(child.wait()).await.expect("it ends").code(), Some(0));

    // and for people
    let (_child, mut lines) = printing(&server.url(), &[]);
    let said = line(&mut lines).await;
    assert!(said.starts_with("-- a: present since ") && said.ends_with(", session s"), "{said}");
    drop(a);
    let said = line(&mut lines).await;
    assert!(said.starts_with("-- a: left since "), "{said}");
}
