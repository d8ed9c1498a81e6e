//! Heads in integers, the bits of [`crate::fixed_point`].
//!
//! Most edges of an input share their codeword with others, and a basis weight is shared by all. So a block of
//! [`LANES`](lanes::LANES) rows goes through the inputs four at a time: first the dots of the codewords with the rows'
//! basis weights are tabulated, then every output adds its four table rows times its gain levels. Rows are the lanes of the
//! vectors, hence nothing is gathered. A few rows would leave most lanes empty; they tabulate one number a codeword and look
//! it up for each edge, and there the outputs are the lanes: with AVX2 by shuffles of sixteen bytes, with AVX-512 by
//! permutations of 128, for codebooks of up to 256 codewords. What the processor has is found when the head is prepared.
//!
//! Sums are integers until a segment ends, so neither the tiles nor the threads can change a bit.

mod edges;
mod lanes;
mod layer;
mod places;
mod rows;
mod single;

use crate::fixed_point::Int8Layer;
use crate::head::CompressedHead;
use lanes::Lanes;
use layer::IntegerLayer;

/// Most rows that are evaluated one by one in layers without tiles, whatever the lanes.
const UNTILED_ROWS: usize = 2;

/// A head prepared for evaluation in integers.
#[derive(Debug, Clone)]
pub(super) struct IntegerHead {
    layers: Vec<IntegerLayer>,
    lanes: Lanes,
    /// Most rows that are evaluated one by one.
    single_rows: usize,
}

impl IntegerHead {
    /// Prepares a head; `None` where it is not evaluated in integers.
    pub(super) fn new(head: &CompressedHead) -> Option<Self> {
        Self::with_lanes(head, Lanes::detect())
    }

    /// Prepares a head for lanes that this machine has.
    fn with_lanes(head: &CompressedHead, lanes: Lanes) -> Option<Self> {
        let layers = Int8Layer::all_of(head)?.iter().map(|layer| IntegerLayer::new(layer, lanes)).collect();
        Some(Self { layers, lanes, single_rows: lanes.single_rows() })
    }

    /// Outputs `[rows, outputs]` for `input` of `[rows, inputs]`.
    pub(super) fn run(&self, input: &[f32]) -> Vec<f32> {
        let mut values = None;
        for layer in &self.layers {
            let x = values.as_deref().unwrap_or(input);
            let single_rows = if layer.reads_tiles() { self.single_rows } else { self.single_rows.min(UNTILED_ROWS) };
            values = Some(if x.len() / layer.inputs <= single_rows && layer.tabulates_all() {
                single::run(layer, self.lanes, x)
            } else {
                rows::run(layer, self.lanes, x)
            });
        }
        values.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::{Basis, CompressedLayer, GainScale, InputMap, Knots, Quantised};
    use crate::reference::CompressedReference;

    /// Pseudo-random bytes.
    fn byte(n: usize) -> i8 {
        ((n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as i8
    }

    fn head([inputs, outputs, codewords, intervals]: [usize; 4], gain_scale: GainScale) -> CompressedHead {
        let signed = |count: usize, salt: usize| (0..count).map(move |n| byte(7 * n + salt).max(-127));
        let basis = Basis::BSpline {
            order: 3,
            intervals,
            knots: Knots::Uniform { low: vec![-1.0; inputs], step: vec![2.0 / intervals as f64; inputs] },
        };
        let layer = CompressedLayer {
            inputs,
            outputs,
            stages: 1,
            input_map: InputMap::Identity,
            indices: (0..inputs * outputs).map(|n| byte(n) as u8 as u16 % codewords as u16).collect(),
            quantised: Quantised::Int8 {
                codebook: signed(codewords * basis.len(), 1).collect(),
                gains: signed(inputs * outputs, 2).map(|gain| gain as u8).collect(),
                gain_scale,
                output_scale: vec![1e-6; outputs],
            },
            basis,
            base: None,
            bias: vec![0.25; outputs],
        };
        CompressedHead::new(vec![layer], None).unwrap()
    }

    /// Whatever `tests/cpu.rs` finds with the machine's best, all its lanes give.
    #[test]
    fn all_lanes_give_the_bits_of_the_reference() {
        let table = GainScale::Table((0..256).map(|code: i16| code * 16 - 2040).collect());
        let shapes = [
            [1, 1, 1, 7],
            [6, 3, 200, 7],
            [5, 64, 128, 1],
            [7, 65, 129, 2],
            [9, 130, 256, 7],
            [1030, 50, 200, 7],
            [9, 40, 60, 14],
            [9, 40, 60, 100],
        ];
        for scale in [GainScale::Linear, table] {
            for shape in shapes {
                let head = head(shape, scale.clone());
                for lanes in Lanes::all() {
                    let session = IntegerHead::with_lanes(&head, lanes).unwrap();
                    for rows in [1, 2, 3, 5, 16, 40] {
                        let x: Vec<f32> = (0..rows * shape[0]).map(|n| f32::from(byte(3 * n)) / 80.0).collect();
                        let expected = CompressedReference::new(&head).run(&x);
                        assert_eq!(session.run(&x), expected, "{lanes:?}, {shape:?}, {rows} rows");
                    }
                }
            }
        }
    }
}
