//! Options that several commands share.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use sharekan::files::{self, FileError, FileProblem, HeadFile};
use sharekan::import::{BaseFunction, ImportOptions, Layout};
use sharekan::run::{Device, GpuOptions};

use super::failure::Failure;
use super::screen::Screen;
use super::table::list;

/// What a dense checkpoint does not hold.
#[derive(Args)]
#[command(next_help_heading = "Reading dense checkpoints")]
pub(crate) struct ImportArgs {
    /// Layout of the checkpoint: efficient-kan, pykan, fast-kan or inkan [default: told from its tensors]
    #[arg(long, value_name = "LAYOUT")]
    layout: Option<Layout>,
    /// Function on the base path: silu, gelu (exact), tanh, relu, sigmoid, identity or zero [default: silu]
    #[arg(long, value_name = "FUNCTION")]
    base_activation: Option<BaseFunction>,
    /// Width of fast-kan's bumps, a positive number [default: the spacing of their centres]
    #[arg(long, value_name = "X", value_parser = positive)]
    rbf_denominator: Option<f64>,
    /// JSON file of detection settings, in place of the head's own `detection_head` metadata
    #[arg(long, value_name = "FILE")]
    head_config: Option<PathBuf>,
}

impl ImportArgs {
    pub(crate) fn options(&self) -> Result<ImportOptions, Failure> {
        Ok(ImportOptions::default()
            .layout(self.layout)
            .base_function(self.base_activation)
            .rbf_denominator(self.rbf_denominator)
            .head_config(self.head_config.as_deref().map(files::read_head_config).transpose()?))
    }

    /// Opens one head and says what was assumed about it.
    pub(crate) fn open(&self, path: &Path, screen: Screen) -> Result<HeadFile, Failure> {
        let file = one_head(HeadFile::open(path, &self.options()?)?, path)?;
        Self::say(path, &file, screen)?;
        Ok(file)
    }

    /// Opens a head or a bank, or the head of a bank that `choice` names; says what was assumed.
    pub(crate) fn open_any(&self, path: &Path, choice: &MemberArgs, screen: Screen) -> Result<HeadFile, Failure> {
        let file = choice.open(path, &self.options()?)?;
        Self::say(path, &file, screen)?;
        Ok(file)
    }

    fn say(path: &Path, file: &HeadFile, screen: Screen) -> Result<(), Failure> {
        if let Some(notes) = &file.import {
            let prefix = if notes.prefix.is_empty() { String::new() } else { format!(", prefix {}", notes.prefix) };
            let assumed = if notes.assumptions.is_empty() {
                String::new()
            } else {
                format!(", assumed: {}", list(&notes.assumptions))
            };
            screen.line(format!("{}: {} layout{prefix}{assumed}", path.display(), notes.layout))?;
        }
        Ok(())
    }
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
        let backends = wgpu::Backends::from_env();
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
