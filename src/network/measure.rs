//! Device time of a network and its steps, by the device's own timestamps.

use super::error::NetworkError;
use super::session::NetworkSession;
#[cfg(not(target_arch = "wasm32"))]
use crate::run::block_on;
use crate::run::{PassTimer, RunError, median, watching};

/// Seconds of device time, medians.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NetworkTimes {
    /// The whole network as one pass.
    pub whole: f64,
    /// Every step in a pass of its own, which takes longer in all than the whole.
    pub steps: Vec<f64>,
}

/// Most passes that one query set has room for.
const MAX_PASSES: usize = 2048;

impl NetworkSession {
    /// Measures the network as it lies, on whatever its inputs hold: `warm_ups` rounds that do not count and then
    /// `rounds`, of the whole and of the steps. `None` where the device has no timestamps.
    ///
    /// # Errors
    /// Where the device fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn measure(&mut self, warm_ups: usize, rounds: usize) -> Result<Option<NetworkTimes>, NetworkError> {
        let device = self.gpu().device().clone();
        block_on(&device, self.measure_async(warm_ups, rounds))
    }

    /// Measures the network as `measure` does, without blocking.
    ///
    /// # Errors
    /// Where the device fails.
    pub async fn measure_async(
        &mut self,
        warm_ups: usize,
        rounds: usize,
    ) -> Result<Option<NetworkTimes>, NetworkError> {
        let gpu = self.gpu();
        if !gpu.device().features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        let mut whole = Vec::with_capacity(rounds);
        let made = watching(gpu.device(), || PassTimer::new(gpu, 1)).await;
        let one = made.map_err(|e| RunError::of_device(&e, 0, "timestamps"))?;
        for round in 0..warm_ups + rounds {
            let times = one.run(gpu, |_| {}, |pass, _| self.record_in(pass)).await?;
            if round >= warm_ups {
                whole.extend(times);
            }
        }
        let steps = self.measure_steps_async(warm_ups, rounds).await?;
        Ok(Some(NetworkTimes { whole: median(whole), steps }))
    }

    /// Seconds of every step, on a device that has timestamps.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn measure_steps(&mut self, warm_ups: usize, rounds: usize) -> Result<Vec<f64>, NetworkError> {
        let device = self.gpu().device().clone();
        block_on(&device, self.measure_steps_async(warm_ups, rounds))
    }

    async fn measure_steps_async(&mut self, warm_ups: usize, rounds: usize) -> Result<Vec<f64>, NetworkError> {
        let (gpu, steps) = (self.gpu(), self.dispatches());
        let made = watching(gpu.device(), || PassTimer::new(gpu, steps.clamp(1, MAX_PASSES))).await;
        let many = made.map_err(|e| RunError::of_device(&e, 0, "timestamps"))?;
        let mut each = vec![Vec::with_capacity(rounds); steps];
        for round in 0..warm_ups + rounds {
            let times = many.run(gpu, |_| {}, |pass, step| self.record_step(pass, step)).await?;
            if round >= warm_ups {
                each.iter_mut().zip(times).for_each(|(step, time)| step.push(time));
            }
        }
        Ok(each.into_iter().map(median).collect())
    }
}
