//! A stream begins once the registration of its listener is on disk: the birth that it tells holds for ever.

use super::faults::begun;
use crate::support::{
    Refused, Wire,
    directory::over,
    many::{Many, changed, unchanged},
    power::Power,
    until,
    wire::{pull, subscription},
    within,
};
use eric::v1::{
    ChangeListenRequest, ChangeListenResponse, CreateChannelRequest, ListenRequest, RegisterRequest,
    WatchSubscription,
};
use futures_util::{FutureExt as _, future::BoxFuture};
use std::time::Duration;
use tokio::{task::JoinHandle, time::sleep};
use tonic::{Code, Status};

/// Long for an answer that waits for nothing.
const PATIENCE: Duration = Duration::from_millis(200);

type Birth = BoxFuture<'static, Result<i64, Status>>;

/// Who hears of them. Nobody takes another's over.
const LISTENERS: [&str; 3] = ["listens", "pulls", "is-added"];

type Asked = JoinHandle<Result<i64, Status>>;

/// Of channel `d` and its listeners, which are made while nothing comes to the disk: their births, once answered.
async fn made(wire: &Wire) -> (Asked, [Asked; 3]) {
    let creates = wire.clone();
    let created = tokio::spawn(async move {
        let request = CreateChannelRequest { channel: Some("d".into()), ..Default::default() };
        let answer = within(creates.call().create_channel(request)).await?.into_inner();
        Ok(answer.channel.expect("it is told").birth)
    });
    until(async || wire.server().await.channels == 2).await;
    let registered = LISTENERS.map(|listener| {
        let (registers, listener) = (wire.clone(), Some(listener.to_owned()));
        tokio::spawn(async move {
            let request = RegisterRequest { channel: "d".into(), listener, ..Default::default() };
            let answer = within(registers.call().register(request)).await?.into_inner();
            Ok(answer.listener.expect("it is told").birth)
        })
    });
    until(async || wire.server().await.listeners == 4).await;
    (created, registered)
}

async fn answer(asked: JoinHandle<Result<i64, Status>>) -> Result<i64, Status> {
    asked.await.expect("it does not panic")
}

#[track_caller]
fn is_unavailable(status: &Status) {
    Refused::of(status).is(Code::Unavailable, "LOG_UNAVAILABLE", &[]);
}

/// Whoever hears of a listener, or of the channel, is told its birth.
fn doors(wire: &Wire) -> [Birth; 3] {
    let [listens, pulls, watches] = [0; 3].map(|_| wire.clone());
    let watched = WatchSubscription { channel: "d".to_owned(), ..Default::default() };
    [
        async move { Ok(listens.try_listen(subscription("d", LISTENERS[0], "")).await?.started.birth) }
            .boxed(),
        async move {
            let answer = within(pulls.call().pull(pull("d", LISTENERS[1]))).await?.into_inner();
            Ok(answer.started.expect("it has begun").birth)
        }
        .boxed(),
        async move { Ok(watches.try_watch(watched).await?.started.birth) }.boxed(),
    ]
}

async fn add(wire: Wire, stream: String) -> ChangeListenResponse {
    let request =
        ChangeListenRequest { stream, add: vec![subscription("d", LISTENERS[2], "")], remove: vec![] };
    within(wire.call().change_listen(request)).await.expect("the stream is open").into_inner()
}

/// A stream of `l` of channel `c`.
async fn stream(wire: &Wire) -> Many {
    let asked = ListenRequest { subscriptions: vec![subscription("c", "l", "")], ..Default::default() };
    let mut stream = Many::try_open(wire, asked).await.expect("it opens");
    stream.until(|stream| stream.started.len() == 1).await;
    stream
}

#[tokio::test]
async fn a_stream_begins_once_its_listener_is_on_disk() {
    let power = Power::new();
    let server = power.serve(&[]).await;
    let wire = begun(&server, 0..0).await;
    let mut of_many = stream(&wire).await;
    power.ask("hold");
    let (created, registered) = made(&wire).await;
    let opened = doors(&wire).map(tokio::spawn);
    let added = tokio::spawn(add(wire.clone(), of_many.id.clone()));
    sleep(PATIENCE).await;
    assert!(!opened.iter().any(|door| door.is_finished()), "a crash could undo it");
    assert!(!added.is_finished());
    power.ask_no_more("hold");
    let created = answer(created).await.unwrap();
    let mut births = Vec::new();
    for registered in registered {
        births.push(answer(registered).await.unwrap());
    }
    for (door, birth) in opened.into_iter().zip([births[0], births[1], created]) {
        assert_eq!(answer(door).await.unwrap(), birth);
    }
    assert_eq!(changed(&added.await.expect("it is answered").added), [2]);
    of_many.until(|stream| stream.started.len() == 2).await;
    server.kill().await;
    let (_server, wire) = over(&power.kept()).await;
    assert_eq!(wire.look_at("d").await.birth, created);
    for (listener, birth) in LISTENERS.into_iter().zip(births) {
        assert_eq!(wire.listener("d", listener).await.birth, birth);
    }
}

#[tokio::test]
async fn where_a_registration_may_never_be_on_disk_no_stream_begins() {
    let power = Power::new();
    let server = power.serve(&[]).await;
    let wire = begun(&server, 0..0).await;
    let of_many = stream(&wire).await;
    power.ask("hold");
    let (created, registered) = made(&wire).await;
    let opened = doors(&wire).map(tokio::spawn);
    let added = tokio::spawn(add(wire.clone(), of_many.id.clone()));
    power.ask("fail");
    power.ask_no_more("hold");
    for asked in registered.into_iter().chain(opened).chain([created]) {
        is_unavailable(&answer(asked).await.unwrap_err());
    }
    unchanged(&added.await.expect("it is answered").added[0]).is(Code::Unavailable, "LOG_UNAVAILABLE", &[]);
    for later in doors(&wire) {
        is_unavailable(&later.await.unwrap_err());
    }
    assert_eq!(wire.listen("c", "l").await.started.listener, "l");
    server.kill().await;
}
