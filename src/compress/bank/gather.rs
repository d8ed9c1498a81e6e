//! The edges of all heads at one layer position, and the codebook that suits them.

use super::super::activations::Activations;
use super::super::calibrated::{LAMBDA, cluster_in_metric};
use super::super::calibrated_edges::{CalibratedEdges, refine};
use super::super::codebook::Codebook;
use super::super::fold::fold;
use super::super::kmeans::KMeans;
use super::super::layer::whiten_edges;
use super::super::metric::Metric;
use super::super::moments::{Forms, square};
use super::super::random::SplitMix;
use super::{CompressError, CompressOptions, LayerSettings, Method, SharedShapes, runs_in_integers};
use crate::head::{Basis, DenseHead, DenseLayer, basis_difference};
use crate::parallel;

/// Edges that a codebook is fitted to in the metric of every input; of more so many are drawn, equally many of every head.
const FITTED_EDGES: usize = 1 << 21;
/// The same in one metric for all, where more edges change next to nothing.
const FITTED_SHAPES: usize = 1 << 18;
/// The same a codeword, for large codebooks.
const FITTED_A_CODEWORD: usize = 64;

/// What a position has in common.
pub(super) enum Shared {
    /// Shapes in the metric that the method has for all inputs.
    Shapes(SharedShapes),
    /// Codewords, fitted in the metric of every input.
    Codebook(Codebook),
}

/// Edges of all heads so far.
pub(super) struct Gathered {
    /// Number of the layer.
    pub(super) at: usize,
    basis: Basis,
    heads: usize,
    /// Every head keeps its inputs in the grid.
    free_bias: bool,
    /// Every head has next to no edges here.
    small: bool,
    /// `[sampled, d]`.
    coefficients: Vec<f32>,
    /// First sampled edge of each head.
    head_starts: Vec<usize>,
    /// First sampled edge of each group of edges that have a form in common, with calibration.
    starts: Vec<usize>,
    /// Their forms.
    forms: Vec<Vec<f64>>,
    /// Mean second moments of each head's inputs, with calibration.
    seconds: Vec<Vec<f64>>,
}

impl Gathered {
    /// Nothing yet, for the layer numbered `at` of heads of which `layer` is one of the first.
    pub(super) fn new(at: usize, layer: &DenseLayer, heads: usize) -> Self {
        Self {
            at,
            basis: layer.basis.clone(),
            heads,
            free_bias: true,
            small: true,
            coefficients: Vec::new(),
            head_starts: Vec::new(),
            starts: Vec::new(),
            forms: Vec::new(),
            seconds: Vec::new(),
        }
    }

    /// What keeps a layer from sharing the codebook.
    pub(super) fn difference(&self, layer: &DenseLayer) -> Option<String> {
        basis_difference(&self.basis, &layer.basis)
    }

    /// Number of edges that the codebook is fitted to.
    pub(super) fn edges(&self) -> usize {
        self.coefficients.len() / self.basis.len()
    }

    /// True where next to all edges of every head are in other layers.
    pub(super) fn small(&self) -> bool {
        self.small
    }

    /// Adds a head; `rows` are those in front of the layer, with calibration.
    pub(super) fn add(&mut self, head: &DenseHead, rows: Option<&[f32]>, options: &CompressOptions) {
        let layer = &head.layers()[self.at];
        let (d, inputs, outputs) = (layer.basis.len(), layer.inputs, layer.outputs);
        let folded = fold(layer);
        self.free_bias &= folded.bias;
        self.small &= LayerSettings::is_small(head, self.at, options.method);
        self.head_starts.push(self.edges());
        let fitted = match options.method {
            Method::Calibrated => FITTED_EDGES,
            _ => FITTED_SHAPES.max(FITTED_A_CODEWORD * options.codewords),
        };
        let wanted = (fitted / self.heads).max(1).min(layer.edges());
        let number = self.head_starts.len() as u64;
        let mut random = SplitMix::new(options.seed ^ (number << 32 | self.at as u64));
        let mut left = layer.edges();
        let mut missing = wanted;
        for i in 0..inputs {
            self.starts.push(self.edges());
            for o in 0..outputs {
                // As many as are still wanted out of those that are left.
                if random.below(left) < missing {
                    self.coefficients.extend_from_slice(&folded.coefficients[(o * inputs + i) * d..][..d]);
                    missing -= 1;
                }
                left -= 1;
            }
        }
        let Some(rows) = rows else { return };
        let activations = Activations::new(layer, rows, runs_in_integers(head, options));
        let found = parallel::map_indices(inputs, |i| {
            let moments = activations.moments(i);
            (Forms::new(&moments, LAMBDA, folded.bias).total(), moments.second)
        });
        let mut mean = vec![0.0f64; d * d];
        for (form, second) in found {
            mean.iter_mut().zip(&second).for_each(|(mean, value)| *mean += value / inputs as f64);
            self.forms.push(form);
        }
        self.seconds.push(mean);
    }

    /// The codebook. `progress` takes the rounds done.
    ///
    /// # Errors
    /// Where the metric is singular, and where a device fails.
    pub(super) fn fit(
        self,
        settings: &LayerSettings,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Shared, CompressError> {
        if settings.method == Method::Calibrated {
            self.fit_codebook(settings, progress).map(Shared::Codebook)
        } else {
            self.fit_shapes(settings, progress).map(Shared::Shapes)
        }
    }

    fn fit_shapes(
        self,
        settings: &LayerSettings,
        progress: &mut dyn FnMut(usize),
    ) -> Result<SharedShapes, CompressError> {
        let d = self.basis.len();
        let metric = match settings.method {
            Method::Plain => Metric::plain(d, self.free_bias),
            _ => Metric::uniform(&self.basis, self.free_bias),
        }
        .ok_or(CompressError::Metric { layer: self.at })?;
        let mut whitened = whiten_edges(&metric, &self.coefficients, d);
        for (head, &start) in self.head_starts.iter().enumerate() {
            let end = self.head_starts.get(head + 1).copied().unwrap_or(self.edges());
            let values = &mut whitened[start * d..end * d];
            let square = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / (end - start) as f64;
            if square > 0.0 && square.is_finite() {
                values.iter_mut().for_each(|v| *v = (f64::from(*v) / square.sqrt()) as f32);
            }
        }
        let edges = KMeans::new(&whitened, d, settings.gpu.as_ref())?;
        let mut step = |done: usize, _| progress(done);
        let shapes = edges.cluster(&settings.clustering(self.edges(), settings.iterations), &mut step)?;
        Ok(SharedShapes { shapes, free_bias: self.free_bias })
    }

    fn fit_codebook(
        mut self,
        settings: &LayerSettings,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Codebook, CompressError> {
        let d = self.basis.len();
        let weights = self.weights();
        let of_group = self.group_heads();
        for (form, &head) in self.forms.iter_mut().zip(&of_group) {
            form.iter_mut().for_each(|value| *value *= weights[head]);
        }
        let mut mean = vec![0.0f64; d * d];
        for (second, weight) in self.seconds.iter().zip(&weights) {
            mean.iter_mut().zip(second).for_each(|(mean, value)| *mean += weight * value);
        }
        let metric = Metric::new(&mean, d, LAMBDA, self.free_bias).ok_or(CompressError::Metric { layer: self.at })?;
        let start = cluster_in_metric(&metric, &self.coefficients, self.free_bias, d, settings)?;
        let edges = CalibratedEdges::grouped(&self.coefficients, &self.forms, self.starts, d);
        let mut done = 0;
        let mut step = || {
            done += 1;
            progress(done);
        };
        Ok(refine(&edges, start, settings.iterations, &mut step).0)
    }

    /// What the errors of each head's edges count: the inverse of the head's signal over these edges, as a part of the mean.
    fn weights(&self) -> Vec<f64> {
        let (d, of_group) = (self.basis.len(), self.group_heads());
        let signals = parallel::map_indices(self.starts.len(), |group| {
            let end = self.starts.get(group + 1).copied().unwrap_or(self.edges());
            let edges = &self.coefficients[self.starts[group] * d..end * d];
            edges.chunks_exact(d).map(|c| square(&self.forms[group], c, d).max(0.0)).sum::<f64>()
        });
        let mut of_head = vec![0.0f64; self.heads];
        for (signal, &head) in signals.iter().zip(&of_group) {
            of_head[head] += signal;
        }
        let mean = of_head.iter().sum::<f64>() / self.heads as f64;
        let weight = |&signal: &f64| if signal > 0.0 && mean.is_finite() { mean / signal } else { 1.0 };
        of_head.iter().map(weight).collect()
    }

    /// The head that each group is of.
    fn group_heads(&self) -> Vec<usize> {
        let head = |start: &usize| self.head_starts.partition_point(|first| first <= start) - 1;
        self.starts.iter().map(head).collect()
    }
}
