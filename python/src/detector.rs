//! From images to labelled boxes.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use numpy::{PyReadonlyArray3, PyUntypedArrayMethods};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyList;
use sharekan::Model;
use sharekan::detect::{
    Backbone, DetectOptions, DetectingHead, Detector as Joined, HeadDetections, ImageDetections, Picture, list_images,
};
use sharekan::plan::PlanOptions;

use crate::backbone::OpenBackbone;
use crate::device;
use crate::error::raised;
use crate::fork;
use crate::head::Head;

type AnyBackbone = Box<dyn Backbone + Send>;

/// A backbone and a head, joined.
#[pyclass(frozen, module = "sharekan._sharekan")]
pub(crate) struct Detector {
    joined: Mutex<Joined<AnyBackbone, Model>>,
    /// The thread that it works for.
    owner: Mutex<Option<ThreadId>>,
    heads: Vec<DetectingHead>,
    device: String,
    backbone_device: String,
}

#[pymethods]
impl Detector {
    /// Opens a detection head behind a backbone. `auto` takes a real GPU where there is one.
    #[new]
    #[pyo3(signature = (head, backbone, device="auto", backbone_device="auto", adapter=None, score=0.3, nms=0.5, max_detections=100))]
    #[expect(clippy::too_many_arguments, reason = "they are options of a function in Python, each by its name")]
    fn open(
        py: Python<'_>,
        head: &Head,
        backbone: PathBuf,
        device: &str,
        backbone_device: &str,
        adapter: Option<String>,
        score: f32,
        nms: f32,
        max_detections: usize,
    ) -> PyResult<Self> {
        let options = DetectOptions::default().score(score).nms(nms).max_detections(max_detections);
        let (device, on) = (device::device(device)?, device::device(backbone_device)?);
        let heads = DetectingHead::all_of(&head.head).map_err(raised)?;
        let gpu = device::open(py, device, adapter.clone())?;
        let settings = &heads[0].settings;
        let opened = OpenBackbone::open(py, &backbone, settings, on, adapter, gpu.as_ref())?;
        let rows = settings.cells() * settings.cells();
        py.detach(|| {
            let OpenBackbone { backbone, device: backbone_device } = opened;
            let model = Model::open_on(gpu.as_ref(), &head.head, rows, &PlanOptions::default()).map_err(raised)?;
            let device = model.device_name().to_owned();
            let joined = Joined::of_heads(backbone, model, heads.clone(), options).map_err(raised)?;
            Ok(Self { joined: Mutex::new(joined), owner: Mutex::default(), heads, device, backbone_device })
        })
    }

    #[getter]
    fn device(&self) -> &str {
        &self.device
    }

    #[getter]
    fn backbone_device(&self) -> &str {
        &self.backbone_device
    }

    /// The classes, of a bank those of all heads one after the other.
    #[getter]
    fn classes(&self) -> Vec<String> {
        self.heads.iter().flat_map(|head| head.settings.classes.iter().cloned()).collect()
    }

    /// The boxes in an image `[height, width, 3]` in RGB of 8 bits, as JSON.
    fn detect_array(&self, py: Python<'_>, image: PyReadonlyArray3<'_, u8>) -> PyResult<String> {
        let picture = picture(&image)?;
        let found = py.detach(|| Ok::<_, PyErr>(self.own()?.detect_by_head(&picture)))?.map_err(raised)?;
        let record = self.record(String::new(), &picture, &found.0);
        device::json(&record.detections)
    }

    /// The images that paths and folders stand for.
    #[staticmethod]
    fn images(paths: Vec<PathBuf>) -> PyResult<Vec<PathBuf>> {
        list_images(&paths).map_err(raised)
    }

    /// The boxes in image files, in their order, as JSON of `image`, `width`, `height` and `detections`; an exception in the
    /// place of a file that cannot be used. `told` is called with each result as it comes.
    fn detect_files<'py>(
        &self,
        py: Python<'py>,
        files: Vec<PathBuf>,
        told: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let results = py.detach(|| {
            let mut joined = self.own()?;
            let mut results: Vec<Result<String, PyErr>> = Vec::with_capacity(files.len());
            joined.detect_files(&mut [], &files, |at, found| {
                results.push(match found {
                    Ok((picture, found)) => {
                        device::json(&self.record(files[at].display().to_string(), &picture, &found))
                    }
                    Err(problem) => Err(raised(problem)),
                });
                Python::attach(|py| {
                    py.check_signals()?;
                    told.as_ref().map_or(Ok(()), |told| told.call1(py, (at + 1, files.len())).map(drop))
                })
            })?;
            Ok::<_, PyErr>(results)
        })?;
        let list = PyList::empty(py);
        for result in results {
            match result {
                Ok(record) => list.append(record)?,
                Err(problem) => list.append(problem.into_value(py))?,
            }
        }
        Ok(list)
    }
}

/// The picture in an array `[height, width, 3]`.
pub(crate) fn picture(image: &PyReadonlyArray3<'_, u8>) -> PyResult<Picture> {
    let (height, width, channels) = image.as_array().dim();
    if channels != 3 || height == 0 || width == 0 {
        return Err(PyValueError::new_err(format!(
            "the image has shape [{height}, {width}, {channels}], expected [height, width, 3]"
        )));
    }
    if !image.is_c_contiguous() {
        return Err(PyValueError::new_err("the image is not in C order"));
    }
    let side = |side: usize| {
        u32::try_from(side).map_err(|_| PyValueError::new_err(format!("the image has a side of {side} pixels")))
    };
    Picture::from_rgb(side(width)?, side(height)?, image.as_slice()?.to_vec()).map_err(raised)
}

/// A detector that works for this thread.
struct Owned<'a> {
    joined: MutexGuard<'a, Joined<AnyBackbone, Model>>,
    owner: &'a Mutex<Option<ThreadId>>,
}

impl Deref for Owned<'_> {
    type Target = Joined<AnyBackbone, Model>;

    fn deref(&self) -> &Self::Target {
        &self.joined
    }
}

impl DerefMut for Owned<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.joined
    }
}

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        *self.owner.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Detector {
    /// Waits until the detector is free. What a thread calls while the detector works for it would wait for itself.
    fn own(&self) -> PyResult<Owned<'_>> {
        fork::threads()?;
        let owner = || self.owner.lock().unwrap_or_else(PoisonError::into_inner);
        let this = thread::current().id();
        if *owner() == Some(this) {
            return Err(PyRuntimeError::new_err(
                "the detector is at work for this thread: a progress callback cannot call it; open another detector for that",
            ));
        }
        let joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        *owner() = Some(this);
        Ok(Owned { joined, owner: &self.owner })
    }

    fn record(&self, name: String, picture: &Picture, found: &[HeadDetections]) -> ImageDetections {
        let (width, height) = (picture.width(), picture.height());
        match &self.heads[..] {
            [head] if head.name.is_empty() => {
                ImageDetections::new(name, width, height, &found[0], &head.settings.classes)
            }
            heads => {
                let heads = heads.iter().zip(found);
                ImageDetections::of_heads(
                    name,
                    width,
                    height,
                    heads.map(|(head, found)| (head.name.as_str(), &found[..], &head.settings.classes[..])),
                )
            }
        }
    }
}
