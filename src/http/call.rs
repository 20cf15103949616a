//! A verb as a call: its request from path, query and body, its answer as JSON.

use super::{body::body, json, path::Path, problem::Problem, query, table::Verb, usual};
use crate::verbs::{Dispatcher, status::Refusal};
use axum::{
    body::Body,
    extract::{RawPathParams, Request, State},
    response::Response,
    routing::{MethodFilter, MethodRouter, on},
};
use bytes::Bytes;
use http::{
    HeaderValue,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, Value};
use serde_json::{Map, Value as Json};

pub(super) fn route(verb: &'static Verb) -> MethodRouter<Dispatcher> {
    let filter = MethodFilter::try_from(verb.method.clone()).expect("the table has common methods");
    on(filter, move |State(dispatcher): State<Dispatcher>, path: Path, request: Request| async move {
        let dispatcher = dispatcher.for_call(request.extensions());
        match call(&dispatcher, verb, &path, request).await {
            Ok(answer) => answer,
            Err(problem) => problem.into_response(),
        }
    })
}

async fn call(
    dispatcher: &Dispatcher,
    verb: &Verb,
    path: &RawPathParams,
    request: Request,
) -> Result<Response, Problem> {
    let asked = asked(dispatcher, verb, path, request).await?;
    let answer = (verb.run)(dispatcher.clone(), asked).await;
    let answer = answer.map_err(|refusal| refused(dispatcher, refusal))?;
    Ok(told(usual::answer(verb.name, &answer).unwrap_or_else(|| json::of_bytes(&verb.answer(), answer))))
}

pub(super) fn refused(dispatcher: &Dispatcher, refusal: Refusal) -> Problem {
    Problem::of(refusal, dispatcher.hub.incarnation())
}

pub(super) fn told(json: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(json));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The bytes of the request, as the contract has it.
async fn asked(
    dispatcher: &Dispatcher,
    verb: &Verb,
    path: &RawPathParams,
    request: Request,
) -> Result<Bytes, Problem> {
    let given = query::parameters(request.uri().query())?;
    if !verb.has_body() {
        return Ok(with_path(of_query(verb, given)?, path));
    }
    if let Some((name, _)) = given.first() {
        return Err(query::unknown(name));
    }
    let body = body(dispatcher, request).await?;
    let in_path = |name: &str| path.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
    match usual::request(verb.name, &body, in_path) {
        Some(asked) => Ok(asked),
        None => Ok(with_path(of_body(verb, &body)?, path)),
    }
}

fn with_path(mut asked: DynamicMessage, path: &RawPathParams) -> Bytes {
    for (name, value) in path {
        asked.set_field_by_name(name, Value::String(value.to_owned()));
    }
    asked.encode_to_vec().into()
}

pub(super) fn of_body(verb: &Verb, body: &[u8]) -> Result<DynamicMessage, Problem> {
    let descriptor = json::message(&verb.request());
    if body.is_empty() {
        return Ok(DynamicMessage::new(descriptor));
    }
    json::distinct(body, &verb.in_path().collect::<Vec<_>>()).map_err(Problem::json)?;
    json::read(descriptor, body).map_err(Problem::json)
}

/// Fields that hold one value each.
fn of_query(verb: &Verb, given: Vec<(String, String)>) -> Result<DynamicMessage, Problem> {
    let mut object = Map::new();
    for (name, text) in given {
        let field = parameter(verb, &name).ok_or_else(|| query::unknown(&name))?;
        let value = match (field.kind(), &*text) {
            (Kind::Bool, "true") => Json::Bool(true),
            (Kind::Bool, "false") => Json::Bool(false),
            _ => Json::String(text),
        };
        if object.insert(field.json_name().to_owned(), value).is_some() {
            return Err(Problem::parameter(format!("{} is given twice", field.name())));
        }
    }
    let text = serde_json::to_vec(&object).unwrap_or_default();
    json::read(json::message(&verb.request()), &text).map_err(Problem::parameter)
}

fn parameter(verb: &Verb, name: &str) -> Option<FieldDescriptor> {
    let known = |field: &FieldDescriptor| field.name() == name || field.json_name() == name;
    verb.parameters().find(known).filter(|_| verb.reads())
}
