//! The console in a real browser, and gRPC-Web from a page. `make test` names the browser in `ERIC_BROWSER`.
//!
//! The stories stand in `tests/browser`, which drives the browser; each has a server of its own, over a directory. Pictures
//! of what is seen go into `target/browser`.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{process::Command, sync::Mutex, time::timeout};

/// Longer than any of them takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// A browser takes a core for itself.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// The browser, or a word about why there is no test.
fn browser() -> Option<OsString> {
    if std::env::var_os("ERIC_TEST_LOG").is_some() {
        eprintln!("these servers are over directories in any case: nothing was tested again");
        return None;
    }
    let found = std::env::var_os("ERIC_BROWSER");
    if found.is_none() {
        eprintln!("ERIC_BROWSER names no browser: nothing was tested (`make test` installs it)");
    }
    found
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("browser")
}

fn picture(name: &str) -> PathBuf {
    folder().join(format!("{name}.png"))
}

/// A story, which takes these pictures.
async fn play(story: &str, pictures: &[&str]) {
    let Some(browser) = browser() else { return };
    let _turn = ONE_AT_A_TIME.lock().await;
    let failed = format!("failed-{story}");
    // what an earlier run has left says nothing of this one
    for name in pictures.iter().copied().chain([&*failed]) {
        let _ = fs::remove_file(picture(name));
    }
    tell(story, browser).await;
    for name in pictures {
        let taken = fs::read(picture(name)).unwrap_or_default();
        assert!(taken.starts_with(b"\x89PNG\r\n\x1a\n") && taken.len() > 1000, "no picture {name}");
    }
}

async fn tell(story: &str, browser: OsString) {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("node");
    command.arg(tree.join("tests/browser/main.mjs")).arg(story).kill_on_drop(true).stdin(Stdio::null());
    command.env("ERIC", env!("CARGO_BIN_EXE_eric")).env("ERIC_BROWSER", browser);
    command.env("ERIC_SCREENSHOTS", folder());
    let output = timeout(PATIENCE, command.output()).await.expect("it ends").expect("there is Node.js");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
}

#[tokio::test]
async fn the_console_shows_every_message_once_and_in_order_or_a_gap_also_over_a_crash() {
    let channel = ["channel-light", "channel-dark", "channel-narrow", "channel-narrow-dark"];
    play("watching", &[&channel[..], &["channels-dark", "channels-narrow", "lost"]].concat()).await;
}

#[tokio::test]
async fn whoever_has_a_keyboard_takes_part_in_the_console() {
    play("taking_part", &["empty-light", "help", "reject", "dead-letters", "gap"]).await;
}

#[tokio::test]
async fn the_console_asks_for_what_is_seen_and_keeps_what_it_can() {
    play("many", &[]).await;
}

#[tokio::test]
async fn what_the_console_sends_arrives_as_it_was_entered_and_is_counted() {
    play("sending", &[]).await;
}

#[tokio::test]
async fn queues_begin_are_filled_again_and_go_as_it_is_asked_in_the_console() {
    play("queues", &[]).await;
}

#[tokio::test]
async fn a_page_speaks_grpc_web_through_the_generated_typescript() {
    play("grpc_web", &[]).await;
}
