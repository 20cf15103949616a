//! Where a command prints: text for people or JSON for machines, results to stdout, the rest to stderr.

use super::exit::Fault;
use serde::Serialize;
use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    io,
    time::SystemTime,
};

/// What a command can print, both ways.
pub(crate) trait Shown {
    /// For people: one line or more, without the last line's end.
    fn text(&self) -> String;
    /// For machines.
    fn json(&self) -> impl Serialize;
}

/// Prints in the form that was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether machines read.
    pub(crate) fn json(self) -> bool {
        self.json
    }

    /// A result, to stdout.
    pub(crate) fn show(self, shown: &impl Shown) -> Result<(), Fault> {
        print(io::stdout().lock(), self.render(shown))
    }

    /// A remark beside the results, to stderr.
    pub(crate) fn note(self, shown: &impl Shown) {
        // who closed stderr does not want to know
        let _ = print(io::stderr().lock(), self.render(shown));
    }

    /// A remark for people alone, to stderr: machines read it from the exit code.
    pub(crate) fn remark(self, text: &str) {
        if !self.json {
            let _ = print(io::stderr().lock(), text.to_owned());
        }
    }

    /// A title above rows, for people alone.
    pub(crate) fn title(self, title: &str) -> Result<(), Fault> {
        if self.json {
            return Ok(());
        }
        print(io::stdout().lock(), title.to_owned())
    }

    fn render(self, shown: &impl Shown) -> String {
        match self.json {
            true => serde_json::to_string(&shown.json()).expect("what is shown has text for keys"),
            false => shown.text(),
        }
    }
}

fn print(mut to: impl io::Write, mut line: String) -> Result<(), Fault> {
    line.push('\n');
    // in one piece, so that lines of two writers do not mix
    to.write_all(line.as_bytes())?;
    Ok(to.flush()?)
}

/// Text of others, safe on a terminal: control characters are spelled out.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character.is_control() {
            true => safe.extend(character.escape_default()),
            false => safe.push(character),
        }
    }
    Cow::Owned(safe)
}

/// JSON text on one line: the white space between its tokens goes, the tokens stay as they are.
pub(crate) fn one_line(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    let (mut in_text, mut escaped) = (false, false);
    for character in json.chars() {
        if in_text || !character.is_ascii_whitespace() {
            line.push(character);
        }
        in_text ^= character == '"' && !escaped;
        escaped = in_text && character == '\\' && !escaped;
    }
    line
}

/// Standard base64 with padding, by RFC 4648, section 4.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * index)) as usize & 63];
            text.push(if index <= chunk.len() { letter as char } else { '=' });
        }
    }
    text
}

/// A time by RFC 3339, in UTC, to the millisecond.
pub(crate) fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// `64 MiB`, or plain bytes where it is not a whole number of anything larger.
pub(crate) fn size(bytes: i64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| bytes > 0 && bytes % unit == 0) {
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

/// Names and values, one a line, the values below each other.
pub(crate) fn table(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for (index, (name, value)) in rows.iter().enumerate() {
        let end = if index == 0 { "" } else { "\n" };
        write!(text, "{end}{name:width$}  {value}").expect("a String takes whatever is written");
    }
    text
}

/// `1 message`, `2 messages`.
pub(crate) struct Counted<'n>(pub(crate) i64, pub(crate) &'n str);

impl fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_on_one_line_keeps_its_texts() {
        let json = "{\n  \"a b\" : [ 1.0 , \"c \\\" d\\\\\" ] ,\t\"e\" : 12345678901234567890\r\n}";
        assert_eq!(one_line(json), r#"{"a b":[1.0,"c \" d\\"],"e":12345678901234567890}"#);
    }

    #[test]
    fn base64_as_in_the_rfc() {
        let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(texts, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn a_terminal_is_not_commanded_by_strangers() {
        assert_eq!(printable("price ä"), "price ä");
        assert_eq!(printable("\u{1b}[2J\n\u{9b}x"), "\\u{1b}[2J\\n\\u{9b}x");
    }

    #[test]
    fn sizes_are_whole() {
        assert_eq!(
            [0, 1, 1 << 10, 64 << 20, (1 << 20) + 1].map(size),
            ["0 bytes", "1 bytes", "1 KiB", "64 MiB", "1048577 bytes"]
        );
    }

    #[test]
    fn values_stand_below_each_other() {
        assert_eq!(table(&[("a", "1".into()), ("bcd", "2".into())]), "a    1\nbcd  2");
    }
}
