//! From pixels to rows of features.

use std::ops::Range;

use super::features::{DeviceFeatures, DeviceMap};
use super::letterbox::{DeviceLetterbox, LetterboxPass};
use crate::detect::error::one_line;
use crate::detect::{BackboneProblem, DetectError};
use crate::head::{DetectionConfig, TensorLayout};
use crate::network::{
    Budget, ElementType, Network, NetworkError, NetworkMemory, NetworkOptions, NetworkSession, Precision, Side,
};
use crate::run::Gpu;

/// Letterbox, backbone and the joining of its maps, on one device.
#[derive(Debug)]
pub(super) struct FeaturePasses {
    letterbox: DeviceLetterbox,
    network: NetworkSession,
    memory: NetworkMemory,
    features: DeviceFeatures,
    config: DetectionConfig,
    /// Stands for the network in messages.
    name: String,
    precision: Precision,
    channels: Vec<usize>,
    input: wgpu::Buffer,
}

impl FeaturePasses {
    /// Opens a network whose named outputs are a head's features; `name` stands for it in messages. Of the bytes of its
    /// largest buffer `lend` makes as many as are wanted of it between frames.
    pub(super) async fn open(
        gpu: &Gpu,
        network: &Network,
        name: &str,
        config: &DetectionConfig,
        options: &NetworkOptions,
        lend: impl FnOnce(u64) -> u64,
    ) -> Result<Self, DetectError> {
        config.check()?;
        let fail = |problem| DetectError::Backbone { backbone: name.into(), problem };
        check_ports(network, config).map_err(fail)?;
        let refused = |problem: NetworkError| match problem {
            NetworkError::Device(problem) => DetectError::Device(problem),
            other => fail(BackboneProblem::Gpu(one_line(&other))),
        };
        let outputs: Vec<&str> = config.features.iter().map(String::as_str).collect();
        let shape = config.pixels.input_shape_of(config.sides());
        let sizes = [(config.pixels.input.as_str(), &shape[..])];
        let plan =
            network.resolve(&outputs, &sizes, &Budget::default()).and_then(|net| net.plan_with(gpu.limits(), options));
        let mut plan = plan.map_err(refused)?;
        plan.widen_largest_slot(lend(plan.largest_slot()));
        let memory = plan.memory();
        let letterbox = DeviceLetterbox::open_async(gpu, config).await?;
        let network = NetworkSession::open_on_device(gpu, plan).await.map_err(refused)?;
        let missing = || fail(BackboneProblem::Gpu("an output is an input or a constant".into()));
        let mut maps = Vec::with_capacity(outputs.len());
        for name in outputs {
            maps.push(DeviceMap { name, tensor: network.output(name).ok_or_else(missing)? });
        }
        let features = DeviceFeatures::open_async(gpu, &maps, config, name).await?;
        let channels = maps.iter().map(|map| map.tensor.shape[1]).collect();
        let input = network.input(&config.pixels.input).ok_or_else(missing)?.clone();
        Ok(Self {
            letterbox,
            network,
            memory,
            features,
            config: config.clone(),
            name: name.into(),
            precision: options.precision,
            channels,
            input,
        })
    }

    /// A buffer that others may use while the backbone does not run.
    pub(super) fn lent(&self) -> Option<&wgpu::Buffer> {
        self.network.lent()
    }

    pub(super) fn config(&self) -> &DetectionConfig {
        &self.config
    }

    pub(super) fn letterbox(&self) -> &DeviceLetterbox {
        &self.letterbox
    }

    /// The backbone's input.
    pub(super) fn input(&self) -> &wgpu::Buffer {
        &self.input
    }

    /// The rows.
    pub(super) fn features(&self) -> &DeviceFeatures {
        &self.features
    }

    /// What is said where features are not finite.
    pub(super) fn not_finite(&self) -> DetectError {
        let precision = self.precision.name();
        DetectError::Backbone { backbone: self.name.clone(), problem: BackboneProblem::NotFinite { precision } }
    }

    /// How the channels are made up.
    pub(super) fn describe(&self) -> String {
        let parts =
            self.config.features.iter().zip(&self.channels).map(|(name, channels)| format!("{name} {channels}"));
        parts.collect::<Vec<_>>().join(" + ")
    }

    /// Bytes on the device.
    pub(super) fn device_bytes(&self) -> u64 {
        let NetworkMemory { constants, activations, inputs_and_outputs } = self.memory;
        constants + activations + inputs_and_outputs + self.features.rows().size()
    }

    /// Kernels of the backbone, and one a map that is joined.
    pub(super) fn dispatches(&self) -> usize {
        self.network.dispatches() + self.channels.len()
    }

    /// Multiplications of the backbone's steps.
    pub(super) fn step_work(&self) -> impl Iterator<Item = f64> {
        self.network.step_work()
    }

    pub(super) fn record_letterbox(&self, pass: &mut wgpu::ComputePass<'_>, own: &LetterboxPass) {
        self.letterbox.record_pass(pass, own);
    }

    pub(super) fn record_backbone(&self, pass: &mut wgpu::ComputePass<'_>, steps: Range<usize>) {
        self.network.record_steps(pass, steps);
    }

    pub(super) fn record_join(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.features.record_in(pass);
    }
}

/// A shape as messages show it.
fn shown(shape: &[Side]) -> String {
    let side = |side: &Side| match side {
        Side::Fixed(side) => side.to_string(),
        Side::Named(name) => name.clone(),
    };
    one_line(&format!("[{}]", shape.iter().map(side).collect::<Vec<_>>().join(",")))
}

/// Refuses a network whose image has a height or width that its file fixes.
pub(super) fn check_open_sides(network: &Network, config: &DetectionConfig) -> Result<(), BackboneProblem> {
    let input = network.inputs().iter().find(|input| input.name == config.pixels.input);
    let Some(shape) = input.and_then(|input| input.shape.as_ref()) else { return Ok(()) };
    let first = match config.pixels.layout {
        TensorLayout::Nchw => 2,
        TensorLayout::Nhwc => 1,
    };
    if shape.iter().skip(first).take(2).any(|side| matches!(side, Side::Fixed(_))) {
        return Err(BackboneProblem::FixedSides { input: config.pixels.input.clone(), found: shown(shape) });
    }
    Ok(())
}

/// Refuses a network whose inputs or outputs are not those that the settings name.
fn check_ports(network: &Network, config: &DetectionConfig) -> Result<(), BackboneProblem> {
    let listed = |names: &mut dyn Iterator<Item = &String>| {
        let names: Vec<&str> = names.map(String::as_str).collect();
        if names.is_empty() { "(none)".into() } else { one_line(&names.join(", ")) }
    };
    let expected = &config.pixels.input;
    let found = || listed(&mut network.inputs().iter().map(|input| &input.name));
    let Some(input) = network.inputs().iter().find(|input| input.name == *expected) else {
        return Err(BackboneProblem::MissingInput { expected: expected.clone(), found: found() });
    };
    if network.inputs().len() > 1 {
        return Err(BackboneProblem::ExtraInputs { expected: expected.clone(), found: found() });
    }
    // Devices take all floating point in f32.
    if !matches!(input.element, ElementType::F32 | ElementType::F16) {
        return Err(BackboneProblem::InputType { input: expected.clone(), found: input.element.name().into() });
    }
    let shape = config.pixels.input_shape_of(config.sides());
    let fits = |found: &[Side]| {
        let same = |(side, expected): (&Side, &usize)| !matches!(side, Side::Fixed(side) if side != expected);
        found.len() == shape.len() && found.iter().zip(&shape).all(same)
    };
    if let Some(found) = input.shape.as_ref().filter(|found| !fits(found)) {
        return Err(BackboneProblem::InputShape {
            input: expected.clone(),
            found: shown(found),
            expected: format!("{shape:?}").replace(' ', ""),
            layout: match config.pixels.layout {
                TensorLayout::Nchw => "nchw",
                TensorLayout::Nhwc => "nhwc",
            },
        });
    }
    match config.features.iter().find(|name| !network.outputs().contains(name)) {
        None => Ok(()),
        Some(name) => {
            let found = listed(&mut network.outputs().iter());
            Err(BackboneProblem::MissingOutput { expected: name.clone(), found })
        }
    }
}
