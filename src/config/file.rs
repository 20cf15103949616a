//! The configuration file: flat TOML, one key a setting.

use std::{fs, ops::Range, path::Path};

use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use super::{
    fault::{Fault, Faults, Origin},
    given::Given,
    names::closest,
    settings::{SETTINGS, Setting},
};

/// Reads what the file at `path` sets. What is wrong with it, as a file, goes to `faults`; `named_by` tells who
/// asked for it.
pub(super) fn read(path: &Path, named_by: &Origin, faults: &mut Faults) -> Vec<Given> {
    match fs::read_to_string(path) {
        Ok(text) => Document { path, text: &text }.settings(faults),
        Err(source) => {
            faults.0.push(Fault::Unreadable { path: path.to_owned(), origin: named_by.clone(), source });
            Vec::new()
        }
    }
}

struct Document<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Document<'_> {
    fn settings(&self, faults: &mut Faults) -> Vec<Given> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        let mut broken = Vec::new();
        for error in errors {
            let line = self.line(&error.span().unwrap_or_default());
            broken.push(line);
            faults.0.push(Fault::Syntax {
                origin: self.origin(line),
                problem: error.message().replace('\n', ", "),
            });
        }
        let mut entries: Vec<_> = table.get_ref().iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
            .into_iter()
            // what the parser made of a broken line is its guess, not what was written
            .filter(|(key, _)| !broken.contains(&self.line(&key.span())))
            .filter_map(|(key, value)| self.entry(key, value).map_err(|fault| faults.0.push(fault)).ok())
            .collect()
    }

    fn entry(&self, key: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) -> Result<Given, Fault> {
        let origin = self.origin(self.line(&key.span()));
        let key = key.get_ref().as_ref();
        match Setting::named(key) {
            Some(setting) => Ok(Given { setting, text: self.written(value), origin }),
            None => {
                let close = closest(key, SETTINGS.iter().map(|setting| setting.name));
                Err(Fault::Unknown { key: key.to_owned(), origin, close })
            }
        }
    }

    /// The value as text, for all sources are read alike. What no setting can be stays as it was written.
    fn written(&self, value: &Spanned<DeValue<'_>>) -> String {
        match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| number.to_string(), |number| number.to_string()),
            DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => self.text.get(value.span()).unwrap_or_default().to_owned(),
        }
    }

    fn origin(&self, line: usize) -> Origin {
        Origin::File { path: self.path.to_owned(), line }
    }

    /// Counted from 1.
    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Vec<String>, Vec<String>) {
        let mut faults = Faults::default();
        let given = Document { path: Path::new("eric.toml"), text }.settings(&mut faults);
        let given = given
            .iter()
            .map(|given| format!("{}={} {}", given.setting.name, given.text, given.origin))
            .collect();
        (given, faults.0.iter().map(Fault::to_string).collect())
    }

    #[test]
    fn keys_come_in_the_order_of_their_lines_as_text() {
        let (given, faults) =
            parse("workers = 4\n# why\nlisten = \"[::]:1\"\nmax_streams = 0x1_0\nlog_format = [1]\n");
        assert_eq!(
            given,
            [
                "workers=4 eric.toml, line 1",
                "listen=[::]:1 eric.toml, line 3",
                "max_streams=16 eric.toml, line 4",
                "log_format=[1] eric.toml, line 5",
            ]
        );
        assert_eq!(faults, [""; 0]);
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_known_one() {
        let (given, faults) = parse("max_stream = 5\nworkers = 2\n[limits]\nmax_streams = 5\n");
        assert_eq!(given, ["workers=2 eric.toml, line 2"]);
        assert_eq!(
            faults,
            [
                "max_stream in eric.toml, line 1: no such setting; did you mean max_streams?",
                "limits in eric.toml, line 3: no such setting",
            ]
        );
    }

    #[test]
    fn every_line_that_is_not_toml_is_told_once() {
        let (given, faults) = parse("workers = many\nmax_streams = 5\nlisten = \"::1\n");
        assert_eq!(given, ["max_streams=5 eric.toml, line 2"]);
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].starts_with("eric.toml, line 1: not TOML: "), "{faults:?}");
        assert!(faults[1].starts_with("eric.toml, line 3: not TOML: "), "{faults:?}");
    }

    #[test]
    fn a_key_given_twice_is_told() {
        let (_, faults) = parse("workers = 1\nworkers = 2\n");
        assert_eq!(faults.len(), 1, "{faults:?}");
    }
}
