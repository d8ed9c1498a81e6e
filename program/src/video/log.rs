//! What a process says on its standard error, line by line and bounded.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::Said;

/// Bytes of a line that are kept.
const LINE: usize = 4096;
/// Characters of a complaint that are quoted.
const QUOTED: usize = 200;
/// Complaints that are kept: the first ones mostly say why, the last ones how it ended.
const COMPLAINTS: usize = 3;

/// The complaints of a process: of `ffmpeg`'s lines those that it calls errors, and packets that it calls corrupt.
#[derive(Debug, Clone, Default)]
pub(super) struct Complaints(Arc<Mutex<Vec<String>>>);

impl Complaints {
    pub(super) fn said(&self) -> Said {
        Said(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    pub(super) fn none(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Looks at a line: `[h264 @ 0x55] [error] text`.
    fn see(&self, line: &str) {
        let of = |level: &str| line.split_once(level).map(|(_, text)| text.trim());
        let found = ["[error]", "[fatal]", "[panic]"].into_iter().find_map(of);
        let Some(text) = found.or_else(|| of("[warning]").filter(|text| text.contains("orrupt"))) else { return };
        let text: String = text.chars().take(QUOTED).collect();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if text.is_empty() || kept.contains(&text) {
            return;
        }
        if kept.len() == COMPLAINTS {
            kept.pop();
        }
        kept.push(text);
    }
}

/// Reads lines until there are no more, keeps complaints, and gives every line to `each`.
pub(super) fn listen(from: impl Read, complaints: &Complaints, mut each: impl FnMut(&str)) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        match bounded_line(&mut from, &mut line) {
            Ok(true) => {
                let line = String::from_utf8_lossy(&line);
                complaints.see(&line);
                each(&line);
            }
            // A pipe that breaks has nothing more to say.
            Ok(false) | Err(_) => break,
        }
    }
}

/// Reads a line, of which the first bytes are kept; false at the end.
fn bounded_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut any = false;
    loop {
        let bytes = from.fill_buf()?;
        if bytes.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let part = &bytes[..end.unwrap_or(bytes.len())];
        line.extend_from_slice(&part[..part.len().min(LINE - line.len())]);
        let used = end.map_or(bytes.len(), |end| end + 1);
        from.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_kept_and_bounded() {
        let long = format!("[a @ 0x1] [error] {}\n", "x".repeat(1 << 20));
        let rest = "[info] b\r[b] [error] one\n[b] [error] one\n[warning] slow\n[warning] corrupt packet\n[fatal] end";
        let complaints = Complaints::default();
        let mut lines = 0;
        listen(format!("{long}{rest}").as_bytes(), &complaints, |line| {
            assert!(line.len() <= LINE);
            lines += 1;
        });
        assert_eq!(lines, 7);
        assert_eq!(complaints.said().0, ["x".repeat(QUOTED), "one".into(), "end".into()]);
        assert_eq!(Complaints::default().said().to_string(), "");
        assert!(complaints.said().to_string().ends_with("; one; end)"));
    }
}
