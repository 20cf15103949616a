//! What stands in the files after a life.

use super::{
    super::*,
    sending::{Places, sent},
};
use crate::log::RecoveredMessage;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) messages: BTreeMap<u64, String>,
    /// Of each message that was moved: from where, and to where.
    pub(super) letters: BTreeMap<u64, u64>,
    /// The ids that are remembered, of messages that are there and that are gone.
    pub(super) ids: BTreeMap<u64, String>,
    /// The places: of `c`, and of its listeners.
    pub(super) through: BTreeMap<u64, u64>,
    places: Places,
    pub(super) last: u64,
}

impl Left {
    /// As a start reads it back from a copy: the files themselves go on as they are.
    pub(super) fn of(log: &Path) -> Self {
        let dir = dir();
        let as_left = dir.path().join("log");
        copy(log, &as_left);
        let (told, log) = recovered(&as_left);
        let mut left = Self { places: Places::found(&told), last: log.last().0, ..Self::default() };
        told.iter().for_each(|found| left.take(found));
        let (mut found, positions) = (Vec::new(), messages(&told));
        log.read(&positions, &mut found).expect("the log reads");
        assert_eq!(found.len(), positions.len());
        for entry in &found {
            let id = entry.message.id();
            assert_eq!(entry.message.bytes(), sent(id).bytes(), "{id} is not as it was sent");
            left.messages.insert(entry.position.0, id.to_owned());
        }
        // closing it brings the write-ahead log over
        drop(log);
        assert_eq!(check(&as_left, &mut |_| {}).expect("it can be read").faults, [""; 0]);
        left
    }

    fn take(&mut self, found: &Recovered) {
        match found {
            Recovered::Channel(channel) => self.place(channel.birth, &channel.text),
            Recovered::Listener(listener) => self.place(listener.birth, &listener.text),
            Recovered::Message(message) => self.message(message),
            Recovered::Accepted(accepted) => {
                let before = self.ids.insert(accepted.position.0, accepted.id.as_ref().into());
                assert_eq!(before, None, "{} is remembered twice", accepted.id);
            }
            Recovered::Removed(removal) => panic!("nobody was removed: {removal:?}"),
        }
    }

    fn place(&mut self, birth: Position, text: &Text) {
        let state: serde_json::Value = serde_json::from_str(&text.state).expect("a state is JSON");
        self.through.insert(birth.0, state["through"].as_u64().expect("it says so"));
    }

    fn message(&mut self, message: &RecoveredMessage) {
        if let Some((id, _)) = &message.remembered {
            let before = self.ids.insert(message.position.0, id.as_ref().into());
            assert_eq!(before, None, "{id} is remembered twice");
        }
        if let Some(letter) = &message.dead_letter {
            let before = self.letters.insert(letter.position.0, message.position.0);
            assert_eq!(before, None, "{} was moved twice", letter.position);
            assert_eq!(message.listener, self.places.listeners[1], "{message:?}");
        }
    }

    /// Whether the place says that the message of an id, which was accepted at this position, is gone from there.
    pub(super) fn is_through(&self, position: u64, id: &str) -> bool {
        let whose = match id.as_bytes()[0] {
            b'd' => self.places.channel,
            b'm' | b'b' => self.places.listener(id),
            _ => return false,
        };
        let through = whose.and_then(|whose| self.through.get(&whose.0));
        through.is_some_and(|through| position <= *through)
    }
}

/// Copies what the disk has, to a directory that is new.
pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("it is new");
    for file in fs::read_dir(from).expect("it is there") {
        let file = file.expect("it is there");
        fs::copy(file.path(), to.join(file.file_name())).expect("there is room");
    }
}
