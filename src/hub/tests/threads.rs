//! Many threads send to one channel while streams read on cores of their own: nothing is lost, twice or out of order.

use super::*;
use std::{future::poll_fn, thread};

const SENDERS: usize = 3;
const EACH: usize = 400;
/// Far more than it takes: who comes to it hangs.
const ENOUGH: Duration = Duration::from_secs(120);

type Positions = Vec<u64>;

/// Reads until it has so many; a restless one goes and comes again after every batch.
async fn read(stage: Arc<Stage>, id: &'static str, expected: usize, restless: bool) -> Positions {
    let mut stream = stage.listen(id);
    let mut read = Vec::new();
    while read.len() < expected {
        let batch = poll_fn(|context| stream.subscription.poll_batch(context)).await.unwrap().batch;
        assert!(batch.gaps.is_empty());
        read.extend(batch.entries.iter().map(|entry| entry.position.0));
        if restless {
            drop(stream);
            stream = stage.listen(id);
        }
    }
    read
}

/// Runs the readers of a core, or of a thread that is none.
fn serve(
    stage: &Arc<Stage>,
    core: Option<usize>,
    readers: [(&'static str, usize, bool); 2],
) -> [Positions; 2] {
    core.into_iter().for_each(on_core);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let hub = Arc::clone(&stage.hub);
        let bell = tokio::spawn(async move {
            if core.is_some() {
                hub.attend().await;
            }
        });
        let readers = readers.map(|(id, expected, restless)| {
            tokio::spawn(tokio::time::timeout(ENOUGH, read(Arc::clone(stage), id, expected, restless)))
        });
        let [first, second] = readers;
        let read = [first.await.unwrap().unwrap(), second.await.unwrap().unwrap()];
        bell.abort();
        read
    })
}

/// Sends by turns to all, and to two listeners; tells the positions of each kind.
fn send(stage: &Stage) -> [Positions; 3] {
    let mut sent = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..EACH {
        sent[0].push(stage.broadcast());
        sent[1].push(stage.dispatch("a"));
        sent[2].push(stage.dispatch("restless"));
    }
    sent
}

#[test]
fn every_stream_gets_everything_once_and_in_order() {
    let settings = ChannelSettings { max_backlog: messages(100_000), ..room() };
    let stage = Arc::new(Stage::over(Arc::new(Memory::default()), UNLIMITED, 2, settings));
    stage.listeners(&["a", "b", "restless", "c", "d", "e"]);
    let (all, both) = (SENDERS * EACH, 2 * SENDERS * EACH);
    let places = [
        (Some(0), [("a", both, false), ("b", all, false)]),
        (Some(1), [("restless", both, true), ("c", all, false)]),
        (None, [("d", all, false), ("e", all, true)]),
    ];
    let (sent, read) = thread::scope(|scope| {
        let stage = &stage;
        let readers = places.map(|(core, readers)| scope.spawn(move || serve(stage, core, readers)));
        let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(|| send(stage))).collect();
        let sent: Vec<_> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
        (sent, readers.map(|reader| reader.join().unwrap()))
    });
    let expected = |kinds: &[usize]| {
        let mut positions: Vec<_> =
            sent.iter().flat_map(|sent| kinds.iter().flat_map(|kind| sent[*kind].clone())).collect();
        positions.sort_unstable();
        positions
    };
    let [[a, b], [restless, c], [d, e]] = read;
    assert_eq!((a, restless), (expected(&[0, 1]), expected(&[0, 2])));
    assert!([b, c, d, e].iter().all(|read| *read == expected(&[0])));
}

/// A log over which another thread moves the watermark, as a slow disk does.
#[test]
fn what_becomes_safe_on_another_thread_wakes_every_core() {
    let log = Arc::new(crate::log::held::Held::default());
    let stage = Arc::new(Stage::over(Arc::clone(&log) as Arc<dyn Log>, UNLIMITED, 2, room()));
    stage.listeners(&["a", "b", "c", "d"]);
    let places =
        [(0, [("a", 2 * EACH, false), ("b", EACH, false)]), (1, [("c", EACH, true), ("d", EACH, false)])];
    thread::scope(|scope| {
        let stage = &stage;
        let readers = places.map(|(core, readers)| scope.spawn(move || serve(stage, Some(core), readers)));
        for _ in 0..EACH {
            stage.broadcast();
            stage.dispatch("a");
            log.release();
        }
        readers.into_iter().for_each(|reader| assert!(!reader.join().unwrap()[0].is_empty()));
    });
}
