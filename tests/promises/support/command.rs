//! The `eric` command as a process of its own: one that ends by itself, and one that serves.

use super::{Wire, until, within};
use serde_json::Value;
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

/// It asks no server, unless it is told one.
pub(crate) fn eric(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eric"));
    command.args(arguments).env_clear().kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Its end.
pub(crate) async fn run(arguments: &[&str]) -> Output {
    within(eric(arguments).output()).await.expect("the command is built before its tests")
}

/// Its exit code, and what it said on stdout and stderr.
pub(crate) async fn told(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = run(arguments).await;
    let text = |bytes| String::from_utf8(bytes).expect("it prints text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// For a server whose address must be known before it serves, or when it serves again.
pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    listener.local_addr().expect("it is bound").to_string()
}

/// As a test names a path.
pub(crate) fn path(path: &Path) -> &str {
    path.to_str().expect("temporary files have plain names")
}

/// `eric serve` on a free port of the loopback, over a directory.
pub(crate) struct Served {
    child: Child,
    url: String,
    said: Arc<Mutex<Vec<String>>>,
}

impl Served {
    pub(crate) async fn over(dir: &Path, arguments: &[&str]) -> Self {
        Self::begin(dir, arguments, &[]).serving().await
    }

    /// Waits until it says where it serves.
    pub(crate) async fn serving(self) -> Self {
        until(async || self.address().is_some()).await;
        let url = format!("http://{}", self.address().expect("it was there"));
        Self { url, ..self }
    }

    /// In an environment of its own; it need not come to serve.
    pub(crate) fn begin(dir: &Path, arguments: &[&str], environment: &[(&str, PathBuf)]) -> Self {
        let serve = ["serve", "--log-format", "json", "--data-dir", path(dir)];
        let mut command = eric(&[&serve[..], arguments].concat());
        // flags are stronger
        command.env("ERIC_LISTEN", "127.0.0.1:0").env("ERIC_HTTP", "127.0.0.1:0");
        command.envs(environment.iter().map(|(name, value)| (name, value))).stdout(Stdio::null());
        let mut child = command.spawn().expect("the command is built before its tests");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let said = Arc::<Mutex<Vec<String>>>::default();
        let hears = Arc::clone(&said);
        // a log that nobody reads would stop whoever writes it
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                hears.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Self { child, url: String::new(), said }
    }

    /// What it has logged so far.
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn address(&self) -> Option<String> {
        self.said().iter().find_map(|line| {
            let line: Value = serde_json::from_str(line).expect("each line of its log is a JSON object");
            line["address"].as_str().map(str::to_owned)
        })
    }

    pub(crate) async fn wire(&self) -> Wire {
        Wire::connect(self.url.clone()).await
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it has not ended")
    }

    /// Begins the drain, and waits for its end.
    #[cfg(unix)]
    pub(crate) async fn end(self) -> Option<i32> {
        self.stop().await;
        self.ended().await.0
    }

    /// Asks it to end.
    #[cfg(unix)]
    pub(crate) async fn stop(&self) {
        let id = self.id().to_string();
        let killed = within(Command::new("kill").args(["-TERM", &id]).status()).await.expect("there is kill");
        assert!(killed.success());
    }

    /// Waits for an end that it comes to by itself.
    pub(crate) async fn ended(mut self) -> (Option<i32>, Vec<String>) {
        let ended = within(self.child.wait()).await.expect("it ends");
        (ended.code(), self.said())
    }

    /// Ends it without a word.
    pub(crate) async fn kill(mut self) {
        within(self.child.kill()).await.expect("it has not ended");
    }
}
