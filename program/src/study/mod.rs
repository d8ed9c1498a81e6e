//! Compressed heads of all sizes against their rivals, on the user's own data.
//!
//! A [`Variant`] is one way to make a head smaller: a codebook, pruned edges, or scalar codes. [`StudyPlan`] lists the
//! variants worth comparing, [`Maker`] makes them, and whoever evaluates them keeps a [`Point`] each. [`reading`] says
//! in words what the points show, [`page`] draws them, [`csv`] lists them.
//!
//! Sizes are those of files: of a codebook the file that [`sharekan::artifact`] writes; of the rivals, which have no file
//! format here, the bytes that their numbers would take when packed, without any header.

mod columns;
mod csv;
mod error;
mod fingerprint;
mod gptq;
mod page;
mod plan;
mod point;
mod pruning;
mod reading;
mod scalar;
mod size;
#[cfg(test)]
mod testing;
mod tiles;
mod variant;

pub use csv::csv;
pub use error::StudyError;
pub use fingerprint::{Fingerprint, Fingerprinter};
pub use gptq::{Gptq, MAX_GPTQ_WEIGHTS};
pub use page::{PageFacts, page};
pub use plan::StudyPlan;
pub use point::Point;
pub use pruning::prune_edges;
pub use reading::reading;
pub use scalar::{ScalarOptions, Steps, round_to_nearest};
pub use variant::{Made, Maker, MakerProgress, Variant};
