//! Gains in 8 or 4 bits.
//!
//! 8 bits: linear within an output, or logarithmic with a sign; whichever errs less over the layer. 4 bits: a sign and
//! eight magnitudes, placed where the gains of the layer lie (Lloyd's algorithm).

use super::Precision;
use super::calibrated_edges::MeasuredCodebook;
use super::cluster::{LANES, nearest};
use super::codebook::Codebook;
use super::feedback::Kept;
use crate::head::{GAIN_CODES, GainScale, MAX_GAIN_LEVEL};

/// Doublings that a logarithmic scale spans; the narrow ones are finer.
const SPANS: [f64; 3] = [5.0, 7.0, 10.0];
/// Magnitudes of a scale of 4 bits.
const MAGNITUDES: usize = 8;
/// Rounds of Lloyd's algorithm.
const LLOYD_ROUNDS: usize = 40;

/// Gains in codes.
pub(super) struct QuantisedGains {
    pub codes: Vec<u8>,
    pub scale: GainScale,
    /// Factor per output.
    pub output_scale: Vec<f32>,
}

/// Quantises `gains` of `[outputs, inputs]`; `weights` says how much a squared error of each counts.
pub(super) fn quantise(gains: &[f64], weights: &[f64], inputs: usize, bits: u8) -> QuantisedGains {
    if bits == 4 {
        return quantise_on_magnitudes(gains, weights, inputs);
    }
    let mut scales = vec![GainScale::Linear];
    scales.extend(SPANS.map(|span| GainScale::Table(logarithmic(span))));
    let mut best: Option<(f64, QuantisedGains)> = None;
    for scale in scales {
        let (error, found) = quantise_on(gains, weights, inputs, scale);
        if best.as_ref().is_none_or(|(least, _)| error < *least) {
            best = Some((error, found));
        }
    }
    match best {
        Some((_, found)) => found,
        None => quantise_on(gains, weights, inputs, GainScale::Linear).1,
    }
}

/// A sign and eight magnitudes, as parts of the root mean square of an output's gains.
fn quantise_on_magnitudes(gains: &[f64], weights: &[f64], inputs: usize) -> QuantisedGains {
    let sizes: Vec<f64> = gains
        .chunks_exact(inputs)
        .zip(weights.chunks_exact(inputs))
        .map(|(gains, weights)| {
            let total: f64 = weights.iter().sum();
            let sum: f64 = gains.iter().zip(weights).map(|(g, w)| g * g * w).sum();
            if total > 0.0 { (sum / total).sqrt() } else { 0.0 }
        })
        .collect();
    let mut points: Vec<[f64; 2]> = Vec::with_capacity(gains.len());
    for (row, &size) in sizes.iter().enumerate() {
        if size > 0.0 {
            let range = row * inputs..(row + 1) * inputs;
            points.extend(
                gains[range.clone()].iter().zip(&weights[range]).map(|(g, w)| [g.abs() / size, w * size * size]),
            );
        }
    }
    points.sort_unstable_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    let magnitudes = lloyd(&points);
    let top = magnitudes[MAGNITUDES - 1];
    let level = |m: f64| if top > 0.0 { (m / top * f64::from(MAX_GAIN_LEVEL)).round() as i16 } else { 0 };
    let levels: Vec<i16> = magnitudes.iter().map(|&m| level(m)).chain(magnitudes.iter().map(|&m| -level(m))).collect();
    let scale = GainScale::Table(levels);
    let output_scale: Vec<f32> = sizes.iter().map(|size| (size * top / f64::from(MAX_GAIN_LEVEL)) as f32).collect();
    let codes = gains
        .chunks_exact(inputs)
        .zip(&output_scale)
        .flat_map(|(gains, &factor)| gains.iter().map(move |gain| (gain, factor)))
        .map(|(gain, factor)| nearest_code(&scale, if factor > 0.0 { gain / f64::from(factor) } else { 0.0 }))
        .collect();
    QuantisedGains { codes, scale, output_scale }
}

/// Eight centres for sorted points with weights, of least squared error by Lloyd's algorithm from quantiles.
fn lloyd(points: &[[f64; 2]]) -> [f64; MAGNITUDES] {
    // Sums up to each point, so that a cell costs two look-ups.
    let mut sums = vec![[0.0f64; 2]; points.len() + 1];
    for (at, [value, weight]) in points.iter().enumerate() {
        sums[at + 1] = [sums[at][0] + weight, sums[at][1] + weight * value];
    }
    let total = sums[points.len()][0];
    let mut centres: [f64; MAGNITUDES] = std::array::from_fn(|cell| {
        let wanted = total * (cell as f64 + 0.5) / MAGNITUDES as f64;
        let at = sums.partition_point(|sum| sum[0] < wanted);
        points.get(at.saturating_sub(1)).map_or(0.0, |point| point[0])
    });
    for _ in 0..LLOYD_ROUNDS {
        let mut from = 0;
        for cell in 0..MAGNITUDES {
            let to = match centres.get(cell + 1) {
                Some(next) => points.partition_point(|point| point[0] < (centres[cell] + next) / 2.0).max(from),
                None => points.len(),
            };
            let weight = sums[to][0] - sums[from][0];
            if weight > 0.0 {
                centres[cell] = (sums[to][1] - sums[from][1]) / weight;
            }
            from = to;
        }
    }
    centres.sort_unstable_by(f64::total_cmp);
    centres
}

/// What gains may be: levels per output, or anything.
pub(super) enum GainLevels {
    /// Codes of a scale, and the factor per output.
    Codes {
        scale: GainScale,
        output_scale: Vec<f32>,
    },
    Any,
}

impl GainLevels {
    /// The scale of a precision, and the gains rounded to it. Gains and weights are `[outputs, inputs]`.
    pub(super) fn fit(
        gains: &[f64],
        weights: &[f64],
        inputs: usize,
        precision: Precision,
        bits: u8,
    ) -> (Self, Vec<u8>) {
        match precision {
            Precision::F32 => (Self::Any, vec![0; gains.len()]),
            Precision::Int8 => {
                let QuantisedGains { codes, scale, output_scale } = quantise(gains, weights, inputs, bits);
                (Self::Codes { scale, output_scale }, codes)
            }
        }
    }

    /// The gain that a code means; `exact` where gains are free.
    pub(super) fn gain(&self, output: usize, code: u8, exact: f64) -> f32 {
        match self {
            Self::Any => exact as f32,
            Self::Codes { scale, output_scale } => output_scale[output] * scale.level(code) as f32,
        }
    }

    /// The codeword and the gain of least error for an edge of which `pull` is the form times the coefficients.
    ///
    /// Fine scales take the best codeword and round its gain; coarse ones weigh every codeword at every magnitude.
    pub(super) fn choose(&self, pull: &[f32], measured: &MeasuredCodebook, codebook: &Codebook, output: usize) -> Kept {
        let codeword = match self.magnitudes(output) {
            Some(sizes) => best_at_magnitudes(pull, measured, codebook.d, &sizes),
            None => nearest(pull, &measured.table, codebook.d),
        };
        self.keep(codeword, pull, measured, codebook, output)
    }

    /// As [`Self::choose`], the best `count` of codewords, the best first.
    pub(super) fn choose_several(
        &self,
        count: usize,
        pull: &[f32],
        measured: &MeasuredCodebook,
        codebook: &Codebook,
        output: usize,
    ) -> Vec<Kept> {
        let sizes = self.magnitudes(output);
        let mut best: Vec<(f32, u32)> = Vec::with_capacity(count + 1);
        for_each_fit(pull, measured, codebook.d, sizes.as_ref(), |codeword, fit| {
            if best.len() < count || fit > best[count - 1].0 {
                let at = best.partition_point(|(other, _)| *other >= fit);
                best.insert(at, (fit, codeword));
                best.truncate(count);
            }
        });
        best.into_iter().map(|(_, codeword)| self.keep(codeword, pull, measured, codebook, output)).collect()
    }

    /// The gains that a scale of 4 bits gives an output, without signs.
    fn magnitudes(&self, output: usize) -> Option<[f32; MAGNITUDES]> {
        match self {
            Self::Codes { scale: GainScale::Table(levels), output_scale } if levels.len() == 2 * MAGNITUDES => {
                Some(std::array::from_fn(|m| f32::from(levels[m]) * output_scale[output]))
            }
            _ => None,
        }
    }

    /// A codeword with its best gain.
    fn keep(
        &self,
        codeword: u32,
        pull: &[f32],
        measured: &MeasuredCodebook,
        codebook: &Codebook,
        output: usize,
    ) -> Kept {
        let exact = measured.gain(codebook, codeword as usize, pull);
        let code = match self {
            Self::Any => 0,
            Self::Codes { scale, output_scale } => {
                let factor = f64::from(output_scale[output]);
                nearest_code(scale, if factor > 0.0 { exact / factor } else { 0.0 })
            }
        };
        Kept { codeword, code, gain: self.gain(output, code, exact) }
    }
}

/// The codeword whose best magnitude takes most off the error.
fn best_at_magnitudes(pull: &[f32], measured: &MeasuredCodebook, d: usize, sizes: &[f32; MAGNITUDES]) -> u32 {
    let (mut best, mut codeword) = (f32::NEG_INFINITY, 0u32);
    for_each_fit(pull, measured, d, Some(sizes), |at, fit| {
        if fit > best {
            (best, codeword) = (fit, at);
        }
    });
    codeword
}

/// Calls `f` with every codeword, rising, and what it takes off the error at its best gain, or magnitude where there are
/// only those.
fn for_each_fit(
    pull: &[f32],
    measured: &MeasuredCodebook,
    d: usize,
    sizes: Option<&[f32; MAGNITUDES]>,
    mut f: impl FnMut(u32, f32),
) {
    for (block, columns) in measured.table.chunks_exact(d).enumerate() {
        let mut dots = [0.0f32; LANES];
        for (column, &value) in columns.iter().zip(pull) {
            for lane in 0..LANES {
                dots[lane] += column[lane] * value;
            }
        }
        let fits = match sizes {
            None => dots.map(|dot| dot * dot),
            Some(sizes) => {
                let roots = &measured.roots[block];
                let mut fits = [f32::NEG_INFINITY; LANES];
                for size in sizes {
                    for lane in 0..LANES {
                        let step = size * roots[lane];
                        let found = step * (2.0 * dots[lane].abs() - step);
                        fits[lane] = if found > fits[lane] { found } else { fits[lane] };
                    }
                }
                fits
            }
        };
        for (lane, &fit) in fits.iter().enumerate().take(measured.squares.len() - block * LANES) {
            f((block * LANES + lane) as u32, fit);
        }
    }
}

/// Levels of a logarithmic scale: code 0 is zero, 1 to 127 rise to the largest level, the high bit is the sign.
fn logarithmic(span: f64) -> Vec<i16> {
    (0..GAIN_CODES)
        .map(|code| {
            let step = (code & 127) as f64;
            let magnitude =
                if step == 0.0 { 0.0 } else { f64::from(MAX_GAIN_LEVEL) * (span * (step - 127.0) / 126.0).exp2() };
            let level = magnitude.round() as i16;
            if code < 128 { level } else { -level }
        })
        .collect()
}

fn quantise_on(gains: &[f64], weights: &[f64], inputs: usize, scale: GainScale) -> (f64, QuantisedGains) {
    let top = if scale == GainScale::Linear { 127.0 } else { f64::from(MAX_GAIN_LEVEL) };
    let mut codes = Vec::with_capacity(gains.len());
    let mut output_scale = Vec::with_capacity(gains.len() / inputs);
    let mut error = 0.0;
    for (gains, weights) in gains.chunks_exact(inputs).zip(weights.chunks_exact(inputs)) {
        let largest = gains.iter().fold(0.0f64, |largest, gain| largest.max(gain.abs()));
        let factor = (largest / top) as f32;
        output_scale.push(factor);
        for (gain, weight) in gains.iter().zip(weights) {
            let wanted = if factor > 0.0 { gain / f64::from(factor) } else { 0.0 };
            let code = nearest_code(&scale, wanted);
            error += weight * (gain - f64::from(factor) * f64::from(scale.level(code))).powi(2);
            codes.push(code);
        }
    }
    (error, QuantisedGains { codes, scale, output_scale })
}

/// Code of the level nearest to `wanted`.
pub(super) fn nearest_code(scale: &GainScale, wanted: f64) -> u8 {
    match scale {
        GainScale::Linear => wanted.round().clamp(-127.0, 127.0) as i8 as u8,
        GainScale::Table(levels) => {
            let magnitude = wanted.abs();
            let half = levels.len() / 2;
            let above = levels[..half].partition_point(|&level| f64::from(level) < magnitude).min(half - 1);
            let below = above.saturating_sub(1);
            let distance = |code: usize| (f64::from(levels[code]) - magnitude).abs();
            let code = if distance(below) <= distance(above) { below } else { above };
            if wanted < 0.0 && levels[code] > 0 { (code + half) as u8 } else { code as u8 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_wins_on_even_gains_and_logarithmic_on_long_tails() {
        let even: Vec<f64> = (0..255).map(|n| f64::from(n) - 127.0).collect();
        let found = quantise(&even, &vec![1.0; 255], 255, 8);
        assert_eq!(found.scale, GainScale::Linear);
        for (gain, code) in even.iter().zip(&found.codes) {
            assert_eq!(f64::from(found.scale.level(*code)) * f64::from(found.output_scale[0]), *gain);
        }
        let tail: Vec<f64> = (0..200).map(|n| if n == 0 { 1000.0 } else { 1.0 + f64::from(n) * 0.02 }).collect();
        let found = quantise(&tail, &vec![1.0; 200], 200, 8);
        assert!(matches!(found.scale, GainScale::Table(_)));
    }

    #[test]
    fn nearest_level_is_found_by_a_plain_search() {
        let scale = GainScale::Table(logarithmic(10.0));
        for n in -2100..2100 {
            let wanted = f64::from(n) + 0.3;
            let found = (f64::from(scale.level(nearest_code(&scale, wanted))) - wanted).abs();
            let best = (0..=255u8).map(|code| (f64::from(scale.level(code)) - wanted).abs()).fold(f64::MAX, f64::min);
            assert!((found - best).abs() < 1e-12, "{wanted}: {found}, best {best}");
        }
    }

    /// Gains that are eight sizes with signs, scaled by output: 4 bits hold them.
    #[test]
    fn sixteen_levels_hold_eight_sizes() {
        let sizes = [1.0, 2.0, 4.0, 7.0, 11.0, 16.0, 22.0, 29.0];
        let gains: Vec<f64> = (0..320)
            .map(|n| sizes[n % 8] * if n % 3 == 0 { -1.0 } else { 1.0 } * if n < 160 { 0.5 } else { 3.0 })
            .collect();
        let found = quantise(&gains, &vec![1.0; 320], 160, 4);
        assert_eq!(found.scale.bits(), 4);
        for (n, (gain, code)) in gains.iter().zip(&found.codes).enumerate() {
            let kept = f64::from(found.scale.level(*code)) * f64::from(found.output_scale[n / 160]);
            assert!((kept - gain).abs() <= 0.002 * found.output_scale[n / 160] as f64 * 2047.0, "{gain}: {kept}");
        }
    }

    /// By hand: points 0, 1 and 10, 11 among the eight centres of Lloyd's algorithm are met exactly.
    #[test]
    fn lloyd_meets_few_points() {
        let points: Vec<[f64; 2]> = [0.0, 1.0, 10.0, 11.0].iter().map(|&v| [v, 1.0]).collect();
        let centres = lloyd(&points);
        for [point, _] in points {
            assert!(centres.iter().any(|c| (c - point).abs() < 1e-12), "{point}: {centres:?}");
        }
    }

    #[test]
    fn zeros_and_one_output_are_no_trouble() {
        for bits in [4, 8] {
            let found = quantise(&[0.0; 6], &[1.0; 6], 3, bits);
            assert!(found.codes.iter().all(|&code| found.scale.level(code) == 0));
            let found = quantise(&[2.5], &[1.0], 1, bits);
            let kept = f64::from(found.scale.level(found.codes[0])) * f64::from(found.output_scale[0]);
            assert!((kept - 2.5).abs() < 1e-6, "{bits} bits: {kept}");
        }
    }
}
