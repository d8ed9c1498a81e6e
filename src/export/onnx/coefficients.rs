//! Coefficients, in full or expanded from a codebook.

use super::graph::{Graph, Kind};
use crate::head::{Activation, CompressedLayer, DenseLayer, GainScale, Quantised};

/// Most codes of half a byte.
const NARROW: usize = 16;

/// The weights of a layer.
pub(super) enum Weights<'a> {
    /// Every coefficient.
    Whole(&'a DenseLayer),
    /// A codebook, of this name in the file, indices and gains.
    Shared(&'a CompressedLayer, String),
}

impl Weights<'_> {
    /// Adds coefficients `[outputs, inputs * coefficients an edge]` in f32.
    pub(super) fn coefficients(&self, graph: &mut Graph, stem: &str) -> String {
        match self {
            Self::Whole(layer) => {
                let shape = [layer.outputs, layer.inputs * layer.basis.len()];
                graph.constant(&format!("{stem}.coefficients"), Kind::F32, &shape, &layer.coefficients)
            }
            Self::Shared(layer, codebook) => {
                let mut sum: Option<String> = None;
                for stage in 0..layer.stages {
                    let part = of_stage(graph, stem, layer, codebook, stage);
                    sum = Some(match sum {
                        None => part,
                        Some(before) => graph.node("Add", &[&before, &part], &[]),
                    });
                }
                let width = layer.inputs * layer.basis.len();
                graph.reshape(&sum.unwrap_or_default(), &[layer.outputs as i64, width as i64])
            }
        }
    }

    /// Adds the weights `[outputs, inputs]` of the base path, where there is one.
    pub(super) fn base(&self, graph: &mut Graph, stem: &str) -> Option<(Activation, String)> {
        let name = format!("{stem}.base_weights");
        match self {
            Self::Whole(layer) => {
                let base = layer.base.as_ref()?;
                let shape = [layer.outputs, layer.inputs];
                Some((base.activation, graph.constant(&name, Kind::F32, &shape, &base.weights)))
            }
            Self::Shared(layer, _) => {
                let base = layer.base.as_ref()?;
                if layer.is_dense() {
                    // A layer that is kept dense has its weights where others have a factor per output.
                    let shape = [layer.outputs, layer.inputs];
                    return Some((base.activation, graph.constant(&name, Kind::F32, &shape, &base.output_scale)));
                }
                let whole = graph.constant(&name, Kind::I8, &[layer.outputs, layer.inputs], &base.weights);
                let whole = graph.cast(&whole, Kind::F32);
                let scale = format!("{stem}.base_scale");
                let scale = graph.constant(&scale, Kind::F32, &[layer.outputs, 1], &base.output_scale);
                Some((base.activation, graph.node("Mul", &[&whole, &scale], &[])))
            }
        }
    }
}

/// The coefficients of one stage, `[outputs, inputs, coefficients an edge]`.
fn of_stage(graph: &mut Graph, stem: &str, layer: &CompressedLayer, codebook: &str, stage: usize) -> String {
    let (edges, d, codewords) = (layer.edges(), layer.basis.len(), layer.codewords());
    let (places, values) = (stage * edges..(stage + 1) * edges, stage * codewords * d..(stage + 1) * codewords * d);
    let shape = [layer.outputs, layer.inputs];
    let numbered = |what: &str| if stage == 0 { what.to_owned() } else { format!("{what}_{stage}") };
    let (book, gains) = match &layer.quantised {
        Quantised::Float { codebook: all, gains } => {
            let book = graph.constant(&numbered(codebook), Kind::F32, &[codewords, d], &all[values]);
            let gains = graph.constant(&numbered(&format!("{stem}.gains")), Kind::F32, &shape, &gains[places.clone()]);
            (book, gains)
        }
        Quantised::Int8 { codebook: all, gains, gain_scale, output_scale } => {
            let book = graph.constant(&numbered(codebook), Kind::I8, &[codewords, d], &all[values]);
            let book = graph.cast(&book, Kind::F32);
            let codes = &gains[places.clone()];
            let name = numbered(&format!("{stem}.gains"));
            let levels = match gain_scale {
                GainScale::Linear => {
                    let codes = graph.constant(&name, Kind::I8, &shape, codes);
                    graph.cast(&codes, Kind::F32)
                }
                GainScale::Table(levels) => {
                    let codes: Vec<u16> = codes.iter().map(|&code| u16::from(code)).collect();
                    let codes = numbers(graph, &name, &codes, levels.len(), shape);
                    let levels: Vec<f32> = levels.iter().map(|&level| f32::from(level)).collect();
                    let levels = graph.constant(&format!("{stem}.gain_levels"), Kind::F32, &[levels.len()], &levels);
                    graph.node("Gather", &[&levels, &codes], &[])
                }
            };
            let scale = format!("{stem}.output_scale");
            let scale = graph.constant(&scale, Kind::F32, &[layer.outputs, 1], output_scale);
            (book, graph.node("Mul", &[&levels, &scale], &[]))
        }
    };
    let name = numbered(&format!("{stem}.indices"));
    let indices = numbers(graph, &name, &layer.indices[places], codewords, shape);
    let shapes = graph.node("Gather", &[&book, &indices], &[]);
    let gains = graph.unsqueeze(&gains, 2);
    graph.node("Mul", &[&shapes, &gains], &[])
}

/// Adds numbers below `most` in as few bytes as ONNX's plain types and two to a byte allow; gives them as `shape` in i32.
fn numbers(graph: &mut Graph, name: &str, values: &[u16], most: usize, shape: [usize; 2]) -> String {
    if most > 256 {
        let kept = graph.constant(name, Kind::U16, &shape, values);
        return graph.cast(&kept, Kind::I32);
    }
    if most > NARROW {
        let bytes: Vec<u8> = values.iter().map(|&value| value as u8).collect();
        let kept = graph.constant(name, Kind::U8, &shape, &bytes);
        return graph.cast(&kept, Kind::I32);
    }
    let pairs: Vec<u8> =
        values.chunks(2).map(|pair| pair[0] as u8 | pair.get(1).map_or(0, |&second| (second as u8) << 4)).collect();
    let kept = graph.constant(name, Kind::U8, &[pairs.len(), 1], &pairs);
    let kept = graph.cast(&kept, Kind::I32);
    let sixteen = graph.constant("sixteen", Kind::I32, &[], &[16_i32]);
    let low = graph.node("Mod", &[&kept, &sixteen], &[]);
    let high = graph.node("Div", &[&kept, &sixteen], &[]);
    let both = graph.node("Concat", &[&low, &high], &[("axis", 1.into())]);
    let flat = graph.reshape(&both, &[-1]);
    let exact = graph.part(&flat, 0, values.len());
    graph.reshape(&exact, &[shape[0] as i64, shape[1] as i64])
}
