//! Who was removed lately: a client that comes back hears "removed", not "never heard of".

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// How long a removal is remembered.
const REMEMBERED: Duration = Duration::from_secs(600);
/// How many are; beyond it the oldest is forgotten.
const MAX_REMEMBERED: usize = 100_000;

/// A channel, or a listener of one.
type Name = (String, Option<String>);

/// How something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Somebody removed it.
    Removed,
    /// Nobody listened for too long.
    Expired,
}

/// Names of what went, for ten minutes.
#[derive(Debug, Default)]
pub(super) struct Gone {
    since: HashMap<Name, (Instant, How)>,
    order: VecDeque<(Instant, Name)>,
}

impl Gone {
    pub(super) fn add(&mut self, channel: &str, listener: Option<&str>, how: How) {
        self.forget_old();
        self.add_at(Instant::now(), name(channel, listener), how);
    }

    /// One that went some milliseconds ago, after all that are known. Where the machine has not been up for so long, now.
    pub(super) fn add_past(&mut self, channel: &str, listener: Option<&str>, how: How, millis_ago: u64) {
        let now = Instant::now();
        let at = now.checked_sub(Duration::from_millis(millis_ago)).unwrap_or(now);
        self.add_at(at, name(channel, listener), how);
    }

    fn add_at(&mut self, at: Instant, name: Name, how: How) {
        self.since.insert(name.clone(), (at, how));
        self.order.push_back((at, name));
    }

    /// How it went; `None` where that was too long ago, or never.
    pub(super) fn how(&self, channel: &str, listener: Option<&str>) -> Option<How> {
        let (since, how) = self.since.get(&name(channel, listener))?;
        (since.elapsed() < REMEMBERED).then_some(*how)
    }

    pub(super) fn forget_old(&mut self) {
        let old = |since: &Instant| since.elapsed() >= REMEMBERED;
        while self.order.front().is_some_and(|(since, _)| old(since)) || self.order.len() >= MAX_REMEMBERED {
            let Some((since, name)) = self.order.pop_front() else { return };
            // it may have come and gone again since
            if self.since.get(&name).is_some_and(|(latest, _)| *latest == since) {
                self.since.remove(&name);
            }
        }
    }
}

fn name(channel: &str, listener: Option<&str>) -> Name {
    (channel.to_owned(), listener.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_removal_is_remembered_for_ten_minutes() {
        let mut gone = Gone::default();
        gone.add("a", None, How::Removed);
        gone.add("a", Some("l"), How::Expired);
        tokio::time::advance(REMEMBERED / 2).await;
        gone.add("b", None, How::Removed);
        assert_eq!((gone.how("a", None), gone.how("a", Some("l"))), (Some(How::Removed), Some(How::Expired)));
        assert_eq!(gone.how("b", Some("l")), None);
        tokio::time::advance(REMEMBERED / 2).await;
        gone.forget_old();
        assert!(gone.how("a", None).is_none() && gone.how("b", None).is_some());
        assert_eq!(gone.since.len(), 1);
    }

    #[test]
    fn it_remembers_no_more_than_its_limit() {
        let mut gone = Gone::default();
        (0..MAX_REMEMBERED + 10).for_each(|n| gone.add(&n.to_string(), None, How::Removed));
        assert_eq!((gone.since.len(), gone.order.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
    }
}
