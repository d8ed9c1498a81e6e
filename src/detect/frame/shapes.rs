//! Detectors for images of different shapes.

#[cfg(all(feature = "files", not(target_arch = "wasm32")))]
use std::collections::VecDeque;

use super::detector::FrameDetector;
use super::feature_passes::check_open_sides;
use super::options::FrameOptions;
use crate::detect::{DetectError, DetectOptions, DetectingHead, Letterbox};
use crate::head::{DetectionConfig, Head, InputShape};
use crate::network::Network;
#[cfg(not(target_arch = "wasm32"))]
use crate::run::block_on;
use crate::run::{Gpu, RunError};

/// Shapes that are open at once: photographs come in some seven.
pub(super) const SHAPES: usize = 8;

/// A [`FrameDetector`] for each width and height that images are letterboxed to, opened when an image first needs it: the
/// rectangles of [`InputShape::Rectangle`], whose shorter side is padded to the next multiple of the strides of all maps. The
/// eight that were used last are kept, fewer where the device has no room for more, each with weights and buffers of its own on the device.
///
/// An image as wide as high is letterboxed to the square, and what is found in it is what a [`FrameDetector`] finds. One
/// detector of squares alone is had by [`From`].
#[derive(Debug)]
pub struct FrameDetectors {
    /// The one that was used last first; never empty.
    open: Vec<FrameDetector>,
    gpu: Gpu,
    heads: Vec<DetectingHead>,
    settings: DetectionConfig,
    /// What further ones are opened with.
    maker: Option<Box<Maker>>,
    /// Sides of the frames that are on their way, the first one first.
    #[cfg(all(feature = "files", not(target_arch = "wasm32")))]
    order: VecDeque<[u32; 2]>,
}

#[derive(Debug)]
struct Maker {
    network: Network,
    backbone: String,
    head: Head,
    options: FrameOptions,
}

impl From<FrameDetector> for FrameDetectors {
    fn from(detector: FrameDetector) -> Self {
        Self {
            gpu: detector.gpu().clone(),
            heads: detector.heads().to_vec(),
            settings: detector.config().clone(),
            open: vec![detector],
            maker: None,
            #[cfg(all(feature = "files", not(target_arch = "wasm32")))]
            order: VecDeque::new(),
        }
    }
}

impl FrameDetectors {
    /// Opens a network and a head, or the heads of a bank, for rectangles, as [`FrameDetector::open`] does for squares; the square is
    /// open at once. `options.sides` does not count.
    ///
    /// # Errors
    /// As [`FrameDetector::open`], and where the network's file fixes the height or width of images.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open_rectangles(
        gpu: &Gpu,
        network: &Network,
        backbone: &str,
        head: &Head,
        options: &FrameOptions,
    ) -> Result<Self, DetectError> {
        block_on(gpu.device(), Self::open_rectangles_async(gpu, network, backbone, head, options))
    }

    /// Opens a network and a head for rectangles as `open_rectangles` does, without blocking.
    ///
    /// # Errors
    /// As [`FrameDetector::open_async`], and where the network's file fixes the height or width of images.
    pub async fn open_rectangles_async(
        gpu: &Gpu,
        network: &Network,
        backbone: &str,
        head: &Head,
        options: &FrameOptions,
    ) -> Result<Self, DetectError> {
        let options = FrameOptions { sides: None, ..options.clone() };
        let square = FrameDetector::open_async(gpu, network, backbone, head, &options).await?;
        let fail = |problem| DetectError::Backbone { backbone: backbone.into(), problem };
        check_open_sides(network, square.config()).map_err(fail)?;
        let shape = InputShape::Rectangle(square.common_stride());
        let mut detectors = Self::from(square);
        detectors.settings.shape = shape;
        let (network, backbone, head) = (network.clone(), backbone.to_owned(), head.clone());
        detectors.maker = Some(Box::new(Maker { network, backbone, head, options }));
        Ok(detectors)
    }

    /// The heads, in order.
    pub fn heads(&self) -> &[DetectingHead] {
        &self.heads
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// How images are prepared, and what they are letterboxed to.
    pub fn settings(&self) -> &DetectionConfig {
        &self.settings
    }

    /// Width and height of what is open, in pixels, the one that was used last first: eight at most.
    pub fn open_sides(&self) -> Vec<[u32; 2]> {
        self.open.iter().map(|detector| detector.config().sides()).collect()
    }

    /// Changes which boxes are kept, from the next frame that is sent on.
    ///
    /// # Errors
    /// Where an option is out of range.
    pub fn set_options(&mut self, options: DetectOptions) -> Result<(), DetectError> {
        self.open.iter_mut().try_for_each(|detector| detector.set_options(options))?;
        if let Some(maker) = &mut self.maker {
            maker.options.detect = options;
        }
        Ok(())
    }

    /// The detector for images of `width` x `height` pixels, opened where it is not.
    ///
    /// # Errors
    /// Where a side is 0, as many detectors as are kept have frames on their way, or as [`FrameDetector::open`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn for_image(&mut self, width: u32, height: u32) -> Result<&mut FrameDetector, DetectError> {
        let device = self.gpu.device().clone();
        block_on(&device, self.for_image_async(width, height))
    }

    /// The detector for images of `width` x `height` pixels as `for_image` gives it, without blocking.
    ///
    /// # Errors
    /// Where a side is 0, as many detectors as are kept have frames on their way, or as [`FrameDetector::open_async`].
    pub async fn for_image_async(&mut self, width: u32, height: u32) -> Result<&mut FrameDetector, DetectError> {
        let sides = Letterbox::of(width, height, &self.settings)?.sides;
        self.for_sides(sides).await
    }

    async fn for_sides(&mut self, sides: [u32; 2]) -> Result<&mut FrameDetector, DetectError> {
        let found = self.open.iter().position(|detector| detector.config().sides() == sides);
        let at = match (found, &self.maker) {
            (Some(at), _) => at,
            // Of squares alone there is no other.
            (None, None) => 0,
            (None, Some(maker)) => {
                let idle = |open: &[FrameDetector]| open.iter().rposition(|detector| detector.in_flight() == 0);
                if self.open.len() >= SHAPES {
                    // What goes makes room first.
                    self.open.remove(idle(&self.open).ok_or(DetectError::InFlight { most: SHAPES })?);
                }
                let options = maker.options.clone().sides(sides);
                let Maker { network, backbone, head, .. } = &**maker;
                let opened = loop {
                    let opened = FrameDetector::open_async(&self.gpu, network, backbone, head, &options).await;
                    match (opened, idle(&self.open)) {
                        // One stays: an image after this one may be its.
                        (Err(DetectError::Device(RunError::OutOfMemory { .. })), Some(idle)) if self.open.len() > 1 => {
                            self.open.remove(idle);
                        }
                        (opened, _) => break opened?,
                    }
                };
                self.open.push(opened);
                self.open.len() - 1
            }
        };
        self.open[..=at].rotate_right(1);
        Ok(&mut self.open[0])
    }
}

#[cfg(all(feature = "files", not(target_arch = "wasm32")))]
impl super::files::Frames for FrameDetectors {
    fn settings(&self) -> &DetectionConfig {
        &self.settings
    }

    fn image_bytes(&self) -> u64 {
        self.open[0].host_image_bytes()
    }

    fn most_in_flight(&self) -> usize {
        // One detector more than those that may have frames on their way can always be opened.
        let most = self.open[0].most_in_flight();
        if self.maker.is_some() { most.min(SHAPES - 1) } else { most }
    }

    fn in_flight(&self) -> usize {
        self.open.iter().map(FrameDetector::in_flight).sum()
    }

    fn send(
        &mut self,
        image: &crate::detect::Picture,
        letterbox: Letterbox,
        letterboxed: Option<&crate::detect::Picture>,
    ) -> Result<(), DetectError> {
        let device = self.gpu.device().clone();
        let detector = block_on(&device, self.for_sides(letterbox.sides))?;
        super::files::Frames::send(detector, image, letterbox, letterboxed)?;
        self.order.push_back(letterbox.sides);
        Ok(())
    }

    fn take(&mut self) -> Result<Option<Vec<crate::detect::HeadDetections>>, DetectError> {
        let sides = self.order.pop_front();
        let of_sides = |detector: &&mut FrameDetector| Some(detector.config().sides()) == sides;
        match self.open.iter_mut().find(of_sides) {
            Some(detector) => detector.next(),
            // One that the caller has sent.
            None => match self.open.iter_mut().find(|detector| detector.in_flight() > 0) {
                Some(detector) => detector.next(),
                None => Ok(None),
            },
        }
    }
}
