//! What an EXPLICIT receiver has in hand on one stream, and what it says of it.

use crate::{
    books::{Event, Stream},
    cast::{Who, millis},
    road::Wire,
    send::broken,
    stage::Stage,
};
use eric::v1::{
    AcknowledgeRequest, Acknowledged, Acknowledgement, Attempt, Batch, RejectRequest, Rejected, Rejection,
    SubscriptionStarted, acknowledge_result, reject_result,
};
use std::rc::Rc;

#[derive(Clone, Copy)]
struct Held {
    sequence: i64,
    generation: i64,
    /// From 2 where it came again.
    attempt: Option<i32>,
}

pub(crate) struct Hand {
    stage: Rc<Stage>,
    pub(crate) who: Who,
    pub(crate) stream: Stream,
    birth: i64,
    incarnation: String,
    generation: i64,
    held: Vec<Held>,
    /// The end of the last gap that was said.
    gap: i64,
}

impl Hand {
    pub(crate) fn new(
        stage: &Rc<Stage>,
        who: Who,
        stream: Stream,
        started: &SubscriptionStarted,
        incarnation: &str,
    ) -> Self {
        Self {
            stage: Rc::clone(stage),
            who,
            stream,
            birth: started.birth,
            incarnation: incarnation.to_owned(),
            generation: started.generation,
            held: Vec::new(),
            gap: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn take(&mut self, batch: &Batch) {
        if self.generation != batch.generation {
            self.gap = 0;
        }
        self.gap = batch.gaps.iter().map(|gap| gap.through_sequence).fold(self.gap, i64::max);
        self.generation = batch.generation;
        for delivery in &batch.deliveries {
            let sequence = delivery.sequence;
            let repeat = batch.repeats.iter().find(|repeat| repeat.sequence == sequence);
            self.held.retain(|held| held.sequence != sequence);
            let attempt = repeat.map(|repeat| repeat.attempt);
            self.held.push(Held { sequence, generation: batch.generation, attempt });
        }
    }

    fn overtaking(&self) -> bool {
        self.stage.cast.receivers[self.who].overtaking
    }

    /// Whether it came again by itself.
    fn alone(&self, held: &Held) -> bool {
        self.overtaking() && held.attempt.is_some_and(|attempt| attempt > 1)
    }

    /// Says something of what is in hand, or nothing. An error: the connection is broken.
    pub(crate) async fn say(&mut self, wire: &mut Wire, rng: &mut fastrand::Rng) -> Result<(), ()> {
        match rng.u8(..100) {
            _ if self.stage.calm() || self.held.len() > 48 => self.acknowledge_all(wire).await,
            0..50 => self.acknowledge_all(wire).await,
            50..70 => self.acknowledge_some(wire, rng).await,
            70..78 => self.reject(wire, rng, false).await,
            78..80 => self.reject(wire, rng, true).await,
            _ => Ok(()),
        }
    }

    /// Everything, by one `through`; what others have overtaken, by its attempt.
    pub(crate) async fn acknowledge_all(&mut self, wire: &mut Wire) -> Result<(), ()> {
        let held = std::mem::take(&mut self.held);
        let gap = std::mem::take(&mut self.gap);
        // of an older generation `through` may cover only a part, and what it covers is not in doubt then
        let mut generations: Vec<_> = held.iter().map(|held| held.generation).collect();
        generations.sort_unstable();
        generations.dedup();
        if generations.is_empty() && gap > 0 {
            generations.push(self.generation);
        }
        for generation in generations {
            let of = |held: &&Held| held.generation == generation;
            let these: Vec<_> = held.iter().filter(of).copied().collect();
            // what came again by itself may stand behind what has not come yet
            let in_order = these.iter().filter(|held| !self.alone(held)).map(|held| held.sequence);
            let through = in_order.fold(if generation == self.generation { gap } else { 0 }, i64::max);
            let through = (through > 0).then_some(through);
            self.acknowledge(wire, generation, through, &these).await?;
        }
        Ok(())
    }

    /// Single ones.
    async fn acknowledge_some(&mut self, wire: &mut Wire, rng: &mut fastrand::Rng) -> Result<(), ()> {
        let generation = self.generation;
        let chosen: Vec<_> =
            self.held.iter().filter(|held| held.generation == generation && rng.bool()).copied().collect();
        self.held.retain(|held| !chosen.iter().any(|it| it.sequence == held.sequence));
        if chosen.is_empty() {
            return Ok(());
        }
        self.acknowledge(wire, generation, None, &chosen).await
    }

    async fn acknowledge(
        &self,
        wire: &mut Wire,
        generation: i64,
        through: Option<i64>,
        these: &[Held],
    ) -> Result<(), ()> {
        let receiver = &self.stage.cast.receivers[self.who];
        let attempts = these
            .iter()
            .filter(|held| self.alone(held))
            .map(|held| Attempt { sequence: held.sequence, attempt: held.attempt.unwrap_or_default() });
        let singles = these.iter().filter(|held| !self.alone(held) && through.is_none());
        let item = Acknowledgement {
            channel: receiver.channel.to_owned(),
            listener: receiver.listener.to_owned(),
            birth: self.birth,
            incarnation: self.incarnation.clone(),
            generation: Some(generation),
            through_sequence: through,
            sequences: singles.map(|held| held.sequence).collect(),
            attempts: attempts.collect(),
        };
        let about = these.iter().map(|held| Event::Acknowledging { sequence: held.sequence });
        self.stage.books.lock().note(self.who, about);
        let answer = wire.acknowledge(AcknowledgeRequest { items: vec![item.clone()] }).await;
        let answer = answer.map_err(|status| self.failed(&status))?.into_inner();
        match answer.results.into_iter().next().and_then(|result| result.outcome) {
            Some(acknowledge_result::Outcome::Acknowledged(told))
                if told.covered_messages == 0 && told.generation > generation + 1 =>
            {
                // an older generation covers nothing, and what was never rewound does not come again: it is said once
                // more, and whether it is on its way again is not known
                let again = Acknowledgement {
                    generation: Some(told.generation),
                    through_sequence: None,
                    sequences: these.iter().map(|held| held.sequence).collect(),
                    ..item
                };
                let answer = wire.acknowledge(AcknowledgeRequest { items: vec![again] }).await;
                answer.map_err(|status| self.failed(&status))?;
            }
            Some(acknowledge_result::Outcome::Acknowledged(told)) => {
                self.judge(these, &told, through.is_some())
            }
            other => {
                let mut books = self.stage.books.lock();
                books.fault(format!("{}: {item:?} was answered with {other:?}", self.name()));
                books.note(self.who, these.iter().map(|held| Event::NotCovered { sequence: held.sequence }));
            }
        }
        Ok(())
    }

    /// Which of those are acknowledged for certain, and which are not.
    ///
    /// In a newer generation they may be on their way again, and up to `through_sequence` there are also some that
    /// were dropped meanwhile. What the same generation does not cover was acknowledged before, or is gone, which is OK.
    fn judge(&self, these: &[Held], told: &Acknowledged, through: bool) {
        let all = !through && usize::try_from(told.covered_messages) == Ok(these.len());
        let events = these.iter().filter_map(|held| {
            let Held { sequence, .. } = *held;
            match () {
                () if held.generation == told.generation && (all || sequence <= told.through_sequence) => {
                    Some(Event::Acknowledged { stream: self.stream, sequence })
                }
                () if told.covered_messages == 0 && held.generation != told.generation => {
                    Some(Event::NotCovered { sequence })
                }
                () => None,
            }
        });
        self.stage.books.lock().note(self.who, events);
    }

    async fn reject(&mut self, wire: &mut Wire, rng: &mut fastrand::Rng, last: bool) -> Result<(), ()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let Held { sequence, generation, attempt } = self.held[rng.usize(..self.held.len())];
        let receiver = &self.stage.cast.receivers[self.who];
        let item = Rejection {
            channel: receiver.channel.to_owned(),
            listener: receiver.listener.to_owned(),
            birth: self.birth,
            incarnation: self.incarnation.clone(),
            generation: Some(generation),
            sequence,
            attempt: if self.overtaking() { attempt.unwrap_or(1) } else { 0 },
            reason: "soak".to_owned(),
            delay: rng.bool().then(|| millis(rng.u64(..40))),
            r#final: last,
        };
        let answer = wire.reject(RejectRequest { items: vec![item.clone()] }).await;
        let answer = answer.map_err(|status| self.failed(&status))?.into_inner();
        let gone = tonic::Code::FailedPrecondition as i32;
        match answer.results.into_iter().next().and_then(|result| result.outcome) {
            Some(reject_result::Outcome::Rejected(rejected)) => self.rejected(sequence, &rejected),
            // it was rejected, acknowledged or purged by somebody else meanwhile
            // it stays in hand, as what is done with
            Some(reject_result::Outcome::Error(error)) if error.code == gone => {}
            other => {
                let fault = format!("{}: {item:?} was answered with {other:?}", self.name());
                self.stage.books.lock().fault(fault);
            }
        }
        Ok(())
    }

    fn rejected(&mut self, sequence: i64, rejected: &Rejected) {
        let overtaking = self.overtaking();
        self.gap = 0;
        // what stands behind it comes again
        self.held
            .retain(|held| if overtaking { held.sequence != sequence } else { held.sequence < sequence });
        let receiver = &self.stage.cast.receivers[self.who];
        let dead = self.stage.cast.find(receiver.channel, crate::cast::DEAD);
        let mut books = self.stage.books.lock();
        books.figures.rejected += 1;
        if rejected.dropped || rejected.dead_letter_sequence > 0 {
            books.note(self.who, [Event::Buried { sequence }]);
        }
        if let Some(dead) = dead.filter(|_| rejected.dead_letter_sequence > 0) {
            books.told_buried.insert((dead, rejected.dead_letter_sequence), sequence);
        }
    }

    fn failed(&self, status: &tonic::Status) {
        if !broken(status) {
            self.stage.books.lock().fault(format!("{}: {status:?}", self.name()));
        }
    }

    fn name(&self) -> String {
        self.stage.cast.receivers[self.who].name()
    }
}
