//! The three kinds of call, served with tonic and prost as generated code serves them.

use futures_util::{FutureExt as _, Stream, TryFutureExt as _, TryStreamExt as _, future::BoxFuture};
use prost::Message;
use std::{convert::Infallible, future::ready};
use tonic::{Request, Response, Status, Streaming, body::Body, server::Grpc};
use tonic_prost::ProstCodec;
use tower::service_fn;

/// What a call comes to.
pub(super) type Answered = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

pub(super) fn unary<Q, A>(
    request: http::Request<Body>,
    mut answer: impl FnMut(Q) -> A + Send + 'static,
) -> Answered
where
    Q: Message + Default + 'static,
    A: Message + 'static,
{
    unary_later(request, move |request| ready(Ok(answer(request))))
}

/// A call whose answer takes its time.
pub(super) fn unary_later<Q, A, F>(
    request: http::Request<Body>,
    mut answer: impl FnMut(Q) -> F + Send + 'static,
) -> Answered
where
    Q: Message + Default + 'static,
    A: Message + 'static,
    F: Future<Output = Result<A, Status>> + Send + 'static,
{
    let mut service = move |request: Request<Q>| answer(request.into_inner()).map_ok(Response::new);
    async move {
        let mut grpc = Grpc::new(ProstCodec::<A, Q>::default());
        Ok(grpc.unary(service_fn(&mut service), request).await)
    }
    .boxed()
}

pub(super) fn server_streaming<Q, A, S>(
    request: http::Request<Body>,
    mut answer: impl FnMut(Q) -> S + Send + 'static,
) -> Answered
where
    Q: Message + Default + 'static,
    A: Message + 'static,
    S: Stream<Item = Result<A, Status>> + Send + 'static,
{
    let mut service =
        move |request: Request<Q>| ready(Ok::<_, Status>(Response::new(answer(request.into_inner()))));
    async move {
        let mut grpc = Grpc::new(ProstCodec::<A, Q>::default());
        Ok(grpc.server_streaming(service_fn(&mut service), request).await)
    }
    .boxed()
}

/// Each request is answered by one response, in order.
pub(super) fn streaming<Q, A>(
    request: http::Request<Body>,
    mut answer: impl FnMut(Q) -> A + Clone + Send + 'static,
) -> Answered
where
    Q: Message + Default + 'static,
    A: Message + 'static,
{
    streaming_later(request, move |request| ready(Ok(answer(request))))
}

/// The same, where answers take their time.
pub(super) fn streaming_later<Q, A, F>(
    request: http::Request<Body>,
    answer: impl FnMut(Q) -> F + Clone + Send + 'static,
) -> Answered
where
    Q: Message + Default + 'static,
    A: Message + 'static,
    F: Future<Output = Result<A, Status>> + Send + 'static,
{
    let mut service = move |request: Request<Streaming<Q>>| {
        let answers = request.into_inner().and_then(answer.clone());
        ready(Ok::<_, Status>(Response::new(answers)))
    };
    async move {
        let mut grpc = Grpc::new(ProstCodec::<A, Q>::default());
        Ok(grpc.streaming(service_fn(&mut service), request).await)
    }
    .boxed()
}
