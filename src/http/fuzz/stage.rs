//! A door that targets call as a client does, up to where the bytes of its connection would begin.

use super::super::{origin::Origins, routes};
use crate::{
    hub::{Hub, Limits},
    log::{Log, Memory},
    verbs::{Dispatcher, RequestLimits, Served, bodies::Bodies},
};
use axum::{Router, body::Body, extract::Request, response::Response};
use futures_util::StreamExt;
use http::{StatusCode, header::CONTENT_TYPE};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{runtime::Builder, time::timeout};
use tower::Service as _;

/// No verb takes longer, and Pull not as long.
const LONGEST: Duration = Duration::from_secs(61);
/// What a stream has to say now it says before this is over.
const NOW: Duration = Duration::from_millis(1);
/// No refusal says more: what a client sent is repeated to him in part.
const LONGEST_REFUSAL: usize = 16 * 1024;

pub(super) struct Door {
    pub(super) dispatcher: Dispatcher,
    pub(super) log: Arc<Memory>,
    router: Router,
}

/// What is answered, as JSON.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) told: Value,
}

/// Runs what waits for a clock, which does not keep it waiting.
pub(super) fn run(target: impl Future<Output = ()>) {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(target);
}

impl Door {
    pub(super) fn open() -> Self {
        let limits = Limits { max_channels: 100, max_listeners: 100, max_streams: 20, ..Limits::default() };
        let log = Arc::new(Memory::default());
        let hub = Hub::new(Arc::clone(&log) as Arc<dyn Log>, limits, 0).unwrap();
        let limits =
            RequestLimits { max_payload_bytes: 1 << 16, max_batch_messages: 100, max_batch_bytes: 1 << 20 };
        let clock = tokio::runtime::Handle::current();
        let (bodies, closing) = (Bodies::new(&limits), Default::default());
        let dispatcher =
            Dispatcher::new(Served { hub, limits, closing, grace: Duration::ZERO, clock, bodies });
        let router = routes(dispatcher.clone(), Router::new(), Origins::new(&[], None));
        Self { dispatcher, log, router }
    }

    pub(super) async fn ask(&self, request: Request) -> Response {
        let answer = timeout(LONGEST, self.router.clone().call(request)).await.expect("every call ends");
        answer.unwrap_or_else(|never| match never {})
    }

    /// Calls a verb. Whatever is asked, it is done, or refused for a reason that is told.
    pub(super) async fn call(&self, method: &str, target: &str, body: &[u8]) -> Answer {
        let request = Request::builder().method(method).uri(target).header(CONTENT_TYPE, "application/json");
        let response = self.ask(request.body(Body::from(body.to_vec())).expect("it is a request")).await;
        let answer = answer(response).await;
        if answer.status != StatusCode::OK {
            answer.assert_refusal();
        }
        answer
    }
}

pub(super) async fn answer(response: Response) -> Answer {
    let (head, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("it is whole");
    let as_what = head.headers.get(CONTENT_TYPE).expect("it says what it is");
    let kind = if head.status == StatusCode::OK { "application/json" } else { "application/problem+json" };
    assert_eq!(as_what, kind, "{}: {}", head.status, bytes.escape_ascii());
    assert!(head.status == StatusCode::OK || bytes.len() < LONGEST_REFUSAL, "{} bytes", bytes.len());
    Answer { status: head.status, told: serde_json::from_slice(&bytes).expect("it is JSON") }
}

impl Answer {
    pub(super) fn reason(&self) -> &str {
        self.told["reason"].as_str().unwrap_or_default()
    }

    /// It is the client's fault, and he is told which: the parser's words, the field, or what of the server is otherwise.
    fn assert_refusal(&self) {
        let text = |of: &Value| of.as_str().is_some_and(|text| !text.is_empty());
        assert!(self.status.is_client_error(), "{self:?}");
        assert!(text(&self.told["reason"]) && text(&self.told["detail"]), "{self:?}");
        assert_eq!(self.told["status"], self.status.as_u16());
        let violations = self.told["violations"].as_array().map_or(&[][..], Vec::as_slice);
        assert!(violations.iter().all(|it| text(&it["field"]) && text(&it["description"])), "{self:?}");
        let of_parser = ["INVALID_JSON", "INVALID_PARAMETER"].contains(&self.reason());
        let of_state = self.told["metadata"].as_object().is_some_and(|metadata| metadata.len() > 1);
        assert!(!violations.is_empty() || of_parser || of_state || self.status == 404, "{self:?}");
    }
}

/// What a stream says by now.
pub(super) async fn said(frames: &mut axum::body::BodyDataStream) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(frame)) = timeout(NOW, frames.next()).await {
        bytes.extend_from_slice(&frame.expect("a stream does not fail"));
    }
    String::from_utf8(bytes).expect("events are text")
}
