//! Bytes that a path must touch, whatever its kernels do.
//!
//! Every number that an evaluation needs crosses the memory bus at least once:
//!
//! - **edges**: of the dense form the coefficients that the batch's inputs reach, 4 bytes each, and 4 bytes of base
//!   weight; of the others an index of 1 byte (2 above 256 codewords) and a gain of 1 byte (4 where the device takes
//!   gains in f32), twice with a residual codebook;
//! - **codebook**: once a layer;
//! - **activations**: the inputs and the outputs of every layer, 4 bytes each. Several heads share the features.
//!
//! Factors, biases and knots, a few bytes a neuron, are left out. Kernels that spill partial sums or load the codebook
//! once a workgroup touch more, in caches or not: that is what the comparison with the measured bandwidth shows.

use serde::{Deserialize, Serialize};

use sharekan::fixed_point::Arithmetic;
use sharekan::head::{Basis, Head};
use sharekan::plan::{CodebookPlace, Plan};

/// Bytes that an evaluation of a batch must touch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Coefficients and base weights, or indices and gains.
    pub edges: f64,
    /// Codewords.
    pub codebook: f64,
    /// Inputs and outputs of the layers.
    pub activations: f64,
}

impl Traffic {
    /// What heads touch for `rows` rows of the same features, uniform in the grid.
    pub fn of(heads: &[&Head], rows: usize) -> Self {
        let mut all = Self { edges: 0.0, codebook: 0.0, activations: 0.0 };
        let features = heads.first().map_or(0, |head| head.inputs());
        for head in heads {
            let (of_head, width) = (Self::of_head(head, rows), head.inputs());
            all.edges += of_head.edges;
            all.codebook += of_head.codebook;
            all.activations += of_head.activations - (4 * rows * width) as f64;
        }
        all.activations += (4 * rows * features) as f64;
        all
    }

    fn of_head(head: &Head, rows: usize) -> Self {
        let mut traffic = Self { edges: 0.0, codebook: 0.0, activations: 0.0 };
        let mut widths = vec![head.inputs()];
        match head {
            Head::Dense(head) => {
                for layer in head.layers() {
                    let values = reached_coefficients(&layer.basis, rows) + f64::from(u8::from(layer.base.is_some()));
                    traffic.edges += 4.0 * values * layer.edges() as f64;
                    widths.push(layer.outputs);
                }
            }
            Head::Compressed(bank) => {
                let head = &bank.members()[0].head;
                let value_bytes = if Arithmetic::of(head) == Arithmetic::Integer { 1 } else { 4 };
                for layer in head.layers() {
                    let index_bytes = if layer.codewords() > 256 { 2 } else { 1 };
                    let base_bytes = if layer.base.is_some() { 4 } else { 0 };
                    let of_stages = layer.stages * (index_bytes + value_bytes);
                    traffic.edges += (layer.edges() * (of_stages + base_bytes)) as f64;
                    traffic.codebook += (layer.stages * layer.codewords() * layer.basis.len() * value_bytes) as f64;
                    widths.push(layer.outputs);
                }
            }
        }
        let values: usize = widths.windows(2).map(|pair| pair[0] + pair[1]).sum();
        traffic.activations = 4.0 * rows as f64 * values as f64;
        traffic
    }

    /// All of them.
    pub fn total(&self) -> f64 {
        self.edges + self.codebook + self.activations
    }
}

/// Expected number of an edge's coefficients that are needed for `rows` inputs uniform in the grid: a B-spline that is
/// non-zero on `c` of `G` intervals stays unneeded with probability `(1 - c / G)^rows`.
fn reached_coefficients(basis: &Basis, rows: usize) -> f64 {
    let &Basis::BSpline { order, intervals, .. } = basis else { return basis.len() as f64 };
    (0..basis.len())
        .map(|j| {
            let covered = j.min(intervals - 1) - j.saturating_sub(order) + 1;
            1.0 - (1.0 - covered as f64 / intervals as f64).powf(rows as f64)
        })
        .sum()
}

/// Part of the codebook reads that a plan's workgroups take from their own memory; `None` where there is no codebook.
pub fn on_chip_share(plan: &Plan, rows: usize) -> Option<f64> {
    let (mut all, mut on_chip) = (0.0, 0.0);
    for chunk in 0..plan.chunks(rows) {
        let in_chunk = (rows - chunk * plan.chunk_rows()).min(plan.chunk_rows());
        for layer in plan.kernels(in_chunk) {
            if let Some(place) = layer.codebook {
                let reads = (in_chunk * layer.inputs * layer.outputs) as f64;
                all += reads;
                on_chip += if place == CodebookPlace::OnChip { reads } else { 0.0 };
            }
        }
    }
    (all > 0.0).then(|| on_chip / all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Form, synthetic_head};
    use sharekan::head::{CompressedHead, Quantised};
    use sharekan::plan::Limits;

    const PAPER: [usize; 3] = [2048, 512, 75];
    /// 2048 * 512 + 512 * 75.
    const EDGES: f64 = 1_086_976.0;
    /// The features once, 512 twice, 75 once.
    const ROW: f64 = 4.0 * (2048.0 + 512.0 + 512.0 + 75.0);

    fn traffic(form: Form, codewords: usize, heads: usize, rows: usize) -> Traffic {
        let head = synthetic_head(form, &PAPER, codewords).unwrap();
        Traffic::of(&vec![&head; heads], rows)
    }

    #[test]
    fn one_dense_row_needs_four_coefficients_and_many_rows_all_ten() {
        let one = traffic(Form::DenseF32, 1, 1, 1);
        assert!((one.edges / EDGES - 20.0).abs() < 1e-9, "{one:?}");
        assert_eq!((one.codebook, one.activations), (0.0, ROW));
        let many = traffic(Form::DenseF32, 1, 1, 4096);
        assert!((many.edges / EDGES - 44.0).abs() < 1e-9, "{many:?}");
        assert_eq!(many.activations, 4096.0 * ROW);
    }

    #[test]
    fn two_rows_reach_what_counting_says() {
        // Linear splines on two intervals: three functions that cover 1, 2 and 1 of them. Both rows fall into the same
        // interval half the time (2 coefficients), else into both (3).
        let basis = Basis::BSpline {
            order: 1,
            intervals: 2,
            knots: sharekan::head::Knots::Uniform { low: vec![0.0], step: vec![1.0] },
        };
        assert!((reached_coefficients(&basis, 2) - 2.5).abs() < 1e-12);
        assert_eq!(reached_coefficients(&Basis::Gaussian { centres: vec![0.0; 8], denominator: 1.0 }, 1), 8.0);
    }

    #[test]
    fn compressed_edges_take_an_index_and_a_gain() {
        let int8 = traffic(Form::VqInt8, 256, 1, 16);
        assert_eq!((int8.edges, int8.codebook, int8.activations), (2.0 * EDGES, 2.0 * 2560.0, 16.0 * ROW));
        let wide = traffic(Form::VqInt8Log, 4096, 1, 1);
        assert_eq!((wide.edges, wide.codebook), (3.0 * EDGES, 2.0 * 40_960.0));
        let float = traffic(Form::VqF32, 256, 1, 1);
        assert_eq!((float.edges, float.codebook), (5.0 * EDGES, 2.0 * 4.0 * 2560.0));
        assert_eq!(float.total(), float.edges + float.codebook + float.activations);
    }

    #[test]
    fn a_residual_codebook_doubles_what_an_edge_takes() {
        let head = synthetic_head(Form::VqInt8, &PAPER, 256).unwrap();
        let layers = head.compressed().unwrap().layers().iter().cloned().map(|mut layer| {
            layer.stages = 2;
            layer.indices.extend_from_within(..);
            if let Quantised::Int8 { codebook, gains, .. } = &mut layer.quantised {
                codebook.extend_from_within(..);
                gains.extend_from_within(..);
            }
            layer
        });
        let head = Head::from(CompressedHead::new(layers.collect(), None).unwrap());
        let traffic = Traffic::of(&[&head], 1);
        assert_eq!((traffic.edges, traffic.codebook), (4.0 * EDGES, 4.0 * 2560.0));
    }

    #[test]
    fn fifty_heads_share_the_features_alone() {
        let bank = traffic(Form::VqInt8, 256, 50, 1);
        // The 109 MB of indices and gains of the design notes.
        assert_eq!(bank.edges, 108_697_600.0);
        assert_eq!(bank.codebook, 50.0 * 5120.0);
        assert_eq!(bank.activations, 4.0 * (2048.0 + 50.0 * (512.0 + 512.0 + 75.0)));
    }

    #[test]
    fn the_plan_says_which_reads_stay_on_chip() {
        let share = |form, codewords, storage| {
            let head = synthetic_head(form, &PAPER, codewords).unwrap();
            let limits = Limits::default().workgroup_storage(storage);
            on_chip_share(&Plan::new(&head, &limits, 100).unwrap(), 100)
        };
        assert_eq!(share(Form::DenseF32, 1, 16_384), None);
        assert_eq!(share(Form::VqInt8, 256, 16_384), Some(1.0));
        assert_eq!(share(Form::VqInt8, 65_536, 49_152), Some(0.0));
    }
}
