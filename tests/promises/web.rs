//! Browsers speak gRPC-Web over HTTP/1.1, at the HTTP door; whoever wants it is answered in gzip or zstd.

use crate::support::{
    Refused, TestServer,
    http1::Http1,
    listener,
    message::{message, numbered, numbers, sized},
    wire::{dispatch, publication, receipt, subscription},
    within,
};
use eric::v1::{
    BroadcastRequest, BroadcastResponse, GetServerRequest, GetServerResponse, ListListenersRequest,
    ListenRequest, PublishBatchRequest, PublishBatchResponse, PullRequest, PullResponse, WatchRequest,
    WatchResponse, WatchSubscription,
};
use tonic::{Code, codec::CompressionEncoding};

#[tokio::test]
async fn a_unary_call_is_answered_over_http_1() {
    let (server, wire) = listener().await;
    let mut browser = Http1::connect(server.http()).await;
    // on one connection, one after the other
    for _ in 0..3 {
        let (status, headers) = browser.post("GetServer", &GetServerRequest {}).await;
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        assert!(headers.iter().any(|header| header.starts_with("content-type: application/grpc-web")));
        let answer: GetServerResponse = browser.frame().await.unwrap().message();
        assert_eq!(answer.incarnation, wire.server().await.incarnation);
        assert!(browser.frame().await.unwrap().trailers().contains("grpc-status:0"));
        assert!(browser.frame().await.is_none());
    }
    let request = BroadcastRequest { channel: "c".into(), message: Some(numbered(1)) };
    browser.post("Broadcast", &request).await;
    let answer: BroadcastResponse = browser.frame().await.unwrap().message();
    assert_eq!(answer.receipt.unwrap().receivers, Some(1));
    assert_eq!(numbers(&wire.listen("c", "l").await.take(1).await), [1]);
}

#[tokio::test]
async fn a_batch_of_a_browser_is_a_unary_call() {
    let (server, _wire) = listener().await;
    let mut browser = Http1::connect(server.http()).await;
    let publications = vec![publication("c", "l", numbered(1)), publication("c", "no", numbered(2))];
    browser.post("PublishBatch", &PublishBatchRequest { publications, stop_at_error: false }).await;
    let answer: PublishBatchResponse = browser.frame().await.unwrap().message();
    receipt(&answer.results[0]);
    crate::support::wire::error(&answer.results[1]).is(Code::NotFound, "LISTENER_NOT_FOUND", &[]);
}

fn watch() -> WatchRequest {
    let from = WatchSubscription { channel: "c".into(), ..Default::default() };
    WatchRequest { subscriptions: vec![from], ..Default::default() }
}

#[tokio::test]
async fn a_watch_streams_over_http_1() {
    let (server, wire) = listener().await;
    let mut browser = Http1::connect(server.http()).await;
    let (status, _) = browser.post("Watch", &watch()).await;
    assert!(status.starts_with("HTTP/1.1 200"), "{status}");
    let opened: WatchResponse = browser.frame().await.unwrap().message();
    assert!(opened.opened.is_some() && opened.started.len() == 1);
    for n in 0..5 {
        wire.broadcast("c", numbered(n)).await;
        let part: WatchResponse = browser.frame().await.unwrap().message();
        assert_eq!(numbers(&part.batches[0].deliveries), [n]);
    }
    wire.remove_channel("c").await;
    let trailers = browser.frame().await.unwrap().trailers();
    assert!(
        trailers.contains("grpc-status:5") && trailers.contains("grpc-status-details-bin:"),
        "{trailers}"
    );
}

#[tokio::test]
async fn a_request_without_an_end_is_refused() {
    let server = TestServer::with(|config| {
        config.max_payload_bytes = 1000;
        config.max_batch_bytes = 2000;
    });
    let wire = server.listener().await;
    use tokio::io::AsyncWriteExt as _;
    let mut stream = tokio::net::TcpStream::connect(server.http()).await.unwrap();
    let head = "POST /eric.v1.DispatcherService/GetServer HTTP/1.1\r\nhost: localhost\r\n\
                content-type: application/grpc-web+proto\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // one empty message after the other
    let chunk = [b"10004\r\n".as_slice(), &[0; 0x10004], b"\r\n"].concat();
    let mut said = 0;
    while within(stream.write_all(&chunk)).await.is_ok() {
        said += 1;
        assert!(said < 2_000, "the server reads for ever");
    }
    wire.still_answers().await;
}

#[tokio::test]
async fn a_browser_that_goes_away_leaves_its_stream() {
    let (server, wire) = listener().await;
    let mut browser = Http1::connect(server.http()).await;
    browser.post("Watch", &watch()).await;
    browser.frame().await.unwrap();
    assert_eq!(wire.server().await.streams, 1);
    browser.hang_up().await;
    crate::support::until(async || wire.server().await.streams == 0).await;
    // nor does a Pull wait on
    let mut browser = Http1::connect(server.http()).await;
    let wait = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let pull = PullRequest { channel: "c".into(), listener: "l".into(), wait, ..Default::default() };
    browser.send("Pull", &pull).await;
    browser.hang_up().await;
    browser.read_head().await;
    let told: PullResponse = browser.frame().await.unwrap().message();
    assert!(told.batch.unwrap().deliveries.is_empty());
}

#[tokio::test]
async fn a_listen_streams_over_http_1_and_ends_with_the_server() {
    let (server, wire) = listener().await;
    let mut browser = Http1::connect(server.http()).await;
    let request = ListenRequest { subscriptions: vec![subscription("c", "l", "")], max_response_bytes: 0 };
    browser.post("Listen", &request).await;
    browser.frame().await.unwrap();
    wire.dispatch("c", "l", numbered(1)).await;
    browser.frame().await.unwrap();
    server.stop();
    let going: eric::v1::ListenResponse = browser.frame().await.unwrap().message();
    assert!(going.going_away.is_some());
    assert!(browser.frame().await.unwrap().trailers().contains("grpc-status:14"));
    assert!(browser.frame().await.is_none());
    assert!(browser.closed().await);
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn a_refusal_comes_through_with_its_details() {
    let (server, _wire) = listener().await;
    let mut browser = Http1::connect(server.http()).await;
    let mut request = watch();
    request.subscriptions[0].channel = "no".into();
    let (_, headers) = browser.post("Watch", &request).await;
    let mut told = headers.join("\n");
    if let Some(frame) = browser.frame().await {
        told.push_str(&frame.trailers());
    }
    assert!(told.contains("grpc-status: 5") || told.contains("grpc-status:5"), "{told}");
    assert!(told.contains("grpc-status-details-bin"), "{told}");
}

#[tokio::test]
async fn a_browser_that_keeps_its_connection_open_holds_no_shutdown_up() {
    let (server, _wire) = listener().await;
    let mut browser = Http1::connect(server.http()).await;
    browser.post("GetServer", &GetServerRequest {}).await;
    while browser.frame().await.is_some() {}
    server.stop();
    assert!(browser.closed().await);
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn what_is_no_grpc_is_refused_and_harms_nothing() {
    let (server, wire) = listener().await;
    for request in [
        "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        "GET /eric.v1.DispatcherService/Watch HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        "POST /eric.v1.DispatcherService/Watch HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}",
        "POST /eric.v1.DispatcherService/Nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/grpc-web\r\ncontent-length: 0\r\n\r\n",
        "\u{1}\u{2}\u{3}\r\n\r\n",
    ] {
        let mut browser = Http1::connect(server.http()).await;
        browser.say(request.as_bytes()).await;
        while !browser.closed().await {}
    }
    wire.still_answers().await;
}

#[tokio::test]
async fn requests_and_answers_may_be_compressed() {
    let (_server, wire) = listener().await;
    for n in 0..200 {
        wire.register("c", &format!("a-listener-with-a-long-name-{n}")).await;
    }
    for (encoding, name) in [(CompressionEncoding::Gzip, "gzip"), (CompressionEncoding::Zstd, "zstd")] {
        let mut call = wire.call().send_compressed(encoding).accept_compressed(encoding);
        let answer = within(call.dispatch(dispatch("c", "l", sized(100_000)))).await.unwrap();
        assert!(answer.into_inner().receipt.is_some());
        let request =
            ListListenersRequest { channel: "c".into(), page_size: 1000, page_token: String::new() };
        let answer = within(call.list_listeners(request)).await.unwrap();
        assert_eq!(answer.metadata().get("grpc-encoding").unwrap(), name);
        assert_eq!(answer.into_inner().listeners.len(), 201);
        // streams take compressed requests, and answer plainly
        let stream = within(call.watch(watch())).await.unwrap();
        assert!(stream.metadata().get("grpc-encoding").is_none_or(|encoding| encoding == "identity"));
        let mut stream = stream.into_inner();
        within(stream.message()).await.unwrap().unwrap();
        wire.broadcast("c", message("t")).await;
        let part = within(stream.message()).await.unwrap().unwrap();
        assert_eq!(part.batches[0].deliveries.len(), 1);
    }
}

#[tokio::test]
async fn what_unpacks_to_more_than_a_request_may_be_is_refused() {
    let server = TestServer::with(|config| {
        config.max_batch_bytes = 10_000;
        config.max_payload_bytes = 5_000;
    });
    let wire = server.listener().await;
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
        let mut call = wire.call().send_compressed(encoding);
        let status = within(call.dispatch(dispatch("c", "l", sized(8 << 20)))).await.unwrap_err();
        Refused::of(&status).is(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", &["request"]);
    }
    wire.still_answers().await;
}
