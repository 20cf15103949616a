//! A verb in the midst of which its process is cut off.

use super::*;

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
