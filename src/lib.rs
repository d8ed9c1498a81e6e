//! Compress pre-trained Kolmogorov-Arnold (KAN) heads and run them wherever wgpu runs.
//!
//! The journey of a head in four steps: load a checkpoint, compress it, save it, run it.
//!
//! ```no_run
//! use sharekan::{CompressOptions, Device, Head, Model};
//!
//! # #[cfg(feature = "files")]
//! # fn example(calibration: Vec<f32>, features: &[f32]) -> Result<(), sharekan::Error> {
//! let head = Head::load("head.pth")?; // of efficient-kan, pykan, fast-kan or inkan
//! let options = CompressOptions::default()
//!     .codewords(64) // every option has a default, and a setter of its name
//!     .calibrate(calibration); // rows of the head's inputs
//! let (small, report) = head.compress(&options)?;
//! println!("R2 of the first layer: {:.3}", report.layers[0].r2);
//! small.save("small.safetensors")?;
//!
//! let mut model = Model::open(&small, Device::Auto, 676)?; // a GPU where there is one, else the CPU
//! let outputs = model.run(features)?; // [rows, inputs] to [rows, outputs]
//! # Ok(()) }
//! ```
//!
//! A [`Head`] is dense, or compressed; a compressed one is a bank: one head, or several that share their codebooks and run
//! side by side on the same rows. Heads can also be made of numbers, and need no files:
//!
//! ```
//! use sharekan::head::{Basis, DenseHead, DenseLayer, InputMap, Knots};
//! use sharekan::{CompressOptions, Device, Head, Model};
//!
//! # fn main() -> Result<(), sharekan::Error> {
//! // One layer of 2 inputs and 3 outputs: cubic splines over 5 intervals from -1 to 1, 8 coefficients an edge.
//! let knots = Knots::Uniform { low: vec![-1.0; 2], step: vec![0.4; 2] };
//! let layer = DenseLayer {
//!     inputs: 2,
//!     outputs: 3,
//!     input_map: InputMap::Affine { scale: vec![1.0; 2], shift: vec![0.0; 2], clamp: Some([-1.0, 1.0]) },
//!     basis: Basis::BSpline { order: 3, intervals: 5, knots },
//!     coefficients: (0..3 * 2 * 8).map(|n| (n as f32).sin()).collect(),
//!     base: None,
//!     bias: None,
//! };
//! let head = Head::from(DenseHead::new(vec![layer], None)?);
//!
//! let (small, _) = head.compress(&CompressOptions::default())?;
//! assert_eq!(Head::from_bytes(&small.to_bytes()?)?, small);
//!
//! let row = [0.25, -0.5];
//! let exact = Model::open(&head, Device::Cpu, 1)?.run(&row)?;
//! let approximate = Model::open(&small, Device::Cpu, 1)?.run(&row)?;
//! assert!(exact.iter().zip(&approximate).all(|(y, a)| (y - a).abs() < 0.05));
//! # Ok(()) }
//! ```
//!
//! Those who have a `wgpu::Device` open a [`Session`](run) on it, which runs on their buffers or is recorded into their
//! encoders. `detect` goes from images to labelled boxes, [`evaluate`] measures them.
//!
//! The modules follow the journey:
//!
//! | module | step |
//! |---|---|
//! | [`import`] | a checkpoint file becomes a [`head::DenseHead`], or a refusal that says why |
//! | [`head`] | the two forms of a head: dense splines, and splines shared through a codebook |
//! | [`compress`] | Gain-Shape-Bias vector quantisation of a dense head |
//! | [`artifact`] | the compressed head as a file |
//! | [`export`] | a head as an ONNX network |
//! | [`files`] | heads and rows by path |
//! | [`run`] | sessions that evaluate a head on a GPU or on the CPU |
//! | `plan` (feature `gpu`) | which kernels are taken on an adapter, and its limits |
//! | `network` (feature) | convolutional networks out of ONNX files |
//! | `detect` (feature) | from an image to labelled boxes |
//! | [`evaluate`] | is the result right, and how good is it |

pub mod artifact;
pub mod compress;
mod container;
#[cfg(feature = "detect")]
pub mod detect;
mod error;
pub mod evaluate;
pub mod export;
#[cfg(feature = "files")]
pub mod files;
#[doc(hidden)]
pub mod fixed_point;
pub mod head;
pub mod import;
mod journey;
#[doc(hidden)]
pub mod measure;
mod nearest_name;
#[cfg(feature = "network")]
pub mod network;
#[cfg(any(feature = "network", feature = "onnx"))]
mod onnx_file;
mod output_snr;
mod parallel;
#[cfg(feature = "gpu")]
pub mod plan;
#[doc(hidden)]
pub mod reference;
#[cfg(feature = "files")]
mod regular_file;
pub mod run;
mod setters;
#[doc(hidden)]
pub mod spline;

pub use compress::CompressOptions;
pub use error::Error;
pub use head::Head;
pub use run::{Device, Gpu, Model};
#[cfg(feature = "gpu")]
pub use run::{GpuOptions, Session};
#[cfg(feature = "gpu")]
pub use wgpu;

/// The examples of the README, compiled with the other documentation tests.
#[cfg(all(doctest, feature = "files", feature = "gpu"))]
#[doc = include_str!("../README.md")]
struct Readme;
