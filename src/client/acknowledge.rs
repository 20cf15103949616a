//! Saying that deliveries are done with.

use super::{Client, Gap, Result, Service, policy::Repeat, results::each};
use crate::v1::{self, acknowledge_result::Outcome};

pub use crate::v1::Acknowledged;

/// What a listener is done with. Whatever is not said about the life of its deliveries is not checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Acknowledgement(v1::Acknowledgement);

impl Acknowledgement {
    /// Of nothing yet.
    pub fn of(channel: impl Into<String>, listener: impl Into<String>) -> Self {
        let (channel, listener) = (channel.into(), listener.into());
        Self(v1::Acknowledgement { channel, listener, ..Default::default() })
    }

    /// Everything up to this sequence, included.
    pub fn through(mut self, sequence: i64) -> Self {
        self.0.through_sequence = Some(sequence);
        self
    }

    /// These as well.
    pub fn sequences(mut self, sequences: impl IntoIterator<Item = i64>) -> Self {
        self.0.sequences.extend(sequences);
        self
    }

    /// One that came again alone, in a channel whose redelivery is overtaking.
    pub fn attempt(mut self, sequence: i64, attempt: i32) -> Self {
        self.0.attempts.push(v1::Attempt { sequence, attempt });
        self
    }

    /// A gap that was told: it is told no more.
    pub fn gap(self, gap: &Gap) -> Self {
        self.gap_between(gap.after_sequence, gap.through_sequence)
    }

    pub(crate) fn gap_between(mut self, after_sequence: i64, through_sequence: i64) -> Self {
        self.0.gaps.push(v1::Gap { after_sequence, through_sequence, ..Default::default() });
        self
    }

    /// The listener's birth; another one's is refused, reason `OTHER_LIFE`.
    pub fn birth(mut self, birth: i64) -> Self {
        self.0.birth = birth;
        self
    }

    /// The generation that the deliveries came in. Without: the current one.
    pub fn generation(mut self, generation: i64) -> Self {
        self.0.generation = Some(generation);
        self
    }
}

impl Client {
    /// Says that deliveries of explicit listeners are done with, at most 1,024 listeners in a call. Twice is
    /// OK. Who receives through this client says so by
    /// [`Delivery::acknowledge`](super::Delivery::acknowledge).
    ///
    /// # Errors
    /// Of the call as a whole. Each item's own is in its place: NOT_FOUND; FAILED_PRECONDITION, reasons
    /// `NOT_DELIVERED`, `OTHER_LIFE`; INVALID_ARGUMENT, reason `NOT_EXPLICIT`.
    pub async fn acknowledge(
        &self,
        items: impl IntoIterator<Item = Acknowledgement>,
    ) -> Result<Vec<Result<Acknowledged>>> {
        call(self, items.into_iter().map(|item| item.0).collect()).await
    }
}

/// One Acknowledge.
pub(super) async fn call(
    client: &Client,
    items: Vec<v1::Acknowledgement>,
) -> Result<Vec<Result<Acknowledged>>> {
    let expected = items.len();
    let verb = |mut service: Service, request| async move { service.acknowledge(request).await };
    let answer = client.call(Repeat::Safe, v1::AcknowledgeRequest { items }, verb).await?;
    each(answer.results, expected, |result| match result.outcome {
        Some(Outcome::Acknowledged(acknowledged)) => Some(Ok(acknowledged)),
        Some(Outcome::Error(status)) => Some(Err(status.into())),
        None => None,
    })
}
