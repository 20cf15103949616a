//! The console: a page for people, over the verbs and streams that everybody has.
//!
//! Its files are part of the program, and are served as they stand in `console/`: there is nothing to build, and nothing is
//! fetched from elsewhere.
//! Sources: RFC 9110 sections 8.8.3 and 13.1.2 (`ETag`, `If-None-Match`), <https://www.w3.org/TR/CSP3/>, <https://w3c.github.io/trusted-types/dist/spec/>.

use axum::{Router, body::Body, response::Response, routing::get};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use siphasher::sip128::{Hasher128 as _, SipHasher13};
use std::hash::Hasher as _;

/// The page takes nothing from elsewhere, runs nothing that stands in it, makes no HTML of text, and stands in no page of
/// elsewhere: what strangers send is shown there.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
);
/// It is asked for each time, and answered in a word where it is the same: a newer server has a newer page.
const ASK_EACH_TIME: HeaderValue = HeaderValue::from_static("no-cache");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A file of the console.
struct File {
    path: &'static str,
    media_type: &'static str,
    content: &'static [u8],
}

macro_rules! files {
    ($($path:literal $media_type:literal $name:literal)*) => {
        [$(File {
            path: $path,
            media_type: $media_type,
            content: include_bytes!(concat!("console/", $name)),
        }),*]
    };
}

#[rustfmt::skip]
static FILES: &[File] = &files! {
    "/"                            "text/html; charset=utf-8"       "index.html"
    "/console/backlog.js"          "text/javascript; charset=utf-8" "backlog.js"
    "/console/channel-settings.js" "text/javascript; charset=utf-8" "channel-settings.js"
    "/console/channel.js"          "text/javascript; charset=utf-8" "channel.js"
    "/console/channels.js"         "text/javascript; charset=utf-8" "channels.js"
    "/console/console.css"         "text/css; charset=utf-8"        "console.css"
    "/console/dialogs.js"          "text/javascript; charset=utf-8" "dialogs.js"
    "/console/dom.js"              "text/javascript; charset=utf-8" "dom.js"
    "/console/events.js"           "text/javascript; charset=utf-8" "events.js"
    "/console/forms.js"            "text/javascript; charset=utf-8" "forms.js"
    "/console/icon.svg"            "image/svg+xml"                  "icon.svg"
    "/console/listener.js"         "text/javascript; charset=utf-8" "listener.js"
    "/console/listeners.js"        "text/javascript; charset=utf-8" "listeners.js"
    "/console/main.js"             "text/javascript; charset=utf-8" "main.js"
    "/console/message.js"          "text/javascript; charset=utf-8" "message.js"
    "/console/pager.js"            "text/javascript; charset=utf-8" "pager.js"
    "/console/panel.js"            "text/javascript; charset=utf-8" "panel.js"
    "/console/poll.js"             "text/javascript; charset=utf-8" "poll.js"
    "/console/rates.js"            "text/javascript; charset=utf-8" "rates.js"
    "/console/receive.js"          "text/javascript; charset=utf-8" "receive.js"
    "/console/send.js"             "text/javascript; charset=utf-8" "send.js"
    "/console/server.js"           "text/javascript; charset=utf-8" "server.js"
    "/console/tail.js"             "text/javascript; charset=utf-8" "tail.js"
    "/console/verbs.js"            "text/javascript; charset=utf-8" "verbs.js"
    "/console/words.js"            "text/javascript; charset=utf-8" "words.js"
};

/// The console at its place. It stands outside of what keeps pages of elsewhere out: a link may lead here, and nothing is
/// done for who comes.
pub(super) fn routes() -> Router {
    FILES.iter().fold(Router::new(), |router, file| {
        let tag = file.tag();
        let serve = move |headers: HeaderMap| async move { file.answer(&tag, &headers) };
        router.route(file.path, get(serve).fallback(super::not_allowed))
    })
}

impl File {
    /// The same for the same content, in whichever program it stands.
    fn tag(&self) -> HeaderValue {
        let mut hasher = SipHasher13::new();
        hasher.write(self.content);
        let hash = hasher.finish128().as_u128();
        HeaderValue::try_from(format!("\"{hash:032x}\"")).expect("digits are a header's text")
    }

    fn answer(&self, tag: &HeaderValue, asked: &HeaderMap) -> Response {
        let mut response = if is_known(asked, tag) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            let mut response = Response::new(Body::from(Bytes::from_static(self.content)));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
            response
        };
        let headers = response.headers_mut();
        headers.insert(ETAG, tag.clone());
        headers.insert(CACHE_CONTROL, ASK_EACH_TIME);
        headers.insert(CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
        response
    }
}

/// Whether who asks has what is here; a proxy may have made a tag weak on its way.
fn is_known(asked: &HeaderMap, tag: &HeaderValue) -> bool {
    let tags = asked.get_all(IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    tags.flat_map(|tags| tags.split(',')).any(|known| known.trim().trim_start_matches("W/").as_bytes() == tag)
}
