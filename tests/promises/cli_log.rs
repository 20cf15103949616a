//! `eric log`: what operators do with a data directory, whether a server runs on it or not.

use crate::support::{
    TestServer, Wire,
    command::{Served, eric, path, run, told},
    directory::{damage, directory, end, file, over, waiting},
    explicit::through,
    message::{numbered, numbers},
    within,
};
use eric::v1::{ChannelSettings, GapReason, Message};
use serde_json::Value;
use std::{fs, path::Path, process::Stdio};
use tokio::io::AsyncWriteExt as _;

/// What a command says that must end with this code.
async fn ends(code: i32, arguments: &[&str]) -> (String, String) {
    let (exit, out, err) = told(arguments).await;
    assert_eq!(exit, Some(code), "{arguments:?}: {out}{err}");
    (out, err)
}

async fn json(code: i32, arguments: &[&str]) -> Value {
    let (out, err) = ends(code, &[arguments, &["--json"]].concat()).await;
    let text = if out.is_empty() { err } else { out };
    serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// A channel `c` with a listener `l` that has read two of five, and `e` that has acknowledged one of three. The token of `l`.
async fn filled(wire: &Wire) -> String {
    wire.create_with("c", ChannelSettings { max_attempts: Some(7), ..Default::default() }).await;
    wire.register("c", "l").await;
    wire.register_explicit("c", "e").await;
    wire.broadcast_all("c", (0..3).map(numbered)).await;
    wire.dispatch_all("c", "l", (3..5).map(numbered)).await;
    let mut reader = wire.listen("c", "e").await;
    let first = reader.one().await.sequence;
    wire.acknowledge(eric::v1::Acknowledgement { listener: "e".into(), ..through(first) }).await;
    // one by one, so that its token says where it stands
    let request = eric::v1::PullRequest { max_messages: 2, ..crate::support::wire::pull("c", "l") };
    let batch = within(wire.call().pull(request)).await.expect("it is there").into_inner().batch;
    let batch = batch.expect("a pull answers a batch");
    assert_eq!(numbers(&batch.deliveries), [0, 1]);
    batch.resume_token
}

/// So many messages, which fill many pages.
async fn many(wire: &Wire, count: i64) {
    wire.create("c").await;
    wire.register("c", "l").await;
    for from in (0..count).step_by(1_000) {
        let named = |n| Message { id: format!("m-{n}."), ..numbered(n) };
        wire.dispatch_all("c", "l", (from..from + 1_000).map(named)).await;
    }
}

#[tokio::test]
async fn what_is_exported_and_imported_is_served_as_it_was() {
    let (from, to) = (directory(), directory());
    let (server, wire) = over(from.path()).await;
    let token = filled(&wire).await;
    let (before, settings) = (waiting(&wire, &["l", "e"]).await, wire.look_at("c").await.settings);
    assert_eq!([numbers(&before[0]), numbers(&before[1])], [vec![2, 3, 4], vec![1, 2]]);
    drop(wire);
    end(server).await;
    let (lines, to) = (to.path().join("lines"), to.path().join("made/anew"));
    let (_, err) = ends(0, &["log", "export", path(from.path()), "--output", path(&lines)]).await;
    assert!(err.contains("lines written") && !err.contains("could not"), "{err}");
    let (out, _) = ends(0, &["log", "import", path(&to), "--input", path(&lines)]).await;
    assert!(out.contains("lines taken"), "{out}");

    // what is accepted after the copy is another life where the copy goes on
    let (server, wire) = over(from.path()).await;
    wire.broadcast("c", numbered(99)).await;
    let mut reader = wire.listen_from("c", "l", &token).await;
    assert_eq!(numbers(&reader.take(4).await), [2, 3, 4, 99]);
    let later = reader.token.clone();
    drop((reader, wire));
    end(server).await;

    let (_server, wire) = over(&to).await;
    assert_eq!((waiting(&wire, &["l", "e"]).await, wire.look_at("c").await.settings), (before, settings));
    wire.broadcast("c", numbered(5)).await;
    let mut reader = wire.listen_from("c", "l", &token).await;
    assert_eq!(numbers(&reader.take(4).await), [2, 3, 4, 5], "its token goes on where it was");
    let mut reader = wire.listen_from("c", "l", &later).await;
    reader.gap_of(GapReason::OtherLife, None).await;
}

#[tokio::test]
async fn an_export_goes_through_a_pipe() {
    let (from, to) = (directory(), directory());
    let (server, wire) = over(from.path()).await;
    filled(&wire).await;
    drop(wire);
    end(server).await;
    let (lines, err) = ends(0, &["log", "export", path(from.path())]).await;
    assert!(err.contains("written"), "{err}");
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).expect("each line is JSON");
        assert_eq!(line.as_object().map(serde_json::Map::len), Some(1), "{line}");
    }
    let (exit, said) = piped(to.path(), &lines).await;
    assert_eq!(exit, Some(0), "{said}");
    // and the same again
    let (again, _) = ends(0, &["log", "export", path(to.path())]).await;
    assert_eq!(lines, again);
}

/// Gives these lines to an import.
async fn piped(dir: &Path, lines: &str) -> (Option<i32>, String) {
    let mut command = eric(&["log", "import", path(dir)]);
    let mut import = command.stdin(Stdio::piped()).spawn().expect("the command is built before its tests");
    let mut stdin = import.stdin.take().expect("it is piped");
    // it may end before it has read all
    let _ = within(stdin.write_all(lines.as_bytes())).await;
    drop(stdin);
    let output = within(import.wait_with_output()).await.expect("it ends");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn an_import_that_is_not_whole_leaves_nothing_behind() {
    let (from, to) = (directory(), directory());
    let (server, wire) = over(from.path()).await;
    filled(&wire).await;
    drop(wire);
    end(server).await;
    let (lines, _) = ends(0, &["log", "export", path(from.path())]).await;
    let cut = &lines[..lines.len() / 2];
    for (lines, why) in [
        (&lines[..lines.trim_end().rfind('\n').unwrap()], "the last line is missing"),
        (cut, "is none that `eric log export` has written"),
        ("", "not a whole export"),
        (&lines.replacen("\"format\":2", "\"format\":3", 1), "format version 3"),
    ] {
        let (exit, said) = piped(to.path(), lines).await;
        assert_eq!(exit, Some(4), "{said}");
        assert!(said.contains(why), "{said}");
        assert!(!file(to.path()).exists());
    }
    let (_, err) = ends(4, &["log", "import", path(from.path()), "--input", "/dev/null"]).await;
    assert!(err.contains("eric.db is there"), "{err}");
}

#[tokio::test]
async fn an_import_that_is_killed_leaves_no_log() {
    let (from, to) = (directory(), directory());
    let (server, wire) = over(from.path()).await;
    many(&wire, 9_000).await;
    drop(wire);
    end(server).await;
    let (lines, _) = ends(0, &["log", "export", path(from.path())]).await;
    let mut command = eric(&["log", "import", path(to.path())]);
    let mut import = command.stdin(Stdio::piped()).spawn().expect("the command is built before its tests");
    let mut stdin = import.stdin.take().expect("it is piped");
    // all but the end; what a pipe holds is far less than what is left when this is written
    within(stdin.write_all(&lines.as_bytes()[..lines.trim_end().rfind('\n').unwrap()]))
        .await
        .expect("it reads");
    import.kill().await.expect("it runs");
    drop(stdin);
    let (_, err) = ends(3, &["log", "stat", path(to.path())]).await;
    assert!(err.contains("there is no log"), "{err}");
    let (exit, said) = piped(to.path(), &lines).await;
    assert_eq!(exit, Some(0), "{said}");
    let (again, _) = ends(0, &["log", "export", path(to.path())]).await;
    assert_eq!(lines, again);
}

#[tokio::test]
async fn a_directory_that_is_served_can_be_looked_at_and_not_written() {
    let dir = directory();
    let server = Served::over(dir.path(), &[]).await;
    let wire = server.wire().await;
    filled(&wire).await;
    let stat = json(0, &["log", "stat", path(dir.path())]).await;
    let channel = &stat["channels"][0];
    assert_eq!((&channel["id"], &channel["listeners"]), (&Value::from("c"), &Value::from(2)));
    assert_eq!((&stat["starts"], stat["oldestMessage"]["acceptTime"].is_string()), (&Value::from(1), true));
    let last = wire.look_at("c").await.last_sequence;
    assert!(stat["lastSequence"].as_i64() >= Some(last), "{stat}");
    let (text, _) = ends(0, &["log", "stat", path(dir.path())]).await;
    assert!(text.contains("eric.db") && text.contains("c: ") && text.contains("2 listeners"), "{text}");
    let checked = json(0, &["log", "check", path(dir.path())]).await;
    assert_eq!((&checked["sound"], &checked["channels"]), (&Value::from(true), &Value::from(1)));
    let (lines, _) = ends(0, &["log", "export", path(dir.path())]).await;
    assert!(lines.lines().count() > 5);
    let refused = json(4, &["log", "import", path(dir.path())]).await;
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains(path(dir.path())) && message.contains("another process"), "{message}");
    wire.broadcast("c", numbered(9)).await;
    drop(wire);
    assert_eq!(server.end().await, Some(0));
}

#[tokio::test]
async fn a_damaged_directory_is_told_and_the_rest_of_it_is_saved() {
    let (dir, to) = (directory(), directory());
    let (server, wire) = over(dir.path()).await;
    many(&wire, 3_000).await;
    drop(wire);
    end(server).await;
    ends(0, &["log", "check", path(dir.path())]).await;
    damage(dir.path(), b"m-1500.");
    let checked = json(9, &["log", "check", path(dir.path())]).await;
    let left = checked["messages"].as_u64().unwrap();
    assert!(checked["sound"] == false && left > 2_500 && left < 3_000, "{checked}");
    assert!(checked["faults"].as_array().unwrap().len() > 1, "{checked}");
    let (text, _) = ends(9, &["log", "check", path(dir.path())]).await;
    assert!(text.contains("message: nothing from ") && text.contains("damaged: "), "{text}");
    let lines = to.path().join("lines");
    let exported = json(9, &["log", "export", path(dir.path()), "--output", path(&lines)]).await;
    assert!(!exported["exported"]["unreadable"].as_array().unwrap().is_empty(), "{exported}");
    let made = to.path().join("made");
    let imported = json(0, &["log", "import", path(&made), "--input", path(&lines)]).await;
    assert_eq!(imported["imported"]["lines"], exported["exported"]["lines"]);
    assert_eq!(imported["imported"]["unreadable"], exported["exported"]["unreadable"]);
    let (_server, wire) = over(&made).await;
    let numbers = numbers(&wire.messages("c", "l", 1_000).await);
    assert_eq!(numbers.len() as u64, left);
    assert!(
        numbers.is_sorted() && !numbers.contains(&1_500) && numbers.contains(&0) && numbers.contains(&2_999)
    );
}

#[tokio::test]
async fn what_is_no_log_of_ours_is_told_apart() {
    let dir = directory();
    for verb in ["stat", "check", "export"] {
        let (_, err) = ends(3, &["log", verb, path(dir.path())]).await;
        assert!(err.contains("there is no log in"), "{err}");
        ends(3, &["log", verb, path(&dir.path().join("nowhere"))]).await;
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "looking makes nothing");
    let (server, wire) = over(dir.path()).await;
    drop(wire);
    end(server).await;
    for (pragma, why) in [("user_version", "format version 99"), ("application_id", "not one of Eric's")] {
        let connection = rusqlite::Connection::open(file(dir.path())).unwrap();
        connection.pragma_update(None, pragma, 99).unwrap();
        drop(connection);
        for verb in ["stat", "check", "export"] {
            let (_, err) = ends(4, &["log", verb, path(dir.path())]).await;
            assert!(err.contains(why), "{err}");
        }
    }
    fs::write(file(dir.path()), "this is a letter, and no database".repeat(500)).unwrap();
    for verb in ["stat", "check", "export"] {
        let (_, err) = ends(9, &["log", verb, path(dir.path())]).await;
        assert!(err.contains("eric.db is damaged"), "{err}");
    }
}

#[tokio::test]
async fn an_export_overwrites_nothing() {
    let dir = directory();
    let (server, wire) = over(dir.path()).await;
    drop(wire);
    end(server).await;
    let before = fs::read(file(dir.path())).unwrap();
    let (_, err) = ends(4, &["log", "export", path(dir.path()), "--output", path(&file(dir.path()))]).await;
    assert!(err.contains("eric.db"), "{err}");
    assert_eq!(fs::read(file(dir.path())).unwrap(), before);
    assert_eq!(run(&["log"]).await.status.code(), Some(2));
}

/// They all take the options of the others, in whatever place, and those who have no use for them do not show them.
#[tokio::test]
async fn help_shows_no_option_that_does_nothing() {
    let of_a_server = ["--server", "--timeout", "--wait-for-server"];
    for command in [&["log"][..], &["log", "stat"], &["log", "import"], &["serve"]] {
        let (code, text, _) = told(&[command, &["--help"]].concat()).await;
        assert_eq!(code, Some(0));
        assert!(of_a_server.iter().all(|option| !text.contains(option)), "{command:?}: {text}");
        assert_eq!(text.contains("--json"), command[0] == "log", "{command:?}: {text}");
    }
    let (_, text, _) = told(&["info", "--help"]).await;
    assert!(of_a_server.iter().chain(&["--json"]).all(|option| text.contains(option)), "{text}");
    let missing = directory().path().join("missing");
    let (code, ..) = told(&["--timeout", "3s", "log", "stat", "--server", "nowhere", path(&missing)]).await;
    assert_eq!(code, run(&["log", "stat", path(&missing)]).await.status.code());
}

#[tokio::test]
async fn help_says_what_may_be_lost_where_the_disk_is_written_at_an_interval() {
    let (_, text, _) = told(&["serve", "--help"]).await;
    let of_sync = text.split("--sync ").nth(1).and_then(|text| text.split("\n\n").next());
    let said = of_sync.expect("it is shown").split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "is there after a power cut; with a time what was accepted in as much of it may be lost then",
        "not when only the process ends",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }
}

#[tokio::test]
async fn a_server_tells_the_figures_of_its_log() {
    let dir = directory();
    let (server, wire) = over(dir.path()).await;
    assert_eq!(wire.server().await.log.expect("it has a directory").oldest_accept_time, None);
    many(&wire, 3_000).await;
    crate::support::until(async || wire.server().await.log.unwrap().oldest_accept_time.is_some()).await;
    let told = wire.server().await;
    let log = told.log.unwrap();
    assert_eq!(log.sync_interval, Some(prost_types::Duration::default()));
    assert!(log.file_bytes + log.wal_bytes > 100_000 && log.free_bytes >= 0, "{log:?}");
    assert!(log.records >= 3_003 && log.commits > 3 && log.mean_batch > 1.0, "{log:?}");
    let millis = |took: Option<prost_types::Duration>| took.map(|took| (took.seconds, took.nanos));
    let (p50, p99, max) =
        (millis(log.commit_time_p50), millis(log.commit_time_p99), millis(log.commit_time_max));
    assert!(p50 > Some((0, 0)) && p50 <= p99 && p99 <= max, "{log:?}");
    let first = wire.messages("c", "l", 1).await[0].accept_time;
    assert_eq!(log.oldest_accept_time, first);
    crate::support::until(async || {
        wire.dispatch("c", "l", numbered(1)).await;
        wire.server().await.log.unwrap().commits_per_second > 0.0
    })
    .await;
    let url = server.url();
    let (text, _) = ends(0, &["info", "--server", &url]).await;
    assert!(text.contains("write-ahead log") && text.contains("a second lately"), "{text}");
    let info = json(0, &["info", "--server", &url]).await;
    assert_eq!(
        (&info["log"]["syncInterval"], &info["log"]["state"]),
        (&Value::from("0s"), &Value::from("LOG_STATE_WRITING"))
    );
    assert!(info["log"]["commits"].as_i64() >= Some(log.commits), "{info}");
}

#[tokio::test]
async fn a_server_without_a_directory_has_no_such_figures() {
    if crate::support::server::over_a_directory() {
        return;
    }
    let server = TestServer::start();
    assert_eq!(server.wire().await.server().await.log, None);
    let (text, _) = ends(0, &["info", "--server", &server.url()]).await;
    assert!(!text.contains("write-ahead log"), "{text}");
}
