//! The README's conversation, word for word: only the program's path and the server's address are those of the test.

use crate::support::{
    TestServer,
    directory::{directory, file, over},
    message::message,
    within,
};
use rusqlite::{Connection, OpenFlags};
use std::{
    path::Path,
    process::{Output, Stdio},
};
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

fn opened(dir: &Path) -> Connection {
    Connection::open_with_flags(file(dir), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("it may be read")
}

#[tokio::test]
async fn what_sqlite_is_asked_for_the_messages_works_as_it_is_written() {
    let dir = directory();
    let (_server, wire) = over(dir.path()).await;
    wire.create("c").await;
    wire.register("c", "l").await;
    let one = wire.dispatch("c", "l", message("m")).await.sequence;
    let all = wire.broadcast("c", message("m")).await.sequence;
    let block = block("Durable", "FROM messages");
    let sql = block.split('"').nth(1).expect("it stands in quotes");
    let connection = opened(dir.path());
    let mut query = connection.prepare(sql).expect("it is SQL");
    let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let rows: Vec<(i64, String, Option<String>)> =
        query.query_map([], row).and_then(Iterator::collect).expect("the view is there");
    assert_eq!(rows, [(one, "c".to_owned(), Some("l".to_owned())), (all, "c".to_owned(), None)]);
}

#[tokio::test]
async fn the_tables_of_a_directory_are_those_that_the_readme_names() {
    let dir = directory();
    let (_server, _wire) = over(dir.path()).await;
    let table = README.split("| table | a row |\n| --- | --- |\n").nth(1).expect("it has the table");
    let rows = table.lines().map_while(|line| line.strip_prefix("| ")?.split(" | ").next());
    let mut named: Vec<_> = rows.flat_map(|names| names.split(", ").map(|it| it.trim_matches('`'))).collect();
    named.sort_unstable();
    let connection = opened(dir.path());
    let sql = "SELECT name FROM sqlite_schema ORDER BY name";
    let mut query = connection.prepare(sql).expect("it is SQL");
    let names = query.query_map([], |row| row.get(0)).and_then(Iterator::collect::<Result<Vec<String>, _>>);
    assert_eq!(names.expect("they can be read"), named);
}
