//! From pictures to boxes.

use std::rc::Rc;

use serde::Serialize;
use sharekan::Head;
use sharekan::detect::frame::{FrameDetector, FrameOptions, LetterboxBinding};
use sharekan::detect::{
    DetectOptions, DetectingHead, DetectionRecord, HeadDetections, ImageDetections, OnnxBackbone, Picture,
};
use sharekan::head::DetectionConfig;
use sharekan::import::ImportOptions;
use sharekan::run::{CpuSession, Gpu};
use sharekan::wgpu;
use wasm_bindgen::prelude::*;
use web_time::Instant;

use crate::features::Rows;
use crate::value::{failed, object};
use crate::{Backbone, Device, image};

type CpuDetector = sharekan::detect::Detector<OnnxBackbone, CpuSession>;

/// A head, or the heads of a bank, behind a backbone.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Detector {
    pub(crate) gpu: Option<Gpu>,
    pub(crate) head: Rc<Head>,
    pub(crate) backbone: Option<Backbone>,
    pub(crate) runner: Runner,
    pub(crate) rows: Option<Rows>,
    heads: Vec<DetectingHead>,
    bytes: usize,
    assumed: Vec<String>,
}

/// What pictures go through.
pub(crate) enum Runner {
    /// Nothing: there is no backbone.
    None,
    Gpu(Box<OnGpu>),
    Cpu(Box<CpuDetector>),
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Gpu(_) => "Gpu",
            Self::Cpu(_) => "Cpu",
        })
    }
}

pub(crate) struct OnGpu {
    pub(crate) frames: FrameDetector,
    /// The texture that pictures are copied into, as bound.
    bound: Option<(wgpu::Texture, LetterboxBinding)>,
}

/// What was found in a picture.
#[derive(Serialize)]
struct Found {
    detections: Vec<DetectionRecord>,
    width: u32,
    height: u32,
    times: Times,
}

/// Milliseconds. On a GPU the host only hears of the end: `device` is all of it.
#[derive(Serialize, Default)]
struct Times {
    total: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    send: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    letterbox: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backbone: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decode: Option<f64>,
}

/// What a head is.
#[derive(Serialize)]
struct Described<'a> {
    form: &'static str,
    bytes: usize,
    inputs: usize,
    outputs: usize,
    heads: Vec<HeadDescription>,
    assumed: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    device_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dispatches: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multiplications: Option<f64>,
}

#[derive(Serialize)]
struct HeadDescription {
    name: String,
    classes: Vec<String>,
    input_size: u32,
}

#[wasm_bindgen]
impl Detector {
    /// Opens a head from a file's bytes on a device, behind a backbone if there is one; `config` is the text of a file
    /// that says how its outputs mean boxes, for heads that do not say so themselves.
    pub async fn load(
        device: &Device,
        head: Vec<u8>,
        backbone: Option<Backbone>,
        config: Option<String>,
    ) -> Result<Detector, JsError> {
        let gpu = device.gpu().cloned();
        let config = config.map(|text| DetectionConfig::from_config(&text)).transpose().map_err(failed)?;
        let options = ImportOptions::default().head_config(config);
        let (own, assumed) = Head::from_bytes_with(&head, &options).map_err(failed)?;
        let mut heads = DetectingHead::all_of(&own).unwrap_or_default();
        let runner = match (&backbone, &gpu) {
            (None, _) => Runner::None,
            (Some(backbone), Some(gpu)) => {
                heads = DetectingHead::all_of(&own).map_err(failed)?;
                let network = backbone.network().map_err(failed)?;
                // Pictures come as textures; only the check sends one from the host, which is small.
                let options = FrameOptions::default().image_pixels(1).in_flight(1);
                let opened = FrameDetector::open_async(gpu, network, backbone.name(), &own, &options).await;
                Runner::Gpu(Box::new(OnGpu { frames: opened.map_err(failed)?, bound: None }))
            }
            (Some(backbone), None) => {
                heads = DetectingHead::all_of(&own).map_err(failed)?;
                let network = backbone.on_cpu(&heads[0].settings).map_err(failed)?;
                let (session, options) = (CpuSession::new(own.clone()), DetectOptions::default());
                let opened = CpuDetector::of_heads(network, session, heads.clone(), options);
                Runner::Cpu(Box::new(opened.map_err(failed)?))
            }
        };
        let (head, bytes) = (Rc::new(own), head.len());
        Ok(Self { gpu, head, backbone, runner, rows: None, heads, bytes, assumed })
    }

    /// What the head is, and what it takes.
    pub fn describe(&self) -> Result<JsValue, JsError> {
        let form = match (&*self.head, self.heads.len()) {
            (Head::Dense(_), _) => "dense",
            (Head::Compressed(_), 0..=1) => "compressed",
            (Head::Compressed(_), _) => "bank",
        };
        let frames = match &self.runner {
            Runner::Gpu(own) => Some(&own.frames),
            _ => None,
        };
        let describe = |head: &'_ DetectingHead| HeadDescription {
            name: head.name.clone(),
            classes: head.settings.classes.clone(),
            input_size: head.settings.input_size,
        };
        object(&Described {
            form,
            bytes: self.bytes,
            inputs: self.head.inputs(),
            outputs: self.head.outputs(),
            heads: self.heads.iter().map(describe).collect(),
            assumed: &self.assumed,
            device_bytes: frames.map(FrameDetector::device_bytes),
            dispatches: frames.map(FrameDetector::dispatches),
            multiplications: frames.map(FrameDetector::multiplications),
        })
    }

    /// Changes which boxes are kept: the lowest score, the overlap above which the weaker of two is dropped, and the most
    /// of a picture.
    #[wasm_bindgen(js_name = setOptions)]
    pub fn set_options(&mut self, score: f32, nms: f32, max_detections: usize) -> Result<(), JsError> {
        let options = DetectOptions::default().score(score).nms(nms).max_detections(max_detections);
        match &mut self.runner {
            Runner::None => options.check(),
            Runner::Gpu(own) => own.frames.set_options(options),
            Runner::Cpu(own) => own.set_options(options),
        }
        .map_err(failed)
    }

    /// The boxes in pixels of four bytes.
    #[wasm_bindgen(js_name = detectPixels)]
    pub async fn detect_pixels(&mut self, rgba: Vec<u8>, width: u32, height: u32) -> Result<JsValue, JsError> {
        image::check(&rgba, width, height)?;
        match &self.runner {
            Runner::None => Err(no_backbone()),
            Runner::Gpu(_) => {
                let copy = |gpu: &Gpu, texture: &wgpu::Texture| image::write(gpu, &rgba, texture);
                self.detect_texture(width, height, copy).await
            }
            Runner::Cpu(_) => self.detect_picture(&image::picture(&rgba, width, height)?).await,
        }
    }

    /// The boxes in something that the browser copies into a texture: an `ImageBitmap`, a `VideoFrame`, a canvas or a video.
    #[wasm_bindgen(js_name = detectSource)]
    pub async fn detect_source(&mut self, source: JsValue) -> Result<JsValue, JsError> {
        if let Runner::Cpu(_) = &self.runner {
            return Err(JsError::new("without WebGPU a picture is taken as its pixels alone"));
        }
        let source = image::external(&source)?;
        let (width, height) = (source.width(), source.height());
        self.detect_texture(width, height, |gpu, texture| image::copy(gpu, source, texture)).await
    }
}

impl OnGpu {
    /// A texture of this size, bound.
    async fn texture(&mut self, gpu: &Gpu, width: u32, height: u32) -> Result<wgpu::Texture, JsError> {
        if let Some((texture, _)) = &self.bound
            && (texture.width(), texture.height()) == (width, height)
        {
            return Ok(texture.clone());
        }
        let texture = image::texture(gpu, width, height)?;
        let binding = self.frames.bind_texture_async(&texture).await.map_err(failed)?;
        if let Some((last, _)) = self.bound.replace((texture.clone(), binding)) {
            last.destroy();
        }
        Ok(texture)
    }

    /// The boxes in the bound texture, by head.
    async fn detect(&mut self) -> Result<Vec<HeadDetections>, JsError> {
        let Some((_, binding)) = &self.bound else { return Ok(Vec::new()) };
        self.frames.submit_bound_async(binding).await.map_err(failed)?;
        Ok(self.frames.next_async().await.map_err(failed)?.unwrap_or_default())
    }
}

impl Detector {
    /// Puts a picture into the texture of its size, and finds its boxes.
    async fn detect_texture(
        &mut self,
        width: u32,
        height: u32,
        copy: impl FnOnce(&Gpu, &wgpu::Texture),
    ) -> Result<JsValue, JsError> {
        let begin = Instant::now();
        let Runner::Gpu(own) = &mut self.runner else { return Err(no_backbone()) };
        let gpu = own.frames.gpu().clone();
        let texture = own.texture(&gpu, width, height).await?;
        copy(&gpu, &texture);
        let send = milliseconds(begin.elapsed());
        let found = own.detect().await?;
        let total = milliseconds(begin.elapsed());
        let times = Times { total, send: Some(send), device: Some(total - send), ..Times::default() };
        self.found(&found, width, height, times)
    }

    async fn detect_picture(&mut self, picture: &Picture) -> Result<JsValue, JsError> {
        let Runner::Cpu(own) = &mut self.runner else { return Err(no_backbone()) };
        let (found, timings) = own.detect_by_head_async(picture).await.map_err(failed)?;
        let times = Times {
            total: milliseconds(timings.total()),
            letterbox: Some(milliseconds(timings.letterbox)),
            backbone: Some(milliseconds(timings.backbone)),
            head: Some(milliseconds(timings.head)),
            decode: Some(milliseconds(timings.decode)),
            ..Times::default()
        };
        self.found(&found, picture.width(), picture.height(), times)
    }

    fn found(&self, found: &[HeadDetections], width: u32, height: u32, times: Times) -> Result<JsValue, JsError> {
        let name = String::new();
        let of_heads = self.heads.iter().zip(found);
        let detections = match self.heads.as_slice() {
            [head] => {
                let found = found.first().map_or(&[][..], Vec::as_slice);
                ImageDetections::new(name, width, height, found, &head.settings.classes)
            }
            _ => ImageDetections::of_heads(
                name,
                width,
                height,
                of_heads.map(|(head, found)| (&head.name[..], &found[..], &head.settings.classes[..])),
            ),
        };
        object(&Found { detections: detections.detections, width, height, times })
    }
}

fn no_backbone() -> JsError {
    JsError::new("the head was loaded without a backbone: give one, or run features")
}

pub(crate) fn milliseconds(time: std::time::Duration) -> f64 {
    1e3 * time.as_secs_f64()
}
