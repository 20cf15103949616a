//! Workers: how many, in which order, and what one of them cannot do to the others.

use super::{super::*, channel, message, numbered, send, soon};
use futures_util::{StreamExt as _, TryStreamExt as _};
use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::sleep;

const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

fn number(delivery: &Delivery) -> u32 {
    delivery.message.json().unwrap()
}

async fn results<T: 'static>(processing: Processing<T>) -> Vec<Result<T, WorkerFailed>> {
    let results = processing.map_ok(|event| event.message().unwrap().result);
    soon(results.try_collect()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn results_come_as_they_are_done() {
    let channel = channel();
    let listener = channel.add_listener().unwrap();
    for millis in [50, 10, 20, 5] {
        channel.dispatch(listener.id(), numbered(millis)).await.unwrap();
    }
    channel.notify_end().await.unwrap();
    let work = async |delivery: Delivery| {
        sleep(Duration::from_millis(number(&delivery).into())).await;
        number(&delivery)
    };
    let processing = channel.process_queue(listener.id(), TWO, work);
    // 10 is done at 10, 20 at 30, 5 at 35, 50 at 50
    let results: Vec<_> = results(processing.unwrap()).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(results, [10, 20, 5, 50]);
    assert!(!listener.running().unwrap());
}

#[tokio::test(start_paused = true)]
async fn there_are_never_more_workers_than_asked_for() {
    let channel = channel();
    let listener = channel.add_listener().unwrap();
    send(&channel, listener.id(), 0..20).await;
    channel.notify_end().await.unwrap();
    let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let seen = Arc::clone(&counts);
    let work = move |_| {
        let counts = Arc::clone(&counts);
        async move {
            let now = counts.0.fetch_add(1, Ordering::SeqCst) + 1;
            counts.1.fetch_max(now, Ordering::SeqCst);
            sleep(Duration::from_millis(10)).await;
            counts.0.fetch_sub(1, Ordering::SeqCst);
        }
    };
    let three = NonZeroUsize::new(3).unwrap();
    let done = results(channel.process_queue(listener.id(), three, work).unwrap()).await;
    assert_eq!((done.len(), seen.1.load(Ordering::SeqCst)), (20, 3));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_panics_is_a_result_like_others() {
    let channel = channel();
    let listener = channel.add_listener().unwrap();
    send(&channel, listener.id(), 0..4).await;
    let work = |delivery: Delivery| async move {
        assert_ne!(number(&delivery), 1, "one is not worked on");
        number(&delivery)
    };
    let processing = channel.process_queue(listener.id(), TWO, work).unwrap().until_empty();
    let results = results(processing).await;
    let failed = results.iter().filter(|result| matches!(result, Err(WorkerFailed::Panicked(_)))).count();
    assert_eq!((results.len(), failed), (4, 1));
}

#[tokio::test]
async fn blocking_work_is_done_on_threads() {
    let channel = channel();
    let listener = channel.add_listener().unwrap();
    send(&channel, listener.id(), 0..10).await;
    let here = std::thread::current().id();
    let work = move |_| assert_ne!(std::thread::current().id(), here);
    let processing = channel.process_queue_blocking(listener.id(), TWO, work).unwrap().until_empty();
    assert_eq!(results(processing).await, vec![Ok(()); 10]);
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_more_until_it_is_told_not_to() {
    let channel = channel();
    let listener = channel.add_listener().unwrap();
    let mut waiting = channel.process_queue(listener.id(), TWO, async |_| ()).unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(5), waiting.next()).await.is_err());
    channel.dispatch(listener.id(), numbered(0)).await.unwrap();
    assert_eq!(message(soon(waiting.next()).await).result, Ok(()));
    listener.stop().unwrap();
    assert!(soon(waiting.next()).await.is_none() && waiting.next().await.is_none());
    assert_eq!(waiting.ended_by(), Some(&End::Stopped));

    let mut until_empty = channel.process_queue(listener.id(), TWO, async |_| ()).unwrap().until_empty();
    assert!(soon(until_empty.next()).await.is_none());
    assert_eq!(until_empty.ended_by(), Some(&End::Empty));
}

#[tokio::test(start_paused = true)]
async fn what_is_at_work_is_finished_before_an_error_ends_the_stream() {
    let channel = channel();
    let listener = channel.add_listener().unwrap();
    send(&channel, listener.id(), 0..1).await;
    let work = |_| sleep(Duration::from_millis(10));
    let mut processing = channel.process_queue(listener.id(), TWO, work).unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(1), processing.next()).await.is_err());
    channel.remove().unwrap();
    assert_eq!(message(soon(processing.next()).await).result, Ok(()));
    assert!(matches!(processing.next().await, Some(Err(Error::Refused(_)))));
    assert!(processing.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stream_takes_no_more_and_cancels_its_workers() {
    let channel = channel();
    let listener = channel.add_listener().unwrap();
    send(&channel, listener.id(), 0..10).await;
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let work = move |_| {
        let held = Arc::clone(&held);
        async move {
            sleep(Duration::from_secs(3600)).await;
            drop(held);
        }
    };
    let mut processing = channel.process_queue(listener.id(), TWO, work).unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(1), processing.next()).await.is_err());
    drop(processing);
    tokio::task::yield_now().await;
    assert_eq!(Arc::strong_count(&alive), 1, "nobody is at work");
    let listener = listener.info().unwrap();
    assert_eq!((listener.backlog.messages, listener.connected), (8, false));
}
