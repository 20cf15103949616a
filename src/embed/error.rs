//! Why something inside a program was not done.

use crate::{error, id::InvalidId, message::InvalidMessage};

/// Why a call was not done, or a stream has ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A text that was meant as an id is none.
    #[error("{id:?}: {reason}")]
    InvalidId {
        /// The text.
        id: String,
        /// What is wrong with it.
        reason: InvalidId,
    },
    /// The message breaks a rule. Nothing was accepted.
    #[error("message: {0}")]
    InvalidMessage(#[from] InvalidMessage),
    /// The dispatcher refuses it.
    #[error(transparent)]
    Refused(#[from] error::Error),
    /// An action has this name already, for every listener.
    #[error("the action {action:?} is reserved")]
    ReservedAction {
        /// The name.
        action: String,
    },
    /// A reply has nowhere to go: the message does not say who sent it.
    #[error("the message names no sender")]
    NoSender,
}

impl Error {
    /// For a text that is no id.
    pub(super) fn invalid_id(id: &str, reason: InvalidId) -> Self {
        Self::InvalidId { id: id.to_owned(), reason }
    }
}
