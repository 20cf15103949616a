//! What happens to the channel: it changes, listeners come and go, messages are sent, cleared and sent back.

use super::*;

impl Life {
    pub(super) fn update(&mut self, settings: &ChannelSettings) {
        let dead_letter_listener = self.room.settings.dead_letter_listener.clone();
        let settings = ChannelSettings { dead_letter_listener, ..settings.clone() };
        (0..3).for_each(|listener| self.inspect(listener));
        // the change itself; where the room stands with it comes behind
        let (mark, now) = (self.mark() + 1, self.now());
        self.hub.update_channel(channel_id("room"), |_| Ok::<_, Error>(settings.clone())).unwrap();
        self.room.update(settings, mark, now);
        self.is_told_what_was_set(self.room.grave);
    }

    pub(super) fn name(&mut self, named: bool) {
        (0..3).for_each(|listener| self.inspect(listener));
        let grave = named.then_some(GRAVE).filter(|grave| self.room.ears.contains_key(grave));
        let settings = ChannelSettings {
            dead_letter_listener: grave.map(|grave| LISTENERS[grave].into()),
            ..self.room.settings.clone()
        };
        // the change itself; where the room stands with it comes behind
        let (mark, now) = (self.mark() + 1, self.now());
        self.hub.update_channel(channel_id("room"), |_| Ok::<_, Error>(settings.clone())).unwrap();
        let before = self.room.grave;
        self.room.settings = settings;
        self.room.name(grave, mark, now);
        self.is_told_what_was_set(before.or(grave));
    }

    /// The first record has the settings; others have where the channel stands with them, and who receives dead letters.
    fn is_told_what_was_set(&mut self, grave: Option<usize>) {
        if self.took(2) {
            self.is_kept();
        }
        grave.filter(|_| self.took(3)).into_iter().for_each(|grave| self.is_told(grave));
    }

    pub(super) fn register(&mut self, listener: usize) {
        let new = NewListener { mode: AcknowledgementMode::Explicit, ..NewListener::default() };
        let answer = self.hub.register(channel_id("room"), listener_id(LISTENERS[listener]), new);
        assert_eq!(answer.is_err(), self.room.ears.contains_key(&listener));
        if let Ok(registered) = answer {
            let mut ear = Ear::new(registered.listener.birth.0);
            ear.on_core = self.core.is_some();
            ear.keep(registered.listener.birth.0);
            self.room.ears.insert(listener, ear);
            let now = self.now();
            self.room.adopt(listener, now);
        }
    }

    pub(super) fn remove(&mut self, listener: usize) {
        self.inspect(listener);
        let answer = self.hub.remove_listener(channel_id("room"), listener_id(LISTENERS[listener]));
        if self.room.grave == Some(listener) {
            return assert!(matches!(answer, Err(Error::InUse { .. })));
        }
        assert_eq!(answer.is_ok(), self.room.ears.remove(&listener).is_some());
        self.tokens[listener] = None;
        if let Some(mut open) = self.streams[listener].take() {
            assert!(matches!(open.stream.ending(), Ending::Failed(Error::ListenerRemoved { .. })));
        }
    }

    pub(super) fn set_deadline(&mut self, listener: usize, deadline: Option<u64>) {
        self.inspect(listener);
        let (overtaking, now) = (self.room.overtaking(), self.now());
        let Some(ear) = self.room.ears.get_mut(&listener) else { return };
        ear.allow(deadline, overtaking, now);
        let ack_deadline = deadline.map(Duration::from_millis);
        let changed = |settings| Ok::<_, Error>(ListenerSettings { ack_deadline, ..settings });
        self.hub.update_listener(channel_id("room"), listener_id(LISTENERS[listener]), changed).unwrap();
    }

    pub(super) fn send(&mut self, to: Option<usize>, bytes: usize, ttl: Option<u64>) {
        if to.is_some_and(|to| !self.room.ears.contains_key(&to)) {
            return;
        }
        let kind = if to.is_some() { "d" } else { "b" };
        let message = match ttl {
            None => message(kind, bytes),
            Some(ttl) => perishable(kind, ttl),
        };
        let bytes = message.len() as u64;
        let answer = match to {
            Some(to) => self.hub.dispatch(channel_id("room"), listener_id(LISTENERS[to]), message),
            None => self.hub.broadcast(channel_id("room"), message),
        };
        let full = self.room.refuses(to, bytes);
        let now = self.now();
        match answer {
            Ok(accepted) => {
                assert!(full.is_empty(), "{full:?} are full");
                assert_eq!(accepted.receivers, Some(to.map_or(self.room.hearers(), |_| 1)));
                let message = Accepted_ { bytes, ttl, letter: false, wanted: to.is_some() };
                self.room.accept(accepted.position.0, message, to, now);
            }
            Err(Error::BacklogFull { listener, .. }) => {
                assert!(full.iter().any(|full| LISTENERS[*full] == listener), "{listener} has room");
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub(super) fn purge(&mut self, listener: usize, back: Option<Pick>) {
        let through = back.and_then(|back| self.picked(listener, &[back]).first().copied());
        let now = self.now();
        if !self.room.ears.contains_key(&listener) {
            return;
        }
        let id = listener_id(LISTENERS[listener]);
        let purged = self.hub.purge_listener(channel_id("room"), id, through.map(Position)).unwrap();
        assert_eq!(purged.messages, self.room.purge(listener, purged.through.0, now), "{purged:?}");
        // the first record has its place in the order
        if self.took(2) {
            self.is_told(listener);
        }
    }

    pub(super) fn requeue(&mut self, pick: Pick) {
        let Some(ear) = self.room.ears.get(&GRAVE) else { return };
        let positions = ear.positions();
        let Some(position) = positions.iter().rev().nth(pick).copied() else { return };
        let Sent { fate, ttl, .. } = ear.sent[&position];
        let mut answers = self
            .hub
            .requeue(channel_id("room"), listener_id(LISTENERS[GRAVE]), &[Position(position)])
            .unwrap();
        let Ok(requeued) = answers.remove(0) else { return };
        assert_eq!(fate, Fate::Waits);
        let page = |listener: &&usize| {
            let id = listener_id(LISTENERS[**listener]);
            let after = Position(requeued.accepted.position.0 - 1);
            let page = self.hub.list_messages(channel_id("room"), id, after, 1, LARGE).unwrap();
            let found = |entry: &Entry| (entry.message.len() as u64, entry.message.kind() == "d");
            page.entries.first().map(found)
        };
        let now = self.now();
        let to = self.room.ears.keys().find(|listener| page(listener).is_some()).copied().unwrap();
        let (bytes, wanted) = page(&&to).unwrap();
        let message = Accepted_ { bytes, ttl, letter: false, wanted };
        self.room.accept(requeued.accepted.position.0, message, Some(to), now);
        let grave = self.room.ears.get_mut(&GRAVE).unwrap();
        grave.take_out(position, now);
    }

    pub(super) fn trim(&mut self, count: usize) {
        (0..3).for_each(|listener| self.inspect(listener));
        let channel = self.hub.channel(channel_id("room")).unwrap();
        let mut dropped = Vec::new();
        for _ in 0..count {
            channel.lock().ring.drop_first(&mut dropped);
        }
        self.hub.forget(&dropped);
        self.follow_ring(false);
        // a stream finds out when somebody looks
        self.streams.iter_mut().flatten().for_each(|open| open.waits = false);
        (0..3).for_each(|listener| self.inspect(listener));
    }
}
