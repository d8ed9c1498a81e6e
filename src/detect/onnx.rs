//! Backbones in ONNX files, run on the CPU by `rten`.

use std::sync::Arc;
use std::time::Duration;

use rten::{DataType, Dimension, Model, ModelOptions, NodeId, NodeInfo, RunOptions, ThreadPool, Value, ValueType};

use web_time::Instant;

use super::detector::Clock;
use super::error::one_line;
use super::features::{check_sides, common_stride};
use super::{Backbone, BackboneProblem, CellFeatures, DetectError, FeatureMap, Picture};
use crate::head::{DetectionConfig, InputShape, TensorLayout};
use crate::onnx_file::{Unread, in_one_piece};

/// A network from an ONNX file whose named outputs are the feature maps of a head.
///
/// The outputs are `[1, channels, height, width]` f32, whatever the layout of the input. Clones share the weights.
#[derive(Clone)]
pub struct OnnxBackbone {
    name: String,
    model: Arc<Model>,
    threads: Option<Arc<ThreadPool>>,
    input: NodeId,
    outputs: Vec<NodeId>,
    channels: Vec<usize>,
    /// Pixels that the sides of a rectangle are multiples of.
    common_stride: u32,
    /// Shape of the input where its height or width is fixed.
    fixed: Option<String>,
    head: DetectionConfig,
}

/// Where the time of a backbone went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackboneTimes {
    /// Pixels to the network's numbers.
    pub prepare: Duration,
    /// The network.
    pub network: Duration,
    /// Maps to rows.
    pub join: Duration,
}

impl OnnxBackbone {
    /// Loads a network and runs it once on an empty image, so that whatever does not fit comes up here. `name` stands
    /// for it in messages.
    ///
    /// # Errors
    /// Where the bytes are no ONNX network that `rten` runs; where an input or output that the settings name is missing;
    /// where a type, shape or size does not fit the settings.
    pub fn from_bytes(bytes: Vec<u8>, name: &str, head: &DetectionConfig) -> Result<Self, DetectError> {
        head.check()?;
        Self::from_one_piece(in_one_piece(bytes).map_err(|problem| unread(problem, name))?, name, head)
    }

    fn from_one_piece(bytes: Vec<u8>, name: &str, head: &DetectionConfig) -> Result<Self, DetectError> {
        let fail = |problem| DetectError::Backbone { backbone: name.to_string(), problem };
        let model = ModelOptions::with_all_ops()
            .prepack_weights(true)
            .load(bytes)
            .map_err(|error| fail(BackboneProblem::Load(one_line(&error))))?;
        let input = find_input(&model, head).map_err(fail)?;
        let outputs = find_outputs(&model, head).map_err(fail)?;
        let mut backbone = Self {
            name: name.to_string(),
            model: Arc::new(model),
            threads: None,
            input,
            outputs,
            channels: Vec::new(),
            common_stride: head.stride,
            fixed: None,
            head: head.clone(),
        };
        let (sides, padding) = (head.sides(), [head.pixels.padding; 3]);
        let maps = backbone.run(head.pixels.prepare(&Picture::filled(sides[0], sides[1], padding)), sides)?;
        let maps_of_square = backbone.maps(&maps);
        CellFeatures::join(&maps_of_square, head, name)?;
        let cells_a_value = maps_of_square.iter().map(|map| head.grid(sides)[0] / map.width.max(1));
        backbone.common_stride = common_stride(cells_a_value, head.stride);
        backbone.channels = maps.iter().map(|map| map.shape[0]).collect();
        backbone.fixed = backbone.fixed_input();
        Ok(backbone)
    }

    /// Loads a network from a file, see [`OnnxBackbone::from_bytes`]. Constants may lie in files of the same folder or
    /// below it.
    ///
    /// # Errors
    /// Where the file cannot be read, and as [`OnnxBackbone::from_bytes`].
    #[cfg(feature = "files")]
    pub fn open(path: &std::path::Path, head: &DetectionConfig) -> Result<Self, DetectError> {
        let name = path.display().to_string();
        head.check()?;
        let bytes = crate::onnx_file::read(path).map_err(|problem| unread(problem, &name))?;
        Self::from_one_piece(bytes, &name, head)
    }

    /// The same network on threads of its own, instead of those that all networks share, as many as the processor has
    /// cores. Of several images at once, each on one thread, more get done than of one on all threads.
    #[must_use]
    pub fn with_threads(&self, threads: usize) -> Self {
        Self { threads: Some(Arc::new(ThreadPool::with_num_threads(threads.max(1)))), ..self.clone() }
    }

    fn fail(&self, problem: BackboneProblem) -> DetectError {
        DetectError::Backbone { backbone: self.name.clone(), problem }
    }

    /// Features of a letterboxed image as [`Backbone::features`] gives them, and where the time went.
    ///
    /// # Errors
    /// Where the image is of another size or the network fails.
    pub fn features_timed(&mut self, image: &Picture) -> Result<(CellFeatures, BackboneTimes), DetectError> {
        let mut clock = Clock(Instant::now());
        let sides = [image.width(), image.height()];
        check_sides(image, &self.head)?;
        let pixels = self.head.pixels.prepare(image);
        let prepare = clock.lap();
        let outputs = self.run(pixels, sides)?;
        let network = clock.lap();
        let features = CellFeatures::join_within(&self.maps(&outputs), &self.head, sides, &self.name)?;
        Ok((features, BackboneTimes { prepare, network, join: clock.lap() }))
    }

    /// The input's shape, where it has a height or width that is fixed.
    fn fixed_input(&self) -> Option<String> {
        let shape = self.model.node_info(self.input).and_then(|info| info.shape())?;
        let first = match self.head.pixels.layout {
            TensorLayout::Nchw => 2,
            TensorLayout::Nhwc => 1,
        };
        let sides = shape.iter().skip(first).take(2);
        sides.into_iter().any(|side| matches!(side, Dimension::Fixed(_))).then(|| shown(&shape))
    }

    /// The named outputs for the numbers of one image of this width and height.
    fn run(&self, numbers: Vec<f32>, sides: [u32; 2]) -> Result<Vec<OutputMap>, DetectError> {
        let pixels = &self.head.pixels;
        let failed = |error: &dyn std::fmt::Display| self.fail(BackboneProblem::Run(one_line(&error)));
        let shape = pixels.input_shape_of(sides);
        let input = Value::from_shape(shape, numbers).map_err(|error| failed(&error))?;
        let options = RunOptions::default().with_thread_pool(self.threads.clone());
        let values = self
            .model
            .run(vec![(self.input, input.into())], &self.outputs, Some(options))
            .map_err(|error| failed(&error))?;
        self.head
            .features
            .iter()
            .zip(values)
            .map(|(name, value)| OutputMap::new(name, value).map_err(|problem| self.fail(problem)))
            .collect()
    }

    fn maps<'a>(&'a self, outputs: &'a [OutputMap]) -> Vec<FeatureMap<'a>> {
        let map = |(name, map): (&'a String, &'a OutputMap)| {
            let [channels, height, width] = map.shape;
            FeatureMap { name, channels, height, width, values: &map.values }
        };
        self.head.features.iter().zip(outputs).map(map).collect()
    }
}

impl Backbone for OnnxBackbone {
    fn channels(&self) -> usize {
        self.channels.iter().sum()
    }

    fn features(&mut self, image: &Picture) -> Result<CellFeatures, DetectError> {
        Ok(self.features_timed(image)?.0)
    }

    fn take_rectangles(&mut self) -> Result<u32, DetectError> {
        if let Some(found) = self.fixed.clone() {
            let input = self.head.pixels.input.clone();
            return Err(self.fail(BackboneProblem::FixedSides { input, found }));
        }
        self.head.shape = InputShape::Rectangle(self.common_stride);
        Ok(self.common_stride)
    }

    fn describe(&self) -> String {
        let parts = self.head.features.iter().zip(&self.channels).map(|(name, channels)| format!("{name} {channels}"));
        parts.collect::<Vec<_>>().join(" + ")
    }
}

fn unread(problem: Unread, name: &str) -> DetectError {
    match problem {
        Unread::File(problem) => DetectError::Unreadable { path: name.to_owned(), problem },
        other => DetectError::Backbone { backbone: name.to_owned(), problem: BackboneProblem::Load(one_line(&other)) },
    }
}

/// An output of the network as plain values.
struct OutputMap {
    /// Channels, height, width.
    shape: [usize; 3],
    values: Vec<f32>,
}

impl OutputMap {
    fn new(name: &str, value: Value) -> Result<Self, BackboneProblem> {
        let found = value.dtype();
        let Value::FloatTensor(tensor) = value else {
            return Err(BackboneProblem::OutputType { output: name.into(), found: found.to_string() });
        };
        let shape = rten_tensor::Layout::shape(&tensor);
        match *shape {
            [1, channels, height, width] => Ok(Self { shape: [channels, height, width], values: tensor.into_data() }),
            _ => Err(BackboneProblem::OutputShape { output: name.into(), found: format!("{shape:?}") }),
        }
    }
}

fn find_input(model: &Model, head: &DetectionConfig) -> Result<NodeId, BackboneProblem> {
    let name = &head.pixels.input;
    let inputs = model.input_ids();
    let found = || listed(model, inputs);
    let Some(&input) = inputs.iter().find(|&&id| named(model, id, name)) else {
        return Err(BackboneProblem::MissingInput { expected: name.clone(), found: found() });
    };
    if inputs.len() > 1 {
        return Err(BackboneProblem::ExtraInputs { expected: name.clone(), found: found() });
    }
    let info = model.node_info(input);
    if let Some(found) = info.as_ref().and_then(NodeInfo::dtype)
        && found != ValueType::Tensor(DataType::Float)
    {
        return Err(BackboneProblem::InputType { input: name.clone(), found: found.to_string() });
    }
    let expected = head.pixels.input_shape_of(head.sides());
    if let Some(shape) = info.as_ref().and_then(NodeInfo::shape)
        && !fits(&shape, &expected)
    {
        return Err(BackboneProblem::InputShape {
            input: name.clone(),
            found: shown(&shape),
            expected: format!("{expected:?}").replace(' ', ""),
            layout: match head.pixels.layout {
                TensorLayout::Nchw => "nchw",
                TensorLayout::Nhwc => "nhwc",
            },
        });
    }
    Ok(input)
}

fn find_outputs(model: &Model, head: &DetectionConfig) -> Result<Vec<NodeId>, BackboneProblem> {
    let outputs = model.output_ids();
    let find = |name: &String| match outputs.iter().find(|&&id| named(model, id, name)) {
        Some(&output) => Ok(output),
        None => Err(BackboneProblem::MissingOutput { expected: name.clone(), found: listed(model, outputs) }),
    };
    head.features.iter().map(find).collect()
}

fn named(model: &Model, id: NodeId, name: &str) -> bool {
    model.node_info(id).is_some_and(|info| info.name() == Some(name))
}

/// Names of inputs or outputs, for messages.
fn listed(model: &Model, ids: &[NodeId]) -> String {
    let name = |&id: &NodeId| model.node_info(id).and_then(|info| info.name()).unwrap_or("(unnamed)").to_string();
    let names: Vec<String> = ids.iter().map(name).collect();
    if names.is_empty() { "(none)".into() } else { one_line(&names.join(", ")) }
}

fn fits(shape: &[Dimension], expected: &[usize]) -> bool {
    shape.len() == expected.len()
        && shape.iter().zip(expected).all(|(found, expected)| match found {
            Dimension::Fixed(found) => found == expected,
            Dimension::Symbolic(_) => true,
        })
}

fn shown(shape: &[Dimension]) -> String {
    let size = |dimension: &Dimension| match dimension {
        Dimension::Fixed(size) => size.to_string(),
        Dimension::Symbolic(name) => name.clone(),
    };
    one_line(&format!("[{}]", shape.iter().map(size).collect::<Vec<_>>().join(",")))
}
