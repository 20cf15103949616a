//! Where a stream of events stands: in each of its channels, as one text, which is the `id:` of its events.

use crate::hub::ResumeToken;
use std::sync::Arc;

/// No stream of events carries more channels: the place in each of them stands in every event.
pub(super) const MAX_CHANNELS: usize = 32;
/// Between the tokens of several channels.
const BETWEEN: char = '~';

/// Where a stream stands in one channel.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) channel: Arc<str>,
    pub(super) token: ResumeToken,
}

/// The same in all of them, in the order asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(pub(super) Vec<Place>);

impl Places {
    /// Appends the text.
    pub(super) fn write(&self, text: &mut Vec<u8>) {
        for (number, place) in self.0.iter().enumerate() {
            if number > 0 {
                text.push(BETWEEN as u8);
            }
            place.token.write(text);
        }
    }
}

/// The tokens of a stream of so many channels, each for the channel in its place; `None` where the text is none of such a
/// stream. What a token says is the hub's to judge.
pub(super) fn split(text: &str, channels: usize) -> Option<Vec<&str>> {
    if text.len() > (ResumeToken::MAX_BYTES + 1) * channels {
        return None;
    }
    let tokens: Vec<_> = text.split(BETWEEN).collect();
    (tokens.len() == channels && tokens.iter().all(|token| !token.is_empty())).then_some(tokens)
}
