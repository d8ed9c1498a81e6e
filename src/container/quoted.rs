//! Text out of files in messages.

use std::fmt;

/// A name out of a file in a form that is safe to print: on one line, without control characters, of bounded length.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_safe(f, self.0, 100)
    }
}

/// A sentence that repeats pieces of a file, made safe as [`Quoted`] makes a name.
pub(crate) struct Sentence<'a>(pub(crate) &'a str);

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_safe(f, self.0, 300)
    }
}

fn write_safe(f: &mut fmt::Formatter<'_>, text: &str, limit: usize) -> fmt::Result {
    // Nothing at all would not be seen.
    if text.is_empty() {
        return f.write_str("''");
    }
    let mut characters = text.chars();
    for c in characters.by_ref().take(limit) {
        if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
    }
    if characters.next().is_some() { f.write_str("...") } else { Ok(()) }
}
