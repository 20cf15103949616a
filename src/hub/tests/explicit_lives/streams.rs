//! Streams begin, bring what is due, and end.

use super::*;

/// Where a listener's stream stands, and how far it was delivered: past what it does not want it comes without a word.
fn stands(hub: &Hub, listener: &str) -> [u64; 2] {
    let channel = hub.channel(channel_id("room")).unwrap();
    let state = channel.lock();
    let listener = hub.listener_in(&channel, &state, listener_id(listener)).unwrap();
    let standing = listener.lock();
    let stands = standing.explicit.as_ref().map(|explicit| [explicit.sent().0, explicit.delivered().0]);
    stands.unwrap_or_default()
}

impl Life {
    pub(super) fn listen(
        &mut self,
        listener: usize,
        session: Option<&'static str>,
        credit: Option<Quota>,
        most: usize,
        pull: bool,
    ) {
        self.is_to_tell(listener);
        let Some(ear) = self.room.ears.get(&listener) else { return };
        let now = self.now();
        let pulls_on = pull && ear.goes_on(session, now);
        let left = ear.left_behind(session, now).filter(|_| !pulls_on);
        if let Some(position) = left {
            self.fail(
                listener,
                &[Failing { position, delay: Some(0), last: false }],
                false,
                "its client went away",
            );
        }
        let token = self.tokens[listener].clone().filter(|_| pull);
        let options = ListenOptions {
            session: session.map(Into::into),
            credit: credit.map(Credit),
            max_messages: most,
            max_bytes: 1000,
            pull,
            take_over: TakeOver::Always,
            resume_token: token.as_ref().map(|(token, _)| token.clone()),
            types: if self.choosy { vec!["d".to_owned()] } else { Vec::new() },
            ..ListenOptions::default()
        };
        let receiver = Receiver::Listener(listener_id(LISTENERS[listener]));
        let stream = Stream::new(self.hub.subscribe(channel_id("room"), receiver, options).unwrap());
        if left.is_some() {
            self.is_told(listener);
        }
        let older = self.streams[listener].replace(Open { stream, waits: false });
        if let Some(mut older) = older {
            assert!(!older.waits || older.stream.woken(), "it sleeps over its end");
            assert!(matches!(older.stream.ending(), Ending::Failed(Error::ListenerTakenOver { .. })));
        }
        let ear = self.room.ears.get_mut(&listener).unwrap();
        let goes_on = pulls_on && token.is_none_or(|(_, turns)| turns == ear.turns);
        ear.begin(session, Some(credit.unwrap_or(Credit::default().0)), goes_on);
        ear.choosy = self.choosy;
    }

    pub(super) fn pull(&mut self, listener: usize, session: Option<&'static str>, most: usize, lost: bool) {
        if !self.room.ears.contains_key(&listener) {
            return;
        }
        self.listen(listener, session, None, most, true);
        self.read(listener, 1);
        let token = self.streams[listener].take().unwrap().stream.subscription.token();
        let now = self.now();
        let ear = self.room.ears.get_mut(&listener).unwrap();
        ear.leave(true, now);
        if !lost {
            self.tokens[listener] = Some((token.to_string(), ear.turns));
        }
    }

    pub(super) fn read(&mut self, listener: usize, batches: usize) {
        for _ in 0..batches {
            if self.streams[listener].is_some() {
                self.is_to_tell(listener);
            }
            let (now, overtaking) = (self.now(), self.room.overtaking());
            let Some(open) = &mut self.streams[listener] else { return };
            let ear = self.room.ears.get_mut(&listener).unwrap();
            open.stream.wakes.0.store(0, Ordering::SeqCst);
            let waker = Waker::from(Arc::clone(&open.stream.wakes));
            match open.stream.subscription.poll_batch(&mut Context::from_waker(&waker)) {
                Poll::Ready(handed) => {
                    // whoever reads a stream that rests reads on when he is woken
                    open.waits = open.stream.subscription.rests();
                    ear.check(&handed.unwrap(), overtaking, now);
                    if open.waits {
                        return;
                    }
                }
                Poll::Pending => {
                    open.waits = true;
                    if ear.choosy {
                        let [sent, delivered] = stands(&self.hub, LISTENERS[listener]);
                        ear.pass_unwanted(sent, delivered, now);
                    }
                    if self.core.is_none() && !open.stream.woken() {
                        ear.check_idle(overtaking, now, false);
                    }
                    return;
                }
            }
        }
    }

    pub(super) fn leave(&mut self, listener: usize) {
        let now = self.now();
        if self.streams[listener].take().is_some() {
            self.room.ears.get_mut(&listener).unwrap().leave(false, now);
        }
    }

    pub(super) fn stop(&mut self, listener: usize) {
        let Some(ear) = self.room.ears.get_mut(&listener) else { return };
        ear.stop();
        self.hub.stop_listener(channel_id("room"), listener_id(LISTENERS[listener])).unwrap();
        if let Some(mut open) = self.streams[listener].take() {
            assert_eq!(open.stream.ending(), Ending::Stopped);
        }
    }
}
