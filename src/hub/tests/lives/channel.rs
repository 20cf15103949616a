//! What is done with channels and listeners, and sent to them, and what the model expects of that.

use super::*;

impl Life {
    pub(super) fn create(&mut self, channel: usize, settings: ChannelSettings) {
        let answer = self.hub.create_channel(channel_id(CHANNELS[channel]), settings.clone(), false);
        assert_eq!(answer.is_err(), self.rooms.contains_key(&channel));
        if let Ok(created) = answer {
            self.rooms.insert(channel, Room::new(created.channel.birth.0, settings));
        }
    }

    pub(super) fn remove_channel(&mut self, channel: usize) {
        let answer = self.hub.remove_channel(channel_id(CHANNELS[channel]));
        let room = self.rooms.remove(&channel);
        assert_eq!(answer.ok().map(|gone| gone.0), room.map(|room| room.ears.len() as u64));
        let error = Error::ChannelRemoved { channel: CHANNELS[channel].into() };
        self.ended(channel, None, &Ending::Failed(error));
    }

    /// The streams of a channel, or of a listener in it, must end so.
    pub(super) fn ended(&mut self, channel: usize, listener: Option<usize>, ending: &Ending) {
        let there =
            |open: &&mut Open| open.channel == channel && (listener.is_none() || open.listener == listener);
        for open in self.streams.iter_mut().filter(there) {
            open.ending.get_or_insert_with(|| ending.clone());
        }
    }

    pub(super) fn update(&mut self, channel: usize, settings: ChannelSettings) {
        // what is too much now is dropped now: a later limit may be higher
        (0..LISTENERS.len()).for_each(|listener| self.inspect(channel, listener));
        // the change itself; where the channel stands with it comes behind
        let change = self.hub.log.watermark().position().0 + 1;
        let answer =
            self.hub.update_channel(channel_id(CHANNELS[channel]), |_| Ok::<_, Error>(settings.clone()));
        assert_eq!(answer.is_ok(), self.rooms.contains_key(&channel));
        if let Some(room) = self.rooms.get_mut(&channel) {
            room.update(settings, change);
            // the second record has where the channel stands
            if self.took(2) {
                self.channel_is_kept(channel);
            }
        }
    }

    pub(super) fn floor(&self, channel: usize) -> u64 {
        let channel = self.hub.channel(channel_id(CHANNELS[channel]));
        channel.map_or(0, |channel| channel.lock().ring.floor().0)
    }

    pub(super) fn register(&mut self, channel: usize, listener: usize, from: From) {
        let (channel_id, listener_id) = Self::ids(channel, listener);
        let floor = self.floor(channel);
        let answer =
            self.hub.register(channel_id, listener_id, NewListener { from, ..NewListener::default() });
        let Some(room) = self.rooms.get_mut(&channel) else { return assert!(answer.is_err()) };
        if room.ears.contains_key(&listener) {
            return assert!(matches!(answer, Err(Error::ListenerExists { .. })));
        }
        let birth = answer.unwrap().listener.birth.0;
        room.register(listener, birth, start(from, birth, floor));
    }

    pub(super) fn remove(&mut self, channel: usize, listener: usize) {
        self.inspect(channel, listener);
        let (channel_id, listener_id) = Self::ids(channel, listener);
        let answer = self.hub.remove_listener(channel_id, listener_id);
        if !self.there(channel, listener, &answer) {
            return;
        }
        let error = Error::ListenerRemoved {
            channel: CHANNELS[channel].into(),
            listener: LISTENERS[listener].into(),
        };
        self.ended(channel, Some(listener), &Ending::Failed(error));
        let Some(room) = self.rooms.get_mut(&channel) else { return };
        let (all, fresh) =
            (room.backlog(listener).messages, room.fresh(listener, self.began.elapsed().as_millis() as u64));
        assert!((fresh..=all).contains(&answer.unwrap()));
        room.ears.remove(&listener);
        // its streams have nothing more to say but their end
        self.streams.retain_mut(|open| {
            let gone = (open.channel, open.listener) == (channel, Some(listener));
            if gone {
                assert_ended(open);
            }
            !gone
        });
    }

    pub(super) fn start(&mut self, channel: usize, listener: usize) {
        let (channel_id, listener_id) = Self::ids(channel, listener);
        let answer = self.hub.start_listener(channel_id, listener_id);
        if self.there(channel, listener, &answer) {
            assert!(answer.unwrap().running);
        }
    }

    pub(super) fn stop(&mut self, channel: usize, listener: usize) {
        let (channel_id, listener_id) = Self::ids(channel, listener);
        let answer = self.hub.stop_listener(channel_id, listener_id);
        if self.there(channel, listener, &answer) {
            assert!(answer.is_ok_and(|info| !info.running && !info.connected));
            self.ended(channel, Some(listener), &Ending::Stopped);
        }
    }

    pub(super) fn purge(&mut self, channel: usize, listener: usize, back: Option<u64>) {
        let (channel_id, listener_id) = Self::ids(channel, listener);
        let last = self.rooms.get(&channel).map_or(0, Room::last);
        // 0 is one too far
        let through = back.map(|back| Position((last + 1).saturating_sub(back)));
        let answer = self.hub.purge_listener(channel_id, listener_id, through);
        if !self.there(channel, listener, &answer) {
            return;
        }
        if back == Some(0) {
            return assert!(matches!(answer, Err(Error::InvalidSetting { .. })));
        }
        let purged = answer.unwrap();
        assert!(through.map_or(purged.through.0 > last, |through| purged.through == through));
        let now = self.now();
        let Some(room) = self.rooms.get_mut(&channel) else { return };
        let expired = room.backlog(listener).messages - room.fresh(listener, now);
        let waited = room.purge(listener, purged.through.0);
        assert!((waited.saturating_sub(expired)..=waited).contains(&purged.messages));
        // the second record has where it stands
        if self.took(2) {
            self.is_kept(channel, listener);
        }
    }

    pub(super) fn trim(&mut self, channel: usize, count: usize) {
        // what is too much is gone before
        (0..LISTENERS.len()).for_each(|listener| self.inspect(channel, listener));
        let Ok(there) = self.hub.channel(channel_id(CHANNELS[channel])) else { return };
        let mut dropped = Vec::new();
        (0..count).for_each(|_| _ = there.lock().ring.drop_first(&mut dropped));
        self.hub.forget(&dropped);
        let floor = self.floor(channel);
        self.rooms.get_mut(&channel).into_iter().for_each(|room| room.trim(floor));
    }

    pub(super) fn send(&mut self, channel: usize, to: Option<usize>, bytes: usize, ttl: Option<u64>) {
        let (id, kind) = (channel_id(CHANNELS[channel]), if to.is_some() { "d" } else { "b" });
        let message = match ttl {
            None => message(kind, bytes),
            Some(seconds) => perishable(kind, 1000 * seconds),
        };
        let bytes = message.len();
        let answer = match to {
            Some(to) => self.hub.dispatch(id, listener_id(LISTENERS[to]), message),
            None => self.hub.broadcast(id, message),
        };
        let now = self.now();
        let Some(room) = self.rooms.get_mut(&channel) else { return assert!(answer.is_err()) };
        if to.is_some_and(|to| !room.ears.contains_key(&to)) {
            return assert!(answer.is_err());
        }
        let full = room.refuses(to, bytes as u64);
        match answer {
            Ok(accepted) => {
                assert!(full.is_empty(), "{full:?} are full");
                assert_eq!(accepted.receivers, Some(to.map_or(room.ears.len(), |_| 1) as u64));
                room.accept(accepted.position.0, bytes as u64, to, false, now);
                ttl.into_iter().for_each(|seconds| room.perish(1000 * seconds));
            }
            Err(Error::BacklogFull { listener, .. }) => {
                assert!(full.iter().any(|full| LISTENERS[*full] == listener), "{listener} has room");
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub(super) fn end(&mut self, channel: usize, to: Option<usize>) {
        let id = channel_id(CHANNELS[channel]);
        let answer = match to {
            Some(to) => self.hub.notify_end_of(id, listener_id(LISTENERS[to])),
            None => self.hub.notify_end(id),
        };
        let now = self.now();
        let Some(room) = self.rooms.get_mut(&channel) else { return assert!(answer.is_err()) };
        if to.is_some_and(|to| !room.ears.contains_key(&to)) {
            return assert!(answer.is_err());
        }
        let (message, accepted) = answer.unwrap();
        let earlier = to.and_then(|to| room.undelivered_end(to));
        assert_eq!(accepted.duplicate.then_some(accepted.position.0), earlier);
        if !accepted.duplicate {
            room.accept(accepted.position.0, message.len() as u64, to, true, now);
            // where it stands may be kept with it
            let kept = self.hub.log.watermark().position() > accepted.position;
            to.filter(|_| kept).into_iter().for_each(|to| self.is_kept(channel, to));
        }
    }

    pub(super) fn inspect(&mut self, channel: usize, listener: usize) {
        let (channel_id, listener_id) = Self::ids(channel, listener);
        let answer = self.hub.get_listener(channel_id, listener_id);
        if !self.there(channel, listener, &answer) {
            return;
        }
        let (info, room) = (answer.unwrap(), &self.rooms[&channel]);
        let ear = &room.ears[&listener];
        let (backlog, fresh) = (room.backlog(listener), room.fresh(listener, self.now()));
        let counted = info.backlog == backlog
            || self.timed && (fresh..=backlog.messages).contains(&info.backlog.messages);
        assert!(counted, "{:?}, not {backlog:?} {ear:?}", info.backlog);
        assert!(self.timed || info.lost <= ear.lost.len() as u64, "{} of {ear:?}", info.lost);
        let mine = |open: &&Open| (open.channel, open.listener) == (channel, Some(listener));
        let connected = self.streams.iter().filter(mine).any(|open| open.ending.is_none());
        assert_eq!(info.connected, connected);
        assert!(info.running || !connected);
    }
}
