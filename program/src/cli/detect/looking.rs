//! Looking at images, and what is written of them and of the frames of videos.

use std::path::{Path, PathBuf};

use serde::Serialize;
use sharekan::Error;
use sharekan::detect::pipeline::PipelineReport;
use sharekan::detect::{
    DetectError, DetectingHead, Detection, DetectionRecord, HeadDetections, ImageDetections, Picture, bank_classes,
    draw_detections,
};

use super::pictures::PictureNames;
use super::sources::Sources;
use super::writers::Writers;
use super::{DetectArgs, counts};
use crate::cli::detector::Opened;
use crate::cli::failure::{Failure, say};
use crate::cli::json_lines::JsonLines;
use crate::cli::plain::plain;
use crate::cli::progress;
use crate::cli::screen::Screen;
use crate::cli::table::count;
use crate::video::{Ffmpeg, Stop, VideoError};

/// A line of `--jsonl`, or what is kept of a frame.
#[derive(Serialize)]
pub(crate) struct Line<'a> {
    pub(crate) source: &'a str,
    /// Place in the video, from 0; 0 for an image.
    pub(crate) frame: u64,
    /// Time in the video; 0 for an image.
    pub(crate) seconds: f64,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) detections: &'a [DetectionRecord],
    /// What was assumed about the head.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) assumed: &'a [String],
}

/// What goes on while sources are looked at, one after the other.
pub(super) struct Looking {
    heads: Vec<DetectingHead>,
    is_bank: bool,
    assumed: Vec<String>,
    by_head: Vec<Vec<String>>,
    pub(super) classes: Vec<String>,
    pub(super) names: Option<PictureNames>,
    lines: JsonLines,
    pub(super) screen: Screen,
    pub(super) verbose: bool,
    pub(super) stop: Stop,
    ffmpeg: Option<Ffmpeg>,
    only_videos: bool,
    /// Of the images.
    pub(super) records: Vec<ImageDetections>,
    /// Sources that went wrong.
    pub(super) bad: usize,
    /// Frames that were looked at.
    pub(super) frames: u64,
    /// Images and videos with boxes that were written.
    pub(super) drawn: usize,
}

impl Looking {
    pub(super) fn new(
        args: &DetectArgs,
        sources: &Sources,
        (heads, is_bank, assumed): (&[DetectingHead], bool, &[String]),
        screen: Screen,
        stop: Stop,
    ) -> Result<Self, Failure> {
        // Before pictures get names, so that none gets that of the lines.
        let lines = args.jsonl.open()?;
        let others = [args.json.path(), args.jsonl.path(), args.timings.as_ref()];
        let others = others.into_iter().flatten().map(PathBuf::as_path);
        let files = || sources.list.iter().map(|source| source.path()).chain(others.clone());
        let names = args.out.as_deref().map(|folder| PictureNames::new(folder, files())).transpose()?;
        let by_head = bank_classes(heads);
        Ok(Self {
            heads: heads.to_vec(),
            is_bank,
            assumed: assumed.to_vec(),
            classes: by_head.concat(),
            by_head,
            names,
            lines,
            screen,
            verbose: args.verbose,
            stop,
            ffmpeg: None,
            only_videos: sources.has_videos() && !sources.has_images(),
            records: Vec::new(),
            bad: 0,
            frames: 0,
            drawn: 0,
        })
    }

    /// The `ffmpeg` for all videos.
    pub(super) fn ffmpeg(&mut self) -> Result<Ffmpeg, VideoError> {
        let found = match &self.ffmpeg {
            Some(found) => found.clone(),
            None => Ffmpeg::find(&self.stop)?,
        };
        Ok(self.ffmpeg.insert(found).clone())
    }

    /// Looks at images; what is wrong with one is said.
    pub(super) fn images(&mut self, detector: &mut Opened, images: &[PathBuf]) -> Result<PipelineReport, Failure> {
        let bar = progress::bar("images", images.len());
        let writers = self.names.as_ref().map(|_| Writers::start(&self.classes));
        let time = detector.detect_files(images, |at, found| {
            if self.stop.asked() {
                return Err(Failure::Interrupted);
            }
            let path = &images[at];
            match found {
                Ok((image, found)) => {
                    let (width, height) = (image.width(), image.height());
                    let detections = join(&found, &self.by_head);
                    let counts = counts(&detections, &self.classes);
                    bar.suspend(|| self.screen.line(format!("{}: {width}x{height}, {counts}", plain(path.display()))))?;
                    let record = self.record(path, (width, height), &found, &detections);
                    self.write_line(&record, 0, 0.0)?;
                    self.records.push(record);
                    if let (Some(names), Some(writers)) = (&mut self.names, &writers) {
                        writers.write(image, detections, names.next(path, "png"))?;
                        self.drawn += 1;
                    }
                }
                Err(problem @ (DetectError::Image { .. } | DetectError::Unreadable { .. })) => {
                    bar.suspend(|| say(&problem.to_string()));
                    self.bad += 1;
                }
                Err(problem @ DetectError::Panicked { .. }) => {
                    bar.suspend(|| say(&Error::from(problem).in_file(path).to_string()));
                    self.bad += 1;
                }
                Err(problem) => return Err(Error::from(problem).in_file(path).into()),
            }
            bar.inc(1);
            Ok::<(), Failure>(())
        })?;
        writers.map_or(Ok(()), Writers::finish)?;
        bar.finish_and_clear();
        Ok(time)
    }

    /// Writes the line of a frame, draws its boxes where there is somewhere to draw, and gives the boxes.
    pub(super) fn frame(
        &mut self,
        path: &Path,
        (at, seconds): (u64, f64),
        image: &mut Picture,
        found: &[HeadDetections],
    ) -> Result<Vec<Detection>, Failure> {
        let detections = join(found, &self.by_head);
        self.frames += 1;
        if !matches!(self.lines, JsonLines::Nowhere) {
            let record = self.record(path, (image.width(), image.height()), found, &detections);
            self.write_line(&record, at, seconds)?;
        }
        if self.names.is_some() {
            draw_detections(image, &detections, &self.classes);
        }
        Ok(detections)
    }

    /// What was looked at: `2 images and 50 frames`.
    pub(super) fn seen(&self) -> String {
        let (images, frames) = (self.records.len(), count(self.frames as usize));
        match (images, self.frames) {
            (0, 1..) => format!("{frames} frames"),
            (0, 0) if self.only_videos => "0 frames".into(),
            (_, 0) => format!("{} images", count(images)),
            _ => format!("{} images and {frames} frames", count(images)),
        }
    }

    fn record(
        &self,
        path: &Path,
        (width, height): (u32, u32),
        found: &[HeadDetections],
        joined: &[Detection],
    ) -> ImageDetections {
        let name = path.display().to_string();
        if !self.is_bank {
            return ImageDetections::new(name, width, height, joined, &self.classes);
        }
        let of_heads = found.iter().zip(&self.heads);
        let of_heads = of_heads.map(|(found, head)| (&head.name[..], &found[..], &head.settings.classes[..]));
        ImageDetections::of_heads(name, width, height, of_heads)
    }

    fn write_line(&mut self, record: &ImageDetections, frame: u64, seconds: f64) -> Result<(), Failure> {
        let ImageDetections { image: source, width, height, detections, .. } = record;
        let (width, height, assumed) = (*width, *height, &self.assumed);
        self.lines.write(&Line { source, frame, seconds, width, height, detections, assumed })
    }
}

/// The detections of all heads, strongest first, their classes numbered through all heads.
pub(crate) fn join(found: &[Vec<Detection>], classes: &[Vec<String>]) -> Vec<Detection> {
    let (mut all, mut first) = (Vec::new(), 0);
    for (found, classes) in found.iter().zip(classes) {
        all.extend(found.iter().map(|detection| Detection { class: first + detection.class, ..*detection }));
        first += classes.len();
    }
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    all
}
