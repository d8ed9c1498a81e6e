//! Frames out of a video file.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, channel};

use sharekan::detect::{MAX_IMAGE_BYTES, MAX_IMAGE_SIDE, Picture};

use super::error::VideoError;
use super::ffmpeg::Ffmpeg;
use super::kind::first_line;
use super::probe::{Probe, Rate};
use super::process::{Process, status_name};
use super::stop::Stop;

/// Where nothing tells frames a second.
const USUAL: Rate = Rate { numerator: 25, denominator: 1 };

/// Parts of the frames by which a container's own count may be off without a complaint: edits leave some out.
const UNCOUNTED: u64 = 50;

/// A frame of a video.
pub(crate) struct Frame {
    pub(crate) picture: Picture,
    /// Time in the video.
    pub(crate) seconds: f64,
}

/// How the pixels of frames come.
#[derive(Debug, Clone, Copy)]
enum PixelFormat {
    Rgb,
    #[cfg(feature = "live")]
    Rgba,
}

impl PixelFormat {
    /// Its name in `ffmpeg`.
    fn name(self) -> &'static str {
        match self {
            Self::Rgb => "rgb24",
            #[cfg(feature = "live")]
            Self::Rgba => "rgba",
        }
    }

    /// Bytes of a pixel.
    fn bytes(self) -> usize {
        match self {
            Self::Rgb => 3,
            #[cfg(feature = "live")]
            Self::Rgba => 4,
        }
    }
}

/// What `ffmpeg` says of a frame before it comes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Announced {
    size: [u32; 2],
    seconds: Option<f64>,
}

/// What a line of `ffmpeg` announces.
#[derive(Debug, PartialEq)]
enum Line {
    Frame(Announced),
    Rate(Rate),
}

/// Gives all frames of a video file, upright, in the order in which they are shown.
pub(crate) struct VideoReader {
    process: Process,
    pixels: ChildStdout,
    format: PixelFormat,
    announced: Receiver<Line>,
    first: Option<Announced>,
    size: [u32; 2],
    rate: Rate,
    probe: Probe,
    frames: u64,
    problem: Option<VideoError>,
    stop: Stop,
}

impl VideoReader {
    /// Opens a video and waits for the beginning of its first frame.
    ///
    /// # Errors
    /// Where the file is a text, `ffmpeg` does not read it, or it holds no frame of a size that can be used.
    pub(crate) fn open(ffmpeg: &Ffmpeg, path: &Path, stop: &Stop) -> Result<Self, VideoError> {
        refuse_text(path)?;
        Self::start(ffmpeg, &input(path), PixelFormat::Rgb, Probe::of(path, stop), stop)
    }

    /// Opens what `ffmpeg` takes by the options `from`, and waits for the beginning of its first frame. Frames come as RGBA.
    ///
    /// # Errors
    /// Where `ffmpeg` does not take it, or there is no frame of a size that can be used.
    #[cfg(feature = "live")]
    pub(crate) fn open_place(ffmpeg: &Ffmpeg, from: &[OsString], stop: &Stop) -> Result<Self, VideoError> {
        Self::start(ffmpeg, from, PixelFormat::Rgba, Probe::default(), stop)
    }

    fn start(
        ffmpeg: &Ffmpeg,
        from: &[OsString],
        format: PixelFormat,
        probe: Probe,
        stop: &Stop,
    ) -> Result<Self, VideoError> {
        let pixels = format.name();
        let mut command = ffmpeg.command();
        // Frames are announced by a filter: with the time, and the size as it is after turning.
        command.args(["-loglevel", "repeat+level+info"]).args(from).args(["-map", "0:v:0", "-an", "-sn", "-dn"]);
        command.args(["-vf", &format!("format={pixels},showinfo=checksum=0")]).args(ffmpeg.every_frame());
        command.args(["-f", "rawvideo", "-pix_fmt", pixels, "pipe:1"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let (announce, announced) = channel();
        let process = Process::start("ffmpeg", command, stop, None, move |line| {
            if let Some(line) = read_line(line) {
                // The reader may be gone already.
                let _ = announce.send(line);
            }
        })?;
        let Some(pixels) = process.stdout() else {
            return Err(VideoError::Read(std::io::ErrorKind::BrokenPipe.into()));
        };
        let (mut first, mut told) = (None, None);
        for line in &announced {
            match line {
                Line::Frame(frame) => {
                    first = Some(frame);
                    break;
                }
                Line::Rate(rate) => told = Some(rate),
            }
        }
        let rate = probe.rate.or(told).unwrap_or(USUAL);
        let Some(Announced { size, .. }) = first else {
            let status = process.wait().map_err(VideoError::Read)?;
            let said = process.said();
            return Err(if status.success() { VideoError::NoFrame { said } } else { VideoError::Unreadable { said } });
        };
        let bytes = format.bytes() as u64 * u64::from(size[0]) * u64::from(size[1]);
        if size.iter().any(|&side| side > MAX_IMAGE_SIDE) || bytes > MAX_IMAGE_BYTES {
            return Err(VideoError::TooLarge { found: size });
        }
        let stop = stop.clone();
        Ok(Self { process, pixels, format, announced, first, size, rate, probe, frames: 0, problem: None, stop })
    }

    /// Width and height in pixels.
    pub(crate) fn size(&self) -> [u32; 2] {
        self.size
    }

    /// Frames a second, in the mean.
    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// About how many frames there are.
    pub(crate) fn expected(&self) -> Option<u64> {
        let by_time = || self.probe.duration.map(|seconds| (seconds * self.rate.a_second()).round() as u64);
        self.probe.counted.or_else(by_time).filter(|&frames| frames > 0)
    }

    /// The next frame; `None` at the end, and where something went wrong or the user wants no more.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let mut rgb = Vec::new();
        let seconds = self.next_into(&mut rgb)?;
        let [width, height] = self.size;
        Some(Frame { picture: Picture::from_rgb(width, height, rgb).ok()?, seconds })
    }

    /// The pixels of the next frame, in place of what `pixels` holds, and its time in the video; `None` as for `next`.
    pub(crate) fn next_into(&mut self, pixels: &mut Vec<u8>) -> Option<f64> {
        if self.problem.is_some() || self.stop.asked() {
            return None;
        }
        let mut frame = self.first.take();
        while frame.is_none() {
            match self.announced.recv() {
                Ok(Line::Frame(next)) => frame = Some(next),
                Ok(Line::Rate(_)) => (),
                Err(_) => return None,
            }
        }
        let Announced { size, seconds } = frame?;
        if size != self.size {
            self.problem = Some(VideoError::Size { frame: self.frames, found: size, expected: self.size });
            return None;
        }
        let [width, height] = size;
        pixels.resize(self.format.bytes() * width as usize * height as usize, 0);
        // What is missing at the end is known from how the process ends.
        self.pixels.read_exact(pixels).ok()?;
        let seconds = seconds.unwrap_or(self.frames as f64 / self.rate.a_second());
        self.frames += 1;
        Some(seconds)
    }

    /// Ends reading after the last frame, and says how many came and whether that is all.
    pub(crate) fn finish(self) -> (u64, Result<(), VideoError>) {
        let frames = self.frames;
        (frames, self.verdict())
    }

    fn verdict(mut self) -> Result<(), VideoError> {
        if let Some(problem) = self.problem.take() {
            return Err(problem);
        }
        if self.stop.asked() {
            return Ok(());
        }
        // Whoever ends early does not wait for the rest.
        drop(self.pixels);
        let status = self.process.wait().map_err(VideoError::Read)?;
        let (frames, said) = (self.frames, self.process.said());
        if !status.success() {
            return Err(VideoError::Died { status: status_name(status), frames, said });
        }
        match self.probe.counted {
            Some(expected) if frames + expected / UNCOUNTED + 2 < expected => {
                Err(VideoError::CutShort { found: frames, expected, said })
            }
            Some(expected) if self.process.complained() && frames < expected => {
                Err(VideoError::CutShort { found: frames, expected, said })
            }
            _ if self.process.complained() => Err(VideoError::Damaged { frames, said }),
            _ => Ok(()),
        }
    }
}

/// Containers and streams that hold their frames themselves. What only names other files (playlists, lists of parts, numbered
/// images, subtitles) is not among them: `ffmpeg` would open any file of this machine that it names.
const CONTAINERS: &str = "mov,mp4,matroska,webm,avi,flv,live_flv,asf,asf_o,ogg,gif,yuv4mpegpipe,ivf,mxf,mxg,gxf,mpeg,mpegts,\
                          mpegtsraw,mpegvideo,h261,h263,h264,hevc,vvc,evc,av1,obu,m4v,vc1,vc1test,dirac,cavsvideo,avs2,avs3,\
                          mjpeg,mjpeg_2000,mpjpeg,jpeg_pipe,png_pipe,apng,dhav,dv,nut,nuv,rm,wtv,nsv,swf,bink,smk";

/// Options that name a file and nothing else: no address, no pattern, and by [`CONTAINERS`] no other file that it may name.
pub(super) fn input(path: &Path) -> [OsString; 6] {
    let mut name = OsString::from("file:");
    name.push(path);
    let ours = ["-protocol_whitelist", "file,pipe", "-format_whitelist", CONTAINERS, "-i"].map(OsString::from);
    let [protocols, these, formats, those, from] = ours;
    [protocols, these, formats, those, from, name]
}

/// Refuses a text in place of a video, before `ffmpeg` sees it.
pub(super) fn refuse_text(path: &Path) -> Result<(), VideoError> {
    first_line(path).map_or(Ok(()), |line| Err(VideoError::Text { line }))
}

/// Reads `[Parsed_showinfo_1 @ 0x55] [info] n: 0 pts: 0 pts_time:0 ... s:64x48 ...`, and before that `frame_rate: 25/1`.
fn read_line(line: &str) -> Option<Line> {
    let text = line.strip_prefix("[Parsed_showinfo_")?;
    if let Some((_, rate)) =
        text.split_once("config in time_base:").and_then(|(_, rest)| rest.split_once("frame_rate:"))
    {
        return Rate::read(rate).map(Line::Rate);
    }
    let (_, time) = text.split_once(" pts_time:")?;
    let seconds = time.split_whitespace().next()?.parse().ok().filter(|seconds: &f64| seconds.is_finite());
    let (_, size) = time.split_once(" s:")?;
    let (width, height) = size.split_whitespace().next()?.split_once('x')?;
    Some(Line::Frame(Announced { size: [width.parse().ok()?, height.parse().ok()?], seconds }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_are_read() {
        let line = "[Parsed_showinfo_1 @ 0x563dad4685c0] [info] n:   1 pts:    512 pts_time:0.04    pos:     1543 fmt:rgb24 \
                    sar:1/1 s:64x48 i:P iskey:0 type:B ";
        assert_eq!(read_line(line), Some(Line::Frame(Announced { size: [64, 48], seconds: Some(0.04) })));
        let newer = "[Parsed_showinfo_1 @ 0x5] [info] n:   0 pts: NOPTS pts_time:NOPTS   duration:    512 \
                     duration_time:0.04    fmt:rgb24 cl:unspecified sar:0/1 s:7x5 i:P iskey:1 type:I ";
        assert_eq!(read_line(newer), Some(Line::Frame(Announced { size: [7, 5], seconds: None })));
        let config = "[Parsed_showinfo_1 @ 0x5] [info] config in time_base: 1/12800, frame_rate: 25/1";
        assert_eq!(read_line(config), Some(Line::Rate(Rate { numerator: 25, denominator: 1 })));
        for other in [
            "[info]     title : n: 0 pts_time:0 s:1x1",
            "[Parsed_showinfo_1 @ 0x5] [info] config out time_base: 0/0, frame_rate: 0/0",
            "[Parsed_showinfo_1 @ 0x5] [info] color_range:pc color_space:gbr",
            "[Parsed_showinfo_1 @ 0x5] [info] n: 1 pts_time:1 s:axb",
            "",
        ] {
            assert_eq!(read_line(other), None, "{other}");
        }
    }
}
