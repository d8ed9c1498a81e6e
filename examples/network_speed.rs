//! How long a network takes on an adapter, in all and step by step, by the device's own timestamps.
//!
//! ```text
//! cargo run --release --example network_speed --features network -- NET.onnx \
//!     [--shape 1,3,416,416] [--outputs c4,head] [--io TENSORS.safetensors] [--adapter NAME] [--precision f16] [--tune]
//!     [--steps]
//! ```
//!
//! TENSORS holds `input`, and as `output:NAME` what is right; without it the input is noise, and the outputs are held
//! against the reference on the CPU.

use std::error::Error;
use std::time::{Duration, Instant};

use safetensors::SafeTensors;
use sharekan::network::{Budget, HostTensor, Network, NetworkOptions, NetworkSession, Precision, Side, StepSummary};
use sharekan::run::{Gpu, GpuOptions};

const WARM_UPS: usize = 50;
const ROUNDS: usize = 100;

struct Options {
    path: String,
    shape: Option<Vec<usize>>,
    outputs: Vec<String>,
    io: Option<String>,
    adapter: Option<String>,
    precision: Precision,
    tune: bool,
    steps: bool,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut found = Options {
        path: String::new(),
        shape: None,
        outputs: Vec::new(),
        io: None,
        adapter: None,
        precision: Precision::F32,
        tune: false,
        steps: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--shape" => found.shape = Some(value()?.split(',').map(str::parse).collect::<Result<_, _>>()?),
            "--outputs" => found.outputs = value()?.split(',').map(str::to_owned).collect(),
            "--io" => found.io = Some(value()?),
            "--adapter" => found.adapter = Some(value()?),
            "--precision" => found.precision = if value()? == "f16" { Precision::F16 } else { Precision::F32 },
            "--tune" => found.tune = true,
            "--steps" => found.steps = true,
            _ => found.path = argument,
        }
    }
    if found.path.is_empty() {
        return Err("which network? NET.onnx [--shape 1,3,416,416] [--outputs a,b] [--io FILE] [--steps]".into());
    }
    Ok(found)
}

fn tensor(file: &[u8], name: &str) -> Result<HostTensor, Box<dyn Error>> {
    let file = SafeTensors::deserialize(file)?;
    let tensor = file.tensor(name)?;
    let values = tensor.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    Ok(HostTensor::new(tensor.shape().to_vec(), values)?)
}

/// Even noise, the same for ever.
fn noise(shape: Vec<usize>) -> Result<HostTensor, Box<dyn Error>> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let values = (0..shape.iter().product()).map(|_| next()).collect();
    Ok(HostTensor::new(shape, values)?)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn check(
    found: &[HostTensor],
    names: &[String],
    right: impl Fn(usize, &str) -> Result<HostTensor, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    for (at, (name, found)) in names.iter().zip(found).enumerate() {
        let right = right(at, name)?;
        let largest = right.values.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
        let far = found.values.iter().zip(&right.values).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
        let square = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let all = square(&mut right.values.iter().copied());
        let relative = square(&mut found.values.iter().zip(&right.values).map(|(a, b)| a - b)) / all;
        println!("{name} {:?}: off by {:.1e} of the largest, relative L2 {relative:.1e}", found.shape, far / largest);
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let gpu = pollster::block_on(Gpu::open(&GpuOptions::default().name(options.adapter.clone())))?;
    println!("{} ({})", gpu.info().name, gpu.kind());
    let network = Network::load(options.path.as_ref())?;
    let input = network.inputs().first().ok_or("the network has no input")?;
    let io = options.io.as_ref().map(std::fs::read).transpose()?;
    let given = match (&io, &options.shape, &input.shape) {
        (Some(io), ..) => tensor(io, "input")?,
        (None, Some(shape), _) => noise(shape.clone())?,
        (None, None, Some(shape)) => {
            let side = |side: &Side| if let Side::Fixed(side) = side { *side } else { 1 };
            noise(shape.iter().map(side).collect())?
        }
        _ => return Err("say --shape".into()),
    };
    let outputs: Vec<&str> = options.outputs.iter().map(String::as_str).collect();
    let sizes = [(input.name.as_str(), given.shape.as_slice())];
    let resolved = network.resolve(&outputs, &sizes, &Budget::default())?;
    let names: Vec<String> = resolved.outputs().map(|(name, _)| name.to_owned()).collect();
    let mut choices = NetworkOptions::default().precision(options.precision);
    if options.tune {
        let begin = Instant::now();
        if let Some((tiles, tables)) = resolved.tune(&gpu, &choices, |_| {})? {
            choices.tiles = tiles;
            for table in tables {
                let best: Vec<String> =
                    table.tiles.iter().take(6).map(|(t, tile)| format!("{:.1} {tile:?}", t * 1e6)).collect();
                let worst = table.tiles.last().map_or(0.0, |(t, _)| t * 1e6);
                println!("{}: {} of {}, worst {worst:.1}", table.task, best.join("; "), table.tiles.len());
            }
        }
        println!("tuned in {:.1} s", begin.elapsed().as_secs_f64());
    }
    let plan = resolved.clone().plan_with(gpu.limits(), &choices)?;
    let (steps, memory): (Vec<StepSummary>, _) = (plan.steps(), plan.memory());
    println!(
        "{} steps, {:.1} MB weights, {:.1} MB activations",
        steps.len(),
        memory.constants as f64 / 1e6,
        memory.activations as f64 / 1e6
    );
    let begin = Instant::now();
    let mut session = NetworkSession::open(&gpu, plan)?;
    println!("opened in {:.0} ms", begin.elapsed().as_secs_f64() * 1e3);

    let found = session.run(&[(input.name.as_str(), &given)])?;
    match &io {
        Some(io) => check(&found, &names, |_, name| tensor(io, &format!("output:{name}")))?,
        None => {
            let right = resolved.evaluate(&[(input.name.as_str(), &given)])?;
            check(&found, &names, |at, _| Ok(right[at].clone()))?;
        }
    }
    // The clock of an idle device is slow.
    let spin = Duration::from_millis(if gpu.is_software() { 0 } else { 500 });
    let (warm_ups, rounds) = if gpu.is_software() { (1, 3) } else { (WARM_UPS, ROUNDS) };
    let busy = |until: Duration| -> Result<(), Box<dyn Error>> {
        let begin = Instant::now();
        while begin.elapsed() < until {
            let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            (0..20).for_each(|_| session.record(&mut encoder));
            gpu.queue().submit([encoder.finish()]);
            gpu.device().poll(wgpu::PollType::wait_indefinitely())?;
        }
        Ok(())
    };
    busy(spin)?;
    let times = session.measure(warm_ups, rounds)?.ok_or("the adapter has no timestamps")?;
    println!("device: {:.1} us (median of {rounds})", times.whole * 1e6);

    let mut recording = Vec::new();
    let mut all = Vec::new();
    for _ in 0..rounds {
        let begin = Instant::now();
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        session.record(&mut encoder);
        let commands = encoder.finish();
        recording.push(begin.elapsed().as_secs_f64() * 1e6);
        gpu.queue().submit([commands]);
        gpu.device().poll(wgpu::PollType::wait_indefinitely())?;
        all.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    println!("recording {:.1} us, recording to done {:.1} us", median(recording), median(all));

    if options.steps {
        let mut sum = 0.0;
        for (at, (step, time)) in steps.iter().zip(times.steps).enumerate() {
            let time = time * 1e6;
            sum += time;
            let rate = step.work as f64 * 2e-6 / time;
            let (kernel, last) = (step.kernel.trim_start_matches("network_"), step.nodes.last().map_or("", |n| n));
            println!(
                "{at:3} {time:8.1} us {rate:6.2} TFLOP/s {:5} groups {kernel:12} {:?} {} {last}",
                step.workgroups, step.shape, step.detail
            );
        }
        println!("sum of the steps, each in a pass of its own: {sum:.1} us");
    }
    Ok(())
}
