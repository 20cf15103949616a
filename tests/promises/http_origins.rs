//! Pages of other origins may use the server where its operator has named them, and do nothing where he has not.

use crate::support::{
    TestServer,
    http::{Answer, Http},
    listener,
    message::numbered,
    within,
};

const PURGE: &str = "/v1/channels/c/listeners/l/purge";
const LISTEN: &str = "/v1/channels/c/listeners/l/events";

async fn ask(server: &TestServer, method: &str, path: &str, headers: &str) -> Answer {
    let mut http = Http::connect(server.http()).await;
    http.ask(method, path, headers, b"").await;
    let mut head = http.head().await.expect("the server answers");
    if let Some(length) = head.headers.get("content-length") {
        head.body = http.exactly(length.parse().expect("it is a number")).await;
    }
    head
}

#[tokio::test]
async fn without_a_setting_no_page_of_elsewhere_does_anything() {
    let (server, wire) = listener().await;
    wire.dispatch("c", "l", numbered(1)).await;
    for headers in [
        "origin: https://evil.example\r\n",
        "origin: null\r\n",
        "origin: http://localhost:8080\r\n",
        "sec-fetch-site: cross-site\r\n",
        // another port of the same machine
        "sec-fetch-site: same-site\r\n",
        "sec-fetch-site: new-word\r\n",
    ] {
        for (method, path) in [("POST", PURGE), ("GET", LISTEN), ("GET", "/v1/channels")] {
            let answer = ask(&server, method, path, headers).await;
            assert!(!answer.headers.contains_key("access-control-allow-origin"), "{answer:?}");
            answer.problem(403, "ORIGIN_NOT_ALLOWED");
        }
    }
    let listener = wire.listener("c", "l").await;
    assert_eq!((listener.backlog_messages, listener.running), (1, false));
    let preflight = "origin: https://evil.example\r\naccess-control-request-method: POST\r\n";
    ask(&server, "OPTIONS", PURGE, preflight).await.problem(403, "ORIGIN_NOT_ALLOWED");
}

#[tokio::test]
async fn pages_of_the_server_itself_and_what_is_no_page_are_served() {
    let (server, _wire) = listener().await;
    for headers in [
        "",
        "origin: http://localhost\r\n",
        "origin: https://Localhost\r\n",
        "sec-fetch-site: same-origin\r\n",
        "sec-fetch-site: none\r\n",
    ] {
        let answer = ask(&server, "GET", "/v1/channels", headers).await;
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
        answer.done();
    }
}

#[tokio::test]
async fn a_named_origin_is_told_that_it_may() {
    let server = TestServer::with(|config| {
        config.cors_origin = vec!["https://app.example".to_owned(), "http://localhost:3000".to_owned()];
    });
    let _wire = server.listener().await;
    let preflight = "origin: https://app.example\r\naccess-control-request-method: POST\r\n\
                     access-control-request-headers: content-type,last-event-id,x-grpc-web\r\n";
    let answer = ask(&server, "OPTIONS", "/v1/channels/c/broadcast", preflight).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), "https://app.example");
    assert_eq!(answer.header("access-control-allow-headers"), "content-type,last-event-id,x-grpc-web");
    for method in ["GET", "POST", "PATCH", "DELETE"] {
        assert!(answer.header("access-control-allow-methods").contains(method));
    }
    assert_eq!((answer.header("vary"), answer.header("access-control-max-age")), ("origin", "7200"));
    for (path, status) in
        [("/v1/channels", 200), ("/v1/channels/no", 404), ("/v1/channels/c/events", 200), (LISTEN, 200)]
    {
        let answer =
            ask(&server, "GET", path, "origin: http://localhost:3000\r\nsec-fetch-site: cross-site\r\n")
                .await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), "http://localhost:3000");
        assert!(answer.header("access-control-expose-headers").contains("grpc-status"));
    }
    ask(&server, "GET", "/v1/channels", "origin: https://other.example\r\n")
        .await
        .problem(403, "ORIGIN_NOT_ALLOWED");
    // the preflight of gRPC-Web
    let grpc = ask(&server, "OPTIONS", "/eric.v1.DispatcherService/Watch", preflight).await;
    assert_eq!(grpc.status, 204);
}

#[tokio::test]
async fn a_star_lets_every_page_in() {
    let server = TestServer::with(|config| config.cors_origin = vec!["*".to_owned()]);
    for origin in ["https://any.example", "null"] {
        let answer = ask(&server, "GET", "/v1/channels", &format!("origin: {origin}\r\n")).await;
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        answer.done();
    }
}

#[tokio::test]
async fn a_name_that_leads_here_makes_no_page_one_of_this_machine() {
    let (server, _wire) = listener().await;
    for (host, headers, status) in [
        ("evil.example", "origin: http://evil.example\r\n", 403),
        ("evil.example:8080", "sec-fetch-site: same-origin\r\n", 403),
        // a browser says no more of a page that it takes for the server's own
        ("evil.example:8080", "", 403),
        ("localhost.evil.example", "", 403),
        ("\u{e9}", "", 403),
        ("", "", 403),
        ("localhost\r\nhost: evil.example", "", 403),
        ("127.0.0.1:8080", "origin: http://127.0.0.1:8080\r\n", 200),
        ("[::1]:8080", "sec-fetch-site: same-origin\r\n", 200),
        ("eric.localhost:8080", "", 200),
    ] {
        for path in ["/v1/channels", "/openapi.json", LISTEN] {
            let mut http = Http::connect(server.http()).await;
            http.say(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n").as_bytes()).await;
            let answer = http.head().await.expect("the server answers");
            assert_eq!(answer.status, status, "{path} {host} {headers}");
        }
    }
    let mut http = Http::connect(server.http()).await;
    http.say(b"GET http://evil.example/v1/channels HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    http.answer().await.problem(403, "ORIGIN_NOT_ALLOWED");
    // who names none is no browser
    let mut old = Http::connect(server.http()).await;
    old.say(b"GET /v1/channels HTTP/1.0\r\n\r\n").await;
    old.answer().await.done();
}

#[tokio::test]
async fn by_http_2_a_name_that_leads_here_is_refused_as_well() {
    let (server, _wire) = listener().await;
    let tcp = tokio::net::TcpStream::connect(server.http()).await.unwrap();
    let (client, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    for (authority, status) in [("evil.example", 403), ("localhost:8080", 200)] {
        let request = http::Request::get(format!("http://{authority}/v1/channels")).body(()).unwrap();
        let (answer, _) = client.clone().ready().await.unwrap().send_request(request, true).unwrap();
        assert_eq!(within(answer).await.unwrap().status(), status, "{authority}");
    }
}

#[tokio::test]
async fn a_proxy_here_may_pass_on_the_name_of_an_origin_that_is_named() {
    let server = TestServer::with(|config| config.cors_origin = vec!["https://app.example:444".to_owned()]);
    for (host, headers, status) in [
        ("app.example:444", "sec-fetch-site: same-origin\r\n", 200),
        ("App.Example", "", 200),
        ("app.example", "origin: https://app.example:444\r\n", 200),
        ("evil.example", "origin: https://app.example:444\r\n", 403),
        ("evil.example", "", 403),
    ] {
        let mut http = Http::connect(server.http()).await;
        http.say(format!("GET /v1/channels HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n").as_bytes()).await;
        assert_eq!(http.answer().await.status, status, "{host} {headers}");
    }
    let all = TestServer::with(|config| config.cors_origin = vec!["*".to_owned()]);
    let mut http = Http::connect(all.http()).await;
    http.say(b"GET /v1/channels HTTP/1.1\r\nhost: any.example\r\n\r\n").await;
    http.answer().await.done();
}

#[tokio::test]
async fn a_door_that_others_reach_is_known_by_any_name() {
    let server = TestServer::with(|config| config.http = Some(([0, 0, 0, 0], 0).into()));
    let mut http = Http::connect(([127, 0, 0, 1], server.http().port()).into()).await;
    http.say(b"GET /v1/channels HTTP/1.1\r\nhost: eric.example\r\n\r\n").await;
    http.answer().await.done();
}
