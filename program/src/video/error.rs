//! What can go wrong with a video.

use std::io;

use sharekan::detect::{MAX_IMAGE_BYTES, MAX_IMAGE_SIDE};
use thiserror::Error;

/// A failure of a video, to be said after the name of its file. What `ffmpeg` says stands at its end.
#[derive(Debug, Error)]
pub(crate) enum VideoError {
    #[error(
        "is a video, and there is no ffmpeg in PATH to read it with: install ffmpeg (apt install ffmpeg, brew install ffmpeg, \
         winget install ffmpeg)"
    )]
    NoFfmpeg,
    #[error("{program} cannot be started: {problem}")]
    Start { program: &'static str, problem: io::Error },
    #[error("is no video that can be read{said}")]
    Unreadable { said: Said },
    #[error("is a text (it begins {line:?}), expected a video; files that a playlist names are given themselves")]
    Text { line: String },
    #[error("holds no frame{said}")]
    NoFrame { said: Said },
    #[error("cut short: {found} frames of {expected}{said}")]
    CutShort { found: u64, expected: u64, said: Said },
    #[error("damaged: some of what comes with its {frames} frames cannot be read{said}")]
    Damaged { frames: u64, said: Said },
    #[error("ffmpeg ended with {status} after {frames} frames{said}")]
    Died { status: String, frames: u64, said: Said },
    #[error("frame {frame} is {}x{}, expected {}x{} as before; what comes after is left out", found[0], found[1], expected[0], expected[1])]
    Size { frame: u64, found: [u32; 2], expected: [u32; 2] },
    #[error("frames are {}x{}, expected at most {MAX_IMAGE_SIDE} pixels a side and {MAX_IMAGE_BYTES} bytes", found[0], found[1])]
    TooLarge { found: [u32; 2] },
    #[cfg(feature = "live")]
    #[error("there is no {}; this machine has {}", path.display(), if found.is_empty() { "no camera".into() } else { found.join(", ") })]
    NoCamera { path: std::path::PathBuf, found: Vec<String> },
    #[cfg(feature = "live")]
    #[error("the environment names no X display (DISPLAY), which is what can be looked at")]
    NoScreen,
    #[cfg(feature = "live")]
    #[error("is busy: another program uses it{said}")]
    Busy { said: Said },
    #[cfg(feature = "live")]
    #[error("cannot be opened{said}")]
    NotOpened { said: Said },
    #[error("cannot be read: {0}")]
    Read(io::Error),
    #[error("cannot be written: {0}")]
    Write(io::Error),
    #[error("cannot be written: ffmpeg ended with {status}{said}")]
    Encode { status: String, said: Said },
}

/// The last things that a process complained about.
#[derive(Debug, Default)]
pub(crate) struct Said(pub(crate) Vec<String>);

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " (ffmpeg: {})", self.0.join("; ")) }
    }
}
