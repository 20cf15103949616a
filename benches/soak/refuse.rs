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
        if self.held.is_empty() {
            return Ok(());
        }
        let Held { sequence, generation, attempt } = self.held[rng.usize(..self.held.len())];
        let receiver = self.receiver();
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
            Some(Outcome::Rejected(rejected)) => self.rejected(sequence, generation, &rejected),
            // it was rejected, acknowledged or purged by somebody else meanwhile: it stays in hand, as what is done with
            Some(Outcome::Error(error)) if error.code == gone || self.may_be_gone(error.code) => {}
            other => {
                let fault = format!("{}: {item:?} was answered with {other:?}", self.receiver().name());
                self.stage.books.lock().fault(fault);
            }
        }
        Ok(())
    }

    fn rejected(&mut self, sequence: i64, before: i64, rejected: &Rejected) {
        let overtaking = self.overtaking();
        self.gap = 0;
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
        if self.held.is_empty() {
            return Ok(());
        }
        let Held { sequence, generation, attempt } = self.held[rng.usize(..self.held.len())];
        let receiver = self.receiver();
        let item = Extension {
            channel: receiver.channel.to_owned(),
            listener: receiver.listener.to_owned(),
            birth: self.birth,
            incarnation: self.incarnation.clone(),
            generation: Some(generation),
            sequence,
            attempt: if self.overtaking() { attempt.unwrap_or(1) } else { 0 },
            extension: Some(millis(rng.u64(1..400))),
        };
        let answer = wire.extend(ExtendRequest { items: vec![item.clone()] }).await;
        let answer = answer.map_err(|status| self.failed(&status))?.into_inner();
        let gone = tonic::Code::FailedPrecondition as i32;
        match answer.results.into_iter().next().and_then(|result| result.outcome) {
            Some(extend_result::Outcome::Extended(_)) => self.stage.books.lock().figures.extended += 1,
            Some(extend_result::Outcome::Error(error))
                if error.code == gone || self.may_be_gone(error.code) => {}
            other => {
                let fault = format!("{}: {item:?} was answered with {other:?}", self.receiver().name());
                self.stage.books.lock().fault(fault);
            }
        }
        Ok(())
    }
}
