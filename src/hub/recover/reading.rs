//! What a log gives back, while it is read: sorted by channel and listener, and ids remembered again at once.

use super::ids::{InOrder, Known};
use crate::{
    hub::{
        Moment,
        dead_letter::letter_bytes,
        expiry::Expiry,
        ids::{Budget, Ids, Keys},
        kept, millis,
        settings::ChannelSettings,
    },
    log::{
        AcceptedId, Log, LogError, Position, Recovered, RecoveredChannel, RecoveredListener,
        RecoveredMessage, Removal,
    },
};
use std::collections::{BTreeMap, HashMap};

/// What a log gave back.
#[derive(Debug, Default)]
pub(in crate::hub) struct Regain {
    pub(super) removals: Vec<Removal>,
    /// In the order of their births.
    pub(super) channels: BTreeMap<Position, RegainedChannel>,
    pub(super) listeners: HashMap<Position, RegainedListener>,
    /// Messages of nobody who is there.
    pub(super) orphans: Vec<Position>,
}

#[derive(Debug)]
pub(super) struct RegainedChannel {
    pub(super) kept: RecoveredChannel,
    pub(super) settings: Result<ChannelSettings, LogError>,
    pub(super) broadcasts: Vec<(Position, u64, Expiry)>,
    pub(super) listeners: Vec<Position>,
    pub(super) ids: Ids,
    /// The newest message that the log has, whoever it was for.
    pub(super) newest: Position,
}

#[derive(Debug)]
pub(super) struct RegainedListener {
    pub(super) kept: RecoveredListener,
    pub(super) messages: Vec<(Position, u64, Expiry)>,
}

impl Regain {
    /// Reads a log back. `now`: the moment at which its hub begins; `keys` and `budget` are those of its ids.
    ///
    /// # Errors
    /// [`LogError::Unavailable`], [`LogError::Corrupt`].
    pub(in crate::hub) fn read(
        log: &dyn Log,
        now: Moment,
        keys: &Keys,
        budget: &Budget,
    ) -> Result<Self, LogError> {
        let (regain, ids) = (Self::default(), InOrder::default());
        let mut reading = Reading { regain, ids, now, keys, budget };
        log.recover(&mut |found| reading.take(found))?;
        Ok(reading.finish())
    }
}

/// Takes in what the log tells.
struct Reading<'h> {
    regain: Regain,
    ids: InOrder,
    now: Moment,
    keys: &'h Keys,
    budget: &'h Budget,
}

impl Reading<'_> {
    fn take(&mut self, found: Recovered) {
        match found {
            Recovered::Removed(removal) => self.regain.removals.push(removal),
            Recovered::Channel(kept) => self.take_channel(kept),
            Recovered::Listener(kept) => self.take_listener(kept),
            Recovered::Accepted(id) => self.take_gone(&id),
            Recovered::Message(message) => self.take_message(message),
        }
    }

    fn take_channel(&mut self, kept: RecoveredChannel) {
        let settings = kept::read(&kept.text.settings);
        let (broadcasts, listeners, ids, newest) = Default::default();
        let channels = &mut self.regain.channels;
        channels.insert(kept.birth, RegainedChannel { kept, settings, broadcasts, listeners, ids, newest });
        // all of them come before the first id
        self.budget.share_among(channels.len());
    }

    fn take_listener(&mut self, kept: RecoveredListener) {
        let Regain { channels, listeners, .. } = &mut self.regain;
        if let Some(channel) = channels.get_mut(&kept.channel) {
            channel.listeners.push(kept.birth);
            listeners.insert(kept.birth, RegainedListener { kept, messages: Vec::new() });
        }
    }

    fn take_message(&mut self, message: RecoveredMessage) {
        let expiry = expiry(&message, self.now);
        let RecoveredMessage { position, channel, listener, bytes, remembered, dead_letter, .. } = message;
        if let Some((id, until)) = remembered {
            self.take_id(&AcceptedId { position, channel, listener, until, id });
        }
        let bytes = dead_letter.map_or(bytes, |facts| letter_bytes(bytes, &facts));
        let message = (position, bytes, expiry);
        let Regain { channels, listeners, orphans, .. } = &mut self.regain;
        // also where it is one of those that nobody may ask for any more
        if let Some(channel) = channels.get_mut(&channel) {
            channel.newest = channel.newest.max(position);
        }
        let whose = match listener {
            None => channels.get_mut(&channel).map(|channel| &mut channel.broadcasts),
            Some(listener) => listeners.get_mut(&listener).map(|listener| &mut listener.messages),
        };
        match whose {
            Some(messages) => messages.push(message),
            None => orphans.push(position),
        }
    }

    fn take_id(&mut self, id: &AcceptedId) {
        let Self { regain, ids, now, keys, budget } = self;
        ids.push(Known::new(id, keys), |run| regain.remember(run, *now, budget));
    }

    fn take_gone(&mut self, id: &AcceptedId) {
        let Self { regain, ids, now, keys, budget } = self;
        ids.push_gone(Known::new(id, keys), |run| regain.remember(run, *now, budget));
    }

    fn finish(self) -> Regain {
        let Self { mut regain, ids, now, budget, .. } = self;
        ids.end(|run| regain.remember(run, now, budget));
        regain
    }
}

impl Regain {
    /// These are of one channel.
    fn remember(&mut self, run: &[Known], now: Moment, budget: &Budget) {
        let channel = run.first().and_then(|id| self.channels.get_mut(&id.channel));
        channel.into_iter().for_each(|channel| channel.remember(run, now, budget));
    }
}

impl RegainedChannel {
    fn remember(&mut self, run: &[Known], now: Moment, budget: &Budget) {
        // without settings there will be no channel
        let window = self.settings.as_ref().map_or(0, |settings| millis(settings.idempotency_window));
        let ids: Vec<_> = run.iter().filter_map(|id| id.remembered(window, now)).collect();
        self.ids.remember(&ids, now.millis, budget);
    }
}

/// When a message expires by the clock of a hub that begins now. Where the calendar was set back it has no longer than when it
/// was accepted.
fn expiry(message: &RecoveredMessage, now: Moment) -> Expiry {
    message.expires_at.map_or(Expiry::NEVER, |at| {
        let left = at.saturating_sub(now.unix_nanos.max(message.accepted_at) / 1_000_000);
        Expiry::at_moment(now.millis.saturating_add(u64::try_from(left).unwrap_or(0)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_what_is_left_of_its_time_and_no_more_where_the_calendar_was_set_back() {
        let accepted = 1_000_000;
        let message = RecoveredMessage {
            position: Position(1),
            channel: Position(1),
            listener: None,
            bytes: 1,
            accepted_at: accepted * 1_000_000,
            expires_at: Some(accepted + 100),
            remembered: None,
            dead_letter: None,
        };
        let until = |away: i64| {
            let now = Moment { millis: 5, unix_nanos: (accepted + away) * 1_000_000 };
            expiry(&message, now).moment()
        };
        assert_eq!([until(0), until(30), until(99)], [Some(105), Some(75), Some(6)]);
        assert_eq!([until(100), until(1_000)], [Some(5); 2]);
        assert_eq!([until(-1), until(-900_000)], [Some(105); 2]);
    }
}
