//! Pages of a list, by AIP-158: a token says behind which birth the next page begins.

use super::status::Refusal;
use crate::log::Position;

const DEFAULT_SIZE: usize = 100;
const MAX_SIZE: usize = 1000;

/// Which page is asked for.
pub(crate) struct Page {
    pub(crate) after: Position,
    size: usize,
}

impl Page {
    pub(crate) fn parse(size: i32, token: &str) -> Result<Self, Refusal> {
        let size = match usize::try_from(size) {
            Err(_) => return Err(Refusal::setting("page_size", "it must not be negative")),
            Ok(0) => DEFAULT_SIZE,
            Ok(size) => size.min(MAX_SIZE),
        };
        let after =
            if token.is_empty() { Position::ZERO } else { read(token).ok_or_else(Refusal::page_token)? };
        Ok(Self { after, size })
    }

    /// How many the page holds at most.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// One more than the page holds shows whether there is another.
    pub(crate) fn look_for(&self) -> usize {
        self.size + 1
    }

    /// The page's items and the next page's token, of what was found.
    pub(crate) fn cut<T>(&self, mut found: Vec<T>, birth: impl Fn(&T) -> Position) -> (Vec<T>, String) {
        let more = found.len() > self.size;
        found.truncate(self.size);
        let last = found.last().filter(|_| more);
        let token = last.map_or_else(String::new, |last| token(birth(last)));
        (found, token)
    }
}

/// Behind which the next page begins.
pub(crate) fn token(after: Position) -> String {
    format!("p{:x}", after.0)
}

/// One way to write a token, and no other.
fn read(text: &str) -> Option<Position> {
    let after = u64::from_str_radix(text.strip_prefix('p')?, 16).ok().map(Position)?;
    (token(after) == text).then_some(after)
}
