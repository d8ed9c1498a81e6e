//! Where frames come from while they are made: a camera, the screen, an address; or a file.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::error::{Said, VideoError};
use super::ffmpeg::Ffmpeg;
use super::reader::{VideoReader, input, refuse_text};
use super::stop::Stop;

/// Protocols that an address may take, and what it names in turn: none reads a file of this machine.
const PROTOCOLS: &str = "http,https,httpproxy,tcp,tls,udp,rtp,srtp,rtsp,rtsps,rtmp,rtmps,rtmpt,srt,crypto,data,hls";

/// Frames a second that are asked of a screen.
const SCREEN_RATE: &str = "30";

/// Where frames come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A camera by its number.
    Camera(u32),
    Screen,
    /// An address, as `rtsp://...`.
    Address(String),
    File(PathBuf),
}

impl Place {
    /// Reads what the user calls it: a number, `screen`, an address, or a path.
    pub(crate) fn read(name: &Path) -> Self {
        let Some(text) = name.to_str() else { return Self::File(name.to_path_buf()) };
        match text.parse() {
            Ok(number) if text.bytes().all(|letter| letter.is_ascii_digit()) => Self::Camera(number),
            _ if text == "screen" => Self::Screen,
            _ if is_address(text) => Self::Address(text.to_owned()),
            _ => Self::File(name.to_path_buf()),
        }
    }

    /// Whether frames come whether they are taken or not.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self, Self::File(_))
    }

    /// Refuses what is not there, as far as that is known without asking `ffmpeg`.
    ///
    /// # Errors
    /// Where there is no such camera, file or screen, or the file is a text.
    pub(crate) fn check(&self) -> Result<(), VideoError> {
        match self {
            Self::Camera(number) if cfg!(target_os = "linux") => {
                let path = device(*number);
                if path.exists() { Ok(()) } else { Err(VideoError::NoCamera { path, found: cameras() }) }
            }
            Self::Screen if cfg!(target_os = "linux") && display().is_empty() => Err(VideoError::NoScreen),
            Self::File(path) => match std::fs::metadata(path) {
                Ok(about) if about.is_dir() => Err(VideoError::Read(std::io::ErrorKind::IsADirectory.into())),
                Ok(_) => refuse_text(path),
                Err(problem) => Err(VideoError::Read(problem)),
            },
            _ => Ok(()),
        }
    }

    /// Opens it and waits for its first frame.
    ///
    /// # Errors
    /// Where `ffmpeg` does not take it, or another program has it.
    pub(crate) fn open(&self, ffmpeg: &Ffmpeg, stop: &Stop) -> Result<VideoReader, VideoError> {
        self.check()?;
        let from = self.options(ffmpeg, stop)?;
        let opened = VideoReader::open_place(ffmpeg, &from, stop);
        opened.map_err(|problem| match problem {
            VideoError::Unreadable { said } | VideoError::NoFrame { said } => match self {
                Self::File(_) => VideoError::Unreadable { said },
                _ if said.0.iter().any(|line| is_busy(line)) => VideoError::Busy { said: self.without_secrets(said) },
                _ => VideoError::NotOpened { said: self.without_secrets(said) },
            },
            other => other,
        })
    }

    /// The options of `ffmpeg` that name it.
    fn options(&self, ffmpeg: &Ffmpeg, stop: &Stop) -> Result<Vec<OsString>, VideoError> {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        // Nothing is kept back to even out what comes late.
        let prompt = ["-fflags", "nobuffer", "-flags", "low_delay"];
        Ok(match self {
            Self::File(path) => input(path).into(),
            Self::Address(address) => {
                let mut all = words(&prompt);
                all.extend(words(&["-protocol_whitelist", PROTOCOLS]));
                if address.to_ascii_lowercase().starts_with("rtsp") {
                    all.extend(words(&["-rtsp_transport", "tcp"]));
                }
                all.extend(words(&["-i", address]));
                all
            }
            Self::Screen if cfg!(target_os = "macos") => {
                words(&["-f", "avfoundation", "-framerate", SCREEN_RATE, "-i", "Capture screen 0:none"])
            }
            Self::Screen if cfg!(windows) => words(&["-f", "gdigrab", "-framerate", SCREEN_RATE, "-i", "desktop"]),
            Self::Screen => words(&["-f", "x11grab", "-framerate", SCREEN_RATE, "-i", &display()]),
            Self::Camera(number) if cfg!(target_os = "macos") => {
                words(&["-f", "avfoundation", "-framerate", "30", "-i", &format!("{number}:none")])
            }
            Self::Camera(number) if cfg!(windows) => {
                let found = windows_cameras(&ffmpeg.devices("dshow", stop)?);
                match found.get(*number as usize) {
                    Some(name) => words(&["-f", "dshow", "-rtbufsize", "64M", "-i", &format!("video={name}")]),
                    None => return Err(VideoError::NoCamera { path: number.to_string().into(), found }),
                }
            }
            Self::Camera(number) => {
                let mut all = words(&prompt);
                all.extend(words(&["-f", "v4l2", "-i"]));
                all.push(device(*number).into());
                all
            }
        })
    }

    /// What was said, without the user's name and password.
    fn without_secrets(&self, said: Said) -> Said {
        let Self::Address(address) = self else { return said };
        let shown = self.to_string();
        Said(said.0.into_iter().map(|line| line.replace(address, &shown)).collect())
    }
}

/// As it is named in messages and results: addresses without the user's name and password, and what they ask for.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Camera(number) => write!(f, "camera {number}"),
            Self::Screen => f.write_str("screen"),
            Self::Address(address) => {
                let (scheme, rest) = address.split_once("://").unwrap_or_default();
                let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
                let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
                let path = path.split(['?', '#']).next().unwrap_or_default();
                write!(f, "{scheme}://{host}{path}")
            }
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

fn is_address(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once("://") else { return false };
    PROTOCOLS.split(',').any(|known| scheme.eq_ignore_ascii_case(known))
}

fn is_busy(line: &str) -> bool {
    ["resource busy", "already in use", "in use by another", "Could not run graph"]
        .iter()
        .any(|words| line.to_ascii_lowercase().contains(&words.to_ascii_lowercase()))
}

/// A camera's file on Linux.
fn device(number: u32) -> PathBuf {
    format!("/dev/video{number}").into()
}

/// The cameras' files on Linux.
fn cameras() -> Vec<String> {
    let entries = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut found: Vec<String> =
        names.filter(|name| name.starts_with("video")).map(|name| format!("/dev/{name}")).collect();
    found.sort();
    found
}

/// The X display; empty where there is none.
fn display() -> String {
    std::env::var("DISPLAY").unwrap_or_default()
}

/// Cameras as `ffmpeg` lists them on Windows: `[dshow @ 0x1] [info] "Integrated Camera" (video)`.
fn windows_cameras(lines: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut videos = false;
    for line in lines {
        // Old versions list kinds one after the other, under a title.
        if line.contains("DirectShow video devices") {
            videos = true;
        } else if line.contains("DirectShow audio devices") {
            videos = false;
        }
        let Some((_, rest)) = line.split_once('"') else { continue };
        let Some((name, kind)) = rest.rsplit_once('"') else { continue };
        let is_camera = kind.contains("(video)") || videos && kind.trim().is_empty();
        if is_camera && !line.contains("Alternative name") {
            found.push(name.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Place {
        Place::read(Path::new(name))
    }

    #[test]
    fn a_place_is_told_by_its_name() {
        assert_eq!(read("0"), Place::Camera(0));
        assert_eq!(read("12"), Place::Camera(12));
        assert_eq!(read("screen"), Place::Screen);
        for address in ["rtsp://10.0.0.7/stream", "HTTP://camera.local/mjpg", "udp://@:1234"] {
            assert_eq!(read(address), Place::Address(address.into()));
        }
        for file in ["clip.mp4", "+1", "99999999999", "a://b", "file:///etc/passwd", "./screen", ""] {
            assert_eq!(read(file), Place::File(file.into()), "{file}");
        }
    }

    #[test]
    fn addresses_are_shown_without_secrets() {
        let shown = |address: &str| read(address).to_string();
        assert_eq!(shown("rtsp://me:secret@10.0.0.7:554/a/b?token=1#c"), "rtsp://10.0.0.7:554/a/b");
        assert_eq!(shown("rtsp://me:se@cret@host"), "rtsp://host");
        assert_eq!(shown("http://host?x=a@b"), "http://host");
        let address = read("rtsp://me:secret@host/a");
        let said = address.without_secrets(Said(vec!["rtsp://me:secret@host/a: refused".into()]));
        assert_eq!(said.0, ["rtsp://host/a: refused"]);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let missing = read("missing.mp4").check().unwrap_err().to_string();
        assert!(missing.starts_with("cannot be read: "), "{missing}");
        if cfg!(target_os = "linux") {
            let camera = read("987654").check().unwrap_err().to_string();
            assert!(camera.starts_with("there is no /dev/video987654"), "{camera}");
        }
    }

    #[test]
    fn cameras_of_windows_are_found_in_both_kinds_of_lists() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let new = "[dshow @ 01] [info] \"Integrated Camera\" (video)\n[dshow @ 01] [info]   Alternative name \"@device_pnp\"\n\
                   [dshow @ 01] [info] \"A \"fine\" one\" (video)\n[dshow @ 01] [info] \"Microphone\" (audio)";
        assert_eq!(windows_cameras(&lines(new)), ["Integrated Camera", "A \"fine\" one"]);
        let old = "[dshow @ 01] [info] DirectShow video devices (some may be both)\n[dshow @ 01] [info]  \"Camera\"\n\
                   [dshow @ 01] [info]     Alternative name \"@x\"\n[dshow @ 01] [info] DirectShow audio devices\n\
                   [dshow @ 01] [info]  \"Microphone\"";
        assert_eq!(windows_cameras(&lines(old)), ["Camera"]);
    }
}
