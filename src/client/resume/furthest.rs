//! The token by which a server tells whether it is of another life than what an EXPLICIT listener has received.

use super::super::ledger::{Attempts, NOWHERE, tells_another_life};
use crate::v1;

/// The token that reaches furthest, of those that were received.
#[derive(Debug)]
pub(super) struct Furthest {
    token: String,
    through: i64,
    /// A gap that tells of another life waits to be handed out. Only an older token has the server repeat it.
    untold: bool,
}

impl Default for Furthest {
    fn default() -> Self {
        Self { token: String::new(), through: NOWHERE, untold: false }
    }
}

impl Furthest {
    /// The token, and how far it is known to reach; nothing where an older one must do.
    pub(super) fn token(&self) -> Option<(&str, i64)> {
        (!self.untold && !self.token.is_empty()).then_some((&self.token, self.through))
    }

    /// A batch arrived. Of what comes again alone its token says nothing: only first attempts count.
    pub(super) fn received(&mut self, batch: &v1::Batch, attempts: &Attempts) {
        if tells_another_life(batch) {
            *self = Self { untold: true, ..Self::default() };
        }
        let sequences = batch.deliveries.iter().map(|delivery| delivery.sequence);
        let through = sequences.filter(|&sequence| attempts.of(sequence) == 1).max();
        if let Some(through) = through.filter(|&through| through >= self.through)
            && !batch.resume_token.is_empty()
        {
            batch.resume_token.clone_into(&mut self.token);
            self.through = through;
        }
    }

    /// The gap was handed out.
    pub(super) fn told(&mut self) {
        self.untold = false;
    }
}
