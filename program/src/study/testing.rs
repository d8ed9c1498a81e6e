//! Small heads and rows for the tests of this module.

use sharekan::head::{Activation, BasePath, Basis, DenseHead, DenseLayer, InputMap, Knots};

/// Uniform numbers in -1 to 1, the same for ever.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x1234_5678_9abc_def1);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32) / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// `[rows, inputs]` uniform in -1 to 1.
pub(super) fn rows(rows: usize, inputs: usize, seed: u64) -> Vec<f32> {
    numbers(rows * inputs, seed)
}

/// Cubic layers of 10 coefficients with norms, clamps, silu base paths and biases.
pub(super) fn head(widths: &[usize], seed: u64) -> DenseHead {
    let layers = widths.windows(2).enumerate().map(|(at, widths)| {
        let (inputs, outputs) = (widths[0], widths[1]);
        let seed = seed * 100 + at as u64 * 10;
        DenseLayer {
            inputs,
            outputs,
            input_map: InputMap::Affine {
                scale: vec![0.9; inputs],
                shift: numbers(inputs, seed).iter().map(|v| 0.1 * v).collect(),
                clamp: Some([-1.0, 1.0]),
            },
            basis: Basis::BSpline {
                order: 3,
                intervals: 7,
                knots: Knots::Uniform { low: vec![-1.0; inputs], step: vec![2.0 / 7.0; inputs] },
            },
            coefficients: numbers(inputs * outputs * 10, seed + 1).iter().map(|v| 0.3 * v).collect(),
            base: Some(BasePath {
                activation: Activation::Silu,
                weights: numbers(inputs * outputs, seed + 2).iter().map(|v| 0.3 * v).collect(),
            }),
            bias: Some(numbers(outputs, seed + 3)),
        }
    });
    DenseHead::new(layers.collect(), None).unwrap()
}
