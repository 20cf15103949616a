//! A process that is cut off in the midst of a verb: of what that has the log keep, only the first records are there.

use super::*;

/// Where a process is cut off.
#[derive(Default)]
pub(in super::super) struct Cut {
    /// So many more records are kept; `None`: all.
    takes: Option<usize>,
    appended: usize,
    /// What is left then.
    left: Option<Surviving>,
}

impl Cut {
    pub(in super::super) fn after(records: usize) -> Self {
        Self { takes: Some(records), ..Self::default() }
    }

    /// Whether a record is kept, counted from the first of the verb.
    pub(in super::super) fn takes(&self, record: usize) -> bool {
        self.takes.is_none_or(|takes| record <= takes)
    }

    /// The log has taken something.
    pub(in super::super) fn count(&mut self, log: &Surviving) {
        self.appended += 1;
        if self.takes == Some(self.appended) {
            self.left = Arc::into_inner(log.left());
        }
    }

    pub(in super::super) fn left(&self) -> Option<&Surviving> {
        self.left.as_ref()
    }
}
