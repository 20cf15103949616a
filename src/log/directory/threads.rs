//! The threads of a log: where one panics, the log has failed, and nobody waits for what it was to do.

use super::shared::Shared;
use std::{
    sync::Arc,
    thread::{self, JoinHandle},
};

/// What a thread leaves however it ends.
struct End {
    name: String,
    shared: Arc<Shared>,
}

impl Drop for End {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!(
                thread = self.name,
                "a thread of the log has panicked: the log has failed and writes nothing more until the server is \
                 started anew; what is durable is still read"
            );
            self.shared.fail();
        }
    }
}

pub(super) fn spawn(name: &str, shared: &Arc<Shared>, run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let end = End { name: name.to_owned(), shared: Arc::clone(shared) };
    let run = move || {
        let _end = end;
        run();
    };
    thread::Builder::new().name(name.to_owned()).spawn(run).expect("the system starts a few threads")
}
