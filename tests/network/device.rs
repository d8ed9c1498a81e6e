//! The adapter of this machine and numbers that look random.

use std::sync::LazyLock;

use sharekan::run::{Gpu, GpuOptions};

/// The adapter of this machine, a software one where there is no other. A machine without any fails the tests.
pub static GPU: LazyLock<Gpu> =
    LazyLock::new(|| pollster::block_on(Gpu::open(&GpuOptions::default())).expect("these tests need an adapter"));

/// Uniform numbers in -1 to 1 from a multiplicative generator, the same for ever.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(0x1234_5678_9abc_def1))
    }

    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as f32) / (1u64 << 23) as f32 - 1.0
    }

    pub fn many(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }

    pub fn below(&mut self, count: usize) -> usize {
        ((f64::from(self.next()) + 1.0) / 2.0 * count as f64) as usize % count
    }
}
