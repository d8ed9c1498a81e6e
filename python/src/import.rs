//! What Python says about a checkpoint, as the importer's options.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use sharekan::head::DetectionConfig;
use sharekan::import::ImportOptions;

use crate::error::raised;

/// The options that a dictionary names as the program's options are named, with `_` between their words; `None` leaves one
/// out.
pub(crate) fn options(settings: Option<&Bound<'_, PyDict>>) -> PyResult<ImportOptions> {
    let mut options = ImportOptions::default();
    for (key, value) in settings.into_iter().flat_map(|settings| settings.iter()) {
        if value.is_none() {
            continue;
        }
        let key: String = key.extract()?;
        let wrong = |problem: String| PyValueError::new_err(format!("{key}: {problem}"));
        let text = || value.extract::<String>();
        options = match key.as_str() {
            "layout" => options.layout(Some(text()?.parse().map_err(wrong)?)),
            "base_activation" => options.base_function(Some(text()?.parse().map_err(wrong)?)),
            "rbf_denominator" => options.rbf_denominator(Some(value.extract::<f64>()?)),
            "prefix" => options.prefix(Some(text()?)),
            "entry" => options.entry(Some(text()?)),
            "layers" => options.layers(value.extract::<Vec<String>>()?),
            "norms" => options.norms(Some(text()?.parse().map_err(wrong)?)),
            "pykan_settings" => options.pykan_settings(Some(text()?)),
            "head_config" => options.head_config(Some(DetectionConfig::from_config(&text()?).map_err(raised)?)),
            _ => {
                return Err(PyTypeError::new_err(format!(
                    "there is no setting `{key}`, expected layout, base_activation, rbf_denominator, prefix, entry, layers, \
                     norms, pykan_settings or head_config"
                )));
            }
        };
    }
    Ok(options)
}
