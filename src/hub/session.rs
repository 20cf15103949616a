//! Sessions: two clients that reconnect by themselves do not fight for a listener.

use std::{collections::VecDeque, sync::Arc};

/// So many sessions from which a listener was taken are remembered.
const MAX_OUSTED: usize = 8;

/// Who has a listener's stream, and from whom it was taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Claim {
    holder: Option<Arc<str>>,
    ousted: VecDeque<Arc<str>>,
}

impl Claim {
    /// The session that has the stream, where it named itself.
    pub(super) fn holder(&self) -> Option<&Arc<str>> {
        self.holder.as_ref()
    }

    /// Whether this session lost the listener to the one that has it.
    pub(super) fn was_ousted(&self, session: &str) -> bool {
        self.ousted.iter().any(|ousted| &**ousted == session)
    }

    /// A stream of this session begins; `taken`: from one that was open.
    pub(super) fn pass_to(&mut self, session: Option<Arc<str>>, taken: bool) {
        let before = std::mem::replace(&mut self.holder, session);
        if !taken {
            self.ousted.clear();
        } else if let Some(before) = before.filter(|before| Some(before) != self.holder.as_ref()) {
            self.ousted.retain(|ousted| *ousted != before);
            self.ousted.push_back(before);
            while self.ousted.len() > MAX_OUSTED {
                self.ousted.pop_front();
            }
        }
        let holder = self.holder.clone();
        self.ousted.retain(|ousted| Some(ousted) != holder.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lost_a_listener_is_known_until_it_is_free() {
        let mut claim = Claim::default();
        claim.pass_to(Some("a".into()), false);
        claim.pass_to(Some("b".into()), true);
        assert!(claim.was_ousted("a") && !claim.was_ousted("b"));
        claim.pass_to(Some("c".into()), true);
        assert!(claim.was_ousted("a") && claim.was_ousted("b"));
        claim.pass_to(Some("a".into()), true);
        assert!(!claim.was_ousted("a") && claim.was_ousted("c"));
        claim.pass_to(Some("b".into()), false);
        assert!(!claim.was_ousted("c"));
    }
}
