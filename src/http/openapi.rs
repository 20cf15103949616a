//! The door's own description, as an OpenAPI 3.1 document: made of the table of verbs, the contract's descriptors and their
//! comments.
//!
//! Source: <https://spec.openapis.org/oas/v3.1.1.html>.

mod comments;
mod events;
mod limits;
mod schema;

use super::{
    json,
    table::{VERBS, Verb},
};
use bytes::Bytes;
use comments::Comment;
use http::Method;
use schema::{Schemas, Side};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The document, which never changes.
pub(super) fn document() -> Bytes {
    static DOCUMENT: LazyLock<Bytes> =
        LazyLock::new(|| serde_json::to_vec(&written()).unwrap_or_default().into());
    DOCUMENT.clone()
}

fn written() -> Value {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    for verb in &VERBS {
        put(&mut paths, verb.path, &verb.method, operation(verb, &mut schemas));
    }
    for (path, operation) in events::operations() {
        put(&mut paths, path, &Method::GET, operation);
    }
    put(&mut paths, PATH, &Method::GET, itself());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Eric",
            "summary": "A message dispatcher: channels, listeners, queues, with resume and explicit gaps",
            "description": comments::of_service(&service()),
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": TAGS.map(|(name, description)| json!({"name": name, "description": description})),
        "paths": paths,
        "components": {
            "schemas": schemas.written(),
            "parameters": parameters(),
            "responses": {"Problem": problem()},
        },
    })
}

/// Where the document is.
pub(super) const PATH: &str = "/openapi.json";

const TAGS: [(&str, &str); 5] = [
    ("channels", "Named sets of listeners with settings and one order."),
    ("listeners", "Receivers in one channel, each with a queue of its own."),
    ("messages", "The way in, and what is said of messages that came."),
    ("events", "The way out, as Server-Sent Events."),
    ("server", "What the server is."),
];

fn service() -> prost_reflect::ServiceDescriptor {
    json::service("eric.v1.DispatcherService")
}

fn put(paths: &mut Map<String, Value>, path: &str, method: &Method, operation: Value) {
    let at = paths.entry(path).or_insert_with(|| json!({}));
    at[method.as_str().to_ascii_lowercase()] = operation;
}

fn operation(verb: &Verb, schemas: &mut Schemas) -> Value {
    let method = service().methods().find(|method| method.name() == verb.name).expect("a verb is an rpc");
    let comment = Comment::of_method(&method);
    let mut operation = json!({
        "operationId": schema::lower_camel(verb.name),
        "summary": comment.summary(),
        "description": comment.text(),
        "tags": [tag(verb)],
        "parameters": parameters_of(verb, schemas),
        "responses": responses(verb, schemas),
    });
    if verb.has_body() {
        operation["requestBody"] = body(verb, schemas);
    }
    operation
}

fn tag(verb: &Verb) -> &'static str {
    match verb.name {
        "Dispatch" | "Broadcast" | "NotifyEnd" | "PublishBatch" | "Acknowledge" | "Reject" | "Extend"
        | "Pull" | "ListMessages" | "Requeue" => "messages",
        "GetServer" => "server",
        _ if verb.path.contains("/listeners") => "listeners",
        _ => "channels",
    }
}

fn parameters_of(verb: &Verb, schemas: &mut Schemas) -> Vec<Value> {
    let in_path = verb.in_path().map(|name| json!({"$ref": format!("#/components/parameters/{name}")}));
    let mut parameters: Vec<_> = in_path.collect();
    if verb.reads() {
        for field in verb.parameters() {
            parameters.push(json!({
                "name": field.name(),
                "in": "query",
                "description": Comment::of_field(&field).text(),
                "schema": schemas.of_parameter(&field),
            }));
        }
    }
    parameters
}

fn parameters() -> Value {
    let id = |name: &str| {
        json!({
            "name": name, "in": "path", "required": true,
            "description": format!("The {name}'s id."), "schema": limits::id(),
        })
    };
    json!({"channel": id("channel"), "listener": id("listener")})
}

fn body(verb: &Verb, schemas: &mut Schemas) -> Value {
    let schema = schemas.of_body(&json::message(&verb.request()), &verb.in_path().collect::<Vec<_>>());
    let required = schema.get("required").is_some();
    json!({"required": required, "content": {"application/json": {"schema": schema}}})
}

/// What a verb may answer: by its kind, since any of them may be refused in each of these ways.
fn responses(verb: &Verb, schemas: &mut Schemas) -> Value {
    let answer = schemas.of(&json::message(&verb.answer()), Side::Told);
    let mut responses = json!({
        "200": {
            "description": "It was done.",
            "content": {"application/json": {"schema": answer}},
        },
    });
    let mut codes = vec!["400", "403", "429", "500", "503"];
    if verb.in_path().next().is_some() {
        codes.push("404");
    }
    if verb.has_body() {
        codes.extend(["408", "413", "415"]);
    }
    if matches!(verb.name, "CreateChannel" | "Register" | "Pull") {
        codes.push("409");
    }
    for code in codes {
        responses[code] = json!({"$ref": "#/components/responses/Problem"});
    }
    responses
}

fn itself() -> Value {
    json!({
        "operationId": "openapi",
        "summary": "Tells this document.",
        "tags": ["server"],
        "responses": {
            "200": {
                "description": "This document.",
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
            "403": {"$ref": "#/components/responses/Problem"},
        },
    })
}

fn problem() -> Value {
    json!({
        "description": "It was not done (RFC 9457). `reason` is stable; which reasons there are, the verbs tell.",
        "headers": {
            "Retry-After": {
                "description": "Seconds after which trying again may help.",
                "schema": {"type": "integer", "minimum": 0},
            },
        },
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    })
}
