//! The networks of a folder with their inputs and right outputs.

use std::fs;
use std::path::PathBuf;

use half::f16;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use sharekan::network::{Budget, HostTensor, Network, Resolved};

/// Whose tolerance counts.
#[derive(Clone, Copy)]
pub enum Judge {
    Cpu,
    Gpu,
}

pub struct Case {
    pub name: String,
    pub file: PathBuf,
    pub input_name: String,
    io: Vec<u8>,
    expect: String,
    tolerance: [f64; 2],
}

/// The folder of the tests, or another one with a manifest of its own.
fn folder() -> PathBuf {
    std::env::var_os("SHAREKAN_NETWORKS").map_or_else(|| "tests/data/onnx".into(), PathBuf::from)
}

impl Case {
    pub fn all() -> Vec<Self> {
        let manifest: Value = serde_json::from_slice(&fs::read(folder().join("manifest.json")).unwrap()).unwrap();
        let only = std::env::var("SHAREKAN_NETWORK").ok();
        let text = |net: &Value, key: &str| net[key].as_str().unwrap_or_default().to_owned();
        manifest["nets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|net| Self {
                name: text(net, "name"),
                file: folder().join(text(net, "file")),
                input_name: text(net, "input_name"),
                io: fs::read(folder().join(text(net, "io"))).unwrap_or_default(),
                expect: text(net, "expect"),
                tolerance: ["cpu", "gpu"].map(|judge| net["tolerance"][judge].as_f64().unwrap_or(0.0)),
            })
            .filter(|case| only.as_ref().is_none_or(|only| case.name == *only))
            .collect()
    }

    /// Runs all networks that must run and holds them to their right outputs; those that must be refused are refused.
    pub fn each(judge: Judge, run: impl Fn(&Self, &Network) -> Result<Vec<HostTensor>, String>) {
        let mut wrong = Vec::new();
        for case in Self::all() {
            let outputs = Network::load(&case.file).map_err(|e| e.to_string()).and_then(|net| run(&case, &net));
            match (outputs, case.expect.as_str()) {
                (Ok(_), "refuse") => wrong.push(format!("{} was not refused", case.name)),
                (Ok(outputs), _) => wrong.extend(case.compare(&outputs, judge)),
                (Err(problem), "accept") => wrong.push(format!("{}: {problem}", case.name)),
                (Err(problem), _) => assert_eq!(problem.lines().count(), 1, "{problem}"),
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    pub fn resolve(&self, network: &Network) -> Result<Resolved, String> {
        let names = self.output_names();
        let outputs: Vec<&str> = names.iter().map(String::as_str).collect();
        let input = self.input();
        let sizes = [(self.input_name.as_str(), input.shape.as_slice())];
        network.resolve(&outputs, &sizes, &Budget::default()).map_err(|e| e.to_string())
    }

    pub fn input(&self) -> HostTensor {
        self.tensor("input")
    }

    fn output_names(&self) -> Vec<String> {
        let tensors = SafeTensors::deserialize(&self.io).unwrap();
        let mut names: Vec<String> =
            tensors.names().iter().filter_map(|name| name.strip_prefix("output:")).map(str::to_owned).collect();
        names.sort();
        names
    }

    fn tensor(&self, name: &str) -> HostTensor {
        let tensors = SafeTensors::deserialize(&self.io).unwrap();
        let tensor = tensors.tensor(name).unwrap();
        let bytes = tensor.data();
        let values = match tensor.dtype() {
            Dtype::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::F16 => bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::U8 => bytes.iter().map(|b| f32::from(*b)).collect(),
            other => panic!("{other:?}"),
        };
        HostTensor::new(tensor.shape().to_vec(), values).unwrap()
    }

    fn compare(&self, outputs: &[HostTensor], judge: Judge) -> Vec<String> {
        let tolerance = self.tolerance[judge as usize];
        let names = self.output_names();
        assert_eq!(outputs.len(), names.len());
        let wrong = |(name, found): (&String, &HostTensor)| {
            let right = self.tensor(&format!("output:{name}"));
            if right.shape != found.shape {
                return Some(format!("{} {name}: shape {:?}, expected {:?}", self.name, found.shape, right.shape));
            }
            let difference = difference(&found.values, &right.values);
            println!("{} {name}: {difference:.2e} of {tolerance:.0e}", self.name);
            (difference > tolerance)
                .then(|| format!("{} {name}: off by {difference:.2e}, at most {tolerance:.0e}", self.name))
        };
        names.iter().zip(outputs).filter_map(wrong).collect()
    }
}

/// The largest difference, as a part of the largest right value; not a number counts as infinitely far.
pub fn difference(found: &[f32], right: &[f32]) -> f64 {
    let largest = right.iter().fold(0.0_f64, |most, v| most.max(f64::from(v.abs())));
    let far = found.iter().zip(right).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    far.fold(0.0_f64, |most, d| if d.is_nan() { f64::INFINITY } else { most.max(d) }) / largest.max(f64::MIN_POSITIVE)
}
