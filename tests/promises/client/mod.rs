//! The SDK and the command line against a real server. Each file is a subject, each test a sentence about it.

mod acknowledging;
mod bundles;
mod commands;
mod gaps;
mod presence;
mod pulling;
mod receiving;
mod restarted;
mod sending;
mod sessions;
mod support;
