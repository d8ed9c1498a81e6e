//! Which of the dictionaries in a file is the state dict of a KAN.
//!
//! Training scripts save more than a state dict: epochs, the optimizer's state, curves, settings. All of that is walked
//! through by name; what holds the tensors of a KAN layer is taken where it is alone, and asked for where it is not.

use std::collections::BTreeSet;

use super::{
    Failure, refuse,
    value::{Node, Object, Pickle, Value},
};
use crate::container::Quoted;
use crate::container::settings::{MAX_SETTING, MAX_SETTINGS, names_an_activation};
use crate::import::{ImportError, layout, listing::listing};

/// Deepest place at which a state dict is looked for.
const MAX_DEPTH: usize = 8;
/// Most places that are looked at.
const MAX_PLACES: usize = 1 << 14;
/// Most dictionaries of tensors that are told apart.
const MAX_FOUND: usize = 256;
/// Longest name of an entry that is looked into, in bytes.
const MAX_NAME: usize = 256;
/// Name of the file's own dictionary, where others stand in it.
const ITSELF: &str = ".";

/// A dictionary that could be meant.
struct Candidate {
    /// The names that lead to it, joined by dots; empty for the file's own.
    path: String,
    value: Value,
    /// It has tensors of a KAN layer.
    kan: bool,
}

/// The dictionary that is meant, and its path; an empty path is the whole file.
pub(super) fn choose(pickle: &Pickle, wanted: Option<&str>) -> Result<(Value, String), Failure> {
    let candidates = candidates(pickle);
    if let Some(wanted) = wanted {
        return named(pickle, candidates, wanted.trim_end_matches('.'));
    }
    let (kans, others): (Vec<Candidate>, Vec<Candidate>) = candidates.into_iter().partition(|found| found.kan);
    match (&kans[..], &others[..]) {
        ([one], _) => Ok((one.value, one.path.clone())),
        ([], others) => {
            if let Some(problem) = whole_model(pickle) {
                return Err(Failure::Tensor(problem));
            }
            match others {
                // What is wrong with it is told by whoever reads it.
                [one] => Ok((one.value, one.path.clone())),
                _ => nothing(pickle),
            }
        }
        (several, _) => refuse(format!(
            "has {} state dicts of a KAN: {}; choose one with --entry NAME",
            several.len(),
            listing(several.iter().map(|found| shown(&found.path)))
        )),
    }
}

fn named(pickle: &Pickle, candidates: Vec<Candidate>, wanted: &str) -> Result<(Value, String), Failure> {
    let wanted_path = if wanted == ITSELF { "" } else { wanted };
    if let Some(found) = candidates.iter().find(|found| found.path == wanted_path) {
        return Ok((found.value, found.path.clone()));
    }
    // A name on the way to a state dict stands for it where there is no other.
    let below = format!("{wanted}.");
    let mut inside = candidates.iter().filter(|found| found.path.starts_with(&below));
    if let (Some(found), None) = (inside.next(), inside.next()) {
        return Ok((found.value, found.path.clone()));
    }
    let value = pickle.item(pickle.root, wanted);
    if let Some(problem) = value.and_then(|value| module(pickle, value, Some(wanted))) {
        return Err(Failure::Tensor(problem));
    }
    let known = candidates.iter().map(|found| shown(&found.path));
    refuse(format!("has no state dict in the entry {}; it has {}", Quoted(wanted), listing(known)))
}

fn shown(path: &str) -> String {
    if path.is_empty() { ITSELF.to_owned() } else { Quoted(path).to_string() }
}

/// A place in the file: what stands there, and how one comes to it.
struct Place {
    value: Value,
    /// Number of the place that it is in, and what it is called there.
    inside: Option<(usize, Value, usize)>,
    depth: usize,
    /// A number leads here, as to what an optimizer keeps of each parameter: a KAN may stand here, but nothing else counts.
    numbered: bool,
}

/// All dictionaries with tensors by name, outer ones first.
fn candidates(pickle: &Pickle) -> Vec<Candidate> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut places = vec![Place { value: pickle.root, inside: None, depth: 0, numbered: false }];
    let mut waiting = vec![0];
    while let Some(at) = waiting.pop() {
        let (value, depth) = (contents(pickle, places[at].value), places[at].depth);
        let Value::Node(node) = value else { continue };
        if !seen.insert(node) || seen.len() > MAX_PLACES || found.len() == MAX_FOUND {
            continue;
        }
        let mut inside: Vec<(Value, Value, usize)> = Vec::new();
        match pickle.nodes.get(node) {
            Some(Node::Tuple(items) | Node::List(items)) => {
                inside.extend(items.iter().enumerate().map(|(n, &item)| (item, Value::None, n)));
            }
            _ => {
                let Some(entries) = pickle.entries(value) else { continue };
                let (mut tensors, mut kan) = (false, false);
                for &(key, item) in entries {
                    let Some(name) = pickle.text(key) else {
                        if matches!(key, Value::Int(_)) {
                            inside.push((item, key, 0));
                        }
                        continue;
                    };
                    if is_tensor(pickle, item) {
                        tensors = true;
                        kan |= layout::names_a_layer(name);
                    } else if name.len() <= MAX_NAME {
                        inside.push((item, key, 0));
                    }
                }
                if kan || (tensors && !places[at].numbered) {
                    found.push(Candidate { path: path(pickle, &places, at), value, kan });
                }
            }
        }
        if depth < MAX_DEPTH {
            for (value, key, number) in inside.into_iter().rev().filter(|(value, ..)| holds(pickle, *value)) {
                waiting.push(places.len());
                let numbered = places[at].numbered || matches!(key, Value::Int(_));
                places.push(Place { value, inside: Some((at, key, number)), depth: depth + 1, numbered });
            }
        }
    }
    found
}

/// What a place holds: of an object that is not filled like a dictionary its attributes, but those of a module.
fn contents(pickle: &Pickle, value: Value) -> Value {
    let Some(Node::Object(object)) = pickle.node(value) else { return value };
    let state = match pickle.node(object.state) {
        // What has attributes without a dictionary gives both.
        Some(Node::Tuple(both)) => both.first().copied().unwrap_or(Value::None),
        _ => object.state,
    };
    let plain = object.items.is_empty() && pickle.entries(state).is_some() && pickle.item(state, "_modules").is_none();
    if plain { state } else { value }
}

/// True for values in which dictionaries may stand.
fn holds(pickle: &Pickle, value: Value) -> bool {
    matches!(pickle.node(value), Some(Node::Tuple(_) | Node::List(_) | Node::Dict(_) | Node::Object(_)))
}

/// The names that lead to a place, joined by dots.
fn path(pickle: &Pickle, places: &[Place], at: usize) -> String {
    let mut names = Vec::new();
    let mut place = &places[at];
    while let Some((outer, key, number)) = place.inside {
        names.push(match (pickle.text(key), key) {
            (Some(name), _) => name.to_owned(),
            (None, Value::Int(number)) => number.to_string(),
            (None, _) => number.to_string(),
        });
        place = &places[outer];
    }
    names.reverse();
    names.join(".")
}

/// True for tensors, and for what stands in the place of one.
fn is_tensor(pickle: &Pickle, value: Value) -> bool {
    matches!(pickle.node(value), Some(Node::Tensor(_))) || array(pickle, value).is_some()
}

/// What stands in the place of a tensor and cannot be read: an array of numpy, or a tensor of another kind.
pub(super) fn array(pickle: &Pickle, value: Value) -> Option<&'static str> {
    let (module, name) = pickle.class_of(value)?;
    match (module.split('.').next().unwrap_or_default(), name) {
        ("numpy", "_reconstruct" | "_frombuffer" | "ndarray") => Some("a numpy array"),
        ("torch", "_rebuild_qtensor") => Some("a quantised tensor"),
        ("torch", "_rebuild_sparse_tensor" | "_rebuild_sparse_csr_tensor") => Some("a sparse tensor"),
        ("torch", name) if name.starts_with("_rebuild_") => Some("a tensor of another kind"),
        _ => None,
    }
}

/// A refusal where the file, or an entry of it, is a whole model.
fn whole_model(pickle: &Pickle) -> Option<ImportError> {
    module(pickle, pickle.root, None).or_else(|| {
        let entries = pickle.entries(pickle.root)?;
        entries.iter().find_map(|&(key, value)| module(pickle, value, Some(pickle.text(key)?)))
    })
}

/// A refusal where a value is a module: an object with parameters and modules.
fn module(pickle: &Pickle, value: Value, entry: Option<&str>) -> Option<ImportError> {
    let Some(Node::Object(Object { state, .. })) = pickle.node(value) else { return None };
    pickle.item(*state, "_modules")?;
    let (module, name) = pickle.class_of(value)?;
    Some(ImportError::WholeModel {
        class: Quoted(&format!("{module}.{name}")).to_string(),
        entry: entry.map(|entry| Quoted(entry).to_string()),
    })
}

/// A refusal of a file without tensors.
fn nothing<T>(pickle: &Pickle) -> Result<T, Failure> {
    let Some(entries) = pickle.entries(pickle.root) else {
        return refuse(format!("holds {}, expected a state dict", pickle.describe(pickle.root)));
    };
    if entries.is_empty() {
        return refuse("holds an empty dictionary, expected a state dict");
    }
    let names = entries.iter().map(|&(key, value)| match pickle.text(key) {
        Some(name) => format!("{} ({})", Quoted(name), pickle.describe(value)),
        None => match key {
            Value::Int(number) => format!("{number} ({})", pickle.describe(value)),
            _ => format!("{} for a name", pickle.describe(key)),
        },
    });
    refuse(format!("holds no state dict of a KAN; it has {}", listing(names)))
}

/// Settings in the file that tell the function on the base path: what they are called, and what they say.
pub(super) fn activations(pickle: &Pickle) -> Vec<(String, String)> {
    let mut found = BTreeSet::new();
    for node in &pickle.nodes {
        let (Node::Dict(entries) | Node::Object(Object { items: entries, .. })) = node else { continue };
        for &(key, value) in entries {
            let Some(key) = pickle.text(key) else { continue };
            let said = match (pickle.text(value), pickle.named(value), pickle.class_of(value)) {
                (Some(text), ..) => text,
                (_, Some((_, name)), _) | (_, _, Some((_, name))) => name,
                _ => continue,
            };
            if names_an_activation(key) && said.len() <= MAX_SETTING {
                found.insert((key.to_owned(), said.to_owned()));
            }
        }
    }
    found.into_iter().take(MAX_SETTINGS).collect()
}
