//! The verbs by which EXPLICIT listeners say what they are done with, and operators look through what waits.

use super::{
    Dispatcher, convert, delivery,
    page::{self, Page},
    publish,
    status::Refusal,
    wire,
};
use crate::{
    hub::{Acknowledgement, Extension, Incarnation, Life, Rejected, Rejection},
    log::Position,
};
use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};
use tokio::task::yield_now;

/// Rejections of so many listeners in one go, then the core's streams have a turn.
const LISTENERS_IN_A_ROW: usize = 16;
const MAX_REASON_BYTES: usize = 1024;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A page of messages is shorter where it would pass this.
const PAGE_BYTES: u64 = 3 * 1024 * 1024;

impl Dispatcher {
    pub(crate) fn acknowledge(
        &self,
        request: &wire::AcknowledgeRequest,
    ) -> Result<wire::AcknowledgeResponse, Refusal> {
        use wire::acknowledge_result::Outcome;
        convert::at_most(request.items.len(), "items")?;
        let outcome = |(place, item)| match self.acknowledge_one(item) {
            Ok(acknowledged) => Outcome::Acknowledged(acknowledged),
            Err(refusal) => Outcome::Error(self.of_item(refusal, "items", place)),
        };
        let results = request.items.iter().enumerate().map(outcome);
        let results = results.map(|outcome| wire::AcknowledgeResult { outcome: Some(outcome) }).collect();
        Ok(wire::AcknowledgeResponse { results })
    }

    fn acknowledge_one(&self, item: &wire::Acknowledgement) -> Result<wire::Acknowledged, Refusal> {
        let (channel, listener) =
            (convert::channel_id(&item.channel)?, convert::listener_id(&item.listener)?);
        let through = item.through_sequence.map(|through| convert::position(through, "through_sequence"));
        let singles = item.sequences.iter().map(|sequence| convert::position(*sequence, "sequences"));
        convert::at_most(item.gaps.len(), "gaps")?;
        let gaps = item.gaps.iter().map(|gap| {
            let after = convert::position(gap.after_sequence, "gaps.after_sequence")?;
            Ok::<_, Refusal>((after, convert::position(gap.through_sequence, "gaps.through_sequence")?))
        });
        let attempts = item.attempts.iter().map(|attempt| {
            let number = u32::try_from(attempt.attempt)
                .map_err(|_| Refusal::setting("attempts.attempt", "it must not be negative"));
            Ok::<_, Refusal>((convert::position(attempt.sequence, "attempts.sequence")?, number?))
        });
        let acknowledged = self.hub.acknowledge(
            channel,
            listener,
            Acknowledgement {
                life: life(item.birth, &item.incarnation)?,
                generation: generation(item.generation)?,
                through: through.transpose()?,
                singles: singles.collect::<Result<_, _>>()?,
                attempts: attempts.collect::<Result<_, _>>()?,
                gaps: gaps.collect::<Result<_, _>>()?,
            },
        )?;
        Ok(wire::Acknowledged {
            through_sequence: acknowledged.through.to_i64(),
            covered_messages: convert::to_i64(acknowledged.covered),
            generation: convert::to_i64(acknowledged.generation),
        })
    }

    /// Answers when what was rejected is safe.
    pub(crate) async fn reject(&self, request: wire::RejectRequest) -> Result<wire::RejectResponse, Refusal> {
        use wire::reject_result::Outcome;
        convert::at_most(request.items.len(), "items")?;
        let mut outcomes: Vec<Option<Result<Rejected, Refusal>>> = vec![None; request.items.len()];
        for (done, (listener, places)) in by_listener(&request.items).into_iter().enumerate() {
            self.reject_of_one(listener, &places, &request.items, &mut outcomes);
            if done % LISTENERS_IN_A_ROW == LISTENERS_IN_A_ROW - 1 {
                yield_now().await;
            }
        }
        let safe = outcomes.iter().flatten().flatten().map(|rejected| rejected.position).max();
        let safe = self.safe(safe).await;
        let outcome = |(place, told): (_, Option<_>)| match told.map(|told| once(&safe, told)) {
            Some(Ok(rejected)) => Some(Outcome::Rejected(to_wire(&rejected))),
            Some(Err(refusal)) => Some(Outcome::Error(self.of_item(refusal, "items", place))),
            None => None,
        };
        let results = outcomes.into_iter().enumerate().map(outcome);
        Ok(wire::RejectResponse { results: results.map(|outcome| wire::RejectResult { outcome }).collect() })
    }

    /// Whether the last of what was changed is safe.
    async fn safe(&self, last: Option<Position>) -> Result<(), Refusal> {
        Ok(self.hub.durable(last.unwrap_or_default()).await?)
    }

    /// Rejections of one listener are judged together.
    fn reject_of_one(
        &self,
        (channel, listener): (&str, &str),
        places: &[usize],
        items: &[wire::Rejection],
        outcomes: &mut [Option<Result<Rejected, Refusal>>],
    ) {
        let mut sound = Vec::new();
        for &place in places {
            match rejection(&items[place]) {
                Ok(rejection) => sound.push((place, rejection)),
                Err(refusal) => outcomes[place] = Some(Err(refusal)),
            }
        }
        let (places, rejections): (Vec<_>, Vec<_>) = sound.into_iter().unzip();
        let told = convert::channel_id(channel).and_then(|channel| {
            Ok(self.hub.reject(channel, convert::listener_id(listener)?, &rejections)?)
        });
        match told {
            Ok(told) => places.iter().zip(told).for_each(|(place, told)| {
                outcomes[*place] = Some(told.map_err(Refusal::from));
            }),
            Err(refusal) => places.iter().for_each(|place| outcomes[*place] = Some(Err(refusal.clone()))),
        }
    }

    pub(crate) fn extend(&self, request: &wire::ExtendRequest) -> Result<wire::ExtendResponse, Refusal> {
        use wire::extend_result::Outcome;
        convert::at_most(request.items.len(), "items")?;
        let outcome = |(place, item)| match self.extend_one(item) {
            Ok(extended) => Outcome::Extended(extended),
            Err(refusal) => Outcome::Error(self.of_item(refusal, "items", place)),
        };
        let results = request.items.iter().enumerate().map(outcome);
        let results = results.map(|outcome| wire::ExtendResult { outcome: Some(outcome) }).collect();
        Ok(wire::ExtendResponse { results })
    }

    fn extend_one(&self, item: &wire::Extension) -> Result<wire::Extended, Refusal> {
        let (channel, listener) =
            (convert::channel_id(&item.channel)?, convert::listener_id(&item.listener)?);
        let by = item.extension.ok_or_else(|| Refusal::missing("extension"))?;
        let by = convert::duration(by, DAY).map_err(|told| Refusal::setting("extension", told))?;
        let extension = Extension {
            life: life(item.birth, &item.incarnation)?,
            generation: generation(item.generation)?,
            position: convert::position(item.sequence, "sequence")?,
            attempt: attempt(item.attempt)?,
            by,
        };
        let left = self.hub.extend(channel, listener, &extension)?;
        let deadline = left.map(|left| convert::time(nanos(SystemTime::now() + left)));
        Ok(wire::Extended { deadline })
    }

    pub(crate) fn list_messages(
        &self,
        request: &wire::ListMessagesRequest,
    ) -> Result<wire::ListMessagesResponse, Refusal> {
        let asked = Page::parse(request.page_size, &request.page_token)?;
        let (channel, listener) =
            (convert::channel_id(&request.channel)?, convert::listener_id(&request.listener)?);
        let page = self.hub.list_messages(channel, listener, asked.after, asked.size(), PAGE_BYTES)?;
        Ok(wire::ListMessagesResponse {
            deliveries: page.entries.iter().map(delivery::delivery).collect(),
            next_page_token: page.next.map(page::token).unwrap_or_default(),
        })
    }

    pub(crate) async fn requeue(
        &self,
        request: wire::RequeueRequest,
    ) -> Result<wire::RequeueResponse, Refusal> {
        use wire::requeue_result::Outcome;
        convert::at_most(request.sequences.len(), "sequences")?;
        let (channel, listener) =
            (convert::channel_id(&request.channel)?, convert::listener_id(&request.listener)?);
        let positions = request.sequences.iter().map(|sequence| convert::position(*sequence, "sequences"));
        let told = self.hub.requeue(channel, listener, &positions.collect::<Result<Vec<_>, _>>()?)?;
        let safe = told.iter().flatten().map(|requeued| requeued.accepted.position).max();
        let safe = self.safe(safe).await;
        let outcome = |(place, told): (_, Result<_, _>)| match once(&safe, told.map_err(Refusal::from)) {
            Ok(requeued) => {
                let crate::hub::Requeued { message_id, accepted } = requeued;
                Outcome::Receipt(publish::receipt(message_id, &accepted))
            }
            Err(refusal) => Outcome::Error(self.of_item(refusal, "sequences", place)),
        };
        let results = told.into_iter().enumerate().map(outcome);
        let results = results.map(|outcome| wire::RequeueResult { outcome: Some(outcome) }).collect();
        Ok(wire::RequeueResponse { results })
    }

    fn of_item(&self, refusal: Refusal, field: &str, place: usize) -> tonic_types::pb::Status {
        // these verbs give no credit: where a listener is not EXPLICIT, it is the one to be named
        let refusal = refusal.naming("listener", "credit").within(&format!("{field}[{place}]"));
        refusal.into_pb(self.hub.incarnation())
    }
}

/// What was told, once it is safe. Of what may never be so it is not known whether it was done.
fn once<T>(safe: &Result<(), Refusal>, told: Result<T, Refusal>) -> Result<T, Refusal> {
    told.and_then(|told| safe.clone().map(|()| told))
}

/// Where in a request the items of each listener stand, in the order of the first.
fn by_listener(items: &[wire::Rejection]) -> Vec<((&str, &str), Vec<usize>)> {
    let (mut found, mut known) = (Vec::<(_, Vec<usize>)>::new(), HashMap::new());
    for (place, item) in items.iter().enumerate() {
        let name = (&*item.channel, &*item.listener);
        let group = *known.entry(name).or_insert_with(|| {
            found.push((name, Vec::new()));
            found.len() - 1
        });
        found[group].1.push(place);
    }
    found
}

fn rejection(item: &wire::Rejection) -> Result<Rejection, Refusal> {
    if item.reason.len() > MAX_REASON_BYTES {
        return Err(Refusal::setting("reason", format!("at most {MAX_REASON_BYTES} bytes")));
    }
    let delay = item.delay.map(|delay| convert::duration(delay, DAY)).transpose();
    Ok(Rejection {
        life: life(item.birth, &item.incarnation)?,
        generation: generation(item.generation)?,
        position: convert::position(item.sequence, "sequence")?,
        attempt: attempt(item.attempt)?,
        reason: item.reason.clone(),
        delay: delay.map_err(|told| Refusal::setting("delay", told))?,
        last: item.r#final,
    })
}

fn to_wire(rejected: &Rejected) -> wire::Rejected {
    wire::Rejected {
        generation: convert::to_i64(rejected.generation),
        attempts: i32::try_from(rejected.attempts).unwrap_or(i32::MAX),
        dead_letter_sequence: rejected.dead_letter.map_or(0, Position::to_i64),
        dropped: rejected.delay.is_none() && rejected.dead_letter.is_none(),
        delay: rejected.delay.map(convert::wire_duration),
    }
}

/// What is 0 or empty is not asked.
fn life(birth: i64, incarnation: &str) -> Result<Life, Refusal> {
    let birth = convert::position(birth, "birth")?;
    Ok(Life {
        birth: (birth > Position::ZERO).then_some(birth),
        incarnation: (!incarnation.is_empty()).then(|| Incarnation::parse(incarnation)),
    })
}

fn generation(given: Option<i64>) -> Result<Option<u64>, Refusal> {
    let parse =
        |given| u64::try_from(given).map_err(|_| Refusal::setting("generation", "it must not be negative"));
    given.map(parse).transpose()
}

/// 0: none was named.
fn attempt(given: i32) -> Result<Option<u32>, Refusal> {
    let given = u32::try_from(given).map_err(|_| Refusal::setting("attempt", "it must not be negative"))?;
    Ok((given > 0).then_some(given))
}

fn nanos(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
