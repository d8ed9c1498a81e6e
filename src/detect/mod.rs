//! From an image to labelled boxes.
//!
//! ```text
//! file --decode_image--> RGB --Letterbox--> square --Backbone--> CellFeatures --head--> outputs --decode_detections--> Detection
//! ```
//!
//! [`Detector`] runs the chain, of one head or of several behind one backbone; each step also stands on its own. The head in the middle is whatever implements [`HeadEvaluator`]; the network in front of it whatever implements
//! [`Backbone`], of which `OnnxBackbone` (feature `onnx`) is the bundled one. [`draw_detections`] shows the result.
//! Many files go through the stages side by side in a `pipeline` (feature `files`). In a browser, where nothing can block,
//! a detector's `detect_async` waits for the head's device.

mod agreement;
#[cfg(feature = "files")]
mod assets;
mod backbone;
mod bounds;
mod decode;
mod decode_image;
mod detector;
mod draw;
mod error;
mod evaluator;
mod features;
#[cfg(feature = "network")]
pub mod frame;
#[cfg(feature = "files")]
mod image_list;
mod jpeg_end;
mod letterbox;
mod lettering;
#[cfg(feature = "onnx")]
mod onnx;
#[cfg(feature = "ort")]
mod onnxruntime;
mod palette;
mod picture;
#[cfg(feature = "files")]
pub mod pipeline;
mod pixels;
mod record;
mod resample;
mod suppress;

#[doc(hidden)]
pub use agreement::BoxAgreement;
#[cfg(feature = "files")]
#[doc(hidden)]
pub use assets::{ASSETS_VARIABLE, Assets};
pub use backbone::Backbone;
pub use bounds::Bounds;
#[doc(hidden)]
pub use decode::decode_timed;
pub use decode::{DetectOptions, Detection, decode_detections};
pub use decode_image::{MAX_IMAGE_BYTES, MAX_IMAGE_SIDE, decode_image};
#[doc(hidden)]
pub use detector::bank_classes;
pub use detector::{DetectingHead, Detector, HeadDetections, Timings};
pub use draw::draw_detections;
pub use error::{BackboneProblem, DetectError, ImageProblem};
pub use evaluator::{Evaluating, EvaluatorError, HeadEvaluator};
pub use features::{CellFeatures, FeatureMap};
#[cfg(feature = "files")]
pub use image_list::{list_images, read_image};
pub use letterbox::Letterbox;
#[cfg(feature = "onnx")]
pub use onnx::{BackboneTimes, OnnxBackbone};
#[cfg(feature = "ort")]
pub use onnxruntime::OrtBackbone;
#[doc(hidden)]
pub use palette::class_colour;
pub use picture::Picture;
pub use record::{DetectionRecord, ImageDetections};
#[cfg(feature = "evaluate")]
pub(crate) use resample::resize;
