//! How far a log's order is safe, and who wants to know.

use super::{
    LogError, Position,
    waits::{OUTSIDE, Place, Waits},
};
use std::{
    fmt,
    pin::Pin,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

type Follower = Box<dyn Fn(Position) + Send + Sync>;

/// The durable watermark of a log: everything up to it is safe. It only rises.
#[derive(Default)]
pub struct Watermark {
    through: AtomicU64,
    /// Nothing more becomes safe for now.
    stalled: AtomicBool,
    waits: Waits,
    follower: OnceLock<Follower>,
}

impl Watermark {
    /// The last position that is safe.
    pub fn position(&self) -> Position {
        Position(self.through.load(Ordering::SeqCst))
    }

    /// Tells the hub of every rise that happens outside of an append. The first to ask is told, and nobody else. From now
    /// on so many threads wait at desks of their own, each of which is [attended](Self::attend).
    pub(crate) fn follow(&self, desks: usize, follower: impl Fn(Position) + Send + Sync + 'static) {
        self.waits.set_up(desks);
        let follower: Follower = Box::new(follower);
        // a hub is made once for its log; a second one would tell the same streams twice
        drop(self.follower.set(follower));
    }

    /// For a log whose append is safe when it returns: the one who appended looks for himself.
    pub(super) fn rise_at_append(&self, position: Position) {
        self.through.fetch_max(position.0, Ordering::SeqCst);
    }

    /// For a log that writes later: wakes those who wait, and tells the hub.
    pub(super) fn rise(&self, position: Position) {
        self.rise_at_append(position);
        self.stalled.store(false, Ordering::SeqCst);
        if let Some(follower) = self.follower.get() {
            follower(position);
        }
        self.waits.settle(position);
    }

    /// The log cannot write: whoever waits is told, and whoever comes, until it rises again.
    pub(super) fn stall(&self) {
        self.stalled.store(true, Ordering::SeqCst);
        self.waits.settle(self.answered());
    }

    /// Waits until a position is safe; at once where it is.
    ///
    /// # Errors
    /// [`LogError::Unavailable`]: it is not, and the log cannot write now. What was appended may become safe later.
    pub async fn reached(&self, position: Position) -> Result<(), LogError> {
        self.reached_at(OUTSIDE, position).await
    }

    /// As [`Self::reached`], for the thread that has this desk, from 1 on.
    pub(crate) fn reached_at(&self, desk: usize, position: Position) -> Reached<'_> {
        Reached { watermark: self, desk, position, place: None }
    }

    /// Wakes whoever waits at a desk as he is reached, for ever; on the thread that has the desk.
    pub(crate) async fn attend(&self, desk: usize) {
        let desk = self.waits.desk(desk);
        loop {
            desk.called().await;
            desk.settle(self.answered());
        }
    }

    /// Whoever waits for a position up to this one has an answer.
    fn answered(&self) -> Position {
        if self.stalled.load(Ordering::SeqCst) { Position(u64::MAX) } else { self.position() }
    }

    fn answer(&self, position: Position) -> Option<Result<(), LogError>> {
        if self.position() >= position {
            return Some(Ok(()));
        }
        self.stalled.load(Ordering::SeqCst).then_some(Err(LogError::Unavailable))
    }
}

impl fmt::Debug for Watermark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watermark").field(&self.position()).finish()
    }
}

/// Waits until a position is safe. Dropped, it waits no longer.
#[derive(Debug)]
pub(crate) struct Reached<'w> {
    watermark: &'w Watermark,
    desk: usize,
    position: Position,
    place: Option<Place>,
}

impl Future for Reached<'_> {
    type Output = Result<(), LogError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { watermark, desk, position, place } = *self;
        if let Some(answer) = watermark.answer(position) {
            return Poll::Ready(answer);
        }
        self.place = Some(watermark.waits.desk(desk).wait(position, place, context.waker()));
        // it may have risen before this one waited
        watermark.answer(position).map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Reached<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.watermark.waits.desk(self.desk).leave(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::{
        pin::pin,
        sync::{Arc, atomic::AtomicUsize},
        task::{Wake, Waker},
    };

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Polls once, and tells how often it was woken since.
    fn poll(reached: Pin<&mut Reached<'_>>, woken: &Arc<Woken>) -> Poll<Result<(), LogError>> {
        reached.poll(&mut Context::from_waker(&Waker::from(Arc::clone(woken))))
    }

    #[test]
    fn a_rise_wakes_those_it_reaches_and_nobody_else() {
        let (watermark, woken) = (Watermark::default(), <[Arc<Woken>; 3]>::default());
        let mut reached = [7, 5, 6].map(|position| watermark.reached_at(OUTSIDE, Position(position)));
        for (reached, woken) in reached.iter_mut().zip(&woken) {
            assert!(poll(Pin::new(reached), woken).is_pending());
        }
        watermark.rise(Position(6));
        assert_eq!(woken.each_ref().map(|woken| woken.0.load(Ordering::SeqCst)), [0, 1, 1]);
        let polled: Vec<_> =
            reached.iter_mut().zip(&woken).map(|(it, woken)| poll(Pin::new(it), woken)).collect();
        assert_eq!(polled, [Poll::Pending, Poll::Ready(Ok(())), Poll::Ready(Ok(()))]);
        watermark.stall();
        assert_eq!(poll(Pin::new(&mut reached[0]), &woken[0]), Poll::Ready(Err(LogError::Unavailable)));
    }

    #[test]
    fn who_waits_no_longer_is_forgotten_and_who_is_polled_again_waits_once() {
        let (watermark, woken) = (Watermark::default(), Arc::<Woken>::default());
        {
            let mut left = pin!(watermark.reached_at(OUTSIDE, Position(1)));
            assert!(poll(left.as_mut(), &woken).is_pending());
        }
        let mut stays = pin!(watermark.reached_at(OUTSIDE, Position(1)));
        assert!(poll(stays.as_mut(), &woken).is_pending());
        assert!(poll(stays.as_mut(), &woken).is_pending());
        watermark.rise(Position(1));
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn an_attended_desk_wakes_through_its_attendant_alone() {
        let (watermark, [waiter, attendant]) = (Watermark::default(), <[Arc<Woken>; 2]>::default());
        watermark.follow(1, |_| {});
        let mut reached = pin!(watermark.reached_at(1, Position(2)));
        let mut attend = pin!(watermark.attend(1));
        assert!(poll(reached.as_mut(), &waiter).is_pending());
        let as_attendant = Waker::from(Arc::clone(&attendant));
        assert!(attend.as_mut().poll(&mut Context::from_waker(&as_attendant)).is_pending());
        watermark.rise(Position(1));
        assert_eq!([&waiter, &attendant].map(|woken| woken.0.load(Ordering::SeqCst)), [0, 0]);
        watermark.rise(Position(2));
        assert_eq!([&waiter, &attendant].map(|woken| woken.0.load(Ordering::SeqCst)), [0, 1]);
        assert!(attend.as_mut().poll(&mut Context::from_waker(&as_attendant)).is_pending());
        assert_eq!(waiter.0.load(Ordering::SeqCst), 1);
        assert_eq!(reached.now_or_never(), Some(Ok(())));
    }
}
