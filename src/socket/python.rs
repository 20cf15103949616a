//! How Python writes texts: its `repr`.

use std::fmt::Write as _;

/// A text as Python's `repr` shows it.
pub(super) fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut shown = String::with_capacity(text.len() + 2);
    shown.push(quote);
    for character in text.chars() {
        put(&mut shown, character, quote);
    }
    shown.push(quote);
    shown
}

fn put(shown: &mut String, character: char, quote: char) {
    match character {
        '\\' => shown.push_str("\\\\"),
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        _ if character == quote => shown.extend(['\\', quote]),
        _ if is_printable(character) => shown.push(character),
        _ => {
            let code = u32::from(character);
            let _ = match code {
                0..0x100 => write!(shown, "\\x{code:02x}"),
                0x100..0x1_0000 => write!(shown, "\\u{code:04x}"),
                _ => write!(shown, "\\U{code:08x}"),
            };
        }
    }
}

/// Rust escapes what is not printable, and beside it quotes, backslashes and, at the beginning of a text, what combines
/// with a character before it.
fn is_printable(character: char) -> bool {
    let behind_another: String = ['a', character].into_iter().collect();
    matches!(character, '\'' | '"') || behind_another.escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shown_as_python_shows_it() {
        for (text, shown) in [
            ("", "''"),
            ("it", "'it'"),
            ("it's", "\"it's\""),
            ("\"", "'\"'"),
            ("it's \"it\"", r#"'it\'s "it"'"#),
            ("\\\n\r\t\0\u{7f}", r"'\\\n\r\t\x00\x7f'"),
            ("größe 𝄞 e\u{301}", "'größe 𝄞 e\u{301}'"),
            ("\u{a0}\u{ad}\u{2028}\u{e000}\u{e0001}", r"'\xa0\xad\u2028\ue000\U000e0001'"),
        ] {
            assert_eq!(repr(text), shown);
        }
    }
}
