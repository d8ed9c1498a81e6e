//! Which library wrote a checkpoint, told from the names and shapes of its tensors.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use super::{ImportError, tensors::Tensors};
use crate::container::Quoted;

/// The layouts that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Layout {
    /// `grid`, `base_weight`, `spline_weight` and `spline_scaler` a layer; with `norms.*` for detection heads.
    EfficientKan,
    /// `act_fun.*`, `node_*`, `subnode_*` and `symbolic_fun.*` (pykan 0.2).
    Pykan,
    /// `rbf.grid`, `spline_linear.weight`, `layernorm.*` and `base_linear.*` a layer.
    FastKan,
    /// `grid_starts` with a packed `weight`, or with `spline_weight` and `base_weight`, a layer.
    Inkan,
}

impl Layout {
    /// All layouts.
    pub const ALL: [Self; 4] = [Self::EfficientKan, Self::Pykan, Self::FastKan, Self::Inkan];

    /// Name of the library.
    pub fn name(self) -> &'static str {
        match self {
            Self::EfficientKan => "efficient-kan",
            Self::Pykan => "pykan",
            Self::FastKan => "fast-kan",
            Self::Inkan => "inkan",
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Layout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|layout| layout.name() == text)
            .ok_or_else(|| format!("layout `{text}` is not known, expected {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// Where the layers of a checkpoint stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stack {
    /// What all names begin with and what says nothing about the layout, as `model.head.`; may be empty.
    pub(super) prefix: String,
    /// What the names of each layer begin with, as `model.head.layers.0.`; empty for a bare layer.
    pub(super) layers: Vec<String>,
}

/// Tensors by which a layer of each layout is known; the names of the other tensors are too common.
const MARKERS: [(Layout, &str); 9] = [
    (Layout::FastKan, "rbf.grid"),
    (Layout::FastKan, "spline_linear.weight"),
    (Layout::FastKan, "base_linear.weight"),
    (Layout::Inkan, "grid_starts"),
    (Layout::EfficientKan, "grid"),
    (Layout::EfficientKan, "base_weight"),
    (Layout::EfficientKan, "spline_weight"),
    (Layout::EfficientKan, "spline_scaler"),
    (Layout::Pykan, "coef"),
];

/// Name of the list of layers in the libraries' own networks, whose layers are numbered without gaps.
const LIST: &str = "layers.";
/// Name of pykan's list.
const PYKAN_LIST: &str = "act_fun.";

/// Finds the layout and the layers. `wanted` overrides what the names suggest.
pub(super) fn recognise(tensors: &Tensors<'_>, wanted: Option<Layout>) -> Result<(Layout, Stack), ImportError> {
    if tensors.names().next().is_none() {
        return Err(ImportError::Layout("holds no tensors, expected the state dict of a KAN".into()));
    }
    if let (None, Some(other)) = (wanted, elsewhere(tensors)) {
        return Err(ImportError::Layout(format!("is {other}, which is not supported; {}", known())));
    }
    let stems = stems(tensors);
    let kinds: Vec<Layout> = stems.values().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let layout = match (wanted, &kinds[..]) {
        (Some(layout), [_, ..]) | (None, &[layout]) => layout,
        (Some(layout), []) => {
            let names = some_names(tensors);
            return Err(ImportError::Layout(format!("has no tensor of a {layout} layer: it has {names}")));
        }
        (None, []) => {
            let names = some_names(tensors);
            return Err(ImportError::Layout(format!("follows no known layout: it has {names}; {}", known())));
        }
        (None, _) => {
            let example = |kind: &Layout| stems.iter().find(|(_, layout)| *layout == kind).map_or("", |(stem, _)| stem);
            let each: Vec<_> = kinds.iter().map(|kind| format!("{}* is {kind}", Quoted(example(kind)))).collect();
            return Err(ImportError::Layout(format!("mixes layouts: {}", each.join(", "))));
        }
    };
    let layers = stems.keys().map(String::as_str).collect();
    Ok((layout, order(&layers)?))
}

/// What each layer's names begin with, and the layout that they suggest.
fn stems(tensors: &Tensors<'_>) -> BTreeMap<String, Layout> {
    let mut stems = BTreeMap::new();
    for name in tensors.names() {
        let marked = MARKERS.iter().find_map(|&(layout, marker)| {
            let stem = name.strip_suffix(marker)?;
            (stem.is_empty() || stem.ends_with('.')).then_some((stem, layout))
        });
        let Some((stem, layout)) = marked else { continue };
        let layout = if tensors.contains(&format!("{stem}grid_starts")) {
            Layout::Inkan
        } else if tensors.contains(&format!("{stem}coef"))
            || numbered(stem).is_some_and(|(list, _)| list.ends_with(PYKAN_LIST))
        {
            Layout::Pykan
        } else {
            layout
        };
        stems.insert(stem.to_owned(), layout);
    }
    stems
}

/// Brings the layers into order and finds their common prefix.
fn order(stems: &BTreeSet<&str>) -> Result<Stack, ImportError> {
    let mut lists = BTreeSet::new();
    let mut numbers = BTreeMap::new();
    for stem in stems {
        match numbered(stem) {
            Some((list, number)) => {
                lists.insert(list);
                numbers.insert(number, *stem);
            }
            None if stems.len() == 1 => {
                return Ok(Stack { prefix: (*stem).to_owned(), layers: vec![(*stem).to_owned()] });
            }
            None => return Err(unordered(stems)),
        }
    }
    let (Some(&list), 1) = (lists.first(), lists.len()) else { return Err(unordered(stems)) };
    let named = |name: &str| list.strip_suffix(name).filter(|prefix| prefix.is_empty() || prefix.ends_with('.'));
    let prefix = named(LIST).or_else(|| named(PYKAN_LIST));
    if let (None, 1, Some(&stem)) = (prefix, stems.len(), stems.first()) {
        return Ok(Stack { prefix: stem.to_owned(), layers: vec![stem.to_owned()] });
    }
    if let Some((expected, (&found, _))) = (0..).zip(&numbers).find(|(expected, (found, _))| expected != *found) {
        let list = Quoted(list);
        return Err(ImportError::Layout(format!("has tensors of {list}{found} but none of {list}{expected}")));
    }
    Ok(Stack { prefix: prefix.unwrap_or(list).to_owned(), layers: numbers.into_values().map(str::to_owned).collect() })
}

/// Splits `model.layers.7.` into `model.layers.` and 7.
fn numbered(stem: &str) -> Option<(&str, u64)> {
    let body = stem.strip_suffix('.')?;
    let digits = body.rsplit('.').next()?;
    let number: u64 = digits.parse().ok()?;
    (number.to_string() == digits).then(|| (&body[..body.len() - digits.len()], number))
}

fn unordered(stems: &BTreeSet<&str>) -> ImportError {
    let some: Vec<_> = stems.iter().take(3).map(|stem| format!("{}*", Quoted(stem))).collect();
    ImportError::Layout(format!(
        "has {} layers whose order their names do not tell: {}; expected one list as layers.0, layers.1",
        stems.len(),
        some.join(", ")
    ))
}

/// KANs and other networks that are known by name but not read.
fn elsewhere(tensors: &Tensors<'_>) -> Option<&'static str> {
    let ends = |suffix: &str| {
        tensors.names().any(|name| name.strip_suffix(suffix).is_some_and(|s| s.is_empty() || s.ends_with('.')))
    };
    if ends("cheby_coeffs") {
        return Some("a ChebyKAN (cheby_coeffs)");
    }
    if ends("rbf.inv_denominator") {
        return Some("a FasterKAN (rbf.inv_denominator)");
    }
    if ends("kan_weight") {
        return Some("a KANditioned network (kan_weight)");
    }
    if ends("c_basis") {
        return Some("a jaxkan network (c_basis)");
    }
    if ends("weight_numerator") {
        return Some("a rational KAN, KAT (weight_numerator)");
    }
    if tensors.names().any(|name| name.contains("convs.") && name.ends_with(".conv.spline_weight")) {
        return Some("a convolutional KAN (convs.*.conv.spline_weight)");
    }
    let flat = |name: &str| tensors.shape(name).is_some_and(|shape| shape.len() == 2);
    if tensors.names().any(|name| name.contains(PYKAN_LIST) && name.ends_with(".coef") && flat(name)) {
        return Some("a pykan 0.0.x network (two-dimensional coef)");
    }
    let plain = tensors.names().all(|name| name.ends_with("weight") || name.ends_with("bias"));
    (plain && stems(tensors).is_empty()).then_some("an ordinary network of weights and biases")
}

fn some_names(tensors: &Tensors<'_>) -> String {
    let mut names: Vec<_> = tensors.names().take(4).map(|name| Quoted(name).to_string()).collect();
    let more = tensors.names().skip(4).count();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

fn known() -> String {
    format!("known are {}", Layout::ALL.map(Layout::name).join(", "))
}
