//! A checkpoint becomes a [`DenseHead`], or a refusal that says why.
//!
//! Checkpoints come from several libraries and from anywhere, so two things matter here. First, an import is exact:
//! whatever a layout can hold that the head's formula cannot, and whatever tensor is not read, is a refusal, for a
//! head that is nearly right is worse than none. What a state dict does not hold (the base function, for one) is taken
//! from [`ImportOptions`] or assumed as the library's default, and [`Imported::assumptions`] says so. Second, no file
//! can do harm: sizes are checked before anything is allocated, and values are read piece by piece.

mod base_function;
mod branches;
mod chain;
mod derived;
mod efficient_kan;
mod error;
mod fast_kan;
mod inkan;
mod knots;
mod layout;
mod linear;
mod listing;
mod modules;
mod norms;
mod pykan;
mod pykan_old;
mod pykan_settings;
mod pytorch;
mod select;
mod spline_layer;
mod tensors;
mod tree;

pub use crate::head::Norms;
pub use base_function::BaseFunction;
pub use error::ImportError;
pub use layout::Layout;

use std::{
    ffi::OsStr,
    io::{Cursor, Read, Seek, SeekFrom},
    path::Path,
};

use tensors::{Source, Tensors};

use crate::container::{Header, Sentence};
pub use crate::head::DETECTION_KEY;
use crate::head::{DenseHead, DenseLayer, DetectionConfig, HeadError};
use crate::setters::setters;

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
    /// What the names of the head's tensors begin with in a file that holds more, as `head` or `head.`; several with
    /// commas between them are heads of the same inputs, whose outputs are joined in that order.
    pub prefix: Option<String>,
    /// Which of several state dicts in a PyTorch file is meant, as `ema`; dots lead into dictionaries.
    pub entry: Option<String>,
    /// The modules of the head in the order in which a row passes through them, by their names in the file or below
    /// `prefix`; empty where the names tell the order.
    pub layers: Vec<String>,
    /// What norms compute that the file does not tell.
    pub norms: Option<Norms>,
    /// Text of the settings that pykan writes beside a state dict (`model_config.yml`); other layouts have none.
    pub pykan_settings: Option<String>,
}

setters! { ImportOptions {
    layout: into Option<Layout>,
    base_function: into Option<BaseFunction>,
    rbf_denominator: into Option<f64>,
    head_config: into Option<DetectionConfig>,
    prefix: into Option<String>,
    entry: into Option<String>,
    layers: into Vec<String>,
    norms: into Option<Norms>,
    pykan_settings: into Option<String>,
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

/// The kind of file that a checkpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// A safetensors file.
    Safetensors,
    /// A file of `torch.save`. It is read by a machine that executes nothing.
    PyTorch,
    /// One of these, as the file's first bytes tell.
    Any,
}

impl Container {
    /// The kinds that a file of this name may have: its bytes tell, but what is called `.safetensors` has to be that, so
    /// that nobody is handed a pickle under that name.
    pub fn of_path(path: &Path) -> Self {
        match path.extension().and_then(OsStr::to_str) {
            Some(extension) if extension.eq_ignore_ascii_case("safetensors") => Self::Safetensors,
            _ => Self::Any,
        }
    }

    /// The kind that the bytes of `source` tell.
    fn told(self, source: &mut dyn Source) -> std::io::Result<Self> {
        if self != Self::Any {
            return Ok(self);
        }
        let length = source.seek(SeekFrom::End(0))?;
        source.rewind()?;
        let mut start = Vec::new();
        (&mut *source).take(9).read_to_end(&mut start)?;
        let header = start.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let safetensors = start.get(8) == Some(&b'{') && header <= length;
        Ok(if !safetensors && pytorch::begins(&start) { Self::PyTorch } else { Self::Safetensors })
    }
}

/// Imports a checkpoint that is in memory, of the kind that its bytes tell.
///
/// # Errors
/// Where the bytes are no such file, follow no known layout or hold what a [`DenseHead`] cannot reproduce exactly.
pub fn from_bytes(bytes: &[u8], options: &ImportOptions) -> Result<Imported, ImportError> {
    from_reader(Cursor::new(bytes), Container::Any, options)
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
    match open(&mut source, container)? {
        Some(header) => from_tensors(header, source, options),
        None => from_pickle(source, options),
    }
}

/// The header of a safetensors file; `None` of a PyTorch file.
///
/// # Errors
/// Where the source is neither, or not what `container` says.
pub(crate) fn open(source: &mut (impl Read + Seek), container: Container) -> Result<Option<Header>, ImportError> {
    Ok(match container.told(source)? {
        Container::PyTorch => None,
        Container::Safetensors | Container::Any => Some(Header::read(source)?),
    })
}

/// Imports a PyTorch file.
///
/// # Errors
/// As [`from_reader`].
pub(crate) fn from_pickle(mut source: impl Read + Seek, options: &ImportOptions) -> Result<Imported, ImportError> {
    let pytorch::Contents { directory, unpacked } = pytorch::read(&mut source, options.entry.as_deref())?;
    match unpacked {
        None => assemble(&mut Tensors::new(&mut source, directory)?, options),
        Some(bytes) => assemble(&mut Tensors::new(&mut Cursor::new(bytes), directory)?, options),
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
    if let Some(entry) = &options.entry {
        let entry = crate::container::Quoted(entry);
        return Err(ImportError::Layout(format!("has no entries as {entry}, for it is a safetensors file")));
    }
    assemble(&mut Tensors::new(&mut source, header.into())?, options)
}

/// The options with the settings that stand beside `path`, where they are not given.
#[cfg(feature = "files")]
pub(crate) fn with_settings_beside(options: &ImportOptions, path: &Path) -> ImportOptions {
    let mut options = options.clone();
    options.pykan_settings = options.pykan_settings.or_else(|| settings_beside(path));
    options
}

/// Imports the checkpoint at `path`, whose extension tells its kind.
///
/// # Errors
/// As [`from_reader`], and where the file cannot be opened; the error names the file.
#[cfg(feature = "files")]
pub fn from_file(path: &Path, options: &ImportOptions) -> Result<Imported, ImportError> {
    let open = || {
        let (file, _) = crate::regular_file::open(path).map_err(std::io::Error::from)?;
        from_reader(file, Container::of_path(path), &with_settings_beside(options, path))
    };
    open().map_err(|problem| ImportError::File { path: path.to_path_buf(), problem: Box::new(problem) })
}

fn assemble(tensors: &mut Tensors<'_>, options: &ImportOptions) -> Result<Imported, ImportError> {
    let imported = assemble_as(tensors, options);
    match options.layout {
        None => imported,
        Some(asked) => imported.map_err(|problem| select::about_layout(tensors, asked, problem)),
    }
}

fn assemble_as(tensors: &mut Tensors<'_>, options: &ImportOptions) -> Result<Imported, ImportError> {
    let selection = select::select(tensors, options)?;
    let own = tensors
        .metadata(DETECTION_KEY)
        .map(DetectionConfig::from_json)
        .transpose()
        .map_err(|e| metadata(e.to_string()))?;
    // What the file says of itself.
    let alone = tensors.metadata("norms").map(str::parse::<Norms>).transpose().map_err(metadata)?;
    let said = own.as_ref().map(|own| own.norms.unwrap_or(Norms::Affine)).or(alone);
    let norms = match (options.norms, said) {
        (Some(wanted), Some(said)) if wanted != said => {
            return Err(ImportError::Layout(format!(
                "says that its norms are {said} in its own metadata: leave --norms out"
            )));
        }
        (wanted, said) => wanted.or(said),
    };
    let detection = match &options.head_config {
        Some(config) => {
            config.check()?;
            Some(config.clone())
        }
        None => own,
    };
    let mut assumptions = tensors.notes().to_vec();
    assumptions.extend(selection.conclusions);
    let hints = tensors.activations().to_vec();
    let range = |text: &str| serde_json::from_str::<[f32; 2]>(text).map_err(|problem| metadata(problem.to_string()));
    let clamp = match &detection {
        Some(detection) => detection.clamp,
        None => tensors.metadata("clamp").map(range).transpose()?,
    };
    let told = tensors.metadata("base_function").and_then(|text| text.parse().ok());
    let (norms_used, other_norms) = (false, false);
    let mut context = Context { options, clamp, norms, norms_used, other_norms, hints, told, assumptions };
    let mut branches = Vec::new();
    for modules in &selection.branches {
        branches.push(chain::layers(tensors, modules, &mut context)?);
    }
    context.refuse_unused_norms()?;
    let assumptions = context.assumptions;
    let detection = detection.map(|detection| DetectionConfig { norms: None, ..detection }.in_lowest_version());
    let modules = selection.branches.iter().flatten();
    tensors.finish(modules.flat_map(|module| &module.tensors), selection.layout.name())?;
    let layers = branches::join(branches)?;
    let head = join(layers, detection)?;
    Ok(Imported { head, layout: selection.layout, prefix: selection.prefix, assumptions })
}

/// The settings that pykan writes beside the state dict at `path`, where they are there and can be read.
#[cfg(feature = "files")]
fn settings_beside(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let beside = |stem: &str| path.with_file_name(format!("{stem}_config.yml"));
    let stems = [Some(name), name.rsplit_once('.').map(|(stem, _)| stem)].into_iter().flatten();
    let stems = stems.flat_map(|stem| std::iter::once(stem).chain(stem.strip_suffix("_state")));
    let bytes =
        stems.map(beside).find_map(|path| crate::regular_file::read(&path, pykan_settings::MAX_SETTINGS).ok())?;
    String::from_utf8(bytes).ok()
}

/// A refusal of what a file says of itself.
fn metadata(problem: String) -> ImportError {
    ImportError::Container(format!("metadata {}", Sentence(&problem)))
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
    /// Range that every layer's spline variable is clamped to.
    clamp: Option<[f32; 2]>,
    norms: Option<Norms>,
    /// A norm was read by that.
    norms_used: bool,
    /// A norm that is of another kind as the file tells.
    other_norms: bool,
    /// Settings in the file that tell the function on a base path: what they are called, and what they say.
    hints: Vec<(String, String)>,
    /// The function on the base path as the file's own metadata or settings beside it tell.
    told: Option<BaseFunction>,
    assumptions: Vec<String>,
}

impl Context<'_> {
    /// Refuses norms that were said to be of a kind that none is of, and says where there are none.
    fn refuse_unused_norms(&mut self) -> Result<(), ImportError> {
        match self.options.norms {
            Some(norms) if !self.norms_used && self.other_norms => Err(ImportError::Layout(format!(
                "has BatchNorms only, as running statistics tell, and --norms says {norms}: leave it out, or give --norms batch-norm"
            ))),
            Some(norms) if !self.norms_used => {
                self.assume(format!("--norms {norms} is not used, for no norm needs it"));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn assume(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.assumptions.contains(&what) {
            self.assumptions.push(what);
        }
    }
}
