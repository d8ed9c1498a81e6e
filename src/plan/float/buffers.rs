//! The buffers of a head in f32.

use super::{FloatLayerShape, FloatTile};
use crate::plan::buffers::{HostBuffers, Role, least};
use crate::plan::{Schedule, UNUSED_BYTES};

/// A layer's own buffers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloatLayerBuffers<T> {
    /// The way of each input to its spline variable.
    pub maps: T,
    /// Factor and bias of each output.
    pub scale_bias: T,
    /// Uneven knots, or the centres of Gaussian bumps.
    pub knots: Option<T>,
    /// Weights of the base path.
    pub base_weights: Option<T>,
    /// The edges.
    pub edges: EdgeBuffers<T>,
}

/// The edges of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EdgeBuffers<T> {
    /// Every coefficient.
    Dense {
        /// `[input][coefficient][output]`.
        coefficients: T,
    },
    /// A codebook.
    Codebook {
        /// `[codeword][coefficient]`.
        codebook: T,
        /// Codeword numbers, `[input][output]`.
        indices: T,
        /// `[input][output]`.
        gains: T,
    },
}

/// What the kernels leave to each other; all layers share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloatWork<T> {
    /// Stands in for knots and base weights of layers that have none.
    pub unused: T,
    /// Basis weights of one layer.
    pub basis: T,
    /// Partial sums of one layer.
    pub partials: T,
    /// A NaN or zero a row.
    pub flags: T,
    /// Outputs of inner layers; there are two such buffers where there are three layers or more, which take turns.
    pub activations: Vec<T>,
    /// Parameters of all passes.
    pub params: T,
}

/// All buffers of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloatBuffers<T> {
    /// Those of each layer.
    pub layers: Vec<FloatLayerBuffers<T>>,
    /// What the kernels leave to each other.
    pub work: FloatWork<T>,
    /// What the host writes and reads.
    pub host: HostBuffers<T>,
}

impl<T> FloatLayerBuffers<T> {
    /// What `make` makes of every buffer of the layer numbered `n`, by its name and role.
    pub(crate) fn map<U>(&self, n: usize, make: &mut impl FnMut(&str, Role, &T) -> U) -> FloatLayerBuffers<U> {
        let mut make = |field: &str, buffer: &T| make(&format!("layers.{n}.{field}"), Role::Storage, buffer);
        FloatLayerBuffers {
            maps: make("maps", &self.maps),
            scale_bias: make("scale_bias", &self.scale_bias),
            knots: self.knots.as_ref().map(|buffer| make("knots", buffer)),
            base_weights: self.base_weights.as_ref().map(|buffer| make("base_weights", buffer)),
            edges: match &self.edges {
                EdgeBuffers::Dense { coefficients } => {
                    EdgeBuffers::Dense { coefficients: make("coefficients", coefficients) }
                }
                EdgeBuffers::Codebook { codebook, indices, gains } => EdgeBuffers::Codebook {
                    codebook: make("codebook", codebook),
                    indices: make("indices", indices),
                    gains: make("gains", gains),
                },
            },
        }
    }
}

impl<T> FloatWork<T> {
    /// What `make` makes of every buffer, by its name and role.
    pub(crate) fn map<U>(&self, make: &mut impl FnMut(&str, Role, &T) -> U) -> FloatWork<U> {
        let activations = self.activations.iter().enumerate();
        FloatWork {
            unused: make("unused", Role::Storage, &self.unused),
            basis: make("basis", Role::Storage, &self.basis),
            partials: make("partials", Role::Storage, &self.partials),
            flags: make("flags", Role::Storage, &self.flags),
            activations: activations.map(|(at, t)| make(&format!("activations.{at}"), Role::Storage, t)).collect(),
            params: make("params", Role::Params, &self.params),
        }
    }
}

impl<T> FloatBuffers<T> {
    /// What `make` makes of every buffer, by its name and role, in the order in which they are listed.
    pub(crate) fn map<U>(&self, make: &mut impl FnMut(&str, Role, &T) -> U) -> FloatBuffers<U> {
        FloatBuffers {
            layers: self.layers.iter().enumerate().map(|(n, layer)| layer.map(n, make)).collect(),
            work: self.work.map(make),
            host: self.host.map(make),
        }
    }
}

impl FloatWork<u64> {
    /// Sizes for passes of `schedule`, parameters `params_stride` bytes apart.
    pub(super) fn sizes(layers: &[FloatLayerShape], schedule: &Schedule<FloatTile>, params_stride: u64) -> Self {
        let [basis, partials, flags, activations] = Self::of_pass(layers, &schedule.tiers, schedule.chunk_rows);
        let passes = schedule.chunks(schedule.max_rows) * schedule.tiers.len() * layers.len() * 2;
        Self {
            unused: UNUSED_BYTES,
            basis,
            partials,
            flags,
            activations: vec![activations; (layers.len() - 1).min(2)],
            params: least(passes as u64 * params_stride),
        }
    }

    /// Bytes of basis weights, partial sums, flags and activations of a pass.
    pub(super) fn of_pass(
        layers: &[FloatLayerShape],
        tiers: &[crate::plan::Tier<FloatTile>],
        chunk_rows: usize,
    ) -> [u64; 4] {
        let mut most = [UNUSED_BYTES; 4];
        let mut grow = |at: usize, bytes: u64| most[at] = most[at].max(bytes);
        for tier in tiers {
            for (layer, tile) in layers.iter().zip(&tier.tiles) {
                let rows = tile.row_capacity() as u64;
                grow(0, tile.basis_bytes(layer));
                grow(1, 16 * rows * (tile.partials() * layer.output_groups()) as u64);
                grow(2, 4 * rows);
            }
        }
        for layer in &layers[..layers.len() - 1] {
            grow(3, 4 * (chunk_rows * layer.outputs) as u64);
        }
        most
    }
}
