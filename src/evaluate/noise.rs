//! Normally distributed noise that is a function of seed and position: it depends neither on the order in which images
//! or pixels are visited, nor on the version of a generator, nor on a platform's logarithm.

use std::f64::consts::TAU;

/// A stream of pairs of independent standard normal numbers, addressed by position.
#[derive(Debug, Clone, Copy)]
pub(super) struct NormalNoise {
    key: u64,
}

impl NormalNoise {
    pub(super) fn new(seed: u64) -> Self {
        Self { key: mix(seed) }
    }

    /// Two numbers of mean 0 and variance 1 (Box and Muller).
    pub(super) fn pair(self, position: u64) -> [f64; 2] {
        let first = self.uniform(position.wrapping_mul(2));
        let second = self.uniform(position.wrapping_mul(2).wrapping_add(1));
        let radius = (-2.0 * libm::log(1.0 - first)).sqrt();
        let (sine, cosine) = libm::sincos(TAU * second);
        [radius * cosine, radius * sine]
    }

    /// A number from 0 to below 1.
    fn uniform(self, position: u64) -> f64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let bits = mix(self.key.wrapping_add(position.wrapping_add(1).wrapping_mul(STEP)));
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The output function of SplitMix64 (Steele, Lea and Flood 2014).
fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixing_is_that_of_splitmix64() {
        // First output of the published generator for the seed 1234567.
        assert_eq!(mix(1_234_567_u64.wrapping_add(0x9e37_79b9_7f4a_7c15)), 6_457_827_717_110_365_317);
    }

    #[test]
    fn moments_are_those_of_the_normal_distribution() {
        let noise = NormalNoise::new(7);
        let values: Vec<f64> = (0..200_000).flat_map(|position| noise.pair(position)).collect();
        let moment = |power: i32| values.iter().map(|v| v.powi(power)).sum::<f64>() / values.len() as f64;
        // Four standard errors at 400,000 numbers.
        for (power, expected, tolerance) in [(1, 0.0, 0.0064), (2, 1.0, 0.009), (3, 0.0, 0.025), (4, 3.0, 0.063)] {
            assert!((moment(power) - expected).abs() < tolerance, "moment {power} is {}", moment(power));
        }
        let lagged: f64 = values.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / values.len() as f64;
        assert!(lagged.abs() < 0.0064, "{lagged}");
    }

    #[test]
    fn seeds_and_positions_differ() {
        assert_ne!(NormalNoise::new(0).pair(0), NormalNoise::new(1).pair(0));
        assert_ne!(NormalNoise::new(0).pair(0), NormalNoise::new(0).pair(1));
    }
}
