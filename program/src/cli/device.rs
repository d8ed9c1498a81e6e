//! A device with all that is kept for it: compiled kernels and measured tiles.

use std::ffi::OsString;
use std::path::Path;

use clap::{Args, ValueEnum};
use sharekan::Error;
use sharekan::detect::frame::FrameOptions;
use sharekan::fixed_point::Arithmetic;
use sharekan::head::Head;
use sharekan::plan::{PlanOptions, Strategy};
use sharekan::run::{Device, DeviceCache, Gpu, GpuOptions, Model, RunError};

use super::backbone::BackbonePrecision;
use super::failure::Failure;
use super::options::DeviceArgs;

/// Where measured tiles and compiled kernels are kept.
#[derive(Args)]
pub(crate) struct CacheArgs {
    /// Folder of the tiles that `tune` measured and of compiled kernels; an empty name keeps nothing
    /// [default: sharekan in the user's cache folder]
    #[arg(long, value_name = "DIR", env = "SHAREKAN_CACHE", hide_env_values = true)]
    cache: Option<OsString>,
}

impl CacheArgs {
    /// The cache; `None` where nothing is kept.
    pub(crate) fn open(&self) -> Option<DeviceCache> {
        match &self.cache {
            Some(folder) if folder.is_empty() => None,
            Some(folder) => Some(DeviceCache::in_folder(folder)),
            None => DeviceCache::of_user().ok(),
        }
    }
}

/// Which kernels run a head in integers.
#[derive(Args)]
pub(crate) struct KernelArgs {
    /// Force a kernel on layers in integers: edges, rows or matrix [default: the one that suits the batch]
    #[arg(long, value_name = "NAME", value_parser = strategy, hide_possible_values = true)]
    pub(crate) kernel: Option<Strategy>,
    /// Arithmetic of heads in f32 on a GPU: f32, or f16 (on cooperative matrices, or of a codebook), which is faster and right
    /// to some 1e-3 of the largest output
    #[arg(long, value_name = "NAME", default_value = "f32", hide_default_value = true)]
    pub(crate) arithmetic: HeadArithmetic,
    /// Leave the tiles that `tune` measured on this adapter alone
    #[arg(long)]
    pub(crate) no_tuning: bool,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
}

/// What layers in f32 are multiplied in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum HeadArithmetic {
    /// f32.
    #[default]
    F32,
    /// f16, sums in f32.
    F16,
}

fn strategy(text: &str) -> Result<Strategy, String> {
    let found = Strategy::ALL.into_iter().find(|strategy| strategy.name() == text);
    found.ok_or_else(|| format!("expected {}", Strategy::ALL.map(Strategy::name).join(", ")))
}

/// Where heads run, and how.
pub(crate) struct OpenDevice {
    /// The adapter; `None` for the CPU.
    pub(crate) gpu: Option<Gpu>,
    /// How to plan on it.
    pub(crate) options: PlanOptions,
    cache: Option<DeviceCache>,
}

impl OpenDevice {
    /// Opens the device that is asked for.
    pub(crate) fn open(device: &DeviceArgs, kernel: &KernelArgs) -> Result<Self, Failure> {
        Self::choose(device.device.into(), &device.adapter.options()?, kernel)
    }

    pub(crate) fn choose(choice: Device, options: &GpuOptions, kernel: &KernelArgs) -> Result<Self, Failure> {
        let cache = kernel.cache.open();
        let gpu = match &cache {
            Some(cache) => cache.open(choice, options)?,
            None => choice.open(options)?,
        };
        Self::with(gpu, cache, kernel)
    }

    fn with(gpu: Option<Gpu>, cache: Option<DeviceCache>, kernel: &KernelArgs) -> Result<Self, Failure> {
        if let (None, Some(strategy)) = (&gpu, kernel.kernel) {
            let name = strategy.name();
            return Err(Failure::new(format!(
                "--kernel {name}: heads run on the CPU here, which has no such kernels; --device gpu takes any adapter"
            )));
        }
        let half = kernel.arithmetic == HeadArithmetic::F16;
        if half && gpu.is_none() {
            return Err(Failure::new(
                "--arithmetic f16: heads run on the CPU here, which computes in f32; --device gpu takes any adapter",
            ));
        }
        if let (true, Some(strategy)) = (half, kernel.kernel) {
            let name = strategy.name();
            return Err(Failure::new(format!(
                "--kernel {name} is for heads in integers, --arithmetic f16 for heads in f32: leave one of them out"
            )));
        }
        if let (true, Some(gpu)) = (half, &gpu)
            && !gpu.limits().half
        {
            return Err(Failure::new(format!(
                "--arithmetic f16: {} does not compute in f16 as it was opened; leave the option out",
                gpu.info().name
            )));
        }
        let tuning = match (&cache, &gpu) {
            (Some(cache), Some(gpu)) if !kernel.no_tuning => cache.tuning(gpu).unwrap_or_else(|problem| {
                tracing::warn!("{problem}");
                None
            }),
            _ => None,
        };
        Ok(Self {
            gpu,
            options: PlanOptions::default().strategy(kernel.kernel).half_products(half).tuning(tuning),
            cache,
        })
    }

    /// Opens a head or a bank for batches of up to `rows`; what does not fit the adapter is named by the head's `path`.
    pub(crate) fn model(&self, head: &Head, rows: usize, path: &Path) -> Result<Model, Failure> {
        self.check(head, path)?;
        let model = Model::open_on(self.gpu.as_ref(), head, rows, &self.options).map_err(|e| about(e, path))?;
        self.keep_kernels();
        Ok(model)
    }

    /// How to plan what a head is held against: a kernel or an arithmetic that is asked for is one for the head alone.
    pub(crate) fn reference_options(&self) -> PlanOptions {
        self.options.clone().strategy(None).half_products(false)
    }

    /// How frames run on the adapter, if there is one: with the kernels and tiles of heads, and those of the backbone.
    pub(crate) fn frame_options(&self, precision: BackbonePrecision) -> Result<Option<FrameOptions>, Failure> {
        let Some(gpu) = &self.gpu else {
            precision.refuse_f16("heads and backbone run on the CPU here")?;
            return Ok(None);
        };
        let network = precision.options(gpu, self.options.tuning.as_ref())?;
        Ok(Some(FrameOptions::default().plan(self.options.clone()).network(network)))
    }

    /// Refuses a kernel, or an arithmetic, for a head that has no use for it.
    pub(crate) fn check(&self, head: &Head, path: &Path) -> Result<(), Failure> {
        if self.options.half_products
            && let Head::Compressed(bank) = head
            && bank.members().iter().all(|member| Arithmetic::of(&member.head) == Arithmetic::Integer)
        {
            let path = path.display();
            return Err(Failure::new(format!(
                "{path}: is evaluated in integers, expected a head in f32 with --arithmetic f16"
            )));
        }
        let Head::Compressed(bank) = head else { return self.no_kernel(path, "") };
        match bank.members().iter().find(|member| Arithmetic::of(&member.head) == Arithmetic::Float) {
            Some(member) if member.name.is_empty() => self.no_kernel(path, ""),
            Some(member) => self.no_kernel(path, &format!("head {}: ", member.name)),
            None => Ok(()),
        }
    }

    /// Refuses the kernel that is asked for, if one is.
    fn no_kernel(&self, path: &Path, whose: &str) -> Result<(), Failure> {
        let Some(strategy) = self.options.strategy else { return Ok(()) };
        let (path, kernel) = (path.display(), strategy.name());
        Err(Failure::new(format!(
            "{path}: {whose}is evaluated in f32, expected a head in integers with --kernel {kernel}"
        )))
    }

    /// Keeps what was compiled, for the next time. That it cannot be kept is worth a word, not a failure.
    pub(crate) fn keep_kernels(&self) {
        if let (Some(cache), Some(gpu)) = (&self.cache, &self.gpu)
            && let Err(problem) = cache.keep_kernels(gpu)
        {
            tracing::warn!("{problem}; kernels are compiled anew next time");
        }
    }
}

/// What does not fit the adapter is the head's; what the device does is the device's.
pub(crate) fn about(problem: RunError, path: &Path) -> Failure {
    match problem {
        RunError::Plan(_) => Error::from(problem).in_file(path).into(),
        other => other.into(),
    }
}
