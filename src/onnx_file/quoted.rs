//! Names in messages.

use std::fmt;

/// A name out of a file in a form that is safe to print: quoted, on one line, of bounded length.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 100;
        f.write_str("\"")?;
        for (at, character) in self.0.chars().enumerate() {
            if at == LONGEST {
                f.write_str("...")?;
                break;
            }
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                c if c.is_control() => write!(f, "{}", c.escape_default())?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}
