//! Time passes: what is due by itself happens, and in the end nothing stays behind.

use super::*;
use crate::hub::alarm::Whom;

impl Life {
    /// Time passes, and upkeep is done at the end.
    pub(super) async fn pass(&mut self, millis: u64) {
        self.wait(millis).await;
        self.hub.upkeep();
        self.follow_ring(true);
        self.is_saved();
        // what nobody was told of yet is told
        (0..3).for_each(|listener| self.inspect(listener));
    }

    /// Time passes; alarms ring.
    pub(super) async fn wait(&mut self, millis: u64) {
        // what was too much is gone since now, and another is the first
        (0..3).for_each(|listener| self.inspect(listener));
        let until = self.now() + millis;
        let mut rings = 0;
        loop {
            let (now, overtaking) = (self.now(), self.room.overtaking());
            let deadlines = self.room.ears.values().flat_map(|ear| ear.deadlines(overtaking, now));
            let due = self.room.ears.values().filter_map(|ear| ear.next_due(now));
            let soonest = deadlines.map(|(moment, _)| moment).chain(due).min().unwrap_or(u64::MAX);
            let alarm = self.hub.alarms.next();
            assert!(
                soonest > until || alarm.is_some_and(|alarm| alarm <= soonest.max(now + 1)),
                "an alarm at {soonest} is not set: {alarm:?}, now {now} {:?}",
                self.room.ears
            );
            let Some(alarm) = alarm.filter(|alarm| *alarm <= until) else { break };
            rings += 1;
            assert!(rings < 300, "it rings without end");
            tokio::time::advance(Duration::from_millis(alarm.saturating_sub(now))).await;
            self.ring();
        }
        tokio::time::advance(Duration::from_millis(until - self.now())).await;
    }

    /// One after the other, as they ring.
    fn ring(&mut self) {
        loop {
            let (now, overtaking) = (self.now(), self.room.overtaking());
            let overdue = |ear: &Ear| {
                let overdue = ear.deadlines(overtaking, now).into_iter().filter(|(moment, _)| *moment <= now);
                let failing = |(_, position)| Failing { position, delay: None, last: false };
                overdue.map(failing).collect::<Vec<_>>()
            };
            let overdue: Vec<_> = self.room.ears.iter().map(|(it, ear)| (*it, overdue(ear))).collect();
            let Some(whom) = self.hub.ring_one() else { break };
            let rings = |(listener, _): &(usize, Vec<Failing>)| whom == self.whom(*listener);
            if let Some((listener, failing)) = overdue.into_iter().find(rings) {
                self.fail(listener, &failing, true, "it was not acknowledged in time");
                if !failing.is_empty() {
                    self.is_told(listener);
                }
            }
        }
    }

    fn whom(&self, listener: usize) -> Whom {
        let listener = self.hub.get_listener(channel_id("room"), listener_id(LISTENERS[listener]));
        let channel = self.hub.channel(channel_id("room")).unwrap().birth;
        Whom::Listener { channel, listener: listener.unwrap().birth }
    }

    pub(super) fn inspect(&mut self, listener: usize) {
        let now = self.now();
        let Some(ear) = self.room.ears.get(&listener) else { return };
        let info = self.hub.get_listener(channel_id("room"), listener_id(LISTENERS[listener])).unwrap();
        let backlog = ear.backlog();
        assert!(
            info.backlog == backlog
                || self.timed && (ear.fresh(now)..=backlog.messages).contains(&info.backlog.messages),
            "{:?}, not {backlog:?} {ear:?}",
            info.backlog
        );
        if ear.open {
            assert_eq!(info.unacknowledged, ear.outstanding(), "{ear:?}");
        }
        assert_eq!(info.generation, ear.generation);
        assert_eq!(info.connected, ear.open);
        ear.check_passed(info.passed.0, now);
        assert_eq!(info.settings.ack_deadline.map(|allowed| allowed.as_millis() as u64), ear.ack_deadline());
        assert!(self.timed || info.lost <= ear.lost(), "{} lost: {ear:?}", info.lost);
        assert!(info.lost >= ear.lost_for_certain(), "{} lost: {ear:?}", info.lost);
    }

    /// Everything that waits can be had, and nothing stays behind.
    pub(super) async fn drain(&mut self) {
        self.hear();
        self.update(&ChannelSettings { max_attempts: 1000, ..room() });
        for listener in 0..3 {
            self.set_deadline(listener, None);
            self.listen(listener, None, None, usize::MAX, false);
        }
        for _ in 0..5 {
            for listener in 0..3 {
                self.read(listener, 10_000);
                // what was taken out before it was delivered is none of it
                let Some(ear) = self.room.ears.get(&listener) else { continue };
                let later = ear.positions().iter().filter(|position| **position > ear.delivered).count();
                let later = later.min(1);
                let singles: Vec<_> = (later..1000).collect();
                self.acknowledge(listener, None, &singles, true, 0);
                self.acknowledge(listener, Some(later), &[], true, 0);
                self.read(listener, 10_000);
            }
            self.pass(61_000).await;
            self.hear();
        }
        for ear in self.room.ears.values() {
            assert_eq!(ear.backlog(), Tally::default(), "{ear:?}");
        }
        (0..3).for_each(|listener| self.inspect(listener));
        for _ in 0..3 {
            self.pass(61_000).await;
        }
        assert_eq!(self.hub.info().log_bytes, 0, "{:?}", self.room);
    }
}
