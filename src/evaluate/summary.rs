//! The figures of an evaluation as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Evaluation;

/// What an evaluation found, in percent. Figures that no object counts for are null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Summary {
    /// Images that were evaluated.
    pub images: usize,
    /// VOC mean average precision at overlap 0.5 (or that of the settings), all-point.
    pub map50: Option<f64>,
    /// The same, VOC 2007's eleven-point.
    pub map50_voc07: Option<f64>,
    /// COCO average precision, mean over the overlaps 0.5 to 0.95.
    pub ap: Option<f64>,
    /// COCO, overlap 0.5.
    pub ap50: Option<f64>,
    /// COCO, overlap 0.75.
    pub ap75: Option<f64>,
    /// COCO, small objects.
    pub ap_small: Option<f64>,
    /// COCO, medium objects.
    pub ap_medium: Option<f64>,
    /// COCO, large objects.
    pub ap_large: Option<f64>,
    /// The part of each class in `map50`; classes without objects that count are left out.
    pub per_class: BTreeMap<String, f64>,
    /// How faithful the head is to its dense reference, where that was measured; null where they do not differ at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_snr_db: Option<f64>,
}

impl Summary {
    /// The figures of an evaluation, without a reference.
    pub fn new(evaluation: &Evaluation) -> Self {
        let percent = |figure: Option<f64>| figure.map(|figure| 100.0 * figure);
        let coco = evaluation.coco();
        let classes = evaluation.classes.iter();
        Self {
            images: evaluation.images,
            map50: percent(evaluation.map_all_point()),
            map50_voc07: percent(evaluation.map_eleven_point()),
            ap: percent(coco.ap),
            ap50: percent(coco.ap50),
            ap75: percent(coco.ap75),
            ap_small: percent(coco.ap_small),
            ap_medium: percent(coco.ap_medium),
            ap_large: percent(coco.ap_large),
            per_class: classes.filter_map(|c| Some((c.name.clone(), percent(c.curve.all_point())?))).collect(),
            output_snr_db: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_the_documented_fields() {
        let mut summary = Summary::new(&Evaluation { images: 0, classes: vec![] });
        let empty = "{\"images\":0,\"map50\":null,\"map50_voc07\":null,\"ap\":null,\"ap50\":null,\"ap75\":null,\
                     \"ap_small\":null,\"ap_medium\":null,\"ap_large\":null,\"per_class\":{}";
        assert_eq!(serde_json::to_string(&summary).unwrap(), format!("{empty}}}"));
        summary.output_snr_db = Some(23.5);
        assert_eq!(serde_json::to_string(&summary).unwrap(), format!("{empty},\"output_snr_db\":23.5}}"));
        summary.output_snr_db = Some(f64::INFINITY);
        assert_eq!(serde_json::to_string(&summary).unwrap(), format!("{empty},\"output_snr_db\":null}}"));
    }
}
