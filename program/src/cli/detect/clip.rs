//! Looking at the frames of a video.

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;

use sharekan::Error;
use sharekan::detect::DetectError;
use sharekan::detect::pipeline::PipelineReport;

use super::looking::Looking;
use super::{add_counts, counts, named_counts};
use crate::cli::detector::Opened;
use crate::cli::failure::{Failure, say};
use crate::cli::plain::plain;
use crate::cli::progress;
use crate::video::{VideoError, VideoReader, VideoWriter};

/// Why a video was not looked at to its end.
enum Ended {
    Detect(DetectError),
    /// The annotated video cannot be written.
    Write(VideoError),
    /// Something else cannot be written.
    Other(Failure),
}

impl Looking {
    /// Looks at every frame of a video. What is wrong with it is said, and what was done until then is kept; the time is known
    /// where nothing but the video ended it.
    pub(super) fn clip(&mut self, detector: &mut Opened, path: &Path) -> Result<Option<PipelineReport>, Failure> {
        let (mut reader, mut writer) = match self.open_clip(path) {
            Ok(opened) => opened,
            Err(_) if self.stop.asked() => return Ok(None),
            Err((path, problem)) => {
                self.wrong(&path, &problem);
                return Ok(None);
            }
        };
        let ([width, height], rate) = (reader.size(), reader.rate());
        let bar = match reader.expected() {
            Some(frames) => progress::bar("frames", frames as usize),
            None => progress::counter("frames"),
        };
        let (tell, told) = channel();
        let images = std::iter::from_fn(|| {
            let frame = reader.next()?;
            // Whoever takes the frames takes their times.
            let _ = tell.send(frame.seconds);
            Some(Ok(frame.picture))
        });
        let (mut numbers, mut start, mut uneven) = (vec![0; self.classes.len()], 0.0, false);
        let result = detector.detect_images(images, |at, found| {
            let seconds = told.recv().unwrap_or_default();
            let (mut image, found) = found.map_err(Ended::Detect)?;
            let found = self.frame(path, (at as u64, seconds), &mut image, &found).map_err(Ended::Other)?;
            add_counts(&mut numbers, &found);
            if at == 0 {
                start = seconds;
            }
            uneven |= ((seconds - start) * rate.a_second() - at as f64).abs() > 0.75;
            if self.verbose {
                let line =
                    || format!("{} {at}: {seconds:.3} s, {}", plain(path.display()), counts(&found, &self.classes));
                bar.suspend(|| self.screen.line(line())).map_err(Ended::Other)?;
            }
            if let Some((_, writer)) = &mut writer {
                writer.write(&image).map_err(Ended::Write)?;
            }
            bar.inc(1);
            Ok(())
        });
        bar.finish_and_clear();

        let (time, failure) = match result {
            Ok(time) => (Some(time), None),
            Err(Ended::Write(problem)) => {
                // What there is of the file is removed.
                if let Some((target, _)) = writer.take() {
                    self.wrong(&target, &problem);
                }
                (None, None)
            }
            Err(Ended::Detect(problem @ DetectError::Panicked { .. })) => {
                say(&Error::from(problem).in_file(path).to_string());
                self.bad += 1;
                (None, None)
            }
            Err(Ended::Detect(problem)) => (None, Some(Error::from(problem).in_file(path).into())),
            Err(Ended::Other(failure)) => (None, Some(failure)),
        };
        // Before the reader's verdict: nothing that happens there shall cost what was done.
        let mut shown = None;
        if let Some((target, writer)) = writer {
            match writer.finish() {
                Ok(()) => {
                    self.drawn += 1;
                    shown = Some(target);
                }
                Err(problem) => self.wrong(&target, &problem),
            }
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        if time.is_some() {
            let (frames, verdict) = reader.finish();
            let a_second = rate.a_second();
            let counts = named_counts(&numbers, &self.classes);
            self.screen.line(format!(
                "{}: {width}x{height}, {frames} frames, {a_second:.4} a second, {counts}",
                plain(path.display())
            ))?;
            if let Some(target) = shown.filter(|_| uneven) {
                let (path, target) = (plain(path.display()), plain(target.display()));
                self.screen.line(format!("{path}: frames come unevenly; {target} shows {a_second:.4} a second"))?;
            }
            if let Err(problem) = verdict {
                self.wrong(path, &problem);
            }
        }
        Ok(time)
    }

    /// Opens a video, and the one that gets its boxes; a problem comes with the file that has it.
    #[allow(clippy::type_complexity, reason = "two optional halves of one thing, taken apart at once")]
    fn open_clip(
        &mut self,
        path: &Path,
    ) -> Result<(VideoReader, Option<(PathBuf, VideoWriter)>), (PathBuf, VideoError)> {
        let of_source = |problem| (path.to_path_buf(), problem);
        let ffmpeg = self.ffmpeg().map_err(of_source)?;
        let reader = VideoReader::open(&ffmpeg, path, &self.stop).map_err(of_source)?;
        let Some(names) = &mut self.names else { return Ok((reader, None)) };
        let target = names.next(path, "mp4");
        match VideoWriter::open(&ffmpeg, &target, reader.size(), reader.rate(), &self.stop) {
            Ok(writer) => Ok((reader, Some((target, writer)))),
            Err(problem) => Err((target, problem)),
        }
    }

    fn wrong(&mut self, path: &Path, problem: &VideoError) {
        say(&format!("{}: {problem}", path.display()));
        self.bad += 1;
    }
}
