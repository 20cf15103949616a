//! Whether the client of a call has closed its side of the connection: it may be gone, or have said all that it will.

use http::Extensions;
use std::{future::pending, sync::Arc};
use tokio_util::sync::CancellationToken;

/// Told once, to all calls of a connection. Its default is never told: where one side cannot be closed alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct HungUp(Option<Arc<CancellationToken>>);

impl HungUp {
    /// To be told.
    pub(crate) fn new() -> Self {
        Self(Some(Arc::default()))
    }

    /// That of a request.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }

    pub(crate) fn tell(&self) {
        self.0.iter().for_each(|token| token.cancel());
    }

    pub(crate) fn is_told(&self) -> bool {
        self.0.as_ref().is_some_and(|token| token.is_cancelled())
    }

    /// Waits until it is told.
    pub(crate) async fn told(&self) {
        match &self.0 {
            Some(token) => token.cancelled().await,
            None => pending().await,
        }
    }
}
