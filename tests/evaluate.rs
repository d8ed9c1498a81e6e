//! Average precision against results stored from pycocotools and from an independent implementation of VOC's rules;
//! `tests/data/evaluate/make.py` made them.
#![cfg(feature = "evaluate")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use sharekan::evaluate::ground_truth::{GroundTruth, GroundTruthImage, GroundTruthObject};
use sharekan::evaluate::{Evaluation, EvaluationSettings, Evaluator, PixelExtent, Region, ScoredRegion};

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/evaluate").join(name)
}

fn read<T: for<'de> Deserialize<'de>>(name: &str) -> T {
    serde_json::from_slice(&fs::read(data(name)).unwrap()).unwrap()
}

#[derive(Deserialize)]
struct Case {
    classes: Vec<String>,
    images: Vec<CaseImage>,
    expected: Expected,
}

#[derive(Deserialize)]
struct CaseImage {
    name: String,
    objects: Vec<CaseObject>,
    /// Class, score, left, top, width, height.
    detections: Vec<(String, f32, f64, f64, f64, f64)>,
}

/// Class, left, top, width, height, area, crowd, difficult.
#[derive(Deserialize)]
struct CaseObject(String, f64, f64, f64, f64, f64, u8, u8);

#[derive(Deserialize)]
struct Expected {
    coco: [Option<f64>; 12],
    coco_per_class: BTreeMap<String, Option<f64>>,
    voc_continuous: VocFigures,
    voc_inclusive: VocFigures,
    published_map50_percent: Option<f64>,
}

#[derive(Deserialize)]
struct VocFigures {
    all_point: BTreeMap<String, f64>,
    eleven_point: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct ResultRecord {
    image_id: u64,
    category_id: u64,
    bbox: [f64; 4],
    score: f32,
}

fn index(classes: &[String], name: &str) -> usize {
    classes.iter().position(|class| class == name).unwrap()
}

fn truth_of(case: &Case) -> GroundTruth {
    let image = |image: &CaseImage| GroundTruthImage {
        name: image.name.clone(),
        path: image.name.clone().into(),
        size: None,
        objects: image
            .objects
            .iter()
            .map(|CaseObject(class, left, top, width, height, area, crowd, difficult)| GroundTruthObject {
                class: index(&case.classes, class),
                region: Region { left: *left, top: *top, width: *width, height: *height },
                difficult: *difficult == 1,
                crowd: *crowd == 1,
                area: *area,
            })
            .collect(),
    };
    GroundTruth { classes: case.classes.clone(), images: case.images.iter().map(image).collect() }
}

/// Evaluates a case with the head's classes in the reverse order of the ground truth's.
fn evaluate(case: &Case, extent: PixelExtent) -> Evaluation {
    let truth = truth_of(case);
    let head_classes: Vec<String> = case.classes.iter().rev().cloned().collect();
    let mut evaluator = Evaluator::new(&truth, &head_classes);
    for (number, image) in case.images.iter().enumerate() {
        let scored = image.detections.iter().map(|(class, score, left, top, width, height)| ScoredRegion {
            class: index(&head_classes, class),
            score: *score,
            region: Region { left: *left, top: *top, width: *width, height: *height },
        });
        evaluator.add(number, scored).unwrap();
    }
    evaluator.evaluate(&EvaluationSettings::default().extent(extent))
}

fn assert_close(what: &str, found: Option<f64>, expected: Option<f64>) {
    let close = match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
        (found, expected) => found == expected,
    };
    assert!(close, "{what}: found {found:?}, expected {expected:?}");
}

fn assert_coco(evaluation: &Evaluation, expected: &Expected) {
    const NAMES: [&str; 12] = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"];
    for ((name, found), &expected) in NAMES.iter().zip(evaluation.coco().to_array()).zip(&expected.coco) {
        assert_close(name, found, expected);
    }
    for class in &evaluation.classes {
        assert_close(&class.name, class.coco.metrics().ap, expected.coco_per_class[&class.name]);
    }
}

fn assert_voc(evaluation: &Evaluation, expected: &VocFigures) {
    for class in &evaluation.classes {
        assert_close(&class.name, class.curve.all_point(), expected.all_point.get(&class.name).copied());
        assert_close(&class.name, class.curve.eleven_point(), expected.eleven_point.get(&class.name).copied());
    }
    let mean = |figures: &BTreeMap<String, f64>| Some(figures.values().sum::<f64>() / figures.len() as f64);
    assert_close("mAP", evaluation.map_all_point(), mean(&expected.all_point));
    assert_close("mAP, eleven-point", evaluation.map_eleven_point(), mean(&expected.eleven_point));
}

fn assert_case(name: &str) {
    let case: Case = read(name);
    let evaluation = evaluate(&case, PixelExtent::Continuous);
    assert_coco(&evaluation, &case.expected);
    assert_voc(&evaluation, &case.expected.voc_continuous);
    assert_voc(&evaluate(&case, PixelExtent::Inclusive), &case.expected.voc_inclusive);
    if let Some(published) = case.expected.published_map50_percent {
        let summary = evaluation.summary();
        assert_eq!(summary.images, case.images.len());
        assert_close("published mAP", summary.map50, Some(published));
    }
}

#[test]
fn made_up_boxes_agree_with_the_official_tools() {
    assert_case("random.json");
}

#[test]
fn golden_detections_agree_with_the_official_tools() {
    assert_case("bccd.json");
}

#[test]
fn dense_heads_reach_their_published_figures() {
    assert_case("bccd_dense.json");
    assert_case("raccoon_dense.json");
}

#[test]
fn a_coco_file_agrees_with_pycocotools() {
    let expected: Expected = read("instances_expected.json");
    let truth = GroundTruth::read(&data("instances.json"), "", None).unwrap();
    let file: serde_json::Value = read("instances.json");
    let ids = |list: &str, name: &str| -> BTreeMap<u64, String> {
        let entries = file[list].as_array().unwrap().iter();
        entries.map(|entry| (entry["id"].as_u64().unwrap(), entry[name].as_str().unwrap().to_owned())).collect()
    };
    let (categories, images) = (ids("categories", "name"), ids("images", "file_name"));
    let head_classes: Vec<String> = categories.values().cloned().collect();
    let results: Vec<ResultRecord> = read("results.json");
    let mut evaluator = Evaluator::new(&truth, &head_classes);
    for (number, image) in truth.images.iter().enumerate() {
        let scored = results.iter().filter(|result| images[&result.image_id] == image.name).map(|result| {
            let [left, top, width, height] = result.bbox;
            ScoredRegion {
                class: index(&head_classes, &categories[&result.category_id]),
                score: result.score,
                region: Region { left, top, width, height },
            }
        });
        evaluator.add(number, scored).unwrap();
    }
    let evaluation = evaluator.evaluate(&EvaluationSettings::default());
    assert_coco(&evaluation, &expected);
    assert_voc(&evaluation, &expected.voc_continuous);
    let inclusive = EvaluationSettings::default().extent(PixelExtent::Inclusive);
    assert_voc(&evaluator.evaluate(&inclusive), &expected.voc_inclusive);
}

#[cfg(feature = "detect")]
#[test]
fn blur_is_that_of_pillow() {
    #[derive(Deserialize)]
    struct Blur {
        width: u32,
        height: u32,
        pixels: Vec<u8>,
        blurred: Vec<u8>,
    }
    let Blur { width, height, pixels, blurred } = read("blur.json");
    let image = sharekan::detect::Picture::from_rgb(width, height, pixels).unwrap();
    let found = sharekan::evaluate::ImageShift::Blur.apply(&image, 0);
    assert_eq!(found.rgb(), blurred);
}
