//! The three kinds of call, served with tonic and prost as generated code serves them.

use futures_util::{FutureExt as _, Stream, StreamExt as _, future::BoxFuture};
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
    let mut service =
        move |request: Request<Q>| ready(Ok::<_, Status>(Response::new(answer(request.into_inner()))));
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
    answer: impl FnMut(Q) -> A + Clone + Send + 'static,
) -> Answered
where
    Q: Message + Default + 'static,
    A: Message + 'static,
{
    let mut service = move |request: Request<Streaming<Q>>| {
        let mut answer = answer.clone();
        let answers = request.into_inner().map(move |request| request.map(&mut answer));
        ready(Ok::<_, Status>(Response::new(answers)))
    };
    async move {
        let mut grpc = Grpc::new(ProstCodec::<A, Q>::default());
        Ok(grpc.streaming(service_fn(&mut service), request).await)
    }
    .boxed()
}
