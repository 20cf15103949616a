//! Who has changed since a log that outlives its process was told: whoever is locked to be changed is on a list.

use crate::log::Position;
use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// A channel, or one of its listeners, by their births.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) channel: Position,
    pub(super) listener: Option<Position>,
}

/// Who has changed, each once.
#[derive(Debug, Default)]
pub(super) struct Unsaved(Mutex<Vec<Who>>);

impl Unsaved {
    /// Those who have changed; the list begins anew.
    pub(super) fn take(&self) -> Vec<Who> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Who>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether somebody is on the list. Without a list nothing is saved.
#[derive(Debug, Default)]
pub(super) struct Mark {
    list: Option<Arc<Unsaved>>,
    listed: AtomicBool,
}

impl Mark {
    pub(super) fn on(list: Option<&Arc<Unsaved>>) -> Self {
        Self { list: list.cloned(), listed: AtomicBool::new(false) }
    }

    /// On the same list.
    pub(super) fn of_another(&self) -> Self {
        Self::on(self.list.as_ref())
    }

    /// Before it is looked at under its lock: what changes from then on puts it on the list again.
    pub(super) fn clear(&self) {
        self.listed.store(false, Ordering::SeqCst);
    }

    fn set(&self, who: Who) {
        if let Some(list) = &self.list
            && !self.listed.load(Ordering::Relaxed)
            && !self.listed.swap(true, Ordering::SeqCst)
        {
            list.lock().push(who);
        }
    }
}

/// What is locked. Whoever changes it is on the list before he does.
#[derive(Debug)]
pub(super) struct Guard<'a, T> {
    inner: MutexGuard<'a, T>,
    mark: &'a Mark,
    who: Who,
}

impl<'a, T> Guard<'a, T> {
    pub(super) fn lock(mutex: &'a Mutex<T>, mark: &'a Mark, who: Who) -> Self {
        Self { inner: mutex.lock().unwrap_or_else(PoisonError::into_inner), mark, who }
    }

    /// For a change of which it is not known yet whether it is of anything that a log keeps: where it was,
    /// [`Guard::has_changed`] follows.
    pub(super) fn unmarked(&mut self) -> &mut T {
        &mut self.inner
    }

    /// It is on the list.
    pub(super) fn has_changed(&self) {
        self.mark.set(self.who);
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.has_changed();
        &mut self.inner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_changes_is_listed_once_until_it_is_saved() {
        let list = Arc::new(Unsaved::default());
        let (mark, mutex) = (Mark::on(Some(&list)), Mutex::new(0));
        let who = Who { channel: Position(1), listener: None };
        let lock = || Guard::lock(&mutex, &mark, who);
        assert_eq!((*lock(), list.take()), (0, vec![]));
        *lock() += 1;
        *lock() += 1;
        assert_eq!(list.take(), [who]);
        *lock() += 1;
        assert_eq!(list.take(), [], "it is being saved");
        mark.clear();
        *lock() += 1;
        assert_eq!((*lock(), list.take()), (4, vec![who]));
    }
}
