//! Settings of a network that stand beside its tensors, as far as they speak of what no tensor tells.

use std::collections::BTreeSet;

use serde_json::Value;

/// Longest text of a setting that is kept, in bytes.
pub(crate) const MAX_SETTING: usize = 256;
/// Most settings that are kept.
pub(crate) const MAX_SETTINGS: usize = 16;
/// Longest JSON that is looked into, in bytes.
const MAX_JSON: usize = 1 << 20;

/// True for names of settings that tell the function on a base path.
pub(crate) fn names_an_activation(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let base = name.contains("base_fun") || name.contains("base_act") || name.contains("base_fn");
    base || name.contains("activation")
        || matches!(
            name.as_str(),
            "act" | "act_fn" | "act_fun" | "act_func" | "act_fun_name" | "nonlinearity" | "nonlin"
        )
}

/// Takes the settings out of a metadata entry that tell the function on a base path: the entry itself, or what stands in it
/// where it is JSON.
pub(super) fn activations(key: &str, text: &str, found: &mut BTreeSet<(String, String)>) {
    let mut keep = |key: &str, said: &str| {
        if names_an_activation(key) && said.len() <= MAX_SETTING && found.len() < MAX_SETTINGS {
            found.insert((key.to_owned(), said.to_owned()));
        }
    };
    if !text.trim_start().starts_with(['{', '[']) || text.len() > MAX_JSON {
        return keep(key, text);
    }
    let Ok(value) = serde_json::from_str::<Value>(text) else { return keep(key, text) };
    let mut waiting = vec![&value];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Array(items) => waiting.extend(items),
            Value::Object(entries) => {
                for (key, value) in entries {
                    match value {
                        Value::String(said) => keep(key, said),
                        other => waiting.push(other),
                    }
                }
            }
            _ => {}
        }
    }
}
