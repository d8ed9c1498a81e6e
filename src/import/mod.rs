//! A checkpoint becomes a [`DenseHead`], or a refusal that says why.
//!
//! Checkpoints come from several libraries and from anywhere, so two things matter here. First, an import is exact:
//! whatever a layout can hold that the head's formula cannot, and whatever tensor is not read, is a refusal, for a
//! head that is nearly right is worse than none. What a state dict does not hold (the base function, for one) is taken
//! from [`ImportOptions`] or assumed as the library's default, and [`Imported::assumptions`] says so. Second, no file
//! can do harm: sizes are checked before anything is allocated, and values are read piece by piece.

mod efficient_kan;
mod error;
mod fast_kan;
mod inkan;
mod knots;
mod layout;
mod pykan;
mod pytorch;
mod tensors;

pub use error::ImportError;
pub use layout::Layout;

use std::{
    ffi::OsStr,
    io::{Cursor, Read, Seek},
    path::Path,
    str::FromStr,
};

use tensors::Tensors;

use crate::container::{Header, Sentence};
pub use crate::head::DETECTION_KEY;
use crate::head::{Activation, BasePath, DenseHead, DenseLayer, DetectionConfig, HeadError, InputMap};
use crate::setters::setters;

/// The function on the base path as a user chooses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaseFunction {
    /// The base path gives 0 and is left out.
    Zero,
    /// The base path applies this function.
    Of(Activation),
}

impl BaseFunction {
    const NAMES: [(&'static str, Self); 7] = [
        ("silu", Self::Of(Activation::Silu)),
        ("gelu", Self::Of(Activation::Gelu)),
        ("tanh", Self::Of(Activation::Tanh)),
        ("relu", Self::Of(Activation::Relu)),
        ("sigmoid", Self::Of(Activation::Sigmoid)),
        ("identity", Self::Of(Activation::Identity)),
        ("zero", Self::Zero),
    ];
}

impl FromStr for BaseFunction {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::NAMES.iter().find(|(name, _)| *name == text).map(|&(_, function)| function).ok_or_else(|| {
            format!("base function `{text}` is not known, expected {}", Self::NAMES.map(|(name, _)| name).join(", "))
        })
    }
}

/// What a checkpoint does not hold.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ImportOptions {
    /// Layout to read as, instead of the one that the names suggest.
    pub layout: Option<Layout>,
    /// Function on the base path; `None` assumes the library's default, SiLU.
    pub base_function: Option<BaseFunction>,
    /// Width of fast-kan's bumps, positive; `None` assumes the library's default, the spacing of the centres.
    pub rbf_denominator: Option<f64>,
    /// Detection settings, instead of those in the file.
    pub head_config: Option<DetectionConfig>,
}

setters! { ImportOptions {
    layout: into Option<Layout>,
    base_function: into Option<BaseFunction>,
    rbf_denominator: into Option<f64>,
    head_config: into Option<DetectionConfig>,
}}

/// A checkpoint that was read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Imported {
    /// The head.
    pub head: DenseHead,
    /// The layout that it was read as.
    pub layout: Layout,
    /// What the tensors' names begin with and what was ignored, as `model.head.`; may be empty.
    pub prefix: String,
    /// What the file does not say and was assumed, a phrase each.
    pub assumptions: Vec<String>,
}

/// The kind of file that a checkpoint is. Nothing but the file's extension tells: a pickle under another name is
/// refused, so that nobody is handed one without knowing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// A safetensors file.
    Safetensors,
    /// A state dict saved by `torch.save`. It is read by a machine that executes nothing.
    PyTorch,
}

impl Container {
    /// The kind that the extension of `path` stands for: `.pt` and `.pth` for PyTorch, anything else for safetensors.
    pub fn of_path(path: &Path) -> Self {
        match path.extension().and_then(OsStr::to_str) {
            Some(extension) if ["pt", "pth"].iter().any(|known| extension.eq_ignore_ascii_case(known)) => Self::PyTorch,
            _ => Self::Safetensors,
        }
    }
}

/// Imports a safetensors checkpoint that is in memory.
///
/// # Errors
/// Where the bytes are no such file, follow no known layout or hold what a [`DenseHead`] cannot reproduce exactly.
pub fn from_bytes(bytes: &[u8], options: &ImportOptions) -> Result<Imported, ImportError> {
    from_reader(Cursor::new(bytes), Container::Safetensors, options)
}

/// Imports a checkpoint. Beside the head itself this takes little memory: the file is read in pieces.
///
/// # Errors
/// As [`from_bytes`], and where reading fails.
pub fn from_reader(
    mut source: impl Read + Seek,
    container: Container,
    options: &ImportOptions,
) -> Result<Imported, ImportError> {
    match container {
        Container::Safetensors => from_tensors(Header::read(&mut source)?, source, options),
        Container::PyTorch => {
            let directory = pytorch::read(&mut source)?;
            assemble(&mut Tensors::new(&mut source, directory), options)
        }
    }
}

/// Imports a safetensors checkpoint whose header has been read.
///
/// # Errors
/// As [`from_reader`].
pub(crate) fn from_tensors(
    header: Header,
    mut source: impl Read + Seek,
    options: &ImportOptions,
) -> Result<Imported, ImportError> {
    header.refuse_empty()?;
    assemble(&mut Tensors::new(&mut source, header.into()), options)
}

/// Imports the checkpoint at `path`, whose extension tells its kind.
///
/// # Errors
/// As [`from_reader`], and where the file cannot be opened; the error names the file.
#[cfg(feature = "files")]
pub fn from_file(path: &Path, options: &ImportOptions) -> Result<Imported, ImportError> {
    let open = || {
        let (file, _) = crate::regular_file::open(path).map_err(std::io::Error::from)?;
        from_reader(file, Container::of_path(path), options)
    };
    open().map_err(|problem| ImportError::File { path: path.to_path_buf(), problem: Box::new(problem) })
}

fn assemble(tensors: &mut Tensors<'_>, options: &ImportOptions) -> Result<Imported, ImportError> {
    let (layout, stack) = layout::recognise(tensors, options.layout)?;
    let detection = match (&options.head_config, tensors.metadata(DETECTION_KEY)) {
        (Some(config), _) => {
            config.check()?;
            Some(config.clone())
        }
        (None, Some(text)) => Some(
            DetectionConfig::from_json(text)
                .map_err(|e| ImportError::Container(format!("metadata {}", Sentence(&e.to_string()))))?,
        ),
        (None, None) => None,
    };
    let mut context = Context { options, detection: detection.as_ref(), assumptions: Vec::new() };
    let layers = match layout {
        Layout::EfficientKan => efficient_kan::layers(tensors, &stack, &mut context)?,
        Layout::Pykan => pykan::layers(tensors, &stack, &mut context)?,
        Layout::FastKan => fast_kan::layers(tensors, &stack, &mut context)?,
        Layout::Inkan => inkan::layers(tensors, &stack, &mut context)?,
    };
    let assumptions = context.assumptions;
    tensors.finish(layout.name())?;
    let head = join(layers, detection)?;
    Ok(Imported { head, layout, prefix: stack.prefix, assumptions })
}

/// Joins layers to a head whose outputs fit the detection settings.
fn join(layers: Vec<DenseLayer>, detection: Option<DetectionConfig>) -> Result<DenseHead, HeadError> {
    let head = DenseHead::new(layers, detection)?;
    if let Some(detection) = &head.detection {
        detection.check_outputs(head.outputs())?;
    }
    Ok(head)
}

/// What the layouts need beside the tensors.
struct Context<'a> {
    options: &'a ImportOptions,
    detection: Option<&'a DetectionConfig>,
    assumptions: Vec<String>,
}

impl Context<'_> {
    /// The base path with the chosen or assumed function.
    fn base(&mut self, weights: Vec<f32>) -> Option<BasePath> {
        let activation = match self.options.base_function {
            Some(BaseFunction::Zero) => return None,
            Some(BaseFunction::Of(activation)) => activation,
            None => {
                self.assume("base function silu");
                Activation::Silu
            }
        };
        Some(BasePath { activation, weights })
    }

    /// Range that detection settings clamp every layer's spline variable to.
    fn clamp(&self) -> Option<[f32; 2]> {
        self.detection.map(|detection| detection.clamp)
    }

    /// The map of a layer without a norm: inputs go in as they are, clamped where detection settings say so.
    fn plain_input(&mut self, inputs: usize) -> InputMap {
        match self.clamp() {
            None => InputMap::Identity,
            clamp => InputMap::Affine { scale: vec![1.0; inputs], shift: vec![0.0; inputs], clamp },
        }
    }

    fn assume(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.assumptions.contains(&what) {
            self.assumptions.push(what);
        }
    }
}
