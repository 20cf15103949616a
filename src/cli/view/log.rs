//! A data directory: counted, checked, exported, imported.

use super::super::output::{Counted, Shown, printable, size, table, time};
use crate::log::directory::{ChannelStat, Checked, Exported, Imported, Stat};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

impl Shown for Stat {
    fn text(&self) -> String {
        let file = printable(&self.file.display().to_string()).into_owned();
        let rows = [
            ("file", file),
            (
                "size",
                format!(
                    "{}, of which {} are free",
                    size(signed(self.file_bytes)),
                    size(signed(self.free_bytes))
                ),
            ),
            ("write-ahead log", size(signed(self.wal_bytes))),
            ("last sequence", self.last.to_string()),
            ("starts", self.starts.to_string()),
            ("messages", self.channels.iter().map(|channel| channel.messages).sum::<u64>().to_string()),
            (
                "oldest message",
                self.oldest.map_or_else(
                    || "none".into(),
                    |(at, accepted)| format!("#{at} {}", time(moment(accepted))),
                ),
            ),
        ];
        let channels = self.channels.iter().map(row);
        [table(&rows)].into_iter().chain(channels).collect::<Vec<_>>().join("\n")
    }

    fn json(&self) -> impl Serialize {
        let oldest =
            self.oldest.map(|(at, accepted)| json!({ "sequence": at, "acceptTime": time(moment(accepted)) }));
        json!({
            "file": self.file.display().to_string(),
            "fileBytes": self.file_bytes,
            "freeBytes": self.free_bytes,
            "walBytes": self.wal_bytes,
            "lastSequence": self.last,
            "starts": self.starts,
            "oldestMessage": oldest,
            "channels": self.channels.iter().map(channel).collect::<Vec<_>>(),
        })
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn moment(unix_nanos: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(unix_nanos.unsigned_abs())
}

fn row(channel: &ChannelStat) -> String {
    let [messages, listeners] = [(channel.messages, "message"), (channel.listeners, "listener")]
        .map(|(n, what)| Counted(signed(n), what).to_string());
    format!("{}: {messages}, {}, {listeners}", printable(&channel.id), size(signed(channel.bytes)))
}

fn channel(channel: &ChannelStat) -> Value {
    json!({
        "id": channel.id,
        "birth": channel.birth,
        "listeners": channel.listeners,
        "messages": channel.messages,
        "bytes": channel.bytes,
    })
}

impl Shown for Checked {
    fn text(&self) -> String {
        let counted = [(self.messages, "message"), (self.channels, "channel"), (self.listeners, "listener")];
        let [messages, channels, listeners] = counted.map(|(n, what)| Counted(signed(n), what).to_string());
        let read = format!("{messages}, {channels} and {listeners} can be read");
        match self.faults.len() {
            0 => format!("sound: {read}"),
            _ => format!("{}\ndamaged: {read}", lines(&self.faults)),
        }
    }

    fn json(&self) -> impl Serialize {
        json!({
            "sound": self.faults.is_empty(),
            "messages": self.messages,
            "channels": self.channels,
            "listeners": self.listeners,
            "faults": self.faults,
        })
    }
}

fn lines(faults: &[String]) -> String {
    faults.iter().map(|fault| printable(fault)).collect::<Vec<_>>().join("\n")
}

impl Shown for Exported {
    fn text(&self) -> String {
        let written = format!("{} written", Counted(signed(self.lines), "line"));
        match self.unreadable.len() {
            0 => written,
            _ => format!("{written}; the rest could not be read:\n{}", lines(&self.unreadable)),
        }
    }

    fn json(&self) -> impl Serialize {
        json!({ "exported": { "lines": self.lines, "unreadable": self.unreadable } })
    }
}

impl Shown for Imported {
    fn text(&self) -> String {
        let taken = format!("{} taken", Counted(signed(self.lines), "line"));
        match self.unreadable.len() {
            0 => taken,
            _ => format!("{taken}; the export says what it could not read:\n{}", lines(&self.unreadable)),
        }
    }

    fn json(&self) -> impl Serialize {
        json!({ "imported": { "lines": self.lines, "unreadable": self.unreadable } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_comes_before_what_can_be_read() {
        let checked = Checked { messages: 1, channels: 2, listeners: 0, faults: Vec::new() };
        assert_eq!(checked.text(), "sound: 1 message, 2 channels and 0 listeners can be read");
        let faults = vec!["message: nothing from 3 through 9".to_owned()];
        let checked = Checked { faults, ..checked };
        let text =
            "message: nothing from 3 through 9\ndamaged: 1 message, 2 channels and 0 listeners can be read";
        assert_eq!(checked.text(), text);
    }
}
