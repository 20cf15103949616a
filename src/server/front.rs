//! What a connection's requests come to: the router, and a way by which a stream of events leaves HTTP/1.1 behind.
//!
//! A stream of events needs nothing that hyper has once its request is read, and hyper holds two buffers of 8 KiB for as
//! long as it has a connection. Its answer is put aside here, for whoever drives the connection to take over.
//!
//! A client of HTTP/1.1 may close its side once it has asked, and is answered. Whether it is still there cannot be seen then,
//! so what would wait for something to happen does not: a stream ends.

use crate::{http::Live, verbs::hung_up::HungUp};
use axum::{Router, body::Body, response::Response, routing::future::RouteFuture};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Version};
use http_body::{Body as HttpBody, Frame};
use hyper::body::Incoming;
use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};
use tower::Service as _;

/// The service of one connection.
pub(super) struct Front {
    router: Router,
    taken: Taken,
    /// By HTTP/2 a request says its end, and nobody closes a side.
    hung_up: Option<HungUp>,
}

/// An answer that was put aside.
pub(super) struct Events {
    pub(super) headers: HeaderMap,
    pub(super) live: Live,
}

/// Where it is put.
#[derive(Clone, Default)]
pub(super) struct Taken(Arc<Mutex<Option<Events>>>);

impl Taken {
    fn place(&self) -> MutexGuard<'_, Option<Events>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_some(&self) -> bool {
        self.place().is_some()
    }

    pub(super) fn take(&self) -> Option<Events> {
        self.place().take()
    }

    /// Takes an answer that is a stream of events, and tells whether it is one.
    fn takes(&self, answer: &mut Response) -> bool {
        let Some(live) = answer.extensions_mut().remove::<Live>() else { return false };
        *self.place() = Some(Events { headers: std::mem::take(answer.headers_mut()), live });
        true
    }
}

impl Front {
    /// `hung_up` is told to its calls.
    pub(super) fn new(router: Router, hung_up: Option<HungUp>) -> Self {
        Self { router, taken: Taken::default(), hung_up }
    }

    pub(super) fn taken(&self) -> Taken {
        self.taken.clone()
    }
}

impl hyper::service::Service<Request<Incoming>> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Answering {
        // whoever asks by HTTP/1.0 knows no chunks
        let may_leave = request.version() == Version::HTTP_11 && request.method() == Method::GET;
        if let Some(hung_up) = &self.hung_up {
            request.extensions_mut().insert(hung_up.clone());
        }
        let answer = self.router.clone().call(request.map(Body::new));
        Answering { answer, taken: may_leave.then(|| self.taken.clone()), hung_up: self.hung_up.clone() }
    }
}

/// An answer that is on its way.
pub(super) struct Answering {
    answer: RouteFuture<Infallible>,
    taken: Option<Taken>,
    hung_up: Option<HungUp>,
}

impl Future for Answering {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answer = ready!(Pin::new(&mut self.answer).poll(context))?;
        if self.taken.as_ref().is_some_and(|taken| taken.takes(&mut answer)) {
            // whoever drives the connection sees it now, and polls this no more
            return Poll::Pending;
        }
        match &self.hung_up {
            Some(hung_up) if answer.body().size_hint().exact().is_none() => {
                Poll::Ready(Ok(answer.map(|body| Streamed::over(body, hung_up))))
            }
            Some(_) | None => Poll::Ready(Ok(answer)),
        }
    }
}

/// A body that comes as it is made.
struct Streamed {
    body: Body,
    hung_up: HungUp,
}

impl Streamed {
    fn over(body: Body, hung_up: &HungUp) -> Body {
        Body::new(Self { body, hung_up: hung_up.clone() })
    }
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let next = Pin::new(&mut self.body).poll_frame(context);
        if next.is_pending() && self.hung_up.is_told() {
            let gone = axum::Error::new("the client has closed its side");
            return Poll::Ready(Some(Err(gone)));
        }
        next
    }
}
