//! What frames are measured of: an image, a backbone and a head.

use std::path::{Path, PathBuf};

use sharekan::Error;
use sharekan::compress::CompressOptions;
use sharekan::detect::frame::NetworkBackbone;
use sharekan::detect::{Assets, BackboneProblem, DetectError, OnnxBackbone, Picture, list_images};
use sharekan::evaluate::{self, VerifyCheck};
use sharekan::files::HeadFile;
use sharekan::head::{CompressedHead, DetectionConfig, Head};
use sharekan::import::ImportOptions;
use sharekan::network::Network;
use sharekan::run::Gpu;

use crate::bench::{Form, synthetic_head};

/// Channels of the small network's outputs, `c3` and `c4`.
const SMALL_CHANNELS: usize = 32 + 48;

/// Where a network comes from.
pub(crate) enum NetworkSource {
    File(PathBuf),
    /// A small one that is part of the program.
    Small,
}

/// An image, a backbone and a head.
pub(crate) struct Subject {
    pub(crate) image: PathBuf,
    pub(crate) network: NetworkSource,
    pub(crate) head: Head,
    pub(crate) head_name: String,
    pub(crate) notes: Vec<String>,
}

impl NetworkSource {
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            Self::Small => "a small network".into(),
        }
    }

    fn small() -> &'static [u8] {
        include_bytes!("../../../tests/data/onnx/conv_no_bias.onnx")
    }

    pub(super) fn on_cpu(&self, config: &DetectionConfig) -> Result<OnnxBackbone, DetectError> {
        match self {
            Self::File(path) => OnnxBackbone::open(path, config),
            Self::Small => OnnxBackbone::from_bytes(Self::small().to_vec(), &self.name(), config),
        }
    }

    pub(super) fn network(&self) -> Result<Network, DetectError> {
        let network = match self {
            Self::File(path) => Network::load(path),
            Self::Small => Network::parse(Self::small()),
        };
        let refused = |problem: sharekan::network::NetworkError| DetectError::Backbone {
            backbone: self.name(),
            problem: BackboneProblem::Gpu(problem.to_string()),
        };
        network.map_err(refused)
    }
}

/// What the small network takes and gives.
fn small_config() -> DetectionConfig {
    DetectionConfig::default()
        .classes(["a", "b", "c"].map(str::to_owned).into())
        .features(["c3", "c4"].map(str::to_owned).into())
        .input_size(128)
        .stride(8)
}

/// Holds a backbone on an adapter against the CPU: that of a head of these settings where the adapter is a real one, else a
/// small network. Gives the check and what it was of.
pub(crate) fn check_backbone(
    gpu: &Gpu,
    config: Option<&DetectionConfig>,
    backbone: Option<&Path>,
) -> Result<(VerifyCheck, String), Error> {
    let open = |source: &NetworkSource, config| -> Result<NetworkBackbone, Error> {
        Ok(NetworkBackbone::open(gpu, &source.network()?, &source.name(), config)?)
    };
    // Where none is named: that of the assets, if it is the head's at all. Software adapters take seconds for it.
    let bundled = || {
        let config = config.filter(|_| !gpu.is_software())?;
        let source = NetworkSource::File(Assets::locate().ok()?.backbone());
        Some((open(&source, config).ok()?, source, config.clone()))
    };
    let own = match (config, backbone) {
        (Some(config), Some(path)) => {
            let source = NetworkSource::File(path.to_path_buf());
            Some((open(&source, config)?, source, config.clone()))
        }
        _ => bundled(),
    };
    let (mut device, source, config) = match own {
        Some(own) => own,
        None => (open(&NetworkSource::Small, &small_config())?, NetworkSource::Small, small_config()),
    };
    let side = config.input_size;
    // Every value of a pixel, beside others.
    let values = (0..3 * side * side).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let picture = Picture::from_rgb(side, side, values)?;
    let check = evaluate::verify_backbone(&mut device, &mut source.on_cpu(&config)?, &picture)?;
    Ok((check, source.name()))
}

impl Subject {
    /// The bundled backbone and head, compressed without calibration; `image` is the first bundled one where none is named.
    pub(crate) fn bundled(image: Option<&Path>) -> Result<Self, Error> {
        let assets = Assets::locate()?;
        let dense = HeadFile::open(&assets.head(), &ImportOptions::default())?.head;
        let (head, _) = dense.compress(&CompressOptions::default())?;
        Ok(Self {
            image: Self::image(image)?,
            network: NetworkSource::File(assets.backbone()),
            head,
            head_name: "the bundled head, compressed".into(),
            notes: Vec::new(),
        })
    }

    /// A head of the user's behind `backbone`, the bundled one where none is named.
    pub(crate) fn given(
        head: Head,
        name: String,
        backbone: Option<&Path>,
        image: Option<&Path>,
    ) -> Result<Self, Error> {
        let network = match backbone {
            Some(path) => path.to_path_buf(),
            None => Assets::locate()?.backbone(),
        };
        let (image, network) = (Self::image(image)?, NetworkSource::File(network));
        Ok(Self { image, network, head, head_name: name, notes: Vec::new() })
    }

    /// A small network and a head of random numbers, for adapters in software.
    pub(crate) fn small(image: Option<&Path>) -> Result<Self, Error> {
        let config = small_config();
        let widths = [SMALL_CHANNELS, 64, config.channels()];
        let made = synthetic_head(Form::VqInt8, &widths, 256).ok();
        let layers = made.as_ref().and_then(Head::compressed).map(|head| head.layers().to_vec()).unwrap_or_default();
        Ok(Self {
            image: Self::image(image)?,
            network: NetworkSource::Small,
            head: Head::from(CompressedHead::new(layers, Some(config))?),
            head_name: "a head of random numbers".into(),
            notes: vec![
                "the adapter is one in software: a small network at 128 x 128 pixels and a head of random numbers stand in \
                 for the bundled ones, on both sides"
                    .into(),
            ],
        })
    }

    fn image(named: Option<&Path>) -> Result<PathBuf, Error> {
        match named {
            Some(path) => Ok(path.to_path_buf()),
            None => Ok(list_images(&[Assets::locate()?.images()])?.swap_remove(0)),
        }
    }
}
