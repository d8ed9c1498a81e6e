//! Gains in 8 bits: linear within an output, or logarithmic with a sign; whichever errs less over the layer.

use crate::head::{GAIN_CODES, GainScale, MAX_GAIN_LEVEL};

/// Doublings that a logarithmic scale spans; the narrow ones are finer.
const SPANS: [f64; 3] = [5.0, 7.0, 10.0];

/// Gains in 8 bits.
pub(super) struct QuantisedGains {
    pub codes: Vec<u8>,
    pub scale: GainScale,
    /// Factor per output.
    pub output_scale: Vec<f32>,
}

/// Quantises `gains` of `[outputs, inputs]`; `weights` says how much a squared error of each counts.
pub(super) fn quantise(gains: &[f64], weights: &[f64], inputs: usize) -> QuantisedGains {
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
fn nearest_code(scale: &GainScale, wanted: f64) -> u8 {
    match scale {
        GainScale::Linear => wanted.round().clamp(-127.0, 127.0) as i8 as u8,
        GainScale::Table(levels) => {
            let magnitude = wanted.abs();
            let above = levels[..128].partition_point(|&level| f64::from(level) < magnitude).min(127);
            let below = above.saturating_sub(1);
            let distance = |code: usize| (f64::from(levels[code]) - magnitude).abs();
            let code = if distance(below) <= distance(above) { below } else { above };
            if wanted < 0.0 && code > 0 { code as u8 | 128 } else { code as u8 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_wins_on_even_gains_and_logarithmic_on_long_tails() {
        let even: Vec<f64> = (0..255).map(|n| f64::from(n) - 127.0).collect();
        let found = quantise(&even, &vec![1.0; 255], 255);
        assert_eq!(found.scale, GainScale::Linear);
        for (gain, code) in even.iter().zip(&found.codes) {
            assert_eq!(f64::from(found.scale.level(*code)) * f64::from(found.output_scale[0]), *gain);
        }
        let tail: Vec<f64> = (0..200).map(|n| if n == 0 { 1000.0 } else { 1.0 + f64::from(n) * 0.02 }).collect();
        let found = quantise(&tail, &vec![1.0; 200], 200);
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
}
