//! What must be so, of all that was written down.

use crate::{
    books::{Books, Figures},
    cast::{Cast, Who},
    event::Event,
    trial::Trial,
    verdict::{Faults, Verdict},
};

pub(crate) fn judge(cast: &Cast, books: &Books) -> Verdict {
    let other = books.faults.iter().cloned().chain(books.accepted_twice()).collect();
    let mut faults = Faults { other, ..Faults::default() };
    for who in 0..cast.receivers.len() {
        faults.add(try_one(cast, books, who));
    }
    let figures = figures(books, &faults);
    Verdict { faults, figures }
}

pub(crate) fn try_one(cast: &Cast, books: &Books, who: Who) -> Faults {
    Trial::new(who, cast, books, &books.events[who]).hold()
}

/// Whether nothing waits for a receiver any more.
pub(crate) fn settled(cast: &Cast, books: &Books, who: Who) -> bool {
    let faults = try_one(cast, books, who);
    faults.lost.is_empty() && faults.unannounced.is_empty()
}

fn figures(books: &Books, faults: &Faults) -> String {
    let count = |so: fn(&Event) -> bool| books.events.iter().flatten().filter(|event| so(event)).count();
    let deliveries = count(|event| event.delivered().is_some());
    let gaps = count(|event| event.gap().is_some());
    let Figures { refused, duplicates, unknown, streams, pulls, rejected, extended, .. } = &books.figures;
    let Figures { cut, stalls, stops, purges, removals, guests, looks, taken_over, crashes, .. } =
        &books.figures;
    format!(
        "accepted {}, refused {refused}, outcome unknown at first {unknown}, duplicates {duplicates}\n\
         delivered {deliveries}, rejected {rejected}, extended {extended}, dead letters {}, gaps said {gaps}, \
         in flight without a token {}\n\
         streams {streams}, pulls {pulls}, connections cut {cut}, stalls {stalls}, taken over {taken_over}, \
         stops {stops}, purges {purges}, removals {removals}, guests {guests}, looks {looks}, crashes {crashes}",
        books.accepted.len(),
        books.buried.len(),
        faults.in_flight,
    )
}
