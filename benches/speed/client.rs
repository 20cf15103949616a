//! A gRPC client that costs as little as can be: HTTP/2 frames, bytes ready to send, nothing decoded.

mod subscriber;

pub(crate) use subscriber::Subscriber;

use crate::Outcome;
use bytes::{Bytes, BytesMut};
use h2::{
    RecvStream, SendStream,
    client::{Builder, ResponseFuture, SendRequest},
};
use http::{HeaderMap, Method, Request, header};
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// What the Rust client of tonic-based programs usually sets.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;

/// The verbs that the bench uses, by the last part of their path.
pub(crate) mod verb {
    pub(crate) const CREATE_CHANNEL: &str = "CreateChannel";
    pub(crate) const REGISTER: &str = "Register";
    pub(crate) const DISPATCH: &str = "Dispatch";
    pub(crate) const BROADCAST: &str = "Broadcast";
    pub(crate) const PUBLISH: &str = "Publish";
    pub(crate) const LISTEN: &str = "Listen";
    pub(crate) const WATCH: &str = "Watch";
    pub(crate) const GET_SERVER: &str = "GetServer";
}

/// One HTTP/2 connection.
#[derive(Clone)]
pub(crate) struct Connection {
    requests: SendRequest<Bytes>,
    address: SocketAddr,
}

impl Connection {
    /// Connects; the connection lives as long as the runtime, or until all its handles are gone.
    pub(crate) async fn open(address: SocketAddr) -> Outcome<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let (requests, connection) = Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(socket)
            .await?;
        // an error of the connection is also one of each of its streams, and told there
        tokio::spawn(async { drop(connection.await) });
        Ok(Self { requests, address })
    }

    /// Connects so often.
    pub(crate) async fn open_many(address: SocketAddr, count: usize) -> Outcome<Vec<Self>> {
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(Self::open(address).await?);
        }
        Ok(connections)
    }

    /// A unary call: one frame out, one frame back.
    pub(crate) async fn call(&self, verb: &str, frame: Bytes) -> Outcome<Bytes> {
        let (mut request, response) = self.exchange(verb).await?;
        request.send_data(frame, true)?;
        let (head, mut body) = response.await?.into_parts();
        let mut answer = BytesMut::new();
        while let Some(bytes) = next(&mut body).await? {
            answer.extend_from_slice(&bytes);
        }
        check(&head.headers, body.trailers().await?.as_ref())?;
        Ok(answer.freeze())
    }

    /// A call of which both sides stay open.
    pub(crate) async fn exchange(&self, verb: &str) -> Outcome<(SendStream<Bytes>, ResponseFuture)> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{}/eric.v1.DispatcherService/{verb}", self.address))
            .header(header::TE, "trailers")
            .header(header::CONTENT_TYPE, "application/grpc")
            .body(())?;
        let (response, body) = self.requests.clone().ready().await?.send_request(request, false)?;
        Ok((body, response))
    }
}

/// The next bytes of a response; the server may send as many again.
pub(crate) async fn next(body: &mut RecvStream) -> Outcome<Option<Bytes>> {
    let Some(bytes) = body.data().await.transpose()? else { return Ok(None) };
    body.flow_control().release_capacity(bytes.len())?;
    Ok(Some(bytes))
}

/// Fails if the call failed. A status stands in the trailers, or in the head where nothing else came.
pub(crate) fn check(head: &HeaderMap, trailers: Option<&HeaderMap>) -> Outcome {
    let place = trailers.unwrap_or(head);
    match tonic::Status::from_header_map(place) {
        Some(status) if status.code() != tonic::Code::Ok => Err(status.into()),
        Some(_) | None => Ok(()),
    }
}
