//! ONNX files that do not fit the head's settings are refused with both sides named.

use sharekan::detect::{DetectOptions, Detector, EvaluatorError, HeadEvaluator, OnnxBackbone};
use sharekan::head::{DetectionConfig, TensorLayout};

use crate::data::{bccd_head, path};

fn settings(change: impl FnOnce(&mut DetectionConfig)) -> DetectionConfig {
    let mut settings = bccd_head().detection.unwrap();
    change(&mut settings);
    settings
}

fn refusal(change: impl FnOnce(&mut DetectionConfig)) -> String {
    let bytes = std::fs::read(path("assets/backbone/efficientnet_lite0.onnx")).unwrap();
    let error = OnnxBackbone::from_bytes(bytes, "lite0.onnx", &settings(change)).err().unwrap();
    error.to_string()
}

#[test]
fn missing_names_are_listed_with_those_there_are() {
    assert_eq!(
        refusal(|s| s.pixels.input = "image".into()),
        "backbone lite0.onnx: has no input 'image', its inputs are input"
    );
    assert_eq!(
        refusal(|s| s.features = vec!["c4".into(), "p5".into()]),
        "backbone lite0.onnx: has no output 'p5', its outputs are c1, c2, c3, c4, c5, head, logits"
    );
}

#[test]
fn other_shapes_are_refused() {
    let text = refusal(|s| s.pixels.layout = TensorLayout::Nhwc);
    assert_eq!(text, "backbone lite0.onnx: input 'input' is [N,3,H,W], but the settings give [1,416,416,3] (nhwc)");
    assert_eq!(
        refusal(|s| s.features = vec!["logits".into()]),
        "backbone lite0.onnx: output 'logits' is [1, 1000], expected [1, channels, height, width]"
    );
    assert_eq!(
        refusal(|s| s.features = vec!["c3".into()]),
        "backbone lite0.onnx: output 'c3' is 52x52 at 416 pixels, expected 26x26 (stride 16) or a whole fraction of it"
    );
}

#[test]
fn other_channels_than_the_head_takes_are_refused() {
    struct Head;
    impl HeadEvaluator for Head {
        fn inputs(&self) -> usize {
            1392
        }
        fn outputs(&self) -> usize {
            8
        }
        fn evaluate(&mut self, _: &[f32]) -> Result<Vec<f32>, EvaluatorError> {
            Err("not evaluated".into())
        }
    }
    let settings = settings(|s| s.features = vec!["c4".into(), "c5".into()]);
    let backbone = OnnxBackbone::open(&path("assets/backbone/efficientnet_lite0.onnx"), &settings).unwrap();
    let error = Detector::new(backbone, Head, settings, DetectOptions::default()).err().unwrap();
    assert_eq!(
        error.to_string(),
        "the backbone gives 432 features a cell (c4 112 + c5 320), but the head takes 1392 inputs"
    );
}

#[test]
fn files_that_are_no_network_are_refused_on_one_line() {
    let whole = std::fs::read(path("assets/backbone/efficientnet_lite0.onnx")).unwrap();
    let cut = whole[..whole.len() / 2].to_vec();
    for bytes in [Vec::new(), b"not a network".to_vec(), cut] {
        let text = OnnxBackbone::from_bytes(bytes, "x.onnx", &settings(|_| {})).err().unwrap().to_string();
        assert!(text.starts_with("backbone x.onnx: ") && !text.contains('\n'), "{text}");
    }
    let text = OnnxBackbone::open(&path("no/such.onnx"), &settings(|_| {})).err().unwrap().to_string();
    assert!(text.contains("such.onnx: cannot be read: "), "{text}");
}
