//! What `eric serve` runs with: a flag overrides its variable, the variable the file, and every fault is told.

use std::{
    net::{SocketAddr, TcpListener},
    process::{Command, Output},
};

fn serve(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_eric"))
        .arg("serve")
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("the command is built before its tests")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An address that nobody else can have while it lives: to serve there is refused, and the refusal names it.
fn taken() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

#[test]
fn a_flag_overrides_its_variable_and_the_variable_the_file() {
    let [(_a, flag), (_b, variable), (_c, file)] = [taken(), taken(), taken()];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eric.toml");
    std::fs::write(&path, format!("listen = \"{file}\"\n")).unwrap();
    let path = path.to_str().expect("temporary folders have plain names");
    let [flag, variable] = [flag, variable].map(|address| address.to_string());

    let all = serve(&[("ERIC_LISTEN", &variable)], &["--config", path, "--listen", &flag]);
    let two = serve(&[("ERIC_LISTEN", &variable), ("ERIC_CONFIG", path)], &[]);
    let one = serve(&[("ERIC_CONFIG", path)], &[]);
    for (output, address) in [(all, flag), (two, variable), (one, file.to_string())] {
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.contains(&format!("cannot serve on {address}: ")), "{address} in {told}");
    }
}

#[test]
fn every_fault_is_told_at_once_with_where_it_stands() {
    let output = serve(
        &[("ERIC_MAX_STREAMS", "many"), ("ERIC_MAX_STREAM", "5"), ("ERIC_SERVER", "http://[::1]:1")],
        &["--workers", "0", "--config", "/nowhere/eric.toml"],
    );
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 5, "{told}");
    assert_eq!(lines[0], "error: 3 faults in the configuration:");
    assert!(lines[1].starts_with("  /nowhere/eric.toml of --config: "), "{told}");
    assert_eq!(lines[2], "  workers = \"0\" in --workers: expected a whole number, from 1 to 1024");
    assert_eq!(
        lines[3],
        "  max_streams = \"many\" in ERIC_MAX_STREAMS: expected a whole number, from 1 to 1_000_000"
    );
    assert_eq!(lines[4], "warning: nothing reads ERIC_MAX_STREAM; did you mean ERIC_MAX_STREAMS?");
}

#[test]
fn an_unknown_flag_is_a_wrong_command_line() {
    assert_eq!(serve(&[], &["--max-stream", "5"]).status.code(), Some(2));
}
