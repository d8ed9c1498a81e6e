//! What detectors run on.

use serde::Serialize;
use sharekan::run::{AdapterReport, Gpu, GpuOptions, list_adapters};
use wasm_bindgen::prelude::*;

use crate::value::{failed, object};

/// The GPU that the browser gives, or the CPU.
#[wasm_bindgen]
#[derive(Debug, Clone)]
pub struct Device {
    gpu: Option<Gpu>,
    report: Option<AdapterReport>,
    note: Option<String>,
}

/// What a page shows of a device.
#[derive(Serialize)]
struct Shown<'a> {
    kind: &'static str,
    adapter: Option<&'a AdapterReport>,
    note: Option<&'a str>,
    simd: bool,
}

#[wasm_bindgen]
impl Device {
    /// Opens `gpu`, `cpu` or, for `auto`, a GPU where there is one that is no software, else the CPU.
    pub async fn open(kind: String) -> Result<Device, JsError> {
        std::panic::set_hook(Box::new(|panic| web_sys::console::error_1(&panic.to_string().into())));
        let cpu = |note: Option<String>| Self { gpu: None, report: None, note };
        let options = GpuOptions::default();
        let must = match kind.as_str() {
            "gpu" => true,
            "auto" => false,
            "cpu" => return Ok(cpu(None)),
            other => {
                return Err(JsError::new(&format!("the device {other:?} is not known, expected auto, gpu or cpu")));
            }
        };
        let Some(report) = list_adapters(&options).await.into_iter().next() else {
            let text = "this browser gives no WebGPU adapter";
            return if must { Err(JsError::new(text)) } else { Ok(cpu(Some(text.into()))) };
        };
        if !must && report.kind == "cpu" {
            return Ok(cpu(Some("the browser's WebGPU is software, which is slower than the CPU in wasm".into())));
        }
        match Gpu::open(&options).await {
            Ok(gpu) => Ok(Self { gpu: Some(gpu), report: Some(report), note: None }),
            Err(problem) if must => Err(failed(problem)),
            Err(problem) => Ok(cpu(Some(problem.to_string()))),
        }
    }

    /// `webgpu` or `cpu`, the adapter and what of it matters to a head, and why it is the CPU where it was chosen.
    pub fn report(&self) -> Result<JsValue, JsError> {
        let kind = if self.gpu.is_some() { "webgpu" } else { "cpu" };
        let (adapter, note) = (self.report.as_ref(), self.note.as_deref());
        object(&Shown { kind, adapter, note, simd: cfg!(target_feature = "simd128") })
    }

    /// The `GPUDevice`, where there is one.
    #[wasm_bindgen(js_name = gpuDevice)]
    pub fn gpu_device(&self) -> JsValue {
        let device = self.gpu.as_ref().and_then(|gpu| gpu.device().as_webgpu());
        device.map_or(JsValue::UNDEFINED, |device| JsValue::from(device.clone()))
    }

    /// Why the device is gone, where it is.
    pub fn lost(&self) -> Option<String> {
        self.gpu.as_ref().and_then(Gpu::lost)
    }

    /// Destroys the device and what lies on it.
    pub fn destroy(&self) {
        if let Some(gpu) = &self.gpu {
            gpu.device().destroy();
        }
    }
}

impl Device {
    pub(crate) fn gpu(&self) -> Option<&Gpu> {
        self.gpu.as_ref()
    }
}
