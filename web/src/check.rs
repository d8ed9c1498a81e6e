//! Is this device right: its kernels against the CPU in wasm.

use serde::Serialize;
use sharekan::detect::frame::NetworkBackbone;
use sharekan::evaluate::{VerifyCheck, verify_async, verify_backbone_async};
use sharekan::plan::PlanOptions;
use wasm_bindgen::prelude::*;

use crate::Detector;
use crate::image;
use crate::value::{failed, object};

#[derive(Serialize)]
struct Checked {
    passed: bool,
    largest_error: f64,
    checks: Vec<VerifyCheck>,
}

#[wasm_bindgen]
impl Detector {
    /// Compares every kernel of the head with the reference on the CPU, in batches of 1, 7 and `rows`.
    pub async fn verify(&self, rows: usize) -> Result<JsValue, JsError> {
        let gpu = self.gpu.as_ref().ok_or_else(no_gpu)?;
        let report = verify_async(gpu, &self.head, rows, &PlanOptions::default()).await.map_err(failed)?;
        let (passed, largest_error) = (report.passed(), report.largest_error());
        object(&Checked { passed, largest_error, checks: report.checks })
    }

    /// Compares the backbone's features of a square picture of the head's input size, in pixels of four bytes, with those of
    /// another runtime on the CPU.
    #[wasm_bindgen(js_name = verifyBackbone)]
    pub async fn verify_backbone(&self, rgba: Vec<u8>, side: u32) -> Result<JsValue, JsError> {
        let gpu = self.gpu.as_ref().ok_or_else(no_gpu)?;
        let picture = image::picture(&rgba, side, side)?;
        let backbone = self.backbone.as_ref().ok_or_else(|| JsError::new("there is no backbone"))?;
        let heads = sharekan::detect::DetectingHead::all_of(&self.head).map_err(failed)?;
        let settings = &heads[0].settings;
        let network = backbone.network().map_err(failed)?;
        let opened = NetworkBackbone::open_async(gpu, network, backbone.name(), settings).await;
        let mut device = opened.map_err(failed)?;
        let mut reference = backbone.on_cpu(settings).map_err(failed)?;
        let check = verify_backbone_async(&mut device, &mut reference, &picture).await.map_err(failed)?;
        let (passed, largest_error) = (check.passed, check.error);
        object(&Checked { passed, largest_error, checks: vec![check] })
    }
}

fn no_gpu() -> JsError {
    JsError::new("there is no GPU to check: everything runs on the CPU")
}
