//! Times of k-means at the paper's shape, and the squared error reached: 1.087 M points of 10 coordinates, 10 iterations.
//!
//! ```text
//! cargo run --release --example kmeans_speed -- [--gpu [ADAPTER]] [--codewords 256,4096] [--direction]
//!                                                [--points FILE] [--write FILE] [--rounds N]
//! ```
//!
//! Points are normally distributed, or raw little-endian f32 from a file, `[points, 10]`; `--write` leaves them for
//! `examples/kmeans_faiss.py`, which runs faiss on the same points. Wall time is from points in host memory to
//! codewords in host memory, the start included; the last of `--rounds` runs is the one to look at on a GPU, since the first
//! compiles kernels.

use std::error::Error;
use std::fs;
use std::time::Instant;

use sharekan::compress::kmeans::{KMeans, Score, Settings};
use sharekan::run::{Gpu, GpuOptions};

const POINTS: usize = 2048 * 512 + 512 * 75;
const D: usize = 10;
const ITERATIONS: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut on_gpu, mut adapter, mut codewords, mut rounds) = (false, None, vec![256, 4096], 1);
    let (mut read, mut write, mut score) = (None, None, Score::Distance);
    let mut arguments = std::env::args().skip(1).peekable();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--codewords" => codewords = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?,
            "--points" => read = Some(value()?),
            "--write" => write = Some(value()?),
            "--rounds" => rounds = value()?.parse()?,
            "--direction" => score = Score::Direction,
            "--gpu" => {
                on_gpu = true;
                adapter = arguments.next_if(|next| !next.starts_with("--"));
            }
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    let points: Vec<f32> = match read {
        Some(path) => sharekan::files::read(path.as_ref(), u64::MAX)?
            .as_chunks()
            .0
            .iter()
            .map(|&bytes| f32::from_le_bytes(bytes))
            .collect(),
        None => normal(POINTS * D),
    };
    if let Some(path) = write {
        fs::write(path, bytemuck::cast_slice(&points))?;
    }
    let gpu = match on_gpu {
        true => Some(pollster::block_on(Gpu::open(&GpuOptions::default().name(adapter)))?),
        false => None,
    };
    let place = gpu.as_ref().map_or("CPU".to_owned(), |gpu| gpu.info().name.clone());
    println!("{} points of {D}, {ITERATIONS} iterations, {score:?}, on {place}", points.len() / D);
    for &codewords in &codewords {
        for _ in 0..rounds {
            let (clock, before) = (Instant::now(), cpu_seconds());
            let kmeans = KMeans::new(&points, D, gpu.as_ref())?;
            let ready = clock.elapsed().as_secs_f64();
            let settings = Settings::default().score(score).codewords(codewords).iterations(ITERATIONS);
            let found = kmeans.cluster(&settings, &mut |_, _| {})?;
            let (wall, cpu) = (clock.elapsed().as_secs_f64(), cpu_seconds() - before);
            let error = squared_error(&points, &found, &kmeans, score)?;
            let place = if kmeans.on_gpu() { "GPU" } else { "CPU" };
            println!(
                "K = {codewords}: {:.1} ms on the {place}, of which {:.1} ms make the points ready; {cpu:.2} CPU s; \
                 squared error {error:.1}",
                wall * 1e3,
                ready * 1e3
            );
        }
    }
    Ok(())
}

/// In f64, with each point's own codeword.
fn squared_error(points: &[f32], found: &[f32], kmeans: &KMeans<'_>, score: Score) -> Result<f64, Box<dyn Error>> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let matches = kmeans.assign(found, score)?;
    let errors = points.chunks_exact(D).zip(&matches).map(|(x, found_one)| {
        let c = &found[found_one.codeword as usize * D..][..D];
        match score {
            Score::Distance => x.iter().zip(c).map(|(x, c)| (f64::from(*x) - f64::from(*c)).powi(2)).sum(),
            Score::Direction => dot(x, x) - dot(x, c).powi(2),
        }
    });
    Ok(errors.sum())
}

/// Seconds of all threads of this process so far; 0 where the system does not tell.
fn cpu_seconds() -> f64 {
    let Ok(text) = fs::read_to_string("/proc/self/stat") else { return 0.0 };
    let fields: Vec<f64> =
        text.rsplit(')').next().unwrap_or("").split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect();
    // User and system time in hundredths of a second.
    fields.get(11..13).map_or(0.0, |times| times.iter().sum::<f64>() / 100.0)
}

/// Normally distributed numbers (Box and Muller), the same everywhere.
fn normal(count: usize) -> Vec<f32> {
    let unit = |n: u64| {
        let mut z = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..count as u64)
        .map(|n| {
            let (radius, angle) = ((-2.0 * (1.0 - unit(2 * n)).ln()).sqrt(), std::f64::consts::TAU * unit(2 * n + 1));
            (radius * angle.cos()) as f32
        })
        .collect()
}
