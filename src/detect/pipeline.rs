//! Many images, of files or of a stream, their stages side by side on threads.
//!
//! ```text
//! reading, decoding, letterboxing --> backbone, several images at once --> head --> boxes, in the order of the files
//! ```
//!
//! A stage hands images on through a channel; only so many are under way at once ([`Pipeline`] says how many), so memory
//! stays bounded however slow a stage is. Results come in the order of the images, and are the same as one by one. The
//! caller takes them on its own thread, which keeps drawing and writing out of the other stages' way.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::detector::features_of;
use super::error::one_line;
use super::{Backbone, CellFeatures, DetectError, Letterbox, Picture, read_image};
use crate::head::DetectionConfig;

/// Backbones a thread that decodes can feed.
const BACKBONES_A_DECODER: usize = 4;

/// A change to letterboxed images before the backbone sees them: place of the image, letterbox, image.
pub type Adjust<'a> = &'a (dyn Fn(usize, &Letterbox, Picture) -> Picture + Sync);

/// The way of images through backbones and a head.
///
/// Each backbone has its thread and takes an image at a time; at most two images a backbone and two more are under way.
#[non_exhaustive]
pub struct Pipeline<'a, B> {
    /// At least one; more than one work on several images at once.
    pub backbones: &'a mut [B],
    /// Size, shape and padding of the letterbox.
    pub settings: &'a DetectionConfig,
    /// A change to the letterboxed images, or none.
    pub adjust: Option<Adjust<'a>>,
}

impl<'a, B> Pipeline<'a, B> {
    /// The way through at least one backbone, for a head of these settings; images stay as they are.
    pub fn new(backbones: &'a mut [B], settings: &'a DetectionConfig) -> Self {
        Self { backbones, settings, adjust: None }
    }

    /// Sets [`adjust`](field@Self::adjust).
    #[must_use]
    pub fn adjust(self, adjust: Adjust<'a>) -> Self {
        Self { adjust: Some(adjust), ..self }
    }
}

/// An image on its way.
#[derive(Debug)]
#[non_exhaustive]
pub struct Passed<T> {
    /// The image as it was read.
    pub image: Picture,
    /// Its place in the square or rectangle.
    pub letterbox: Letterbox,
    /// What the last stage made of it.
    pub result: T,
}

/// Where the time of a run went.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PipelineReport {
    /// Images that went all the way.
    pub images: usize,
    /// From start to end.
    pub seconds: f64,
    /// Images a second.
    pub frames_per_second: f64,
    /// The stages, in their order.
    pub stages: Vec<StageTime>,
    /// The stage that was busy most of the time: making it faster, or giving it more threads, makes the run faster.
    pub bound_by: &'static str,
}

/// How long a stage worked, waiting not counted.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct StageTime {
    /// Name of the stage.
    pub stage: &'static str,
    /// Threads that worked at it.
    pub threads: usize,
    /// Milliseconds of all threads together.
    pub total_ms: f64,
    /// Milliseconds an image.
    pub mean_ms: f64,
    /// Share of the run that its threads were busy, 0 to 1.
    pub busy: f64,
}

/// An image with its place among the files; a failure goes all the way, too.
pub(super) type Item<T> = (usize, Result<Passed<T>, DetectError>);

impl<B: Backbone + Send> Pipeline<'_, B> {
    /// Takes all `files` through: `head` turns the features of an image into whatever `each` takes, which gets the
    /// results in the order of the files. An image that fails comes as its failure, and the rest goes on; the run ends
    /// at the first failure of `each`.
    ///
    /// A panic of a decoder, a backbone or `head` is a failure of its image ([`DetectError::Panicked`]); the backbone is
    /// asked for the next image as if nothing had been. A panic of `each` ends the run and goes on from here.
    ///
    /// # Errors
    /// Where `each` fails.
    pub fn run<T: Send, E>(
        &mut self,
        files: &[PathBuf],
        head: impl FnMut(&CellFeatures) -> Result<T, DetectError> + Send,
        each: impl FnMut(usize, Result<Passed<T>, DetectError>) -> Result<(), E>,
    ) -> Result<PipelineReport, E> {
        let decoders = if self.backbones.iter().any(Backbone::leaves_cores_free) {
            free_cores()
        } else {
            self.backbones.len().div_ceil(BACKBONES_A_DECODER)
        };
        self.run_jobs(decoders, files.iter().map(|file| || read_image(file)), head, each)
    }

    /// Takes the images of a stream through, as [`run`](Self::run) does those of files: one thread asks for the next image
    /// when there is room for it, and letterboxes it. Asking counts as decoding.
    ///
    /// # Errors
    /// Where `each` fails.
    pub fn run_images<T: Send, E>(
        &mut self,
        images: impl Iterator<Item = Result<Picture, DetectError>> + Send,
        head: impl FnMut(&CellFeatures) -> Result<T, DetectError> + Send,
        each: impl FnMut(usize, Result<Passed<T>, DetectError>) -> Result<(), E>,
    ) -> Result<PipelineReport, E> {
        self.run_jobs(1, images.map(|image| || image), head, each)
    }

    fn run_jobs<T: Send, E, J: FnOnce() -> Result<Picture, DetectError>>(
        &mut self,
        decoders: usize,
        images: impl Iterator<Item = J> + Send,
        mut head: impl FnMut(&CellFeatures) -> Result<T, DetectError> + Send,
        each: impl FnMut(usize, Result<Passed<T>, DetectError>) -> Result<(), E>,
    ) -> Result<PipelineReport, E> {
        let start = Instant::now();
        let clocks: [Clock; 4] = Default::default();
        let [decoding, networks, heads, rest] = &clocks;
        let backbones = self.backbones.len();
        let (settings, adjust) = (self.settings, self.adjust);
        let (ticket, queue) = ImageQueue::new(images, 2 * backbones.max(decoders) + 2);
        let (to_backbones, decoded) = channel::<Item<Picture>>();
        let (to_head, featured) = channel::<Item<CellFeatures>>();
        let (to_end, done) = channel::<Item<T>>();
        let decoded = Mutex::new(decoded);

        let (queue, decoded) = (&queue, &decoded);
        let arrived = std::thread::scope(|scope| {
            for _ in 0..decoders {
                let out = to_backbones.clone();
                scope.spawn(move || {
                    queue.decode_all(decoding, &out, |at, image| square(at, image, settings, adjust));
                });
            }
            for backbone in self.backbones.iter_mut() {
                let out = to_head.clone();
                scope.spawn(move || {
                    pass(
                        || take(decoded),
                        &out,
                        networks,
                        |square| unpanicked("backbone", || features_of(backbone, square, settings)),
                    );
                });
            }
            // The stages hold the ends of their channels: each ends when the one before it has.
            drop((to_backbones, to_head));
            scope.spawn(move || {
                pass(|| featured.recv().ok(), &to_end, heads, |features| unpanicked("head", || head(features)));
            });
            in_order(done, ticket, rest, each)
        })?;

        let stages = [("decode", decoders), ("backbone", backbones), ("head", 1), ("boxes", 1)];
        Ok(PipelineReport::new(arrived, start, stages.into_iter().zip(&clocks)))
    }
}

/// Threads that decode while a device does the rest: all but that of the caller.
pub(super) fn free_cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1))
}

impl PipelineReport {
    /// The report of a run from `start` to now: stages with their threads and clocks.
    pub(super) fn new<'a>(
        images: usize,
        start: Instant,
        stages: impl Iterator<Item = ((&'static str, usize), &'a Clock)>,
    ) -> Self {
        let seconds = start.elapsed().as_secs_f64();
        let stages = stages
            .map(|((stage, threads), clock)| StageTime {
                stage,
                threads,
                total_ms: 1e3 * clock.seconds(),
                mean_ms: 0.0,
                busy: 0.0,
            })
            .collect();
        let mut report = Self { images, seconds, frames_per_second: 0.0, stages, bound_by: "" };
        report.share_out();
        report
    }

    /// Adds a run that came after this one.
    pub fn add(&mut self, later: &Self) {
        self.images += later.images;
        self.seconds += later.seconds;
        for stage in &later.stages {
            match self.stages.iter_mut().find(|own| own.stage == stage.stage) {
                Some(own) => {
                    own.total_ms += stage.total_ms;
                    own.threads = own.threads.max(stage.threads);
                }
                None => self.stages.push(stage.clone()),
            }
        }
        self.share_out();
    }

    /// Computes what follows from images, seconds, and the threads and milliseconds of the stages.
    fn share_out(&mut self) {
        for stage in &mut self.stages {
            stage.mean_ms = stage.total_ms / self.images.max(1) as f64;
            stage.busy = stage.total_ms / (1e3 * stage.threads.max(1) as f64 * self.seconds);
        }
        self.frames_per_second = self.images as f64 / self.seconds;
        self.bound_by = self.stages.iter().max_by(|a, b| a.busy.total_cmp(&b.busy)).map_or("", |stage| stage.stage);
    }
}

/// Hands out images for which there is a ticket: what it hands out decodes one of them.
pub(super) struct ImageQueue<I>(Mutex<Waiting<I>>);

struct Waiting<I> {
    images: I,
    tickets: Receiver<()>,
    next: usize,
    ended: bool,
}

impl<J: FnOnce() -> Result<Picture, DetectError>, I: Iterator<Item = J>> ImageQueue<I> {
    /// A ticket for every image that may be under way; whoever has the sender gives it back when the image has arrived.
    pub(super) fn new(images: I, tickets: usize) -> (Sender<()>, Self) {
        let (ticket, receiver) = channel();
        for _ in 0..tickets {
            let _ = ticket.send(());
        }
        (ticket, Self(Mutex::new(Waiting { images, tickets: receiver, next: 0, ended: false })))
    }

    /// Decodes and prepares images until there are no more, or nobody takes them.
    pub(super) fn decode_all<T>(
        &self,
        clock: &Clock,
        out: &Sender<Item<T>>,
        prepare: impl Fn(usize, Picture) -> Result<Passed<T>, DetectError>,
    ) {
        while let Some((at, image)) = self.take(clock) {
            let item = clock.time(|| unpanicked("decoder", || prepare(at, image?()?)));
            if out.send((at, item)).is_err() {
                break;
            }
        }
    }

    /// The next image for which there is a ticket; `None` at the end.
    fn take(&self, clock: &Clock) -> Option<(usize, Result<J, DetectError>)> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.ended {
            return None;
        }
        // Where nobody gives tickets any more, nobody takes images.
        waiting.ended = waiting.tickets.recv().is_err();
        if waiting.ended {
            return None;
        }
        let at = waiting.next;
        waiting.next += 1;
        match clock.time(|| unpanicked("decoder", || Ok(waiting.images.next()))) {
            Ok(Some(image)) => Some((at, Ok(image))),
            Ok(None) => {
                waiting.ended = true;
                None
            }
            Err(problem) => {
                waiting.ended = true;
                Some((at, Err(problem)))
            }
        }
    }
}

/// Gives results to `each` in the order of the files, and tickets back; how many came all the way.
pub(super) fn in_order<T, E>(
    done: Receiver<Item<T>>,
    ticket: Sender<()>,
    clock: &Clock,
    mut each: impl FnMut(usize, Result<Passed<T>, DetectError>) -> Result<(), E>,
) -> Result<usize, E> {
    let mut early = BTreeMap::new();
    let (mut expected, mut arrived) = (0, 0);
    // Where this ends early, all stages come to their end without tickets and takers.
    for (at, item) in &done {
        early.insert(at, item);
        while let Some(item) = early.remove(&expected) {
            arrived += usize::from(item.is_ok());
            clock.time(|| each(expected, item))?;
            expected += 1;
            let _ = ticket.send(());
        }
    }
    Ok(arrived)
}

/// The next image of a channel with several takers; `None` at the end.
fn take<T>(items: &Mutex<Receiver<T>>) -> Option<T> {
    items.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// An image in the square or rectangle that the backbone takes.
fn square(
    at: usize,
    image: Picture,
    settings: &DetectionConfig,
    adjust: Option<Adjust>,
) -> Result<Passed<Picture>, DetectError> {
    let letterbox = Letterbox::of(image.width(), image.height(), settings)?;
    let square = letterbox.apply(&image, settings.pixels.padding)?;
    let result = match adjust {
        Some(adjust) => adjust(at, &letterbox, square),
        None => square,
    };
    Ok(Passed { image, letterbox, result })
}

/// One stage: takes images until there are no more, and hands them on.
fn pass<T, U>(
    mut take: impl FnMut() -> Option<Item<T>>,
    out: &Sender<Item<U>>,
    clock: &Clock,
    mut work: impl FnMut(&T) -> Result<U, DetectError>,
) {
    while let Some((at, item)) = take() {
        let item = item.and_then(|Passed { image, letterbox, result }| {
            Ok(Passed { image, letterbox, result: clock.time(|| work(&result))? })
        });
        if out.send((at, item)).is_err() {
            return;
        }
    }
}

/// What `work` gives; a panic becomes its failure. An image that got lost would be waited for without end.
///
/// What `work` borrows is used again after a panic: nothing here is left half changed by one, and what a backbone of the
/// caller's leaves is safe by the language's own rules.
pub(super) fn unpanicked<T>(
    stage: &'static str,
    work: impl FnOnce() -> Result<T, DetectError>,
) -> Result<T, DetectError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(DetectError::Panicked { stage, problem: message(panic.as_ref()) }))
}

/// What was said with a panic, on one line.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    one_line(&text.unwrap_or("without a word"))
}

/// Nanoseconds that the threads of a stage worked.
#[derive(Default)]
pub(super) struct Clock(AtomicU64);

impl Clock {
    pub(super) fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.0.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        result
    }

    fn seconds(&self) -> f64 {
        Duration::from_nanos(self.0.load(Ordering::Relaxed)).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::{InputShape, PixelPreparation};

    /// The red of the first pixel; dark images take longer, so that they are overtaken.
    struct Red;

    impl Backbone for Red {
        fn channels(&self) -> usize {
            1
        }

        fn features(&mut self, image: &Picture) -> Result<CellFeatures, DetectError> {
            let red = image.at(8, 8)[0];
            std::thread::sleep(Duration::from_millis(u64::from(20 - red / 10)));
            CellFeatures::new(1, 1, vec![f32::from(red)])
        }
    }

    fn settings() -> DetectionConfig {
        DetectionConfig {
            version: 1,
            classes: vec!["red".into()],
            input_size: 16,
            stride: 16,
            features: vec!["red".into()],
            clamp: Some([-1.0, 1.0]),
            norms: None,
            box_scale: 8.0,
            test_map50: None,
            pixels: PixelPreparation::default(),
            shape: InputShape::Square,
        }
    }

    /// Images of one colour, and in their middle a file that is none.
    fn files(folder: &std::path::Path) -> (Vec<PathBuf>, Vec<Option<f32>>) {
        let reds = [0u8, 200, 100, 10, 190, 50, 60, 150, 0, 30, 170, 180].map(Some);
        let reds: Vec<Option<u8>> = reds.iter().copied().take(5).chain([None]).chain(reds[5..].to_vec()).collect();
        let write = |(at, red): (usize, &Option<u8>)| {
            let path = folder.join(format!("{at}.png"));
            match red {
                Some(red) => image::RgbImage::from_pixel(16, 16, image::Rgb([*red, 0, 0])).save(&path).unwrap(),
                None => std::fs::write(&path, "no image").unwrap(),
            }
            path
        };
        (reds.iter().enumerate().map(write).collect(), reds.iter().map(|red| red.map(f32::from)).collect())
    }

    #[test]
    fn results_come_in_order_with_the_bad_ones_in_their_places() {
        let folder = tempfile::tempdir().unwrap();
        let (files, expected) = files(folder.path());
        for backbones in [1, 3, 5] {
            let mut backbones: Vec<Red> = (0..backbones).map(|_| Red).collect();
            let mut found = Vec::new();
            let adjust = |at: usize, _: &Letterbox, mut image: Picture| {
                image.pixels_mut()[0] = [at as u8; 3];
                image
            };
            let mut pipeline = Pipeline { backbones: &mut backbones, settings: &settings(), adjust: Some(&adjust) };
            let report = pipeline
                .run(
                    &files,
                    |features| Ok(features.rows()[0]),
                    |at, item| {
                        assert_eq!(at, found.len());
                        found.push(item.map(|passed| passed.result).ok());
                        Ok::<(), ()>(())
                    },
                )
                .unwrap();
            assert_eq!(found, expected);
            assert_eq!((report.images, report.bound_by), (expected.len() - 1, "backbone"));
            assert_eq!(
                report.stages.iter().map(|stage| stage.stage).collect::<Vec<_>>(),
                ["decode", "backbone", "head", "boxes"]
            );
        }
    }

    /// Panics at images of one red.
    struct Fragile(u8);

    impl Backbone for Fragile {
        fn channels(&self) -> usize {
            1
        }

        fn features(&mut self, image: &Picture) -> Result<CellFeatures, DetectError> {
            let red = image.at(8, 8)[0];
            assert_ne!(red, self.0, "a layer of an odd network");
            Red.features(image)
        }
    }

    /// What a run makes of the files, at whichever stage panics; it has to come to its end.
    fn of_a_fragile_run(backbones: usize, stage: &'static str) -> Vec<Result<f32, String>> {
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            let folder = tempfile::tempdir().unwrap();
            let (files, _) = files(folder.path());
            let red = if stage == "backbone" { 190 } else { 1 };
            let mut backbones: Vec<Fragile> = (0..backbones).map(|_| Fragile(red)).collect();
            let adjust = |at: usize, _: &Letterbox, image: Picture| {
                assert!(stage != "decoder" || at != 4, "an odd image");
                image
            };
            let mut pipeline = Pipeline { backbones: &mut backbones, settings: &settings(), adjust: Some(&adjust) };
            let mut found = Vec::new();
            let head = |features: &CellFeatures| {
                let red = features.rows()[0];
                assert!(stage != "head" || red != 190.0, "an odd row");
                Ok(red)
            };
            let ended = pipeline.run(&files, head, |at, item| {
                assert_eq!(at, found.len());
                found.push(item.map(|passed| passed.result).map_err(|problem| problem.to_string()));
                Ok::<(), ()>(())
            });
            ended.unwrap();
            sender.send(found).unwrap();
        });
        receiver.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|e| panic!("a panicking {stage}: {e}"))
    }

    #[test]
    fn a_panic_is_a_failure_of_its_image() {
        for backbones in [1, 2, 5] {
            for (stage, text) in [
                ("decoder", "the decoder panicked: an odd image"),
                ("backbone", "a layer of an odd network"),
                ("head", "the head panicked: an odd row"),
            ] {
                let found = of_a_fragile_run(backbones, stage);
                assert_eq!(found.len(), 13, "{stage}");
                for (at, found) in found.iter().enumerate() {
                    match (at, found) {
                        (4, Err(problem)) => assert!(problem.contains(text), "{problem}"),
                        (5, Err(problem)) => assert!(problem.contains("is no JPEG"), "{problem}"),
                        (_, found) => assert!(found.is_ok(), "{stage}, {at}: {found:?}"),
                    }
                }
            }
        }
    }

    #[test]
    fn a_failure_of_the_taker_ends_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let (files, _) = files(folder.path());
        let mut taken = 0;
        let mut pipeline = Pipeline { backbones: &mut [Red, Red], settings: &settings(), adjust: None };
        let result = pipeline.run(
            &files,
            |_| Ok(()),
            |at, _| {
                taken += 1;
                if at == 3 { Err("enough") } else { Ok(()) }
            },
        );
        assert_eq!((result.unwrap_err(), taken), ("enough", 4));
    }

    #[test]
    fn a_stream_is_asked_for_as_many_images_as_there_is_room_for() {
        let asked = AtomicU64::new(0);
        let reds = [0u8, 200, 100, 10, 190, 50, 60, 150, 0, 30, 170, 180];
        let images = reds.iter().map(|&red| {
            asked.fetch_add(1, Ordering::Relaxed);
            if red == 50 {
                return Err(DetectError::NoPixels { width: 0, height: 0 });
            }
            Ok(Picture::filled(16, 16, [red, 0, 0]))
        });
        let mut found = Vec::new();
        let mut pipeline = Pipeline { backbones: &mut [Red, Red], settings: &settings(), adjust: None };
        let report = pipeline.run_images(
            images,
            |features| Ok(features.rows()[0]),
            |at, item| {
                assert_eq!(at, found.len());
                // Two images a backbone and two more, beside those that have arrived.
                assert!(asked.load(Ordering::Relaxed) <= at as u64 + 6);
                std::thread::sleep(Duration::from_millis(3));
                found.push(item.map(|passed| passed.result).ok());
                Ok::<(), ()>(())
            },
        );
        let expected: Vec<_> = reds.iter().map(|&red| (red != 50).then_some(f32::from(red))).collect();
        assert_eq!(found, expected);
        assert_eq!(report.unwrap().images, reds.len() - 1);
    }

    #[test]
    fn a_stream_that_panics_ends_with_a_failure() {
        let mut left = 3;
        let images = std::iter::from_fn(|| {
            left -= 1;
            assert!(left > 0, "an odd stream");
            Some(Ok(Picture::filled(16, 16, [200, 0, 0])))
        });
        let mut found = Vec::new();
        let mut pipeline = Pipeline { backbones: &mut [Red], settings: &settings(), adjust: None };
        let each = |_: usize, item: Result<Passed<()>, DetectError>| {
            found.push(item.map(|_| ()).map_err(|problem| problem.to_string()));
            Ok::<(), ()>(())
        };
        pipeline.run_images(images, |_| Ok(()), each).unwrap();
        assert_eq!(found, [Ok(()), Ok(()), Err("the decoder panicked: an odd stream".into())]);
    }

    #[test]
    fn runs_add_up() {
        let run = |images, seconds, milliseconds: [f64; 2]| {
            let stages = [("decode", 2, milliseconds[0]), ("boxes", 1, milliseconds[1])];
            let stages = stages.map(|(stage, threads, total_ms)| StageTime {
                stage,
                threads,
                total_ms,
                mean_ms: 0.0,
                busy: 0.0,
            });
            PipelineReport { images, seconds, frames_per_second: 0.0, stages: stages.to_vec(), bound_by: "" }
        };
        let mut report = run(3, 1.0, [600.0, 100.0]);
        report.add(&run(7, 3.0, [200.0, 700.0]));
        assert_eq!((report.images, report.seconds, report.frames_per_second), (10, 4.0, 2.5));
        let stages: Vec<_> = report.stages.iter().map(|s| (s.stage, s.total_ms, s.mean_ms, s.busy)).collect();
        assert_eq!(stages, [("decode", 800.0, 80.0, 0.1), ("boxes", 800.0, 80.0, 0.2)]);
        assert_eq!(report.bound_by, "boxes");
    }

    #[test]
    fn no_files_are_no_trouble() {
        let mut pipeline = Pipeline { backbones: &mut [Red], settings: &settings(), adjust: None };
        let report = pipeline.run(&[], |_| Ok(()), |_, _| Ok::<(), ()>(())).unwrap();
        assert_eq!(report.images, 0);
    }
}
