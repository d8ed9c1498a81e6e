//! Heads in integers, the bits of [`crate::fixed_point`].
//!
//! Most edges of an input share their codeword with others, and a basis weight is shared by all. So a block of
//! [`LANES`](lanes::LANES) rows goes through the inputs four at a time: first the dots of the codewords with the rows'
//! taps are tabulated, then every output adds its four table rows times its gain levels. Rows are the lanes of the
//! vectors, hence nothing is gathered. One or two rows would leave most lanes empty; they tabulate one number a codeword
//! and look it up for each edge.
//!
//! Sums are integers until a segment ends, so neither the tiles nor the threads can change a bit.

mod edges;
mod lanes;
mod layer;
mod rows;
mod single;

use crate::fixed_point::Arithmetic;
use crate::head::CompressedHead;
use lanes::Lanes;
use layer::IntegerLayer;

/// Most rows that are evaluated one by one.
const SINGLE_ROWS: usize = 2;

/// A head prepared for evaluation in integers.
#[derive(Debug, Clone)]
pub(super) struct IntegerHead {
    layers: Vec<IntegerLayer>,
    lanes: Lanes,
}

impl IntegerHead {
    /// Prepares a head; `None` where it is not evaluated in integers.
    pub(super) fn new(head: &CompressedHead) -> Option<Self> {
        if Arithmetic::of(head) != Arithmetic::Integer {
            return None;
        }
        let layers = head.layers().iter().map(IntegerLayer::new).collect::<Option<_>>()?;
        Some(Self { layers, lanes: Lanes::detect() })
    }

    /// Outputs `[rows, outputs]` for `input` of `[rows, inputs]`.
    pub(super) fn run(&self, input: &[f32]) -> Vec<f32> {
        let mut values = None;
        for layer in &self.layers {
            let x = values.as_deref().unwrap_or(input);
            values = Some(if x.len() / layer.inputs <= SINGLE_ROWS {
                single::run(layer, self.lanes, x)
            } else {
                rows::run(layer, self.lanes, x)
            });
        }
        values.unwrap_or_default()
    }
}
