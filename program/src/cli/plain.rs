//! Text out of files and paths, made fit for a terminal.

use std::fmt::Display;

/// Whether a terminal would act on a letter, or show what follows in another order.
fn acts(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escape(c: char, into: &mut String) {
    if acts(c) { into.extend(c.escape_default()) } else { into.push(c) }
}

/// A name, on one line, whatever stands in it.
pub(crate) fn plain(name: impl Display) -> String {
    let mut text = String::new();
    for c in name.to_string().chars() {
        escape(c, &mut text);
    }
    text
}

/// What begins and ends a heading in bold, which only this program writes.
const BOLD: [&str; 2] = ["\u{1b}[1m", "\u{1b}[0m"];

/// Lines of this program: line breaks and bold headings stay, whatever else a terminal would act on is escaped.
pub(super) struct Lines<T>(pub(super) T);

impl<T: Display> Display for Lines<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, mut safe) = (self.0.to_string(), String::new());
        let mut rest = &whole[..];
        while let Some(c) = rest.chars().next() {
            if let Some(style) = BOLD.iter().find(|style| rest.starts_with(**style)) {
                safe.push_str(style);
                rest = &rest[style.len()..];
                continue;
            }
            if c == '\n' {
                safe.push(c)
            } else {
                escape(c, &mut safe)
            }
            rest = &rest[c.len_utf8()..];
        }
        f.write_str(&safe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_on_is_left() {
        assert_eq!(plain("a\u{1b}[31m\r\n\tb\u{9b}2J\u{7f}"), "a\\u{1b}[31m\\r\\n\\tb\\u{9b}2J\\u{7f}");
        assert_eq!(plain("fdp.\u{202e}gpj"), "fdp.\\u{202e}gpj");
        assert_eq!(plain("Größe 猫 🐈 a'b\\\"c"), "Größe 猫 🐈 a'b\\\"c");
        let heading = "\u{1b}[1mclass\u{1b}[0m  AP\nRBC\u{1b}]0;x\u{7}\r";
        assert_eq!(Lines(heading).to_string(), "\u{1b}[1mclass\u{1b}[0m  AP\nRBC\\u{1b}]0;x\\u{7}\\r");
    }
}
