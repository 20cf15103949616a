//! Where the server's own log goes: stderr, as text or JSON. Payloads are never in it.

use std::{
    env,
    io::{self, IsTerminal as _},
};

use tracing_subscriber::fmt;

use crate::config::{Config, LogFormat, log_filter};

/// Starts the log that `config` asks for, for the whole process. Once: a second call panics.
pub(crate) fn init(config: &Config) {
    let filter = log_filter(&config.log_level).expect("the configuration was read: its filter is sound");
    // who reads it may have died: to say so where nobody reads would be a panic
    let log = fmt().with_env_filter(filter).with_writer(io::stderr).log_internal_errors(false);
    match config.log_format {
        LogFormat::Text => log.compact().with_ansi(is_coloured()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

/// See <https://no-color.org>.
fn is_coloured() -> bool {
    io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
