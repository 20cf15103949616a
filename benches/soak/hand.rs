//! What an EXPLICIT receiver has in hand on one stream, and what it says of it.

use crate::{
    cast::{Receiver, Who},
    event::{Event, Stream, now},
    road::{Wire, broken},
    stage::Stage,
};
use eric::v1::{
    AcknowledgeRequest, Acknowledged, Acknowledgement, Attempt, Batch, Gap, SubscriptionStarted,
    acknowledge_result::Outcome,
};
use std::rc::Rc;
use tonic::Code;

#[derive(Clone, Copy)]
pub(crate) struct Held {
    pub(crate) sequence: i64,
    pub(crate) generation: i64,
    /// From 2 where it came again.
    pub(crate) attempt: Option<i32>,
}

pub(crate) struct Hand {
    pub(crate) stage: Rc<Stage>,
    pub(crate) who: Who,
    stream: Stream,
    pub(crate) birth: i64,
    pub(crate) incarnation: String,
    generation: i64,
    pub(crate) held: Vec<Held>,
    /// The gaps that were said.
    pub(crate) gaps: Vec<Gap>,
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
            gaps: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn take(&mut self, batch: &Batch) {
        if self.generation != batch.generation {
            self.gaps.clear();
        }
        self.gaps.extend(batch.gaps.iter().cloned());
        self.generation = batch.generation;
        for delivery in &batch.deliveries {
            let sequence = delivery.sequence;
            let repeat = batch.repeats.iter().find(|repeat| repeat.sequence == sequence);
            self.held.retain(|held| held.sequence != sequence);
            let attempt = repeat.map(|repeat| repeat.attempt);
            self.held.push(Held { sequence, generation: batch.generation, attempt });
        }
    }

    pub(crate) fn receiver(&self) -> &Receiver {
        &self.stage.cast.receivers[self.who]
    }

    pub(crate) fn overtaking(&self) -> bool {
        self.receiver().overtaking
    }

    /// Whether it came again by itself.
    fn alone(&self, held: &Held) -> bool {
        self.overtaking() && held.attempt.is_some_and(|attempt| attempt > 1)
    }

    /// Everything, by one `through`; what others have overtaken, by its attempt.
    pub(crate) async fn acknowledge_all(&mut self, wire: &mut Wire) -> Result<(), ()> {
        let held = std::mem::take(&mut self.held);
        let gaps = std::mem::take(&mut self.gaps);
        // of an older generation `through` may cover only a part, and what it covers is not in doubt then
        let mut generations: Vec<_> = held.iter().map(|held| held.generation).collect();
        generations.sort_unstable();
        generations.dedup();
        if generations.is_empty() && !gaps.is_empty() {
            generations.push(self.generation);
        }
        for generation in generations {
            let of = |held: &&Held| held.generation == generation;
            let these: Vec<_> = held.iter().filter(of).copied().collect();
            // what came again by itself may stand behind what has not come yet
            let in_order = these.iter().filter(|held| !self.alone(held)).map(|held| held.sequence);
            let told = if generation == self.generation { &gaps[..] } else { &[] };
            let through = in_order.chain(told.iter().map(|gap| gap.through_sequence)).max();
            // one by one it is known whether all were covered
            let singly = self.overtaking() && gaps.is_empty() && these.len() % 2 == 0;
            let through = through.filter(|_| !singly);
            // what came behind a gap passes it, too
            let named = if these.len() % 3 == 0 { &[] } else { told };
            self.acknowledge(wire, generation, through, &these, named).await?;
        }
        Ok(())
    }

    /// Single ones.
    pub(crate) async fn acknowledge_some(
        &mut self,
        wire: &mut Wire,
        rng: &mut fastrand::Rng,
    ) -> Result<(), ()> {
        let generation = self.generation;
        let chosen: Vec<_> =
            self.held.iter().filter(|held| held.generation == generation && rng.bool()).copied().collect();
        self.held.retain(|held| !chosen.iter().any(|it| it.sequence == held.sequence));
        if chosen.is_empty() {
            return Ok(());
        }
        self.acknowledge(wire, generation, None, &chosen, &[]).await
    }

    async fn acknowledge(
        &self,
        wire: &mut Wire,
        generation: i64,
        through: Option<i64>,
        these: &[Held],
        gaps: &[Gap],
    ) -> Result<(), ()> {
        let receiver = self.receiver();
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
            gaps: gaps.to_vec(),
        };
        let about = these.iter().map(|held| Event::Acknowledging { sequence: held.sequence });
        self.stage.books.lock().note(self.who, about);
        let crashes = self.stage.crashes.get();
        let answer = wire.acknowledge(AcknowledgeRequest { items: vec![item.clone()] }).await;
        let answer = answer.map_err(|status| self.failed(&status))?.into_inner();
        // whose answer that is, is not known
        if crashes != self.stage.crashes.get() {
            return Ok(());
        }
        match answer.results.into_iter().next().and_then(|result| result.outcome) {
            Some(Outcome::Acknowledged(told))
                if told.covered_messages == 0 && told.generation > generation + 1 =>
            {
                self.acknowledge_again(wire, item, these, told.generation).await?;
            }
            Some(Outcome::Acknowledged(told)) => self.judge(these, &told, through.is_some()),
            Some(Outcome::Error(error)) if self.may_be_gone(error.code) => self.not_covered(these),
            other => {
                let fault = format!("{}: {item:?} was answered with {other:?}", self.receiver().name());
                self.stage.books.lock().fault(fault);
                self.not_covered(these);
            }
        }
        Ok(())
    }

    /// An older generation covers nothing, and what was never rewound does not come again: it is said once more, and whether
    /// it is on its way again is not known.
    async fn acknowledge_again(
        &self,
        wire: &mut Wire,
        item: Acknowledgement,
        these: &[Held],
        generation: i64,
    ) -> Result<(), ()> {
        let again = Acknowledgement {
            generation: Some(generation),
            through_sequence: None,
            sequences: these.iter().map(|held| held.sequence).collect(),
            ..item
        };
        let answer = wire.acknowledge(AcknowledgeRequest { items: vec![again] }).await;
        answer.map_err(|status| self.failed(&status)).map(drop)
    }

    fn not_covered(&self, these: &[Held]) {
        let events = these
            .iter()
            .map(|held| Event::NotCovered { sequence: held.sequence, generation: held.generation });
        self.stage.books.lock().note(self.who, events);
    }

    /// A listener that was removed meanwhile, or is another one now.
    pub(crate) fn may_be_gone(&self, code: i32) -> bool {
        let gone = code == Code::NotFound as i32 || code == Code::FailedPrecondition as i32;
        gone && self.receiver().fleeting()
    }

    /// Which of those are acknowledged for certain, and which are not.
    ///
    /// In a newer generation they may be on their way again. What the same generation does not cover was acknowledged
    /// before, or is gone, which is OK. Where others overtake there are no generations: one that lies below
    /// `through_sequence` may have failed too often meanwhile, and an earlier attempt be on its way still.
    fn judge(&self, these: &[Held], told: &Acknowledged, through: bool) {
        let all = !through && usize::try_from(told.covered_messages) == Ok(these.len());
        let when = now();
        let below = |held: &Held| !self.overtaking() && held.sequence <= told.through_sequence;
        let events = these.iter().filter_map(|held| {
            let Held { sequence, generation, .. } = *held;
            let same = generation == told.generation;
            match () {
                () if same && (all || below(held)) => {
                    Some(Event::Acknowledged { stream: self.stream, sequence, when })
                }
                () if !same && told.covered_messages == 0 => {
                    Some(Event::NotCovered { sequence, generation: told.generation })
                }
                () => None,
            }
        });
        self.stage.books.lock().note(self.who, events);
    }

    pub(crate) fn failed(&self, status: &tonic::Status) {
        if !broken(status) {
            self.stage.books.lock().fault(format!("{}: {status:?}", self.receiver().name()));
        }
    }
}
