//! What happens on a stream.

use super::{batch::Handed, desk::Ending, presence::PresenceChange, subscription::Started};

/// What happens on a stream.
#[derive(Debug)]
pub enum Event {
    /// A subscription has begun.
    Started(u32, Started),
    /// A subscription hands over.
    Batch(u32, Handed),
    /// The first does, which has never had another beside it. Nothing else happens on its stream.
    Only(Handed),
    /// Who listens on the channel of a subscription, in its order.
    Presence(u32, Vec<PresenceChange>),
    /// A subscription has ended; the stream goes on.
    Ended(u32, Ending),
    /// The stream has ended.
    Over(Ending),
}
