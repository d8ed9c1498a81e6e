//! Files that the tests read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use sharekan::detect::DetectionRecord;
use sharekan::head::DenseHead;
use sharekan::import::{ImportOptions, from_bytes};

pub(crate) fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

pub(crate) fn bccd_head() -> DenseHead {
    from_bytes(&std::fs::read(path("assets/heads/bccd.safetensors")).unwrap(), &ImportOptions::default()).unwrap().head
}

pub(crate) fn bccd_image(name: &str) -> PathBuf {
    path(&format!("tests/data/bccd/JPEGImages/{name}.jpg"))
}

pub(crate) fn bccd_test_images() -> Vec<String> {
    let list = std::fs::read_to_string(path("tests/data/bccd/ImageSets/Main/test.txt")).unwrap();
    list.lines().map(str::to_string).collect()
}

/// Detections of the dense head with score >= 0.3, by image.
pub(crate) fn golden_detections() -> BTreeMap<String, Vec<DetectionRecord>> {
    let text = std::fs::read_to_string(path("tests/data/golden/bccd_detections.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// One tensor of the golden file of BloodImage_00007.
pub(crate) struct Golden(Vec<u8>);

impl Golden {
    pub(crate) fn read() -> Self {
        Self(std::fs::read(path("tests/data/golden/bccd_BloodImage_00007.safetensors")).unwrap())
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        SafeTensors::deserialize(&self.0).unwrap().tensor(name).unwrap().data().to_vec()
    }

    pub(crate) fn floats(&self, name: &str) -> Vec<f32> {
        self.bytes(name).chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }
}
