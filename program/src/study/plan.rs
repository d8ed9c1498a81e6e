//! Which variants a study compares, and on which images.

use super::{ScalarOptions, Steps, Variant};
use sharekan::compress::{Method, Precision};
use sharekan::evaluate::ImageShift;

/// What to compare.
#[derive(Debug, Clone, PartialEq)]
pub struct StudyPlan {
    /// Codebook sizes.
    pub codebooks: Vec<usize>,
    /// Methods of the compiler.
    pub methods: Vec<Method>,
    /// Fewer settings of everything, for a first look.
    pub quick: bool,
    /// Calibration rows are there; without them, what needs them is left out.
    pub calibrated: bool,
}

impl StudyPlan {
    /// Codebook sizes of a study that names none.
    pub const CODEBOOKS: [usize; 5] = [16, 64, 256, 1024, 4096];
    /// The same for a quick one.
    pub const QUICK_CODEBOOKS: [usize; 2] = [64, 256];

    /// What to measure, in this order: what tells most first, the dense head before others on the same images.
    pub fn points(&self) -> Vec<(Variant, ImageShift)> {
        let mut points: Vec<(Variant, ImageShift)> = Vec::new();
        let mut add = |variant: Variant, shift: ImageShift| {
            let possible = self.calibrated || !variant.needs_calibration();
            if possible && !points.contains(&(variant, shift)) {
                points.push((variant, shift));
            }
        };
        let none = ImageShift::None;
        add(Variant::Dense, none);
        let codebook = |method, codewords, gain_bits| Variant::Codebook {
            method,
            codewords,
            precision: Precision::Int8,
            gain_bits,
        };
        let gains: &[u8] = if self.quick { &[8] } else { &[8, 4] };
        for &method in self.methods.iter().rev() {
            for &gain_bits in gains {
                for &codewords in &self.codebooks {
                    add(codebook(method, codewords, gain_bits), none);
                }
            }
        }
        let least = self.codebooks.iter().copied().min();
        if let Some(least) = least.filter(|_| self.quick && self.methods.contains(&Method::Calibrated)) {
            add(codebook(Method::Calibrated, least, 4), none);
        }
        let middle = self.middle();
        let shifts = || ImageShift::EACH.into_iter().filter(|&shift| shift != none);
        for shift in shifts().filter(|&shift| !self.quick || shift == ImageShift::Noise) {
            add(Variant::Dense, shift);
            if let Some(codewords) = middle {
                self.methods.iter().rev().for_each(|&method| add(codebook(method, codewords, 8), shift));
            }
            // The smallest settings that are still of use.
            let smaller = self.codebooks.iter().copied().filter(|&k| k < middle.unwrap_or(0)).max();
            if let Some(codewords) = smaller.filter(|_| !self.quick && self.methods.contains(&Method::Calibrated)) {
                add(codebook(Method::Calibrated, codewords, 4), shift);
            }
        }
        for variant in self.rivals() {
            add(variant, none);
        }
        if !self.quick {
            for shift in shifts() {
                add(Variant::Gptq(ScalarOptions { bits: 4, steps: Steps::Group }), shift);
            }
            for (&method, codewords) in self.methods.iter().rev().zip(middle.into_iter().cycle()) {
                add(Variant::Codebook { method, codewords, precision: Precision::F32, gain_bits: 8 }, none);
            }
        }
        points
    }

    /// Pruned and scalar heads.
    fn rivals(&self) -> Vec<Variant> {
        let pruned: &[u8] = if self.quick { &[10, 30] } else { &[10, 30, 50, 70, 90] };
        let scalar = |bits, steps| ScalarOptions { bits, steps };
        let mut rivals: Vec<Variant> = pruned.iter().map(|&percent| Variant::Pruned { percent }).collect();
        rivals.push(Variant::Rounded(scalar(8, Steps::Output)));
        rivals.push(Variant::Rounded(scalar(4, Steps::Group)));
        if self.quick {
            return rivals;
        }
        rivals.push(Variant::Rounded(scalar(4, Steps::Output)));
        rivals.push(Variant::Rounded(scalar(3, Steps::Group)));
        rivals.push(Variant::Rounded(scalar(2, Steps::Group)));
        rivals.push(Variant::Gptq(scalar(4, Steps::Group)));
        rivals.push(Variant::Gptq(scalar(4, Steps::Output)));
        rivals.push(Variant::Gptq(scalar(3, Steps::Group)));
        rivals.push(Variant::Gptq(scalar(2, Steps::Group)));
        rivals
    }

    /// 256 codewords, or what the study has nearest to it.
    fn middle(&self) -> Option<usize> {
        self.codebooks.iter().copied().min_by_key(|&codewords| codewords.abs_diff(256))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(quick: bool, calibrated: bool) -> StudyPlan {
        let methods = vec![Method::Plain, Method::Uniform, Method::Calibrated];
        StudyPlan { codebooks: vec![16, 64, 256], methods, quick, calibrated }
    }

    #[test]
    fn the_dense_head_comes_first_on_all_images() {
        let points = plan(false, true).points();
        for shift in ImageShift::EACH {
            let first = points.iter().find(|(_, s)| *s == shift).unwrap();
            assert_eq!(first.0, Variant::Dense);
        }
        let distinct: std::collections::HashSet<_> = points.iter().map(|(v, s)| (v.slug(), s.name())).collect();
        assert_eq!(distinct.len(), points.len());
        // 3 sizes x 3 methods x 2 gains, 3 in f32, 5 pruned, 9 scalar, the dense one; 6 on each of three shifts.
        assert_eq!(points.len(), 18 + 3 + 5 + 9 + 1 + 3 * 6);
    }

    #[test]
    fn without_calibration_nothing_asks_for_it() {
        let points = plan(false, false).points();
        assert!(points.len() > 20 && points.iter().all(|(variant, _)| !variant.needs_calibration()));
    }

    #[test]
    fn a_quick_study_is_short() {
        let quick = StudyPlan { codebooks: StudyPlan::QUICK_CODEBOOKS.to_vec(), ..plan(true, true) };
        // 2 sizes x 3 methods and one with 4-bit gains, 4 rivals, the dense one; 4 on noise.
        assert_eq!(quick.points().len(), 7 + 4 + 1 + 4);
    }
}
