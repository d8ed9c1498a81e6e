//! What Python says about a checkpoint, as the importer's options.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use sharekan::head::DetectionConfig;
use sharekan::import::ImportOptions;

use crate::error::{of_option, raised};

/// The options that a dictionary names as the program's options are named, with `_` between their words; `None` leaves one
/// out.
pub(crate) fn options(settings: Option<&Bound<'_, PyDict>>) -> PyResult<ImportOptions> {
    let mut options = ImportOptions::default();
    for (key, value) in settings.into_iter().flat_map(|settings| settings.iter()) {
        if value.is_none() {
            continue;
        }
        let key: String = key.extract()?;
        options = with(options, &key, &value).map_err(|problem| of_option(value.py(), &key, problem))?;
    }
    Ok(options)
}

/// The options with one more.
fn with(options: ImportOptions, key: &str, value: &Bound<'_, PyAny>) -> PyResult<ImportOptions> {
    let wrong = |problem: String| PyValueError::new_err(format!("{key}: {problem}"));
    let text = || value.extract::<String>();
    Ok(match key {
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
            return Err(PyTypeError::new_err(
                "is no setting, expected layout, base_activation, rbf_denominator, prefix, entry, layers, norms, \
                 pykan_settings or head_config",
            ));
        }
    })
}
