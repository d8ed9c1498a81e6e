//! The errors of this crate: one enum a step of the journey, joined in [`Error`](enum@Error).

use std::path::PathBuf;

use thiserror::Error;

/// Any failure of the library. Its text is one line: what, where, expected against found.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A head that breaks its own rules (lengths, ranges, finiteness).
    #[error(transparent)]
    Head(#[from] crate::head::HeadError),
    /// A head that cannot be compiled with these settings.
    #[error(transparent)]
    Compress(#[from] crate::compress::CompressError),
    /// A compressed file that is refused.
    #[error(transparent)]
    Artifact(#[from] crate::artifact::ArtifactError),
    /// A head that the file of another runtime cannot hold.
    #[error(transparent)]
    Export(#[from] crate::export::ExportError),
    /// A head that an adapter's limits do not allow.
    #[cfg(feature = "gpu")]
    #[error(transparent)]
    Plan(#[from] crate::plan::PlanError),
    /// A device that cannot be had, or fails.
    #[error(transparent)]
    Run(#[from] crate::run::RunError),
    /// A checkpoint that cannot be imported.
    #[error(transparent)]
    Import(#[from] crate::import::ImportError),
    /// A file that cannot be read, written or used; the text names it.
    #[cfg(feature = "files")]
    #[error(transparent)]
    Files(#[from] crate::files::FileError),
    /// What is kept for an adapter and cannot be used or kept.
    #[cfg(all(feature = "gpu", feature = "files"))]
    #[error(transparent)]
    Cache(#[from] crate::run::CacheError),
    /// A step between an image and its labelled boxes that failed.
    #[cfg(feature = "detect")]
    #[error(transparent)]
    Detect(#[from] crate::detect::DetectError),
    /// An image set that cannot be read as ground truth.
    #[cfg(feature = "evaluate")]
    #[error(transparent)]
    GroundTruth(#[from] crate::evaluate::ground_truth::GroundTruthError),
    /// Detections or outputs that cannot be evaluated.
    #[error(transparent)]
    Evaluation(#[from] crate::evaluate::EvaluationError),
    /// Any of these, about a file.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: Box<Error>,
    },
}

impl From<crate::evaluate::SnrError> for Error {
    fn from(problem: crate::evaluate::SnrError) -> Self {
        Self::Evaluation(problem.into())
    }
}

impl Error {
    /// The same error, naming the file that it is about.
    pub fn in_file(self, path: impl Into<PathBuf>) -> Self {
        Self::File { path: path.into(), problem: Box::new(self) }
    }
}
