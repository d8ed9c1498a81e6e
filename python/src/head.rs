//! Heads.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict, PyList};
use sharekan::artifact::{codebook_bytes, layer_bytes};
use sharekan::files::HeadFile;
use sharekan::head::{Basis, CompressedLayer, DenseHead, DenseLayer, DetectionConfig, Head as AnyHead};
use sharekan::{Error, compress, export, files};

use crate::error::raised;
use crate::interrupt::beside;
use crate::{import, layers};

/// A head and how it was read.
#[pyclass(frozen, module = "sharekan._sharekan")]
pub(crate) struct Head {
    pub(crate) head: Arc<AnyHead>,
    layout: Option<&'static str>,
    prefix: String,
    assumed: Vec<String>,
}

impl Head {
    pub(crate) fn of(head: impl Into<AnyHead>) -> Self {
        Self { head: Arc::new(head.into()), layout: None, prefix: String::new(), assumed: Vec::new() }
    }

    /// The dense head; of a compressed one what it approximates.
    fn in_full(&self) -> PyResult<DenseHead> {
        match &*self.head {
            AnyHead::Dense(head) => Ok(head.clone()),
            AnyHead::Compressed(_) => {
                let head = self.head.compressed().ok_or_else(|| several(&self.head))?;
                compress::decompress(head).map_err(raised)
            }
        }
    }
}

/// The refusal of a bank where one head is needed.
pub(crate) fn several(head: &AnyHead) -> PyErr {
    let names = head.bank().map(|bank| bank.names().collect::<Vec<_>>().join(", ")).unwrap_or_default();
    PyValueError::new_err(format!("this is a bank, expected one head: take bank[NAME], it has {names}"))
}

#[pymethods]
impl Head {
    /// Reads a file of any form.
    #[staticmethod]
    #[pyo3(signature = (path, settings=None))]
    fn load(py: Python<'_>, path: PathBuf, settings: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let options = import::options(settings)?;
        let file = beside(py, move || HeadFile::open(&path, &options))?.map_err(raised)?;
        let assumed = file.assumptions().to_vec();
        let (layout, prefix) =
            file.import.map_or((None, String::new()), |notes| (Some(notes.layout.name()), notes.prefix));
        Ok(Self { head: Arc::new(file.head), layout, prefix, assumed })
    }

    /// Reads the bytes of a file of any form.
    #[staticmethod]
    #[pyo3(signature = (data, settings=None))]
    fn from_bytes(py: Python<'_>, data: PyBackedBytes, settings: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let options = import::options(settings)?;
        let read = move || {
            let dense = sharekan::import::from_bytes(&data, &options);
            Ok::<_, Error>(match dense {
                Ok(read) => (read.head.into(), Some(read.layout.name()), read.prefix, read.assumptions),
                // It may be a file of this library.
                Err(problem) => match AnyHead::from_bytes_with(&data, &options) {
                    Ok((head @ AnyHead::Compressed(_), assumed)) => (head, None, String::new(), assumed),
                    Ok(_) => return Err(problem.into()),
                    Err(other) => return Err(other),
                },
            })
        };
        let (head, layout, prefix, assumed) = beside(py, read)?.map_err(raised)?;
        Ok(Self { head: Arc::new(head), layout, prefix, assumed })
    }

    /// Joins dense heads, one behind the other.
    #[staticmethod]
    fn chain(parts: Vec<PyRef<'_, Self>>) -> PyResult<Self> {
        let mut all = Vec::new();
        for part in &parts {
            all.extend(part.in_full()?.layers().iter().cloned());
        }
        let head = DenseHead::new(all, None).map_err(raised)?;
        let layout = parts.first().and_then(|part| part.layout);
        let mut assumed: Vec<String> = parts.iter().flat_map(|part| part.assumed.iter().cloned()).collect();
        assumed.dedup();
        Ok(Self { head: Arc::new(head.into()), layout, prefix: String::new(), assumed })
    }

    /// Writes the head in the program's form; there is either the old file or the whole new one.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| self.head.save(&path)).map_err(raised)
    }

    /// The bytes that `save` writes.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = py.detach(|| self.head.to_bytes()).map_err(raised)?;
        Ok(PyBytes::new(py, &bytes))
    }

    #[getter]
    fn inputs(&self) -> usize {
        self.head.inputs()
    }

    #[getter]
    fn outputs(&self) -> usize {
        self.head.outputs()
    }

    /// `dense`, `compressed` or `bank`.
    #[getter]
    fn form(&self) -> &'static str {
        match &*self.head {
            AnyHead::Dense(_) => "dense",
            AnyHead::Compressed(_) if self.head.bank().is_some() => "bank",
            AnyHead::Compressed(_) => "compressed",
        }
    }

    /// Library whose layout a dense head was read from.
    #[getter]
    fn layout(&self) -> Option<&'static str> {
        self.layout
    }

    #[getter]
    fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What was assumed, a phrase each.
    #[getter]
    fn assumed(&self) -> Vec<String> {
        self.assumed.clone()
    }

    /// Names of the heads of a bank, in order; none of one head.
    #[getter]
    fn names(&self) -> Vec<String> {
        self.head.bank().map(|bank| bank.names().map(str::to_owned).collect()).unwrap_or_default()
    }

    /// One head of a bank.
    fn member(&self, name: &str) -> PyResult<Self> {
        let Some(bank) = self.head.bank() else { return Err(PyKeyError::new_err("this is one head, no bank")) };
        match bank.member(name) {
            Some(head) => Ok(Self::of(head.clone())),
            None => {
                let known = bank.names().collect::<Vec<_>>().join(", ");
                Err(PyKeyError::new_err(format!("there is no head {name:?}, expected one of {known}")))
            }
        }
    }

    /// How the outputs mean boxes, as JSON.
    #[getter]
    fn detection(&self) -> PyResult<Option<String>> {
        self.head.detection().map(DetectionConfig::to_json).transpose().map_err(raised)
    }

    /// The head with other detection settings.
    fn with_detection(&self, settings: Option<&str>) -> PyResult<Self> {
        let settings = settings.map(DetectionConfig::from_config).transpose().map_err(raised)?;
        let mut head = (*self.head).clone();
        head.set_detection(settings).map_err(raised)?;
        let (layout, prefix, assumed) = (self.layout, self.prefix.clone(), self.assumed.clone());
        Ok(Self { head: Arc::new(head), layout, prefix, assumed })
    }

    /// The dense head that a compressed one computes.
    fn decompressed(&self, py: Python<'_>) -> PyResult<Self> {
        py.detach(|| self.in_full()).map(Self::of)
    }

    /// What each layer computes, in full.
    fn layers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let head = py.detach(|| self.in_full())?;
        let layers = head.layers().iter().map(|layer| layers::to_dict(py, layer)).collect::<PyResult<Vec<_>>>()?;
        PyList::new(py, layers)
    }

    /// Writes the head as an ONNX network; there is either the old file or the whole new one.
    fn export_onnx(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let head = Arc::clone(&self.head);
        let bytes = beside(py, move || export::to_onnx(&head))?.map_err(raised)?;
        py.detach(|| files::replace(&path, &bytes)).map_err(raised)
    }

    /// True for heads that hold the same numbers.
    fn equals(&self, other: &Self) -> bool {
        self.head == other.head
    }

    /// Facts of the layers, as JSON; of a bank those of its heads one after the other.
    fn facts(&self) -> String {
        let layers: Vec<serde_json::Value> = match &*self.head {
            AnyHead::Dense(head) => head.layers().iter().map(of_dense).collect(),
            AnyHead::Compressed(bank) => {
                bank.members().iter().flat_map(|member| member.head.layers()).map(of_compressed).collect()
            }
        };
        serde_json::Value::from(layers).to_string()
    }
}

fn of_dense(layer: &DenseLayer) -> serde_json::Value {
    serde_json::json!({
        "inputs": layer.inputs, "outputs": layer.outputs, "edges": layer.edges(), "basis": basis(&layer.basis),
        "bytes": layer.dense_bytes(), "dense_bytes": layer.dense_bytes(),
    })
}

fn of_compressed(layer: &CompressedLayer) -> serde_json::Value {
    let dense = 4 * layer.edges() * (layer.basis.len() + usize::from(layer.base.is_some()));
    serde_json::json!({
        "inputs": layer.inputs, "outputs": layer.outputs, "edges": layer.edges(), "basis": basis(&layer.basis),
        "bytes": layer_bytes(layer), "dense_bytes": dense,
        "codebook_bytes": codebook_bytes(layer), "codewords": layer.codewords(), "stages": layer.stages,
    })
}

fn basis(basis: &Basis) -> String {
    match basis {
        Basis::BSpline { order, intervals, .. } => format!("B-splines of order {order} over {intervals} intervals"),
        Basis::Gaussian { centres, .. } => format!("{} Gaussian bumps", centres.len()),
    }
}
