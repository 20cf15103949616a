//! The socket's file: for its owner alone, replaced when nobody answers there, and gone with the server.

use crate::support::{
    command::{Served, path, told},
    directory::directory,
    socket::{Socket, served},
};
use eric::{config::Config, server::Server};
use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    os::unix::net::UnixListener,
};

/// Why no server starts over a socket.
fn refused(socket: &Socket) -> String {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Config { listen, socket: Some(socket.path().to_owned()), ..Config::default() };
    Server::start(&config).expect_err("it is refused").to_string()
}

#[tokio::test]
async fn it_is_for_its_owner_alone_and_goes_with_its_server() {
    let (server, socket) = served();
    let found = fs::symlink_metadata(socket.path()).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o7777, 0o600);
    server.stop();
    assert_eq!(server.ended().await.cut(), 0);
    assert!(!socket.path().exists());
}

#[tokio::test]
async fn what_a_server_left_that_was_killed_is_replaced() {
    let socket = Socket::nowhere();
    let data = directory();
    let arguments = ["--socket", path(socket.path())];
    let first = Served::over(data.path(), &arguments).await;
    let channel = socket.create().await;
    first.kill().await;
    assert!(socket.path().exists(), "nobody has tidied up");
    let second = Served::over(data.path(), &arguments).await;
    assert_eq!(fs::symlink_metadata(socket.path()).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(socket.register(&channel).await.len(), 36, "over a directory its channels are there again");
    assert_eq!(second.end().await, Some(0));
    assert!(!socket.path().exists());
}

#[tokio::test]
async fn a_server_that_answers_is_left_alone_and_named() {
    let (server, socket) = served();
    let told = refused(&socket);
    assert!(told.contains(path(socket.path())) && told.contains("a server answers there"), "{told}");
    socket.still_answers().await;
    server.stop();
    server.ended().await;
    assert!(!socket.path().exists());
}

#[tokio::test]
async fn who_answers_may_also_be_somebody_else_and_have_no_time() {
    let socket = Socket::nowhere();
    let other = UnixListener::bind(socket.path()).unwrap();
    assert!(refused(&socket).contains("a server answers there"));
    drop(other);
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone_and_named() {
    let socket = Socket::nowhere();
    fs::write(socket.path(), "mine").unwrap();
    let refusal = refused(&socket);
    assert!(refusal.contains(path(socket.path())) && refusal.contains("no socket"), "{refusal}");
    assert_eq!(fs::read_to_string(socket.path()).unwrap(), "mine");
    // from the command line, too
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--socket", path(socket.path())];
    let (code, _, stderr) = told(&arguments).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(path(socket.path())) && stderr.contains("no socket"), "{stderr}");
}

#[tokio::test]
async fn a_server_that_does_not_start_leaves_no_socket() {
    let socket = Socket::nowhere();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let data_dir = Some("/dev/null/nowhere".into());
    let config = Config { listen, data_dir, socket: Some(socket.path().to_owned()), ..Config::default() };
    assert!(Server::start(&config).is_err());
    assert!(!socket.path().exists());
}

#[tokio::test]
async fn another_that_has_taken_its_place_stays() {
    let (server, socket) = served();
    fs::remove_file(socket.path()).unwrap();
    let other = UnixListener::bind(socket.path()).unwrap();
    server.stop();
    assert_eq!(server.ended().await.cut(), 0);
    assert!(socket.path().exists());
    drop(other);
}
