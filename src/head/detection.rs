//! How a head's outputs mean boxes, and how pixels become its backbone's input.
//!
//! The fields stand as JSON in a head file's safetensors metadata under `detection_head`, and in the file that
//! `--head-config` names.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{HeadError, Norms};
use crate::nearest_name::nearest;
use crate::setters::setters;

/// Name of the metadata entry that holds a [`DetectionConfig`].
pub const DETECTION_KEY: &str = "detection_head";

/// Detection settings of a head.
///
/// The default is that of the bundled head but for its classes and features, which have to be set.
///
/// A head of C classes gives `C + 5` channels a cell: class logits, log-distances to the left, top, right and bottom
/// side, and a centreness logit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DetectionConfig {
    /// Version of these fields: 1, or 2 for heads that do not clamp or have other norms than affine ones.
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
    /// Range that the spline variable is clamped to before every layer; `None` where the head was not clamped.
    #[serde(default)]
    pub clamp: Option<[f32; 2]>,
    /// What the norms of the head's own dense file are; `None` where they are affine, or there are none. Only files say
    /// this, of themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norms: Option<Norms>,
    /// Factor from `exp(log-distance)` to pixels.
    pub box_scale: f32,
    /// mAP@0.5 of the dense head on its test set in percent, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_map50: Option<f64>,
    /// How pixels become the backbone's input.
    #[serde(default, skip_serializing_if = "PixelPreparation::is_default")]
    pub pixels: PixelPreparation,
    /// What images are letterboxed to. Files do not say this: it is the choice of who runs the head.
    #[serde(skip)]
    pub shape: InputShape,
}

impl Default for DetectionConfig {
    fn default() -> Self {
        Self {
            version: version_one(),
            classes: Vec::new(),
            input_size: 416,
            stride: 16,
            features: Vec::new(),
            clamp: Some([-1.0, 1.0]),
            norms: None,
            box_scale: 24.0,
            test_map50: None,
            pixels: PixelPreparation::default(),
            shape: InputShape::Square,
        }
    }
}

setters! { DetectionConfig {
    version: u32,
    classes: Vec<String>,
    input_size: u32,
    stride: u32,
    features: Vec<String>,
    clamp: into Option<[f32; 2]>,
    norms: into Option<Norms>,
    box_scale: f32,
    test_map50: into Option<f64>,
    pixels: PixelPreparation,
    shape: InputShape,
}}

/// What images are letterboxed to before a backbone takes them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputShape {
    /// A square of [`DetectionConfig::input_size`] pixels.
    #[default]
    Square,
    /// A rectangle for each image: its longer side is [`DetectionConfig::input_size`], its shorter one the least multiple of so many
    /// pixels that the image fits into. That number is a multiple of the stride and divides the input size.
    Rectangle(u32),
    /// This width and height in pixels for every image, multiples of the stride.
    Fixed([u32; 2]),
}

/// The keys of [`DetectionConfig`] in JSON.
const KEYS: [&str; 9] =
    ["version", "classes", "input_size", "stride", "features", "clamp", "box_scale", "test_map50", "pixels"];

/// The keys of [`PixelPreparation`] in JSON.
const PIXEL_KEYS: [&str; 6] = ["mean", "scale", "channel_order", "padding", "input", "layout"];

/// Refuses anything but an object of known keys, naming the one that was most likely meant; `prefix` stands before the
/// keys in the text.
fn check_keys(value: &Value, prefix: &str, known: &[&str]) -> Result<(), HeadError> {
    let Value::Object(fields) = value else {
        let name =
            if prefix.is_empty() { "the settings".into() } else { format!("'{}'", prefix.trim_end_matches('.')) };
        return Err(HeadError::Detection(format!("{name} must be an object of the keys {}", known.join(", "))));
    };
    let Some(key) = fields.keys().find(|key| !known.contains(&key.as_str())) else { return Ok(()) };
    let (shown, all) = (key.escape_debug(), known.join(", "));
    let near =
        nearest(key, known.iter().copied()).map_or_else(String::new, |near| format!(", nearest is '{prefix}{near}'"));
    Err(HeadError::Detection(format!("key '{prefix}{shown}' is not known{near}; known are {all}")))
}

/// Refuses a value of another type by its key; the reader's own text would name a line and a column.
fn check_type<T: serde::de::DeserializeOwned>(
    value: &Value,
    prefix: &str,
    key: &str,
    expected: &str,
) -> Result<(), HeadError> {
    let Some(found) = value.get(key).filter(|found| T::deserialize(*found).is_err()) else { return Ok(()) };
    let mut shown: String = found.to_string().chars().take(40).collect();
    if shown.len() < found.to_string().len() {
        shown.push_str("...");
    }
    Err(HeadError::Detection(format!("'{prefix}{key}' is {shown}, expected {expected}")))
}

/// Refuses values of other types.
fn check_types(value: &Value) -> Result<(), HeadError> {
    check_type::<u32>(value, "", "version", "1 or 2")?;
    check_type::<Vec<String>>(value, "", "classes", "an array of names")?;
    check_type::<u32>(value, "", "input_size", "a whole number of pixels")?;
    check_type::<u32>(value, "", "stride", "a whole number of pixels")?;
    check_type::<Vec<String>>(value, "", "features", "an array of names of outputs")?;
    check_type::<Option<[f32; 2]>>(value, "", "clamp", "an array of two numbers, or null")?;
    check_type::<f32>(value, "", "box_scale", "a number")?;
    check_type::<Option<f64>>(value, "", "test_map50", "a number, or null")?;
    let Some(pixels) = value.get("pixels") else { return Ok(()) };
    check_type::<[f32; 3]>(pixels, "pixels.", "mean", "an array of three numbers")?;
    check_type::<[f32; 3]>(pixels, "pixels.", "scale", "an array of three numbers")?;
    check_type::<ChannelOrder>(pixels, "pixels.", "channel_order", "\"rgb\" or \"bgr\"")?;
    check_type::<u8>(pixels, "pixels.", "padding", "a whole number from 0 to 255")?;
    check_type::<String>(pixels, "pixels.", "input", "a name")?;
    check_type::<TensorLayout>(pixels, "pixels.", "layout", "\"nchw\" or \"nhwc\"")
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
#[serde(default)]
#[non_exhaustive]
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

setters! { PixelPreparation {
    mean: [f32; 3],
    scale: [f32; 3],
    channel_order: ChannelOrder,
    padding: u8,
    input: into String,
    layout: TensorLayout,
}}

impl PixelPreparation {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl DetectionConfig {
    /// Reads the JSON form and checks it.
    ///
    /// # Errors
    /// Where the text is not JSON of these fields or a field is out of range.
    pub fn from_json(text: &str) -> Result<Self, HeadError> {
        let head: Self = serde_json::from_str(text).map_err(|e| HeadError::Detection(e.to_string()))?;
        head.check()?;
        if head.version == 1 && head.norms.is_some() {
            return Err(HeadError::Detection("version 1 has affine norms, expected no key 'norms'".into()));
        }
        Ok(head.in_lowest_version())
    }

    /// Reads the text of a file that the user wrote (`--head-config`) and checks it. Unlike [`DetectionConfig::from_json`]
    /// it refuses keys that it does not know: a misspelt key would silently leave its default in place.
    ///
    /// # Errors
    /// As [`DetectionConfig::from_json`], and where a key is not known or stands twice; the text names it, and the known
    /// ones, the nearest first.
    pub fn from_config(text: &str) -> Result<Self, HeadError> {
        let value: Value = serde_json::from_str(text).map_err(|e| HeadError::Detection(e.to_string()))?;
        check_keys(&value, "", &KEYS)?;
        if let Some(pixels) = value.get("pixels") {
            check_keys(pixels, "pixels.", &PIXEL_KEYS)?;
        }
        check_types(&value)?;
        let head = Self::from_json(text)?;
        head.check_names()?;
        Ok(head)
    }

    /// Refuses what a user cannot have meant: classes without a name of their own, images without colours.
    fn check_names(&self) -> Result<(), HeadError> {
        let mut seen = std::collections::HashSet::new();
        if let Some(name) = self.classes.iter().find(|name| name.trim().is_empty() || !seen.insert(name.as_str())) {
            let problem = if name.trim().is_empty() { "has no name" } else { "is named twice" };
            let at = self.classes.iter().rposition(|other| other == name).unwrap_or(0);
            return Err(HeadError::Detection(format!(
                "class {at} ({name:?}) {problem}, expected a name for each class"
            )));
        }
        if self.pixels.scale == [0.0; 3] {
            return Err(HeadError::Detection(
                "'pixels.scale' is 0 for all colours, which leaves nothing of an image; expected factors as 0.0078125"
                    .into(),
            ));
        }
        Ok(())
    }

    /// The JSON form, on one line.
    ///
    /// # Errors
    /// None that these fields can cause; the writer's own refusal is passed on.
    pub fn to_json(&self) -> Result<String, HeadError> {
        serde_json::to_string(&self.clone().in_lowest_version()).map_err(|e| HeadError::Detection(e.to_string()))
    }

    /// The same settings, of the first version that has what they need.
    pub(crate) fn in_lowest_version(mut self) -> Self {
        self.version = if self.clamp.is_none() || self.norms.is_some() { 2 } else { 1 };
        self
    }

    /// Channels that a head of these classes gives a cell.
    pub fn channels(&self) -> usize {
        self.classes.len() + 5
    }

    /// Cells along one side of the square.
    pub fn cells(&self) -> usize {
        (self.input_size / self.stride) as usize
    }

    /// Width and height of what images are letterboxed to, in pixels; the largest, the square, where every image has its own.
    pub fn sides(&self) -> [u32; 2] {
        match self.shape {
            InputShape::Square | InputShape::Rectangle(_) => [self.input_size; 2],
            InputShape::Fixed(sides) => sides,
        }
    }

    /// Cells in a row and in a column of a letterboxed image of this width and height in pixels.
    pub fn grid(&self, sides: [u32; 2]) -> [usize; 2] {
        sides.map(|side| (side / self.stride.max(1)) as usize)
    }

    /// True where images may be letterboxed to this width and height in pixels.
    pub fn takes(&self, [width, height]: [u32; 2]) -> bool {
        match self.shape {
            InputShape::Rectangle(multiple) => {
                let fits = |side: u32| side > 0 && side.is_multiple_of(multiple) && side <= self.input_size;
                fits(width) && fits(height)
            }
            InputShape::Square | InputShape::Fixed(_) => [width, height] == self.sides(),
        }
    }

    /// Refuses a head whose outputs are not those of the classes.
    pub(crate) fn check_outputs(&self, outputs: usize) -> Result<(), HeadError> {
        if self.channels() == outputs {
            return Ok(());
        }
        let (classes, expected) = (self.classes.len(), self.channels());
        let problem = format!("names {classes} classes, which take {expected} outputs, but the head has {outputs}");
        Err(HeadError::Detection(problem))
    }

    /// True where both take the same features of images prepared in the same way.
    pub fn prepares_images_as(&self, other: &Self) -> bool {
        let of = |head: &Self| (head.input_size, head.stride, head.features.clone(), head.pixels.clone(), head.shape);
        of(self) == of(other)
    }

    /// Refuses fields out of range.
    pub(crate) fn check(&self) -> Result<(), HeadError> {
        let refuse = |problem: String| Err(HeadError::Detection(problem));
        if !(1..=2).contains(&self.version) {
            return refuse(format!("version {} is not known, expected 1 or 2", self.version));
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
        match self.shape {
            InputShape::Rectangle(multiple)
                if !(multiple > 0
                    && multiple.is_multiple_of(self.stride)
                    && self.input_size.is_multiple_of(multiple)) =>
            {
                return refuse(format!(
                    "rectangles are of multiples of {multiple} pixels, expected a multiple of the stride {} that divides {}",
                    self.stride, self.input_size
                ));
            }
            InputShape::Fixed([width, height])
                if [width, height]
                    .iter()
                    .any(|side| !(1..=8192).contains(side) || !side.is_multiple_of(self.stride)) =>
            {
                return refuse(format!(
                    "images are letterboxed to {width}x{height} pixels, expected multiples of the stride {} up to 8192",
                    self.stride
                ));
            }
            _ => (),
        }
        if let Some([low, high]) = self.clamp
            && !(low.is_finite() && high.is_finite() && low < high)
        {
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

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"{"classes": ["a", "b"], "input_size": 64, "stride": 16, "features": ["c4"],
        "clamp": [-1, 1], "box_scale": 24"#;

    fn refusal(rest: &str) -> String {
        DetectionConfig::from_config(&format!("{MINIMAL}{rest}}}")).unwrap_err().to_string()
    }

    #[test]
    fn a_config_of_known_keys_is_read() {
        let rest = r#", "pixels": {"mean": [1, 2, 3], "channel_order": "bgr", "layout": "nhwc", "input": "image"}}"#;
        let head = DetectionConfig::from_config(&format!("{MINIMAL}{rest}")).unwrap();
        assert_eq!((head.cells(), head.channels(), head.version), (4, 7, 1));
        let expected = PixelPreparation {
            mean: [1.0, 2.0, 3.0],
            channel_order: ChannelOrder::Bgr,
            layout: TensorLayout::Nhwc,
            input: "image".into(),
            ..Default::default()
        };
        assert_eq!(head.pixels, expected);
        assert_eq!(DetectionConfig::from_config(&head.to_json().unwrap()).unwrap(), head);
    }

    #[test]
    fn what_is_wrong_is_named_by_its_key() {
        let good = DetectionConfig::from_config(&format!("{MINIMAL}}}")).unwrap();
        let written: Value = serde_json::from_str(&good.to_json().unwrap()).unwrap();
        for (key, value, expected) in [
            ("classes", r#""a""#, "'classes' is \"a\", expected an array of names"),
            ("classes", r#"["a", 1]"#, "'classes' is [\"a\",1], expected an array of names"),
            ("classes", r#"["a", "b", "a"]"#, "class 2 (\"a\") is named twice"),
            ("classes", r#"["a", " "]"#, "class 1 (\" \") has no name"),
            ("input_size", "6.5", "'input_size' is 6.5, expected a whole number of pixels"),
            ("stride", "-16", "'stride' is -16, expected a whole number"),
            ("features", "{}", "'features' is {}, expected"),
            ("clamp", "[-1, 1, 2]", "'clamp' is [-1,1,2], expected an array of two numbers"),
            ("clamp", "[-1]", "'clamp' is [-1], expected an array of two numbers"),
            ("box_scale", r#""24""#, "'box_scale' is \"24\", expected a number"),
            ("pixels", r#"{"mean": [1, 2, 3, 4]}"#, "'pixels.mean' is [1,2,3,4], expected an array of three numbers"),
            ("pixels", r#"{"scale": [0, 0, 0]}"#, "'pixels.scale' is 0 for all colours"),
            ("pixels", r#"{"padding": 256}"#, "'pixels.padding' is 256, expected a whole number from 0 to 255"),
            ("pixels", r#"{"channel_order": "grb"}"#, "'pixels.channel_order' is \"grb\", expected \"rgb\" or \"bgr\""),
        ] {
            let mut changed = written.clone();
            changed[key] = serde_json::from_str(value).unwrap();
            let text = DetectionConfig::from_config(&changed.to_string()).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn every_field_has_its_key() {
        let mut head = DetectionConfig::from_config(&format!("{MINIMAL}}}")).unwrap();
        head.test_map50 = Some(1.0);
        head.pixels.padding = 0;
        let written: Value = serde_json::from_str(&head.to_json().unwrap()).unwrap();
        let keys =
            |value: &Value| value.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>();
        let known = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        assert_eq!(keys(&written), known(&KEYS));
        assert_eq!(keys(&written["pixels"]), known(&PIXEL_KEYS));
    }

    #[test]
    fn unknown_keys_are_refused_in_a_config_only() {
        assert_eq!(
            refusal(r#", "boxscale": 8"#),
            "detection_head: key 'boxscale' is not known, nearest is 'box_scale'; known are version, classes, \
             input_size, stride, features, clamp, box_scale, test_map50, pixels"
        );
        assert_eq!(
            refusal(r#", "pixels": {"chanel_order": "bgr"}"#),
            "detection_head: key 'pixels.chanel_order' is not known, nearest is 'pixels.channel_order'; known are mean, \
             scale, channel_order, padding, input, layout"
        );
        for (rest, twice) in [
            (r#", "stride": 16"#, "duplicate field `stride`"),
            (r#", "pixels": {"padding": 1, "padding": 2}"#, "duplicate field `padding`"),
            (r#", "pixels": {"padding": 1}, "pixels": {}"#, "duplicate field `pixels`"),
        ] {
            let text = refusal(rest);
            assert!(text.contains(twice), "{text}");
        }
        assert!(refusal(r#", "pixels": 3"#).starts_with("detection_head: 'pixels' must be an object of the keys mean"));
        assert!(DetectionConfig::from_config("[]").unwrap_err().to_string().contains("the settings must be an object"));
        let tolerated = format!(r#"{MINIMAL}, "author": "x", "pixels": {{"std": 1}}}}"#);
        assert!(DetectionConfig::from_json(&tolerated).is_ok());
    }
}
