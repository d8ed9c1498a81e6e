//! Tiles by measuring them on the device.

use super::error::NetworkError;
use super::options::NetworkOptions;
use super::resolve::Resolved;
use super::session::NetworkSession;
use super::tile::{PLACES, Task, Tile, Tiles};
use crate::run::Gpu;

/// Rounds that do not count, and that do.
const WARM_UPS: usize = 2;
const ROUNDS: usize = 7;

/// How long every tile took for a convolution, for tables.
#[derive(Debug, Clone, PartialEq)]
pub struct TileTimes {
    /// The convolution.
    pub task: String,
    /// Seconds of each tile, pixels and quads of a lane, lanes along pixels and channels, slices, and reads at once; fastest first.
    pub tiles: Vec<(f64, [usize; 6])>,
}

/// Every place of a tile is searched as often.
const SWEEPS: usize = 2;

/// What is known of a task.
struct Search {
    task: Task,
    best: Tile,
    times: Vec<(Tile, f64)>,
}

impl Search {
    fn time(&self, tile: Tile) -> Option<f64> {
        self.times.iter().find(|(known, _)| *known == tile).map(|(_, time)| *time)
    }

    fn rank(&mut self) {
        self.times.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        if let Some((tile, _)) = self.times.first() {
            self.best = *tile;
        }
    }
}

impl Resolved {
    /// Measures on an idle device which tiles its convolutions are fastest with, each for itself: place by place from the
    /// planned one on, all convolutions side by side. `progress` is told how much is done, from 0 to 1. `None` where the
    /// device has no timestamps, or is software: its times say nothing.
    ///
    /// # Errors
    /// As [`Resolved::plan_with`] and [`NetworkSession::open`].
    pub fn tune(
        &self,
        gpu: &Gpu,
        options: &NetworkOptions,
        mut progress: impl FnMut(f64),
    ) -> Result<Option<(Tiles, Vec<TileTimes>)>, NetworkError> {
        if gpu.is_software() || !gpu.device().features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        let plan = self.clone().plan_with(gpu.limits(), options)?;
        let mut searches: Vec<Search> = Vec::new();
        for (task, tile) in plan.steps.iter().filter_map(|step| step.task) {
            if searches.iter().all(|known| known.task != task) {
                searches.push(Search { task, best: tile, times: Vec::new() });
            }
        }
        let first = searches.iter().map(|search| vec![search.best]).collect();
        self.measure(gpu, options, &mut searches, first)?;
        for sweep in 0..SWEEPS * PLACES {
            progress(sweep as f64 / (SWEEPS * PLACES) as f64);
            let unknown = |search: &Search| {
                let neighbours = search.task.neighbours(search.best, sweep % PLACES);
                neighbours.into_iter().filter(|tile| search.time(*tile).is_none()).collect()
            };
            let candidates = searches.iter().map(unknown).collect();
            self.measure(gpu, options, &mut searches, candidates)?;
        }
        progress(1.0);
        let (mut tiles, mut tables) = (options.tiles.clone(), Vec::new());
        for Search { task, best, times } in searches {
            tiles.insert(&task, options.precision, best);
            let ranked = times.into_iter().map(|(tile, time)| (time, tile.numbers())).collect();
            tables.push(TileTimes { task: task.to_string(), tiles: ranked });
        }
        Ok(Some((tiles, tables)))
    }

    /// Measures candidates of every task, one of each at a time.
    fn measure(
        &self,
        gpu: &Gpu,
        options: &NetworkOptions,
        searches: &mut [Search],
        candidates: Vec<Vec<Tile>>,
    ) -> Result<(), NetworkError> {
        let rounds = candidates.iter().map(Vec::len).max().unwrap_or(0);
        for round in 0..rounds {
            let mut tiles = options.tiles.clone();
            for (search, candidates) in searches.iter().zip(&candidates) {
                tiles.insert(&search.task, options.precision, candidates.get(round).copied().unwrap_or(search.best));
            }
            let plan = self.clone().plan_with(gpu.limits(), &options.clone().tiles(tiles))?;
            let tasks: Vec<Option<(Task, Tile)>> = plan.steps.iter().map(|step| step.task).collect();
            let mut session = NetworkSession::open_uncached(gpu, plan)?;
            let times = session.measure_steps(WARM_UPS, ROUNDS)?;
            for (search, candidates) in searches.iter_mut().zip(&candidates) {
                let Some(tile) = candidates.get(round) else { continue };
                let own = tasks.iter().zip(&times).filter(|(task, _)| **task == Some((search.task, *tile)));
                search.times.push((*tile, own.map(|(_, time)| *time).sum()));
            }
        }
        searches.iter_mut().for_each(Search::rank);
        Ok(())
    }
}
