//! While a log is read back: whoever connects hears that the server does not serve yet, and is sent away when it does.

use super::{
    connection::{self, Keeping},
    door::{Door, Doors},
};
use crate::{
    grpc,
    http::{self, Origins},
};
use axum::Router;
use futures_util::future::OptionFuture;
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
    doors: &Doors<TcpListener>,
    keeping: &Keeping,
    origins: &Origins,
    work: impl FnOnce() -> T + Send,
) -> io::Result<T> {
    let doors = doors.map(TcpListener::try_clone)?;
    let done = CancellationToken::new();
    // whoever starts a server may be on a runtime of his own, where nobody may wait for another
    thread::scope(|scope| {
        let answers = scope.spawn(|| runtime.block_on(answer(doors, keeping, origins, &done)));
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

async fn answer(
    doors: Doors<TcpListener>,
    keeping: &Keeping,
    origins: &Origins,
    done: &CancellationToken,
) -> io::Result<()> {
    let doors = doors.map(|listener| tokio::net::TcpListener::from_std(listener.try_clone()?))?;
    let (router, health) = grpc::starting().await;
    let answers = Answers { keeping, closing: CancellationToken::new(), open: TaskTracker::new() };
    let http = doors.http.as_ref().map(|listener| {
        answers.accept(
            Door::Http,
            listener,
            http::starting(grpc::for_browsers(router.clone()), origins.clone()),
        )
    });
    let both = async {
        tokio::join!(answers.accept(Door::Grpc, &doors.grpc, router.clone()), OptionFuture::from(http))
    };
    done.run_until_cancelled(both).await;
    health.draining().await;
    answers.end().await;
    Ok(())
}

/// Those who ask meanwhile.
struct Answers<'a> {
    keeping: &'a Keeping,
    closing: CancellationToken,
    open: TaskTracker,
}

impl Answers<'_> {
    async fn accept(&self, door: Door, listener: &tokio::net::TcpListener, router: Router) {
        loop {
            let Ok(stream) = listener.accept().await.and_then(|(stream, _)| stream.into_std()) else {
                sleep(PAUSE).await;
                continue;
            };
            if self.open.len() < MAX_CONNECTIONS {
                let (keeping, closing) = (self.keeping.clone(), self.closing.clone());
                self.open.spawn(connection::serve(stream, door, router.clone(), keeping, closing));
            }
        }
    }

    async fn end(&self) {
        self.closing.cancel();
        self.open.close();
        tokio::select! {
            () = self.open.wait() => {}
            () = sleep(GRACE) => {}
        }
    }
}
