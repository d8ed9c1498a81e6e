//! The whole way of a frame on one device.

use std::collections::VecDeque;

use super::candidates::{CandidatesBinding, DeviceCandidates};
use super::feature_passes::FeaturePasses;
use super::host_image::{HostImages, Ready};
use super::letterbox::{DeviceImage, LetterboxBinding, LetterboxPass};
use super::options::FrameOptions;
use super::parts::{Part, begun_early, submissions};
use crate::detect::detector::{check_outputs, columns_of, decode_heads, join_heads};
use crate::detect::{DetectError, DetectOptions, DetectingHead, Detection, HeadDetections, Letterbox, Picture};
use crate::head::{Head, InputShape};
use crate::network::Network;
use crate::plan::{Limits, PlanOptions, work_bytes};
use crate::run::{
    Binding, Download, Gpu, RunError, Session, Upload, done, largest_submission, open_sessions, submission_within,
    watching,
};
#[cfg(not(target_arch = "wasm32"))]
use crate::run::{block_on, block_on_submission};

/// From frames to boxes on one device: letterbox, backbone, heads and the choice of candidates are recorded into one encoder,
/// and only candidates come back, which the host decodes. The boxes are those of a [`Detector`](crate::detect::Detector) of the
/// same network and head, as far as both compute the same features.
///
/// A few frames can be on their way at once ([`FrameOptions::in_flight`]): [`FrameDetector::submit`] them, and take their boxes out
/// in the same order by [`FrameDetector::next`]. Everything on the device is made when the detector is opened, or a texture or
/// buffer is bound; running makes nothing.
///
/// Systems reset a device that is busy with one submission for seconds. A frame that could take the slowest adapters of the kind
/// more than half a second, by the multiplications that it makes, goes to the device in several submissions; what the caller
/// records is the caller's to submit in time.
///
/// ```no_run
/// # use sharekan::detect::frame::{FrameDetector, FrameOptions};
/// # use sharekan::{head::Head, network::Network, run::Gpu};
/// # fn example(device: wgpu::Device, queue: wgpu::Queue, info: wgpu::AdapterInfo, head: Head, network: Network,
/// #            camera: wgpu::Texture) -> Result<(), sharekan::Error> {
/// let gpu = Gpu::with_device(device.clone(), queue.clone(), info);
/// let mut detector = FrameDetector::open(&gpu, &network, "net.onnx", &head, &FrameOptions::default())?;
///
/// // A texture of the caller's, in the caller's own encoder.
/// let camera = detector.bind_texture(&camera)?;
/// let mut encoder = device.create_command_encoder(&Default::default());
/// // ... whatever draws into the texture is recorded here ...
/// detector.record(&mut encoder, &camera)?;
/// queue.submit([encoder.finish()]);
/// let boxes = detector.next()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct FrameDetector {
    gpu: Gpu,
    features: FeaturePasses,
    heads: Vec<DetectingHead>,
    sessions: Vec<HeadSession>,
    images: HostImages,
    submissions: Vec<Vec<Part>>,
    /// The same for a frame that no other is before, where that is not cut: the device has nothing else to do while it is recorded.
    alone: Option<Vec<Vec<Part>>>,
    /// Whether a submission waits for the one before it.
    gives_way: bool,
    slots: Vec<Slot>,
    /// The slots whose frames are on their way, the first one first.
    order: VecDeque<usize>,
    /// All outputs of a session, where candidates are too many.
    outputs_download: wgpu::Buffer,
    /// What came back.
    found: Vec<u8>,
    outputs: Vec<f32>,
    /// The last texture that was given without binding it.
    last_texture: Option<(wgpu::Texture, LetterboxBinding)>,
}

/// A session, and the candidates of its heads.
#[derive(Debug)]
struct HeadSession {
    session: Session,
    candidates: DeviceCandidates,
    heads: std::ops::Range<usize>,
}

/// What a frame on its way has of its own.
#[derive(Debug)]
struct Slot {
    upload: Upload,
    heads: Vec<HeadSlot>,
    /// Candidates of all sessions, one after the other, and whether a feature was not finite.
    download: wgpu::Buffer,
    sent: Option<Sent>,
}

#[derive(Debug)]
struct HeadSlot {
    outputs: wgpu::Buffer,
    binding: Binding,
    candidates: CandidatesBinding,
}

/// A frame on its way.
#[derive(Debug)]
struct Sent {
    letterbox: Letterbox,
    /// Of frames that the caller submits only asked for when they are waited for.
    download: Option<Download>,
    #[cfg_attr(target_arch = "wasm32", allow(dead_code, reason = "only who blocks waits for one submission"))]
    submission: Option<wgpu::SubmissionIndex>,
}

/// Where a frame comes from.
enum Source<'a> {
    Host(Ready<'a>),
    Device(&'a LetterboxPass),
}

impl FrameDetector {
    /// Opens a network and a head, or the heads of a bank, on a device; `backbone` stands for the network in messages.
    ///
    /// # Errors
    /// Where the network's outputs are not the head's features, an operator is not supported, network or head do not fit the
    /// device, or settings or options are out of range.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(
        gpu: &Gpu,
        network: &Network,
        backbone: &str,
        head: &Head,
        options: &FrameOptions,
    ) -> Result<Self, DetectError> {
        block_on(gpu.device(), Self::open_async(gpu, network, backbone, head, options))
    }

    /// Opens a network and a head as `open` does, without blocking.
    ///
    /// # Errors
    /// Where the network's outputs are not the head's features, an operator is not supported, network or head do not fit the
    /// device, or settings or options are out of range.
    pub async fn open_async(
        gpu: &Gpu,
        network: &Network,
        backbone: &str,
        head: &Head,
        options: &FrameOptions,
    ) -> Result<Self, DetectError> {
        options.check()?;
        let mut heads = DetectingHead::all_of(head)?;
        for head in &mut heads {
            head.settings.shape = options.sides.map_or(InputShape::Square, InputShape::Fixed);
        }
        let columns = columns_of(&heads)?;
        check_outputs(&heads, &columns, head.outputs())?;
        let settings = &heads[0].settings;
        let mut plan = PlanOptions { callers_buffers: true, ..options.plan.clone() };
        let [columns, down] = settings.grid(settings.sides());
        let lend = |largest| share(gpu.limits(), head, columns * down, &mut plan, largest);
        let features = FeaturePasses::open(gpu, network, backbone, settings, &options.network, lend).await?;
        let (found, expected) = (features.features().channels(), head.inputs());
        if found != expected {
            return Err(DetectError::Features { found, parts: features.describe(), expected });
        }
        let rows = features.features().count();
        let opened = open_sessions(gpu, head, rows, &plan, features.lent()).await?;
        let together = opened.len() == 1;
        let mut sessions = Vec::with_capacity(opened.len());
        for (at, session) in opened.into_iter().enumerate() {
            let own = if together { 0..heads.len() } else { at..at + 1 };
            let candidates =
                DeviceCandidates::open_async(gpu, &heads[own.clone()], options.detect, options.candidates).await?;
            sessions.push(HeadSession { session, candidates, heads: own });
        }
        let of_sessions = sessions.iter().map(|own| own.session.chunk_work(rows).collect());
        let kind = gpu.info().device_type;
        let within = |seconds| submission_within(kind, f64::from(seconds));
        let most = options.submission_seconds.map_or_else(|| largest_submission(kind), within);
        let submissions = submissions(features.step_work(), of_sessions, most);
        let is_cut = submissions.len() > 1;
        // A browser hands over what is recorded when it likes.
        let begins_early = !is_cut && kind != wgpu::DeviceType::Cpu && cfg!(not(target_arch = "wasm32"));
        let alone = begins_early.then(|| begun_early(submissions.concat()));
        let mut slots = Vec::with_capacity(options.in_flight);
        let make = || {
            let images = HostImages::new(gpu, &features, options.image_pixels);
            let uploads: Vec<Upload> = (0..options.in_flight).map(|_| images.upload(gpu)).collect();
            (images, uploads)
        };
        let made = watching(gpu.device(), make).await;
        let refused = |e: wgpu::Error| {
            RunError::of_device(&e, (options.image_pixels as u64).saturating_mul(3), "the buffers of frames")
        };
        let (images, uploads) = made.map_err(refused)?;
        for upload in uploads {
            slots.push(Slot::new(gpu, &features, &sessions, upload).await?);
        }
        let widest = sessions.iter().map(|own| own.session.outputs()).max().unwrap_or(1);
        let outputs_download = download(gpu, 4 * (rows * widest) as u64).await?;
        let found = vec![0; slots.first().map_or(0, |slot| slot.download.size() as usize)];
        Ok(Self {
            gpu: gpu.clone(),
            features,
            heads,
            sessions,
            images,
            submissions,
            alone,
            gives_way: is_cut && options.submission_seconds.is_some(),
            slots,
            order: VecDeque::with_capacity(options.in_flight),
            outputs_download,
            found,
            outputs: vec![0.0; rows * widest],
            last_texture: None,
        })
    }

    /// The heads, in order.
    pub fn heads(&self) -> &[DetectingHead] {
        &self.heads
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Frames that are on their way.
    pub fn in_flight(&self) -> usize {
        self.order.len()
    }

    /// Most frames that can be on their way.
    pub fn most_in_flight(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of all buffers on the device.
    pub fn device_bytes(&self) -> u64 {
        let of_slot = |slot: &Slot| {
            let of_heads = slot.heads.iter().map(|head| head.outputs.size() + head.candidates.found().size());
            slot.upload.buffer().size() + slot.download.size() + of_heads.sum::<u64>()
        };
        let of_sessions = self.sessions.iter().map(|own| own.session.device_bytes());
        self.features.device_bytes()
            + self.images.device_bytes()
            + self.outputs_download.size()
            + self.slots.iter().map(of_slot).sum::<u64>()
            + of_sessions.sum::<u64>()
    }

    /// Kernels that a frame starts on the device.
    pub fn dispatches(&self) -> usize {
        let rows = self.features.features().count();
        let of_head = |own: &HeadSession| own.session.dispatches(rows) + 1;
        // The first is the letterbox's.
        1 + self.features.dispatches() + self.sessions.iter().map(of_head).sum::<usize>()
    }

    /// Multiplications of a frame, roughly.
    pub fn multiplications(&self) -> f64 {
        self.work()
    }

    /// Changes which boxes are kept, from the next frame that is sent on; those on their way may be of either.
    ///
    /// # Errors
    /// Where an option is out of range.
    pub fn set_options(&mut self, options: DetectOptions) -> Result<(), DetectError> {
        self.sessions.iter_mut().try_for_each(|own| own.candidates.set_options(options))
    }

    /// Binds a texture, for any number of frames: of 8 bits a channel, with the usage TEXTURE_BINDING.
    ///
    /// # Errors
    /// Where the texture is none of those, or the device does not take it.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind_texture(&self, texture: &wgpu::Texture) -> Result<LetterboxBinding, DetectError> {
        block_on(self.gpu.device(), self.bind_texture_async(texture))
    }

    /// Binds a texture as `bind_texture` does, without blocking.
    ///
    /// # Errors
    /// Where the texture is none of those, or the device does not take it.
    pub async fn bind_texture_async(&self, texture: &wgpu::Texture) -> Result<LetterboxBinding, DetectError> {
        self.features.letterbox().bind_texture_async(texture, self.features.input()).await
    }

    /// Binds an image in a buffer of the device, for any number of frames.
    ///
    /// # Errors
    /// Where the image does not fit its buffer, or the device does not take that.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind_buffer(&self, image: &DeviceImage<'_>) -> Result<LetterboxBinding, DetectError> {
        block_on(self.gpu.device(), self.bind_buffer_async(image))
    }

    /// Binds an image in a buffer as `bind_buffer` does, without blocking.
    ///
    /// # Errors
    /// Where the image does not fit its buffer, or the device does not take that.
    pub async fn bind_buffer_async(&self, image: &DeviceImage<'_>) -> Result<LetterboxBinding, DetectError> {
        self.features.letterbox().bind_buffer_async(image, self.features.input()).await
    }

    /// Sends an image of the host on its way, and returns at once.
    ///
    /// # Errors
    /// Where as many frames are on their way as may be, the image has no pixel, or the device fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn submit(&mut self, image: &Picture) -> Result<(), DetectError> {
        let device = self.gpu.device().clone();
        block_on(&device, self.submit_async(image))
    }

    /// Sends an image of the host as `submit` does; in a browser the device's objections take their time.
    ///
    /// # Errors
    /// Where as many frames are on their way as may be, the image has no pixel, or the device fails.
    pub async fn submit_async(&mut self, image: &Picture) -> Result<(), DetectError> {
        let letterbox = Letterbox::of(image.width(), image.height(), self.features.config())?;
        let ready = self.images.ready(image, &letterbox)?;
        self.send(&Source::Host(ready), letterbox).await
    }

    /// Sends an image that was letterboxed already on its way; `letterbox` is that of the original.
    #[cfg(all(feature = "files", not(target_arch = "wasm32")))]
    pub(super) fn submit_letterboxed(&mut self, image: &Picture, letterbox: Letterbox) -> Result<(), DetectError> {
        let sides = self.features.config().sides();
        let ready = self.images.ready(image, &Letterbox::within(sides, sides)?)?;
        let device = self.gpu.device().clone();
        block_on(&device, self.send(&Source::Host(ready), letterbox))
    }

    /// How images are prepared.
    pub(super) fn config(&self) -> &crate::head::DetectionConfig {
        self.features.config()
    }

    /// Pixels that the sides of a rectangle are multiples of.
    pub(super) fn common_stride(&self) -> u32 {
        self.features.features().common_stride()
    }

    /// Bytes of the largest image that goes to the device as it is.
    #[cfg(all(feature = "files", not(target_arch = "wasm32")))]
    pub(super) fn host_image_bytes(&self) -> u64 {
        self.images.image_bytes()
    }

    /// Sends a texture or buffer that this detector bound on its way, and returns at once.
    ///
    /// # Errors
    /// Where as many frames are on their way as may be, or the device fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn submit_bound(&mut self, image: &LetterboxBinding) -> Result<(), DetectError> {
        let device = self.gpu.device().clone();
        block_on(&device, self.submit_bound_async(image))
    }

    /// Sends a bound texture or buffer as `submit_bound` does; in a browser the device's objections take their time.
    ///
    /// # Errors
    /// Where as many frames are on their way as may be, or the device fails.
    pub async fn submit_bound_async(&mut self, image: &LetterboxBinding) -> Result<(), DetectError> {
        self.send(&Source::Device(image.pass()), *image.letterbox()).await
    }

    /// Records a frame of a texture or buffer that this detector bound into an encoder of the caller's on the same device.
    /// The caller submits it, and then takes the boxes out by [`FrameDetector::next`]. Nothing is cut: the caller sees to it
    /// that no submission takes longer than the system lets it. Frames have to be submitted in the order in which they are
    /// recorded and sent.
    ///
    /// # Errors
    /// Where as many frames are on their way as may be.
    pub fn record(&mut self, encoder: &mut wgpu::CommandEncoder, image: &LetterboxBinding) -> Result<(), DetectError> {
        let number = self.free_slot()?;
        let slot = &self.slots[number];
        self.begin(encoder, slot);
        {
            let descriptor = wgpu::ComputePassDescriptor { label: Some("frame"), timestamp_writes: None };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            for part in self.submissions.iter().flatten() {
                self.record_part(&mut pass, part, image.pass(), slot)?;
            }
        }
        self.end(encoder, slot);
        self.slots[number].sent = Some(Sent { letterbox: *image.letterbox(), download: None, submission: None });
        self.order.push_back(number);
        Ok(())
    }

    /// Waits for the frame that has been on its way longest, and gives the boxes that each head finds in it, strongest first;
    /// `None` where no frame is on its way.
    ///
    /// # Errors
    /// Where a feature of the frame is not finite, or the device fails; the frame is lost then.
    #[cfg(not(target_arch = "wasm32"))]
    #[allow(clippy::should_implement_trait, reason = "a frame that fails does not end what comes after it")]
    pub fn next(&mut self) -> Result<Option<Vec<HeadDetections>>, DetectError> {
        let device = self.gpu.device().clone();
        let sent = self.order.front().and_then(|first| self.slots[*first].sent.as_ref());
        let submission = sent.and_then(|sent| sent.submission.clone());
        block_on_submission(&device, submission, self.next_async())
    }

    /// Waits for a frame as `next` does, without blocking. Where the future is dropped, the frame is lost and the next one is
    /// as it was.
    ///
    /// # Errors
    /// Where a feature of the frame is not finite, or the device fails; the frame is lost then.
    pub async fn next_async(&mut self) -> Result<Option<Vec<HeadDetections>>, DetectError> {
        let Some(number) = self.order.pop_front() else { return Ok(None) };
        let slot = &mut self.slots[number];
        let Some(sent) = slot.sent.take() else { return Ok(None) };
        let device = self.gpu.device();
        let download = sent.download.unwrap_or_else(|| Download::ask(device, &slot.download, slot.download.size()));
        if !download.read_bytes(&mut self.found).await {
            return Err(self.gpu.lost_error().into());
        }
        // Whatever a head makes of such features, it is no result.
        let flag = self.features.features().not_finite().size() as usize;
        if self.found[self.found.len() - flag..].iter().any(|byte| *byte != 0) {
            return Err(self.features.not_finite());
        }
        let mut all = Vec::with_capacity(self.heads.len());
        let mut at = 0;
        for (own, head) in self.sessions.iter().zip(&self.slots[number].heads) {
            let bytes = head.candidates.found().size() as usize;
            let found = own.candidates.decode(&self.found[at..at + bytes], &sent.letterbox)?;
            at += bytes;
            all.extend(match found {
                Some(found) => found,
                None => {
                    let outputs = &mut self.outputs[..(head.outputs.size() / 4) as usize];
                    fetch(&self.gpu, &head.outputs, &self.outputs_download, outputs).await?;
                    let heads = &self.heads[own.heads.clone()];
                    let (width, options) = (own.session.outputs(), own.candidates.options());
                    decode_heads(heads, &columns_of(heads)?, width, outputs, &sent.letterbox, options)?
                }
            });
        }
        Ok(Some(all))
    }

    /// The boxes in an image of the host, strongest first; where there are several heads, their classes are numbered through,
    /// as [`bank_classes`](crate::detect::bank_classes) names them.
    ///
    /// # Errors
    /// Where frames are on their way, the image has no pixel, or the device fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn detect(&mut self, image: &Picture) -> Result<Vec<Detection>, DetectError> {
        let device = self.gpu.device().clone();
        block_on(&device, self.detect_async(image))
    }

    /// The boxes in an image as `detect` finds them, without blocking.
    ///
    /// # Errors
    /// Where frames are on their way, the image has no pixel, or the device fails.
    pub async fn detect_async(&mut self, image: &Picture) -> Result<Vec<Detection>, DetectError> {
        self.check_idle()?;
        self.submit_async(image).await?;
        self.only().await
    }

    /// The boxes in a texture, as [`FrameDetector::detect`] gives them. The texture is bound anew where it is not that of the
    /// call before; to change between several often, [bind](FrameDetector::bind_texture) each once.
    ///
    /// # Errors
    /// Where frames are on their way, the texture is no image that can be [bound](FrameDetector::bind_texture), or the device
    /// fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn detect_texture(&mut self, texture: &wgpu::Texture) -> Result<Vec<Detection>, DetectError> {
        let device = self.gpu.device().clone();
        block_on(&device, self.detect_texture_async(texture))
    }

    /// The boxes in a texture as `detect_texture` finds them, without blocking.
    ///
    /// # Errors
    /// Where frames are on their way, the texture is no image that can be bound, or the device fails.
    pub async fn detect_texture_async(&mut self, texture: &wgpu::Texture) -> Result<Vec<Detection>, DetectError> {
        self.check_idle()?;
        let bound = match self.last_texture.take() {
            Some((last, bound)) if last == *texture => bound,
            _ => self.bind_texture_async(texture).await?,
        };
        let submitted = self.submit_bound_async(&bound).await;
        self.last_texture = Some((texture.clone(), bound));
        submitted?;
        self.only().await
    }

    /// The boxes of all heads in the only frame that is on its way.
    async fn only(&mut self) -> Result<Vec<Detection>, DetectError> {
        let found = self.next_async().await?.unwrap_or_default();
        Ok(join_heads(&self.heads, found))
    }

    fn check_idle(&self) -> Result<(), DetectError> {
        if self.order.is_empty() { Ok(()) } else { Err(DetectError::InFlight { most: self.slots.len() }) }
    }

    fn free_slot(&self) -> Result<usize, DetectError> {
        let free = self.slots.iter().position(|slot| slot.sent.is_none());
        free.ok_or(DetectError::InFlight { most: self.slots.len() })
    }

    /// Records and submits a frame.
    async fn send(&mut self, source: &Source<'_>, letterbox: Letterbox) -> Result<(), DetectError> {
        let number = self.free_slot()?;
        if let Some(reason) = self.gpu.lost() {
            return Err(RunError::Lost(reason).into());
        }
        let (device, queue) = (self.gpu.device().clone(), self.gpu.queue().clone());
        let mut first = 0;
        let sent = loop {
            match watching(&device, || self.submit_from(number, source, first)).await {
                Ok(Ok(None)) => {
                    first += 1;
                    // Those of others come before the next one. Where the device does not say that it is done, it is lost.
                    let _ = done(&device, &queue).await;
                }
                Ok(Ok(Some(sent))) => break Ok(sent),
                Ok(Err(problem)) => break Err(problem),
                Err(error) => break Err(RunError::refused("a frame", &error)),
            }
        };
        if let Some(reason) = self.gpu.lost() {
            return Err(RunError::Lost(reason).into());
        }
        match sent {
            Ok((download, submission)) => {
                self.slots[number].sent = Some(Sent { letterbox, download: Some(download), submission });
                self.order.push_back(number);
                Ok(())
            }
            Err(problem) => {
                self.images.forget();
                Err(problem.into())
            }
        }
    }

    /// Submits a frame from one of its submissions on, and asks for its candidates; `None` after one that others are let in
    /// after.
    fn submit_from(
        &mut self,
        number: usize,
        source: &Source<'_>,
        first: usize,
    ) -> Result<Option<(Download, Option<wgpu::SubmissionIndex>)>, RunError> {
        let (device, queue) = (self.gpu.device(), self.gpu.queue());
        let label = Some("frame");
        let begun = || device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
        let mut encoder = begun();
        let slot = &self.slots[number];
        let mut uploaded = match source {
            Source::Host(ready) if first == 0 => self.images.send(&self.gpu, &mut encoder, &slot.upload, ready),
            _ => false,
        };
        let image = match source {
            Source::Host(_) => self.images.pass(),
            Source::Device(pass) => pass,
        };
        if first == 0 {
            self.begin(&mut encoder, slot);
        }
        let (mut submission, mut next) = (None, Some(encoder));
        let submissions = self.alone.as_ref().filter(|_| self.order.is_empty()).unwrap_or(&self.submissions);
        for (at, parts) in submissions.iter().enumerate().skip(first) {
            let mut encoder = next.take().unwrap_or_else(begun);
            {
                let mut pass =
                    encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label, timestamp_writes: None });
                for part in parts {
                    if let Err(problem) = self.record_part(&mut pass, part, image, slot) {
                        if uploaded {
                            slot.upload.map();
                        }
                        return Err(problem);
                    }
                }
            }
            let last = at + 1 == submissions.len();
            if last {
                self.end(&mut encoder, slot);
            }
            submission = Some(queue.submit([encoder.finish()]));
            // The first one has copied what the host has filled.
            if std::mem::take(&mut uploaded) {
                slot.upload.map();
            }
            if self.gives_way && !last {
                return Ok(None);
            }
        }
        Ok(Some((Download::ask(device, &slot.download, slot.download.size()), submission)))
    }

    /// Multiplications of a frame, roughly.
    pub(super) fn work(&self) -> f64 {
        let rows = self.features.features().count();
        let of_head = |own: &HeadSession| own.session.chunk_work(rows).sum::<f64>();
        self.features.step_work().sum::<f64>() + self.sessions.iter().map(of_head).sum::<f64>()
    }

    /// Whether a frame takes so long that it is cut into several submissions.
    pub(super) fn is_cut(&self) -> bool {
        self.submissions.len() > 1
    }

    /// Forgets the candidates of the first slot, to measure frames there.
    pub(super) fn clear(&self, encoder: &mut wgpu::CommandEncoder) {
        if let Some(slot) = self.slots.first() {
            self.begin(encoder, slot);
        }
    }

    /// Records some parts of a frame of the host's last image in the first slot, to measure them.
    pub(super) fn record_where(&self, pass: &mut wgpu::ComputePass<'_>, wanted: impl Fn(&Part) -> bool) {
        let Some(slot) = self.slots.first() else { return };
        for part in self.submissions.iter().flatten().filter(|part| wanted(part)) {
            // The slot's bindings are those of its own sessions.
            let _ = self.record_part(pass, part, self.images.pass(), slot);
        }
    }

    /// Records what comes before the passes.
    fn begin(&self, encoder: &mut wgpu::CommandEncoder, slot: &Slot) {
        for (own, head) in self.sessions.iter().zip(&slot.heads) {
            own.candidates.clear(encoder, &head.candidates);
        }
        encoder.clear_buffer(self.features.features().not_finite(), 0, None);
    }

    /// Records a part into a pass.
    fn record_part(
        &self,
        pass: &mut wgpu::ComputePass<'_>,
        part: &Part,
        image: &LetterboxPass,
        slot: &Slot,
    ) -> Result<(), RunError> {
        match part {
            Part::Letterbox => self.features.record_letterbox(pass, image),
            Part::Backbone(steps) => self.features.record_backbone(pass, steps.clone()),
            Part::Join => self.features.record_join(pass),
            Part::Head { session, chunks } => {
                let cells = self.features.features().count();
                let (own, head) = (&self.sessions[*session], &slot.heads[*session]);
                own.session.record_some(pass, &head.binding, cells, chunks.clone())?;
            }
            Part::Candidates => {
                for (own, head) in self.sessions.iter().zip(&slot.heads) {
                    own.candidates.record_in(pass, &head.candidates);
                }
            }
        }
        Ok(())
    }

    /// Records what comes after the passes.
    fn end(&self, encoder: &mut wgpu::CommandEncoder, slot: &Slot) {
        let mut at = 0;
        for head in &slot.heads {
            let found = head.candidates.found();
            encoder.copy_buffer_to_buffer(found, 0, &slot.download, at, found.size());
            at += found.size();
        }
        let flag = self.features.features().not_finite();
        encoder.copy_buffer_to_buffer(flag, 0, &slot.download, at, flag.size());
    }
}

/// How much the backbone lends to the heads. Their work is cut in two where it is larger than the backbone's largest buffer:
/// half of it takes little longer, for the backbone takes most of a frame's time, and fits what is there anyway or little more.
fn share(limits: &Limits, head: &Head, rows: usize, plan: &mut PlanOptions, largest: u64) -> u64 {
    let whole = work_bytes(head, limits, rows, plan);
    if whole <= largest {
        return whole;
    }
    plan.chunk_rows = Some(rows.div_ceil(2).next_multiple_of(64));
    work_bytes(head, limits, rows, plan)
}

impl Slot {
    async fn new(
        gpu: &Gpu,
        features: &FeaturePasses,
        sessions: &[HeadSession],
        upload: Upload,
    ) -> Result<Self, DetectError> {
        let rows = features.features().count();
        let mut heads = Vec::with_capacity(sessions.len());
        for own in sessions {
            let size = 4 * (rows * own.session.outputs()) as u64;
            let make = || {
                gpu.device().create_buffer(&wgpu::BufferDescriptor {
                    label: Some("frame outputs"),
                    size,
                    usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
                    mapped_at_creation: false,
                })
            };
            let made = watching(gpu.device(), make).await;
            let outputs = made.map_err(|e| RunError::of_device(&e, size, "the outputs of frames"))?;
            let binding = own.session.bind_async(features.features().rows(), &outputs).await?;
            let candidates = own.candidates.bind_async(&outputs).await?;
            heads.push(HeadSlot { outputs, binding, candidates });
        }
        let found: u64 = heads.iter().map(|head| head.candidates.found().size()).sum();
        let bytes = found + features.features().not_finite().size();
        Ok(Self { upload, heads, download: download(gpu, bytes).await?, sent: None })
    }
}

/// A buffer for the host to read.
async fn download(gpu: &Gpu, size: u64) -> Result<wgpu::Buffer, DetectError> {
    let make = || {
        gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("frame download"),
            size,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    };
    let made = watching(gpu.device(), make).await;
    Ok(made.map_err(|e| RunError::of_device(&e, size, "the download of frames"))?)
}

/// Fetches all outputs of a frame.
async fn fetch(
    gpu: &Gpu,
    outputs: &wgpu::Buffer,
    download: &wgpu::Buffer,
    values: &mut [f32],
) -> Result<(), DetectError> {
    let send = || {
        let descriptor = wgpu::CommandEncoderDescriptor { label: Some("frame outputs") };
        let mut encoder = gpu.device().create_command_encoder(&descriptor);
        encoder.copy_buffer_to_buffer(outputs, 0, download, 0, outputs.size());
        gpu.queue().submit([encoder.finish()]);
        Download::ask(gpu.device(), download, outputs.size())
    };
    let sent = watching(gpu.device(), send).await.map_err(|error| RunError::refused("a frame", &error))?;
    if sent.read(values).await { Ok(()) } else { Err(gpu.lost_error().into()) }
}
