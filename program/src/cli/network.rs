//! `sharekan network`: what a network in an ONNX file is made of, and what it gives.

mod tensors;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use serde::Serialize;
use sharekan::network::{
    Budget, CpuNetwork, HostTensor, Network, NetworkError, NetworkOptions, NetworkPlan, NetworkSession, Precision,
    Resolved, Side, Tiles,
};
use sharekan::run::{Device, DeviceCache, Gpu};

use super::device::CacheArgs;
use super::failure::Failure;
use super::options::{AdapterArgs, DeviceArg};
use super::places::Places;
use super::plain::plain;
use super::progress;
use super::screen::{JsonArgs, Screen};
use super::table::{Align, count, size, table};

/// Look into a network in an ONNX file, and run it on tensors
///
/// IN is a safetensors file with a tensor for each input of the network, of the type that the graph asks for; a network
/// with one input takes the tensor `input`, whatever the graph calls it. OUT gets the outputs under the graph's names,
/// in f32.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  sharekan network net.onnx
  sharekan network net.onnx --input in.safetensors --output out.safetensors --outputs c4,head
  sharekan network net.onnx --shape 1,3,416,416 --device gpu --json -")]
pub(crate) struct NetworkArgs {
    /// Network
    #[arg(value_name = "NET.onnx")]
    network: PathBuf,
    /// Safetensors file with the inputs
    #[arg(long, value_name = "IN")]
    input: Option<PathBuf>,
    /// Safetensors file to write
    #[arg(long, value_name = "OUT", requires = "input")]
    output: Option<PathBuf>,
    /// Outputs to compute, with commas between [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    outputs: Vec<String>,
    /// Shape of an input that the file leaves open, as 1,3,416,416 or NAME=1,3,416,416
    #[arg(long, value_name = "SHAPE", conflicts_with = "input")]
    shape: Vec<String>,
    /// Where to run the network
    #[arg(long, value_enum, default_value_t)]
    device: DeviceArg,
    /// What to compute in: f16 halves what is moved, rounds features to 1e-2 of the largest or so, and needs a GPU that
    /// has it
    #[arg(long, value_enum, default_value_t)]
    precision: PrecisionArg,
    /// Measure first which tiles run the network fastest on this adapter, and keep them: `detect` uses them where it may
    #[arg(long)]
    tune: bool,
    /// Leave the tiles that were measured on this adapter alone, for the same bits everywhere
    #[arg(long, conflicts_with = "tune")]
    no_tuning: bool,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    json: JsonArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum PrecisionArg {
    #[default]
    F32,
    F16,
}

impl From<PrecisionArg> for Precision {
    fn from(argument: PrecisionArg) -> Self {
        match argument {
            PrecisionArg::F32 => Self::F32,
            PrecisionArg::F16 => Self::F16,
        }
    }
}

#[derive(Serialize)]
struct Looked<'a> {
    opset: i64,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    /// Operators that the outputs need, by name.
    operators: BTreeMap<&'a str, usize>,
    /// `gpu` or `cpu`.
    device: &'a str,
    /// Name of the adapter or the runtime.
    name: &'a str,
    precision: PrecisionArg,
    /// Convolutions whose tiles were measured on this adapter.
    measured_tiles: usize,
    /// Why the GPU does not run it, where it was asked to.
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Memory>,
    steps: &'a [Step],
    /// Device time of the whole network.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_seconds: Option<f64>,
    /// From inputs to outputs on the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}

#[derive(Serialize)]
struct Port {
    name: String,
    shape: Vec<usize>,
}

#[derive(Serialize)]
struct Memory {
    constants: u64,
    activations: u64,
    inputs_and_outputs: u64,
}

#[derive(Serialize)]
struct Step {
    kernel: String,
    nodes: Vec<String>,
    shape: Vec<usize>,
    multiplications: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}

/// Rounds that are measured, and before them some that are not.
const ROUNDS: usize = 20;

pub(crate) fn network(args: &NetworkArgs) -> Result<(), Failure> {
    let screen = args.json.screen()?;
    let options = args.adapter.options()?;
    Places::default()
        .reads("NET.onnx", &args.network)
        .reads("--input", args.input.as_ref())
        .writes("--output", args.output.as_ref())
        .writes("--json", args.json.path())
        .check_all()?;
    let file = &args.network;
    let about = |problem: NetworkError| in_file(file, &problem);
    let network = Network::load(file).map_err(about)?;
    let inputs = match &args.input {
        Some(path) => Some(tensors::read(path, &network)?),
        None => None,
    };
    let shapes = match &inputs {
        Some(inputs) => inputs.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect(),
        None => shapes(&args.shape, &network)?,
    };
    let sizes: Vec<(&str, &[usize])> = shapes.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
    let names: Vec<&str> = args.outputs.iter().map(String::as_str).collect();
    let names: Vec<&str> =
        if names.is_empty() { network.outputs().iter().map(String::as_str).collect() } else { names };

    let cache = args.cache.open();
    let gpu = match &cache {
        Some(cache) => cache.open(Device::from(args.device), &options)?,
        None => Device::from(args.device).open(&options)?,
    };
    let resolved = network.resolve(&names, &sizes, &Budget::default());
    let mut choices = NetworkOptions::default().precision(args.precision.into());
    let planned = match (&gpu, &resolved) {
        (Some(gpu), Ok(resolved)) => {
            choices.tiles = tiles(args, gpu, cache.as_ref(), resolved, &choices, screen)?;
            Some(resolved.clone().plan_with(gpu.limits(), &choices))
        }
        _ => None,
    };
    let mut fallback = None;
    if let (Some(Err(problem)), _) | (None, Err(problem)) = (&planned, &resolved) {
        // Only what is right but not known here is for another runtime, and not where a GPU was asked for.
        if !problem.is_unsupported() || args.device == DeviceArg::Gpu {
            return Err(in_file(file, problem));
        }
        if gpu.is_some() {
            let text = problem.to_string();
            screen.line(format!("{}: {text}; runs on the CPU", file.display()))?;
            fallback = Some(text);
        }
    }
    if args.tune && choices.tiles.is_empty() {
        let why = match &gpu {
            None => "the CPU has no tiles; --device gpu takes an adapter",
            Some(gpu) if gpu.is_software() => "times of an adapter in software say nothing",
            Some(gpu) if !gpu.device().features().contains(sharekan::wgpu::Features::TIMESTAMP_QUERY) => {
                "the adapter has no timestamps"
            }
            Some(_) => "the adapter runs no convolution of this network",
        };
        return Err(Failure::new(format!("--tune: {why}")));
    }
    let ran = match (&gpu, planned) {
        (Some(gpu), Some(Ok(plan))) => on_gpu(gpu, plan, inputs.as_deref()).map_err(about)?,
        _ if args.precision == PrecisionArg::F16 => {
            return Err(Failure::new(
                "--precision f16: the CPU runs networks in f32 only; leave it out, or give --device gpu",
            ));
        }
        _ => on_cpu(&network, resolved.as_ref().ok(), file, inputs.as_deref(), &names).map_err(about)?,
    };
    let inputs: Vec<Port> = match &resolved {
        Ok(resolved) => resolved.inputs().map(port).collect(),
        Err(_) => sizes.iter().map(|(name, shape)| Port { name: (*name).into(), shape: shape.to_vec() }).collect(),
    };
    let outputs: Vec<Port> = match (&resolved, &ran.outputs) {
        (Ok(resolved), _) => resolved.outputs().map(port).collect(),
        (Err(_), Some(found)) => names.iter().zip(found).map(|(name, tensor)| port((name, &tensor.shape))).collect(),
        (Err(_), None) => Vec::new(),
    };
    let operators = network.operators(&names).map_err(about)?;
    let looked = Looked {
        opset: network.opset(),
        inputs,
        outputs,
        operators,
        device: if ran.on_gpu { "gpu" } else { "cpu" },
        name: &ran.name,
        precision: args.precision,
        measured_tiles: ran.measured_tiles,
        fallback: fallback.as_deref(),
        memory: ran.memory,
        steps: &ran.steps,
        device_seconds: ran.device_seconds,
        seconds: ran.seconds,
    };
    print(screen, &looked)?;
    if let (Some(path), Some(found)) = (&args.output, &ran.outputs) {
        tensors::write(path, &names, found)?;
        screen.line(format!("wrote {}", path.display()))?;
    }
    args.json.write(&looked)
}

/// The tiles that were measured for this adapter, now or before.
fn tiles(
    args: &NetworkArgs,
    gpu: &Gpu,
    cache: Option<&DeviceCache>,
    network: &Resolved,
    choices: &NetworkOptions,
    screen: Screen,
) -> Result<Tiles, Failure> {
    if args.no_tuning {
        return Ok(Tiles::default());
    }
    if args.tune {
        super::tune::check(cache, screen)?;
        let bar = progress::long_bar(100);
        let tuned = network.tune(gpu, choices, |done| bar.set_position((100.0 * done) as u64));
        bar.finish_and_clear();
        let Some((tiles, _)) = tuned.map_err(|problem| in_file(&args.network, &problem))? else {
            return Ok(Tiles::default());
        };
        if let Some(cache) = cache {
            super::tune::keep(cache, gpu, &tiles.clone().into_tuning(), screen)?;
        }
        return Ok(tiles);
    }
    Ok(match cache.map(|cache| cache.tuning(gpu)) {
        Some(Ok(Some(tuning))) => Tiles::of(&tuning),
        Some(Err(problem)) => {
            tracing::warn!("{problem}; tiles follow from sizes");
            Tiles::default()
        }
        _ => Tiles::default(),
    })
}

fn in_file(path: &Path, problem: &NetworkError) -> Failure {
    match problem {
        NetworkError::Unreadable { .. } | NetworkError::Device(_) => Failure::new(problem.to_string()),
        _ => Failure::in_file(path, problem),
    }
}

fn port((name, shape): (&str, &[usize])) -> Port {
    Port { name: name.into(), shape: shape.to_vec() }
}

/// The shapes that are given, by input.
fn shapes(given: &[String], network: &Network) -> Result<Vec<(String, Vec<usize>)>, Failure> {
    let mut shapes: Vec<(String, Vec<usize>)> = Vec::new();
    for text in given {
        let (name, sides) = match (text.split_once('='), network.inputs()) {
            (Some((name, sides)), _) => (name.to_owned(), sides),
            (None, [input]) => (input.name.clone(), text.as_str()),
            (None, inputs) => {
                let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
                return Err(Failure::Usage(format!("--shape {text}: say for which input: {}", names.join(", "))));
            }
        };
        let shape = sides.split(',').map(|side| side.trim().parse().ok()).collect::<Option<Vec<usize>>>();
        let shape = shape.ok_or_else(|| Failure::Usage(format!("--shape {text}: expected sides as 1,3,416,416")))?;
        shapes.push((name, shape));
    }
    // A batch that is left open is one.
    for input in network.inputs() {
        let known = shapes.iter().any(|(name, _)| *name == input.name);
        if let (false, Some([Side::Named(_), rest @ ..])) = (known, input.shape.as_deref())
            && let Some(rest) = rest.iter().map(fixed).collect::<Option<Vec<usize>>>()
        {
            shapes.push((input.name.clone(), std::iter::once(1).chain(rest).collect()));
        }
    }
    Ok(shapes)
}

fn fixed(side: &Side) -> Option<usize> {
    if let Side::Fixed(side) = side { Some(*side) } else { None }
}

/// What a device made of the network.
struct Ran {
    on_gpu: bool,
    measured_tiles: usize,
    name: String,
    outputs: Option<Vec<HostTensor>>,
    memory: Option<Memory>,
    steps: Vec<Step>,
    device_seconds: Option<f64>,
    seconds: Option<f64>,
}

fn on_gpu(gpu: &Gpu, plan: NetworkPlan, inputs: Option<&[(String, HostTensor)]>) -> Result<Ran, NetworkError> {
    let (memory, summaries) = (plan.memory(), plan.steps());
    let memory = Memory {
        constants: memory.constants,
        activations: memory.activations,
        inputs_and_outputs: memory.inputs_and_outputs,
    };
    let measured_tiles = plan.measured_tiles();
    let mut session = NetworkSession::open(gpu, plan)?;
    let (mut outputs, mut seconds, mut times) = (None, None, None);
    if let Some(inputs) = inputs {
        let start = Instant::now();
        let needed = borrowed(&session, inputs);
        outputs = Some(session.run(&needed)?);
        seconds = Some(start.elapsed().as_secs_f64());
        // Software adapters take seconds for a network and say nothing about others.
        times = if gpu.is_software() { session.measure(0, 1)? } else { session.measure(ROUNDS, ROUNDS)? };
    }
    let step = |(at, step): (usize, sharekan::network::StepSummary)| Step {
        kernel: step.kernel.trim_start_matches("network_").to_owned(),
        nodes: step.nodes,
        shape: step.shape,
        multiplications: step.work,
        seconds: times.as_ref().and_then(|times| times.steps.get(at).copied()),
    };
    let steps = summaries.into_iter().enumerate().map(step).collect();
    let device_seconds = times.as_ref().map(|times| times.whole);
    let name = gpu.info().name.clone();
    Ok(Ran { on_gpu: true, measured_tiles, name, outputs, memory: Some(memory), steps, device_seconds, seconds })
}

/// The inputs that the session needs.
fn borrowed<'a>(session: &NetworkSession, inputs: &'a [(String, HostTensor)]) -> Vec<(&'a str, &'a HostTensor)> {
    let needed = inputs.iter().filter(|(name, _)| session.input(name).is_some());
    needed.map(|(name, tensor)| (name.as_str(), tensor)).collect()
}

fn on_cpu(
    network: &Network,
    resolved: Option<&Resolved>,
    path: &Path,
    inputs: Option<&[(String, HostTensor)]>,
    names: &[&str],
) -> Result<Ran, NetworkError> {
    let mut ran = Ran {
        on_gpu: false,
        measured_tiles: 0,
        name: "rten".into(),
        outputs: None,
        memory: None,
        steps: Vec::new(),
        device_seconds: None,
        seconds: None,
    };
    let Some(inputs) = inputs else { return Ok(ran) };
    let inputs: Vec<(&str, &HostTensor)> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let start = Instant::now();
    let by_rten = CpuNetwork::load(network, path).and_then(|runtime| runtime.run(&inputs, names));
    ran.outputs = Some(match (by_rten, resolved) {
        (Ok(outputs), _) => outputs,
        (Err(problem), Some(resolved)) => {
            tracing::warn!("{problem}; the plain reference computes it, slowly");
            ran.name = "reference".into();
            let needed = |name: &str| resolved.inputs().any(|(input, _)| input == name);
            let inputs: Vec<_> = inputs.into_iter().filter(|(name, _)| needed(name)).collect();
            resolved.evaluate(&inputs)?
        }
        (Err(problem), None) => return Err(problem),
    });
    ran.seconds = Some(start.elapsed().as_secs_f64());
    Ok(ran)
}

fn print(screen: Screen, looked: &Looked<'_>) -> Result<(), Failure> {
    let ports = |ports: &[Port]| {
        let shown = ports.iter().map(|port| format!("{} {}", port.name.escape_debug(), sides(&port.shape)));
        shown.collect::<Vec<_>>().join(", ")
    };
    let operators: Vec<String> =
        looked.operators.iter().map(|(name, count)| format!("{count} {}", name.escape_debug())).collect();
    screen.line(format!("inputs: {}", ports(&looked.inputs)))?;
    screen.line(format!("outputs: {}", ports(&looked.outputs)))?;
    screen.line(format!("operators: {} (version {})", operators.join(", "), looked.opset))?;
    if !looked.steps.is_empty() {
        let mut rows = table([
            ("step", Align::Right),
            ("kernel", Align::Left),
            ("makes", Align::Left),
            ("million\nproducts", Align::Right),
            ("us", Align::Right),
            ("nodes", Align::Left),
        ]);
        for (at, step) in looked.steps.iter().enumerate() {
            let nodes: Vec<&str> = step.nodes.iter().map(|node| node.split(' ').next().unwrap_or(node)).collect();
            rows.add_row([
                at.to_string(),
                step.kernel.clone(),
                sides(&step.shape),
                format!("{:.2}", step.multiplications as f64 / 1e6),
                step.seconds.map_or_else(String::new, |seconds| format!("{:.1}", seconds * 1e6)),
                plain(nodes.join(" ")),
            ]);
        }
        screen.line(rows)?;
    }
    if let Some(memory) = &looked.memory {
        screen.line(format!(
            "memory: {} of weights, {} of activations, {} of inputs and outputs",
            size(memory.constants),
            size(memory.activations),
            size(memory.inputs_and_outputs)
        ))?;
    }
    let mut closing = format!("on {} ({})", looked.device, looked.name);
    if let Some(seconds) = looked.device_seconds {
        closing.push_str(&format!(", {} us on the device", count((seconds * 1e6) as u64)));
    }
    if let Some(seconds) = looked.seconds {
        closing.push_str(&format!(", {:.1} ms in all", seconds * 1e3));
    }
    screen.line(closing)
}

fn sides(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}
