//! Finds the fastest tiles of a head on an adapter by measuring them.

use std::time::Instant;

use super::{Binding, Gpu, RunError, Session};
use crate::head::Head;
use crate::plan::{IntegerTile, LayerKind, Plan, PlanOptions, Strategy, Tile, TunedTile, Tuning};

/// Seconds that a measurement of one tile takes, about.
const SECONDS: f64 = 0.02;
/// Seconds of work before a measurement.
const WARM_UP: f64 = 0.25;
/// Samples of a measurement; the median counts.
const SAMPLES: usize = 5;

/// What a tile was measured to take.
#[derive(Debug, Clone, PartialEq)]
pub struct TileTime {
    /// Layer that the tile cuts, from 0.
    pub layer: usize,
    /// Rows of the batch.
    pub rows: usize,
    /// The tile.
    pub tile: IntegerTile,
    /// Microseconds of the whole head with it, the other layers as they stand.
    pub microseconds: f64,
}

/// Tiles of every layer in integers for each batch size of `batches`, those of the whole plan among them.
///
/// Layers are tuned one after the other, each with the best tiles of those before it; `found` is told every
/// measurement.
///
/// # Errors
/// Where the adapter cannot run the head.
pub fn tune(gpu: &Gpu, head: &Head, batches: &[usize], found: &mut dyn FnMut(&TileTime)) -> Result<Tuning, RunError> {
    let mut tuning = Tuning::default();
    for &rows in batches {
        let plan = Plan::new(head, gpu.limits(), rows)?;
        let Some(tier) = plan.tiers.last() else { continue };
        for (layer, shape) in plan.layers.iter().enumerate() {
            if !matches!(shape.kind, LayerKind::Integer { .. }) {
                continue;
            }
            let mut tiles: Vec<IntegerTile> = Strategy::ALL
                .iter()
                .flat_map(|&strategy| IntegerTile::candidates(shape, gpu.limits(), rows, strategy))
                .filter(|tile| tile.on_chip() || !plan.tiers.iter().any(|tier| tier.tiles[layer].on_chip()))
                .collect();
            if let Tile::Integer(tile) = tier.tiles[layer] {
                tiles.insert(0, tile);
            }
            let mut seen = std::collections::HashSet::new();
            tiles.retain(|tile| seen.insert(*tile));
            let mut best: Option<(f64, IntegerTile)> = None;
            for tile in tiles {
                let mut trial = tuning.clone();
                trial.insert(TunedTile::new(shape, tier.rows, tile));
                let options = PlanOptions { tuning: Some(trial), ..PlanOptions::default() };
                let microseconds = time_head(gpu, head, rows, &options)?;
                found(&TileTime { layer, rows, tile, microseconds });
                if best.is_none_or(|(least, _)| microseconds < least) {
                    best = Some((microseconds, tile));
                }
            }
            if let Some((_, tile)) = best {
                tuning.insert(TunedTile::new(shape, tier.rows, tile));
            }
        }
    }
    Ok(tuning)
}

/// Median microseconds of the head for batches of `rows`, on the device.
fn time_head(gpu: &Gpu, head: &Head, rows: usize, options: &PlanOptions) -> Result<f64, RunError> {
    let session = Session::open_with(gpu, head, rows, options)?;
    let buffer = |values: usize| {
        gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("tune"),
            size: 4 * values as u64,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    };
    let (input, output) = (buffer(rows * session.inputs()), buffer(rows * session.outputs()));
    let spread: Vec<f32> =
        (0..rows * session.inputs()).map(|n| (n as f64 * 0.618_033_988_749_894_9).fract() as f32 * 2.0 - 1.0).collect();
    gpu.queue().write_buffer(&input, 0, bytemuck::cast_slice(&spread));
    let binding = session.bind(&input, &output)?;
    let submit = |repeats| submit(gpu, &session, &binding, rows, repeats);
    // An idle GPU runs at a low clock and takes its time to leave it.
    let start = Instant::now();
    let mut once = submit(2)?.max(1e-5) / 2.0;
    while start.elapsed().as_secs_f64() < WARM_UP {
        let repeats = ((WARM_UP / once / 10.0) as usize).clamp(2, 2000);
        once = (submit(repeats)? / repeats as f64).max(1e-6);
    }
    let repeats = ((SECONDS / once / SAMPLES as f64) as usize).clamp(2, 500);
    let mut samples = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        // The difference of two lengths leaves the submission's own cost out.
        let (long, short) = (submit(2 * repeats)?, submit(repeats)?);
        samples.push((long - short) / repeats as f64 * 1e6);
    }
    samples.sort_by(f64::total_cmp);
    Ok(samples[SAMPLES / 2])
}

/// Seconds of a submission of `repeats` recordings.
fn submit(gpu: &Gpu, session: &Session, binding: &Binding, rows: usize, repeats: usize) -> Result<f64, RunError> {
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for _ in 0..repeats {
            session.record_in(&mut pass, binding, rows)?;
        }
    }
    let start = Instant::now();
    gpu.queue().submit([encoder.finish()]);
    gpu.device().poll(wgpu::PollType::wait_indefinitely()).map_err(|error| RunError::Refused {
        what: "a measurement".into(),
        problem: RunError::one_line(&error.to_string()),
    })?;
    Ok(start.elapsed().as_secs_f64())
}
