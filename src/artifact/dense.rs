//! A dense head to bytes, in efficient-kan's layout.

use super::ArtifactError;
use super::write::{Tensors, add_factors, detection_entry};
use crate::container::Dtype;
use crate::head::{Activation, Basis, DenseHead, DenseLayer, InputMap, Knots, Norms};

/// The file of a dense head in efficient-kan's layout with `norms.*`: readable by this library and, but for the norms,
/// by efficient-kan itself. Metadata say what the layout does not: the kind of the norms and the range that they clamp to
/// (in `detection_head` where the head has that, else in `norms` and `clamp`), and a base function other than SiLU.
///
/// # Errors
/// Where a layer has something that this layout cannot hold: norms or base functions of several kinds, a LayerNorm that the
/// base path does not see, a basis other than B-splines, or a bias in a layer whose inputs can leave the grid (inside it a
/// bias is spread over the coefficients of its edges).
pub fn write_dense(head: &DenseHead) -> Result<Vec<u8>, ArtifactError> {
    let mut tensors = Tensors::default();
    let maps = Maps::of(head)?;
    for (n, layer) in head.layers().iter().enumerate() {
        add_layer(&mut tensors, n, layer)?;
        if maps.norms.is_some() {
            let (inputs, factors) = (layer.inputs, layer.input_map.factors());
            let (scale, shift) = factors.map_or_else(
                || (vec![1.0; inputs], vec![0.0; inputs]),
                |(scale, shift)| (scale.to_vec(), shift.to_vec()),
            );
            add_factors(&mut tensors, n, &scale, &shift);
        }
    }
    let mut metadata = vec![("layout", "efficient-kan".to_owned())];
    if let Some(function) = base_function(head)?.filter(|function| *function != Activation::Silu) {
        metadata.push(("base_function", function.to_string()));
    }
    match &head.detection {
        Some(detection) => {
            let norms = maps.norms.filter(|norms| *norms != Norms::Affine);
            metadata.extend(detection_entry(Some(&detection.clone().norms(norms)))?);
        }
        None => {
            metadata.extend(maps.norms.map(|norms| ("norms", norms.to_string())));
            metadata.extend(maps.clamp.map(|[low, high]| ("clamp", format!("[{low}, {high}]"))));
        }
    }
    tensors.finish(&metadata)
}

/// What the input maps of all layers have in common.
struct Maps {
    /// The kind of their norms, where there are any.
    norms: Option<Norms>,
    clamp: Option<[f32; 2]>,
}

impl Maps {
    fn of(head: &DenseHead) -> Result<Self, ArtifactError> {
        let mut found: Option<Norms> = None;
        let clamp = head.layers()[0].input_map.clamp();
        for (n, layer) in head.layers().iter().enumerate() {
            let kind = match &layer.input_map {
                InputMap::Identity => None,
                InputMap::Affine { .. } => Some(Norms::Affine),
                InputMap::GroupNorm { groups: 1, epsilon, .. } => Some(Norms::LayerNorm { epsilon: *epsilon }),
                InputMap::GroupNorm { groups, epsilon, .. } => {
                    Some(Norms::GroupNorm { groups: *groups, epsilon: *epsilon })
                }
                InputMap::LayerNorm { .. } => {
                    return Err(refuse(n, "has a LayerNorm beside its base path, efficient-kan's layout has none"));
                }
            };
            if layer.input_map.clamp() != clamp {
                return Err(refuse(
                    n,
                    "clamps to another range than the first, efficient-kan's layout has one for all",
                ));
            }
            match (found, kind) {
                (None, kind) if n == 0 => found = kind,
                (known, kind) if known == kind => {}
                // A layer without a map is one whose factors are 1.
                (Some(Norms::Affine) | None, Some(Norms::Affine) | None) => found = Some(Norms::Affine),
                _ => {
                    return Err(refuse(
                        n,
                        "has another norm than those before, efficient-kan's layout has one for all",
                    ));
                }
            }
        }
        if let Some(detection) = head.detection.as_ref().filter(|detection| detection.clamp != clamp) {
            return Err(refuse(
                0,
                &format!("clamps to {clamp:?}, but its detection settings to {:?}", detection.clamp),
            ));
        }
        Ok(Self { norms: found, clamp })
    }
}

fn refuse(layer: usize, problem: &str) -> ArtifactError {
    ArtifactError::Tensor { tensor: format!("layers.{layer}"), problem: problem.into() }
}

/// The function on all base paths.
fn base_function(head: &DenseHead) -> Result<Option<Activation>, ArtifactError> {
    let mut found = None;
    for (n, layer) in head.layers().iter().enumerate() {
        let Some(base) = &layer.base else { continue };
        if *found.get_or_insert(base.activation) != base.activation {
            return Err(refuse(
                n,
                "has another base function than those before, efficient-kan's layout has one for all",
            ));
        }
    }
    Ok(found)
}

fn add_layer(tensors: &mut Tensors, n: usize, layer: &DenseLayer) -> Result<(), ArtifactError> {
    let Basis::BSpline { order, intervals, knots } = &layer.basis else {
        return Err(refuse(n, "has Gaussian bumps, efficient-kan's layout holds B-splines only"));
    };
    if layer.bias.as_ref().is_some_and(|bias| bias.iter().any(|&b| b != 0.0)) {
        return Err(refuse(n, "has a bias, efficient-kan's layout has none"));
    }
    let (inputs, outputs, row) = (layer.inputs, layer.outputs, intervals + 2 * order + 1);
    let base = layer.base.as_ref().map_or_else(|| vec![0.0; layer.edges()], |base| base.weights.clone());
    tensors.add(format!("layers.{n}.base_weight"), Dtype::F32, &[outputs, inputs], &base);
    let values: Vec<f64> = (0..inputs).flat_map(|i| (0..row).filter_map(move |j| layer.basis.knot(i, j))).collect();
    if matches!(knots, Knots::PerInput(_)) {
        tensors.add(format!("layers.{n}.grid"), Dtype::F64, &[inputs, row], &values);
    } else {
        let narrow: Vec<f32> = values.iter().map(|&knot| knot as f32).collect();
        tensors.add(format!("layers.{n}.grid"), Dtype::F32, &[inputs, row], &narrow);
    }
    let shape = [outputs, inputs, layer.basis.len()];
    tensors.add(format!("layers.{n}.spline_weight"), Dtype::F32, &shape, &layer.coefficients);
    Ok(())
}
