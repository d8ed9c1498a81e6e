//! What can go wrong between an image and its labelled boxes.

use thiserror::Error;

use crate::head::HeadError;

/// A failure of detection. Its text is one line: what, where, expected against found.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DetectError {
    /// A file or folder that the operating system does not give.
    #[error("{path}: cannot be read: {problem}")]
    Unreadable {
        /// The path as it was given.
        path: String,
        /// What the operating system says.
        problem: std::io::Error,
    },
    /// A file that is not an image that can be used.
    #[error("{path}: {problem}")]
    Image {
        /// The path as it was given.
        path: String,
        /// What is wrong with the image.
        problem: ImageProblem,
    },
    /// A folder in which no image was found.
    #[error("{folder}: holds no images, expected files ending in jpg, jpeg, png or webp")]
    NoImages {
        /// The folder as it was given.
        folder: String,
    },
    /// The `assets` folder was not found.
    #[error("no assets: looked for {file} in {looked}; set SHAREKAN_ASSETS to the assets folder of sharekan")]
    NoAssets {
        /// The file that was looked for, relative to the folder.
        file: String,
        /// The folders that were tried.
        looked: String,
    },
    /// Detection settings that contradict themselves.
    #[error(transparent)]
    Settings(#[from] HeadError),
    /// An option outside its range.
    #[error("{option} is {found}, expected {expected}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// Its value.
        found: f32,
        /// The range.
        expected: &'static str,
    },
    /// An image, not yet letterboxed, with no pixel.
    #[error("an image of {width}x{height} pixels cannot be letterboxed")]
    NoPixels {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A backbone that cannot be loaded, does not fit the head's settings or fails while running.
    #[error("backbone {backbone}: {problem}")]
    Backbone {
        /// Name of the backbone, of its file where it has one.
        backbone: String,
        /// What is wrong.
        problem: BackboneProblem,
    },
    /// A backbone whose joined features are not as many as the head's inputs.
    #[error("the backbone gives {found} features a cell ({parts}), but the head takes {expected} inputs")]
    Features {
        /// Features a cell.
        found: usize,
        /// How they are made up.
        parts: String,
        /// Inputs of the head.
        expected: usize,
    },
    /// A head whose outputs are not those of its classes.
    #[error("the head gives {found} outputs, but {classes} classes take {expected} (classes + 5)")]
    Outputs {
        /// Outputs of the head.
        found: usize,
        /// Classes in the settings.
        classes: usize,
        /// Outputs that the classes take.
        expected: usize,
    },
    /// A slice of the wrong length.
    #[error("{what} has {found} values, expected {expected}")]
    Length {
        /// Name of the values.
        what: &'static str,
        /// Number of values found.
        found: usize,
        /// Number of values that the settings ask for.
        expected: usize,
    },
    /// A stage of the [`pipeline`](super::pipeline) that panicked at an image: a fault of this library, of the runtime
    /// of a backbone, or of the caller's own code.
    #[error("the {stage} panicked: {problem}")]
    Panicked {
        /// `decoder`, `backbone` or `head`.
        stage: &'static str,
        /// What the panic said.
        problem: String,
    },
    /// The head failed while it was evaluated.
    #[error("the head failed: {0}")]
    Head(super::EvaluatorError),
    /// A texture or buffer that frames cannot be read from.
    #[error("{what} has {found}, expected {expected}")]
    Source {
        /// What it is.
        what: &'static str,
        /// What of it does not fit.
        found: String,
        /// What is taken.
        expected: String,
    },
    /// More frames on their way than there is room for.
    #[error("{most} frames are on their way, the most that the detector was opened for: take one out first")]
    InFlight {
        /// Most frames at once.
        most: usize,
    },
    /// A device that cannot be had, or fails.
    #[error(transparent)]
    Device(#[from] crate::run::RunError),
}

/// Why bytes are not an image that can be used.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum ImageProblem {
    /// No bytes at all.
    #[error("is empty, expected a JPEG, PNG or WebP image")]
    Empty,
    /// Bytes of another kind of file.
    #[error("is no JPEG, PNG or WebP image")]
    Unrecognised,
    /// An image without its end.
    #[error("is a {format} image that is cut off after {bytes} bytes")]
    Truncated {
        /// Kind of image.
        format: &'static str,
        /// Length of what is there.
        bytes: usize,
    },
    /// An image with a side of zero.
    #[error("is {width}x{height} pixels, expected at least 1x1")]
    NoPixels {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// An image with a side that is too long.
    #[error("is {width}x{height} pixels, expected at most {limit} a side")]
    TooLong {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Longest side that is taken.
        limit: u32,
    },
    /// An image that would take too much memory.
    #[error("is {width}x{height} pixels and takes {bytes} bytes decoded, expected at most {limit}")]
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Bytes of the decoded image.
        bytes: u64,
        /// Most bytes that are taken.
        limit: u64,
    },
    /// An image that the decoder refuses.
    #[error("is a {format} image that cannot be decoded: {problem}")]
    Undecodable {
        /// Kind of image.
        format: &'static str,
        /// What the decoder says.
        problem: String,
    },
}

/// Why a network cannot stand in front of a head.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum BackboneProblem {
    /// The network's file cannot be loaded.
    #[error("cannot be loaded: {0}")]
    Load(String),
    /// Features that are infinite or no numbers, as they come out of the network. WGSL lets a driver compute as if there were neither:
    /// `x - x` may be 0 whatever `x` is, so what overflows inside a network and is a number again at its end may pass.
    #[error("gives features that are not finite, in {precision}{}", if *precision == "f16" { ": take f32 (--backbone-precision f32)" } else { "" })]
    NotFinite {
        /// What it computes in.
        precision: &'static str,
    },
    /// The input that the settings name does not exist.
    #[error("has no input '{expected}', its inputs are {found}")]
    MissingInput {
        /// Input that the settings name.
        expected: String,
        /// Inputs that the network has.
        found: String,
    },
    /// The network asks for more inputs than the image.
    #[error("needs the inputs {found}, but only the image '{expected}' is given")]
    ExtraInputs {
        /// Input that the settings name.
        expected: String,
        /// Inputs that the network has.
        found: String,
    },
    /// An input of another shape than the letterboxed image.
    #[error("input '{input}' is {found}, but the settings give {expected} ({layout})")]
    InputShape {
        /// Name of the input.
        input: String,
        /// Shape in the network.
        found: String,
        /// Shape that the settings give.
        expected: String,
        /// Order of the axes in the settings.
        layout: &'static str,
    },
    /// An input of another type than f32.
    #[error("input '{input}' takes {found}, expected f32")]
    InputType {
        /// Name of the input.
        input: String,
        /// Type in the network.
        found: String,
    },
    /// An output that the settings name does not exist.
    #[error("has no output '{expected}', its outputs are {found}")]
    MissingOutput {
        /// Output that the settings name.
        expected: String,
        /// Outputs that the network has.
        found: String,
    },
    /// An output of another type than f32.
    #[error("output '{output}' is {found}, expected f32")]
    OutputType {
        /// Name of the output.
        output: String,
        /// Type in the network.
        found: String,
    },
    /// An output that is no map of features for one image.
    #[error("output '{output}' is {found}, expected [1, channels, height, width]")]
    OutputShape {
        /// Name of the output.
        output: String,
        /// Shape that the network gave.
        found: String,
    },
    /// A map whose cells do not divide the head's.
    #[error(
        "output '{output}' is {width}x{height} at {input_size} pixels, \
         expected {cells}x{cells} (stride {stride}) or a whole fraction of it"
    )]
    OutputSize {
        /// Name of the output.
        output: String,
        /// Width of the map.
        width: usize,
        /// Height of the map.
        height: usize,
        /// Side of the letterboxed image in pixels.
        input_size: u32,
        /// Cells along one side.
        cells: usize,
        /// Pixels a cell.
        stride: u32,
    },
    /// A map whose cells do not divide those of a rectangle.
    #[error(
        "output '{output}' is {width}x{height} at {} x {} pixels, \
         expected {}x{} (stride {stride}) or a whole fraction of it",
        sides[0], sides[1], grid[0], grid[1]
    )]
    OutputSides {
        /// Name of the output.
        output: String,
        /// Width of the map.
        width: usize,
        /// Height of the map.
        height: usize,
        /// Width and height of the letterboxed image in pixels.
        sides: [u32; 2],
        /// Cells in a row and in a column.
        grid: [usize; 2],
        /// Pixels a cell.
        stride: u32,
    },
    /// A network that takes images of one size, where rectangles are asked for.
    #[error(
        "input '{input}' is {found}, expected a height and a width that the file leaves open: without them it takes no --rect"
    )]
    FixedSides {
        /// Name of the input.
        input: String,
        /// Shape in the network.
        found: String,
    },
    /// A backbone that takes squares only, where rectangles are asked for.
    #[error("takes squares only, so no --rect")]
    SquaresOnly,
    /// Features of other cells than the image has.
    #[error("gives features of {} x {} cells, expected {} x {}", found[0], found[1], expected[0], expected[1])]
    Cells {
        /// Cells in a row and in a column that there are.
        found: [usize; 2],
        /// Those of the letterboxed image.
        expected: [usize; 2],
    },
    /// The network failed while running.
    #[error("cannot be run: {0}")]
    Run(String),
    /// The network cannot be run on the GPU.
    #[error("cannot be run on the GPU: {0}")]
    Gpu(String),
}

/// A message of another crate, or a name from a file, on one line without control characters.
pub(super) fn one_line(text: &impl std::fmt::Display) -> String {
    let printable = |c: char| if c.is_control() && !c.is_whitespace() { char::REPLACEMENT_CHARACTER } else { c };
    let text: String = text.to_string().chars().map(printable).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_line_of_printable_text() {
        assert_eq!(one_line(&"graph error:\n  node \u{1b}[2J missing\r\n"), "graph error: node \u{fffd}[2J missing");
    }
}
