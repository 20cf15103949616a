//! What an answer has made firm: no crash takes it back.

use crate::{
    event::Delivered,
    trial::{Failed, Trial},
};

impl Trial<'_> {
    pub(crate) fn failed(&mut self, sequence: i64, failed: Failed) {
        let known = self.failed.entry(sequence).or_insert(failed);
        if failed.attempts > known.attempts || failed.gone {
            *known = failed;
        }
    }

    /// "Generation, rewind point and attempts are durable before Reject answers", and a dead letter moves "in one commit with
    /// the cursor's step": on a stream that is opened after the answer it comes as one that has failed so often, or never.
    pub(crate) fn stays_failed(&mut self, told: &str, delivered: Delivered, opened: usize) {
        let Some(failed) = self.failed.get(&delivered.sequence).filter(|it| it.place < opened) else {
            return;
        };
        if failed.gone || delivered.attempt <= failed.attempts {
            self.faults.other.push(format!("{told} came as {delivered:?} though it {failed:?}"));
        }
    }

    /// "A crash may redeliver what was acknowledged in its last second", and that as one that has not failed: how often it
    /// had is forgotten with its acknowledgement, which is found when it comes again.
    pub(crate) fn may_begin_anew(&mut self, sequence: i64) {
        if !self.crashes.none() && self.failed.get(&sequence).is_some_and(|failed| !failed.gone) {
            self.failed.remove(&sequence);
        }
    }

    /// "PurgeListener takes a position and clears the backlog, outstanding messages and window below it": what lies there
    /// never comes on a stream that is opened after the answer.
    pub(crate) fn stays_purged(&mut self, told: &str, sequence: i64, opened: usize) {
        let purged = self.purged.iter().any(|(place, through)| *place < opened && sequence <= *through);
        if purged {
            let history = self.history(sequence);
            self.faults.other.push(format!("{told} came though it was purged; {history}"));
        }
    }
}
