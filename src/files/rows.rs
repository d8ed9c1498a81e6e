//! Rows of features in, rows of outputs out, as safetensors.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::{FileError, FileProblem, replace};
use crate::container::{self, Dtype, Header, TensorBytes};
use crate::regular_file;

/// Name of the tensor that [`read_rows`] reads.
pub const INPUT_TENSOR: &str = "input";

/// Name of the tensor that [`write_rows`] writes.
pub const OUTPUT_TENSOR: &str = "output";

/// Reads the tensor `input`, `[rows, inputs]` f32, of a safetensors file; there may be no row. Other tensors are
/// ignored. Values that are not finite are passed on, for heads have a result for them.
///
/// # Errors
/// Where the file cannot be read, is no safetensors file, or has no tensor `input` of this type and number of columns.
pub fn read_rows(path: &Path, inputs: usize) -> Result<Vec<f32>, FileError> {
    let open = || rows(regular_file::open(path)?.0, inputs);
    open().map_err(|problem: FileProblem| problem.in_file(path))
}

fn rows(mut file: impl Read + Seek, inputs: usize) -> Result<Vec<f32>, FileProblem> {
    let mut header = Header::read(&mut file)?;
    let refuse = |problem| Err(FileProblem::Tensor { tensor: INPUT_TENSOR.into(), problem });
    let Some(entry) = header.tensors.remove(INPUT_TENSOR) else {
        return refuse(format!("is missing, expected F32 [rows, {inputs}]"));
    };
    if entry.dtype != Dtype::F32 || !matches!(entry.shape[..], [_, columns] if columns == inputs) {
        return refuse(format!("is {:?} {:?}, expected F32 [rows, {inputs}]", entry.dtype, entry.shape));
    }
    let (start, size) = (entry.bytes.start, entry.bytes.end - entry.bytes.start);
    let bytes = file.seek(SeekFrom::Start(start)).and_then(|_| regular_file::rest(&mut file, size));
    let bytes = bytes.map_err(FileProblem::Read)?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|&value| f32::from_le_bytes(value)).collect())
}

/// Writes `values`, `[rows, outputs]`, as the tensor `output` of a safetensors file, either all of it or nothing.
///
/// # Errors
/// Where `values` is no whole number of rows or the file cannot be written.
pub fn write_rows(path: &Path, outputs: usize, values: &[f32]) -> Result<(), FileError> {
    let refuse = |problem| FileProblem::Tensor { tensor: OUTPUT_TENSOR.into(), problem }.in_file(path);
    if outputs == 0 || !values.len().is_multiple_of(outputs) {
        return Err(refuse(format!("has {} values, expected whole rows of {outputs}", values.len())));
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
        let expected = "expected F32 [rows, 3]";
        assert_eq!(
            text(&file("input", Dtype::F32, &[1, 2], &[0; 8])),
            format!("tensor input: is F32 [1, 2], {expected}")
        );
        assert_eq!(text(&file("input", Dtype::F32, &[3], &[0; 12])), format!("tensor input: is F32 [3], {expected}"));
        assert_eq!(
            text(&file("input", Dtype::F16, &[1, 3], &[0; 6])),
            format!("tensor input: is F16 [1, 3], {expected}")
        );
        assert_eq!(text(&file("x", Dtype::F32, &[1, 3], &[0; 12])), format!("tensor input: is missing, {expected}"));
        assert!(text(b"no such file").starts_with("is a text file, expected a safetensors file"));
        assert!(text(&[1; 12]).starts_with("is no safetensors file: "));
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
