//! What is said of deliveries: they are acknowledged, rejected, prolonged, or named wrongly.

use super::*;

impl Life {
    /// The positions that are picked; a listener that has had nothing has none.
    pub(super) fn picked(&self, listener: usize, picks: &[Pick]) -> Vec<u64> {
        let Some(ear) = self.room.ears.get(&listener) else { return Vec::new() };
        let mut positions = ear.positions();
        // seldom one that was not delivered yet
        let delivered = positions.iter().filter(|position| **position <= ear.delivered).count();
        positions.truncate(delivered + 1);
        picks.iter().filter_map(|pick| positions.iter().rev().nth(*pick).copied()).collect()
    }

    pub(super) fn acknowledge(
        &mut self,
        listener: usize,
        through: Option<Pick>,
        singles: &[Pick],
        heard: bool,
        back: u64,
    ) {
        let through = through.and_then(|through| self.picked(listener, &[through]).first().copied());
        let singles = self.picked(listener, singles);
        let (now, overtaking) = (self.now(), self.room.overtaking());
        let Some(ear) = self.room.ears.get_mut(&listener) else { return };
        let back = back.min(ear.generation);
        let gaps = if heard { ear.told_gaps() } else { Vec::new() };
        let (attempts, plain): (Vec<u64>, Vec<u64>) =
            singles.iter().copied().partition(|single| overtaking && ear.sent[single].failed > 0);
        let attempts = attempts.into_iter().map(|single| (Position(single), ear.sent[&single].failed + 1));
        let acknowledgement = Acknowledgement {
            generation: Some(ear.generation - back),
            through: through.map(Position),
            attempts: attempts.collect(),
            singles: plain.into_iter().map(Position).collect(),
            gaps: gaps.iter().map(|(after, through)| (Position(*after), Position(*through))).collect(),
            ..Acknowledgement::default()
        };
        let answer =
            self.hub.acknowledge(channel_id("room"), listener_id(LISTENERS[listener]), acknowledgement);
        match (answer, ear.acknowledge(through, &singles, &gaps, back, overtaking, now)) {
            (Ok(done), Ok((least, most))) => {
                assert!((least..=most).contains(&done.covered), "{} of {least}..={most}", done.covered);
                assert_eq!(done.generation, ear.generation);
                ear.check_passed(done.through.0, now);
            }
            (Err(Error::NotDelivered { .. }), Err(())) => {}
            (answer, expected) => panic!("{answer:?}, not {expected:?}"),
        }
    }

    pub(super) fn reject(
        &mut self,
        listener: usize,
        picks: &[Pick],
        delay: Option<u64>,
        last: bool,
        back: u64,
    ) {
        let positions = self.picked(listener, picks);
        let (now, overtaking) = (self.now(), self.room.overtaking());
        let Some(ear) = self.room.ears.get(&listener).filter(|_| !positions.is_empty()) else { return };
        let back = if overtaking { 0 } else { back.min(ear.generation) };
        let rejection = |position: &u64| Rejection {
            life: Life_::default(),
            generation: Some(ear.generation - back),
            position: Position(*position),
            attempt: overtaking.then(|| ear.sent[position].failed + 1),
            reason: "no".into(),
            delay: delay.map(Duration::from_millis),
            last,
        };
        let rejections: Vec<_> = positions.iter().map(rejection).collect();
        let answers =
            self.hub.reject(channel_id("room"), listener_id(LISTENERS[listener]), &rejections).unwrap();
        let mut failing: Vec<Failing> = Vec::new();
        for (position, answer) in positions.iter().zip(&answers) {
            let expected = ear.may_reject(*position, back, overtaking);
            let certain = !ear.is_uncertain(*position, now);
            match (answer, expected) {
                (Ok(_), Ok(())) => {}
                // how often one has failed that is gone is not remembered
                (Err(Error::NotDelivered { .. }), Err(Error::NotOutstanding { .. })) if overtaking => {}
                (Err(error), Err(expected)) => assert_eq!(
                    std::mem::discriminant(error),
                    std::mem::discriminant(&expected),
                    "{error:?}, not {expected:?}"
                ),
                (Err(Error::NotOutstanding { .. }), Ok(())) if !certain => {}
                (Err(Error::NotDelivered { .. }), Ok(())) if !certain && overtaking => {}
                (answer, expected) => panic!("{answer:?}, not {expected:?} for {position} of {ear:?}"),
            }
            if answer.is_ok() && failing.iter().all(|failing| failing.position != *position) {
                failing.push(Failing { position: *position, delay, last });
            }
        }
        let attempts = self.fail(listener, &failing, true, "no");
        if !failing.is_empty() {
            self.is_told(listener);
        }
        let generation = self.room.ears[&listener].generation;
        for (position, answer) in positions.iter().zip(answers) {
            let Ok(rejected) = answer else { continue };
            let index = failing.iter().position(|failing| failing.position == *position).unwrap();
            assert_eq!((rejected.attempts, rejected.generation), (attempts[index], generation));
        }
    }

    pub(super) fn extend(&mut self, listener: usize, pick: Pick, by: u64, back: u64) {
        let picked = self.picked(listener, &[pick]);
        let (now, overtaking) = (self.now(), self.room.overtaking());
        let Some(ear) = self.room.ears.get_mut(&listener) else { return };
        let Some(position) = picked.first().copied() else { return };
        let back = if overtaking { 0 } else { back.min(ear.generation) };
        let extension = Extension {
            life: Life_::default(),
            generation: Some(ear.generation - back),
            position: Position(position),
            attempt: overtaking.then(|| ear.sent[&position].failed + 1),
            by: Duration::from_millis(by),
        };
        let answer = self.hub.extend(channel_id("room"), listener_id(LISTENERS[listener]), &extension);
        match (answer, ear.may_reject(position, back, overtaking)) {
            (Ok(given), Ok(())) => assert_eq!(given.is_some(), ear.extend(position, now, by, overtaking)),
            (Err(Error::NotDelivered { .. }), Err(Error::NotOutstanding { .. })) if overtaking => {}
            (Err(Error::NotOutstanding { .. }), Ok(())) if ear.is_uncertain(position, now) => {}
            (Err(Error::NotDelivered { .. }), Ok(())) if ear.is_uncertain(position, now) && overtaking => {}
            (Err(error), Err(expected)) => {
                assert_eq!(std::mem::discriminant(&error), std::mem::discriminant(&expected));
            }
            (answer, expected) => panic!("{answer:?}, not {expected:?} for {position} of {ear:?}"),
        }
    }

    /// Nothing of it is done, and each says so.
    pub(super) fn stale(&self, listener: usize) {
        let Some(ear) = self.room.ears.get(&listener) else { return };
        let (channel, id) = (channel_id("room"), listener_id(LISTENERS[listener]));
        let birth = self.hub.get_listener(channel, id).unwrap().birth;
        let life = Life_ { birth: Some(birth.before()), incarnation: None };
        let (through, position) = (Some(Position(ear.delivered)), Position(ear.delivered));
        let acknowledgement = Acknowledgement { life, through, ..Acknowledgement::default() };
        let refused = |error| matches!(error, Some(Error::OtherLife { .. }));
        assert!(refused(self.hub.acknowledge(channel, id, acknowledgement).err()));
        let by = Duration::from_millis(1);
        let extension = Extension { life, generation: None, position, attempt: None, by };
        assert!(refused(self.hub.extend(channel, id, &extension).err()));
        let answers = self.hub.reject(channel, id, &[final_rejection(life, position)]).unwrap();
        assert!(answers.into_iter().all(|answer| refused(answer.err())));
    }

    /// While the log takes nothing each verb that needs it says so, and nothing is changed.
    pub(super) fn refuse(&self, listener: usize) {
        let Some(ear) = self.room.ears.get(&listener) else { return };
        let (channel, id) = (channel_id("room"), listener_id(LISTENERS[listener]));
        self.log.fails.store(true, Ordering::SeqCst);
        let refused = |error: Option<Error>| {
            let in_use = matches!(error, Some(Error::InUse { .. } | Error::BacklogFull { .. }));
            assert!(in_use || matches!(error, Some(Error::Log(_))), "{error:?}");
        };
        refused(self.hub.dispatch(channel, id, message("d", 10)).err());
        refused(self.hub.broadcast(channel, message("b", 10)).err());
        refused(self.hub.purge_listener(channel, id, None).err());
        refused(self.hub.remove_listener(channel, id).err());
        let through = Some(Position(ear.delivered));
        let acknowledgement = Acknowledgement { through, ..Acknowledgement::default() };
        refused(self.hub.acknowledge(channel, id, acknowledgement).err());
        for position in ear.positions() {
            let rejection = final_rejection(Life_::default(), Position(position));
            let answer = self.hub.reject(channel, id, &[rejection]);
            answer.map_or_else(
                |error| refused(Some(error)),
                |answers| assert!(answers.iter().all(Result::is_err), "{answers:?}"),
            );
            let answers = self.hub.requeue(channel, id, &[Position(position)]).unwrap();
            assert!(answers.iter().all(Result::is_err), "{answers:?}");
        }
        self.log.fails.store(false, Ordering::SeqCst);
    }

    /// Deliveries have failed; what is buried is found in the dead letter listener. Tells how often each has failed.
    pub(super) fn fail(
        &mut self,
        listener: usize,
        failing: &[Failing],
        rewinds: bool,
        reason: &str,
    ) -> Vec<u32> {
        let (now, settings, mark) = (self.now(), self.room.settings.clone(), self.mark());
        let Some(ear) = self.room.ears.get_mut(&listener) else { return Vec::new() };
        let letter = |sent: Sent| {
            let bytes = sent.bytes + reason.len() as u64 + FACTS_BYTES;
            Accepted_ { bytes, ttl: sent.ttl, letter: true, wanted: true }
        };
        let before: Vec<_> = failing.iter().map(|failing| letter(ear.sent[&failing.position])).collect();
        let verdicts = ear.fail(failing, rewinds, &settings, now);
        let buried = verdicts.iter().zip(before).filter(|(verdict, _)| verdict.buried);
        let letters: Vec<_> = buried.map(|(_, letter)| letter).collect();
        if let Some(grave) = self.room.grave.filter(|grave| *grave != listener) {
            // a stream that begins has not buried yet
            let first = if rewinds { mark - letters.len() as u64 + 1 } else { mark + 2 };
            for (position, letter) in (first..).zip(letters) {
                self.room.accept(position, letter, Some(grave), now);
            }
        }
        verdicts.into_iter().map(|verdict| verdict.attempts).collect()
    }
}
