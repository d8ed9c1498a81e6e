//! Heads to bytes.

use super::ArtifactError;
use super::bank::{self, BANK_KEY, is_shared, tensor_name};
use super::manifest::{MANIFEST_KEY, Manifest};
use super::packing::{bits_for, pack};
use crate::container::{self, Dtype, TensorBytes};
use crate::head::{
    Bank, Basis, CompressedLayer, DETECTION_KEY, DetectionConfig, GainScale, InputMap, Knots, Quantised,
};

/// Tensors in the order in which they were added.
#[derive(Default)]
pub(super) struct Tensors {
    tensors: Vec<(String, TensorBytes)>,
    /// Number of the head that is added to a bank.
    member: Option<usize>,
}

impl Tensors {
    /// Adds a tensor under its name in the file; heads of a bank share what one before them has added.
    pub(super) fn add<T: bytemuck::NoUninit>(&mut self, name: String, dtype: Dtype, shape: &[usize], values: &[T]) {
        let in_file = tensor_name(self.member, &name);
        if is_shared(&name) && self.tensors.iter().any(|(added, _)| *added == in_file) {
            return;
        }
        let bytes = bytemuck::cast_slice(values).to_vec();
        self.tensors.push((in_file, TensorBytes { dtype, shape: shape.to_vec(), bytes }));
    }

    /// Adds all tensors of a head.
    fn add_layers(&mut self, layers: &[CompressedLayer]) {
        for (n, layer) in layers.iter().enumerate() {
            add_layer(self, n, layer);
            add_norm(self, n, &layer.input_map);
        }
    }

    pub(super) fn finish(&self, metadata: &[(&str, String)]) -> Result<Vec<u8>, ArtifactError> {
        Ok(container::write(&self.tensors, metadata)?)
    }
}

/// The file of a compressed head, or of several. The same heads give the same bytes.
///
/// # Errors
/// None that checked heads can cause; the container's own refusal is passed on.
pub fn to_bytes(bank: &Bank) -> Result<Vec<u8>, ArtifactError> {
    let mut tensors = Tensors::default();
    let unwritten = |e: serde_json::Error| ArtifactError::Manifest(e.to_string());
    if let Some(head) = bank.single() {
        tensors.add_layers(head.layers());
        let manifest = serde_json::to_string(&Manifest::of(head.layers())).map_err(unwritten)?;
        return tensors.finish(&metadata(MANIFEST_KEY, manifest, head.detection.as_ref())?);
    }
    for (at, member) in bank.members().iter().enumerate() {
        tensors.member = Some(at);
        tensors.add_layers(member.head.layers());
    }
    let manifest = serde_json::to_string(&bank::manifest_of(bank)).map_err(unwritten)?;
    tensors.finish(&[(BANK_KEY, manifest)])
}

/// The entry that tells what a head is, and its detection settings where it has them.
fn metadata<'a>(
    key: &'a str,
    value: String,
    detection: Option<&DetectionConfig>,
) -> Result<Vec<(&'a str, String)>, ArtifactError> {
    Ok(std::iter::once((key, value)).chain(detection_entry(detection)?).collect())
}

/// The metadata entry of detection settings.
pub(super) fn detection_entry(
    detection: Option<&DetectionConfig>,
) -> Result<Option<(&'static str, String)>, ArtifactError> {
    let settings = detection.map(DetectionConfig::to_json).transpose()?;
    Ok(settings.map(|settings| (DETECTION_KEY, settings)))
}

fn add_layer(tensors: &mut Tensors, n: usize, layer: &CompressedLayer) {
    let name = |field: &str| format!("layers.{n}.{field}");
    let edges = [layer.outputs, layer.inputs];
    let codebook = [layer.stages * layer.codewords(), layer.basis.len()];
    match &layer.basis {
        Basis::BSpline { knots: Knots::Uniform { low, step }, .. } => {
            if matches!(super::manifest::Grid::of(layer), super::manifest::Grid::PerInput(_)) {
                let grid: Vec<f64> = low.iter().zip(step).flat_map(|(low, step)| [*low, *step]).collect();
                tensors.add(name("grid"), Dtype::F64, &[layer.inputs, 2], &grid);
            }
        }
        Basis::BSpline { knots: Knots::PerInput(values), .. } => {
            tensors.add(name("knots"), Dtype::F64, &[layer.inputs, values.len() / layer.inputs], values);
        }
        Basis::Gaussian { .. } => {}
    }
    if layer.is_dense() {
        add_dense(tensors, n, layer);
        tensors.add(name("bias"), Dtype::F32, &[layer.outputs], &layer.bias);
        return;
    }
    let indices = pack(layer.indices.iter().copied(), bits_for(layer.codewords()));
    tensors.add(name("indices"), Dtype::U8, &[indices.len()], &indices);
    match &layer.quantised {
        Quantised::Int8 { codebook: values, gains, gain_scale, output_scale } => {
            tensors.add(name("codebook"), Dtype::I8, &codebook, values);
            let codes = pack(gains.iter().map(|&code| u16::from(code)), gain_scale.bits());
            tensors.add(name("gains"), Dtype::U8, &[codes.len()], &codes);
            if let GainScale::Table(levels) = gain_scale {
                tensors.add(name("gain_levels"), Dtype::I16, &[levels.len()], levels);
            }
            tensors.add(name("output_scale"), Dtype::F32, &[layer.outputs], output_scale);
        }
        Quantised::Float { codebook: values, gains } => {
            tensors.add(name("codebook"), Dtype::F32, &codebook, values);
            if layer.stages == 1 {
                tensors.add(name("gains"), Dtype::F32, &edges, gains);
            } else {
                tensors.add(name("gains"), Dtype::F32, &[layer.stages, layer.outputs, layer.inputs], gains);
            }
        }
    }
    if let Some(base) = &layer.base {
        tensors.add(name("base_weights"), Dtype::I8, &edges, &base.weights);
        tensors.add(name("base_scale"), Dtype::F32, &[layer.outputs], &base.output_scale);
    }
    tensors.add(name("bias"), Dtype::F32, &[layer.outputs], &layer.bias);
}

/// The edges of a layer that is kept dense.
fn add_dense(tensors: &mut Tensors, n: usize, layer: &CompressedLayer) {
    if let Quantised::Float { codebook, .. } = &layer.quantised {
        let shape = [layer.outputs, layer.inputs, layer.basis.len()];
        tensors.add(format!("layers.{n}.coefficients"), Dtype::F32, &shape, codebook);
    }
    if let Some(base) = &layer.base {
        let weights: Vec<f32> = (0..layer.edges()).map(|edge| base.weight(edge, layer.inputs)).collect();
        tensors.add(format!("layers.{n}.base_weights"), Dtype::F32, &[layer.outputs, layer.inputs], &weights);
    }
}

fn add_norm(tensors: &mut Tensors, n: usize, map: &InputMap) {
    if let Some((weight, bias)) = map.factors() {
        add_factors(tensors, n, weight, bias);
    }
}

/// Adds the factors and summands in front of a layer.
pub(super) fn add_factors(tensors: &mut Tensors, n: usize, weight: &[f32], bias: &[f32]) {
    tensors.add(format!("norms.{n}.weight"), Dtype::F32, &[weight.len()], weight);
    tensors.add(format!("norms.{n}.bias"), Dtype::F32, &[bias.len()], bias);
}
