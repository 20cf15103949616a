//! What names this process to servers.

use std::sync::OnceLock;

/// The session of every client that is given no other: a UUIDv4, one for each process.
pub(super) fn of_this_process() -> &'static str {
    static SESSION: OnceLock<String> = OnceLock::new();
    SESSION.get_or_init(|| uuid::Uuid::new_v4().to_string())
}
