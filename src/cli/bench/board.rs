//! What is counted while a bench runs, by all its threads.

use hdrhistogram::Histogram;
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Longer times count as this one.
const LONGEST: Duration = Duration::from_secs(600);

/// The counts of one run.
pub(super) struct Board {
    begun: OnceLock<Instant>,
    published_in: OnceLock<Duration>,
    accepted: AtomicU64,
    refused: AtomicU64,
    delivered: AtomicU64,
    /// When the newest delivery came, in nanoseconds since the beginning.
    last_delivery: AtomicU64,
    gaps: AtomicU64,
    missing: AtomicU64,
    reconnects: AtomicU64,
    /// From sending to the receipt.
    pub(super) acceptance: Mutex<Histogram<u64>>,
    /// From sending to the delivery; of each thread, added when it ends.
    pub(super) delivery: Mutex<Histogram<u64>>,
    errors: Mutex<BTreeMap<String, u64>>,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            begun: OnceLock::new(),
            published_in: OnceLock::new(),
            accepted: AtomicU64::default(),
            refused: AtomicU64::default(),
            delivered: AtomicU64::default(),
            last_delivery: AtomicU64::default(),
            gaps: AtomicU64::default(),
            missing: AtomicU64::default(),
            reconnects: AtomicU64::default(),
            acceptance: Mutex::new(histogram()),
            delivery: Mutex::new(histogram()),
            errors: Mutex::default(),
        }
    }
}

/// Nanoseconds, to three digits.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST.as_nanos() as u64, 3).expect("the bounds are in order")
}

/// A thread that panicked while it counted is reported by its own end.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    /// Everything is ready; times count from here.
    pub(super) fn begin(&self) {
        self.begun.get_or_init(Instant::now);
    }

    /// Nanoseconds since the beginning.
    pub(super) fn now(&self) -> u64 {
        self.begun.get().map_or(0, |begun| begun.elapsed().as_nanos() as u64)
    }

    /// The last receipt has come.
    pub(super) fn published(&self) {
        self.published_in.get_or_init(|| Duration::from_nanos(self.now()));
    }

    /// A message that was sent then is accepted.
    pub(super) fn accept(&self, sent: u64) {
        self.accepted.fetch_add(1, Relaxed);
        lock(&self.acceptance).saturating_record(self.now().saturating_sub(sent));
    }

    pub(super) fn refuse(&self, reason: &str) {
        self.refused.fetch_add(1, Relaxed);
        self.error(reason);
    }

    pub(super) fn error(&self, reason: &str) {
        *lock(&self.errors).entry(reason.to_owned()).or_default() += 1;
    }

    /// A message arrived just now.
    pub(super) fn deliver(&self, now: u64) {
        self.delivered.fetch_add(1, Relaxed);
        self.last_delivery.fetch_max(now, Relaxed);
    }

    pub(super) fn gap(&self, count: Option<i64>) {
        self.gaps.fetch_add(1, Relaxed);
        self.missing
            .fetch_add(count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default(), Relaxed);
    }

    pub(super) fn reconnect(&self) {
        self.reconnects.fetch_add(1, Relaxed);
    }

    pub(super) fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    pub(super) fn gaps(&self) -> u64 {
        self.gaps.load(Relaxed)
    }

    pub(super) fn missing(&self) -> u64 {
        self.missing.load(Relaxed)
    }

    pub(super) fn reconnects(&self) -> u64 {
        self.reconnects.load(Relaxed)
    }

    /// Deliveries, and what gaps stand for.
    pub(super) fn arrived(&self) -> u64 {
        self.delivered() + self.missing()
    }

    /// How long publishing took.
    pub(super) fn published_in(&self) -> Duration {
        self.published_in.get().copied().unwrap_or_default()
    }

    /// How long it took until the last delivery.
    pub(super) fn delivered_in(&self) -> Duration {
        Duration::from_nanos(self.last_delivery.load(Relaxed))
    }

    pub(super) fn errors(&self) -> BTreeMap<String, u64> {
        lock(&self.errors).clone()
    }

    /// How it goes, in a few words.
    pub(super) fn progress(&self) -> String {
        format!("{} accepted, {} delivered", self.accepted(), self.delivered())
    }
}
