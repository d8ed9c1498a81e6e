//! Backbones by the devices that run them.

use std::path::Path;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use sharekan::detect::frame::NetworkBackbone;
use sharekan::detect::{Backbone, OnnxBackbone};
use sharekan::head::DetectionConfig;
use sharekan::network::Network;
use sharekan::run::{Device, Gpu};

use crate::device;
use crate::error::raised;
use crate::fork;

/// A backbone on any device, and the name of that.
pub(crate) struct OpenBackbone {
    pub(crate) backbone: Box<dyn Backbone + Send>,
    pub(crate) device: String,
}

impl OpenBackbone {
    /// Opens the network at `path`. `heads` is the adapter that runs the head; `auto` takes a real GPU that knows all operators of
    /// the network, else the CPU.
    pub(crate) fn open(
        py: Python<'_>,
        path: &Path,
        settings: &DetectionConfig,
        on: Device,
        adapter: Option<String>,
        heads: Option<&Gpu>,
    ) -> PyResult<Self> {
        fork::threads()?;
        let gpu = match (on, heads) {
            (Device::Cpu, _) => None,
            (on, Some(gpu)) if on == Device::Gpu || !gpu.is_software() => Some(gpu.clone()),
            (on, _) => device::open(py, on, adapter)?,
        };
        py.detach(|| {
            let name = path.display().to_string();
            if let Some(gpu) = gpu {
                let network =
                    Network::load(path).map_err(|problem| PyValueError::new_err(format!("{name}: {problem}")));
                match network.and_then(|network| NetworkBackbone::open(&gpu, &network, &name, settings).map_err(raised))
                {
                    Ok(backbone) => {
                        return Ok(Self { backbone: Box::new(backbone), device: gpu.info().name.clone() });
                    }
                    Err(problem) if on == Device::Gpu => return Err(problem),
                    // What the GPU cannot run, or nobody can read, is for the CPU to run or to refuse.
                    Err(_) => {}
                }
            }
            let backbone = OnnxBackbone::open(path, settings).map_err(raised)?;
            Ok(Self { backbone: Box::new(backbone), device: "CPU".to_owned() })
        })
    }
}
