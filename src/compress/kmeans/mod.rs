//! k-means: codewords that lie closest to all points, by distance or by direction.
//!
//! [`Score::Distance`] is the textbook's: a point `x` goes to the codeword `c` of least `|x - c|^2`, which is that of largest
//! `x . c - |c|^2 / 2`, and a codeword moves to the mean of its points.
//!
//! [`Score::Direction`] clusters up to sign and length, for codewords that are used with a gain: with unit codewords
//! `s`, a point is best met by the gain `s . x`, and what is left is `|x|^2 - (s . x)^2`. So a point goes to the codeword of
//! largest `|s . x|`. The best codeword for given gains is `sum (s . x) x` at unit length, one step of
//! the power iteration towards the first eigenvector of `sum x x^T`.
//!
//! Both steps lower the total error. Codewords that have no points are given to the points met worst. The start
//! is k-means++ (Arthur and Vassilvitskii, 2007) on a sample, in rounds of a few draws as in k-means|| (Bahmani et al.,
//! 2012), and rounds on that sample.
//!
//! On the CPU the same points, settings and seed give the same bytes whatever the processor and the number of threads;
//! on a GPU the same bytes on one adapter, and an error close to the CPU's.

mod blocks;
mod cpu;
#[cfg_attr(not(feature = "gpu"), path = "no_gpu.rs")]
mod gpu;
mod nearest;
mod start;
mod update;

use thiserror::Error;

use self::cpu::CpuPoints;
use super::random::SplitMix;
#[cfg(all(feature = "gpu", not(target_arch = "wasm32")))]
use crate::run::block_on_any;
use crate::run::{Gpu, RunError};
use crate::setters::setters;

/// Rounds on the sample that start a clustering on the CPU.
const SAMPLE_ROUNDS: usize = 6;

/// What a codeword is to its points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Score {
    /// Near: the squared distance counts.
    Distance,
    /// In line: the squared distance from the line through the codeword counts; codewords have unit length.
    Direction,
}

/// Settings of a clustering. The default looks for 256 codewords by distance, in at most 25 rounds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// What is minimised.
    pub score: Score,
    /// Number of codewords, 1 to the number of points.
    pub codewords: usize,
    /// Most rounds over all points.
    pub iterations: usize,
    /// The CPU ends when a round lowers the error by less than this part; 0 makes all rounds. A GPU makes all rounds
    /// in any case.
    pub enough: f64,
    /// Start of the random choices.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { score: Score::Distance, codewords: 256, iterations: 25, enough: 0.0, seed: 0 }
    }
}

setters! { Settings {
    score: Score,
    codewords: usize,
    iterations: usize,
    enough: f64,
    seed: u64,
}}

/// The codeword of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Match {
    /// Number of the codeword; of equally good ones the lowest on the CPU.
    pub codeword: u32,
    /// Squared length that the codeword does not meet.
    pub error: f32,
}

/// Points that cannot be clustered.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KMeansError {
    /// Values that are no points.
    #[error("{values} values, expected a positive number of points of {d} coordinates")]
    Points {
        /// Values given.
        values: usize,
        /// Coordinates a point.
        d: usize,
    },
    /// A number of codewords out of range, or values that are no codewords.
    #[error("{found} codewords, expected 1 to the number of points, {points}")]
    Codewords {
        /// Codewords asked for or given.
        found: usize,
        /// Number of points.
        points: usize,
    },
    /// The adapter fails.
    #[error(transparent)]
    Device(#[from] RunError),
}

/// Points made ready for clustering, on the CPU or on a GPU.
///
/// ```
/// use sharekan::compress::kmeans::{KMeans, Score, Settings};
///
/// let points = [0.0, 0.1, 5.0, 5.2, 5.1f32];
/// let kmeans = KMeans::new(&points, 1, None)?;
/// let settings = Settings::default().codewords(2).iterations(10);
/// let codewords = kmeans.cluster(&settings, &mut |_, _| {})?;
/// let matches = kmeans.assign(&codewords, Score::Distance)?;
/// assert_eq!(matches[0].codeword, matches[1].codeword);
/// assert_ne!(matches[1].codeword, matches[2].codeword);
/// # Ok::<(), sharekan::compress::kmeans::KMeansError>(())
/// ```
pub struct KMeans<'a> {
    points: &'a [f32],
    d: usize,
    place: Place<'a>,
}

enum Place<'a> {
    Cpu(CpuPoints<'a>),
    Gpu(Box<gpu::GpuPoints>),
}

impl<'a> KMeans<'a> {
    /// Takes `points` of `[points, d]`. With a GPU they are uploaded, where they fit its limits; in a browser, where nothing
    /// can block for a device, the CPU is taken ([`KMeans::new_async`] takes the GPU).
    ///
    /// # Errors
    /// Where there is no point, or no whole number of them, or the device fails.
    pub fn new(points: &'a [f32], d: usize, gpu: Option<&Gpu>) -> Result<Self, KMeansError> {
        let gpu = gpu.filter(|_| cfg!(not(target_arch = "wasm32")));
        blocked(gpu, Self::new_async(points, d, gpu))
    }

    /// Takes `points` of `[points, d]` without blocking; those that fit its limits are uploaded to the GPU, where there is
    /// one.
    ///
    /// # Errors
    /// Where there is no point, or no whole number of them, or the device fails.
    pub async fn new_async(points: &'a [f32], d: usize, gpu: Option<&Gpu>) -> Result<Self, KMeansError> {
        if d == 0 || points.is_empty() || !points.len().is_multiple_of(d) {
            return Err(KMeansError::Points { values: points.len(), d });
        }
        let place = match gpu.filter(|gpu| gpu::fits(gpu, points.len() / d, d)) {
            Some(gpu) => Place::Gpu(Box::new(gpu::GpuPoints::new(gpu, points, d).await?)),
            None => Place::Cpu(CpuPoints::new(points, d)),
        };
        Ok(Self { points, d, place })
    }

    /// True where the work is done on a GPU.
    pub fn on_gpu(&self) -> bool {
        self.gpu().is_some()
    }

    fn gpu(&self) -> Option<&Gpu> {
        match &self.place {
            Place::Cpu(_) => None,
            Place::Gpu(points) => Some(points.gpu()),
        }
    }

    /// Finds codewords, `[codewords, d]`. `progress` takes rounds done and most rounds.
    ///
    /// # Errors
    /// For a number of codewords out of range, and where the device fails, or is one of a browser.
    pub fn cluster(
        &self,
        settings: &Settings,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<f32>, KMeansError> {
        blocked(self.gpu(), self.cluster_async(settings, progress))
    }

    /// Finds codewords as [`KMeans::cluster`] does, without blocking for a device; the CPU's work is done when the future is
    /// polled.
    ///
    /// # Errors
    /// For a number of codewords out of range, and where the device fails.
    pub async fn cluster_async(
        &self,
        settings: &Settings,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<f32>, KMeansError> {
        let points = self.points.len() / self.d;
        if !(1..=points).contains(&settings.codewords) {
            return Err(KMeansError::Codewords { found: settings.codewords, points });
        }
        let mut random = SplitMix::new(settings.seed);
        let sample = start::sample(self.points, self.d, settings.codewords, &mut random);
        let sample = CpuPoints::new(&sample, self.d);
        let mut codewords = start::seeds(&sample, settings.score, settings.codewords, &mut random);
        match &self.place {
            Place::Cpu(points) => {
                if sample.len() < points.len() {
                    sample.rounds(&mut codewords, settings, SAMPLE_ROUNDS, &mut |_| {});
                }
                points.rounds(&mut codewords, settings, settings.iterations, &mut |done| {
                    progress(done, settings.iterations);
                });
            }
            Place::Gpu(points) => codewords = points.rounds(&codewords, settings).await?,
        }
        progress(settings.iterations, settings.iterations);
        Ok(codewords)
    }

    /// The best of given codewords, `[codewords, d]`, for every point. With [`Score::Direction`] they must have unit
    /// length, or be zero.
    ///
    /// # Errors
    /// Where there is no codeword, or no whole number of them, and where the device fails, or is one of a browser.
    pub fn assign(&self, codewords: &[f32], score: Score) -> Result<Vec<Match>, KMeansError> {
        blocked(self.gpu(), self.assign_async(codewords, score))
    }

    /// The best of given codewords as [`KMeans::assign`] tells it, without blocking for a device; the CPU's work is done when
    /// the future is polled.
    ///
    /// # Errors
    /// Where there is no codeword, or no whole number of them, and where the device fails.
    pub async fn assign_async(&self, codewords: &[f32], score: Score) -> Result<Vec<Match>, KMeansError> {
        if codewords.is_empty() || !codewords.len().is_multiple_of(self.d) {
            let (found, points) = (codewords.len() / self.d, self.points.len() / self.d);
            return Err(KMeansError::Codewords { found, points });
        }
        match &self.place {
            Place::Cpu(points) => Ok(points.assign(codewords, score)),
            Place::Gpu(points) => {
                let nearest = points.nearest(codewords, score).await?;
                let sizes = self.points.chunks_exact(self.d).map(cpu::size);
                Ok(nearest.iter().zip(sizes).map(|(nearest, size)| nearest.matched(size, score)).collect())
            }
        }
    }
}

/// Blocks until `work` ends.
#[cfg(all(feature = "gpu", not(target_arch = "wasm32")))]
fn blocked<T>(gpu: Option<&Gpu>, work: impl Future<Output = Result<T, KMeansError>>) -> Result<T, KMeansError> {
    block_on_any(gpu, work)
}

/// Nothing can block in a browser; what the CPU does needs no wait.
#[cfg(not(all(feature = "gpu", not(target_arch = "wasm32"))))]
fn blocked<T>(gpu: Option<&Gpu>, work: impl Future<Output = Result<T, KMeansError>>) -> Result<T, KMeansError> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    if gpu.is_none()
        && let std::task::Poll::Ready(done) = std::pin::pin!(work).poll(&mut context)
    {
        return done;
    }
    let problem = "a browser blocks for no device; take the methods that end in _async".into();
    Err(RunError::Refused { what: "to cluster".into(), problem }.into())
}
