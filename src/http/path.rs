//! What of a request stands in its path.

use super::problem::Problem;
use axum::{
    extract::{FromRequestParts, RawPathParams},
    response::Response,
};
use http::request::Parts;
use std::ops::Deref;

/// The fields of a request that stand in its path, decoded.
pub(super) struct Path(RawPathParams);

impl<S: Send + Sync> FromRequestParts<S> for Path {
    type Rejection = Response;

    /// What is no text is refused as everything else is here.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let read = RawPathParams::from_request_parts(parts, state).await;
        read.map(Self).map_err(|fault| Problem::parameter(fault.body_text()).into_response())
    }
}

impl Deref for Path {
    type Target = RawPathParams;

    fn deref(&self) -> &RawPathParams {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{
        Router,
        body::{Body, to_bytes},
        extract::Request,
        routing::get,
    };
    use tower::Service as _;

    #[tokio::test]
    async fn what_is_no_text_is_refused_as_everything_else_is() {
        let mut router: Router = Router::new().route("/{channel}", get(|_: Path| async {}));
        for (path, status) in [("/a", 200), ("/%C3%A9", 200), ("/%ff", 400)] {
            let request = Request::builder().uri(path).body(Body::empty()).expect("it is a request");
            let answer = router.call(request).await.unwrap_or_else(|never| match never {});
            assert_eq!(answer.status(), status, "{path}");
            if status == 400 {
                let told = to_bytes(answer.into_body(), usize::MAX).await.expect("it is whole");
                let told: serde_json::Value = serde_json::from_slice(&told).expect("it is JSON");
                assert_eq!(told["reason"], "INVALID_PARAMETER");
                assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("channel")), "{told}");
            }
        }
    }
}
