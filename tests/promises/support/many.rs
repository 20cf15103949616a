//! A stream of many listeners, and how it is changed while it is open.

use super::{
    Refused, Wire,
    message::{number, sent},
    wire::subscription,
    within,
};
use eric::v1::{
    ChangeListenRequest, ChangeListenResponse, ChangeListenResult, ListenRequest, ListenResponse,
    change_listen_result::Outcome,
};
use prost::Message as _;
use std::collections::BTreeMap;
use tonic::{Status, Streaming};

/// A stream of many that is read part by part.
pub(crate) struct Many {
    parts: Streaming<ListenResponse>,
    pub(crate) id: String,
    /// What has begun, by its number.
    pub(crate) started: BTreeMap<i32, String>,
    /// The numbers that were delivered, by the subscription's own; what carries none is read and forgotten.
    pub(crate) delivered: BTreeMap<i32, Vec<i64>>,
    pub(crate) ended: BTreeMap<i32, tonic_types::pb::Status>,
}

impl Many {
    pub(crate) async fn try_open(wire: &Wire, request: ListenRequest) -> Result<Self, Status> {
        let parts = within(wire.call().listen(request)).await?.into_inner();
        let (started, delivered, ended) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut stream = Self { parts, id: String::new(), started, delivered, ended };
        stream.read().await?.expect("a stream says that it is open");
        assert!(!stream.id.is_empty(), "its first part says so");
        Ok(stream)
    }

    /// A stream of these listeners of `c`, all of which have begun.
    pub(crate) async fn open(wire: &Wire, listeners: &[&str]) -> Self {
        let mut stream = Self::try_open(wire, of(listeners)).await.expect("the stream opens");
        stream.until(|stream| stream.started.len() == listeners.len()).await;
        stream
    }

    async fn read(&mut self) -> Result<Option<()>, Status> {
        let Some(part) = within(self.parts.message()).await? else { return Ok(None) };
        assert!(part.encoded_len() <= 3 << 20, "no response is larger");
        self.id.extend(part.opened.map(|opened| opened.stream));
        for started in part.started {
            assert!(self.started.insert(started.subscription, started.listener).is_none());
        }
        for batch in part.batches {
            assert!(self.started.contains_key(&batch.subscription), "it has begun");
            assert!(!self.ended.contains_key(&batch.subscription), "it has not ended");
            assert!(!batch.resume_token.is_empty() && batch.gaps.is_empty());
            let numbered = batch.deliveries.iter().filter(|delivery| sent(delivery).r#type == "number");
            self.delivered.entry(batch.subscription).or_default().extend(numbered.map(number));
        }
        for ended in part.ended {
            assert!(self.ended.insert(ended.subscription, ended.status.expect("it says why")).is_none());
        }
        Ok(Some(()))
    }

    pub(crate) async fn until(&mut self, so: impl Fn(&Self) -> bool) {
        while !so(self) {
            self.read().await.expect("the stream goes on").expect("the stream goes on");
        }
    }

    pub(crate) fn of(&self, number: i32) -> &[i64] {
        self.delivered.get(&number).map_or(&[], Vec::as_slice)
    }

    /// Reads to the end, and tells its status.
    pub(crate) async fn rest(&mut self) -> Status {
        loop {
            match self.read().await {
                Ok(Some(())) => {}
                Ok(None) => return Status::ok(""),
                Err(status) => return status,
            }
        }
    }

    pub(crate) fn failure_of(&self, number: i32) -> Refused {
        Refused::of_pb(&self.ended[&number])
    }
}

pub(crate) fn of(listeners: &[&str]) -> ListenRequest {
    let subscriptions = listeners.iter().map(|listener| subscription("c", listener, "")).collect();
    ListenRequest { subscriptions, max_response_bytes: 0 }
}

pub(crate) fn changes(stream: &str, add: &[&str], remove: &[i32]) -> ChangeListenRequest {
    let add = add.iter().map(|listener| subscription("c", listener, "")).collect();
    ChangeListenRequest { stream: stream.to_owned(), add, remove: remove.to_vec() }
}

pub(crate) async fn change(wire: &Wire, stream: &str, add: &[&str], remove: &[i32]) -> ChangeListenResponse {
    let request = changes(stream, add, remove);
    within(wire.call().change_listen(request)).await.expect("the stream is open").into_inner()
}

#[track_caller]
pub(crate) fn changed(results: &[ChangeListenResult]) -> Vec<i32> {
    let number = |result: &ChangeListenResult| match &result.outcome {
        Some(Outcome::Subscription(number)) => *number,
        other => panic!("it was not changed: {other:?}"),
    };
    results.iter().map(number).collect()
}

#[track_caller]
pub(crate) fn unchanged(result: &ChangeListenResult) -> Refused {
    match &result.outcome {
        Some(Outcome::Error(status)) => Refused::of_pb(status),
        other => panic!("it was changed: {other:?}"),
    }
}
