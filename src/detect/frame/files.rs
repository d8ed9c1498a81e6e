//! Many images, of files or of a stream, through a device.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Instant;

use super::detector::FrameDetector;
use super::shapes::FrameDetectors;
use crate::detect::pipeline::{Clock, ImageQueue, Item, Passed, PipelineReport, free_cores, in_order, unpanicked};
use crate::detect::{DetectError, HeadDetections, Letterbox, Picture, read_image};
use crate::head::DetectionConfig;

/// An image that was decoded; what is too large for the device is letterboxed there and then.
type Decoded = Option<Picture>;

impl FrameDetector {
    /// The boxes that each head finds in many image files, in their order: threads decode, the device does the rest with a few
    /// frames on their way. `each` gets the place of every file, and its image and boxes or what is wrong with it. Frames that
    /// were on their way before are lost.
    ///
    /// # Errors
    /// Where `each` fails.
    pub fn detect_files<E>(
        &mut self,
        files: &[PathBuf],
        each: impl FnMut(usize, Result<(Picture, Vec<HeadDetections>), DetectError>) -> Result<(), E>,
    ) -> Result<PipelineReport, E> {
        detect_paths(self, files, each)
    }

    /// The boxes that each head finds in the images of a stream, as [`FrameDetector::detect_files`] finds them in files: a
    /// thread asks for the next image when there is room for it, which counts as decoding.
    ///
    /// # Errors
    /// Where `each` fails.
    pub fn detect_images<E>(
        &mut self,
        images: impl Iterator<Item = Result<Picture, DetectError>> + Send,
        each: impl FnMut(usize, Result<(Picture, Vec<HeadDetections>), DetectError>) -> Result<(), E>,
    ) -> Result<PipelineReport, E> {
        detect_jobs(self, 1, images.map(|image| || image), each)
    }
}

impl FrameDetectors {
    /// The boxes that each head finds in many image files, in their order, as [`FrameDetector::detect_files`] finds them.
    ///
    /// # Errors
    /// Where `each` fails.
    pub fn detect_files<E>(
        &mut self,
        files: &[PathBuf],
        each: impl FnMut(usize, Result<(Picture, Vec<HeadDetections>), DetectError>) -> Result<(), E>,
    ) -> Result<PipelineReport, E> {
        detect_paths(self, files, each)
    }

    /// The boxes that each head finds in the images of a stream, as [`FrameDetector::detect_images`] finds them.
    ///
    /// # Errors
    /// Where `each` fails.
    pub fn detect_images<E>(
        &mut self,
        images: impl Iterator<Item = Result<Picture, DetectError>> + Send,
        each: impl FnMut(usize, Result<(Picture, Vec<HeadDetections>), DetectError>) -> Result<(), E>,
    ) -> Result<PipelineReport, E> {
        detect_jobs(self, 1, images.map(|image| || image), each)
    }
}

/// The boxes in image files, which threads decode side by side.
fn detect_paths<E>(
    frames: &mut impl Frames,
    files: &[PathBuf],
    each: impl FnMut(usize, Result<(Picture, Vec<HeadDetections>), DetectError>) -> Result<(), E>,
) -> Result<PipelineReport, E> {
    let decoders = free_cores().min(files.len().max(1));
    detect_jobs(frames, decoders, files.iter().map(|file| || read_image(file)), each)
}

/// What has several frames on their way to boxes at once.
pub(super) trait Frames: Send {
    /// How images are prepared.
    fn settings(&self) -> &DetectionConfig;
    /// Bytes of the largest image that goes to the device as it is.
    fn image_bytes(&self) -> u64;
    fn most_in_flight(&self) -> usize;
    fn in_flight(&self) -> usize;
    /// Sends an image on its way; `letterboxed` is that image in its letterbox, where the host has fitted it there.
    fn send(&mut self, image: &Picture, letterbox: Letterbox, letterboxed: Option<&Picture>)
    -> Result<(), DetectError>;
    /// Waits for the frame that has been on its way longest.
    fn take(&mut self) -> Result<Option<Vec<HeadDetections>>, DetectError>;
}

impl Frames for FrameDetector {
    fn settings(&self) -> &DetectionConfig {
        self.config()
    }

    fn image_bytes(&self) -> u64 {
        self.host_image_bytes()
    }

    fn most_in_flight(&self) -> usize {
        Self::most_in_flight(self)
    }

    fn in_flight(&self) -> usize {
        Self::in_flight(self)
    }

    fn send(
        &mut self,
        image: &Picture,
        letterbox: Letterbox,
        letterboxed: Option<&Picture>,
    ) -> Result<(), DetectError> {
        match letterboxed {
            None => self.submit(image),
            Some(letterboxed) => self.submit_letterboxed(letterboxed, letterbox),
        }
    }

    fn take(&mut self) -> Result<Option<Vec<HeadDetections>>, DetectError> {
        self.next()
    }
}

fn detect_jobs<E, J: FnOnce() -> Result<Picture, DetectError>>(
    frames: &mut impl Frames,
    decoders: usize,
    images: impl Iterator<Item = J> + Send,
    mut each: impl FnMut(usize, Result<(Picture, Vec<HeadDetections>), DetectError>) -> Result<(), E>,
) -> Result<PipelineReport, E> {
    let start = Instant::now();
    let clocks: [Clock; 3] = Default::default();
    let [decoding, device, rest] = &clocks;
    let (ticket, queue) = ImageQueue::new(images, 2 * decoders + frames.most_in_flight());
    let (to_device, decoded) = channel::<Item<Decoded>>();
    let (to_end, done) = channel();
    let (settings, room) = (frames.settings().clone(), frames.image_bytes());
    let prepare = |_, image: Picture| {
        let letterbox = Letterbox::of(image.width(), image.height(), &settings)?;
        let fits = image.rgb().len() as u64 <= room;
        let result = if fits { None } else { Some(letterbox.apply(&image, settings.pixels.padding)?) };
        Ok(Passed { image, letterbox, result })
    };
    while frames.in_flight() > 0 {
        // What was on its way is nobody's any more.
        let _ = frames.take();
    }

    let (queue, prepare) = (&queue, &prepare);
    let arrived = std::thread::scope(|scope| {
        for _ in 0..decoders {
            let out = to_device.clone();
            scope.spawn(move || queue.decode_all(decoding, &out, prepare));
        }
        drop(to_device);
        scope.spawn(move || run_all(frames, &decoded, &to_end, device));
        in_order(done, ticket, rest, |at, passed| each(at, passed.map(|passed| (passed.image, passed.result))))
    })?;

    let stages = [("decode", decoders), ("device", 1), ("boxes", 1)];
    Ok(PipelineReport::new(arrived, start, stages.into_iter().zip(&clocks)))
}

/// Takes images as long as there are any, and keeps as many on their way as may be.
fn run_all(
    frames: &mut impl Frames,
    decoded: &Receiver<Item<Decoded>>,
    out: &Sender<Item<Vec<HeadDetections>>>,
    clock: &Clock,
) {
    let mut sent: VecDeque<(usize, Passed<()>)> = VecDeque::new();
    let mut more = true;
    while more || !sent.is_empty() {
        let next = match (more && sent.len() < frames.most_in_flight(), sent.is_empty()) {
            (false, _) => None,
            // With nothing on its way there is nothing else to wait for.
            (true, true) => decoded.recv().map(Some).unwrap_or_else(|_| {
                more = false;
                None
            }),
            (true, false) => match decoded.try_recv() {
                Ok(item) => Some(item),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => {
                    more = false;
                    None
                }
            },
        };
        let item = match next {
            Some((at, Err(problem))) => Some((at, Err(problem))),
            Some((at, Ok(Passed { image, letterbox, result: square }))) => {
                let submitted = clock.time(|| unpanicked("device", || frames.send(&image, letterbox, square.as_ref())));
                match submitted {
                    Ok(()) => {
                        sent.push_back((at, Passed { image, letterbox, result: () }));
                        None
                    }
                    Err(problem) => Some((at, Err(problem))),
                }
            }
            None => sent.pop_front().map(|(at, Passed { image, letterbox, .. })| {
                let found = clock.time(|| unpanicked("device", || frames.take()));
                (at, found.map(|found| Passed { image, letterbox, result: found.unwrap_or_default() }))
            }),
        };
        if item.is_some_and(|item| out.send(item).is_err()) {
            break;
        }
    }
    // Where nobody takes results any more, frames may still be on their way.
    while frames.in_flight() > 0 {
        let _ = frames.take();
    }
}
