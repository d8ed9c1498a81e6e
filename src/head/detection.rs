//! How a head's outputs mean boxes, and how pixels become its backbone's input.
//!
//! The fields stand as JSON in a head file's safetensors metadata under `detection_head`, and in the file that
//! `--head-config` names.

use serde::{Deserialize, Serialize};

use super::HeadError;

/// Detection settings of a head.
///
/// A head of C classes gives `C + 5` channels a cell: class logits, log-distances to the left, top, right and bottom
/// side, and a centreness logit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectionHead {
    /// Version of these fields, 1.
    #[serde(default = "version_one")]
    pub version: u32,
    /// Class names in the order of the head's channels.
    pub classes: Vec<String>,
    /// Side of the square that images are letterboxed to, in pixels.
    pub input_size: u32,
    /// Pixels a cell.
    pub stride: u32,
    /// Outputs of the backbone whose channels are joined to a cell's features, finest first. Coarser ones are
    /// upsampled by nearest.
    pub features: Vec<String>,
    /// Range that the spline variable is clamped to before every layer.
    pub clamp: [f32; 2],
    /// Factor from `exp(log-distance)` to pixels.
    pub box_scale: f32,
    /// mAP@0.5 of the dense head on its test set in percent, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_map50: Option<f64>,
    /// How pixels become the backbone's input.
    #[serde(default, skip_serializing_if = "PixelPreparation::is_default")]
    pub pixels: PixelPreparation,
}

fn version_one() -> u32 {
    1
}

/// Order of the colour channels that a backbone takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelOrder {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// Order of the axes of a backbone's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TensorLayout {
    /// `[batch, channels, height, width]`.
    Nchw,
    /// `[batch, height, width, channels]`.
    Nhwc,
}

/// How pixels (0 to 255) become the backbone's input: `(pixel - mean) * scale` per channel.
///
/// The default is that of the bundled backbone: RGB, `(pixel - 127) / 128`, padded with 114, input `input`, NCHW.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PixelPreparation {
    /// Subtracted from the pixel values, in the order that the backbone takes.
    pub mean: [f32; 3],
    /// Multiplied after that.
    pub scale: [f32; 3],
    /// Order of the colours.
    pub channel_order: ChannelOrder,
    /// Value of the letterbox's bars, 0 to 255.
    pub padding: u8,
    /// Name of the backbone's input.
    pub input: String,
    /// Order of the axes of the backbone's input (its outputs are NCHW).
    pub layout: TensorLayout,
}

impl Default for PixelPreparation {
    fn default() -> Self {
        Self {
            mean: [127.0; 3],
            scale: [1.0 / 128.0; 3],
            channel_order: ChannelOrder::Rgb,
            padding: 114,
            input: "input".into(),
            layout: TensorLayout::Nchw,
        }
    }
}

impl PixelPreparation {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl DetectionHead {
    /// Reads the JSON form and checks it.
    ///
    /// # Errors
    /// Where the text is not JSON of these fields or a field is out of range.
    pub fn from_json(text: &str) -> Result<Self, HeadError> {
        let head: Self = serde_json::from_str(text).map_err(|e| HeadError::Detection(e.to_string()))?;
        head.check()?;
        Ok(head)
    }

    /// The JSON form, on one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Channels that a head of these classes gives a cell.
    pub fn channels(&self) -> usize {
        self.classes.len() + 5
    }

    /// Cells along one side of the letterboxed image.
    pub fn cells(&self) -> usize {
        (self.input_size / self.stride) as usize
    }

    /// Refuses fields out of range.
    pub(crate) fn check(&self) -> Result<(), HeadError> {
        let refuse = |problem: String| Err(HeadError::Detection(problem));
        if self.version != 1 {
            return refuse(format!("version {} is not known, expected 1", self.version));
        }
        if self.classes.is_empty() {
            return refuse("classes is empty, expected at least one name".into());
        }
        if self.features.is_empty() {
            return refuse("features is empty, expected at least one backbone output".into());
        }
        if self.input_size == 0
            || self.input_size > 8192
            || self.stride == 0
            || !self.input_size.is_multiple_of(self.stride)
        {
            return refuse(format!(
                "input_size {} with stride {}, expected a multiple of the stride up to 8192",
                self.input_size, self.stride
            ));
        }
        let [low, high] = self.clamp;
        if !(low.is_finite() && high.is_finite() && low < high) {
            return refuse(format!("clamp is [{low}, {high}], expected a finite, rising range"));
        }
        if !(self.box_scale.is_finite() && self.box_scale > 0.0) {
            return refuse(format!("box_scale is {}, expected a positive number", self.box_scale));
        }
        if self.pixels.mean.iter().chain(&self.pixels.scale).any(|v| !v.is_finite()) {
            return refuse("pixels.mean and pixels.scale must be finite".into());
        }
        Ok(())
    }
}
