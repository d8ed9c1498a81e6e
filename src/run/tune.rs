//! Finds the fastest tiles of a head on an adapter by measuring them.
//!
//! Layers and batches are tuned one after the other. The tiles of each are looked at twice: all of them briefly, each in
//! a session of its own; then the fastest few beside the planner's own tile, in turns, so that a device that changes its
//! clock changes it for all. Another tile is only taken where it is faster by more than such a measurement errs.

use std::collections::HashSet;

use serde::Serialize;
use web_time::Instant;

#[cfg(not(target_arch = "wasm32"))]
use super::waiting::block_on;
use super::waiting::done;
use super::{Binding, Gpu, RunError, Session};
use crate::head::Head;
use crate::plan::{
    IntegerLayerShape, IntegerPlan, IntegerTile, Plan, PlanError, PlanOptions, Strategy, TunedTile, Tuning,
};

/// Seconds of work before the first measurement and before finals: an idle GPU runs at a low clock and takes its time to
/// leave it.
const WARM_UP: f64 = 0.25;
/// Seconds of work before a brief look.
const SHORT_WARM_UP: f64 = 0.02;
/// Seconds of the samples of one tile, about.
const SECONDS: f64 = 0.02;
/// Samples of a brief look and of a final; the median counts.
const SAMPLES: [usize; 2] = [3, 9];
/// Tiles in a final, beside the planner's own.
const FINALISTS: usize = 4;
/// A tile this many times as slow as the best so far is not looked at any longer.
const HOPELESS: f64 = 4.0;
/// A tile replaces the planner's own if it takes at most this part of its time.
const WORTH_IT: f64 = 0.98;

/// What a tile was measured to take.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
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

/// The tile that was found for a layer and batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TileChoice {
    /// Layer, from 0.
    pub layer: usize,
    /// Its inputs.
    pub inputs: usize,
    /// Its outputs.
    pub outputs: usize,
    /// Rows of the batch.
    pub rows: usize,
    /// Tiles that were measured.
    pub measured: usize,
    /// The planner's own tile.
    pub planned: IntegerTile,
    /// Microseconds of the whole head with it, the layers before with the tiles that were found for them.
    pub planned_us: f64,
    /// The fastest tile; the planner's own where no other is faster by 2 %.
    pub best: IntegerTile,
    /// Microseconds of the whole head with it.
    pub best_us: f64,
}

/// What tuning found.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Tuned {
    /// The fastest tile of every layer and batch, the planner's own among them.
    pub tuning: Tuning,
    /// How they were chosen.
    #[doc(hidden)]
    pub choices: Vec<TileChoice>,
}

/// The plan of a head in integers in one pass; there is nothing to choose in others.
fn plan_of(gpu: &Gpu, head: &Head, rows: usize) -> Result<Option<IntegerPlan>, PlanError> {
    match Plan::new(head, gpu.limits(), rows) {
        Ok(Plan::Integer(plan)) => Ok(Some(plan)),
        Ok(Plan::Float(_)) | Err(PlanError::Passes) => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// Number of tiles that [`tune`] looks at, finals included: what it tells `found`, but for tiles that a driver refuses.
///
/// # Errors
/// Where the adapter cannot run the head.
pub fn measurements(gpu: &Gpu, head: &Head, batches: &[usize], most: usize) -> Result<usize, RunError> {
    let mut count = 0;
    for &rows in batches {
        let Some(plan) = plan_of(gpu, head, rows)? else { continue };
        let tier_rows = plan.schedule.chunk_rows;
        for (shape, &planned) in plan.layers.iter().zip(plan.schedule.tiles(tier_rows)) {
            let tiles = contenders(gpu, shape, planned, tier_rows, most).len();
            count += tiles + tiles.min(FINALISTS + 1);
        }
    }
    Ok(count)
}

/// Measures tiles of every layer in integers for each batch size of `batches`, at most `most` a layer and batch, those
/// first that the planner holds for fast. Layers in floating point, and banks that need a pass a head, have none.
///
/// `found` is told every measurement.
///
/// # Errors
/// Where the adapter cannot run the head. A tile that a driver refuses is passed over, unless it is the planner's own.
#[cfg(not(target_arch = "wasm32"))]
pub fn tune(
    gpu: &Gpu,
    head: &Head,
    batches: &[usize],
    most: usize,
    found: &mut dyn FnMut(&TileTime),
) -> Result<Tuned, RunError> {
    block_on(gpu.device(), tune_async(gpu, head, batches, most, found))
}

/// Measures tiles as `tune` does, without blocking. What it finds is as good as the clock is: that of a browser counts in
/// steps of some tens of microseconds.
///
/// # Errors
/// Where the adapter cannot run the head. A tile that a driver refuses is passed over, unless it is the planner's own.
pub async fn tune_async(
    gpu: &Gpu,
    head: &Head,
    batches: &[usize],
    most: usize,
    found: &mut dyn FnMut(&TileTime),
) -> Result<Tuned, RunError> {
    let mut tuned = Tuned::default();
    let mut batches = batches.to_vec();
    batches.sort_unstable();
    batches.dedup();
    for rows in batches {
        let Some(plan) = plan_of(gpu, head, rows)? else { continue };
        let tier_rows = plan.schedule.chunk_rows;
        for ((layer, shape), &planned) in plan.layers.iter().enumerate().zip(plan.schedule.tiles(tier_rows)) {
            let tiles = contenders(gpu, shape, planned, tier_rows, most);
            let work = Work { gpu, head, rows, shape, tier_rows, tuning: &tuned.tuning };
            let mut tell = |tile, microseconds| found(&TileTime { layer, rows, tile, microseconds });
            let fastest = work.look(&tiles, &mut tell).await?;
            let (planned_us, (best_us, best)) = work.finals(planned, &fastest, &mut tell).await?;
            tuned.choices.push(TileChoice {
                layer,
                inputs: shape.inputs,
                outputs: shape.outputs,
                rows,
                measured: tiles.len(),
                planned,
                planned_us,
                best,
                best_us,
            });
            tuned.tuning.insert(TunedTile::new(shape, tier_rows, best));
        }
    }
    Ok(tuned)
}

/// Tiles to measure for batches of `rows`: the planner's own, then those of each strategy in turn.
fn contenders(
    gpu: &Gpu,
    shape: &IntegerLayerShape,
    planned: IntegerTile,
    rows: usize,
    most: usize,
) -> Vec<IntegerTile> {
    let candidates = Strategy::ALL.map(|strategy| {
        let mut tiles = IntegerTile::candidates(shape, gpu.limits(), rows, strategy);
        // A codebook out of workgroup memory is slower wherever it fits in.
        tiles.retain(|tile| tile.on_chip() || !planned.on_chip());
        tiles
    });
    let longest = candidates.iter().map(Vec::len).max().unwrap_or(0);
    let in_turn = (0..longest).flat_map(|at| candidates.iter().filter_map(move |tiles| tiles.get(at).copied()));
    let mut seen = HashSet::new();
    std::iter::once(planned).chain(in_turn).filter(|tile| seen.insert(*tile)).take(most.max(1)).collect()
}

/// A layer and batch whose tiles are measured.
struct Work<'a> {
    gpu: &'a Gpu,
    head: &'a Head,
    /// Rows of the batch.
    rows: usize,
    shape: &'a IntegerLayerShape,
    /// Rows of the plan's last tier, which serves the batch.
    tier_rows: usize,
    /// What was found so far.
    tuning: &'a Tuning,
}

impl Work<'_> {
    /// All tiles in a brief look, the fastest first.
    async fn look(
        &self,
        tiles: &[IntegerTile],
        tell: &mut dyn FnMut(IntegerTile, f64),
    ) -> Result<Vec<(f64, IntegerTile)>, RunError> {
        let mut times: Vec<(f64, IntegerTile)> = Vec::with_capacity(tiles.len());
        for (at, &tile) in tiles.iter().enumerate() {
            let trial = match self.open(tile).await {
                Ok(trial) => trial,
                Err(RunError::Refused { what, problem }) if at > 0 => {
                    tracing::debug!("{tile:?}: {what}: {problem}");
                    continue;
                }
                Err(problem) => return Err(problem),
            };
            let once = trial.warm_up(if at == 0 { WARM_UP } else { SHORT_WARM_UP }).await?;
            let best = times.iter().map(|(time, _)| *time).fold(f64::INFINITY, f64::min);
            let mut samples = Vec::new();
            if 1e6 * once > HOPELESS * best {
                samples.push(1e6 * once);
            } else {
                for _ in 0..SAMPLES[0] {
                    samples.push(trial.sample(once).await?);
                }
            }
            let time = median(samples);
            tell(tile, time);
            times.push((time, tile));
        }
        times.sort_by(|a, b| a.0.total_cmp(&b.0));
        Ok(times)
    }

    /// The planner's own tile against the fastest, in turns: its time, and the best with its time.
    async fn finals(
        &self,
        planned: IntegerTile,
        fastest: &[(f64, IntegerTile)],
        tell: &mut dyn FnMut(IntegerTile, f64),
    ) -> Result<(f64, (f64, IntegerTile)), RunError> {
        let others = fastest.iter().map(|(_, tile)| *tile).filter(|tile| *tile != planned).take(FINALISTS);
        let tiles: Vec<IntegerTile> = std::iter::once(planned).chain(others).collect();
        let mut trials = Vec::with_capacity(tiles.len());
        for &tile in &tiles {
            trials.push(self.open(tile).await?);
        }
        let mut once = Vec::with_capacity(trials.len());
        for (at, trial) in trials.iter().enumerate() {
            once.push(trial.warm_up(if at == 0 { WARM_UP } else { SHORT_WARM_UP }).await?);
        }
        let mut samples = vec![Vec::new(); trials.len()];
        for _ in 0..SAMPLES[1] {
            for ((trial, &once), samples) in trials.iter().zip(&once).zip(&mut samples) {
                samples.push(trial.sample(once).await?);
            }
        }
        let times: Vec<(f64, IntegerTile)> = samples.into_iter().map(median).zip(tiles).collect();
        times.iter().for_each(|&(time, tile)| tell(tile, time));
        let own = times[0];
        let best = times.iter().copied().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or(own);
        Ok((own.0, if best.0 <= WORTH_IT * own.0 { best } else { own }))
    }

    /// Opens the head with a tile in the layer.
    async fn open(&self, tile: IntegerTile) -> Result<Trial<'_>, RunError> {
        let mut tuning = self.tuning.clone();
        tuning.insert(TunedTile::new(self.shape, self.tier_rows, tile));
        let options = PlanOptions { tuning: Some(tuning), ..PlanOptions::default() };
        let session = Session::open_with_async(self.gpu, self.head, self.rows, &options).await?;
        let buffer = |values: usize| {
            self.gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some("tune"),
                size: 4 * values as u64,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        let (inputs, outputs) = (self.rows * session.inputs(), self.rows * session.outputs());
        let (input, output) = (buffer(inputs), buffer(outputs));
        let spread: Vec<f32> =
            (0..inputs).map(|n| (n as f64 * 0.618_033_988_749_894_9).fract() as f32 * 2.0 - 1.0).collect();
        self.gpu.queue().write_buffer(&input, 0, bytemuck::cast_slice(&spread));
        let binding = session.bind_async(&input, &output).await?;
        Ok(Trial { gpu: self.gpu, session, binding, rows: self.rows })
    }
}

/// A session with the tile that is tried.
struct Trial<'a> {
    gpu: &'a Gpu,
    session: Session,
    binding: Binding,
    rows: usize,
}

impl Trial<'_> {
    /// Works for some seconds; the seconds of one recording.
    async fn warm_up(&self, seconds: f64) -> Result<f64, RunError> {
        let start = Instant::now();
        self.submit(1).await?;
        let mut once = self.submit(1).await?.max(1e-6);
        while start.elapsed().as_secs_f64() < seconds {
            let repeats = ((seconds / once / 10.0) as usize).clamp(1, 2000);
            once = (self.submit(repeats).await? / repeats as f64).max(1e-6);
        }
        Ok(once)
    }

    /// Microseconds of one recording, where it takes about `once` seconds.
    async fn sample(&self, once: f64) -> Result<f64, RunError> {
        if once > SECONDS {
            return Ok(1e6 * self.submit(1).await?);
        }
        let repeats = ((SECONDS / once / SAMPLES[1] as f64) as usize).clamp(2, 500);
        let (long, short) = (self.submit(2 * repeats).await?, self.submit(repeats).await?);
        Ok(1e6 * each(long, short, repeats))
    }

    /// Seconds of a submission of `repeats` recordings.
    async fn submit(&self, repeats: usize) -> Result<f64, RunError> {
        let device = self.gpu.device();
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for _ in 0..repeats {
                self.session.record_in(&mut pass, &self.binding, self.rows)?;
            }
        }
        let start = Instant::now();
        self.gpu.queue().submit([encoder.finish()]);
        if done(device, self.gpu.queue()).await.is_err() {
            return Err(self.gpu.lost_error());
        }
        Ok(start.elapsed().as_secs_f64())
    }
}

/// Seconds of one recording, where twice `repeats` of them took `long` and `repeats` took `short`. The difference leaves the
/// submission's own cost out; where that would be most of it, the device had other work meanwhile, and the mean stands.
fn each(long: f64, short: f64, repeats: usize) -> f64 {
    let repeats = repeats as f64;
    let (apart, mean) = ((long - short) / repeats, long / (2.0 * repeats));
    if apart < mean / 4.0 { mean } else { apart }
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::each;

    #[test]
    fn noise_makes_no_tile_fast() {
        // (2 x 10 recordings, 10 recordings, one)
        for (long, short, expected) in [
            (0.021, 0.011, 0.001),
            (0.030, 0.020, 0.001),
            // Others had the device during the shorter one.
            (0.020, 0.019_9, 0.001),
            (0.020, 0.050, 0.001),
        ] {
            assert!((each(long, short, 10) - expected).abs() < 1e-12, "{long} {short}");
        }
    }
}
