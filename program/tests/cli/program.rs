//! Runs the program and reads what it wrote.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use tempfile::TempDir;

/// A run that has ended.
pub struct Done {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The program in the repository's root, with nothing of the caller's environment that bears on it.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharekan"));
    command.args(arguments).current_dir(root()).env("NO_COLOR", "1").env("SHAREKAN_CACHE", "");
    for name in ["RUST_LOG", "SHAREKAN_ASSETS", "WGPU_ADAPTER_NAME", "WGPU_BACKEND", "XDG_RUNTIME_DIR"] {
        command.env_remove(name);
    }
    command
}

pub fn sharekan(arguments: &[&str]) -> Done {
    finish(&mut command(arguments))
}

pub fn finish(command: &mut Command) -> Done {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { status: status.code().expect("ended by a signal"), stdout: text(stdout), stderr: text(stderr) }
}

impl Done {
    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert_eq!((self.status, self.said().as_str()), (0, ""), "{}{}", self.stdout, self.stderr);
        self
    }

    /// What stands on stderr beside the notes.
    pub fn said(&self) -> String {
        self.stderr.lines().filter(|line| !line.starts_with("note: ")).map(|line| format!("{line}\n")).collect()
    }

    /// Ended with status 1 and one line on stderr, in which all `parts` stand.
    #[track_caller]
    pub fn fails(self, parts: &[&str]) {
        let said = self.said();
        assert_eq!((self.status, said.lines().count()), (1, 1), "{}", self.stderr);
        for part in parts {
            assert!(said.contains(part), "{part:?} is not in {said:?}");
        }
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub const DENSE: &str = "assets/heads/bccd.safetensors";
pub const SMALL: &str = "tests/data/fixtures/public/efficient-kan_small.safetensors";
pub const SMALL_ROWS: &str = "tests/data/fixtures/public/efficient-kan_small.io.safetensors";

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The bundled head, compiled once for all tests that need one of its size.
pub fn compiled() -> &'static (TempDir, PathBuf, serde_json::Value) {
    static COMPILED: OnceLock<(TempDir, PathBuf, serde_json::Value)> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bccd.sharekan.safetensors");
        let report = sharekan(&["compile", DENSE, "-o", text(&path), "--json", "-"]).succeeds().json();
        (folder, path, report)
    })
}

/// Shape and values of an f32 tensor.
pub fn tensor(path: &Path, name: &str) -> (Vec<usize>, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = tensors.tensor(name).unwrap();
    assert_eq!(tensor.dtype(), Dtype::F32);
    let values = tensor.data().as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
    (tensor.shape().to_vec(), values)
}

/// Writes one f32 tensor and one that nobody asked for.
pub fn write_tensor(path: &Path, name: &str, shape: &[usize], values: &[f32]) {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensor = TensorView::new(Dtype::F32, shape.to_vec(), &bytes).unwrap();
    let other = TensorView::new(Dtype::U8, vec![1], &[7]).unwrap();
    std::fs::write(path, serialize([(name, tensor), ("other", other)], None).unwrap()).unwrap();
}

/// Largest difference in parts of the largest expected value.
pub fn largest_error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0f64, |most, value| most.max(f64::from(value.abs())));
    let error = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).abs();
    found.iter().zip(expected).map(error).fold(0.0, f64::max) / largest
}
