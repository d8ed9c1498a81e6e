//! From an image file to the square, and from a head's outputs to boxes: `cargo bench --bench detection`.

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sharekan::detect::{DetectOptions, Letterbox, decode_detections, decode_image};
use sharekan::head::{DetectionConfig, PixelPreparation};
use support::Random;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/images/BloodImage_00385.jpg");

fn settings(classes: usize) -> DetectionConfig {
    DetectionConfig::default()
        .classes((0..classes).map(|class| format!("class {class}")).collect())
        .features(vec!["head".into()])
}

fn images(c: &mut Criterion) {
    let bytes = std::fs::read(FILE).unwrap();
    let image = decode_image(&bytes).unwrap();
    let letterbox = Letterbox::new(image.width(), image.height(), 416).unwrap();
    let square = letterbox.apply(&image, 114).unwrap();
    let mut group = c.benchmark_group("images of 640 x 480");
    group.bench_function("decode JPEG", |b| b.iter(|| decode_image(&bytes).unwrap()));
    group.bench_function("letterbox", |b| b.iter(|| letterbox.apply(&image, 114).unwrap()));
    group.bench_function("prepare pixels", |b| b.iter(|| PixelPreparation::default().prepare(&square)));
}

/// Decoding and suppression: 676 cells, outputs that give few boxes or many.
fn boxes(c: &mut Criterion) {
    let settings = settings(20);
    let letterbox = Letterbox::new(640, 480, 416).unwrap();
    let outputs: Vec<f32> = Random::new(1).many(26 * 26 * 25).iter().map(|y| 2.0 * y).collect();
    let mut group = c.benchmark_group("boxes of 26 x 26 cells, 20 classes");
    group.throughput(Throughput::Elements(26 * 26));
    for (name, score) in [("score 0.8", 0.8), ("score 0.3", 0.3), ("score 0.02", 0.02)] {
        let options = DetectOptions::default().score(score);
        group.bench_function(name, |b| {
            b.iter(|| decode_detections(&outputs, &settings, &letterbox, &options).unwrap());
        });
    }
}

criterion_group!(benches, images, boxes);
criterion_main!(benches);
