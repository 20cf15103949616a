//! How a client reaches its server.

use super::{Backoff, Client, Error, Result, policy::Policy, session};
use crate::v1::dispatcher_service_client::DispatcherServiceClient;
use std::{sync::Arc, time::Duration};
use tonic::transport::Endpoint;

/// HTTP/2 lets so much of one stream be under way; the default of 64 KiB starves a fast one.
const STREAM_WINDOW: u32 = 1 << 20;
/// And so much of a connection, that one slow stream does not stop the others.
const CONNECTION_WINDOW: u32 = 8 << 20;
/// The largest response that a request may ask for (`max_response_bytes`).
const MAX_RESPONSE: usize = 64 << 20;

/// Settings of a [`Client`], from [`Client::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    endpoint: String,
    connect_timeout: Duration,
    keep_alive: Duration,
    policy: Policy,
    session: Arc<str>,
}

impl Builder {
    pub(super) fn new(endpoint: String) -> Self {
        Self {
            endpoint,
            connect_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(20),
            policy: Policy::default(),
            session: session::of_this_process().into(),
        }
    }

    /// How long a connection may take to be made. Default 5 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long one attempt of a call may take, and the opening of a stream; after that it is
    /// DEADLINE_EXCEEDED. A pull has the time that it waits on top. Default 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.policy.timeout = timeout;
        self
    }

    /// How long to repeat a call that may be repeated while the server is UNAVAILABLE: reads, and what
    /// comes to the same done twice; the rest only where no connection could be made. Zero: never.
    /// Default 10 s.
    pub fn repeat_for(mut self, time: Duration) -> Self {
        self.policy.repeat_for = time;
        self
    }

    /// How long to wait between attempts, of calls and of streams that reconnect.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.policy.backoff = backoff;
        self
    }

    /// How often the connection is tested by a ping, idle or not; a ping unanswered for 10 s ends it.
    /// Default 20 s.
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.keep_alive = interval;
        self
    }

    /// Names the process to the server, so that two which reconnect by themselves do not fight for a
    /// listener. At most 128 bytes of `[A-Za-z0-9._:-]`; empty: no name. Default: a UUIDv4, one for all
    /// clients of a process.
    pub fn session(mut self, session: impl Into<Arc<str>>) -> Self {
        self.session = session.into();
        self
    }

    /// The client. It connects with its first call, and again whenever the connection was lost.
    ///
    /// # Errors
    /// [`Error::Endpoint`] where the endpoint is not `http://HOST:PORT`.
    ///
    /// # Panics
    /// Outside of a Tokio runtime: the connection lives on it.
    pub fn connect(self) -> Result<Client> {
        let channel = self.transport()?.connect_lazy();
        let service = DispatcherServiceClient::new(channel).max_decoding_message_size(MAX_RESPONSE);
        Ok(Client {
            service,
            policy: Arc::new(self.policy),
            endpoint: self.endpoint.into(),
            session: self.session,
            acknowledger: Arc::default(),
            series: Arc::default(),
        })
    }

    fn transport(&self) -> Result<Endpoint> {
        let endpoint = Endpoint::from_shared(self.endpoint.clone()).map_err(|error| self.refused(&error))?;
        // without TLS in this release, https would be spoken to in clear
        if endpoint.uri().scheme_str() != Some("http") {
            return Err(self.refused(&"only http:// is served"));
        }
        let endpoint = endpoint.user_agent(USER_AGENT).map_err(|error| self.refused(&error))?;
        Ok(endpoint
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keep_alive_interval(self.keep_alive)
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(true))
    }

    fn refused(&self, cause: &dyn std::fmt::Display) -> Error {
        Error::Endpoint { endpoint: self.endpoint.clone(), cause: cause.to_string() }
    }
}

const USER_AGENT: &str = concat!("eric-rust/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_endpoint_is_an_http_address() {
        assert!(Client::connect("http://127.0.0.1:50051").is_ok());
        for endpoint in ["", "127.0.0.1:50051", "https://127.0.0.1:50051", "http://", "no uri"] {
            assert!(matches!(Client::connect(endpoint), Err(Error::Endpoint { .. })), "{endpoint}");
        }
    }
}
