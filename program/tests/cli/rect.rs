//! `--rect`: images in rectangles of their own shape.

use std::fs;
use std::path::PathBuf;

use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

use super::every_kind::small_detector;
use super::onnx;
use super::program::{Done, sharekan, text};

/// Every 16th pixel of an image gives the boxes of its cell, and nothing else does: what is found in the rectangle of an image
/// is found at the same place in the square, where the bars have boxes of their own.
struct Scene(TempDir);

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        small_detector(folder.path());
        fs::rename(folder.path().join("backbone.onnx"), folder.path().join("fixed.onnx")).unwrap();
        fs::write(folder.path().join("backbone.onnx"), onnx::pixels_of_any_size(32)).unwrap();
        fs::create_dir(folder.path().join("images")).unwrap();
        for (name, width, height) in [("wide", 64, 32), ("tall", 32, 64), ("square", 64, 64)] {
            let pixel =
                |x: u32, y: u32| Rgb([37, 91, 53].map(|step| (step * (x / 16 + 5 * (y / 16) + width) % 256) as u8));
            let image = RgbImage::from_fn(width, height, pixel);
            image.save(folder.path().join("images").join(format!("{name}.png"))).unwrap();
        }
        Self(folder)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn detect(&self, backbone: &str, device: &str, more: &[&str]) -> Done {
        let at = |name: &str| text(&self.at(name)).to_owned();
        let (head, images, network, config) = (at("head.safetensors"), at("images"), at(backbone), at("config.json"));
        let mut arguments = vec!["detect", &head, &images, "--backbone", &network, "--head-config", &config];
        arguments.extend([
            "--device",
            device,
            "--backbone-device",
            device,
            "--score",
            "0.3",
            "--nms",
            "1",
            "--json",
            "-",
        ]);
        arguments.extend(more);
        sharekan(&arguments)
    }
}

/// Class, corners and score.
type Found = (String, [f64; 4], f64);

/// The boxes of every image, by its name.
fn boxes(done: Done) -> Vec<(String, Vec<Found>)> {
    let json = done.succeeds().json();
    let found = |image: &Value| {
        let of = |one: &Value| {
            let corner = |at: usize| one["box"][at].as_f64().unwrap();
            (one["class"].as_str().unwrap().to_owned(), [0, 1, 2, 3].map(corner), one["score"].as_f64().unwrap())
        };
        let name = PathBuf::from(image["image"].as_str().unwrap());
        let name = name.file_stem().unwrap().to_string_lossy().into_owned();
        (name, image["detections"].as_array().unwrap().iter().map(of).collect())
    };
    json.as_array().unwrap().iter().map(found).collect()
}

#[test]
fn boxes_of_a_rectangle_are_those_of_the_square_without_its_bars() {
    let scene = Scene::new();
    let square = boxes(scene.detect("backbone.onnx", "cpu", &[]));
    for device in ["cpu", "gpu"] {
        let rect = boxes(scene.detect("backbone.onnx", device, &["--rect"]));
        for ((name, rect), (other, square)) in rect.iter().zip(&square) {
            assert_eq!(name, other);
            assert!(!rect.is_empty(), "{name}");
            for (class, corners, score) in rect {
                let same = square.iter().any(|(own, place, own_score)| {
                    let near = corners.iter().zip(place).all(|(a, b)| (a - b).abs() < 0.05);
                    class == own && near && (score - own_score).abs() < 1e-3
                });
                assert!(same, "{device}, {name}: {class} {corners:?} {score} is not among {square:?}");
            }
            assert_eq!(rect.len() == square.len(), name == "square", "{device}, {name}");
        }
    }
}

#[test]
fn a_backbone_of_fixed_sides_is_refused_by_name() {
    let scene = Scene::new();
    for device in ["cpu", "gpu"] {
        let done = scene.detect("fixed.onnx", device, &["--rect"]);
        done.fails(&[
            "fixed.onnx: input 'input' is [1,3,64,64], expected a height and a width that the file leaves open",
        ]);
    }
}

#[test]
fn the_stages_are_those_of_the_rectangle() {
    let scene = Scene::new();
    let at = |name: &str| text(&scene.at(name)).to_owned();
    let (head, network, config, image) =
        (at("head.safetensors"), at("backbone.onnx"), at("config.json"), at("images/wide.png"));
    let mut arguments = vec!["bench", "--pipeline", "--rect", "--head", &head, "--backbone", &network];
    arguments.extend(["--head-config", &config, "--image", &image, "--device", "cpu", "--quick", "--json", "-"]);
    let measured = sharekan(&arguments).succeeds().json();
    assert_eq!(measured["input"], serde_json::json!([64, 32]));
    let usage = sharekan(&["bench", "--rect"]);
    assert_eq!(usage.status, 2, "{}", usage.stderr);
}
