//! The errors of this crate: one enum a step of the journey, joined in [`Error`].

use thiserror::Error;

/// Any failure of the library. Its text is one line: what, where, expected against found.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A head that breaks its own rules (lengths, ranges, finiteness).
    #[error(transparent)]
    Head(#[from] crate::head::HeadError),
    /// A checkpoint that cannot be imported.
    #[error(transparent)]
    Import(#[from] crate::import::ImportError),
}
