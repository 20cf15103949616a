//! The console is served at the root of the HTTP door, as a page that nothing of elsewhere gets into.

use crate::support::{TestServer, http::Http};
use std::collections::BTreeSet;

struct Fetched {
    media_type: String,
    text: String,
    tag: String,
}

async fn fetch(http: &mut Http, path: &str) -> Fetched {
    http.ask("GET", path, "", b"").await;
    let answer = http.answer().await;
    assert_eq!(answer.status, 200, "{path}");
    assert_eq!(answer.header("cache-control"), "no-cache");
    let policy = answer.header("content-security-policy");
    for rule in ["default-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"] {
        assert!(policy.split("; ").any(|other| other == rule), "{policy}");
    }
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    Fetched {
        media_type: answer.header("content-type").to_owned(),
        tag: answer.header("etag").to_owned(),
        text: String::from_utf8(answer.body).expect("it is text"),
    }
}

/// What a file of the console asks for: files beside it, and nothing else.
fn asked_for(text: &str) -> BTreeSet<String> {
    let in_page = text.split(['"', '\'']).filter_map(|part| part.strip_prefix("console/"));
    let in_modules = text.lines().filter_map(|line| line.split_once(" from \"./")?.1.strip_suffix("\";"));
    in_page.chain(in_modules).map(|name| format!("/console/{name}")).collect()
}

#[tokio::test]
async fn the_console_and_whatever_it_asks_for_comes_from_the_server() {
    let server = TestServer::start();
    let mut http = Http::connect(server.http()).await;
    let page = fetch(&mut http, "/").await;
    assert_eq!(page.media_type, "text/html; charset=utf-8");
    let mut waiting: Vec<_> = asked_for(&page.text).into_iter().collect();
    let mut seen = BTreeSet::new();
    while let Some(path) = waiting.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let file = fetch(&mut http, &path).await;
        let expected = match path.rsplit_once('.') {
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => panic!("{path}"),
        };
        assert_eq!(file.media_type, expected, "{path}");
        waiting.extend(asked_for(&file.text));
    }
    assert!(seen.contains("/console/main.js") && seen.contains("/console/words.js"), "{seen:?}");
}

#[tokio::test]
async fn a_browser_that_has_a_file_of_the_console_is_told_that_it_is_the_same() {
    let server = TestServer::start();
    let mut http = Http::connect(server.http()).await;
    for path in ["/", "/console/main.js"] {
        let tag = fetch(&mut http, path).await.tag;
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}")] {
            http.ask("GET", path, &format!("if-none-match: {known}\r\n"), b"").await;
            let head = http.head().await.expect("the server answers");
            assert_eq!((head.status, head.header("etag")), (304, &*tag));
        }
        http.ask("GET", path, "if-none-match: \"other\"\r\n", b"").await;
        assert_eq!(http.answer().await.status, 200);
    }
    let another = TestServer::start();
    let again = fetch(&mut Http::connect(another.http()).await, "/").await.tag;
    assert_eq!(fetch(&mut http, "/").await.tag, again, "another start has the same page");
}

#[tokio::test]
async fn a_link_of_elsewhere_may_lead_to_the_console_and_nothing_can_be_sent_there() {
    let server = TestServer::start();
    let mut http = Http::connect(server.http()).await;
    http.ask("GET", "/", "sec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\n", b"").await;
    assert_eq!(http.answer().await.status, 200);
    for path in ["/", "/console/main.js"] {
        http.call("POST", path, Some(serde_json::json!({}))).await.problem(405, "METHOD_NOT_ALLOWED");
    }
    http.call("GET", "/console/nothing.js", None).await.problem(404, "NO_SUCH_PATH");
    http.call("GET", "/console/../console.rs", None).await.problem(404, "NO_SUCH_PATH");
}
