//! Bytes as requests of every verb, one after the other, to a server that must be as good as new afterwards.

use super::{
    super::{json, table::VERBS},
    sound,
    stage::{Door, run},
};
use crate::{verbs::fuzz::damaged, verbs::wire};
use fastrand::Rng;

/// In a path, as a client may write it.
const CHANNELS: [&str; 8] = ["c", "c", "c", "c", "nobody", "%ff", "a%2Fb", ".."];
const LISTENERS: [&str; 8] = ["automatic", "explicit", "explicit", "dead", "nobody", "%ff", "%00", "%2e"];
/// No request of a run names it but by chance.
const UNTOUCHED: &str = "untouched";

/// One to six requests: a byte for the verb, one for the path, two for the length, then the body, or the query.
pub(super) fn sound(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..rng.usize(1..=6) {
        let verb = rng.usize(0..VERBS.len());
        let request = sound::request(rng, &VERBS[verb]);
        // half of the damage must not shift what follows it
        let request = if rng.bool() { request } else { damaged(rng, request.clone(), &request) };
        let request = &request[..request.len().min(usize::from(u16::MAX))];
        let place = if rng.bool() { rng.u8(..) } else { 8 };
        bytes.extend([verb as u8, place, (request.len() >> 8) as u8, request.len() as u8]);
        bytes.extend(request);
    }
    bytes
}

/// Whatever is asked, each call ends, is done or refused for a reason that is the client's, and the server lives on.
pub(super) fn requests(mut bytes: &[u8]) {
    run(async {
        let door = Door::open();
        furnish(&door, "c").await;
        while let [verb, place, high, low, rest @ ..] = bytes {
            let (request, rest) =
                rest.split_at(usize::from(u16::from_be_bytes([*high, *low])).min(rest.len()));
            let verb = &VERBS[usize::from(*verb) % VERBS.len()];
            let (channel, listener) = (usize::from(*place) % 8, usize::from(*place) / 8 % 8);
            let path = verb.path.replace("{channel}", CHANNELS[channel]);
            let path = path.replace("{listener}", LISTENERS[listener]);
            let answer = if verb.has_body() {
                door.call(verb.method.as_str(), &path, request).await
            } else {
                door.call(verb.method.as_str(), &format!("{path}?{}", query(request)), b"").await
            };
            if answer.status == 200 {
                let told = answer.told.to_string();
                json::read(json::message(&verb.answer()), told.as_bytes()).expect("an answer is one");
            }
            bytes = rest;
        }
        assert_all_told(&door, "c").await;
        serves(&door).await;
    });
}

/// Bytes that may stand in a query stay as they are.
fn query(bytes: &[u8]) -> String {
    let stays = |byte: u8| byte.is_ascii_alphanumeric() || b"&=%+.-_~".contains(&byte);
    let put = |byte: &u8| if stays(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02x}") };
    bytes.iter().map(put).collect()
}

/// Makes a channel with listeners, of which `explicit` gets three messages and has taken the first two.
async fn furnish(door: &Door, channel: &str) {
    let body = format!(r#"{{"channel": "{channel}", "settings": {{"maxAttempts": 2}}}}"#);
    done(door, "/v1/channels", &body).await;
    for (listener, mode) in [("automatic", "AUTOMATIC"), ("explicit", "EXPLICIT"), ("dead", "EXPLICIT")] {
        let mode = format!("ACKNOWLEDGEMENT_MODE_{mode}");
        let body = format!(r#"{{"listener": "{listener}", "acknowledgementMode": "{mode}"}}"#);
        done(door, &format!("/v1/channels/{channel}/listeners"), &body).await;
    }
    let explicit = format!("/v1/channels/{channel}/listeners/explicit");
    for _ in 0..3 {
        done(door, &format!("{explicit}/dispatch"), r#"{"message": {"type": "t", "value": [{}]}}"#).await;
    }
    let pulled = done(door, &format!("{explicit}/pull"), r#"{"maxMessages": 2}"#).await;
    assert_eq!(pulled["batch"]["deliveries"].as_array().map(Vec::len), Some(2));
}

async fn done(door: &Door, path: &str, body: &str) -> serde_json::Value {
    let answer = door.call("POST", path, body.as_bytes()).await;
    assert_eq!(answer.status, 200, "{path} {body}: {answer:?}");
    answer.told
}

/// What waits is told as JSON, all of it, with all that a message has.
async fn assert_all_told(door: &Door, channel: &str) {
    for listener in ["automatic", "explicit", "dead"] {
        let request = wire::ListMessagesRequest {
            channel: channel.into(),
            listener: listener.into(),
            ..Default::default()
        };
        let Ok(there) = door.dispatcher.list_messages(&request) else { continue };
        let path = format!("/v1/channels/{channel}/listeners/{listener}/messages");
        let answer = door.call("GET", &path, b"").await;
        let told = answer.told["deliveries"].as_array().expect("it is a list");
        assert_eq!(told.len(), there.deliveries.len());
        let whole = |it: &serde_json::Value| it["message"]["id"].as_str().is_some_and(|id| !id.is_empty());
        assert!(told.iter().all(whole), "{told:?}");
    }
}

/// A channel that nobody has touched works from end to end.
async fn serves(door: &Door) {
    furnish(door, UNTOUCHED).await;
    let path = format!("/v1/channels/{UNTOUCHED}/listeners/explicit/messages");
    let listed = door.call("GET", &path, b"").await;
    let sequence = |place: usize| listed.told["deliveries"][place]["sequence"].as_str().expect("it is there");
    assert_eq!(listed.told["deliveries"][2]["message"]["value"], serde_json::json!([{}]));
    let item = format!(
        r#"{{"channel": "{UNTOUCHED}", "listener": "explicit", "throughSequence": "{}"}}"#,
        sequence(1)
    );
    let answer = done(door, "/v1/acknowledge", &format!(r#"{{"items": [{item}]}}"#)).await;
    assert_eq!(answer["results"][0]["acknowledged"]["coveredMessages"], "2", "{answer}");
    door.call("GET", "/v1/server", b"").await;
}
