//! JSON values as Python has them, for what it says of them.

use super::python;
use serde_json::value::RawValue;
use std::fmt;

/// A value as Python has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'r> {
    None,
    Bool(bool),
    /// As it was written.
    Number(&'r str),
    Text(String),
    List,
    Dict,
}

impl<'r> Value<'r> {
    /// Of sound JSON; what is not given is `None`.
    pub(super) fn of(json: Option<&'r RawValue>) -> Self {
        let Some(json) = json.map(RawValue::get) else { return Self::None };
        match json.as_bytes().first() {
            None | Some(b'n') => Self::None,
            Some(b't' | b'f') => Self::Bool(json == "true"),
            Some(b'[') => Self::List,
            Some(b'{') => Self::Dict,
            // half of a surrogate pair is text in Python, and nobody's id: shown as it was written
            Some(b'"') => Self::Text(serde_json::from_str(json).unwrap_or_else(|_| json.to_owned())),
            Some(_) => Self::Number(json),
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Python looks up by what has a hash.
    pub(super) fn hashable(&self) -> bool {
        match self {
            Self::List | Self::Dict => false,
            Self::None | Self::Bool(_) | Self::Number(_) | Self::Text(_) => true,
        }
    }

    /// The name of its type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Number(number) if number.contains(['.', 'e', 'E']) => "float",
            Self::Number(_) => "int",
            Self::Text(_) => "str",
            Self::List => "list",
            Self::Dict => "dict",
        }
    }

    pub(super) fn repr(&self) -> String {
        self.text().map_or_else(|| self.to_string(), python::repr)
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::Number(number) => f.write_str(number),
            Self::Text(text) => f.write_str(text),
            Self::List | Self::Dict => f.write_str(self.type_name()),
        }
    }
}
