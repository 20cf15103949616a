//! Bodies of requests, as they come: in time, not too long, and not too much of all of them at once.

use super::problem::Problem;
use crate::verbs::{Dispatcher, bodies::Part};
use axum::{body::Body, extract::Request};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header::CONTENT_TYPE};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt as _;
use std::{
    ops::Deref,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    time::{Instant, Sleep, sleep_until},
};

/// A body takes no longer to come.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A body that is there, and counted until it is dropped.
#[derive(Debug)]
pub(super) struct Whole {
    bytes: Bytes,
    _part: Part,
}

impl Deref for Whole {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The whole body, if it is JSON, comes in time, and is not too long.
pub(super) async fn body(dispatcher: &Dispatcher, request: Request) -> Result<Whole, Problem> {
    let (head, body) = request.into_parts();
    let whole = collected(Coming::new(dispatcher, body)).await.map_err(Fault::into_problem)?;
    if whole.is_empty() || is_json(&head.headers) { Ok(whole) } else { Err(Problem::media_type()) }
}

async fn collected(mut body: Coming) -> Result<Whole, Fault> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(Whole { bytes: bytes.freeze(), _part: body.part })
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
}

/// A body that has yet to come.
#[derive(Debug)]
pub(super) struct Coming {
    body: Body,
    part: Part,
    /// How much may still come.
    left: usize,
    most: usize,
    deadline: Instant,
    /// Most bodies are there with their heads, and nobody waits for them.
    timer: Option<Pin<Box<Sleep>>>,
    clock: Handle,
}

impl Coming {
    pub(super) fn new(dispatcher: &Dispatcher, body: Body) -> Self {
        let most = dispatcher.limits.max_body_bytes();
        Self {
            body,
            part: dispatcher.bodies.part(),
            left: most,
            most,
            deadline: Instant::now() + TIMEOUT,
            timer: None,
            clock: dispatcher.clock.clone(),
        }
    }

    fn count(&mut self, bytes: usize) -> Result<(), Fault> {
        if Instant::now() >= self.deadline {
            return Err(Fault::Late);
        }
        self.left = self.left.checked_sub(bytes).ok_or(Fault::TooLarge(self.most))?;
        if self.part.grow(bytes) { Ok(()) } else { Err(Fault::TooMuch) }
    }

    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let (deadline, clock) = (self.deadline, &self.clock);
        let timer = self.timer.get_or_insert_with(|| {
            let _clock = clock.enter();
            Box::pin(sleep_until(deadline))
        });
        timer.as_mut().poll(context)
    }
}

impl HttpBody for Coming {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let Poll::Ready(next) = Pin::new(&mut self.body).poll_frame(context) else {
            ready!(self.poll_late(context));
            return Poll::Ready(Some(Err(Fault::Late)));
        };
        let Some(frame) = next else { return Poll::Ready(None) };
        let frame = frame.map_err(|_| Fault::BrokenOff).and_then(|frame| {
            self.count(frame.data_ref().map_or(0, Bytes::len))?;
            Ok(frame)
        });
        Poll::Ready(Some(frame))
    }
}

/// Why a body is not there.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("the body of the request did not come in time")]
    Late,
    #[error("the body of a request has at most {0} bytes")]
    TooLarge(usize),
    #[error("the bodies of all requests are too large together")]
    TooMuch,
    #[error("the body of the request broke off")]
    BrokenOff,
}

impl Fault {
    fn into_problem(self) -> Problem {
        match self {
            Self::Late => Problem::too_slow(self.to_string()),
            Self::TooLarge(_) => Problem::too_large(self.to_string()),
            Self::TooMuch => Problem::too_much(self.to_string()),
            Self::BrokenOff => Problem::broken_off(self.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::{RequestLimits, bodies::Bodies};
    use futures_util::{Stream, stream};
    use std::convert::Infallible;
    use tokio::time::sleep;

    type Piece = Result<Bytes, Infallible>;

    const PIECE: Piece = Ok(Bytes::from_static(b"0123456789"));

    async fn fault(body: impl Stream<Item = Piece> + Send + 'static) -> (Fault, Duration) {
        let limits = RequestLimits { max_payload_bytes: 100, max_batch_messages: 1, max_batch_bytes: 100 };
        let (part, clock, began) = (Bodies::new(&limits).part(), Handle::current(), Instant::now());
        let (body, deadline) = (Body::from_stream(body), began + TIMEOUT);
        let coming = Coming { body, part, left: 1000, most: 1000, deadline, timer: None, clock };
        (collected(coming).await.unwrap_err(), began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_or_drips_is_given_up_in_time() {
        let (fault_of_one, after) = fault(stream::pending()).await;
        assert!(matches!(fault_of_one, Fault::Late) && after == TIMEOUT, "{after:?}");
        let drip = |()| async {
            sleep(Duration::from_secs(1)).await;
            Some((PIECE, ()))
        };
        let (fault_of_one, after) = fault(stream::unfold((), drip)).await;
        assert!(matches!(fault_of_one, Fault::Late) && after == TIMEOUT, "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_without_an_end_is_given_up() {
        let (fault, after) = fault(stream::repeat_with(|| PIECE)).await;
        assert!(matches!(fault, Fault::TooLarge(1000)) && after.is_zero(), "{fault}");
    }

    #[tokio::test]
    async fn whoever_sends_a_faulty_body_is_told_why() {
        for (fault, status, reason) in [
            (Fault::Late, 408, "REQUEST_TIMEOUT"),
            (Fault::TooLarge(7), 413, "MESSAGE_TOO_LARGE"),
            (Fault::TooMuch, 503, "REQUEST_LIMIT"),
            (Fault::BrokenOff, 400, "INVALID_REQUEST"),
        ] {
            let answer = fault.into_problem().into_response();
            assert_eq!(answer.status(), status);
            let told = answer.into_body().collect().await.expect("it is whole").to_bytes();
            let told: serde_json::Value = serde_json::from_slice(&told).expect("it is JSON");
            assert_eq!((&told["status"], &told["reason"]), (&status.into(), &reason.into()));
            assert_eq!(told["detail"], fault.to_string());
        }
    }
}
