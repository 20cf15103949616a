//! The streams of events, as the document tells them.

use super::limits;
use crate::{http::places::MAX_CHANNELS, message::MAX_TYPE_BYTES};
use serde_json::{Value, json};

const EVENTS: &str = "\
A stream of Server-Sent Events, as EventSource reads it. Each event is one message: `id` is its place, to resume from; \
`event` its type; `data` its payload: JSON as it was sent (its line breaks outside of strings become `\\n`), a \
`google.protobuf.Value` as JSON, bytes as a `data:application/octet-stream;base64,` URL, nothing as `null`. Line breaks in a \
type become U+FFFD.

Events of the server's own: `_eric_opened` is the first, with where the stream begins; `_eric_gap` stands where messages are \
missing, with why and how many (eric.v1.Gap); `_eric_channel_closed` says that no more will come; `_eric_ended` is the last of a \
stream, or of one of its channels, with the reason as a problem. An EventSource that comes back has of several channels those \
that are still there, and for each other an `_eric_ended`; where none is, it is refused.

`retry` comes once at the start, from the channel's `sse_retry`, and again at a shutdown, with a random part. An idle stream \
carries a comment, or an `id` alone, every 15 s.

With 204 an EventSource that comes back is told not to: its listener was stopped, or another session has it. Where trying again \
may help, whoever accepts `text/event-stream` is answered 200 with a `retry` and an `_eric_ended`, since an \
EventSource gives up at any other status.";

const WATCH: &str = "Watches what is broadcast, and leaves nothing behind.";
const LISTEN: &str = "\
Listens for a listener: what is dispatched to it, and what is broadcast. It takes the listener over from an older stream.";

/// Each with its path.
pub(super) fn operations() -> [(&'static str, Value); 3] {
    let channel = || json!({"$ref": "#/components/parameters/channel"});
    let listener = json!({"$ref": "#/components/parameters/listener"});
    [
        ("/v1/events", operation("watchChannels", WATCH, [channels(true), start_at()].into())),
        (
            "/v1/channels/{channel}/events",
            operation("watch", WATCH, [channel(), channels(false), start_at()].into()),
        ),
        (
            "/v1/channels/{channel}/listeners/{listener}/events",
            operation("listen", LISTEN, [vec![channel(), listener], of_listeners()].concat()),
        ),
    ]
}

fn operation(id: &str, summary: &str, own: Vec<Value>) -> Value {
    let problem = json!({"$ref": "#/components/responses/Problem"});
    let parameters = [own, common()].concat();
    json!({
        "operationId": id,
        "summary": summary,
        "description": EVENTS,
        "tags": ["events"],
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "The stream.",
                "content": {"text/event-stream": {"schema": event()}},
            },
            "204": {"description": "Do not come back."},
            "400": problem, "403": problem, "404": problem, "409": problem, "429": problem, "500": problem, "503": problem,
        },
    })
}

/// One event, field by field. Where its data is a delivery it has no type.
fn event() -> Value {
    json!({
        "type": "object",
        "required": ["data"],
        "properties": {
            "id": {"type": "string"},
            "event": {"type": "string"},
            "data": {"type": "string"},
            "retry": {"type": "integer", "minimum": 0},
        },
    })
}

fn parameter(name: &str, description: &str, schema: &Value) -> Value {
    json!({"name": name, "in": "query", "description": description, "schema": schema})
}

fn channels(required: bool) -> Value {
    let at_most = if required { MAX_CHANNELS } else { MAX_CHANNELS - 1 };
    let schema = json!({"type": "array", "items": limits::id(), "maxItems": at_most, "uniqueItems": true});
    let mut parameter =
        parameter("channel", "A channel that comes on the stream, too; may be repeated.", &schema);
    if required {
        parameter["required"] = json!(true);
        parameter["schema"]["minItems"] = json!(1);
    }
    parameter
}

fn start_at() -> Value {
    let description =
        "Where to begin without a place to resume from: with what comes, or with the oldest that is kept.";
    parameter("start_at", description, &json!({"enum": ["new", "oldest"], "default": "new"}))
}

fn of_listeners() -> Vec<Value> {
    let session =
        "Names the tab or process, so that two that come back by themselves do not fight for the listener.";
    let take_over = "Whether to take the listener from another stream in any case, or in none.";
    let credit = "How many messages may be outstanding; for an EXPLICIT listener alone. 0: 1,000.";
    vec![
        parameter("session", session, &limits::id()),
        parameter("take_over", take_over, &json!({"enum": ["always", "never"]})),
        parameter("max_unacknowledged", credit, &json!({"type": "integer", "minimum": 0, "maximum": 65_536})),
    ]
}

fn common() -> Vec<Value> {
    let types =
        "Only messages of these types, with commas between; may be repeated. The server's own come always.";
    let kind = json!({"type": "string", "minLength": 1, "maxLength": MAX_TYPE_BYTES});
    let format = "What the data is: the payload, or all of the delivery (eric.v1.Delivery, with `channel`, `generation` and \
                  `attempt`), as an EXPLICIT listener needs it to acknowledge. Then every delivery is an event \
                  without a type, which an EventSource hears as `message`, whatever the message's own type.";
    let place = "Where to go on: the id of the last event that was handled, for a page that was loaded anew.";
    let mut types = parameter("types", types, &json!({"type": "array", "items": kind, "maxItems": 64}));
    types["style"] = json!("form");
    types["explode"] = json!(false);
    vec![
        types,
        parameter("format", format, &json!({"enum": ["payload", "delivery"], "default": "payload"})),
        parameter("last_event_id", place, &json!({"type": "string"})),
        json!({
            "name": "Last-Event-ID",
            "in": "header",
            "description": "The same, as an EventSource sends it when it reconnects; it is the one that counts.",
            "schema": {"type": "string"},
        }),
    ]
}
