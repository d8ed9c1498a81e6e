//! What the points of a study say, in sentences.

use super::{Point, Variant};
use sharekan::compress::{Method, Precision};

/// Points of mAP whose loss still counts as small.
const SMALL_LOSS: f64 = 1.0;

/// Sentences that follow from the points, each for itself; what was not measured is not spoken of.
pub fn reading(points: &[Point]) -> Vec<String> {
    let unshifted: Vec<&Point> = points.iter().filter(|point| point.unshifted()).collect();
    let Some(dense) = unshifted.iter().copied().find(|point| point.variant == Variant::Dense) else {
        return Vec::new();
    };
    let study = Study { points, unshifted, dense };
    [study.noise(), study.best(), study.methods(), study.precision(), study.pruning(), study.scalar(), study.shifts()]
        .into_iter()
        .flatten()
        .collect()
}

struct Study<'a> {
    points: &'a [Point],
    unshifted: Vec<&'a Point>,
    dense: &'a Point,
}

impl Study<'_> {
    fn loss(&self, point: &Point) -> Option<f64> {
        point.loss(self.dense)
    }

    /// `0.4 ± 0.6 points`.
    fn lost(&self, point: &Point) -> Option<String> {
        let loss = self.loss(point)?;
        Some(match point.loss_error(self.dense).filter(|error| *error > 0.0) {
            Some(error) => format!("{loss:.1} ± {error:.1} points of mAP"),
            None => format!("{loss:.1} points of mAP"),
        })
    }

    fn int8_codebooks(&self) -> impl Iterator<Item = &Point> {
        let int8 = |point: &&Point| matches!(point.variant, Variant::Codebook { precision: Precision::Int8, .. });
        self.unshifted.iter().copied().filter(int8)
    }

    /// The smallest of those that lose little.
    fn smallest<'a>(&self, points: impl Iterator<Item = &'a Point>) -> Option<&'a Point> {
        points.filter(|point| self.loss(point).is_some_and(|loss| loss <= SMALL_LOSS)).min_by_key(|point| point.bytes)
    }

    fn noise(&self) -> Option<String> {
        let mut errors: Vec<f64> = self.int8_codebooks().filter_map(|point| point.loss_error(self.dense)).collect();
        errors.sort_by(f64::total_cmp);
        let typical = errors.get(errors.len() / 2)?;
        let images = self.dense.accuracy.images;
        Some(format!(
            "With {images} images, a loss of mAP is known to about ± {typical:.1} points (one standard error, from leaving \
             out a tenth of the images in turn). Smaller differences mean nothing here; the output signal-to-noise \
             ratio, which is over all cells of all images, is the steadier guide."
        ))
    }

    fn best(&self) -> Option<String> {
        match self.smallest(self.int8_codebooks()) {
            Some(point) => Some(format!(
                "The smallest compressed head that loses at most {SMALL_LOSS} point: {}. It takes {} bytes, {:.1} times less \
                 than the dense head, and loses {}{}.",
                point.label,
                point.bytes,
                point.ratio,
                self.lost(point)?,
                decibels(point),
            )),
            None => {
                let best = self
                    .int8_codebooks()
                    .filter(|point| self.loss(point).is_some())
                    .min_by(|a, b| self.loss(a).unwrap_or(f64::MAX).total_cmp(&self.loss(b).unwrap_or(f64::MAX)))?;
                Some(format!(
                    "No compressed head loses at most {SMALL_LOSS} point; the best is {}, {:.1} times smaller, which loses {}.",
                    best.label,
                    best.ratio,
                    self.lost(best)?
                ))
            }
        }
    }

    fn methods(&self) -> Option<String> {
        // The size at which all methods that there are were measured, nearest to 256.
        let of = |method: Method, codewords: usize| {
            self.int8_codebooks().find(|point| {
                matches!(point.variant, Variant::Codebook { method: m, codewords: k, gain_bits: 8, .. } if m == method && k == codewords)
            })
        };
        let mut sizes: Vec<usize> = self
            .int8_codebooks()
            .filter_map(
                |point| if let Variant::Codebook { codewords, .. } = point.variant { Some(codewords) } else { None },
            )
            .collect();
        sizes.sort_by_key(|size| size.abs_diff(256));
        let size = *sizes.first()?;
        let parts: Vec<String> = [Method::Plain, Method::Uniform, Method::Calibrated]
            .into_iter()
            .filter_map(|method| {
                let point = of(method, size)?;
                Some(format!("{} loses {}{}", point.variant.series(), self.lost(point)?, decibels(point)))
            })
            .collect();
        (parts.len() > 1).then(|| format!("At {size} codewords and 8-bit gains, {}.", parts.join("; ")))
    }

    fn precision(&self) -> Option<String> {
        let parts: Vec<String> = self
            .unshifted
            .iter()
            .filter_map(|float| {
                let Variant::Codebook { method, codewords, precision: Precision::F32, .. } = float.variant else {
                    return None;
                };
                let integers = self.int8_codebooks().find(|point| {
                    matches!(point.variant, Variant::Codebook { method: m, codewords: k, gain_bits: 8, .. } if m == method && k == codewords)
                })?;
                let (float_map, integer_map) = (float.accuracy.map50?, integers.accuracy.map50?);
                let decibels = match (float.accuracy.output_snr_db, integers.accuracy.output_snr_db) {
                    (Some(float), Some(integer)) => format!(", {float:.1} against {integer:.1} dB"),
                    _ => String::new(),
                };
                Some(format!(
                    "{} {codewords}: f32 mAP {float_map:.1}, int8 {integer_map:.1}{decibels}, the f32 file {:.1} times as large",
                    float.variant.series(),
                    float.bytes as f64 / integers.bytes as f64
                ))
            })
            .collect();
        (!parts.is_empty()).then(|| format!("Int8 against f32 codebooks and gains. {}.", parts.join("; ")))
    }

    fn pruning(&self) -> Option<String> {
        let parts: Vec<String> = self
            .unshifted
            .iter()
            .filter_map(|point| {
                let Variant::Pruned { percent } = point.variant else { return None };
                Some(format!("{percent} % dropped: {:.1} times smaller, loses {}", point.ratio, self.lost(point)?))
            })
            .collect();
        (!parts.is_empty())
            .then(|| format!("Pruning whole edges by their norm, without fine-tuning. {}.", parts.join("; ")))
    }

    fn scalar(&self) -> Option<String> {
        let scalar = |point: &&Point| matches!(point.variant, Variant::Rounded(_) | Variant::Gptq(_));
        let rivals = || self.unshifted.iter().copied().filter(scalar);
        rivals().next()?;
        Some(match self.smallest(rivals()) {
            Some(rival) => {
                let ours = self.smallest(self.int8_codebooks());
                let against = ours.map_or_else(String::new, |ours| {
                    format!(
                        " The codebook above is {:.1} times smaller than that.",
                        rival.bytes as f64 / ours.bytes as f64
                    )
                });
                format!(
                    "The smallest scalar quantisation that loses at most {SMALL_LOSS} point: {}, {:.1} times smaller than \
                     dense, loses {}{}.{against}",
                    rival.label,
                    rival.ratio,
                    self.lost(rival)?,
                    decibels(rival),
                )
            }
            None => format!("No scalar quantisation that was tried loses at most {SMALL_LOSS} point."),
        })
    }

    fn shifts(&self) -> Option<String> {
        let kept = kept_under_shifts(self.points);
        let parts: Vec<String> = kept
            .iter()
            .filter_map(|(point, shares)| {
                let shares: Option<Vec<f64>> = shares.iter().map(|(_, share)| *share).collect();
                let shares = shares.filter(|shares| !shares.is_empty())?;
                let mean = shares.iter().sum::<f64>() / shares.len() as f64;
                Some(format!("{} {mean:.1} %", point.label))
            })
            .collect();
        (!parts.is_empty()).then(|| {
            let shifts: Vec<&str> = kept[0].1.iter().map(|(shift, _)| *shift).collect();
            format!(
                "Of the dense head's mAP on changed images ({}), on average: {}.",
                shifts.join(", "),
                parts.join("; ")
            )
        })
    }
}

fn decibels(point: &Point) -> String {
    point.accuracy.output_snr_db.map_or_else(String::new, |snr| format!(", {snr:.1} dB"))
}

/// A variant, and by shift the part of the dense head's mAP that it keeps, in percent.
pub(super) type Kept<'a> = (&'a Point, Vec<(&'a str, Option<f64>)>);

/// Every variant that was measured on changed images.
pub(super) fn kept_under_shifts(points: &[Point]) -> Vec<Kept<'_>> {
    let dense: Vec<&Point> =
        points.iter().filter(|point| !point.unshifted() && point.variant == Variant::Dense).collect();
    let mut variants: Vec<&Point> = Vec::new();
    for point in points.iter().filter(|point| !point.unshifted() && point.variant != Variant::Dense) {
        if !variants.iter().any(|known| known.variant == point.variant) {
            variants.push(point);
        }
    }
    let share = |variant: &Point, dense: &Point| {
        let own = points.iter().find(|point| point.variant == variant.variant && point.shift == dense.shift)?;
        Some(100.0 * own.accuracy.map50? / dense.accuracy.map50.filter(|map| *map > 0.0)?)
    };
    variants
        .into_iter()
        .map(|variant| (variant, dense.iter().map(|d| (d.shift.as_str(), share(variant, d))).collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::point::tests::point;
    use crate::study::{ScalarOptions, Steps};

    fn codebook(method: Method, codewords: usize, precision: Precision) -> Variant {
        Variant::Codebook { method, codewords, precision, gain_bits: 8 }
    }

    fn points() -> Vec<Point> {
        let (calibrated, plain) = (Method::Calibrated, Method::Plain);
        vec![
            point(Variant::Dense, "none", 1_000_000, 80.0, f64::INFINITY),
            point(codebook(calibrated, 64, Precision::Int8), "none", 40_000, 78.5, 24.0),
            point(codebook(calibrated, 256, Precision::Int8), "none", 50_000, 79.5, 27.0),
            point(codebook(plain, 256, Precision::Int8), "none", 50_000, 75.0, 12.0),
            point(codebook(calibrated, 256, Precision::F32), "none", 200_000, 79.6, 27.5),
            point(Variant::Pruned { percent: 30 }, "none", 700_000, 40.0, 3.0),
            point(Variant::Gptq(ScalarOptions { bits: 4, steps: Steps::Group }), "none", 125_000, 79.8, 22.0),
            point(Variant::Dense, "noise", 1_000_000, 50.0, f64::INFINITY),
            point(Variant::Dense, "dark", 1_000_000, 60.0, f64::INFINITY),
            point(codebook(calibrated, 256, Precision::Int8), "noise", 50_000, 49.0, 25.0),
            point(codebook(calibrated, 256, Precision::Int8), "dark", 50_000, 60.0, 26.0),
        ]
    }

    #[test]
    fn sentences_carry_the_figures() {
        let text = reading(&points()).join("\n");
        for expected in [
            "With 40 images",
            "calibrated, 256 codewords, 8-bit gains. It takes 50000 bytes, 20.0 times less than the dense head, and loses 0.5 \
             points of mAP, 27.0 dB.",
            "At 256 codewords and 8-bit gains, plain loses 5.0 points of mAP, 12.0 dB; calibrated loses 0.5 points of mAP, 27.0 dB.",
            "calibrated 256: f32 mAP 79.6, int8 79.5, 27.5 against 27.0 dB, the f32 file 4.0 times as large",
            "30 % dropped: 1.4 times smaller, loses 40.0 points",
            "GPTQ, int4, a step each 128, 8.0 times smaller than dense, loses 0.2 points of mAP, 22.0 dB. The codebook \
             above is 2.5 times smaller than that.",
            "on changed images (noise, dark), on average: calibrated, 256 codewords, 8-bit gains 99.0 %.",
        ] {
            assert!(text.contains(expected), "{expected}\n\nis not in\n\n{text}");
        }
    }

    #[test]
    fn what_was_not_measured_is_not_spoken_of() {
        assert_eq!(reading(&[]), Vec::<String>::new());
        assert_eq!(reading(&points()[..1]), Vec::<String>::new());
        let poor = [points()[0].clone(), points()[3].clone()];
        let text = reading(&poor).join("\n");
        assert!(text.contains("No compressed head loses at most 1 point; the best is plain, 256 codewords"), "{text}");
        assert!(!text.contains("scalar") && !text.contains("changed images") && !text.contains("Pruning"));
    }
}
