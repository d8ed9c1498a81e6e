//! Without the feature `gpu` there is no device to cluster on: what stands for one cannot be made.

use super::nearest::Nearest;
use super::{Score, Settings};
use crate::run::{Gpu, RunError};

pub(super) fn fits(gpu: &Gpu, _: usize, _: usize) -> bool {
    match *gpu {}
}

/// Points on a GPU, of which there are none.
pub(super) enum GpuPoints {}

impl GpuPoints {
    pub(super) async fn new(gpu: &Gpu, _: &[f32], _: usize) -> Result<Self, RunError> {
        match *gpu {}
    }

    pub(super) fn gpu(&self) -> &Gpu {
        match *self {}
    }

    pub(super) async fn rounds(&self, _: &[f32], _: &Settings) -> Result<Vec<f32>, RunError> {
        match *self {}
    }

    pub(super) async fn nearest(&self, _: &[f32], _: Score) -> Result<Vec<Nearest>, RunError> {
        match *self {}
    }
}
