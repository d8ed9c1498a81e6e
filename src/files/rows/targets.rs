//! What a head's outputs on rows are held against.

use std::io::{Read, Seek};
use std::path::Path;

use super::array::{Array, refuse};
use crate::files::{FileError, FileProblem};
use crate::regular_file;

/// Name of the tensor that [`read_targets`] reads.
pub const TARGET_TENSOR: &str = "target";

/// What a head should give for rows.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Targets {
    /// The number of a class a row, below the number of outputs.
    Classes(Vec<usize>),
    /// `[rows, outputs]` values.
    Values(Vec<f32>),
}

/// Targets, and what was concluded about them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TargetFile {
    /// The targets.
    pub targets: Targets,
    /// What the file does not say outright, a phrase.
    pub assumption: Option<String>,
}

/// Reads the tensor `target` of a safetensors or `.npz` file, or the array of a `.npy` file, for rows of so many outputs:
/// `[rows, outputs]` are values, or classes where every row is one 1 among zeros; `[rows]` or `[rows, 1]` are numbers of
/// classes from 0, or values where there is one output.
///
/// # Errors
/// Where the file cannot be read, has no such tensor, or one of another shape; where a class is none of the outputs or a value
/// is not finite.
pub fn read_targets(path: &Path, rows: usize, outputs: usize) -> Result<TargetFile, FileError> {
    let open = || targets(regular_file::open(path)?.0, rows, outputs);
    open().map_err(|problem: FileProblem| problem.in_file(path))
}

/// As [`read_targets`], of bytes.
#[doc(hidden)]
pub fn targets_of(bytes: &[u8], rows: usize, outputs: usize) -> Result<TargetFile, FileProblem> {
    targets(std::io::Cursor::new(bytes), rows, outputs)
}

fn targets(mut file: impl Read + Seek, rows: usize, outputs: usize) -> Result<TargetFile, FileProblem> {
    let array = Array::read(&mut file, TARGET_TENSOR)?;
    let refuse = |problem: String| refuse(TARGET_TENSOR, problem);
    let expected = match outputs {
        1 => format!("[{rows}] or [{rows}, 1] values"),
        _ => format!("[{rows}] classes or [{rows}, {outputs}] values"),
    };
    let wide = match array.shape[..] {
        [found] | [found, 1] if found == rows => outputs == 1,
        [found, columns] if found == rows && columns == outputs => true,
        _ => return Err(refuse(format!("is {}, expected {expected}, one a row of the input", array.shown()))),
    };
    let numbers = || (0..array.len()).map(|at| array.at(at));
    if let Some(at) = numbers().position(|value| !value.is_finite()) {
        return Err(refuse(format!("is {} at {:?}, expected a finite number", array.at(at), array.place(at))));
    }
    if !wide {
        let class = |at: usize| {
            let value = array.at(at);
            if value.fract() != 0.0 {
                return Err(refuse(format!("is {value} at {:?}, expected {expected}", array.place(at))));
            }
            if value < 0.0 || value >= outputs as f64 {
                let counted = numbers().all(|value| value >= 1.0 && value <= outputs as f64);
                let hint = if counted { ": classes are counted from 0, take 1 off" } else { "" };
                let last = outputs - 1;
                return Err(refuse(format!(
                    "is {value} at {:?}, expected classes from 0 to {last}{hint}",
                    array.place(at)
                )));
            }
            Ok(value as usize)
        };
        let classes = (0..array.len()).map(class).collect::<Result<_, _>>()?;
        let assumption =
            (!array.is_whole()).then(|| "targets are numbers of classes, though not of integers".to_owned());
        return Ok(TargetFile { targets: Targets::Classes(classes), assumption });
    }
    if outputs > 1 && rows > 0 {
        let one = |row: usize| {
            let row = row * outputs..(row + 1) * outputs;
            let mut ones = row.clone().filter(|&at| array.at(at) == 1.0);
            let (first, second) = (ones.next()?, ones.next());
            let zeros = row.clone().filter(|&at| array.at(at) == 0.0).count();
            (second.is_none() && zeros == outputs - 1).then(|| first - row.start)
        };
        if let Some(classes) = (0..rows).map(one).collect::<Option<_>>() {
            let assumption = Some("targets are classes, for every row is one 1 among zeros".to_owned());
            return Ok(TargetFile { targets: Targets::Classes(classes), assumption });
        }
    }
    let assumption =
        (outputs == 1 && array.is_whole()).then(|| "targets are values, for there is one output".to_owned());
    Ok(TargetFile { targets: Targets::Values(array.to_f32(TARGET_TENSOR)?), assumption })
}
