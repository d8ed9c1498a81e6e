//! Finds the files that ship with the crate.

use std::path::{Path, PathBuf};

use super::DetectError;

/// Environment variable that names the assets folder.
pub const ASSETS_VARIABLE: &str = "SHAREKAN_ASSETS";

/// The folder `assets` of this project: bundled backbone, head and images.
#[derive(Debug, Clone, PartialEq)]
pub struct Assets {
    root: PathBuf,
}

impl Assets {
    const BACKBONE: &str = "backbone/efficientnet_lite0.onnx";

    /// Takes the folder that `SHAREKAN_ASSETS` names, where it is set, else `assets` in the current directory.
    ///
    /// # Errors
    /// Where that folder does not hold the backbone. The text says where it looked.
    pub fn locate() -> Result<Self, DetectError> {
        match std::env::var_os(ASSETS_VARIABLE).filter(|folder| !folder.is_empty()) {
            Some(folder) => Self::at(Path::new(&folder), " (named by SHAREKAN_ASSETS)"),
            None => {
                let here = std::env::current_dir().unwrap_or_default();
                Self::at(&here.join("assets"), "")
            }
        }
    }

    fn at(root: &Path, origin: &str) -> Result<Self, DetectError> {
        if root.join(Self::BACKBONE).is_file() {
            return Ok(Self { root: root.to_path_buf() });
        }
        Err(DetectError::NoAssets { file: Self::BACKBONE.into(), looked: format!("{}{origin}", root.display()) })
    }

    /// The bundled EfficientNet-Lite0 (ONNX).
    pub fn backbone(&self) -> PathBuf {
        self.root.join(Self::BACKBONE)
    }

    /// The bundled dense head for blood cells (safetensors).
    pub fn head(&self) -> PathBuf {
        self.root.join("heads/bccd.safetensors")
    }

    /// The folder of bundled training images, to calibrate a compilation with.
    pub fn calibration(&self) -> PathBuf {
        self.root.join("calibration")
    }

    /// The folder of bundled images.
    pub fn images(&self) -> PathBuf {
        self.root.join("images")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_holds_its_assets() {
        let assets = Assets::at(&Path::new(env!("CARGO_MANIFEST_DIR")).join("assets"), "").unwrap();
        assert!(assets.backbone().is_file() && assets.head().is_file());
        assert!(assets.images().is_dir() && assets.calibration().is_dir());
    }

    #[test]
    fn a_folder_without_them_is_named() {
        let error = Assets::at(Path::new("nowhere/at all"), " (named by SHAREKAN_ASSETS)").unwrap_err().to_string();
        assert_eq!(
            error,
            "no assets: looked for backbone/efficientnet_lite0.onnx in nowhere/at all (named by SHAREKAN_ASSETS); \
             set SHAREKAN_ASSETS to the assets folder of sharekan"
        );
    }
}
