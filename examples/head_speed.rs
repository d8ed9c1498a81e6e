//! Time of a whole head of the paper's shape on the best adapter: microseconds a batch, dense and compressed.
//!
//! `cargo run --release --example head_speed [ADAPTER]`. Device time is that of many recordings in one submission,
//! divided by their number; end to end is from a host slice to a host slice.

use std::time::{Duration, Instant};

use sharekan::head::{
    Activation, BasePath, Basis, CompressedHead, CompressedLayer, DenseHead, DenseLayer, GainScale, Head, InputMap,
    Knots, Quantised,
};
use sharekan::run::{Gpu, GpuOptions, Session};

const WIDTHS: [usize; 3] = [2048, 512, 75];
const BATCHES: [usize; 5] = [1, 16, 169, 1024, 4096];
const BUDGET: Duration = Duration::from_millis(400);

fn main() -> Result<(), sharekan::Error> {
    let options = GpuOptions { name: std::env::args().nth(1), backends: None, plain: false };
    let gpu = pollster::block_on(Gpu::open(&options))?;
    println!(
        "{} ({:?}), {} bytes of workgroup memory",
        gpu.info().name,
        gpu.info().backend,
        gpu.limits().workgroup_storage
    );
    for (name, head) in [
        ("dense f32", dense()),
        ("K=256 int8", compressed(GainScale::Linear)),
        ("K=256 int8, table", compressed(table())),
    ] {
        println!("{name}: batch, device us, end-to-end us, million edge-samples/s, session bytes");
        for rows in BATCHES {
            let (device, end_to_end, bytes) = time(&gpu, &head, rows)?;
            let edges = (WIDTHS[0] * WIDTHS[1] + WIDTHS[1] * WIDTHS[2]) as f64;
            println!("  {rows:5} {device:10.1} {end_to_end:10.1} {:12.0} {bytes:12}", edges * rows as f64 / device);
        }
    }
    Ok(())
}

/// Medians in microseconds, and the session's device memory.
fn time(gpu: &Gpu, head: &Head, rows: usize) -> Result<(f64, f64, u64), sharekan::Error> {
    let opened = Instant::now();
    let mut session = Session::open(gpu, head, rows)?;
    let opened = opened.elapsed();
    if rows == 1 {
        println!("  opened in {:.1} ms", opened.as_secs_f64() * 1e3);
    }
    let input: Vec<f32> = (0..rows * WIDTHS[0]).map(|n| (n as f32 * 0.618_034).fract() * 2.0 - 1.0).collect();
    let mut output = vec![0.0; rows * WIDTHS[2]];
    let buffer = |size: usize| {
        gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 4 * size as u64,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    };
    let (features, results) = (buffer(input.len()), buffer(output.len()));
    gpu.queue().write_buffer(&features, 0, bytemuck::cast_slice(&input));
    let binding = session.bind(&features, &results)?;
    let submit = |repeats: usize| -> Result<Duration, sharekan::Error> {
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for _ in 0..repeats {
            session.record(&mut encoder, &binding, rows)?;
        }
        let start = Instant::now();
        gpu.queue().submit([encoder.finish()]);
        let _ = gpu.device().poll(wgpu::PollType::wait_indefinitely());
        Ok(start.elapsed())
    };
    submit(1)?;
    let once = submit(1)?.max(Duration::from_micros(20));
    let repeats = (BUDGET.as_micros() / 8 / once.as_micros()).clamp(1, 400) as usize;
    let mut device: Vec<f64> = Vec::new();
    for _ in 0..7 {
        // The difference of two lengths leaves the submission's own cost out.
        let (long, short) = (submit(2 * repeats)?, submit(repeats)?);
        device.push((long.as_secs_f64() - short.as_secs_f64()) * 1e6 / repeats as f64);
    }
    let mut end_to_end: Vec<f64> = Vec::new();
    let start = Instant::now();
    while end_to_end.len() < 5 || (start.elapsed() < BUDGET && end_to_end.len() < 500) {
        let start = Instant::now();
        session.run_into(&input, &mut output)?;
        end_to_end.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok((median(device), median(end_to_end), session.plan().device_bytes()))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn basis(inputs: usize) -> Basis {
    let knots = Knots::Uniform { low: vec![-1.0; inputs], step: vec![2.0 / 7.0; inputs] };
    Basis::BSpline { order: 3, intervals: 7, knots }
}

fn map(inputs: usize) -> InputMap {
    InputMap::Affine { scale: vec![1.0; inputs], shift: vec![0.0; inputs], clamp: Some([-1.0, 1.0]) }
}

/// Numbers that look random and are the same everywhere.
fn number(n: usize) -> f32 {
    ((n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

fn dense() -> Head {
    let layers = WIDTHS.windows(2).map(|w| DenseLayer {
        inputs: w[0],
        outputs: w[1],
        input_map: map(w[0]),
        basis: basis(w[0]),
        coefficients: (0..w[0] * w[1] * 10).map(|n| number(n) * 0.02).collect(),
        base: Some(BasePath {
            activation: Activation::Silu,
            weights: (0..w[0] * w[1]).map(|n| number(n) * 0.02).collect(),
        }),
        bias: None,
    });
    Head::Dense(DenseHead::new(layers.collect(), None).expect("the shape is right"))
}

fn table() -> GainScale {
    GainScale::Table((0..256).map(|code: i16| if code < 128 { code * 16 } else { (128 - code) * 16 }).collect())
}

fn compressed(gain_scale: GainScale) -> Head {
    let layers = WIDTHS.windows(2).map(|w| CompressedLayer {
        inputs: w[0],
        outputs: w[1],
        input_map: map(w[0]),
        basis: basis(w[0]),
        indices: (0..w[0] * w[1]).map(|n| ((number(n) + 1.0) * 128.0) as u16).collect(),
        quantised: Quantised::Int8 {
            codebook: (0..2560).map(|n| (number(n) * 127.0) as i8).collect(),
            gains: (0..w[0] * w[1]).map(|n| (number(3 * n) * 127.0) as i8 as u8).collect(),
            gain_scale: gain_scale.clone(),
            output_scale: vec![1e-6; w[1]],
        },
        base: None,
        bias: vec![0.0; w[1]],
    });
    Head::Compressed(CompressedHead::new(layers.collect(), None).expect("the shape is right"))
}
