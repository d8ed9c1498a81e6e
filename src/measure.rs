//! What the program's studies take from the inside of the library: no part of its public interface, and free to change.

pub use crate::compress::dense_outputs;
pub use crate::reference::{basis_values, map_inputs};
