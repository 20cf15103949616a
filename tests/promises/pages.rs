//! Lists come in pages, in the order of creation, each behind the one before.

use crate::support::{TestServer, Wire, refused, within};
use eric::v1::{Channel, ListChannelsRequest, ListListenersRequest};
use tonic::Code;

async fn page(wire: &Wire, page_size: i32, page_token: &str) -> (Vec<Channel>, String) {
    let request = ListChannelsRequest { page_size, page_token: page_token.into() };
    let page = within(wire.call().list_channels(request)).await.expect("the token is good").into_inner();
    (page.channels, page.next_page_token)
}

async fn pages(wire: &Wire, page_size: i32) -> Vec<Vec<String>> {
    let (mut pages, mut token) = (Vec::new(), String::new());
    loop {
        let (channels, next) = page(wire, page_size, &token).await;
        pages.push(channels.into_iter().map(|channel| channel.id).collect());
        if next.is_empty() {
            return pages;
        }
        token = next;
    }
}

#[tokio::test]
async fn channels_come_in_the_order_of_their_creation() {
    let server = TestServer::start();
    let wire = server.wire().await;
    assert_eq!(pages(&wire, 0).await, [Vec::<String>::new()]);
    let ids = ["z", "a", "m", "b", "y"];
    for id in ids {
        wire.create(id).await;
    }
    assert_eq!(pages(&wire, 0).await, [ids]);
    assert_eq!(pages(&wire, 5).await, [ids]);
    assert_eq!(pages(&wire, 2).await, [vec!["z", "a"], vec!["m", "b"], vec!["y"]]);
    assert_eq!(pages(&wire, 1).await.concat(), ids);
}

#[tokio::test]
async fn what_is_removed_or_created_between_two_pages_confuses_nothing() {
    let server = TestServer::start();
    let wire = server.wire().await;
    for id in ["a", "b", "c", "d"] {
        wire.create(id).await;
    }
    let (_, token) = page(&wire, 2, "").await;
    wire.remove_channel("b").await;
    wire.remove_channel("c").await;
    wire.create("b").await;
    let (rest, next) = page(&wire, 10, &token).await;
    assert_eq!(rest.iter().map(|channel| channel.id.as_str()).collect::<Vec<_>>(), ["d", "b"]);
    assert!(next.is_empty());
}

#[tokio::test]
async fn a_page_has_a_hundred_where_nothing_is_said_and_a_thousand_at_most() {
    let server = TestServer::start();
    let wire = server.wire().await;
    wire.create("c").await;
    let mut call = wire.call();
    for n in 0..1001 {
        let request = eric::v1::RegisterRequest {
            channel: "c".into(),
            listener: Some(format!("l{n}")),
            ..Default::default()
        };
        within(call.register(request)).await.unwrap();
    }
    for (asked, given) in [(0, 100), (1000, 1000), (1001, 1000), (i32::MAX, 1000)] {
        let request =
            ListListenersRequest { channel: "c".into(), page_size: asked, page_token: String::new() };
        let page = within(wire.call().list_listeners(request)).await.unwrap().into_inner();
        assert_eq!(page.listeners.len(), given);
        assert!(!page.next_page_token.is_empty());
        assert_eq!(page.listeners[0].id, "l0");
    }
    let all = server.client().listeners("c").all().await.unwrap();
    let expected: Vec<_> = (0..1001).map(|n| format!("l{n}")).collect();
    assert_eq!(all.into_iter().map(|listener| listener.id).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_text_that_is_no_page_token_is_refused() {
    let server = TestServer::start();
    let wire = server.wire().await;
    wire.create("c").await;
    for token in ["x", "p", "pz", "p-1", "p+1", "1", "pffffffffffffffffff", " "] {
        let request = ListChannelsRequest { page_size: 0, page_token: token.into() };
        let refusal = refused(wire.call().list_channels(request)).await;
        refusal.is(Code::InvalidArgument, "INVALID_PAGE_TOKEN", &["page_token"]);
        let request = ListListenersRequest { channel: "c".into(), page_size: 0, page_token: token.into() };
        let refusal = refused(wire.call().list_listeners(request)).await;
        refusal.is(Code::InvalidArgument, "INVALID_PAGE_TOKEN", &["page_token"]);
    }
}

#[tokio::test]
async fn the_sdk_reads_page_after_page() {
    let server = TestServer::start();
    let wire = server.wire().await;
    for n in 0..250 {
        wire.create(&format!("c{n}")).await;
    }
    let channels = server.client().channels().all().await.unwrap();
    assert_eq!(channels.len(), 250);
    assert_eq!(channels[249].id, "c249");
}
