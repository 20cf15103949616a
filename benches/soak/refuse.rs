//! What is in hand is answered: acknowledged, rejected, left for longer, or left alone.

use crate::{
    cast::DEAD,
    event::Event,
    hand::{Hand, Held},
    road::{Wire, millis},
};
use eric::v1::{
    ExtendRequest, Extension, RejectRequest, Rejected, Rejection, extend_result, reject_result::Outcome,
};
use std::fmt::Debug;

impl Hand {
    /// Says something of what is in hand, or nothing. An error: the connection is broken.
    pub(crate) async fn say(&mut self, wire: &mut Wire, rng: &mut fastrand::Rng) -> Result<(), ()> {
        match rng.u8(..100) {
            _ if self.stage.calm() || self.held.len() > 48 => self.acknowledge_all(wire).await,
            0..50 => self.acknowledge_all(wire).await,
            50..70 => self.acknowledge_some(wire, rng).await,
            70..78 => self.reject(wire, rng, false).await,
            78..80 => self.reject(wire, rng, true).await,
            80..86 => self.extend(wire, rng).await,
            _ => Ok(()),
        }
    }

    async fn reject(&mut self, wire: &mut Wire, rng: &mut fastrand::Rng, last: bool) -> Result<(), ()> {
        let Some(one) = self.one_of_those(rng) else { return Ok(()) };
        let (sequence, before) = (one.sequence, one.generation.unwrap_or_default());
        let Extension { channel, listener, birth, incarnation, generation, attempt, .. } = one;
        let (reason, delay) = ("soak".to_owned(), rng.bool().then(|| millis(rng.u64(..40))));
        let r#final = last;
        let item = Rejection {
            channel,
            listener,
            birth,
            incarnation,
            generation,
            sequence,
            attempt,
            reason,
            delay,
            r#final,
        };
        let answer = wire.reject(RejectRequest { items: vec![item.clone()] }).await;
        let answer = answer.map_err(|status| self.failed(&status))?.into_inner();
        match answer.results.into_iter().next().and_then(|result| result.outcome) {
            Some(Outcome::Rejected(rejected)) => self.rejected(sequence, before, &rejected),
            Some(Outcome::Error(error)) if self.came_too_late(error.code) => {}
            other => self.must_not_be(&item, &other),
        }
        Ok(())
    }

    fn rejected(&mut self, sequence: i64, before: i64, rejected: &Rejected) {
        let overtaking = self.overtaking();
        self.gaps.clear();
        // what stands behind it comes again
        self.held
            .retain(|held| if overtaking { held.sequence != sequence } else { held.sequence < sequence });
        let dead = self.stage.cast.find(self.receiver().channel, DEAD);
        let mut books = self.stage.books.lock();
        books.figures.rejected += 1;
        let generation = rejected.generation;
        books.note(self.who, (generation > before).then_some(Event::Rewound { sequence, generation }));
        let (attempts, gone) = (rejected.attempts, rejected.delay.is_none());
        books.note(self.who, [Event::Failed { sequence, attempts, gone }]);
        if let Some(dead) = dead.filter(|_| rejected.dead_letter_sequence > 0) {
            books.told_buried.insert((dead, rejected.dead_letter_sequence), sequence);
        }
    }

    /// Asks for more time, or for less.
    async fn extend(&mut self, wire: &mut Wire, rng: &mut fastrand::Rng) -> Result<(), ()> {
        let Some(one) = self.one_of_those(rng) else { return Ok(()) };
        let item = Extension { extension: Some(millis(rng.u64(1..400))), ..one };
        let answer = wire.extend(ExtendRequest { items: vec![item.clone()] }).await;
        let answer = answer.map_err(|status| self.failed(&status))?.into_inner();
        match answer.results.into_iter().next().and_then(|result| result.outcome) {
            Some(extend_result::Outcome::Extended(_)) => self.stage.books.lock().figures.extended += 1,
            Some(extend_result::Outcome::Error(error)) if self.came_too_late(error.code) => {}
            other => self.must_not_be(&item, &other),
        }
        Ok(())
    }

    /// One of what is in hand, named as an extension names it; `None`: nothing is.
    fn one_of_those(&self, rng: &mut fastrand::Rng) -> Option<Extension> {
        let place = (!self.held.is_empty()).then(|| rng.usize(..self.held.len()))?;
        let Held { sequence, generation, attempt } = self.held[place];
        let receiver = self.receiver();
        Some(Extension {
            channel: receiver.channel.to_owned(),
            listener: receiver.listener.to_owned(),
            birth: self.birth,
            incarnation: self.incarnation.clone(),
            generation: Some(generation),
            sequence,
            attempt: if self.overtaking() { attempt.unwrap_or(1) } else { 0 },
            extension: None,
        })
    }

    /// It was rejected, acknowledged or purged by somebody else meanwhile: it stays in hand, as what is done with.
    fn came_too_late(&self, code: i32) -> bool {
        code == tonic::Code::FailedPrecondition as i32 || self.may_be_gone(code)
    }

    fn must_not_be(&self, item: &dyn Debug, answer: &dyn Debug) {
        let fault = format!("{}: {item:?} was answered with {answer:?}", self.receiver().name());
        self.stage.books.lock().fault(fault);
    }
}
