//! What can be wrong with a configuration, said so that whoever wrote it finds the place.

use std::{fmt, io, path::PathBuf};

use thiserror::Error;

/// Everything that is wrong, in the order in which it was read.
#[derive(Debug, Default)]
pub(crate) struct Faults(pub(crate) Vec<Fault>);

/// One thing that is wrong.
#[derive(Debug, Error)]
pub(crate) enum Fault {
    #[error("{name} = {text:?} in {origin}: expected {expected}")]
    Value { name: &'static str, text: String, origin: Origin, expected: String },
    #[error("{key} in {origin}: no such setting{}", Suggestion(*.close))]
    Unknown { key: String, origin: Origin, close: Option<&'static str> },
    #[error("{origin}: not TOML: {problem}")]
    Syntax { origin: Origin, problem: String },
    #[error("{path} of {origin}: {source}", path = .path.display())]
    Unreadable { path: PathBuf, origin: Origin, source: io::Error },
    #[error("{small}: must not be below {large}: {why}")]
    Misfit { small: String, large: String, why: &'static str },
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    File { path: PathBuf, line: usize },
    Variable(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Origin::Variable(name) => f.write_str(name),
            Origin::Flag(name) => write!(f, "--{name}"),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("1 fault in the configuration:")?,
            many => write!(f, "{many} faults in the configuration:")?,
        }
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl std::error::Error for Faults {}

/// The end of a sentence about an unknown name.
pub(crate) struct Suggestion<T>(pub(crate) Option<T>);

impl<T: fmt::Display> fmt::Display for Suggestion<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |name| write!(f, "; did you mean {name}?"))
    }
}
