//! Rows of features in, rows of outputs out.

mod array;
mod npy;
mod targets;

use std::ffi::OsStr;
use std::io::{Read, Seek};
use std::path::Path;

pub use targets::{TARGET_TENSOR, TargetFile, Targets, read_targets, targets_of};

use array::{Array, refuse};

use super::{FileError, FileProblem, replace};
use crate::container::{self, Dtype, TensorBytes};
use crate::regular_file;

/// Name of the tensor that [`read_rows`] reads.
pub const INPUT_TENSOR: &str = "input";

/// Name of the tensor that [`write_rows`] writes.
pub const OUTPUT_TENSOR: &str = "output";

/// Reads rows `[rows, inputs]`: the tensor `input` of a safetensors file or of an archive that `numpy.savez` or `savez_compressed` wrote
/// (up to 1 GiB of it where it is compressed), or the array of a `.npy` file. They may be floating point of 16, 32 or 64 bits or
/// integers, and become the nearest f32; there may be no row. Other tensors are ignored. Values that are not finite are passed on, for heads have a result for them.
///
/// # Errors
/// Where the file cannot be read, is no such file, or has no tensor `input` of numbers and this number of columns; where a
/// number is larger than f32 holds.
pub fn read_rows(path: &Path, inputs: usize) -> Result<Vec<f32>, FileError> {
    let open = || rows(regular_file::open(path)?.0, inputs);
    open().map_err(|problem: FileProblem| problem.in_file(path))
}

/// True for a file of one array without a name (`.npy`), as its bytes tell.
#[doc(hidden)]
pub fn is_one_array(path: &Path) -> bool {
    let start = regular_file::open(path).ok().and_then(|(mut file, _)| regular_file::rest(&mut file, 8).ok());
    start.is_some_and(|start| start.starts_with(npy::MAGIC))
}

/// As [`read_rows`], of bytes.
#[doc(hidden)]
pub fn rows_of(bytes: &[u8], inputs: usize) -> Result<Vec<f32>, FileProblem> {
    rows(std::io::Cursor::new(bytes), inputs)
}

fn rows(mut file: impl Read + Seek, inputs: usize) -> Result<Vec<f32>, FileProblem> {
    let array = Array::read(&mut file, INPUT_TENSOR)?;
    let hint = match array.shape[..] {
        [_, columns] if columns == inputs => return array.to_f32(INPUT_TENSOR),
        [columns] if columns == inputs => format!("; one row is [1, {inputs}]"),
        [1, rows, columns] if columns == inputs => format!("; without its first axis it is [{rows}, {inputs}]"),
        _ => String::new(),
    };
    Err(refuse(INPUT_TENSOR, format!("is {}, expected [rows, {inputs}]{hint}", array.shown())))
}

/// Writes `values`, `[rows, outputs]`, either all of it or nothing: as the array of a NumPy file where the name ends in
/// `.npy`, else as the tensor `output` of a safetensors file.
///
/// # Errors
/// Where `values` is no whole number of rows or the file cannot be written.
pub fn write_rows(path: &Path, outputs: usize, values: &[f32]) -> Result<(), FileError> {
    let refuse = |problem| FileProblem::Tensor { tensor: OUTPUT_TENSOR.into(), problem }.in_file(path);
    if outputs == 0 || !values.len().is_multiple_of(outputs) {
        return Err(refuse(format!("has {} values, expected whole rows of {outputs}", values.len())));
    }
    if path.extension().and_then(OsStr::to_str).is_some_and(|ending| ending.eq_ignore_ascii_case("npy")) {
        return replace(path, &npy::write(outputs, values));
    }
    let (dtype, shape) = (Dtype::F32, vec![values.len() / outputs, outputs]);
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let bytes = container::write(&[(OUTPUT_TENSOR.to_owned(), TensorBytes { dtype, shape, bytes })], &[])
        .map_err(|problem| refuse(problem.to_string()))?;
    replace(path, &bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use safetensors::SafeTensors;
    use safetensors::tensor::TensorView;

    use super::*;

    fn rows(bytes: &[u8], inputs: usize) -> Result<Vec<f32>, FileProblem> {
        super::rows(Cursor::new(bytes), inputs)
    }

    fn file(name: &str, dtype: Dtype, shape: &[usize], data: &[u8]) -> Vec<u8> {
        let other = TensorView::new(Dtype::U8, vec![3], &[1, 2, 3]).unwrap();
        let tensor = TensorView::new(dtype, shape.to_vec(), data).unwrap();
        safetensors::serialize([(name, tensor), ("other", other)], None).unwrap()
    }

    #[test]
    fn rows_are_read_whatever_else_is_there() {
        let data: Vec<u8> = [1.0f32, -2.0, f32::NAN, 4.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let found = rows(&file("input", Dtype::F32, &[2, 2], &data), 2).unwrap();
        assert_eq!(found[..2], [1.0, -2.0]);
        assert!(found[2].is_nan() && found[3] == 4.0);
        assert!(rows(&file("input", Dtype::F32, &[0, 5], &[]), 5).unwrap().is_empty());
    }

    #[test]
    fn other_shapes_and_types_are_refused_with_both_sides() {
        let text = |bytes: &[u8]| rows(bytes, 3).unwrap_err().to_string();
        let wrong = |shape: &[usize], rest: &str| {
            let text = text(&file("input", Dtype::F32, shape, &vec![0; 4 * shape.iter().product::<usize>()]));
            assert_eq!(text, format!("tensor input: is F32 {shape:?}, expected [rows, 3]{rest}"));
        };
        wrong(&[1, 2], "");
        wrong(&[3], "; one row is [1, 3]");
        wrong(&[1, 2, 3], "; without its first axis it is [2, 3]");
        let text = |bytes: &[u8]| rows(bytes, 3).unwrap_err().to_string();
        assert!(text(&file("input", Dtype::F8_E4M3, &[1, 3], &[0; 3])).contains("expected floating point or integers"));
        assert_eq!(text(&file("x", Dtype::F32, &[1, 3], &[0; 12])), "tensor input: is missing, the file has other, x");
        assert_eq!(text(b"no such file"), "is a text file, expected rows in a safetensors, .npy or .npz file");
        assert!(text(&[1; 12]).starts_with("is no safetensors file: "));
    }

    #[test]
    fn other_types_become_the_nearest_f32() {
        let of = |dtype, data: &[u8]| rows(&file("input", dtype, &[1, 2], data), 2).unwrap();
        let wide: Vec<u8> = [0.1_f64, -3.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(of(Dtype::F64, &wide), [0.1, -3.0]);
        // 0x3c00 and 0x3f80 are 1 with 5 and with 8 bits of exponent.
        assert_eq!(of(Dtype::F16, &[0x00, 0x3c, 0x00, 0xc0]), [1.0, -2.0]);
        assert_eq!(of(Dtype::BF16, &[0x80, 0x3f, 0x00, 0xc0]), [1.0, -2.0]);
        assert_eq!(of(Dtype::U8, &[0, 255]), [0.0, 255.0]);
        assert_eq!(of(Dtype::I16, &[0xff, 0xff, 1, 0]), [-1.0, 1.0]);
        let large: Vec<u8> = [0.0_f64, 1e300].iter().flat_map(|value| value.to_le_bytes()).collect();
        let text = rows(&file("input", Dtype::F64, &[1, 2], &large), 2).unwrap_err().to_string();
        assert_eq!(text, "tensor input: is 1e300 at [0, 1], too large for a 32-bit float");
    }

    #[test]
    fn what_is_written_is_a_tensor_of_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.safetensors");
        write_rows(&path, 2, &[1.0, 2.0, 3.0, 4.0]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let output = tensors.tensor("output").unwrap();
        assert_eq!((output.dtype(), output.shape()), (Dtype::F32, &[2, 2][..]));
        assert_eq!(output.data()[12..], 4.0f32.to_le_bytes());
        write_rows(&path, 7, &[]).unwrap();
        assert!(
            write_rows(&path, 2, &[1.0]).unwrap_err().to_string().contains("has 1 values, expected whole rows of 2")
        );
    }
}
