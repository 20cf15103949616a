//! Windows grow old, and messages expire: what nobody may ask for any longer goes.

use super::{Arc, ChannelSettings, InHand, Listener, Position, Standing, State, Tally, to_key};
use crate::hub::queue::Window;

/// How often in a replay window it is noted how far everybody has come: what is old may stay for so much longer.
const SAMPLES: u32 = 64;
/// It is looked at so many listeners, then others may have the channel.
const AT_ONCE: usize = 1024;

impl State {
    /// Has a listener's window looked at when its oldest message is old, unless that is arranged.
    pub(in crate::hub) fn age(&mut self, listener: &Listener, standing: &mut Standing) {
        if standing.ageing {
            return;
        }
        if let Some(since) = standing.queue.window_since() {
            standing.ageing = true;
            let due = since.saturating_add(seconds(self.settings.replay_window)).saturating_add(1);
            self.ageing.insert((due, listener.birth));
        }
    }

    /// The window lasts for another time.
    pub(super) fn age_anew(&mut self) {
        for (_, birth) in std::mem::take(&mut self.ageing) {
            if let Some(listener) = self.by_birth.get(&birth).cloned() {
                let mut standing = listener.lock();
                standing.ageing = false;
                self.age(&listener, &mut standing);
            }
        }
    }

    /// Lets go of what has grown old. True: it has stopped on the way.
    pub(in crate::hub) fn trim(&mut self, now: u32, dropped: &mut Vec<Position>) -> bool {
        let some_are_left = self.trim_windows(now, dropped);
        some_are_left || (self.ring.kept() != Tally::default() && self.trim_ring(now, dropped))
    }

    fn trim_windows(&mut self, now: u32, dropped: &mut Vec<Position>) -> bool {
        for _ in 0..AT_ONCE {
            let Some(&(due, birth)) = self.ageing.first().filter(|(due, _)| *due <= now) else {
                return false;
            };
            self.ageing.remove(&(due, birth));
            let Some(listener) = self.by_birth.get(&birth).cloned() else { continue };
            let mut standing = listener.lock();
            standing.queue.trim_window(self.window(now), dropped);
            standing.ageing = false;
            self.age(&listener, &mut standing);
        }
        true
    }

    /// A broadcast goes when everybody had passed it for as long as the window lasts, or when the window holds more.
    fn trim_ring(&mut self, now: u32, dropped: &mut Vec<Position>) -> bool {
        let passed = match self.passed_by_all(AT_ONCE) {
            Ok(passed) => passed,
            // once all were looked at that is near enough: those who move on meanwhile are not run after
            Err(passed) if self.looked_at >= self.behind.len() => passed,
            Err(_) => {
                self.looked_at += AT_ONCE;
                return true;
            }
        };
        self.looked_at = 0;
        let window = seconds(self.settings.replay_window);
        let apart = (window / SAMPLES).max(1);
        if self
            .passed_by_all
            .back()
            .is_none_or(|(at, known)| *known < passed && now >= at.saturating_add(apart))
        {
            self.passed_by_all.push_back((now, passed));
        }
        while let Some((_, through)) =
            self.passed_by_all.pop_front_if(|(at, _)| at.saturating_add(window) < now)
        {
            self.ring.drop_through(through, dropped);
        }
        while !self.window_fits(passed) && self.ring.drop_first(dropped) {}
        false
    }

    fn window_fits(&self, passed: Position) -> bool {
        let Some(first) = self.ring.first().filter(|first| *first <= passed) else { return true };
        debug_assert!(first > self.ring.floor(), "what is kept lies above the floor");
        let window = self.ring.tally_through(passed) - self.ring.dropped();
        let quota = self.settings.max_replay;
        window.messages <= quota.messages && window.bytes <= quota.bytes
    }

    /// Where it is known after so many steps; an error: they have passed this, at least.
    fn passed_by_all(&mut self, steps: usize) -> Result<Position, Position> {
        let by_birth = &self.by_birth;
        let passed = |birth: Position| match by_birth.get(&birth).map(|listener| listener.lock()) {
            Some(standing) if !standing.deaf => to_key(standing.heard()),
            Some(_) | None => i64::MAX,
        };
        let last = self.ring.last();
        let place = |key: i64| Position(key.unsigned_abs()).min(last);
        self.behind.first(steps, passed).map_or(Ok(last), |lowest| lowest.map(place).map_err(place))
    }

    /// Empties every replay window, to make room. Tells nothing: what goes was delivered.
    pub(in crate::hub) fn drop_windows(&mut self, dropped: &mut Vec<Position>) {
        for (_, birth) in std::mem::take(&mut self.ageing) {
            if let Some(listener) = self.by_birth.get(&birth) {
                let mut standing = listener.lock();
                standing.ageing = false;
                standing.queue.drop_window(Position(u64::MAX), dropped);
            }
        }
        let (Ok(passed) | Err(passed)) = self.passed_by_all(usize::MAX);
        self.ring.drop_through(passed, dropped);
    }

    /// Everything that is kept, to be forgotten with the channel.
    pub(in crate::hub) fn drop_all(&mut self, dropped: &mut Vec<Position>) {
        self.ring.drop_through(Position(u64::MAX), dropped);
        for listener in self.by_birth.values() {
            listener.lock().queue.drop_all(dropped);
        }
    }

    /// Which part of a listener's window still stands.
    pub(in crate::hub) fn window(&self, now: u32) -> Window {
        window(&self.settings, now)
    }

    /// Lets go of broadcasts that have expired.
    pub(in crate::hub) fn expire(&mut self, now: u64, expired: &mut Vec<Position>) {
        let mut in_hand = InHand::NOTHING;
        self.holders.retain(|_, holder| {
            let standing = holder.lock();
            let attended = standing.attended(now);
            let explicit = standing.explicit.as_ref().filter(|explicit| explicit.outstanding().messages > 0);
            if let Some(explicit) = explicit.filter(|_| attended) {
                in_hand.add(standing.passed, explicit.in_hand_through());
            }
            attended
        });
        self.ring.expire(now, &in_hand, expired);
    }

    /// EXPLICIT listeners that have a stream, or had one lately.
    pub(in crate::hub) fn holders(&self) -> impl Iterator<Item = &Arc<Listener>> {
        self.holders.values()
    }

    /// An EXPLICIT listener has a stream: broadcasts that it has in hand are not dropped because they have expired.
    pub(in crate::hub) fn holds(&mut self, listener: &Arc<Listener>) {
        self.holders.insert(listener.birth, Arc::clone(listener));
    }
}

/// Which part of a listener's window still stands.
pub(in crate::hub) fn window(settings: &ChannelSettings, now: u32) -> Window {
    Window { handed_since: now.saturating_sub(seconds(settings.replay_window)), quota: settings.max_replay }
}

fn seconds(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).unwrap_or(u32::MAX)
}
