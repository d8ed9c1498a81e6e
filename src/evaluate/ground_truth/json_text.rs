//! JSON as Python writes it: `NaN`, `Infinity` and `-Infinity` become `null`.

use std::io::{self, Read};

/// A reader that puts `null` in place of the three words that are no JSON.
pub(super) struct WithoutNan<R> {
    inner: R,
    /// What is read but not yet given on.
    ready: Vec<u8>,
    /// Where in `ready` the next byte is.
    at: usize,
    raw: Box<[u8]>,
    /// A word outside of texts that has begun.
    word: Vec<u8>,
    in_text: bool,
    escaped: bool,
    /// How many words were put right.
    pub(super) found: usize,
}

impl<R: Read> WithoutNan<R> {
    pub(super) fn new(inner: R) -> Self {
        let (ready, raw, word) = (Vec::new(), vec![0; 1 << 16].into_boxed_slice(), Vec::new());
        Self { inner, ready, at: 0, raw, word, in_text: false, escaped: false, found: 0 }
    }

    fn take(&mut self, byte: u8) {
        if self.in_text {
            self.in_text = byte != b'"' || self.escaped;
            self.escaped = byte == b'\\' && !self.escaped;
            self.ready.push(byte);
        } else if byte.is_ascii_alphabetic() || (byte == b'-' && self.word.is_empty()) {
            self.word.push(byte);
            // No word is so long.
            if self.word.len() > 16 {
                self.ready.append(&mut self.word);
            }
        } else {
            self.end_word();
            self.in_text = byte == b'"';
            self.ready.push(byte);
        }
    }

    fn end_word(&mut self) {
        if matches!(&self.word[..], b"NaN" | b"Infinity" | b"-Infinity") {
            self.found += 1;
            self.ready.extend_from_slice(b"null");
            self.word.clear();
        } else {
            self.ready.append(&mut self.word);
        }
    }
}

impl<R: Read> Read for WithoutNan<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.ready.len() {
            self.ready.clear();
            self.at = 0;
            let mut raw = std::mem::take(&mut self.raw);
            let count = self.inner.read(&mut raw);
            if let Ok(count) = count {
                raw[..count].iter().for_each(|&byte| self.take(byte));
            }
            self.raw = raw;
            if count? == 0 {
                self.end_word();
                if self.ready.is_empty() {
                    return Ok(0);
                }
            }
        }
        let count = out.len().min(self.ready.len() - self.at);
        out[..count].copy_from_slice(&self.ready[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let Some((&first, rest)) = self.0.split_first() else { return Ok(0) };
            (out[0], self.0) = (first, rest);
            Ok(1)
        }
    }

    #[test]
    fn words_are_replaced_outside_of_texts_only() {
        for (text, expected, count) in [
            (r#"{"NaN": NaN, "a\"NaN": [-Infinity,Infinity]}"#, r#"{"NaN": null, "a\"NaN": [null,null]}"#, 3),
            (r#""\\" NaN"#, r#""\\" null"#, 1),
            ("NaN", "null", 1),
            ("[-1, 2e-3, true, NaNs, -x]", "[-1, 2e-3, true, NaNs, -x]", 0),
            ("", "", 0),
        ] {
            for slowly in [false, true] {
                let mut read = String::new();
                let found = if slowly {
                    let mut reader = WithoutNan::new(Slowly(text.as_bytes()));
                    reader.read_to_string(&mut read).unwrap();
                    reader.found
                } else {
                    let mut reader = WithoutNan::new(text.as_bytes());
                    reader.read_to_string(&mut read).unwrap();
                    reader.found
                };
                assert_eq!((read.as_str(), found), (expected, count));
            }
        }
    }
}
