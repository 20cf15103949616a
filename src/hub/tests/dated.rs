//! A log for lives of several processes: it outlives them, takes nothing while that is asked for, and has a calendar of its
//! own, which goes as the clock of a life does and may be set while no process is there.

mod cut;

pub(super) use cut::Cut;

use super::*;
use std::{collections::BTreeSet, sync::atomic::AtomicI64};

const NANOS: i64 = 1_000_000;

/// What the machine's calendar says, in milliseconds.
fn machines() -> i64 {
    crate::hub::now() / NANOS
}

/// Another process, as a model is told of it.
pub(super) struct Next {
    /// How far its log comes.
    pub(super) last: u64,
    /// Which messages are in it.
    pub(super) there: BTreeSet<u64>,
    /// How long after the one before it began, by the calendar.
    pub(super) away: i64,
}

pub(super) struct Dated {
    pub(super) inner: Surviving,
    pub(super) fails: AtomicBool,
    pub(super) cut: Mutex<Cut>,
    /// What the calendar said when the process began, in milliseconds.
    began_at: i64,
    began: tokio::time::Instant,
    /// What the machine's calendar said when it was read back.
    read_at: AtomicI64,
}

impl Dated {
    pub(super) fn begin(inner: Surviving, began_at: i64) -> Self {
        let began = tokio::time::Instant::now();
        let (fails, cut, read_at) = Default::default();
        Self { inner, fails, cut, began_at, began, read_at }
    }

    /// A hub over what another log has left, which begins so much later by the calendar than its hub did.
    pub(super) fn begin_again(&self, away: i64, cores: usize) -> (Arc<Self>, Arc<Hub>) {
        loop {
            let log = Arc::new(Self::begin(self.left(), self.began_at + away));
            let before = machines();
            let hub = Hub::new(log.clone(), UNLIMITED, cores).unwrap();
            // it looks at the machine's calendar just before it reads: both must have seen the same
            if log.read_at.load(Ordering::SeqCst) == before {
                return (log, hub);
            }
        }
    }

    fn left(&self) -> Surviving {
        let cut = self.cut.lock().unwrap();
        Arc::into_inner(cut.left().unwrap_or(&self.inner).left()).unwrap()
    }

    fn now(&self) -> i64 {
        self.began_at + self.began.elapsed().as_millis() as i64
    }

    fn date(&self, record: Record) -> Record {
        match record {
            Record::Message { channel, listener, remember_until, message, dead_letter, .. } => {
                let accepted_at = self.now() * NANOS;
                Record::Message { channel, listener, accepted_at, remember_until, message, dead_letter }
            }
            other @ (Record::Channel { .. }
            | Record::Listener { .. }
            | Record::Changed(_)
            | Record::Removed(_)
            | Record::Start { .. }) => other,
        }
    }

    fn may_write(&self) -> Result<(), LogError> {
        if self.fails.load(Ordering::SeqCst) { Err(LogError::Unavailable) } else { Ok(()) }
    }
}

impl Log for Dated {
    fn append(&self, record: Record) -> Result<Position, LogError> {
        self.append_all(vec![record], &[])
    }

    fn append_all(&self, records: Vec<Record>, gone: &[Position]) -> Result<Position, LogError> {
        self.may_write()?;
        let dated = records.into_iter().map(|record| self.date(record)).collect();
        let first = self.inner.append_all(dated, gone)?;
        self.cut.lock().unwrap().count(&self.inner);
        Ok(first)
    }

    fn watermark(&self) -> &Watermark {
        self.inner.watermark()
    }

    fn last(&self) -> Position {
        self.inner.last()
    }

    fn read(&self, positions: &[Position], found: &mut Vec<Entry>) -> Result<(), LogError> {
        self.inner.read(positions, found)
    }

    fn delete(&self, positions: &[Position]) {
        self.inner.delete(positions);
    }

    fn save(&self, changes: &mut dyn FnMut(&mut dyn FnMut(Change))) {
        self.inner.save(changes);
    }

    /// Tells the times as if the machine's calendar were this one.
    fn recover(&self, found: &mut dyn FnMut(Recovered)) -> Result<(), LogError> {
        let machines = machines();
        self.read_at.store(machines, Ordering::SeqCst);
        let ahead = machines - self.now();
        self.inner.recover(&mut |recovered| {
            found(match recovered {
                Recovered::Message(mut message) => {
                    message.accepted_at += ahead * NANOS;
                    message.expires_at = message.expires_at.map(|at| at + ahead);
                    Recovered::Message(message)
                }
                other @ (Recovered::Removed(_)
                | Recovered::Channel(_)
                | Recovered::Listener(_)
                | Recovered::Accepted(_)) => other,
            });
        })
    }

    fn starts(&self) -> Vec<Start> {
        self.inner.starts()
    }

    fn check(&self) -> Result<(), LogError> {
        self.may_write()
    }

    fn bytes(&self) -> u64 {
        self.inner.bytes()
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }
}
