//! The container: safetensors, read and written in one place.
//!
//! A file is eight bytes with the length of its header, the header as JSON, and the bytes of the tensors.
//! [`Header::read`] takes nothing on trust, and is read once a file; whoever has it asks it for the kind of file, and then
//! for its tensors. [`write`] gives the same bytes for the same tensors.

mod error;
mod header;
pub(crate) mod magic;
mod quoted;
pub(crate) mod settings;
mod write;
pub(crate) mod zip;

pub(crate) use error::ContainerError;
pub(crate) use header::{Header, MAX_RANK, TensorEntry};
pub(crate) use quoted::{Quoted, Sentence};
pub(crate) use safetensors::Dtype;
pub(crate) use write::{TensorBytes, write};
