//! Backbones in ONNX files, run on the CPU by the user's own onnxruntime.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::session::{OutputSelector, RunOptions, Session};
use ort::value::{Outlet, Shape, TensorElementType, TensorRef};

use super::error::one_line;
use super::features::{check_sides, common_stride};
use super::{Backbone, BackboneProblem, CellFeatures, DetectError, FeatureMap, Picture};
use crate::head::{DetectionConfig, InputShape, TensorLayout};

/// The environment of the process, and the library that it is of: there can be one.
static ENVIRONMENT: Mutex<Option<(std::path::PathBuf, Environment)>> = Mutex::new(None);

/// A network from an ONNX file whose named outputs are the feature maps of a head, as
/// [`OnnxBackbone`](super::OnnxBackbone), run by an onnxruntime (1.17 or newer) that the caller has. Nothing is downloaded: the
/// library is loaded from the path that is given.
///
/// The features are those of [`OnnxBackbone`](super::OnnxBackbone) up to the rounding of another order of sums.
pub struct OrtBackbone {
    name: String,
    environment: Environment,
    bytes: Arc<[u8]>,
    session: Session,
    channels: Vec<usize>,
    /// Pixels that the sides of a rectangle are multiples of.
    common_stride: u32,
    head: DetectionConfig,
}

impl std::fmt::Debug for OrtBackbone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrtBackbone")
            .field("name", &self.name)
            .field("channels", &self.channels)
            .finish_non_exhaustive()
    }
}

impl OrtBackbone {
    /// Loads a network into the onnxruntime in the file `library`, and runs it once on an empty image, so that whatever does
    /// not fit comes up here. `name` stands for it in messages; `threads` is how many it runs on, as many as the processor has
    /// cores with 0.
    ///
    /// # Errors
    /// Where the library cannot be loaded, is older than 1.17, or the process has another one; where the bytes are no network
    /// that it runs; where an input or output that the settings name is missing, or a type, shape or size does not fit them.
    pub fn from_bytes(
        library: &Path,
        bytes: &[u8],
        name: &str,
        head: &DetectionConfig,
        threads: usize,
    ) -> Result<Self, DetectError> {
        head.check()?;
        let fail = |problem| DetectError::Backbone { backbone: name.to_owned(), problem };
        let environment = environment(library).map_err(|problem| fail(BackboneProblem::Load(problem)))?;
        Self::in_environment(environment, bytes.into(), name, head, threads)
    }

    /// Loads a network from a file, see [`OrtBackbone::from_bytes`].
    ///
    /// # Errors
    /// Where the file cannot be read, and as [`OrtBackbone::from_bytes`].
    #[cfg(feature = "files")]
    pub fn open(library: &Path, path: &Path, head: &DetectionConfig, threads: usize) -> Result<Self, DetectError> {
        let name = path.display().to_string();
        let bytes = crate::regular_file::read(path, u64::MAX)
            .map_err(|problem| DetectError::Unreadable { path: name.clone(), problem: problem.into() })?;
        Self::from_bytes(library, &bytes, &name, head, threads)
    }

    /// The same network, loaded once more, on so many threads of its own.
    ///
    /// # Errors
    /// As [`OrtBackbone::from_bytes`].
    pub fn with_threads(&self, threads: usize) -> Result<Self, DetectError> {
        let (environment, bytes) = (self.environment.clone(), Arc::clone(&self.bytes));
        Self::in_environment(environment, bytes, &self.name, &self.head, threads)
    }

    fn in_environment(
        environment: Environment,
        bytes: Arc<[u8]>,
        name: &str,
        head: &DetectionConfig,
        threads: usize,
    ) -> Result<Self, DetectError> {
        let fail = |problem| DetectError::Backbone { backbone: name.to_owned(), problem };
        let session = session(&environment, &bytes, threads).map_err(|problem| fail(BackboneProblem::Load(problem)))?;
        check_input(session.inputs(), head).map_err(fail)?;
        let outputs = session.outputs();
        if let Some(expected) = head.features.iter().find(|wanted| outputs.iter().all(|own| own.name() != *wanted)) {
            return Err(fail(BackboneProblem::MissingOutput { expected: expected.clone(), found: listed(outputs) }));
        }
        let (name, head, common_stride) = (name.to_owned(), head.clone(), head.stride);
        let mut backbone = Self { name, environment, bytes, session, channels: Vec::new(), common_stride, head };
        let ([width, height], padding) = (backbone.head.sides(), [backbone.head.pixels.padding; 3]);
        let (_, channels) = backbone.run(&Picture::filled(width, height, padding))?;
        backbone.channels = channels;
        Ok(backbone)
    }

    /// Features of a letterboxed image, and how many channels of each map they have.
    fn run(&mut self, image: &Picture) -> Result<(CellFeatures, Vec<usize>), DetectError> {
        let Self { name, session, head, common_stride: of_maps, .. } = self;
        let fail = |problem| DetectError::Backbone { backbone: name.clone(), problem };
        let failed = |error: ort::Error| fail(BackboneProblem::Run(one_line(&error)));
        let numbers = head.pixels.prepare(image);
        let sides = [image.width(), image.height()];
        let shape = head.pixels.input_shape_of(sides);
        let input = TensorRef::from_array_view((shape, &numbers[..])).map_err(failed)?;
        let wanted = head.features.iter().fold(OutputSelector::no_default(), |all, one| all.with(one.clone()));
        let options = RunOptions::new().map_err(failed)?.with_outputs(wanted);
        let inputs = ort::inputs![head.pixels.input.as_str() => input];
        let outputs = session.run_with_options(inputs, &options).map_err(failed)?;
        let mut maps = Vec::with_capacity(head.features.len());
        for name in &head.features {
            let missing = || BackboneProblem::Run(format!("gives no output '{name}'"));
            let value = outputs.get(name).ok_or_else(|| fail(missing()))?;
            let (shape, values) = value.try_extract_tensor::<f32>().map_err(|_| {
                let found = value.dtype().tensor_type().map_or_else(|| "no tensor".into(), |found| found.to_string());
                fail(BackboneProblem::OutputType { output: name.clone(), found })
            })?;
            let sizes: Vec<usize> = shape.iter().map(|&size| usize::try_from(size).unwrap_or(0)).collect();
            let &[1, channels, height, width] = &sizes[..] else {
                let found = format!("{sizes:?}");
                return Err(fail(BackboneProblem::OutputShape { output: name.clone(), found }));
            };
            maps.push(FeatureMap { name, channels, height, width, values });
        }
        let channels = maps.iter().map(|map| map.channels).collect();
        let features = CellFeatures::join_within(&maps, head, sides, name)?;
        *of_maps = common_stride(maps.iter().map(|map| head.grid(sides)[0] / map.width.max(1)), head.stride);
        Ok((features, channels))
    }
}

impl Backbone for OrtBackbone {
    fn channels(&self) -> usize {
        self.channels.iter().sum()
    }

    fn features(&mut self, image: &Picture) -> Result<CellFeatures, DetectError> {
        check_sides(image, &self.head)?;
        Ok(self.run(image)?.0)
    }

    fn take_rectangles(&mut self) -> Result<u32, DetectError> {
        let input = self.session.inputs().iter().find(|input| input.name() == self.head.pixels.input);
        let first = match self.head.pixels.layout {
            TensorLayout::Nchw => 2,
            TensorLayout::Nhwc => 1,
        };
        if let Some(shape) = input.and_then(|input| input.dtype().tensor_shape())
            && shape.iter().skip(first).take(2).any(|&side| side >= 0)
        {
            let (input, found) = (self.head.pixels.input.clone(), format!("{:?}", &shape[..]).replace(' ', ""));
            let problem = BackboneProblem::FixedSides { input, found };
            return Err(DetectError::Backbone { backbone: self.name.clone(), problem });
        }
        self.head.shape = InputShape::Rectangle(self.common_stride);
        Ok(self.common_stride)
    }

    fn describe(&self) -> String {
        let parts = self.head.features.iter().zip(&self.channels).map(|(name, channels)| format!("{name} {channels}"));
        parts.collect::<Vec<_>>().join(" + ")
    }
}

/// The environment of a library, loaded at the first time.
fn environment(library: &Path) -> Result<Environment, String> {
    let mut open = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((other, environment)) = &*open {
        let same = other == library;
        let other = other.display();
        return if same {
            Ok(environment.clone())
        } else {
            Err(format!("this process has the onnxruntime {other} already"))
        };
    }
    let builder = ort::init_from(library).map_err(|error| format!("onnxruntime: {}", one_line(&error)))?;
    let environment =
        builder.with_telemetry(false).build().map_err(|error| format!("onnxruntime: {}", one_line(&error)))?;
    *open = Some((library.to_path_buf(), environment.clone()));
    Ok(environment)
}

fn session(environment: &Environment, bytes: &[u8], threads: usize) -> Result<Session, String> {
    let mut builder = Session::builder(environment).map_err(|error| one_line(&error))?;
    if threads > 0 {
        builder = builder.with_intra_threads(threads).map_err(|error| one_line(&error))?;
    }
    builder.commit_from_memory(bytes).map_err(|error| one_line(&error))
}

fn check_input(inputs: &[Outlet], head: &DetectionConfig) -> Result<(), BackboneProblem> {
    let name = &head.pixels.input;
    let found = || listed(inputs);
    let Some(input) = inputs.iter().find(|input| input.name() == name) else {
        return Err(BackboneProblem::MissingInput { expected: name.clone(), found: found() });
    };
    if inputs.len() > 1 {
        return Err(BackboneProblem::ExtraInputs { expected: name.clone(), found: found() });
    }
    let kind = input.dtype().tensor_type();
    if kind != Some(TensorElementType::Float32) {
        let found = kind.map_or_else(|| "no tensor".into(), |kind| kind.to_string());
        return Err(BackboneProblem::InputType { input: name.clone(), found });
    }
    let expected = head.pixels.input_shape_of(head.sides());
    if let Some(shape) = input.dtype().tensor_shape()
        && !fits(shape, &expected)
    {
        return Err(BackboneProblem::InputShape {
            input: name.clone(),
            found: format!("{:?}", &shape[..]).replace(' ', ""),
            expected: format!("{expected:?}").replace(' ', ""),
            layout: match head.pixels.layout {
                TensorLayout::Nchw => "nchw",
                TensorLayout::Nhwc => "nhwc",
            },
        });
    }
    Ok(())
}

/// Sizes that are not known are below 0.
fn fits(shape: &Shape, expected: &[usize]) -> bool {
    let same = |(&found, &expected): (&i64, &usize)| found < 0 || found == expected as i64;
    shape.len() == expected.len() && shape.iter().zip(expected).all(same)
}

/// Names of inputs or outputs, for messages.
fn listed(all: &[Outlet]) -> String {
    let names: Vec<&str> = all.iter().map(Outlet::name).collect();
    if names.is_empty() { "(none)".into() } else { one_line(&names.join(", ")) }
}
