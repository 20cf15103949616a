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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hub::Incarnation, log::Position};

    #[test]
    fn places_read_back_as_they_were_written_and_for_as_many_channels_alone() {
        for count in [1, 2, MAX_CHANNELS] {
            let longest = ResumeToken {
                incarnation: Incarnation::from(u64::MAX),
                birth: Position(u64::MAX),
                sequence: Position(u64::MAX),
                turn: Some(std::num::NonZeroU64::MAX),
            };
            let place = Place { channel: "c".into(), token: longest };
            let mut text = Vec::new();
            Places(vec![place; count]).write(&mut text);
            let text = String::from_utf8(text).unwrap();
            let tokens = split(&text, count).expect("they fit");
            assert!(tokens.iter().all(|token| ResumeToken::parse(token) == Some(longest)));
            for other in [0, count - 1, count + 1] {
                assert_eq!(split(&text, other), None, "{other} of {count}");
            }
        }
        assert_eq!([split("", 1), split("~", 2), split("a~", 2)], [None, None, None]);
    }
}
