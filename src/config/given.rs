//! A setting as it was given, before it is read.

use super::{fault::Origin, settings::Setting};

/// A setting that somebody wrote down.
pub(crate) struct Given {
    pub(crate) setting: &'static Setting,
    pub(crate) text: String,
    pub(crate) origin: Origin,
}
