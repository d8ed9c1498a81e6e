//! Tensors to bytes.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::{Dtype, View};
use serde::{Deserialize, Serialize};

use super::ContainerError;

/// A tensor about to be written.
pub(crate) struct TensorBytes {
    /// Type of its elements.
    pub(crate) dtype: Dtype,
    /// Its sides.
    pub(crate) shape: Vec<usize>,
    /// Its elements in row-major order, little end first.
    pub(crate) bytes: Vec<u8>,
}

impl View for &TensorBytes {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// A file of tensors and metadata. The same tensors and metadata give the same bytes.
///
/// # Errors
/// Where a tensor's bytes are not those of its shape.
pub(crate) fn write(tensors: &[(String, TensorBytes)], metadata: &[(&str, String)]) -> Result<Vec<u8>, ContainerError> {
    let refuse = |problem: String| ContainerError::Malformed(format!("cannot be written: {problem}"));
    let entries: HashMap<String, String> =
        metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let tensors = tensors.iter().map(|(name, tensor)| (name, tensor));
    let mut bytes = safetensors::serialize(tensors, (!entries.is_empty()).then_some(entries))
        .map_err(|problem| refuse(problem.to_string()))?;
    sort_header(&mut bytes).ok_or_else(|| refuse("the header is no JSON".into()))?;
    Ok(bytes)
}

/// A file's header, in the order in which it is written. All maps are sorted by themselves: what a map of `serde_json`
/// does depends on the features that some other crate asks of it.
#[derive(Serialize, Deserialize)]
struct SortedHeader {
    #[serde(rename = "__metadata__", default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    #[serde(flatten)]
    tensors: BTreeMap<String, SortedEntry>,
}

/// A tensor in the header; its fields in alphabetical order, as they always were.
#[derive(Serialize, Deserialize)]
struct SortedEntry {
    data_offsets: [u64; 2],
    dtype: Dtype,
    shape: Vec<usize>,
}

/// Brings the entries of a file's header into alphabetical order: the library writes its metadata in the order of a hash
/// table. Sorting moves text but adds none, so offsets stay true.
fn sort_header(file: &mut [u8]) -> Option<()> {
    let length = usize::try_from(u64::from_le_bytes(*file.first_chunk()?)).ok()?;
    let header = file.get_mut(8..)?.get_mut(..length)?;
    let entries: SortedHeader = serde_json::from_slice(header).ok()?;
    let sorted = serde_json::to_vec(&entries).ok()?;
    let (text, padding) = header.split_at_mut_checked(sorted.len())?;
    text.copy_from_slice(&sorted);
    padding.fill(b' ');
    Some(())
}
