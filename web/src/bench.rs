//! How fast it is here.

use serde::Serialize;
use sharekan::Head;
use sharekan::run::{CpuSession, Gpu, Session};
use sharekan::wgpu;
use wasm_bindgen::prelude::*;
use web_time::Instant;

use crate::detector::{Runner, milliseconds};
use crate::value::{failed, object};
use crate::{Detector, image};

/// Seconds that one figure takes, about.
const SECONDS: f64 = 0.2;

/// Milliseconds that a GPU works before what it does counts: until then it runs at a lower clock.
const WARM_UP: f64 = 500.0;

/// A head at a batch size.
#[derive(Serialize)]
struct HeadSpeed {
    rows: usize,
    /// Of one batch, submission and waiting left out where many run at once.
    microseconds: f64,
    /// Batches that were run for the figure.
    runs: usize,
}

/// Milliseconds of device time of a frame, by stage.
#[derive(Serialize)]
struct FrameSpeed {
    whole: f64,
    letterbox: f64,
    backbone: f64,
    join: f64,
    head: f64,
    candidates: f64,
}

#[wasm_bindgen]
impl Detector {
    /// Measures the head at a batch of so many rows.
    #[wasm_bindgen(js_name = benchHead)]
    pub async fn bench_head(&mut self, rows: usize) -> Result<JsValue, JsError> {
        let rows = rows.max(1);
        let inputs = rows * self.head.inputs();
        let spread: Vec<f32> =
            (0..inputs).map(|n| (n as f64 * 0.618_033_988_749_894_9).fract() as f32 * 2.0 - 1.0).collect();
        object(&match &self.gpu {
            Some(gpu) => on_gpu(gpu, &self.head, rows, &spread).await?,
            None => on_cpu(&self.head, rows, &spread)?,
        })
    }

    /// Measures a frame of a picture by the device's timestamps; nothing where it has none, or runs on the CPU.
    #[wasm_bindgen(js_name = benchFrame)]
    pub async fn bench_frame(
        &mut self,
        rgba: Vec<u8>,
        width: u32,
        height: u32,
        rounds: usize,
    ) -> Result<JsValue, JsError> {
        let picture = image::picture(&rgba, width, height)?;
        let Runner::Gpu(own) = &mut self.runner else { return Ok(JsValue::NULL) };
        let Some(times) = own.frames.measure_async(&picture, 1, rounds.max(1)).await.map_err(failed)? else {
            return Ok(JsValue::NULL);
        };
        object(&FrameSpeed {
            whole: 1e3 * times.whole,
            letterbox: 1e3 * times.letterbox,
            backbone: 1e3 * times.backbone,
            join: 1e3 * times.join,
            head: 1e3 * times.head,
            candidates: 1e3 * times.candidates,
        })
    }
}

async fn on_gpu(gpu: &Gpu, head: &Head, rows: usize, input: &[f32]) -> Result<HeadSpeed, JsError> {
    let session = Session::open_async(gpu, head, rows).await.map_err(failed)?;
    let buffer = |values: usize| {
        gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("bench"),
            size: 4 * values as u64,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    };
    let (features, outputs) = (buffer(input.len()), buffer(rows * session.outputs()));
    gpu.queue().write_buffer(&features, 0, bytemuck::cast_slice(input));
    let binding = session.bind_async(&features, &outputs).await.map_err(failed)?;
    let (mut runs, mut worked) = (1, 0.0);
    loop {
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for _ in 0..runs {
                session.record_in(&mut pass, &binding, rows).map_err(failed)?;
            }
        }
        let begin = Instant::now();
        gpu.queue().submit([encoder.finish()]);
        let (sender, receiver) = futures_channel::oneshot::channel();
        gpu.queue().on_submitted_work_done(move || {
            // Who waits is gone where this fails.
            let _ = sender.send(());
        });
        if receiver.await.is_err() || gpu.lost().is_some() {
            return Err(JsError::new("the device is lost"));
        }
        let milliseconds = milliseconds(begin.elapsed());
        worked += milliseconds;
        if worked > WARM_UP + milliseconds.min(WARM_UP) && (milliseconds > 1e3 * SECONDS / 2.0 || runs >= 4096) {
            return Ok(HeadSpeed { rows, microseconds: 1e3 * milliseconds / runs as f64, runs });
        }
        runs = ((runs as f64 * 1e3 * SECONDS / milliseconds.max(0.1)) as usize).clamp(runs + 1, 8 * runs).min(4096);
    }
}

fn on_cpu(head: &Head, rows: usize, input: &[f32]) -> Result<HeadSpeed, JsError> {
    let session = CpuSession::new(head.clone());
    session.run(input).map_err(failed)?;
    let (begin, mut runs) = (Instant::now(), 0);
    while begin.elapsed().as_secs_f64() < SECONDS {
        session.run(input).map_err(failed)?;
        runs += 1;
    }
    Ok(HeadSpeed { rows, microseconds: 1e3 * milliseconds(begin.elapsed()) / f64::from(runs), runs: runs as usize })
}
