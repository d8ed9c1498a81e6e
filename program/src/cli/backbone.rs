//! Where a backbone runs: this library's kernels on a GPU, or another runtime on the CPU.

use std::path::Path;

use clap::{Args, ValueEnum};
#[cfg(feature = "ort")]
use sharekan::detect::OrtBackbone;
use sharekan::detect::frame::{FrameDetector, FrameDetectors, FrameOptions, NetworkBackbone};
use sharekan::detect::{Backbone, CellFeatures, DetectError, OnnxBackbone, Picture};
use sharekan::head::{DetectionConfig, Head, InputShape};
use sharekan::network::{Network, NetworkError, NetworkOptions, Precision, Tiles};
use sharekan::plan::Tuning;
use sharekan::run::{Device, Gpu, GpuOptions};

use super::failure::Failure;
use super::options::DeviceArg;
use super::screen::Screen;

/// Name of the CPU where the devices of backbones are named.
pub(crate) const CPU: &str = "CPU";

/// Where to run a backbone.
#[derive(Args)]
pub(crate) struct BackboneDeviceArgs {
    /// Where to run the backbone: auto takes a real GPU, where there is one that runs the network, else the CPU; gpu takes any
    /// adapter, software ones too, or fails; cpu takes the CPU
    #[arg(long, value_enum, default_value_t, value_name = "DEVICE", hide_possible_values = true)]
    pub(crate) backbone_device: DeviceArg,
}

/// What images are letterboxed to.
#[derive(Args, Clone, Copy)]
pub(crate) struct RectArgs {
    /// Letterbox every image to a rectangle of its own shape in place of a square: as large, with narrower bars, so that the
    /// backbone has less to do. The shorter side is the least multiple of the strides of all feature maps. Takes a
    /// backbone whose file leaves height and width open
    #[arg(long)]
    pub(crate) rect: bool,
}

/// What a backbone computes in where nothing is compared with its features.
#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum BackbonePrecision {
    #[default]
    Auto,
    F32,
    F16,
}

impl BackbonePrecision {
    /// How frames take a network on an adapter: with the tiles that were measured on it.
    pub(crate) fn options(self, gpu: &Gpu, tuning: Option<&Tuning>) -> Result<NetworkOptions, Failure> {
        let offered = gpu.device().features().contains(sharekan::wgpu::Features::SHADER_F16);
        if !offered {
            self.refuse_f16(&format!("{} has none", gpu.info().name))?;
        }
        // On software adapters nothing is chosen for its speed.
        let half = offered && (self == Self::F16 || self == Self::Auto && !gpu.is_software());
        let precision = if half { Precision::F16 } else { Precision::F32 };
        Ok(NetworkOptions::default().precision(precision).tiles(tuning.map(Tiles::of).unwrap_or_default()))
    }

    /// Refuses f16 where it is asked for and cannot be had.
    pub(crate) fn refuse_f16(self, why: &str) -> Result<(), Failure> {
        match self {
            Self::F16 => Err(Failure::new(format!("--backbone-precision f16: {why}; take auto or f32"))),
            _ => Ok(()),
        }
    }
}

impl BackboneDeviceArgs {
    /// The adapter; `None` for the CPU. `heads` is that which is open for heads.
    pub(crate) fn adapter(&self, heads: Option<&Gpu>, options: &GpuOptions) -> Result<Option<Gpu>, Failure> {
        Ok(match (self.backbone_device, heads) {
            (DeviceArg::Cpu, _) => None,
            (DeviceArg::Gpu | DeviceArg::Auto, Some(gpu)) => Some(gpu.clone()),
            (choice, None) => Device::from(choice).open(options)?,
        }
        // A software adapter takes seconds for what the CPU does in tenths.
        .filter(|gpu| self.backbone_device == DeviceArg::Gpu || !gpu.is_software()))
    }

    /// Opens a network as a backbone on `gpu`, or on the CPU.
    pub(crate) fn open(
        &self,
        gpu: Option<&Gpu>,
        path: &Path,
        config: &DetectionConfig,
        screen: Screen,
    ) -> Result<OpenBackbone, Failure> {
        let Some(gpu) = gpu else { return on_cpu(path, config) };
        match load(path).and_then(|network| NetworkBackbone::open(gpu, &network, &path.display().to_string(), config)) {
            Ok(backbone) => Ok(OpenBackbone::Gpu(Box::new(backbone))),
            Err(problem) => self.instead(path, config, problem, screen),
        }
    }

    /// The CPU, where it takes what the GPU did not.
    pub(crate) fn instead(
        &self,
        path: &Path,
        config: &DetectionConfig,
        problem: DetectError,
        screen: Screen,
    ) -> Result<OpenBackbone, Failure> {
        if self.backbone_device == DeviceArg::Gpu {
            return Err(problem.into());
        }
        // What no runtime takes is the CPU's to refuse, as where there is no GPU.
        let backbone = on_cpu(path, config)?;
        screen.line(format!("{problem}; the backbone runs on the CPU"))?;
        Ok(backbone)
    }
}

fn on_cpu(path: &Path, config: &DetectionConfig) -> Result<OpenBackbone, Failure> {
    #[cfg(feature = "ort")]
    if let Some(library) = onnxruntime() {
        return Ok(OpenBackbone::Ort(Box::new(OrtBackbone::open(&library, path, config, 0)?)));
    }
    Ok(OpenBackbone::Cpu(Box::new(OnnxBackbone::open(path, config)?)))
}

/// The onnxruntime that the user wants, if one is named.
#[cfg(feature = "ort")]
fn onnxruntime() -> Option<std::path::PathBuf> {
    let name = std::path::PathBuf::from(std::env::var_os("ORT_DYLIB_PATH").filter(|name| !name.is_empty())?);
    // A name without a folder is the system's to look for.
    let in_folder = name.components().count() > 1;
    Some(std::path::absolute(&name).ok().filter(|_| in_folder).unwrap_or(name))
}

/// Reads a network for the GPU.
fn load(path: &Path) -> Result<Network, DetectError> {
    Network::load(path).map_err(|problem| match problem {
        NetworkError::Unreadable { path, problem } => DetectError::Unreadable { path, problem },
        other => DetectError::Backbone {
            backbone: path.display().to_string(),
            problem: sharekan::detect::BackboneProblem::Gpu(other.to_string()),
        },
    })
}

/// Opens network and head together, for frames that stay on the device.
pub(crate) fn frames(
    gpu: &Gpu,
    path: &Path,
    head: &Head,
    options: &FrameOptions,
    shape: RectArgs,
) -> Result<FrameDetectors, DetectError> {
    let (network, name) = (load(path)?, path.display().to_string());
    if shape.rect {
        FrameDetectors::open_rectangles(gpu, &network, &name, head, options)
    } else {
        Ok(FrameDetector::open(gpu, &network, &name, head, options)?.into())
    }
}

/// A backbone and where it runs.
pub(crate) enum OpenBackbone {
    Cpu(Box<OnnxBackbone>),
    #[cfg(feature = "ort")]
    Ort(Box<OrtBackbone>),
    Gpu(Box<NetworkBackbone>),
}

impl OpenBackbone {
    /// Name of the adapter, or `CPU`, with the runtime where that is not this program's own.
    pub(crate) fn device_name(&self) -> &str {
        match self {
            Self::Cpu(_) => CPU,
            #[cfg(feature = "ort")]
            Self::Ort(_) => "CPU by onnxruntime",
            Self::Gpu(backbone) => &backbone.gpu().info().name,
        }
    }

    /// What images are letterboxed to for this backbone, where they are to be as `args` say.
    pub(crate) fn shape(&mut self, args: RectArgs) -> Result<InputShape, DetectError> {
        if args.rect { Ok(InputShape::Rectangle(self.take_rectangles()?)) } else { Ok(InputShape::Square) }
    }

    /// Backbones for as many images at once as there are cores, each on one thread; a GPU takes them one after the other.
    pub(crate) fn for_many(self, images: usize) -> Vec<Self> {
        match self {
            Self::Cpu(backbone) => {
                let cores = std::thread::available_parallelism().map_or(1, usize::from);
                (0..cores.min(images).max(1)).map(|_| Self::Cpu(Box::new(backbone.with_threads(1)))).collect()
            }
            #[cfg(feature = "ort")]
            Self::Ort(backbone) => {
                let cores = std::thread::available_parallelism().map_or(1, usize::from);
                let one = |_| backbone.with_threads(1).map(|one| Self::Ort(Box::new(one)));
                match (0..cores.min(images).max(1)).map(one).collect::<Result<Vec<_>, _>>() {
                    Ok(all) => all,
                    // It ran once already: there is no room for more.
                    Err(problem) => {
                        tracing::warn!("{problem}; one image goes at a time");
                        vec![Self::Ort(backbone)]
                    }
                }
            }
            Self::Gpu(_) => vec![self],
        }
    }
}

impl Backbone for OpenBackbone {
    fn channels(&self) -> usize {
        match self {
            Self::Cpu(backbone) => backbone.channels(),
            #[cfg(feature = "ort")]
            Self::Ort(backbone) => backbone.channels(),
            Self::Gpu(backbone) => backbone.channels(),
        }
    }

    fn features(&mut self, image: &Picture) -> Result<CellFeatures, DetectError> {
        match self {
            Self::Cpu(backbone) => backbone.features(image),
            #[cfg(feature = "ort")]
            Self::Ort(backbone) => backbone.features(image),
            Self::Gpu(backbone) => backbone.features(image),
        }
    }

    fn take_rectangles(&mut self) -> Result<u32, DetectError> {
        match self {
            Self::Cpu(backbone) => backbone.take_rectangles(),
            #[cfg(feature = "ort")]
            Self::Ort(backbone) => backbone.take_rectangles(),
            Self::Gpu(backbone) => backbone.take_rectangles(),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Cpu(backbone) => backbone.describe(),
            #[cfg(feature = "ort")]
            Self::Ort(backbone) => backbone.describe(),
            Self::Gpu(backbone) => backbone.describe(),
        }
    }

    fn leaves_cores_free(&self) -> bool {
        match self {
            Self::Cpu(backbone) => backbone.leaves_cores_free(),
            #[cfg(feature = "ort")]
            Self::Ort(backbone) => backbone.leaves_cores_free(),
            Self::Gpu(backbone) => backbone.leaves_cores_free(),
        }
    }
}

#[cfg(test)]
#[path = "../../tests/cli/onnx.rs"]
mod onnx;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_takes_what_the_adapter_does_not() {
        let gpu = pollster::block_on(Gpu::open(&GpuOptions::default())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str, bytes: Vec<u8>| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let known = path("known.onnx", onnx::pixels_to_features(4));
        let unknown = path("unknown.onnx", onnx::pixels_through(4, "Tan"));
        let none = path("none.onnx", b"no network".to_vec());
        let config = DetectionConfig::default().classes(vec!["a".into()]).features(vec!["c4".into()]).input_size(64);
        let open = |choice, path: &Path| {
            BackboneDeviceArgs { backbone_device: choice }.open(Some(&gpu), path, &config, Screen::default())
        };
        let device = |choice, path: &Path| open(choice, path).ok().map(|opened| opened.device_name().to_owned());
        let adapter = Some(gpu.info().name.clone());
        assert_eq!(device(DeviceArg::Auto, &known), adapter);
        assert_eq!(device(DeviceArg::Gpu, &known), adapter);
        assert_eq!(device(DeviceArg::Auto, &unknown).as_deref(), Some(CPU));
        assert!(open(DeviceArg::Gpu, &unknown).is_err());
        assert!(open(DeviceArg::Auto, &none).is_err());
    }

    #[test]
    fn rectangles_need_a_file_that_leaves_the_sides_open() {
        let gpu = pollster::block_on(Gpu::open(&GpuOptions::default())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = DetectionConfig::default().classes(vec!["a".into()]).features(vec!["c4".into()]).input_size(64);
        for (name, bytes, takes) in
            [("open.onnx", onnx::pixels_of_any_size(4), true), ("fixed.onnx", onnx::pixels_to_features(4), false)]
        {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            for gpu in [None, Some(&gpu)] {
                let args = BackboneDeviceArgs { backbone_device: DeviceArg::Gpu };
                let mut backbone = args.open(gpu, &path, &config, Screen::default()).ok().unwrap();
                assert_eq!(backbone.shape(RectArgs { rect: false }).unwrap(), InputShape::Square);
                let shape = backbone.shape(RectArgs { rect: true });
                assert_eq!(shape.ok(), takes.then_some(InputShape::Rectangle(16)), "{name}");
            }
        }
    }

    #[test]
    fn software_adapters_are_only_taken_where_they_are_asked_for() {
        let gpu = pollster::block_on(Gpu::open(&GpuOptions::default())).unwrap();
        let taken = |choice| {
            let args = BackboneDeviceArgs { backbone_device: choice };
            args.adapter(Some(&gpu), &GpuOptions::default()).ok().unwrap()
        };
        assert_eq!(taken(DeviceArg::Gpu).as_ref(), Some(&gpu));
        assert_eq!(taken(DeviceArg::Auto).is_some(), !gpu.is_software());
        assert_eq!(taken(DeviceArg::Cpu), None);
    }
}
