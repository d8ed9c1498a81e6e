//! Videos in and out, through `ffmpeg` as a process: frames come and go as raw RGB over pipes.

mod error;
mod ffmpeg;
mod kind;
mod log;
#[cfg(feature = "live")]
mod place;
mod probe;
mod process;
mod reader;
mod stop;
mod writer;

pub(crate) use error::VideoError;
pub(crate) use ffmpeg::Ffmpeg;
pub(crate) use kind::is_video;
#[cfg(feature = "live")]
pub(crate) use place::Place;
pub(crate) use reader::VideoReader;
pub(crate) use stop::{INTERRUPTED, Stop};
pub(crate) use writer::VideoWriter;
