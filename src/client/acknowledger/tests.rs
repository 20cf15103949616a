//! Acknowledging at a server that answers when a test says so.

use super::*;
use crate::{
    client::{Acknowledged, Result, ledger::Attempts},
    v1::{self, acknowledge_result::Outcome},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};
use tonic::{Request, Response, Status};

type Answer = Result<Response<v1::AcknowledgeResponse>, Status>;

/// One call, as it came, and how it is answered.
struct Asked {
    items: Vec<v1::Acknowledgement>,
    answer: oneshot::Sender<Answer>,
}

impl Asked {
    /// Each item covered all that it names.
    fn apply(self) {
        let results = self.items.iter().map(|item| {
            let acknowledged = Acknowledged {
                through_sequence: item.through_sequence.unwrap_or_default(),
                covered_messages: 1,
                generation: 0,
            };
            v1::AcknowledgeResult { outcome: Some(Outcome::Acknowledged(acknowledged)) }
        });
        let answer = v1::AcknowledgeResponse { results: results.collect() };
        self.answer.send(Ok(Response::new(answer))).unwrap();
    }

    fn refuse(self, status: Status) {
        self.answer.send(Err(status)).unwrap();
    }
}

struct Fake {
    client: Client,
    asked: mpsc::Receiver<Asked>,
}

impl Fake {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (ask, asked) = mpsc::channel(1);
        tokio::spawn(serve(listener, ask));
        let backoff = crate::client::Backoff { initial: Duration::ZERO, maximum: Duration::ZERO };
        let client = Client::builder(endpoint).backoff(backoff).timeout(Duration::from_secs(5));
        Self { client: client.connect().unwrap(), asked }
    }

    /// A listener that has received these.
    fn account(&self, listener: &str, sequences: std::ops::RangeInclusive<i64>) -> Arc<Account> {
        let account = Account::new(self.client.clone(), "c".into(), listener.into());
        account.started(&"one".into(), 1, 0, 0);
        let deliveries = sequences.map(|sequence| v1::Delivery { sequence, ..Default::default() });
        let batch = v1::Batch { deliveries: deliveries.collect(), ..Default::default() };
        account.received(&batch, &Attempts::default());
        account
    }

    async fn next(&mut self) -> Asked {
        self.asked.recv().await.unwrap()
    }

    /// Nothing is on its way.
    fn is_quiet(&mut self) -> bool {
        self.asked.try_recv().is_err()
    }
}

async fn serve(listener: TcpListener, ask: mpsc::Sender<Asked>) {
    while let Ok((io, _)) = listener.accept().await {
        let ask = ask.clone();
        let service = hyper::service::service_fn(move |request| {
            let ask = ask.clone();
            let verb = tower::service_fn(move |request| put(ask.clone(), request));
            let codec = tonic_prost::ProstCodec::<v1::AcknowledgeResponse, v1::AcknowledgeRequest>::default();
            async move { Ok::<_, Infallible>(tonic::server::Grpc::new(codec).unary(verb, request).await) }
        });
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        tokio::spawn(connection.serve_connection(TokioIo::new(io), service));
    }
}

async fn put(ask: mpsc::Sender<Asked>, request: Request<v1::AcknowledgeRequest>) -> Answer {
    let (answer, answered) = oneshot::channel();
    let asked = Asked { items: request.into_inner().items, answer };
    ask.send(asked).await.map_err(|_| Status::unavailable("the test is over"))?;
    answered.await.unwrap_or_else(|_| Err(Status::unavailable("nobody answers")))
}

/// The program handles what came.
fn handle(account: &Arc<Account>, sequence: i64) -> oneshot::Receiver<Result<Acknowledged>> {
    let hold = account.admit(sequence, 0).expect("it came and was not handed out");
    account.done(hold.epoch, sequence)
}

fn through(asked: &Asked) -> Vec<(&str, Option<i64>)> {
    let mut items: Vec<_> =
        asked.items.iter().map(|item| (item.listener.as_str(), item.through_sequence)).collect();
    items.sort_unstable();
    items
}

#[tokio::test]
async fn the_first_goes_at_once_and_the_rest_gathers_behind_it() {
    let mut fake = Fake::start().await;
    let (a, b) = (fake.account("a", 1..=100), fake.account("b", 1..=100));
    let first = handle(&a, 1);
    let asked = fake.next().await;
    assert_eq!(through(&asked), [("a", Some(1))]);
    assert_eq!((asked.items[0].incarnation.as_str(), asked.items[0].birth), ("one", 1));
    let waiting: Vec<_> =
        (2..=100).flat_map(|sequence| [handle(&a, sequence), handle(&b, sequence - 1)]).collect();
    asked.apply();
    first.await.unwrap().unwrap();
    let asked = fake.next().await;
    assert_eq!(through(&asked), [("a", Some(100)), ("b", Some(99))], "one call for both listeners");
    asked.apply();
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
    assert!(fake.is_quiet());
}

#[tokio::test]
async fn what_was_not_answered_is_said_again_with_what_gathered() {
    let mut fake = Fake::start().await;
    let account = fake.account("a", 1..=3);
    let first = handle(&account, 1);
    let asked = fake.next().await;
    let second = handle(&account, 2);
    asked.refuse(Status::unavailable("not now"));
    let asked = fake.next().await;
    assert_eq!(through(&asked), [("a", Some(2))]);
    asked.apply();
    assert!(first.await.unwrap().is_ok() && second.await.unwrap().is_ok());
}

#[tokio::test]
async fn what_is_refused_for_good_is_told_and_not_said_again() {
    let mut fake = Fake::start().await;
    let account = fake.account("a", 1..=2);
    let answer = handle(&account, 1);
    fake.next().await.refuse(Status::unimplemented("not here"));
    assert_eq!(answer.await.unwrap().unwrap_err().code(), Some(tonic::Code::Unimplemented));
    assert!(account.fault().is_some() && account.is_idle());
    assert!(fake.is_quiet());
}

#[tokio::test]
async fn a_flush_waits_for_what_is_on_its_way() {
    let mut fake = Fake::start().await;
    let account = fake.account("a", 1..=2);
    drop(handle(&account, 1));
    let flushing = tokio::spawn({
        let account = account.clone();
        async move { account.flushed(Duration::from_secs(60)).await }
    });
    let asked = fake.next().await;
    drop(handle(&account, 2));
    asked.apply();
    let asked = fake.next().await;
    assert!(!flushing.is_finished(), "the second is not answered yet");
    asked.apply();
    flushing.await.unwrap();
    assert!(account.is_idle());
}

#[tokio::test]
async fn what_a_closed_subscription_earned_is_still_said_but_not_for_ever() {
    let mut fake = Fake::start().await;
    fake.client.policy =
        crate::client::policy::Policy { timeout: Duration::from_secs(1), ..(*fake.client.policy).clone() }
            .into();
    let account = fake.account("a", 1..=2);
    account.close();
    let answer = handle(&account, 1);
    let refusing = async {
        loop {
            fake.next().await.refuse(Status::unavailable("not now"));
        }
    };
    tokio::select! {
        answer = answer => assert!(answer.unwrap().is_err()),
        () = refusing => {}
    }
    account.flushed(Duration::from_secs(60)).await;
    assert!(account.is_idle());
}

#[tokio::test]
async fn the_task_ends_with_its_work_and_begins_again() {
    let mut fake = Fake::start().await;
    let account = fake.account("a", 1..=2);
    for sequence in 1..=2 {
        let answer = handle(&account, sequence);
        fake.next().await.apply();
        answer.await.unwrap().unwrap();
        while fake.client.acknowledger.queue().carried {
            tokio::task::yield_now().await;
        }
    }
}

#[test]
fn what_was_on_its_way_on_a_runtime_that_ended_is_said_on_the_next() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // the connection lives on another than those that acknowledge
    let server = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut fake = server.block_on(Fake::start());
    let (a, b) = (fake.account("a", 1..=2), fake.account("b", 1..=2));
    let first = runtime();
    let (asked, mut answers) = first.block_on(async {
        let on_its_way = handle(&a, 1);
        let asked = fake.next().await;
        (asked, vec![on_its_way, handle(&b, 1)])
    });
    drop(first);
    drop(asked);
    runtime().block_on(async {
        answers.push(handle(&b, 2));
        let asked = fake.next().await;
        assert_eq!(through(&asked), [("a", Some(1)), ("b", Some(2))]);
        asked.apply();
        for answer in answers {
            answer.await.unwrap().unwrap();
        }
        let again = handle(&a, 2);
        let asked = fake.next().await;
        assert_eq!(through(&asked), [("a", Some(2))]);
        asked.apply();
        again.await.unwrap().unwrap();
    });
}
