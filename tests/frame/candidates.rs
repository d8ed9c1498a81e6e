//! Candidates found on the device give the boxes that the CPU decodes from all outputs.

use sharekan::detect::frame::{CandidatesBinding, DeviceCandidates};
use sharekan::detect::{DetectOptions, DetectingHead, Letterbox, decode_detections};
use sharekan::head::PixelPreparation;

use crate::device::{read, run, storage};
use crate::letterbox::config;
use crate::support::{GPU, Random};

/// Heads of so many classes each, of 10 x 10 cells.
fn heads(classes: &[usize]) -> Vec<DetectingHead> {
    let head = |(at, &classes): (usize, &usize)| DetectingHead {
        name: format!("head {at}"),
        settings: config(40, PixelPreparation::default())
            .classes((0..classes).map(|class| format!("class {class}")).collect())
            .box_scale(4.0 + at as f32),
    };
    classes.iter().enumerate().map(head).collect()
}

/// Outputs with scores from weak to strong, and some that are no numbers.
fn outputs(width: usize, seed: u64) -> Vec<f32> {
    let random = &mut Random::new(seed);
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30];
    let mut value = || match random.below(40) {
        0 => odd[random.below(odd.len())],
        _ => 4.0 * random.next(),
    };
    (0..100 * width).map(|_| value()).collect()
}

/// The heads' own outputs out of those side by side.
fn own(outputs: &[f32], width: usize, first: usize, channels: usize) -> Vec<f32> {
    outputs.chunks_exact(width).flat_map(|row| &row[first..first + channels]).copied().collect()
}

fn found(candidates: &DeviceCandidates, binding: &CandidatesBinding) -> Vec<u8> {
    run(|encoder| candidates.record(encoder, binding));
    read(binding.found())
}

#[test]
fn boxes_are_those_of_the_cpu() {
    let letterbox = Letterbox::new(64, 48, 40).unwrap();
    for (seed, classes) in [(1, &[1][..]), (2, &[3]), (3, &[2, 80, 1])] {
        let heads = heads(classes);
        let width = heads.iter().map(|head| head.settings.channels()).sum();
        let outputs = outputs(width, seed);
        let buffer = storage(bytemuck::cast_slice(&outputs));
        let mut candidates = DeviceCandidates::open(&GPU, &heads, DetectOptions::default(), 100 * width).unwrap();
        let binding = candidates.bind(&buffer).unwrap();
        // A change of the score counts without binding anew; found boxes do not add up.
        for score in [0.3, 0.9, 0.0, 0.6, 1.0] {
            let options = DetectOptions::default().score(score);
            candidates.set_options(options).unwrap();
            let by_head = candidates.decode(&found(&candidates, &binding), &letterbox).unwrap().unwrap();
            let mut first = 0;
            for (head, found) in heads.iter().zip(by_head) {
                let channels = head.settings.channels();
                let own = own(&outputs, width, first, channels);
                let expected = decode_detections(&own, &head.settings, &letterbox, &options).unwrap();
                assert_eq!(found, expected, "{}, score {score}", head.name);
                assert!(score > 0.6 || !expected.is_empty(), "{}, score {score}: nothing to find", head.name);
                first += channels;
            }
        }
    }
}

#[test]
fn a_score_on_the_very_bound_is_found() {
    let heads = heads(&[1]);
    // Scores of sigmoid(x), for both logits are x.
    let values: Vec<f32> =
        (0..100).flat_map(|cell| [cell as f32 / 25.0 - 2.0, 0.0, 0.0, 0.0, 0.0, cell as f32 / 25.0 - 2.0]).collect();
    let buffer = storage(bytemuck::cast_slice(&values));
    let letterbox = Letterbox::new(40, 40, 40).unwrap();
    let all = DetectOptions::default().score(0.0).nms(1.0);
    let scores = decode_detections(&values, &heads[0].settings, &letterbox, &all).unwrap();
    let mut candidates = DeviceCandidates::open(&GPU, &heads, all, 100).unwrap();
    let binding = candidates.bind(&buffer).unwrap();
    for (at, bound) in scores.iter().enumerate() {
        candidates.set_options(all.score(bound.score)).unwrap();
        let boxes = candidates.decode(&found(&candidates, &binding), &letterbox).unwrap().unwrap();
        assert_eq!(boxes[0].len(), at + 1);
    }
}

#[test]
fn more_candidates_than_there_is_room_for_are_said() {
    let heads = heads(&[2]);
    let values = vec![5.0; 100 * 7];
    let buffer = storage(bytemuck::cast_slice(&values));
    let letterbox = Letterbox::new(40, 40, 40).unwrap();
    let boxes = |room: usize| {
        let candidates = DeviceCandidates::open(&GPU, &heads, DetectOptions::default(), room).unwrap();
        let binding = candidates.bind(&buffer).unwrap();
        candidates.decode(&found(&candidates, &binding), &letterbox).unwrap()
    };
    assert!(boxes(200).is_some());
    assert!(boxes(199).is_none());
    assert!(boxes(1).is_none());
}

#[test]
fn outputs_that_do_not_fit_are_refused() {
    let open = |heads: &[DetectingHead]| DeviceCandidates::open(&GPU, heads, DetectOptions::default(), 8);
    assert!(open(&[]).unwrap_err().to_string().contains("has no head"));
    let candidates = open(&heads(&[2, 1])).unwrap();
    assert_eq!(candidates.width(), 13);
    let text = candidates.bind(&storage(&[0; 4 * 1299])).unwrap_err().to_string();
    assert_eq!(text, "the buffer of the head's outputs has 5196 bytes, expected 5200");
    let letterbox = Letterbox::new(40, 40, 40).unwrap();
    assert!(candidates.decode(&[0; 12], &letterbox).is_err());
}
