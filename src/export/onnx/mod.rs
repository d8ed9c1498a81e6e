//! A head as an ONNX network of standard operators, from rows `[rows, inputs]` to `[rows, outputs]`.
//!
//! A layer is its input map, its basis on every input, `[rows, inputs * coefficients]`, and one product with the coefficients.
//! The map and the place of an input between its knots are computed in f64, for knots are kept in f64 and a grid may lie far from
//! zero; everything after that is f32.
//!
//! Of a compressed layer codebook, indices and gains stand in the file as they are, but for indices, which take a whole byte
//! or two unless two fit into one. They are expanded by `Gather` and `Mul`, which runtimes do once, when they load the network.

mod basis;
mod coefficients;
mod functions;
mod graph;
mod input_map;
mod proto;

use super::ExportError;
use crate::head::{Basis, DETECTION_KEY, DenseLayer, Head, InputMap};
use basis::basis;
use coefficients::Weights;
use graph::{Graph, Kind};

/// Version of ONNX's operators that the network is of.
pub const OPSET: i64 = 17;
/// Name of the network's input, f32 `[rows, inputs]`.
pub const INPUT: &str = "input";
/// Name of the network's output, f32 `[rows, outputs]`; of a bank those of all heads side by side.
pub const OUTPUT: &str = "output";

/// Most bytes of a message of protobuf.
const MOST_BYTES: usize = i32::MAX as usize;

/// The bytes of an ONNX file of a head; the same head gives the same bytes.
///
/// The network computes what the dense form of the head does ([`decompress`](crate::compress::decompress) gives that of a
/// compressed one), to within the rounding of f32. It does not round to integers as sessions of compressed heads do.
///
/// # Errors
/// Where the file would be larger than 2 GiB.
pub fn to_onnx(head: &Head) -> Result<Vec<u8>, ExportError> {
    let mut graph = Graph::default();
    let outputs: Vec<String> = match head {
        Head::Dense(dense) => {
            let mut rows = INPUT.to_owned();
            for (at, layer) in dense.layers().iter().enumerate() {
                rows = dense_layer(&mut graph, &format!("layers.{at}"), layer, &rows);
            }
            vec![rows]
        }
        Head::Compressed(bank) => {
            let several = bank.single().is_none();
            let of_member = |(number, member): (usize, &crate::head::Member)| {
                let mut rows = INPUT.to_owned();
                for (at, layer) in member.head.layers().iter().enumerate() {
                    let codebook = format!("layers.{at}.codebook");
                    let stem = if several { format!("heads.{number}.layers.{at}") } else { format!("layers.{at}") };
                    let parts = Parts {
                        inputs: layer.inputs,
                        map: &layer.input_map,
                        basis: &layer.basis,
                        weights: Weights::Shared(layer, codebook),
                        bias: Some(&layer.bias),
                    };
                    rows = parts.add(&mut graph, &stem, &rows);
                }
                rows
            };
            bank.members().iter().enumerate().map(of_member).collect()
        }
    };
    match &outputs[..] {
        [one] => graph.node_to("Identity", &[one], OUTPUT, &[]),
        several => {
            let several: Vec<&str> = several.iter().map(String::as_str).collect();
            graph.node_to("Concat", &several, OUTPUT, &[("axis", 1.into())]);
        }
    }
    let detection = head.detection().map(crate::head::DetectionConfig::to_json).transpose()?;
    let metadata: Vec<(&str, &str)> = detection.iter().map(|text| (DETECTION_KEY, text.as_str())).collect();
    let bytes = graph.finish((INPUT, head.inputs()), (OUTPUT, head.outputs()), OPSET, &metadata);
    match bytes.len() <= MOST_BYTES {
        true => Ok(bytes),
        false => Err(ExportError::TooLarge { bytes: bytes.len(), most: MOST_BYTES }),
    }
}

/// What a layer of either form is made of.
struct Parts<'a> {
    inputs: usize,
    map: &'a InputMap,
    basis: &'a Basis,
    weights: Weights<'a>,
    bias: Option<&'a [f32]>,
}

fn dense_layer(graph: &mut Graph, stem: &str, layer: &DenseLayer, rows: &str) -> String {
    let DenseLayer { inputs, input_map, basis, bias, .. } = layer;
    Parts { inputs: *inputs, map: input_map, basis, weights: Weights::Whole(layer), bias: bias.as_deref() }
        .add(graph, stem, rows)
}

impl Parts<'_> {
    /// Adds the layer behind `rows`; gives the name of its outputs.
    fn add(&self, graph: &mut Graph, stem: &str, rows: &str) -> String {
        let wide = graph.cast(rows, Kind::F64);
        let mapped = input_map::mapped(graph, stem, self.map, self.inputs, &wide);
        let values = basis(graph, stem, self.basis, self.inputs, &mapped);
        let width = (self.inputs * self.basis.len()) as i64;
        let flat = graph.reshape(&values, &[-1, width]);
        let coefficients = self.weights.coefficients(graph, stem);
        let mut sum = graph.product(&flat, &coefficients, self.bias.map(|bias| (format!("{stem}.bias"), bias)));
        if let Some((function, weights)) = self.weights.base(graph, stem) {
            let seen = match self.map {
                InputMap::Identity | InputMap::LayerNorm { .. } => rows.to_owned(),
                _ => graph.cast(&mapped, Kind::F32),
            };
            let active = functions::activated(graph, function, &seen);
            let beside = graph.product(&active, &weights, None);
            sum = graph.node("Add", &[&sum, &beside], &[]);
        }
        sum
    }
}
