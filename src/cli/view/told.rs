//! What senders and receivers are told beside messages: receipts and gaps.

use super::{
    super::output::{Counted, Shown, printable},
    short,
};
use crate::client::{Gap, GapReason, Receipt};
use serde::Serialize;
use serde_json::json;

impl Shown for Receipt {
    fn text(&self) -> String {
        let receivers = self.receivers.map(|receivers| format!(", {}", Counted(receivers, "receiver")));
        let duplicate = if self.duplicate { ", a duplicate" } else { "" };
        let id = printable(&self.message_id);
        format!("accepted {id} as #{}{}{duplicate}", self.sequence, receivers.unwrap_or_default())
    }

    fn json(&self) -> impl Serialize {
        json!({
            "messageId": self.message_id,
            "sequence": self.sequence,
            "receivers": self.receivers,
            "duplicate": self.duplicate,
        })
    }
}

impl Shown for Gap {
    fn text(&self) -> String {
        let count = self.count.map_or("messages".into(), |count| Counted(count, "message").to_string());
        let reason = reason_in_words(self.reason);
        let Gap { after_sequence, through_sequence, .. } = self;
        format!("-- gap: {count} missing ({reason}), after #{after_sequence} through #{through_sequence}")
    }

    fn json(&self) -> impl Serialize {
        json!({ "gap": {
            "reason": self.reason.name().map_or(json!(i32::from(self.reason)), |name| json!(name)),
            "afterSequence": self.after_sequence,
            "throughSequence": self.through_sequence,
            "count": self.count,
        } })
    }
}

fn reason_in_words(reason: GapReason) -> String {
    match reason.name() {
        Some(name) => short(name, "GAP_REASON_").replace('_', " "),
        None => format!("reason {}, which this version does not know", i32::from(reason)),
    }
}
