//! Bytes to compressed heads, trusting nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;

use super::ArtifactError;
use super::bank::{BANK_KEY, BANK_VERSION, read_members, tensor_name};
use super::manifest::{BasisManifest, FORMAT_VERSION, Grid, LayerManifest, MANIFEST_KEY, Manifest, MapManifest};
use super::packing::{bits_for, packed_bytes, unpack};
use crate::container::{Dtype, Header, Quoted, TensorEntry};
use crate::head::{
    Bank, Basis, CompressedBase, CompressedHead, CompressedLayer, DETECTION_KEY, DetectionConfig, GAIN_CODES,
    GainScale, InputMap, Knots, MAX_CODEWORDS, MAX_STAGES, NARROW_GAIN_CODES, Quantised,
};

/// What a file of this library holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One compressed head.
    Head,
    /// A bank of them.
    Bank,
}

impl Form {
    /// What a file says that it holds; `None` where it is not of this library.
    pub(crate) fn of(header: &Header) -> Option<Self> {
        let forms = [(MANIFEST_KEY, Self::Head), (BANK_KEY, Self::Bank)];
        forms.into_iter().find(|(key, _)| header.metadata.contains_key(*key)).map(|(_, form)| form)
    }
}

/// Reads a file of this library: one compressed head, or a bank of them.
///
/// # Errors
/// Where the bytes break any rule of the container or of the format; see [`ArtifactError`]. Nothing is allocated by a
/// size that the file merely claims, and codebooks, of which every head gets a copy, at most 1 GiB in all.
pub fn read(bytes: &[u8]) -> Result<Bank, ArtifactError> {
    read_in(&Header::of(bytes)?, bytes)
}

/// Reads a file whose header has been read.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_in(header: &Header, bytes: &[u8]) -> Result<Bank, ArtifactError> {
    match (header.metadata.get(MANIFEST_KEY), header.metadata.get(BANK_KEY)) {
        (Some(text), _) => {
            let (version, manifest) = manifest::<Manifest>(text, FORMAT_VERSION, ArtifactError::Manifest)?;
            check_stages(&manifest.layers, version, if version == 1 { 1 } else { MAX_STAGES })?;
            check_kinds(&manifest.layers, version, version)?;
            let detection =
                header.metadata.get(DETECTION_KEY).map(|text| DetectionConfig::from_json(text)).transpose()?;
            let mut file = File::new(header, bytes)?;
            let layers = read_layers(&mut file, &manifest.layers)?;
            file.check_all_read()?;
            Ok(CompressedHead::new(layers, detection)?.into())
        }
        (None, Some(text)) => {
            let (version, manifest) = manifest(text, BANK_VERSION, ArtifactError::BankManifest)?;
            let mut file = File::new(header, bytes)?;
            let members = read_members(&mut file, manifest, version)?;
            file.check_all_read()?;
            Ok(Bank::new(members)?)
        }
        (None, None) => Err(ArtifactError::Manifest("is missing, expected a compressed head".into())),
    }
}

/// Reads a manifest of version 1 to `newest`, and its version first, so that a newer file is refused for its version and
/// not for its fields.
fn manifest<T: DeserializeOwned>(
    text: &str,
    newest: u32,
    refuse: impl Fn(String) -> ArtifactError,
) -> Result<(u64, T), ArtifactError> {
    #[derive(serde::Deserialize)]
    struct Version {
        version: u64,
    }
    // A field's name may hold anything.
    let unreadable = |e: serde_json::Error| refuse(format!("cannot be read: {e}").replace(char::is_control, " "));
    let Version { version } = serde_json::from_str(text).map_err(unreadable)?;
    if !(1..=u64::from(newest)).contains(&version) {
        let expected = if newest == 1 { "1".to_owned() } else { format!("1 to {newest}") };
        return Err(refuse(format!("is of version {version}, expected {expected}")));
    }
    Ok((version, serde_json::from_str(text).map_err(unreadable)?))
}

/// Refuses layers of more stages than the version of the form has.
pub(super) fn check_stages(layers: &[LayerManifest], version: u64, most: usize) -> Result<(), ArtifactError> {
    match layers.iter().position(|layer| !(1..=most).contains(&layer.stages)) {
        None => Ok(()),
        Some(at) => Err(ArtifactError::Manifest(format!(
            "layer {at} has {} stages, which version {version} has not",
            layers[at].stages
        ))),
    }
}

/// Refuses layers of kinds that this version of the form has not; its layers are those of heads of version `newest`.
pub(super) fn check_kinds(layers: &[LayerManifest], version: u64, newest: u64) -> Result<(), ArtifactError> {
    for (at, layer) in layers.iter().enumerate() {
        // Stages are told apart.
        let found = u64::from(layer.version());
        if found > newest.max(2) {
            let what = if layer.dense { "is dense, which" } else { "has a norm or a base function that" };
            return Err(ArtifactError::Manifest(format!("layer {at} {what} version {version} has not")));
        }
        if layer.dense && (layer.int8 || layer.stages != 1) {
            return Err(ArtifactError::Manifest(format!("layer {at} is dense, expected int8 false and one stage")));
        }
    }
    Ok(())
}

/// The layers of a head.
pub(super) fn read_layers(
    file: &mut File<'_>,
    layers: &[LayerManifest],
) -> Result<Vec<CompressedLayer>, ArtifactError> {
    layers.iter().enumerate().map(|(n, layer)| read_layer(file, n, layer)).collect()
}

/// The tensors of a file, and which were read.
pub(super) struct File<'a> {
    tensors: &'a BTreeMap<String, TensorEntry>,
    bytes: &'a [u8],
    read: BTreeSet<String>,
    /// Number of the head that is read in a bank.
    pub(super) member: Option<usize>,
}

impl<'a> File<'a> {
    /// The tensors of a file; `header` is its own.
    pub(super) fn new(header: &'a Header, bytes: &'a [u8]) -> Result<Self, ArtifactError> {
        header.refuse_empty()?;
        Ok(Self { tensors: &header.tensors, bytes, read: BTreeSet::new(), member: None })
    }

    /// Refuses a file with tensors that nothing asked for.
    pub(super) fn check_all_read(&self) -> Result<(), ArtifactError> {
        match self.tensors.keys().find(|name| !self.read.contains(*name)) {
            None => Ok(()),
            Some(name) => Err(ArtifactError::Tensor {
                tensor: Quoted(name).to_string(),
                problem: "is not named by the manifest".into(),
            }),
        }
    }

    /// Bytes of a tensor of the given type and shape.
    fn bytes(&mut self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&'a [u8], ArtifactError> {
        let name = &tensor_name(self.member, name);
        let refuse = |problem| Err(ArtifactError::Tensor { tensor: name.to_owned(), problem });
        let Some(entry) = self.tensors.get(name) else {
            return refuse(format!("is missing, expected {dtype:?} {shape:?}"));
        };
        if entry.dtype != dtype || entry.shape != shape {
            return refuse(format!("is {:?} {:?}, expected {dtype:?} {shape:?}", entry.dtype, entry.shape));
        }
        self.read.insert(name.clone());
        let (start, end) = (entry.bytes.start as usize, entry.bytes.end as usize);
        match self.bytes.get(start..end) {
            Some(bytes) => Ok(bytes),
            None => refuse(format!("ends at byte {end}, but {} bytes were read of the file", self.bytes.len())),
        }
    }

    fn values<const N: usize, T>(
        &mut self,
        name: &str,
        dtype: Dtype,
        shape: &[usize],
        from: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, ArtifactError> {
        Ok(self.bytes(name, dtype, shape)?.as_chunks::<N>().0.iter().map(|&bytes| from(bytes)).collect())
    }

    fn f32(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ArtifactError> {
        self.values(name, Dtype::F32, shape, f32::from_le_bytes)
    }

    fn f64(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f64>, ArtifactError> {
        self.values(name, Dtype::F64, shape, f64::from_le_bytes)
    }

    fn i8(&mut self, name: &str, shape: &[usize]) -> Result<Vec<i8>, ArtifactError> {
        self.values(name, Dtype::I8, shape, i8::from_le_bytes)
    }

    /// Packed numbers of `bits` for `[stages, outputs, inputs]`.
    fn packed(&mut self, name: &str, places: [usize; 3], bits: u32) -> Result<Vec<u16>, ArtifactError> {
        let tensor = tensor_name(self.member, name);
        let refuse = |problem| Err(ArtifactError::Tensor { tensor, problem });
        let [stages, outputs, inputs] = places;
        let sized = outputs
            .checked_mul(inputs)
            .and_then(|edges| edges.checked_mul(stages))
            .filter(|&places| places > 0)
            .and_then(|places| Some((places, packed_bytes(places, bits)?)));
        let Some((count, bytes)) = sized else {
            return refuse(format!("cannot hold {outputs} x {inputs} edges"));
        };
        let bytes = self.bytes(name, Dtype::U8, &[bytes])?;
        match unpack(bytes, count, bits) {
            Some(values) => Ok(values),
            None => refuse(format!("has bits after the last of {count} numbers of {bits} bits, expected zeros")),
        }
    }

    /// Shape of a tensor, whatever it is.
    fn shape(&self, name: &str) -> Option<&'a [usize]> {
        self.tensors.get(&tensor_name(self.member, name)).map(|entry| entry.shape.as_slice())
    }

    /// Number of rows of a tensor of two dimensions, whatever they are.
    fn rows(&self, name: &str) -> Option<usize> {
        self.shape(name).and_then(|shape| shape.first().copied())
    }
}

/// What a layer's edges are made of.
struct Edges {
    indices: Vec<u16>,
    basis: Basis,
    quantised: Quantised,
}

/// The edges of a layer that is kept dense.
fn read_dense(file: &mut File<'_>, n: usize, manifest: &LayerManifest) -> Result<Edges, ArtifactError> {
    let name = format!("layers.{n}.coefficients");
    let refuse = |problem: String| Err(ArtifactError::Tensor { tensor: name.clone(), problem });
    let (outputs, inputs) = (manifest.outputs, manifest.inputs);
    // Looked at first: its shape bounds what follows.
    let edges = match file.shape(&name) {
        Some(&[o, i, _]) if o == outputs && i == inputs => o * i,
        Some(shape) => return refuse(format!("is {shape:?}, expected [{outputs}, {inputs}] and the basis functions")),
        None => return refuse(format!("is missing, expected F32 [{outputs}, {inputs}] and the basis functions")),
    };
    if edges > MAX_CODEWORDS {
        return refuse(format!("has {edges} edges, expected at most {MAX_CODEWORDS}"));
    }
    let basis = read_basis(file, n, manifest)?;
    let codebook = file.f32(&name, &[outputs, inputs, basis.len()])?;
    let indices = (0..edges).map(|edge| edge as u16).collect();
    Ok(Edges { indices, basis, quantised: Quantised::Float { codebook, gains: vec![1.0; edges] } })
}

fn read_edges(file: &mut File<'_>, n: usize, manifest: &LayerManifest) -> Result<Edges, ArtifactError> {
    let name = |field: &str| format!("layers.{n}.{field}");
    let (inputs, outputs) = (manifest.inputs, manifest.outputs);
    let (edges, places) = ([outputs, inputs], [manifest.stages, outputs, inputs]);
    let rows = file.rows(&name("codebook")).unwrap_or(0);
    let codewords = rows / manifest.stages;
    let refused = if !rows.is_multiple_of(manifest.stages) {
        Some(format!("has {rows} codewords, expected as many in each of {} stages", manifest.stages))
    } else if codewords > MAX_CODEWORDS {
        Some(format!("has {codewords} codewords, expected at most {MAX_CODEWORDS}"))
    } else {
        None
    };
    if let Some(problem) = refused {
        return Err(ArtifactError::Tensor { tensor: name("codebook"), problem });
    }
    // Read first: the packed indices bound the shape before anything is sized by it.
    let indices = file.packed(&name("indices"), places, bits_for(codewords))?;
    let basis = read_basis(file, n, manifest)?;
    let d = basis.len();
    let quantised = if manifest.int8 {
        let levels = name("gain_levels");
        let gain_scale = match file.rows(&levels) {
            None => GainScale::Linear,
            Some(NARROW_GAIN_CODES) => {
                GainScale::Table(file.values(&levels, Dtype::I16, &[NARROW_GAIN_CODES], i16::from_le_bytes)?)
            }
            Some(_) => GainScale::Table(file.values(&levels, Dtype::I16, &[GAIN_CODES], i16::from_le_bytes)?),
        };
        let codes = file.packed(&name("gains"), places, gain_scale.bits())?;
        Quantised::Int8 {
            codebook: file.i8(&name("codebook"), &[rows, d])?,
            gains: codes.into_iter().map(|code| code as u8).collect(),
            gain_scale,
            output_scale: file.f32(&name("output_scale"), &[outputs])?,
        }
    } else {
        Quantised::Float {
            codebook: file.f32(&name("codebook"), &[rows, d])?,
            gains: file.f32(&name("gains"), if manifest.stages == 1 { &edges } else { &places })?,
        }
    };
    Ok(Edges { indices, basis, quantised })
}

fn read_layer(file: &mut File<'_>, n: usize, manifest: &LayerManifest) -> Result<CompressedLayer, ArtifactError> {
    let name = |field: &str| format!("layers.{n}.{field}");
    let (inputs, outputs) = (manifest.inputs, manifest.outputs);
    let edges = [outputs, inputs];
    let read = if manifest.dense { read_dense } else { read_edges };
    let Edges { indices, basis, quantised } = read(file, n, manifest)?;
    let base = match manifest.base {
        None => None,
        Some(activation) if manifest.dense => {
            let output_scale = file.f32(&name("base_weights"), &edges)?;
            Some(CompressedBase { activation, weights: vec![1; output_scale.len()], output_scale })
        }
        Some(activation) => Some(CompressedBase {
            activation,
            weights: file.i8(&name("base_weights"), &edges)?,
            output_scale: file.f32(&name("base_scale"), &[outputs])?,
        }),
    };
    let (weight, shift) = (format!("norms.{n}.weight"), format!("norms.{n}.bias"));
    let input_map = match manifest.input_map {
        MapManifest::Identity => InputMap::Identity,
        MapManifest::Affine { clamp } => {
            InputMap::Affine { scale: file.f32(&weight, &[inputs])?, shift: file.f32(&shift, &[inputs])?, clamp }
        }
        MapManifest::LayerNorm { epsilon } => {
            InputMap::LayerNorm { weight: file.f32(&weight, &[inputs])?, bias: file.f32(&shift, &[inputs])?, epsilon }
        }
        MapManifest::GroupNorm { groups, epsilon, clamp } => InputMap::GroupNorm {
            groups,
            weight: file.f32(&weight, &[inputs])?,
            bias: file.f32(&shift, &[inputs])?,
            epsilon,
            clamp,
        },
    };
    let bias = file.f32(&name("bias"), &[outputs])?;
    Ok(CompressedLayer { inputs, outputs, input_map, basis, stages: manifest.stages, indices, quantised, base, bias })
}

fn read_basis(file: &mut File<'_>, n: usize, manifest: &LayerManifest) -> Result<Basis, ArtifactError> {
    let inputs = manifest.inputs;
    let (order, intervals, grid) = match &manifest.basis {
        BasisManifest::Gaussian { centres, denominator } => {
            return Ok(Basis::Gaussian { centres: centres.clone(), denominator: *denominator });
        }
        BasisManifest::BSpline { order, intervals, grid } => (*order, *intervals, grid),
    };
    // A layer's inputs are bounded by a tensor's shape before anything is sized by them.
    let largest = order.checked_mul(2).and_then(|ends| ends.checked_add(intervals)).and_then(|row| row.checked_add(1));
    let (Some(row), Some(_)) = (largest, file.rows(&format!("layers.{n}.bias"))) else {
        return Err(ArtifactError::Manifest(format!("layer {n} has order {order} and {intervals} intervals")));
    };
    let knots = match grid {
        Grid::Shared { low, step } => Knots::Uniform { low: vec![*low; inputs], step: vec![*step; inputs] },
        Grid::PerInput(_) => {
            let values = file.f64(&format!("layers.{n}.grid"), &[inputs, 2])?;
            let (low, step) = values.as_chunks::<2>().0.iter().map(|[low, step]| (*low, *step)).unzip();
            Knots::Uniform { low, step }
        }
        Grid::Knots(_) => Knots::PerInput(file.f64(&format!("layers.{n}.knots"), &[inputs, row])?),
        Grid::None => {
            return Err(ArtifactError::Manifest(format!("layer {n} has B-splines and no grid")));
        }
    };
    Ok(Basis::BSpline { order, intervals, knots })
}
