//! Every step, and all of them together, against the golden files.

use sharekan::detect::{
    Backbone, DetectOptions, Detector, ImageDetections, Letterbox, OnnxBackbone, Picture, decode_detections, read_image,
};
use sharekan::head::{DetectionConfig, Head};
use sharekan::run::CpuSession;

use crate::agreement::Agreement;
use crate::data::{Golden, bccd_head, bccd_image, bccd_test_images, golden_detections, path};

fn settings() -> DetectionConfig {
    bccd_head().detection.unwrap()
}

fn backbone() -> OnnxBackbone {
    OnnxBackbone::open(&path("assets/backbone/efficientnet_lite0.onnx"), &settings()).unwrap()
}

#[test]
fn letterboxed_pixels_are_those_of_pillow() {
    let image = read_image(&bccd_image("BloodImage_00007")).unwrap();
    let square = Letterbox::new(image.width(), image.height(), 416).unwrap().apply(&image, 114).unwrap();
    let golden = Golden::read().bytes("pixels");
    let differences: Vec<u8> = square.rgb().iter().zip(&golden).map(|(a, b)| a.abs_diff(*b)).collect();
    assert_eq!(differences.len(), golden.len());
    let mean = differences.iter().map(|&d| f64::from(d)).sum::<f64>() / golden.len() as f64;
    let largest = differences.into_iter().max().unwrap();
    // JPEG decoders differ by a unit here and there.
    assert!(largest <= 4 && mean <= 0.2, "largest {largest}, mean {mean}");
}

#[test]
fn features_are_those_of_the_training_side() {
    let golden = Golden::read();
    let square = Picture::from_rgb(416, 416, golden.bytes("pixels")).unwrap();
    let mut backbone = backbone();
    assert_eq!((backbone.channels(), backbone.describe().as_str()), (1392, "c4 112 + head 1280"));
    let features = backbone.features(&square).unwrap();
    let expected = golden.floats("input");
    assert_eq!((features.cells(), features.channels(), features.rows().len()), (26, 1392, expected.len()));
    let largest = features.rows().iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest <= 1e-4, "largest difference {largest}");
}

#[test]
fn golden_outputs_decode_to_the_golden_detections() {
    let letterbox = Letterbox::new(640, 480, 416).unwrap();
    let outputs = Golden::read().floats("output");
    let settings = settings();
    let found = decode_detections(&outputs, &settings, &letterbox, &DetectOptions::default()).unwrap();
    let found = ImageDetections::new("BloodImage_00007".into(), 640, 480, &found, &settings.classes).detections;
    let expected = &golden_detections()["BloodImage_00007"];
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.class, expected.class);
        assert!((found.score - expected.score).abs() <= 2e-5, "{found:?} against {expected:?}");
        for (a, b) in found.bounds.iter().zip(expected.bounds) {
            assert!((a - b).abs() <= 0.02, "{found:?} against {expected:?}");
        }
    }
}

#[test]
fn files_give_the_golden_detections() {
    let settings = settings();
    let head = CpuSession::new(Head::Dense(bccd_head()));
    let mut detector = Detector::new(backbone(), head, settings.clone(), DetectOptions::default()).unwrap();
    let golden = golden_detections();
    let mut agreement = Agreement::default();
    for name in bccd_test_images() {
        let image = read_image(&bccd_image(&name)).unwrap();
        let (found, _) = detector.detect(&image).unwrap();
        let found = ImageDetections::new(name.clone(), image.width(), image.height(), &found, &settings.classes);
        agreement.add(&golden[&name], &found.detections, 0.5);
    }
    assert!(agreement.expected > 200, "{agreement:?}");
    assert!(agreement.found as f64 >= 0.97 * agreement.expected as f64, "{agreement:?}");
    assert!(agreement.extra as f64 <= 0.03 * agreement.expected as f64, "{agreement:?}");
}
