//! Frames into a video file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};

use sharekan::detect::Picture;
use tempfile::TempPath;

use super::error::{Said, VideoError};
use super::ffmpeg::Ffmpeg;
use super::probe::Rate;
use super::process::{Process, status_name};
use super::stop::Stop;

/// Writes an MP4 without sound. The file has its name when it is whole, and is gone where it was not finished.
pub(crate) struct VideoWriter {
    // Killed before its file is removed.
    process: Process,
    pixels: Option<ChildStdin>,
    temporary: TempPath,
    target: PathBuf,
}

impl VideoWriter {
    /// Begins a video of frames of one size in pixels.
    ///
    /// # Errors
    /// Where the folder cannot be written to, or `ffmpeg` cannot be started.
    pub(crate) fn open(
        ffmpeg: &Ffmpeg,
        target: &Path,
        [width, height]: [u32; 2],
        rate: Rate,
        stop: &Stop,
    ) -> Result<Self, VideoError> {
        let temporary = beside(target).map_err(VideoError::Write)?;
        let mut file = std::ffi::OsString::from("file:");
        file.push(&temporary);
        let mut command = ffmpeg.command();
        command.args(["-loglevel", "repeat+level+warning", "-f", "rawvideo", "-pix_fmt", "rgb24"]);
        command.args(["-video_size", &format!("{width}x{height}")]);
        command.args(["-framerate", &format!("{}/{}", rate.numerator, rate.denominator), "-i", "pipe:0"]);
        // Colours at half the resolution play everywhere; an odd side has no half.
        let format = if width % 2 == 0 && height % 2 == 0 { "yuv420p" } else { "yuv444p" };
        command.args(["-vf", &format!("scale=out_color_matrix=bt709:out_range=tv,format={format}")]);
        command.args(["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]);
        command.args(["-movflags", "+faststart", "-f", "mp4", "-y"]).arg(file);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let process = Process::start("ffmpeg", command, stop, Some(&temporary), |_| ())?;
        let pixels = process.stdin();
        Ok(Self { process, pixels, temporary, target: target.to_path_buf() })
    }

    /// Adds a frame.
    ///
    /// # Errors
    /// Where `ffmpeg` has ended, because the disk is full or for another reason; what it said is in the error.
    pub(crate) fn write(&mut self, frame: &Picture) -> Result<(), VideoError> {
        let written = match &mut self.pixels {
            Some(pixels) => pixels.write_all(frame.rgb()),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        };
        written.map_err(|problem| {
            self.pixels = None;
            match self.process.wait() {
                Ok(status) if !status.success() => self.failed(&status_name(status)),
                _ => VideoError::Write(problem),
            }
        })
    }

    /// Ends the video and gives it its name.
    ///
    /// # Errors
    /// Where `ffmpeg` cannot finish the file, or the file cannot be given its name.
    pub(crate) fn finish(mut self) -> Result<(), VideoError> {
        self.pixels = None;
        let status = self.process.wait().map_err(VideoError::Write)?;
        // Old versions end well where the disk is full.
        if !status.success() || self.process.complained() {
            return Err(self.failed(&status_name(status)));
        }
        let Self { temporary, target, .. } = self;
        temporary.persist(target).map_err(|refused| VideoError::Write(refused.error))
    }

    fn failed(&self, status: &str) -> VideoError {
        let (temporary, target) = (self.temporary.display().to_string(), self.target.display().to_string());
        let said = self.process.said().0.iter().map(|line| line.replace(&temporary, &target)).collect();
        VideoError::Encode { status: status.to_owned(), said: Said(said) }
    }
}

/// An empty file in the folder of another.
fn beside(target: &Path) -> std::io::Result<TempPath> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".sharekan-").suffix(".mp4");
    // As the user's mask has it.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    Ok(builder.tempfile_in(folder).map_err(sharekan::files::without_path)?.into_temp_path())
}
