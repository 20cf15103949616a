//! What was said to be accepted, in all lives, and what must be there of it.

use super::{
    left::Left,
    sending::{VERY_MANY, remembers, series},
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) accepted: BTreeMap<u64, String>,
    /// From where to where.
    moved: BTreeMap<u64, u64>,
}

impl Books {
    pub(super) fn hear(&mut self, said: &str) {
        let whole = said.rfind('\n').map_or("", |end| &said[..end]);
        for line in whole.lines() {
            if let Some((position, id)) = told(line, '@') {
                let before = self.accepted.insert(position, id.to_owned());
                assert_eq!(before, None, "position {position} was given twice");
            } else if let Some((from, to)) = told(line, '>') {
                self.moved.insert(from, to.parse().expect("a position"));
            }
        }
    }

    /// What was accepted and is not where it must be.
    pub(super) fn lost(&self, left: &Left) -> Option<String> {
        let is_there = |position: &u64, id: &str| {
            let gone = left.is_through(*position, id);
            let letter = left.letters.get(position);
            let kept = left.messages.get(position).map(String::as_str);
            let moved = letter.and_then(|letter| left.messages.get(letter)).map(String::as_str);
            let [here, there] = match id.as_bytes()[0] {
                b'm' if gone => [None, Some(id)],
                _ if gone => [None, None],
                _ => [Some(id), None],
            };
            let remembered = left.ids.get(position).map(String::as_str);
            (kept, moved) == (here, there) && (!remembers(id) || remembered == Some(id))
        };
        let mut accepted = self.accepted.iter();
        let lost = accepted.find(|(position, id)| !is_there(position, id));
        let unmoved = || self.moved.iter().find(|(from, to)| left.letters.get(from) != Some(to));
        lost.map(|lost| format!("{lost:?}")).or_else(|| unmoved().map(|lost| format!("{lost:?} moved")))
    }

    pub(super) fn judge(&self, left: &Left) {
        assert_eq!(self.lost(left), None, "of {:?}, {:?}", left.through, left.last);
        assert!(left.last >= self.accepted.keys().next_back().copied().unwrap_or_default());
        left.is_whole();
    }
}

fn told(line: &str, mark: char) -> Option<(u64, &str)> {
    let (position, what) = line.strip_prefix(mark)?.split_once(' ')?;
    Some((position.parse().expect("a position"), what))
}

impl Left {
    /// Nothing was invented, parted, doubled, or came back.
    fn is_whole(&self) {
        let mut once = BTreeSet::new();
        let mut next: BTreeMap<&str, u64> = BTreeMap::new();
        let letters: BTreeMap<_, _> = self.letters.iter().map(|(from, to)| (to, from)).collect();
        for (position, id) in &self.messages {
            assert!(once.insert(id), "{id} is there twice");
            match letters.get(position) {
                Some(from) => {
                    assert!(self.is_through(**from, id), "{id} was moved before its place was kept")
                }
                None => assert!(!self.is_through(*position, id), "{id} was deleted or moved"),
            }
            let (series, number) = series(id);
            let next = next.entry(series).or_default();
            assert_eq!(number, *next, "{id} overtook, or one before it is lost");
            *next += 1;
        }
        let torn = next.iter().find(|(series, count)| match series.as_bytes()[0] {
            b'w' => **count != 3,
            b'd' => **count != 5,
            b'b' => **count != VERY_MANY,
            _ => false,
        });
        assert_eq!(torn, None, "what was appended together was parted");
    }
}
