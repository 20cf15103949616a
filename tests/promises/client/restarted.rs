//! What the SDK knows of an explicit listener's messages goes on over a crash of the server, and begins anew where the
//! server is of another life: one that has lost the messages, or an older copy of it.

use super::support::{next, numbered, numbers, patiently, until};
use crate::support::{
    command::{Served, free_address},
    directory::directory,
    server,
};
use eric::client::{Client, Delivery, End, Event, GapReason, NewListener, Rejection, Subscription, reason};
use std::{
    fs,
    future::IntoFuture as _,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::sync::{Notify, Semaphore};

/// A server that is killed and started again, over a directory, with a channel `c` and an explicit listener `l`.
struct Home {
    dir: TempDir,
    address: String,
    served: Served,
}

impl Home {
    async fn begin() -> (Self, Client) {
        let (dir, address) = (directory(), free_address());
        let served = serve(dir.path(), &address).await;
        let client = server::client(&format!("http://{address}"));
        client.create_channel("c").await.expect("it is new");
        client.register("c", NewListener::named("l").explicit()).await.expect("it is new");
        (Self { dir, address, served }, client)
    }

    /// Killed, and started again once the directory is as it is told to be.
    async fn crash(self, meanwhile: impl FnOnce(&Path)) -> Self {
        let Self { dir, address, served } = self;
        served.kill().await;
        meanwhile(dir.path());
        let served = serve(dir.path(), &address).await;
        Self { dir, address, served }
    }
}

async fn serve(dir: &Path, address: &str) -> Served {
    Served::begin(dir, &["--listen", address], &[]).serving().await
}

/// All files of a directory, and no other.
fn copy(from: &Path, to: &Path) {
    let files = |dir: &Path| fs::read_dir(dir).expect("it is there").map(|file| file.expect("it is there"));
    files(to).for_each(|file| fs::remove_file(file.path()).expect("it is there"));
    files(from).for_each(|file| {
        fs::copy(file.path(), to.join(file.file_name())).expect("there is room");
    });
}

async fn send(client: &Client, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        client.broadcast("c", numbered(number)).await.expect("it is accepted");
    }
}

async fn one(subscription: &mut Subscription) -> Delivery {
    match next(subscription).await {
        Some(Ok(Event::Delivery(delivery))) => delivery,
        other => panic!("a delivery is next, not {other:?}"),
    }
}

/// So many are on their way to the program, or with it.
async fn until_in_hand(client: &Client, messages: i64) {
    until(async || {
        let listener = client.listener("c", "l").await.expect("it is there");
        listener.unacknowledged_messages == messages
    })
    .await;
}

#[tokio::test]
async fn a_handler_that_is_slow_is_not_given_a_message_again_after_a_crash() {
    const MESSAGES: u64 = 30;
    const IN_HAND: usize = 8;
    let (mut home, client) = Home::begin().await;
    send(&client, 0..MESSAGES).await;
    let (seen, gate, stop) =
        (Arc::<Mutex<Vec<u64>>>::default(), Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
    let (noted, passing, stopped) = (Arc::clone(&seen), Arc::clone(&gate), Arc::clone(&stop));
    let listen = client.listen("c", "l").max_unacknowledged(IN_HAND as u32, 1 << 20);
    let handling = listen.handle(move |event| {
        let Event::Delivery(delivery) = event else { panic!("nothing is missing: {event:?}") };
        noted.lock().expect("nobody panics with it").push(delivery.message.json().expect("it is a number"));
        let passing = Arc::clone(&passing);
        async move {
            passing.acquire().await.expect("it is not closed").forget();
            Ok::<(), Rejection>(())
        }
    });
    // more than it can get: it goes on asking, and finds out that its stream is lost
    let handling = handling.at_once(2 * IN_HAND).until(async move { stopped.notified().await });
    let handling = tokio::spawn(handling.into_future());
    let handed = async |count: usize| {
        until(async || seen.lock().expect("nobody panics with it").len() == count).await;
    };
    handed(IN_HAND).await;
    for kill in 1..=3 {
        home = home.crash(|_| {}).await;
        // all that the handlers have in hand has come again
        until_in_hand(&client, IN_HAND as i64).await;
        // and some of them are done with it just before the next crash
        gate.add_permits(4);
        handed(IN_HAND + kill * 4).await;
    }
    gate.add_permits(MESSAGES as usize);
    until(async || client.listener("c", "l").await.expect("it is there").backlog_messages == 0).await;
    stop.notify_one();
    assert!(matches!(patiently(handling).await.expect("it does not panic"), Ok(End::Left)));
    let seen = seen.lock().expect("nobody panics with it").clone();
    assert_eq!(seen, (0..MESSAGES).collect::<Vec<_>>(), "each once, in order");
    home.served.kill().await;
}

#[tokio::test]
async fn what_a_program_holds_over_a_crash_it_acknowledges_and_rejects_afterwards() {
    let (home, client) = Home::begin().await;
    send(&client, 0..4).await;
    let mut subscription = client.listen("c", "l").max_unacknowledged(2, 1 << 20).await.unwrap();
    let held = [one(&mut subscription).await, one(&mut subscription).await];
    let home = home.crash(|_| {}).await;
    // before another stream has begun, and after
    held[0].acknowledge().await.unwrap();
    let third = one(&mut subscription).await;
    assert_eq!(third.message.json::<u64>().unwrap(), 2);
    let rejected = held[1].reject(Rejection::new("again").after(Duration::ZERO)).await.unwrap();
    assert_eq!((rejected.attempts, rejected.generation), (1, 1));
    let again = one(&mut subscription).await;
    assert_eq!((again.message.json::<u64>().unwrap(), again.attempt), (1, 2));
    for delivery in [again, third] {
        delivery.acknowledge().await.unwrap();
    }
    let last = one(&mut subscription).await;
    assert_eq!(last.message.json::<u64>().unwrap(), 3);
    assert_eq!(client.listener("c", "l").await.unwrap().backlog_messages, 1);
    home.served.kill().await;
}

/// The copy's next sequences are those that its original gave to other messages.
#[tokio::test]
async fn what_an_older_copy_sends_is_not_taken_for_what_the_original_sent() {
    let (home, client) = Home::begin().await;
    send(&client, 0..3).await;
    let backup = directory();
    let home = home.crash(|dir| copy(dir, backup.path())).await;
    send(&client, 3..6).await;
    // no more than it takes: it finds out that its stream is lost
    let mut subscription = client.listen("c", "l").max_unacknowledged(4, 1 << 20).await.unwrap();
    assert_eq!(numbers(&mut subscription, 3).await, [0, 1, 2]);
    let held = one(&mut subscription).await;
    assert_eq!(held.message.json::<u64>().unwrap(), 3);

    let home = home.crash(|dir| copy(backup.path(), dir)).await;
    until(async || client.server().await.is_ok()).await;
    send(&client, 10..13).await;
    let gap = match next(&mut subscription).await {
        Some(Ok(Event::Gap(gap))) => gap,
        other => panic!("the gap comes first, not {other:?}"),
    };
    assert_eq!(gap.reason, GapReason::OtherLife);
    assert_eq!(numbers(&mut subscription, 3).await, [0, 1, 2], "what is not acknowledged comes");
    let other = one(&mut subscription).await;
    assert_eq!((other.message.json::<u64>().unwrap(), other.sequence), (10, held.sequence));
    other.acknowledge().await.unwrap();
    assert_eq!(numbers(&mut subscription, 1).await, [11]);
    assert_eq!(held.acknowledge().await.unwrap_err().reason(), Some(reason::OTHER_LIFE));
    assert_eq!(client.listener("c", "l").await.unwrap().backlog_messages, 5);
    home.served.kill().await;
}
