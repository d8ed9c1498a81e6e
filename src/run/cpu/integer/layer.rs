//! One layer, prepared.

use std::ops::Range;

use super::edges::{GROUP, Slots, Stage};
use super::lanes::Lanes;
use crate::fixed_point::{Int8Layer, LARGE, POSITIONS, PositionMap, SEGMENT, basis_weight_table};
use crate::head::GainScale;

/// Inputs of a piece.
const PIECE: usize = 256;

/// A layer in the form that the loops read.
#[derive(Debug, Clone)]
pub(super) struct IntegerLayer {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// True where products are rounded, that is where gains are logarithmic.
    pub(super) rounded: bool,
    pub(super) stages: Vec<Stage>,
    /// All inputs of all stages, in the order of their segments.
    pub(super) pieces: Vec<Piece>,
    /// True where the input map clamps.
    pub(super) clamped: bool,
    pub(super) maps: Maps,
    /// At each position within a step.
    pub(super) weights: Vec<[i8; 4]>,
    factors: Vec<f32>,
    bias: Vec<f32>,
}

/// The [`PositionMap`] of every input, field by field.
#[derive(Debug, Clone)]
pub(super) struct Maps {
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
    pub(super) low: Vec<f32>,
    pub(super) high: Vec<f32>,
}

impl Maps {
    fn new(maps: &[PositionMap]) -> Self {
        let field = |field: fn(&PositionMap) -> f32| maps.iter().map(field).collect();
        Self { scale: field(|m| m.scale), shift: field(|m| m.shift), low: field(|m| m.low), high: field(|m| m.high) }
    }

    #[inline]
    fn get(&self, input: usize) -> PositionMap {
        let Self { scale, shift, low, high } = self;
        PositionMap { scale: scale[input], shift: shift[input], low: low[input], high: high[input] }
    }
}

/// Some inputs of one segment of one stage.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) stage: usize,
    /// Counted through all stages.
    pub(super) segment: usize,
    /// Groups of inputs.
    pub(super) groups: Range<usize>,
}

impl IntegerLayer {
    /// Prepares a layer.
    pub(super) fn new(int8: &Int8Layer<'_>, lanes: Lanes) -> Self {
        let Int8Layer { layer, codebook, gains, gain_scale, .. } = *int8;
        let shape = [layer.inputs, layer.outputs, layer.basis.len()];
        let stages: Vec<Stage> = codebook
            .chunks_exact(codebook.len() / layer.stages)
            .zip(layer.indices.chunks_exact(layer.edges()).zip(gains.chunks_exact(layer.edges())))
            .map(|(codebook, (indices, gains))| Stage::new(shape, codebook, indices, gains, gain_scale, lanes))
            .collect();
        Self {
            inputs: layer.inputs,
            outputs: layer.outputs,
            rounded: !matches!(gain_scale, GainScale::Linear),
            pieces: pieces(stages.len(), layer.inputs),
            stages,
            clamped: layer.input_map.clamp().is_some(),
            maps: Maps::new(&int8.position_maps()),
            weights: basis_weight_table(int8.order()),
            factors: int8.output_factors(),
            bias: layer.bias.clone(),
        }
    }

    /// True where single rows read tiles.
    pub(super) fn reads_tiles(&self) -> bool {
        self.stages.iter().all(|stage| !stage.single.tiles.is_empty())
    }

    /// True where tables hold whole codebooks.
    pub(super) fn tabulates_all(&self) -> bool {
        self.stages.iter().all(|stage| matches!(stage.slots, Slots::All))
    }

    /// The first coefficient that `x` of an input touches, which may lie outside the codeword, and the weights from it
    /// on; `None` where its row gives NaN.
    #[inline]
    pub(super) fn basis_weights(&self, input: usize, x: f32) -> Option<(i32, [i8; 4])> {
        let position = self.maps.get(input).position(x, self.clamped)?;
        let step = position.div_euclid(POSITIONS as i32);
        Some((step, self.weights[position.rem_euclid(POSITIONS as i32) as usize]))
    }

    /// The output whose segments sum to `total`.
    #[inline]
    pub(super) fn output(&self, o: usize, total: f32) -> f32 {
        (total * self.factors[o]).clamp(-LARGE, LARGE) + self.bias[o]
    }

    /// Outputs of `y.len() / outputs` rows from the sums of every piece, `[outputs][lane]`. A bit of `nan` stands for
    /// a lane.
    pub(super) fn finish<const N: usize>(&self, sums: &[PieceSum<N>], y: &mut [f32]) {
        let mut totals = vec![[0.0f32; N]; self.outputs];
        let mut segment = vec![[0i32; N]; self.outputs];
        for (at, (piece, sum)) in self.pieces.iter().zip(sums).enumerate() {
            for (to, from) in segment.iter_mut().zip(&sum.sums) {
                to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
            }
            if self.pieces.get(at + 1).is_none_or(|next| next.segment != piece.segment) {
                close_segment(&mut totals, &mut segment);
            }
        }
        let nan = sums.iter().fold(0, |all, sum| all | sum.nan);
        self.write(&totals, nan, y);
    }

    /// Writes outputs row by row.
    pub(super) fn write<const N: usize>(&self, totals: &[[f32; N]], nan: u32, y: &mut [f32]) {
        for (lane, y) in y.chunks_exact_mut(self.outputs).enumerate() {
            if nan >> lane & 1 == 1 {
                y.fill(f32::NAN);
                continue;
            }
            for (o, (y, total)) in y.iter_mut().zip(totals).enumerate() {
                *y = self.output(o, total[lane]);
            }
        }
    }
}

/// Adds a segment's sums to the totals and clears them.
pub(super) fn close_segment<const N: usize>(totals: &mut [[f32; N]], segment: &mut [[i32; N]]) {
    for (totals, sums) in totals.iter_mut().zip(segment) {
        for (total, sum) in totals.iter_mut().zip(sums) {
            *total += *sum as f32;
            *sum = 0;
        }
    }
}

/// What one piece adds to every output, for `N` rows.
#[derive(Debug)]
pub(super) struct PieceSum<const N: usize> {
    /// `[outputs][lane]`.
    pub(super) sums: Vec<[i32; N]>,
    /// A bit for each lane whose outputs are NaN.
    pub(super) nan: u32,
}

fn pieces(stages: usize, inputs: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let segments = inputs.div_ceil(SEGMENT);
    for stage in 0..stages {
        for start in (0..inputs).step_by(PIECE) {
            let end = (start + PIECE).min(inputs);
            pieces.push(Piece {
                stage,
                segment: stage * segments + start / SEGMENT,
                groups: start / GROUP..end.div_ceil(GROUP),
            });
        }
    }
    pieces
}

const _: () = assert!(SEGMENT.is_multiple_of(PIECE) && PIECE.is_multiple_of(GROUP));
