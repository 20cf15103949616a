//! A step that may have to be taken back: the log can refuse at the last moment what it was sure to take.

use super::Standing;
use crate::hub::{next::Next, queue::Dispatch};

/// How it was before a step. Of its dispatches there are those that the step may take: a long queue is not copied.
#[derive(Debug)]
pub(in crate::hub) struct Before {
    standing: Box<Standing>,
    own: Vec<Dispatch>,
}

impl Standing {
    /// How it is now, before a step that takes none of its dispatches but these.
    pub(in crate::hub) fn before(&mut self, may_go: impl Iterator<Item = Next>) -> Before {
        let queue = std::mem::take(&mut self.queue);
        let standing = Box::new(self.clone());
        self.queue = queue;
        let own = may_go.filter(|next| next.ordinal.is_none()).map(|next| next.dispatch()).collect();
        Before { standing, own }
    }

    /// It is as it was.
    pub(in crate::hub) fn take_back(&mut self, before: Before) {
        let mut queue = std::mem::take(&mut self.queue);
        before.own.into_iter().for_each(|own| queue.put_back(own));
        *self = Self { queue, ..*before.standing };
    }
}
