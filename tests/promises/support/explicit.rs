//! What an EXPLICIT listener says of what it received.

use super::{Event, Reader, Refused, TestServer, Wire, within};
use eric::v1::{
    self, AcknowledgeRequest, Acknowledged, Acknowledgement, AcknowledgementMode, Attempt, ChannelSettings,
    ExtendRequest, Extended, Extension, Gap, ListenerSettings, RegisterRequest, RejectRequest, Rejected,
    Rejection, acknowledge_result, extend_result, reject_result, requeue_result,
};
use tonic_types::pb;

/// A server with a channel `c` and in it an EXPLICIT listener `l`, and a client of the bare wire.
pub(crate) async fn explicit() -> (TestServer, Wire) {
    explicit_of(ChannelSettings::default()).await
}

/// The same, in a channel of these settings.
pub(crate) async fn explicit_of(settings: ChannelSettings) -> (TestServer, Wire) {
    let server = TestServer::start();
    let wire = server.wire().await;
    wire.create_with("c", settings).await;
    wire.register_explicit("c", "l").await;
    (server, wire)
}

/// The same, with an EXPLICIT listener `dead` for what failed so many times.
pub(crate) async fn with_dead_letters(max_attempts: i32) -> (TestServer, Wire) {
    let (server, wire) = explicit().await;
    wire.register_explicit("c", "dead").await;
    let dead_letter_listener = Some("dead".to_owned());
    let settings =
        ChannelSettings { max_attempts: Some(max_attempts), dead_letter_listener, ..Default::default() };
    wire.update("c", settings).await;
    (server, wire)
}

/// Of the listener `l` of the channel `c`: nothing yet.
pub(crate) fn acknowledgement() -> Acknowledgement {
    Acknowledgement { channel: "c".into(), listener: "l".into(), ..Default::default() }
}

/// Everything up to a sequence.
pub(crate) fn through(sequence: i64) -> Acknowledgement {
    Acknowledgement { through_sequence: Some(sequence), ..acknowledgement() }
}

/// Single ones.
pub(crate) fn singly(sequences: &[i64]) -> Acknowledgement {
    Acknowledgement { sequences: sequences.to_vec(), ..acknowledgement() }
}

/// A gap that was told.
pub(crate) fn known(gap: Gap) -> Acknowledgement {
    Acknowledgement { gaps: vec![gap], ..acknowledgement() }
}

/// One that came again alone.
pub(crate) fn by_attempt(sequence: i64, attempt: i32) -> Acknowledgement {
    Acknowledgement { attempts: vec![Attempt { sequence, attempt }], ..acknowledgement() }
}

/// Of the listener `l` of the channel `c`; it comes again at once.
pub(crate) fn rejection(sequence: i64) -> Rejection {
    let delay = Some(prost_types::Duration::default());
    Rejection { channel: "c".into(), listener: "l".into(), sequence, delay, ..Default::default() }
}

/// It never comes again.
pub(crate) fn final_rejection(sequence: i64, reason: &str) -> Rejection {
    Rejection { r#final: true, reason: reason.into(), delay: None, ..rejection(sequence) }
}

/// Of the listener `l` of the channel `c`.
pub(crate) fn extension(sequence: i64, seconds: i64) -> Extension {
    let extension = Some(prost_types::Duration { seconds, nanos: 0 });
    Extension { channel: "c".into(), listener: "l".into(), sequence, extension, ..Default::default() }
}

impl Wire {
    pub(crate) async fn register_explicit(&self, channel: &str, listener: &str) -> v1::Listener {
        self.register_explicit_with(channel, listener, ListenerSettings::default()).await
    }

    pub(crate) async fn register_explicit_with(
        &self,
        channel: &str,
        listener: &str,
        settings: ListenerSettings,
    ) -> v1::Listener {
        let request = RegisterRequest {
            channel: channel.to_owned(),
            listener: Some(listener.to_owned()),
            acknowledgement_mode: AcknowledgementMode::Explicit.into(),
            settings: Some(settings),
            ..Default::default()
        };
        let answer = within(self.call().register(request)).await.expect("the listener is new");
        answer.into_inner().listener.expect("it is told")
    }

    /// Each is answered for itself.
    pub(crate) async fn acknowledge_all(
        &self,
        items: Vec<Acknowledgement>,
    ) -> Vec<Result<Acknowledged, Refused>> {
        let answer = within(self.call().acknowledge(AcknowledgeRequest { items })).await;
        each(answer.expect("the call is OK").into_inner().results, |result| match result.outcome? {
            acknowledge_result::Outcome::Acknowledged(acknowledged) => Some(Ok(acknowledged)),
            acknowledge_result::Outcome::Error(status) => Some(Err(status)),
        })
    }

    pub(crate) async fn try_acknowledge(&self, item: Acknowledgement) -> Result<Acknowledged, Refused> {
        self.acknowledge_all(vec![item]).await.remove(0)
    }

    pub(crate) async fn acknowledge(&self, item: Acknowledgement) -> Acknowledged {
        self.try_acknowledge(item).await.expect("it is applied")
    }

    /// Each is answered for itself.
    pub(crate) async fn reject_all(&self, items: Vec<Rejection>) -> Vec<Result<Rejected, Refused>> {
        let answer = within(self.call().reject(RejectRequest { items })).await;
        each(answer.expect("the call is OK").into_inner().results, |result| match result.outcome? {
            reject_result::Outcome::Rejected(rejected) => Some(Ok(rejected)),
            reject_result::Outcome::Error(status) => Some(Err(status)),
        })
    }

    pub(crate) async fn try_reject(&self, item: Rejection) -> Result<Rejected, Refused> {
        self.reject_all(vec![item]).await.remove(0)
    }

    pub(crate) async fn reject(&self, item: Rejection) -> Rejected {
        self.try_reject(item).await.expect("it is applied")
    }

    /// Each is answered for itself.
    pub(crate) async fn extend_all(&self, items: Vec<Extension>) -> Vec<Result<Extended, Refused>> {
        let answer = within(self.call().extend(ExtendRequest { items })).await;
        each(answer.expect("the call is OK").into_inner().results, |result| match result.outcome? {
            extend_result::Outcome::Extended(extended) => Some(Ok(extended)),
            extend_result::Outcome::Error(status) => Some(Err(status)),
        })
    }

    pub(crate) async fn try_extend(&self, item: Extension) -> Result<Extended, Refused> {
        self.extend_all(vec![item]).await.remove(0)
    }

    /// What waits for a listener, page by page.
    pub(crate) async fn messages(&self, channel: &str, listener: &str, page_size: i32) -> Vec<v1::Delivery> {
        let (mut all, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = v1::ListMessagesRequest {
                channel: channel.to_owned(),
                listener: listener.to_owned(),
                page_size,
                page_token,
            };
            let answer = within(self.call().list_messages(request)).await.expect("the listener is there");
            let page = answer.into_inner();
            all.extend(page.deliveries);
            if page.next_page_token.is_empty() {
                return all;
            }
            page_token = page.next_page_token;
        }
    }

    /// Each is answered for itself.
    pub(crate) async fn requeue(
        &self,
        channel: &str,
        listener: &str,
        sequences: &[i64],
    ) -> Vec<Result<v1::Receipt, Refused>> {
        let request = v1::RequeueRequest {
            channel: channel.to_owned(),
            listener: listener.to_owned(),
            sequences: sequences.to_vec(),
        };
        let answer = within(self.call().requeue(request)).await.expect("the call is OK");
        each(answer.into_inner().results, |result| match result.outcome? {
            requeue_result::Outcome::Receipt(receipt) => Some(Ok(receipt)),
            requeue_result::Outcome::Error(status) => Some(Err(status)),
        })
    }
}

/// Each is answered for itself.
fn each<R, T>(
    results: Vec<R>,
    outcome: impl Fn(R) -> Option<Result<T, pb::Status>>,
) -> Vec<Result<T, Refused>> {
    let mut outcomes = Vec::with_capacity(results.len());
    for result in results {
        outcomes.push(match outcome(result).expect("each is answered") {
            Ok(done) => Ok(done),
            Err(status) => Err(Refused::of_pb(&status)),
        });
    }
    outcomes
}

impl Reader {
    /// The next delivery, its attempt where it was delivered before, and the generation it belongs to.
    pub(crate) async fn attempt(&mut self) -> (v1::Delivery, Option<i32>, i64) {
        match self.event().await {
            Ok(Some(Event::Delivery(delivery))) => {
                let (attempt, generation) = self.told_of(delivery.sequence);
                (delivery, attempt, generation)
            }
            other => panic!("a delivery was expected, not {other:?}"),
        }
    }
}
