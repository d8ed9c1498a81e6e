//! Networks in front of heads.

use std::cell::OnceCell;
use std::rc::Rc;

use sharekan::detect::{BackboneProblem, DetectError, OnnxBackbone};
use sharekan::head::DetectionConfig;
use sharekan::network::Network;
use wasm_bindgen::prelude::*;

use crate::value::failed;

/// An ONNX file, for any number of detectors.
#[wasm_bindgen]
#[derive(Debug, Clone)]
pub struct Backbone {
    name: String,
    bytes: Rc<[u8]>,
    network: Rc<OnceCell<Network>>,
}

#[wasm_bindgen]
impl Backbone {
    /// Takes the bytes of an ONNX file; `name` stands for it in messages.
    #[wasm_bindgen(constructor)]
    pub fn new(bytes: Vec<u8>, name: String) -> Result<Backbone, JsError> {
        let own = Self { name, bytes: bytes.into(), network: Rc::default() };
        own.network().map_err(failed)?;
        Ok(own)
    }

    /// The same network once more, for another detector.
    pub fn share(&self) -> Backbone {
        self.clone()
    }
}

impl Backbone {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The network for a GPU.
    pub(crate) fn network(&self) -> Result<&Network, DetectError> {
        if let Some(network) = self.network.get() {
            return Ok(network);
        }
        let network = Network::parse(&self.bytes).map_err(|problem| DetectError::Backbone {
            backbone: self.name.clone(),
            problem: BackboneProblem::Load(problem.to_string()),
        })?;
        Ok(self.network.get_or_init(|| network))
    }

    /// The network on the CPU.
    pub(crate) fn on_cpu(&self, settings: &DetectionConfig) -> Result<OnnxBackbone, DetectError> {
        OnnxBackbone::from_bytes(self.bytes.to_vec(), &self.name, settings)
    }
}
