//! A process that is cut off in the midst of a verb: of what that has the log keep, only the first records are there.

use super::*;

/// Where a process is cut off.
#[derive(Default)]
pub(super) struct Cut {
    /// So many more records are kept; `None`: all.
    takes: Option<usize>,
    appended: usize,
    /// What is left then.
    left: Option<Surviving>,
}

impl Cut {
    pub(super) fn after(records: usize) -> Self {
        Self { takes: Some(records), ..Self::default() }
    }

    /// Whether a record is kept, counted from the first of the verb.
    pub(super) fn takes(&self, record: usize) -> bool {
        self.takes.is_none_or(|takes| record <= takes)
    }

    /// The log has taken something.
    pub(super) fn count(&mut self, log: &Surviving) {
        self.appended += 1;
        if self.takes == Some(self.appended) {
            self.left = Arc::into_inner(log.left());
        }
    }

    pub(super) fn left(&self) -> Option<&Surviving> {
        self.left.as_ref()
    }
}

impl Life {
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
}
