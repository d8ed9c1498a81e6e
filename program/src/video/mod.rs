//! Videos in and out, through `ffmpeg` as a process: frames come and go as raw RGB over pipes.

mod error;
mod ffmpeg;
mod kind;
mod log;
mod probe;
mod process;
mod reader;
mod stop;
mod writer;

pub(crate) use error::VideoError;
pub(crate) use ffmpeg::Ffmpeg;
pub(crate) use kind::is_video;
pub(crate) use reader::VideoReader;
pub(crate) use stop::{INTERRUPTED, Stop};
pub(crate) use writer::VideoWriter;
