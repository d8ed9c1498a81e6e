//! What goes to JavaScript.

use serde::Serialize;
use wasm_bindgen::{JsError, JsValue};

/// A plain object of a value.
pub(crate) fn object(value: &impl Serialize) -> Result<JsValue, JsError> {
    let text = serde_json::to_string(value).map_err(failed)?;
    js_sys::JSON::parse(&text).map_err(|_| JsError::new("a result is no JSON"))
}

/// An error of the library, as its one line.
pub(crate) fn failed(error: impl std::fmt::Display) -> JsError {
    JsError::new(&error.to_string())
}
