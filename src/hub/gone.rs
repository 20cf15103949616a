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

/// Names of what was removed, for ten minutes.
#[derive(Debug, Default)]
pub(super) struct Gone {
    since: HashMap<Name, Instant>,
    order: VecDeque<(Instant, Name)>,
}

impl Gone {
    pub(super) fn add(&mut self, channel: &str, listener: Option<&str>) {
        self.forget_old();
        let (name, now) = (name(channel, listener), Instant::now());
        self.since.insert(name.clone(), now);
        self.order.push_back((now, name));
    }

    pub(super) fn holds(&self, channel: &str, listener: Option<&str>) -> bool {
        self.since.get(&name(channel, listener)).is_some_and(|since| since.elapsed() < REMEMBERED)
    }

    pub(super) fn forget_old(&mut self) {
        let old = |since: &Instant| since.elapsed() >= REMEMBERED;
        while self.order.front().is_some_and(|(since, _)| old(since)) || self.order.len() >= MAX_REMEMBERED {
            let Some((since, name)) = self.order.pop_front() else { return };
            // it may have come and gone again since
            if self.since.get(&name) == Some(&since) {
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
        gone.add("a", None);
        gone.add("a", Some("l"));
        tokio::time::advance(REMEMBERED / 2).await;
        gone.add("b", None);
        assert!(gone.holds("a", None) && gone.holds("a", Some("l")) && !gone.holds("b", Some("l")));
        tokio::time::advance(REMEMBERED / 2).await;
        gone.forget_old();
        assert!(!gone.holds("a", None) && gone.holds("b", None));
        assert_eq!(gone.since.len(), 1);
    }

    #[test]
    fn it_remembers_no_more_than_its_limit() {
        let mut gone = Gone::default();
        (0..MAX_REMEMBERED + 10).for_each(|n| gone.add(&n.to_string(), None));
        assert_eq!((gone.since.len(), gone.order.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
    }
}
