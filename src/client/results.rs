//! Answers in parts, each of which answers a part of what was asked.

use super::{Error, Result};

/// `results[i]` answers `items[i]`: another number of them answers nothing.
pub(super) fn each<R, T>(
    results: Vec<R>,
    expected: usize,
    outcome: impl Fn(R) -> Option<Result<T>>,
) -> Result<Vec<Result<T>>> {
    if results.len() != expected {
        return Err(Error::Contract("another number of results than of items"));
    }
    let outcomes = results.into_iter().map(outcome);
    Ok(outcomes
        .map(|outcome| outcome.unwrap_or(Err(Error::Contract("a result that says nothing"))))
        .collect())
}

/// The one that was asked for.
pub(super) fn only<T>(outcomes: Result<Vec<Result<T>>>) -> Result<T> {
    outcomes?.pop().unwrap_or(Err(Error::Contract("an answer without a result")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_answer_their_items_or_nothing() {
        let outcome = |result: u8| (result > 0).then_some(Ok(result));
        let outcomes = each(vec![1, 0], 2, outcome).unwrap();
        assert!(matches!(outcomes[..], [Ok(1), Err(Error::Contract(_))]));
        assert!(matches!(each(vec![1], 2, outcome), Err(Error::Contract(_))));
    }
}
