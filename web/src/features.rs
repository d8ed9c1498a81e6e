//! Rows of features through a head alone.

use sharekan::run::{CpuSession, Model, RunError, Session};
use sharekan::wgpu;
use wasm_bindgen::prelude::*;

use crate::Detector;
use crate::value::failed;

/// What rows go through.
#[derive(Debug)]
pub(crate) enum Rows {
    /// One pass, with a buffer for the rows.
    Session(Box<Session>, wgpu::Buffer, usize),
    /// A bank whose heads need a pass each.
    Model(Box<Model>, usize),
    Cpu(Box<CpuSession>),
}

#[wasm_bindgen]
impl Detector {
    /// Runs rows of features, `[rows, inputs]`, and gives `[rows, outputs]`.
    #[wasm_bindgen(js_name = runFeatures)]
    pub async fn run_features(&mut self, features: Vec<f32>) -> Result<Vec<f32>, JsError> {
        let rows = features.len() / self.head.inputs().max(1);
        match self.rows(rows).await? {
            Rows::Session(session, ..) => session.run_async(&features).await,
            Rows::Model(model, _) => model.run_async(&features).await,
            Rows::Cpu(session) => session.run(&features),
        }
        .map_err(failed)
    }

    /// The `GPUBuffer` that [`Detector::run_feature_buffer`] reads, with room for so many rows of f32.
    #[wasm_bindgen(js_name = featureBuffer)]
    pub async fn feature_buffer(&mut self, rows: usize) -> Result<JsValue, JsError> {
        match self.rows(rows).await? {
            Rows::Session(_, buffer, _) => {
                buffer.as_webgpu().map(|buffer| JsValue::from(buffer.clone())).ok_or_else(no_buffer)
            }
            Rows::Model(..) => Err(JsError::new("the bank's heads need a pass each: give the features as numbers")),
            Rows::Cpu(_) => Err(no_buffer()),
        }
    }

    /// Runs the first rows of the feature buffer.
    #[wasm_bindgen(js_name = runFeatureBuffer)]
    pub async fn run_feature_buffer(&mut self, rows: usize) -> Result<Vec<f32>, JsError> {
        match &mut self.rows {
            Some(Rows::Session(session, buffer, most)) if rows <= *most => {
                session.run_buffer_async(buffer, rows).await.map_err(failed)
            }
            _ => Err(JsError::new("there is no feature buffer of so many rows: ask for it first")),
        }
    }
}

impl Detector {
    /// The head with room for so many rows.
    pub(crate) async fn rows(&mut self, rows: usize) -> Result<&mut Rows, JsError> {
        let rows = rows.max(1);
        let fits = match &self.rows {
            Some(Rows::Session(_, _, most) | Rows::Model(_, most)) => rows <= *most,
            Some(Rows::Cpu(_)) => true,
            None => false,
        };
        if !fits {
            self.rows = Some(match &self.gpu {
                None => Rows::Cpu(Box::new(CpuSession::new((*self.head).clone()))),
                Some(gpu) => match Session::open_async(gpu, &self.head, rows).await {
                    Ok(session) => {
                        let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
                            label: Some("features"),
                            size: 4 * (rows * session.inputs()) as u64,
                            usage: wgpu::BufferUsages::STORAGE
                                | wgpu::BufferUsages::COPY_DST
                                | wgpu::BufferUsages::COPY_SRC,
                            mapped_at_creation: false,
                        });
                        Rows::Session(Box::new(session), buffer, rows)
                    }
                    Err(RunError::Plan(_)) => {
                        let options = Default::default();
                        let model = Model::open_on_async(Some(gpu), &self.head, rows, &options).await;
                        Rows::Model(Box::new(model.map_err(failed)?), rows)
                    }
                    Err(problem) => return Err(failed(problem)),
                },
            });
        }
        self.rows.as_mut().ok_or_else(no_buffer)
    }
}

fn no_buffer() -> JsError {
    JsError::new("there is no GPU: give the features as numbers")
}
