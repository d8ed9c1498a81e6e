//! What a compiled file takes, before it is compiled.

use super::{CompressError, CompressOptions, LayerSettings, Precision, check, fold};
use crate::artifact::{self, layer_bytes};
use crate::head::{CompressedBase, CompressedHead, CompressedLayer, DenseHead, DenseLayer, GainScale, Quantised};

/// Bytes of the file that these settings give, an upper bound by at most the table of an 8-bit gain scale a layer and, with
/// [`CompressOptions::keep_dense`], what keeping saves in layers that take about the same either way.
///
/// # Errors
/// As [`compile`](super::compile), for the same settings.
pub fn compiled_bytes(head: &DenseHead, options: &CompressOptions) -> Result<usize, CompressError> {
    check(options)?;
    let layers = head.layers().iter().enumerate().map(|(at, dense)| {
        let settings = LayerSettings::new(head, at, options);
        // Kept only where it is smaller however the gains come out.
        let least = layer_bytes(&empty_layer(dense, &settings, false));
        let kept = CompressedLayer::dense(dense).filter(|kept| options.keep_dense && layer_bytes(kept) < least);
        kept.unwrap_or_else(|| empty_layer(dense, &settings, true))
    });
    let empty = CompressedHead::new(layers.collect(), head.detection.clone())?;
    artifact::to_bytes(&empty.into()).map(|bytes| bytes.len()).map_err(|error| CompressError::Target(error.to_string()))
}

/// Bytes that the numbers of layers take at least, kept or not, without what the file says of them.
pub(super) fn least_bytes(head: &DenseHead, options: &CompressOptions) -> usize {
    let layers = head.layers().iter().enumerate().map(|(at, dense)| {
        let least = layer_bytes(&empty_layer(dense, &LayerSettings::new(head, at, options), false));
        CompressedLayer::dense(dense).map_or(least, |kept| layer_bytes(&kept).min(least))
    });
    layers.sum()
}

/// A compressed layer of these settings, its 8-bit gains with a table or without.
fn empty_layer(dense: &DenseLayer, settings: &LayerSettings, table: bool) -> CompressedLayer {
    let codewords = settings.codewords.min(dense.edges());
    let base = dense.base.as_ref().filter(|_| !fold::folds_base(dense)).map(|base| CompressedBase {
        activation: base.activation,
        weights: vec![0; dense.edges()],
        output_scale: vec![0.0; dense.outputs],
    });
    let quantised = match settings.precision {
        Precision::Int8 => Quantised::Int8 {
            codebook: vec![0; settings.stages * codewords * dense.basis.len()],
            gains: vec![0; settings.stages * dense.edges()],
            gain_scale: if table || settings.gain_bits == 4 {
                GainScale::Table(vec![0; 1 << settings.gain_bits])
            } else {
                GainScale::Linear
            },
            output_scale: vec![0.0; dense.outputs],
        },
        Precision::F32 => Quantised::Float {
            codebook: vec![0.0; settings.stages * codewords * dense.basis.len()],
            gains: vec![0.0; settings.stages * dense.edges()],
        },
    };
    CompressedLayer {
        inputs: dense.inputs,
        outputs: dense.outputs,
        input_map: dense.input_map.clone(),
        basis: dense.basis.clone(),
        stages: settings.stages,
        indices: vec![0; settings.stages * dense.edges()],
        quantised,
        base,
        bias: vec![0.0; dense.outputs],
    }
}
