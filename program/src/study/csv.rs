//! The points of a study as comma-separated values.

use serde::Serialize;
use sharekan::compress::Precision;

use super::{Point, Steps, Variant};
use crate::report::{self, ReportError};

/// What a point has in a table, by the names of its columns; empty where something does not apply. Accuracies are in
/// percent.
#[derive(Default, Serialize)]
struct Fields<'a> {
    label: &'a str,
    family: &'a str,
    method: &'a str,
    codewords: Option<usize>,
    gain_bits: Option<u8>,
    precision: &'a str,
    pruned_percent: Option<u8>,
    code_bits: Option<u8>,
    steps: &'a str,
    shift: &'a str,
    bytes: usize,
    ratio: String,
    images: usize,
    map50: Option<String>,
    map50_voc07: Option<String>,
    ap: Option<String>,
    ap50: Option<String>,
    ap75: Option<String>,
    map50_loss: Option<String>,
    map50_loss_error: Option<String>,
    output_snr_db: Option<String>,
    make_seconds: String,
    evaluate_seconds: String,
    key: &'a str,
}

impl<'a> Fields<'a> {
    fn of(point: &'a Point, points: &[Point]) -> Self {
        let dense = points.iter().find(|other| other.variant == Variant::Dense && other.shift == point.shift);
        let figure = |value: Option<f64>| value.map(|value| format!("{value:.3}"));
        let accuracy = &point.accuracy;
        let mut fields = Self {
            label: &point.label,
            shift: &point.shift,
            bytes: point.bytes,
            ratio: format!("{:.3}", point.ratio),
            images: accuracy.images,
            map50: figure(accuracy.map50),
            map50_voc07: figure(accuracy.map50_voc07),
            ap: figure(accuracy.ap),
            ap50: figure(accuracy.ap50),
            ap75: figure(accuracy.ap75),
            map50_loss: figure(dense.and_then(|dense| point.loss(dense))),
            map50_loss_error: figure(dense.and_then(|dense| point.loss_error(dense))),
            output_snr_db: figure(accuracy.output_snr_db),
            make_seconds: format!("{:.1}", point.make_seconds),
            evaluate_seconds: format!("{:.1}", point.evaluate_seconds),
            key: &point.key,
            ..Self::default()
        };
        fields.set_variant(&point.variant);
        fields
    }

    fn set_variant(&mut self, variant: &Variant) {
        match *variant {
            Variant::Dense => self.family = "dense",
            Variant::Codebook { codewords, precision, gain_bits, .. } => {
                (self.family, self.method, self.codewords) = ("codebook", variant.key(), Some(codewords));
                match precision {
                    Precision::Int8 => (self.gain_bits, self.precision) = (Some(gain_bits), "int8"),
                    Precision::F32 => self.precision = "f32",
                }
            }
            Variant::Pruned { percent } => (self.family, self.pruned_percent) = ("pruned", Some(percent)),
            Variant::Rounded(options) | Variant::Gptq(options) => {
                self.family = if matches!(variant, Variant::Gptq(_)) { "gptq" } else { "rounded" };
                self.code_bits = Some(options.bits);
                self.steps = if options.steps == Steps::Output { "output" } else { "group" };
            }
        }
    }
}

/// A line of names and a line a point.
///
/// # Errors
/// Where a value cannot be written.
pub fn csv(points: &[Point]) -> Result<String, ReportError> {
    report::csv(points.iter().map(|point| Fields::of(point, points)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::ScalarOptions;
    use crate::study::point::tests::point;
    use sharekan::compress::{Method, Precision};

    #[test]
    fn a_line_a_point() {
        let codebook =
            Variant::Codebook { method: Method::Calibrated, codewords: 64, precision: Precision::Int8, gain_bits: 4 };
        let scalar = Variant::Gptq(ScalarOptions { bits: 4, steps: Steps::Group });
        let points = [
            point(Variant::Dense, "none", 1_000_000, 80.0, f64::INFINITY),
            point(codebook, "none", 50_000, 79.25, 26.5),
            point(scalar, "dark", 125_000, 70.0, 20.0),
        ];
        let table = csv(&points).unwrap();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 4);
        let columns = lines[0].split(',').count();
        assert_eq!(
            lines[2],
            "\"calibrated, 64 codewords, 4-bit gains\",codebook,aware,64,4,int8,,,,none,50000,20.000,40,79.250,,,,,0.750,\
             0.000,26.500,1.0,2.0,aware-k64-g4-none"
        );
        // Two commas are in the label.
        assert_eq!(lines[2].split(',').count(), columns + 2);
        // Without a dense point on the same images there is no loss.
        assert!(lines[3].contains(",gptq,,,,,,4,group,dark,125000,8.000,40,70.000,,,,,,,20.000,"), "{}", lines[3]);
    }
}
