//! Heads so small that their compressed file is no smaller.

use super::CompressReport;
use crate::artifact;
use crate::head::DenseHead;

/// What is to be said, and to be written, of a head whose compressed file takes more than its numbers.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Growth {
    /// The line to say.
    pub said: String,
    /// The file of the dense head, which is to be written in place of the compressed one.
    pub dense: Option<Vec<u8>>,
}

/// Whether a head grew: `file_bytes` is the length of its compressed file. With `keep_dense` the smaller file is to be written,
/// that of the dense head or the compressed one; `option` is what that is asked for by.
pub fn growth(
    dense: &DenseHead,
    report: &CompressReport,
    file_bytes: usize,
    keep_dense: bool,
    option: &str,
) -> Option<Growth> {
    let numbers = report.dense_bytes();
    if file_bytes <= numbers {
        return None;
    }
    let (what, dense) = match artifact::write_dense(dense) {
        Err(problem) => (format!("the dense form cannot be written: {problem}"), None),
        Ok(file) if file.len() > file_bytes => {
            (format!("the file of the dense head would be larger still, {} bytes", file.len()), None)
        }
        Ok(file) if keep_dense => ("the head stays dense".into(), Some(file)),
        Ok(_) => (format!("{option} writes the head as it is"), None),
    };
    let said = format!(
        "the compressed file is larger than the {numbers} bytes of the dense head, for tables and header outweigh what is saved: \
         {what}"
    );
    Some(Growth { said, dense })
}
