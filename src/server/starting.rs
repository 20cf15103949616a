//! While a log is read back: whoever connects hears that the server does not serve yet, and is sent away when it does.

use super::connection::{self, Keeping};
use crate::grpc;
use std::{io, net::TcpListener, thread, time::Duration};
use tokio::{runtime::Runtime, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// After an error that will not go away at once, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);
/// How long those who asked meanwhile have to take their answers.
const GRACE: Duration = Duration::from_millis(500);
/// Who connects meanwhile asks for the server's health; more would only hold memory.
const MAX_CONNECTIONS: usize = 1024;

/// Does the work on a thread of its own, and answers on the address meanwhile.
///
/// # Errors
/// The system has no more threads, or the work has ended without a result.
pub(super) fn answer_during<T: Send>(
    runtime: &Runtime,
    listener: &TcpListener,
    keeping: &Keeping,
    work: impl FnOnce() -> T + Send,
) -> io::Result<T> {
    let listener = listener.try_clone()?;
    let done = CancellationToken::new();
    // whoever starts a server may be on a runtime of his own, where nobody may wait for another
    thread::scope(|scope| {
        let answers = scope.spawn(|| runtime.block_on(answer(listener, keeping, &done)));
        let worker = scope.spawn(|| {
            let _done = done.clone().drop_guard();
            let _inside = runtime.enter();
            work()
        });
        let ended = |_| io::Error::other("the start of the server has ended without a result");
        let result = worker.join().map_err(ended);
        answers.join().map_err(ended)??;
        result
    })
}

async fn answer(listener: TcpListener, keeping: &Keeping, done: &CancellationToken) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (closing, open) = (CancellationToken::new(), TaskTracker::new());
    let (router, health) = grpc::starting().await;
    while let Some(accepted) = done.run_until_cancelled(listener.accept()).await {
        let Ok(stream) = accepted.and_then(|(stream, _)| stream.into_std()) else {
            sleep(PAUSE).await;
            continue;
        };
        if open.len() < MAX_CONNECTIONS {
            open.spawn(connection::serve(stream, router.clone(), keeping.clone(), closing.clone()));
        }
    }
    health.draining().await;
    closing.cancel();
    open.close();
    tokio::select! {
        () = open.wait() => {}
        () = sleep(GRACE) => {}
    }
    Ok(())
}
