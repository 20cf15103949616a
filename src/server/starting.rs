//! While a log is read back: whoever connects hears that the server does not serve yet, and is sent away when it does.

use super::connection::{self, Keeping};
use crate::grpc;
use std::{
    io,
    net::TcpListener,
    sync::mpsc::{self, TryRecvError},
    thread,
    time::Duration,
};
use tokio::{runtime::Runtime, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How often it is looked whether the work is done.
const LOOK: Duration = Duration::from_millis(5);
/// How long those who asked meanwhile have to take their answers.
const GRACE: Duration = Duration::from_millis(500);
/// Who connects meanwhile asks for the server's health; more would only hold memory.
const MAX_CONNECTIONS: usize = 1024;

/// Does the work on a thread of its own, and answers on the address meanwhile.
///
/// # Errors
/// The system has no more threads.
pub(super) fn answer_during<T: Send + 'static>(
    runtime: &Runtime,
    listener: &TcpListener,
    keeping: &Keeping,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (told, done) = mpsc::sync_channel(1);
    let worker = thread::Builder::new().name("start".to_owned()).spawn(move || {
        let _ = told.send(work());
    })?;
    let listener = listener.try_clone()?;
    let result = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (closing, open) = (CancellationToken::new(), TaskTracker::new());
        let (router, health) = grpc::starting().await;
        let result = loop {
            tokio::select! {
                accepted = listener.accept() => if let Ok((stream, _)) = accepted
                    && open.len() < MAX_CONNECTIONS
                    && let Ok(stream) = stream.into_std()
                {
                    let served = connection::serve(stream, router.clone(), keeping.clone(), closing.clone());
                    open.spawn(served);
                },
                () = sleep(LOOK) => match done.try_recv() {
                    Ok(result) => break Some(result),
                    Err(TryRecvError::Disconnected) => break None,
                    Err(TryRecvError::Empty) => {}
                },
            }
        };
        health.draining().await;
        closing.cancel();
        open.close();
        tokio::select! {
            () = open.wait() => {}
            () = sleep(GRACE) => {}
        }
        Ok::<_, io::Error>(result)
    })?;
    match result {
        Some(result) => Ok(result),
        None => match worker.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => Err(io::Error::other("the work ended without a result")),
        },
    }
}
