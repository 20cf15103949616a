//! The README's conversation, word for word: only the program's path and the server's address are those of the test.

use crate::support::{TestServer, within};
use std::process::{Output, Stdio};
use tokio::process::Command;

const README: &str = include_str!("../../README.md");

/// The shell block of the first conversation that holds these words.
fn conversation(words: &str) -> String {
    block("A first conversation", words)
}

/// The same of any section.
fn block(section: &str, words: &str) -> String {
    let section = README.split(&format!("\n## {section}\n")).nth(1).expect("the README has the section");
    let section = section.split("\n## ").next().expect("a section has a text");
    let blocks = section.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    let found = blocks.filter(|block| block.contains(words)).collect::<Vec<_>>();
    assert_eq!(found.len(), 1, "{words}");
    found[0].to_owned()
}

/// What the later blocks take from the first.
fn alias() -> String {
    let first = conversation("alias eric=");
    first.lines().find(|line| line.starts_with("alias eric=")).expect("it has one").to_owned() + "\n"
}

async fn said(script: &str, server: &TestServer) -> Output {
    let grpcurl = std::env::var("ERIC_GRPCURL").unwrap_or_default();
    let script = script
        .replace("target/release/eric", env!("CARGO_BIN_EXE_eric"))
        .replace("$(scripts/tool grpcurl)", &grpcurl)
        .replace("127.0.0.1:50051", &server.address().to_string())
        .replace("127.0.0.1:8080", &server.http().to_string());
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("shopt -s expand_aliases\n{script}")]).env("ERIC_SERVER", server.url());
    shell.stdin(Stdio::null()).kill_on_drop(true);
    within(shell.output()).await.expect("there is a bash")
}

#[tokio::test]
async fn the_conversation_with_the_command_line_works_as_it_is_written() {
    let server = TestServer::start();
    let output = said(&conversation("eric channel create prices"), &server).await;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert!(printed.contains("12.5") && printed.contains("only for you"), "{printed}");
}

#[tokio::test]
async fn what_operators_do_with_rejected_messages_works_as_it_is_written() {
    let server = TestServer::start();
    let output = said(&(alias() + &conversation("eric requeue jobs")), &server).await;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert!(
        printed.contains("final rejection, no such commit") && printed.contains("accepted "),
        "{printed}"
    );
}

#[tokio::test]
async fn the_conversation_with_grpcurl_works_as_it_is_written() {
    if std::env::var_os("ERIC_GRPCURL").is_none() {
        eprintln!("ERIC_GRPCURL names no grpcurl: nothing was tested (`make test` installs it)");
        return;
    }
    let server = TestServer::start();
    let output = said(&conversation("alias grpcurl="), &server).await;
    let (printed, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("\"pieces\": 3"), "{printed}\n{told}");
    assert!(told.contains("CHANNEL_NOT_FOUND"), "{told}");
}

#[tokio::test]
async fn the_conversation_with_curl_works_as_it_is_written() {
    let server = TestServer::start();
    // the stream that is watched behind the conversation ends with the shell
    let script = "trap 'kill %1' EXIT\n".to_owned()
        + &block("From a browser, or with curl", "curl -sSN")
        + "\nsleep 1\n";
    let output = said(&script, &server).await;
    let (printed, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    for said in ["event: quote\ndata: {\"eur\": 12.5}\n", "\"value\":\"only for you\"", "CHANNEL_NOT_FOUND"] {
        assert!(printed.contains(said), "{said} in {printed}\n{told}");
    }
}
