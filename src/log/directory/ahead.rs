//! Reading ahead at the start: one thread reads the file while another takes in what was read before.

use super::{
    super::Recovered,
    recover::{Found, recover},
};
use rusqlite::Connection;
use std::{
    panic::resume_unwind,
    sync::mpsc::{SyncSender, sync_channel},
    thread,
};

/// So much is handed over at once: it fits in a core's cache.
const BATCH: usize = 512;
/// So many batches, some MiB, may be read that nobody has taken: as much as is read while the other thread has to wait for
/// its turn on a busy machine.
const AHEAD: usize = 64;

/// Tells all that is kept, as [`recover`] does, which reads on a thread of its own.
pub(super) fn recover_ahead(
    connection: Connection,
    now: i64,
    told: &mut dyn FnMut(Recovered),
) -> rusqlite::Result<Found> {
    let (batches, read) = sync_channel(AHEAD);
    thread::scope(|scope| {
        let recover = move || {
            let mut ahead = Ahead { batch: Vec::with_capacity(BATCH), batches };
            let found = recover(&connection, now, &mut |found| ahead.push(found));
            ahead.send();
            found
        };
        let named = thread::Builder::new().name("log-recovery".to_owned());
        let reader = named.spawn_scoped(scope, recover).expect("the system starts a few threads");
        read.into_iter().flatten().for_each(told);
        reader.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// What was read and is not handed over yet.
struct Ahead {
    batch: Vec<Recovered>,
    batches: SyncSender<Vec<Recovered>>,
}

impl Ahead {
    fn push(&mut self, found: Recovered) {
        self.batch.push(found);
        if self.batch.len() == BATCH {
            self.send();
        }
    }

    fn send(&mut self) {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        // whoever took them has panicked, and says so himself
        drop(self.batches.send(batch));
    }
}
