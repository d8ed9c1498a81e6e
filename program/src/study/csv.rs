//! The points of a study as a table for spreadsheets.

use super::{Point, Steps, Variant};

/// Comma-separated values with a line of names; empty where something does not apply. Accuracies are in percent.
pub fn csv(points: &[Point]) -> String {
    let names = [
        "label",
        "family",
        "method",
        "codewords",
        "gain_bits",
        "precision",
        "pruned_percent",
        "code_bits",
        "steps",
        "shift",
        "bytes",
        "ratio",
        "images",
        "map50",
        "map50_voc07",
        "ap",
        "ap50",
        "ap75",
        "map50_loss",
        "map50_loss_error",
        "output_snr_db",
        "make_seconds",
        "evaluate_seconds",
        "key",
    ];
    let mut text = names.join(",");
    text.push('\n');
    for point in points {
        let mut settings: [String; 7] = Default::default();
        let family = match point.variant {
            Variant::Dense => "dense",
            Variant::Codebook { codewords, precision, gain_bits, .. } => {
                settings[0] = point.variant.key().into();
                settings[1] = codewords.to_string();
                match precision {
                    sharekan::compress::Precision::Int8 => {
                        (settings[2], settings[3]) = (gain_bits.to_string(), "int8".into());
                    }
                    sharekan::compress::Precision::F32 => settings[3] = "f32".into(),
                }
                "codebook"
            }
            Variant::Pruned { percent } => {
                settings[4] = percent.to_string();
                "pruned"
            }
            Variant::Rounded(options) | Variant::Gptq(options) => {
                settings[5] = options.bits.to_string();
                settings[6] = if options.steps == Steps::Output { "output" } else { "group" }.into();
                if matches!(point.variant, Variant::Gptq(_)) { "gptq" } else { "rounded" }
            }
        };
        let dense = points.iter().find(|other| other.variant == Variant::Dense && other.shift == point.shift);
        let figure = |value: Option<f64>| value.map(|value| format!("{value:.3}")).unwrap_or_default();
        let accuracy = &point.accuracy;
        let mut fields = vec![quoted(&point.label), family.into()];
        fields.extend(settings);
        fields.extend([
            point.shift.clone(),
            point.bytes.to_string(),
            format!("{:.3}", point.ratio),
            accuracy.images.to_string(),
            figure(accuracy.map50),
            figure(accuracy.map50_voc07),
            figure(accuracy.ap),
            figure(accuracy.ap50),
            figure(accuracy.ap75),
            figure(dense.and_then(|dense| point.loss(dense))),
            figure(dense.and_then(|dense| point.loss_error(dense))),
            figure(accuracy.output_snr_db),
            format!("{:.1}", point.make_seconds),
            format!("{:.1}", point.evaluate_seconds),
            point.key.clone(),
        ]);
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
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
        let table = csv(&points);
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
