//! Options that several commands share.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use sharekan::files::{self, FileError, FileProblem, HeadFile};
use sharekan::head::HeadError;
use sharekan::import::{BaseFunction, ImportError, ImportOptions, Layout, Norms};
use sharekan::run::{Device, GpuOptions};

use super::failure::{Failure, note};
use super::table::list;

/// What a dense checkpoint does not hold.
#[derive(Args)]
#[command(next_help_heading = "Reading dense checkpoints")]
pub(crate) struct ImportArgs {
    /// Layout of the checkpoint: efficient-kan, pykan, fast-kan or inkan [default: told from its tensors]
    #[arg(long, value_name = "LAYOUT")]
    layout: Option<Layout>,
    /// Function on the base path: silu, gelu (exact), tanh, relu, sigmoid, identity, leaky_relu[:SLOPE], elu, selu, softplus,
    /// hardswish, mish, prelu (its slope is in the file) or zero [default: silu, or what pykan's settings beside the file say]
    #[arg(long, value_name = "FUNCTION")]
    base_activation: Option<BaseFunction>,
    /// Width of fast-kan's bumps, a positive number [default: the spacing of their centres]
    #[arg(long, value_name = "X", value_parser = positive)]
    rbf_denominator: Option<f64>,
    /// What the names of the head's tensors begin with, in a file that holds more; of several with commas between them the
    /// outputs are joined [default: nothing, all of the file is the head]
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
    /// Which state dict is meant where a PyTorch file has several, as ema [default: the only one of a KAN]
    #[arg(long, value_name = "NAME")]
    entry: Option<String>,
    /// Modules of the head in the order of its forward pass, by name in the file or below --prefix: KAN layers, norms,
    /// linear layers, as fc1,ln1,fc2 [default: told from their numbers]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    layers: Vec<String>,
    /// What norms are: affine, layer-norm, batch-norm or group-norm:GROUPS; behind a colon may follow what they add to the
    /// variance [default: BatchNorm where running statistics tell it, or what the file's own metadata says; 1e-5]
    #[arg(long, value_name = "KIND")]
    norms: Option<Norms>,
    /// JSON file of detection settings, in place of the head's own `detection_head` metadata
    #[arg(long, value_name = "FILE")]
    head_config: Option<PathBuf>,
}

impl ImportArgs {
    /// The file of detection settings.
    pub(crate) fn head_config(&self) -> Option<&PathBuf> {
        self.head_config.as_ref()
    }

    pub(crate) fn options(&self) -> Result<ImportOptions, Failure> {
        Ok(ImportOptions::default()
            .layout(self.layout)
            .base_function(self.base_activation)
            .rbf_denominator(self.rbf_denominator)
            .prefix(self.prefix.clone())
            .entry(self.entry.clone())
            .layers(self.layers.clone())
            .norms(self.norms)
            .head_config(self.head_config.as_deref().map(files::read_head_config).transpose()?))
    }

    /// Opens one head and says what was assumed about it.
    pub(crate) fn open(&self, path: &Path) -> Result<HeadFile, Failure> {
        let file = HeadFile::open(path, &self.options()?).and_then(|file| one_head(file, path));
        let file = file.map_err(|problem| self.about_config(problem))?;
        say(path, &file);
        Ok(file)
    }

    /// Opens a head or a bank, or the head of a bank that `choice` names; says what was assumed. Options that have nothing to
    /// say about it are refused.
    pub(crate) fn open_any(&self, path: &Path, choice: &MemberArgs) -> Result<HeadFile, Failure> {
        let file = self.open_beside(path, choice)?;
        self.refuse_unused(path, file.import.is_some())?;
        Ok(file)
    }

    /// As [`Self::open_any`], where the options may be about another file that is opened, too.
    pub(crate) fn open_beside(&self, path: &Path, choice: &MemberArgs) -> Result<HeadFile, Failure> {
        let file = choice.open(path, &self.options()?).map_err(|problem| self.about_config(problem))?;
        say(path, &file);
        Ok(file)
    }

    /// What does not fit of settings in a file of their own is that file's.
    fn about_config(&self, problem: FileError) -> Failure {
        let (FileProblem::Head(HeadError::Detection(text))
        | FileProblem::Import(ImportError::Head(HeadError::Detection(text)))) = &problem.problem
        else {
            return problem.into();
        };
        match &self.head_config {
            Some(config) => Failure::in_file(config, format!("{text} ({})", problem.path.display())),
            None => problem.into(),
        }
    }

    /// Refuses options that say how a checkpoint is read, where a file is none.
    pub(crate) fn refuse_unused(&self, path: &Path, is_checkpoint: bool) -> Result<(), Failure> {
        let given = [
            (self.layout.is_some(), "--layout"),
            (self.base_activation.is_some(), "--base-activation"),
            (self.rbf_denominator.is_some(), "--rbf-denominator"),
            (self.prefix.is_some(), "--prefix"),
            (self.entry.is_some(), "--entry"),
            (!self.layers.is_empty(), "--layers"),
            (self.norms.is_some(), "--norms"),
        ];
        let given: Vec<&str> = given.into_iter().filter(|(given, _)| *given).map(|(_, option)| option).collect();
        if is_checkpoint || given.is_empty() {
            return Ok(());
        }
        let problem = format!("is compressed, so there is nothing that {} could say of it; leave it out", list(given));
        Err(Failure::in_file(path, problem))
    }
}

/// Says on stderr how a checkpoint was read, wherever the results go.
fn say(path: &Path, file: &HeadFile) {
    let Some(notes) = &file.import else { return };
    let prefix = if notes.prefix.is_empty() { String::new() } else { format!(", prefix {}", notes.prefix) };
    let assumed =
        if notes.assumptions.is_empty() { String::new() } else { format!(", assumed: {}", list(&notes.assumptions)) };
    note(&format!("{}: {} layout{prefix}{assumed}", path.display(), notes.layout));
}

/// Which head of a bank.
#[derive(Args)]
pub(crate) struct MemberArgs {
    /// Take only the head of this name, where the file is a bank
    #[arg(long = "head", value_name = "NAME")]
    pub(crate) member: Option<String>,
}

impl MemberArgs {
    /// Opens a head or a bank, or the head of it that is named.
    pub(crate) fn open(&self, path: &Path, options: &ImportOptions) -> Result<HeadFile, FileError> {
        match &self.member {
            Some(name) => HeadFile::open_member(path, name, options),
            None => HeadFile::open(path, options),
        }
    }
}

/// Refuses a bank where one head is needed.
pub(crate) fn one_head(file: HeadFile, path: &Path) -> Result<HeadFile, FileError> {
    match file.head.bank() {
        Some(bank) => Err(FileProblem::Bank(bank.names().map(str::to_owned).collect()).in_file(path)),
        None => Ok(file),
    }
}

/// Which adapter to take.
#[derive(Args)]
pub(crate) struct AdapterArgs {
    /// Take the graphics adapter whose name contains NAME, in any case; `sharekan adapters` lists them
    #[arg(long, value_name = "NAME", env = "WGPU_ADAPTER_NAME")]
    adapter: Option<String>,
}

impl AdapterArgs {
    pub(crate) fn options(&self) -> Result<GpuOptions, Failure> {
        // An empty variable is one that is not set.
        let named = std::env::var_os("WGPU_BACKEND").is_some_and(|name| !name.is_empty());
        let backends = if named { wgpu::Backends::from_env() } else { None };
        if backends.is_some_and(|backends| backends.is_empty()) {
            return Err(Failure::Usage("WGPU_BACKEND names no backend, expected vulkan, metal, dx12 or webgpu".into()));
        }
        Ok(GpuOptions::default().name(self.adapter.clone().filter(|name| !name.is_empty())).backends(backends))
    }
}

/// Where to run.
#[derive(Args)]
pub(crate) struct DeviceArgs {
    /// Where to run the head
    #[arg(long, value_enum, default_value_t)]
    pub(crate) device: DeviceArg,
    #[command(flatten)]
    pub(crate) adapter: AdapterArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum DeviceArg {
    /// A real GPU where there is one, else the CPU
    #[default]
    Auto,
    /// Any graphics adapter, software ones too
    Gpu,
    /// The CPU
    Cpu,
}

impl From<DeviceArg> for Device {
    fn from(device: DeviceArg) -> Self {
        match device {
            DeviceArg::Auto => Self::Auto,
            DeviceArg::Gpu => Self::Gpu,
            DeviceArg::Cpu => Self::Cpu,
        }
    }
}

/// A number from 0 to 1.
pub(crate) fn share(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("expected a number from 0 to 1".into()),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("expected a positive number".into()),
    }
}
