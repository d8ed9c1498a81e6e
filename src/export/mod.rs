//! Heads for other runtimes.

mod onnx;

pub use onnx::{INPUT, OPSET, OUTPUT, to_onnx};

use thiserror::Error;

/// A head that another runtime's file cannot hold.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum ExportError {
    /// More bytes than protobuf allows in one message.
    #[error("the network would take {bytes} bytes, an ONNX file in one piece holds at most {most}")]
    TooLarge {
        /// Bytes of the network.
        bytes: usize,
        /// The most there can be.
        most: usize,
    },
    /// A head that says something about boxes that is no JSON.
    #[error(transparent)]
    Head(#[from] crate::head::HeadError),
}
