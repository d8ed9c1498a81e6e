//! Plain evaluation on the CPU: slow, readable, kept for ever.
//!
//! Every kernel is held against the functions of this module, and so is the CPU session that runs where there is no
//! GPU. They follow the formulas as they stand in the literature rather than the way the kernels compute them.
//!
//! **Values that are not finite.** A row of which a mapped spline variable is NaN, or infinite because nothing clamps
//! it, gives NaN in every output, as PyTorch does. Infinite inputs of a clamping head count as the end of the range.

mod compressed;
mod dense;

pub use compressed::CompressedReference;
pub use dense::{DenseReference, dense_layer};
#[doc(hidden)]
pub use dense::{basis_values, map_inputs};
