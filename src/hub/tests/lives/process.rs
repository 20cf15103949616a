//! A process ends, in order or cut off, and another one begins over what the log was told.

use super::*;

/// How far everything is done with, as the log is told: what is too much, or gone, may not have been found out yet.
fn passed(hub: &Hub, channel: usize) -> Map<usize, u64> {
    let Ok(channel) = hub.channel(channel_id(CHANNELS[channel])) else { return Map::new() };
    let state = channel.lock();
    let passed = |listener: usize| Some((listener, state.listener(LISTENERS[listener])?.lock().passed.0));
    (0..LISTENERS.len()).filter_map(passed).collect()
}

impl Life {
    /// The log is told all.
    pub(super) fn save(&mut self) {
        self.hub.save();
        self.is_saved();
    }

    /// The log was told all.
    pub(super) fn is_saved(&mut self) {
        for channel in 0..CHANNELS.len() {
            let (floor, passed) = (self.floor(channel), passed(&self.hub, channel));
            self.rooms.get_mut(&channel).into_iter().for_each(|room| room.keep(floor, &passed));
        }
    }

    /// The log was told where a channel stands.
    pub(super) fn channel_is_kept(&mut self, channel: usize) {
        let floor = self.floor(channel);
        self.rooms.get_mut(&channel).into_iter().for_each(|room| room.keep_floor(floor));
    }

    /// The log was told where a listener stands, and what of its channel's broadcasts was gone then.
    pub(super) fn is_kept(&mut self, channel: usize, listener: usize) {
        let (floor, passed) = (self.floor(channel), passed(&self.hub, channel)[&listener]);
        self.rooms.get_mut(&channel).into_iter().for_each(|room| room.keep_one(listener, floor, passed));
    }

    /// The next process begins so many milliseconds after the end of this one by the calendar, which may have been set.
    pub(super) async fn restart(&mut self, in_order: bool, later: i64) {
        if in_order {
            self.save();
        }
        self.begin_again(later).await;
    }

    /// A verb of which the log keeps only so many records, and the end of its process.
    pub(super) async fn cut(&mut self, verb: Verb, records: usize) {
        *self.log.cut.lock().unwrap() = Cut::after(records);
        Box::pin(self.step(verb)).await;
        self.begin_again(0).await;
    }

    /// Whether the log has kept a record of this verb.
    pub(super) fn took(&self, record: usize) -> bool {
        self.log.cut.lock().unwrap().takes(record)
    }

    /// Another process begins over what the log was told.
    async fn begin_again(&mut self, later: i64) {
        let (ended, cores) = (self.now(), usize::from(self.core.is_some()));
        let away = ended as i64 + later;
        (self.log, self.hub) = self.log.begin_again(away, cores);
        self.began = tokio::time::Instant::now();
        self.core = (cores > 0).then(|| Core::new(&self.hub, 0));
        self.core.iter().for_each(Core::enter);
        self.streams.clear();
        let there = self.log.inner.rows().into_iter().map(|position| position.0).collect();
        let next = Next { last: self.hub.log.watermark().position().0, there, away };
        self.rooms.values_mut().for_each(|room| room.restart(&next, ended));
        // nobody asks in its first moment
        tokio::time::advance(Duration::from_millis(1)).await;
        self.check_who_is_there();
    }

    fn check_who_is_there(&self) {
        for (channel, id) in CHANNELS.iter().enumerate() {
            let found = self.hub.channel(channel_id(id)).map(|found| {
                let state = found.lock();
                let births = state.listeners_after(Position::ZERO).map(|listener| listener.birth.0);
                (found.birth.0, state.settings.clone(), births.collect::<Vec<_>>())
            });
            let there = self.rooms.get(&channel).map(|room| {
                let mut births: Vec<_> = room.ears.values().map(|ear| ear.birth).collect();
                births.sort_unstable();
                (room.birth, room.settings.clone(), births)
            });
            assert_eq!(found.ok(), there);
        }
    }
}
