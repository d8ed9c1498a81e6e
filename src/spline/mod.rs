//! B-spline mathematics: the textbook recursion, the local form that kernels use, and integrals of products.

mod activation;
mod cardinal;
mod cox_de_boor;
mod gram;
mod least_squares;

pub use cardinal::cardinal_weights;
pub(crate) use cardinal::fill_cardinal_weights;
pub use cox_de_boor::cox_de_boor;
pub use gram::{cardinal_gram, quadrature};
pub use least_squares::{Cholesky, fold_function};
