//! Compress pre-trained Kolmogorov-Arnold (KAN) heads and run them wherever wgpu runs.
//!
//! The modules follow the journey of a head:
//!
//! | module | step |
//! |---|---|
//! | [`import`] | a checkpoint file becomes a [`head::DenseHead`], or a refusal that says why |
//! | [`head`] | the two forms of a head: dense splines, and splines shared through a codebook |
//! | [`compress`] | Gain-Shape-Bias vector quantisation of a dense head |
//! | [`artifact`] | the compressed head as a file |
//! | [`reference`](mod@reference) | plain CPU evaluation that every kernel is held against |
//! | `plan` (feature `gpu`) | which kernels and buffers a head needs on a given adapter |
//! | [`files`] | heads and rows by path |
//! | [`run`] | sessions that evaluate a head on a GPU or on the CPU |
//! | [`detect`] | from an image to labelled boxes |
//! | [`evaluate`] | is the result right, and how good is it |

pub mod artifact;
pub mod compress;
mod container;
#[cfg(feature = "detect")]
pub mod detect;
pub mod error;
pub mod evaluate;
#[cfg(feature = "files")]
pub mod files;
pub mod fixed_point;
pub mod head;
pub mod import;
#[doc(hidden)]
pub mod measure;
mod nearest_name;
mod output_snr;
mod parallel;
#[cfg(feature = "gpu")]
pub mod plan;
pub mod reference;
#[cfg(feature = "files")]
mod regular_file;
pub mod run;
pub mod spline;

pub use error::Error;

/// The examples of the README, compiled with the other documentation tests.
#[cfg(all(doctest, feature = "files", feature = "gpu"))]
#[doc = include_str!("../README.md")]
struct Readme;
