//! The buffers of heads in integers.

use super::{Accumulators, IntegerLayerShape};
use crate::plan::buffers::{HostBuffers, Role, least};
use crate::plan::{Schedule, UNUSED_BYTES};

/// A layer's own buffers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegerLayerBuffers<T> {
    /// What the kernels know of each input.
    pub inputs: T,
    /// Basis weights, codebook and gain levels.
    pub tables: T,
    /// Codeword numbers of all edges.
    pub indices: T,
    /// Gain codes of all edges.
    pub gains: T,
}

/// What the kernels leave to each other, and what all layers share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegerWork<T> {
    /// Stands in where inner layers do not read the caller's input.
    pub unused: T,
    /// Sums of all layers.
    pub accumulators: T,
    /// Basis weights for cooperative matrices; `None` where no tile multiplies them.
    pub basis: Option<T>,
    /// First output of each head in a row, and their number.
    pub output_ranges: T,
    /// The table of parameters: entry n is n.
    pub params: T,
}

/// All buffers of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegerBuffers<T> {
    /// Those of each layer.
    pub layers: Vec<IntegerLayerBuffers<T>>,
    /// Factor and bias of each output of the last layer. Those of inner layers are with the inputs of the next.
    pub factors: T,
    /// What the kernels leave to each other.
    pub work: IntegerWork<T>,
    /// What the host writes and reads.
    pub host: HostBuffers<T>,
}

impl<T> IntegerLayerBuffers<T> {
    /// What `make` makes of every buffer of the layer numbered `n`, by its name and role.
    pub(crate) fn map<U>(&self, n: usize, make: &mut impl FnMut(&str, Role, &T) -> U) -> IntegerLayerBuffers<U> {
        let mut make = |field: &str, buffer: &T| make(&format!("layers.{n}.{field}"), Role::Storage, buffer);
        IntegerLayerBuffers {
            inputs: make("inputs", &self.inputs),
            tables: make("tables", &self.tables),
            indices: make("indices", &self.indices),
            gains: make("gains", &self.gains),
        }
    }
}

impl<T> IntegerWork<T> {
    /// What `make` makes of every buffer, by its name and role.
    pub(crate) fn map<U>(&self, make: &mut impl FnMut(&str, Role, &T) -> U) -> IntegerWork<U> {
        IntegerWork {
            unused: make("unused", Role::Storage, &self.unused),
            accumulators: make("accumulators", Role::Storage, &self.accumulators),
            basis: self.basis.as_ref().map(|basis| make("basis", Role::Storage, basis)),
            output_ranges: make("columns", Role::Storage, &self.output_ranges),
            params: make("params", Role::Params, &self.params),
        }
    }
}

impl<T> IntegerBuffers<T> {
    /// What `make` makes of every buffer, by its name and role, in the order in which they are listed.
    pub(crate) fn map<U>(&self, make: &mut impl FnMut(&str, Role, &T) -> U) -> IntegerBuffers<U> {
        IntegerBuffers {
            layers: self.layers.iter().enumerate().map(|(n, layer)| layer.map(n, make)).collect(),
            factors: make(&format!("layers.{}.factors", self.layers.len() - 1), Role::Storage, &self.factors),
            work: self.work.map(make),
            host: self.host.map(make),
        }
    }
}

impl IntegerWork<u64> {
    /// Sizes for passes of `schedule`, entries of the table of parameters `params_stride` bytes apart.
    pub(super) fn sizes<T: PartialEq>(
        layers: &[IntegerLayerShape],
        schedule: &Schedule<T>,
        basis: Option<u64>,
        params_stride: u64,
    ) -> Self {
        let heads = layers[0].heads;
        Self {
            unused: UNUSED_BYTES,
            accumulators: least(Accumulators::new(layers).bytes(heads, schedule.chunk_rows)),
            basis: basis.map(least),
            output_ranges: least(8 * heads as u64),
            params: least(params_entries(schedule.chunks(schedule.max_rows)) as u64 * params_stride),
        }
    }
}

/// Entries of the table of parameters: 0 to 64, which count rows, and the numbers of the chunks.
pub(crate) fn params_entries(chunks: usize) -> usize {
    chunks.max(65)
}
