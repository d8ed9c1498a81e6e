//! What a backbone gives a head for an image: the rows to calibrate a compression with.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray3};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use sharekan::detect::{Backbone, DetectingHead, Letterbox, Picture, read_image};
use sharekan::head::DetectionConfig;

use crate::backbone::OpenBackbone;
use crate::detector::picture;
use crate::device;
use crate::error::raised;
use crate::fork;
use crate::head::Head;

/// A backbone and the settings that a head asks of it.
#[pyclass(frozen, module = "sharekan._sharekan")]
pub(crate) struct Features {
    backbone: Mutex<Box<dyn Backbone + Send>>,
    settings: DetectionConfig,
    inputs: usize,
    device: String,
}

#[pymethods]
impl Features {
    #[new]
    #[pyo3(signature = (head, backbone, device="auto", adapter=None))]
    fn open(py: Python<'_>, head: &Head, backbone: PathBuf, device: &str, adapter: Option<String>) -> PyResult<Self> {
        let on = device::device(device)?;
        let settings = DetectingHead::all_of(&head.head).map_err(raised)?.swap_remove(0).settings;
        let OpenBackbone { backbone, device } = OpenBackbone::open(py, &backbone, &settings, on, adapter, None)?;
        let (found, inputs) = (backbone.channels(), head.head.inputs());
        if found != inputs {
            let problem =
                format!("the head takes {inputs} features, but the backbone gives {found}: {}", backbone.describe());
            return Err(PyValueError::new_err(problem));
        }
        Ok(Self { backbone: Mutex::new(backbone), settings, inputs, device })
    }

    #[getter]
    fn device(&self) -> &str {
        &self.device
    }

    #[getter]
    fn inputs(&self) -> usize {
        self.inputs
    }

    /// Features `[cells, inputs]` of an image file.
    fn of_file<'py>(&self, py: Python<'py>, file: PathBuf) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let rows = py.detach(|| self.rows(&read_image(&file).map_err(raised)?))?;
        self.array(py, rows)
    }

    /// Features `[cells, inputs]` of an image `[height, width, 3]` in RGB of 8 bits.
    fn of_array<'py>(&self, py: Python<'py>, image: PyReadonlyArray3<'_, u8>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let picture = picture(&image)?;
        let rows = py.detach(|| self.rows(&picture))?;
        self.array(py, rows)
    }
}

impl Features {
    fn rows(&self, picture: &Picture) -> PyResult<Vec<f32>> {
        fork::threads()?;
        let letterbox = Letterbox::of(picture.width(), picture.height(), &self.settings).map_err(raised)?;
        let image = letterbox.apply(picture, self.settings.pixels.padding).map_err(raised)?;
        let mut backbone = self.backbone.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(backbone.features(&image).map_err(raised)?.into_rows())
    }

    fn array<'py>(&self, py: Python<'py>, rows: Vec<f32>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let cells = rows.len() / self.inputs;
        PyArray1::from_vec(py, rows).reshape([cells, self.inputs])
    }
}
