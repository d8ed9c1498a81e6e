//! How a network is to be run.

use super::fuse::Fusions;
use super::tile::Tiles;
use crate::setters::setters;

/// What the numbers are that a network keeps on the device and multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Precision {
    /// Everything in f32.
    #[default]
    F32,
    /// Activations and weights of convolutions in f16, and their products; longer sums, inputs and outputs in f32. Features
    /// of image networks are off by 1e-2 of the largest or so. Weights beyond 65504 stay in f32; activations beyond become
    /// infinite, so a network whose maps are as large must be run in f32. Needs [`wgpu::Features::SHADER_F16`].
    F16,
}

impl Precision {
    /// Its name: `f32` or `f16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }
}

/// Choices of [`Resolved::plan_with`](super::Resolved::plan_with); the default gives the same numbers on every adapter
/// of the same arithmetic.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct NetworkOptions {
    /// What is joined into one kernel.
    pub fusions: Fusions,
    /// What the numbers are.
    pub precision: Precision,
    /// Tiles that were measured; others follow from sizes and limits.
    pub tiles: Tiles,
}

setters! { NetworkOptions {
    fusions: Fusions,
    precision: Precision,
    tiles: Tiles,
}}
