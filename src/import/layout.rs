//! Which library wrote a checkpoint, told from the names of its tensors.

use std::{fmt, str::FromStr};

use super::{listing::listing, tensors::Tensors};
use crate::container::Quoted;

/// The layouts that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Layout {
    /// `grid`, `base_weight`, `spline_weight` and `spline_scaler` a layer; with `norms.*` for detection heads.
    EfficientKan,
    /// `act_fun.*`, `node_*`, `subnode_*` and `symbolic_fun.*` (pykan 0.2), or `act_fun.*` and `biases.*` (pykan 0.0).
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

    /// The tensors of a layer, as their names end.
    pub(super) fn leaves(self) -> &'static [&'static str] {
        match self {
            Self::EfficientKan => &["grid", "base_weight", "spline_weight", "spline_scaler", "base_activation.weight"],
            Self::Pykan => &["grid", "coef", "mask", "scale_base", "scale_sp"],
            Self::FastKan => &[
                "rbf.grid",
                "spline_linear.weight",
                "layernorm.weight",
                "layernorm.bias",
                "base_linear.weight",
                "base_linear.bias",
            ],
            Self::Inkan => &["grid_starts", "weight", "spline_weight", "base_weight"],
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

/// Name of pykan's list of layers.
pub(super) const PYKAN_LIST: &str = "act_fun.";

/// What the names of a tensor's layer begin with, and the layout that they suggest; `None` for other tensors.
pub(super) fn layer_of<'a>(tensors: &Tensors<'_>, name: &'a str) -> Option<(&'a str, Layout)> {
    let (stem, layout) = marked(name)?;
    let has = |leaf: &str| tensors.contains(&format!("{stem}{leaf}"));
    let in_pykan = || numbered(stem).is_some_and(|(list, _)| at_dot(list, PYKAN_LIST).is_some());
    Some(match () {
        () if has("grid_starts") => (stem, Layout::Inkan),
        () if has("coef") || in_pykan() => (stem, Layout::Pykan),
        () => (stem, layout),
    })
}

fn marked(name: &str) -> Option<(&str, Layout)> {
    MARKERS.iter().find_map(|&(layout, marker)| Some((at_dot(name, marker)?, layout)))
}

/// What stands before `end`, where it begins the name or follows a dot.
pub(super) fn at_dot<'a>(name: &'a str, end: &str) -> Option<&'a str> {
    name.strip_suffix(end).filter(|stem| stem.is_empty() || stem.ends_with('.'))
}

/// True for names of tensors that layers of a KAN have, those of KANs that are not read among them.
pub(super) fn names_a_layer(name: &str) -> bool {
    const ENDS: [&str; 6] = ["_orig", "_mask", "_g", "_v", ".original0", ".original1"];
    let plain = ENDS.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let plain = plain.replace("parametrizations.", "");
    marked(&plain).is_some() || ELSEWHERE.iter().any(|(leaf, _)| at_dot(&plain, leaf).is_some())
}

/// Splits `model.layers.7.` into `model.layers.` and 7.
pub(super) fn numbered(stem: &str) -> Option<(&str, u64)> {
    let body = stem.strip_suffix('.')?;
    let digits = body.rsplit('.').next()?;
    Some((&body[..body.len() - digits.len()], number(digits)?))
}

/// A number without zeros in front.
pub(super) fn number(digits: &str) -> Option<u64> {
    let number: u64 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

/// KANs that are known by name but not read, by a tensor that only they have.
const ELSEWHERE: [(&str, &str); 10] = [
    ("cheby_coeffs", "a ChebyKAN (cheby_coeffs)"),
    ("rbf.inv_denominator", "a FasterKAN (rbf.inv_denominator)"),
    ("kan_weight", "a KANditioned network (kan_weight)"),
    ("c_basis", "a jaxkan network (c_basis)"),
    ("weight_numerator", "a rational KAN, KAT (weight_numerator)"),
    ("jacobi_coeffs", "a JacobiKAN (jacobi_coeffs)"),
    ("fouriercoeffs", "a FourierKAN (fouriercoeffs)"),
    ("wavelet_weights", "a WavKAN (wavelet_weights)"),
    ("phase_low", "a ReLU-KAN (phase_low)"),
    ("_flat_param", "a flat parameter of FSDP (_flat_param; save the whole state dict with full_state_dict=True)"),
];

/// KANs and other networks that are known by name but not read.
pub(super) fn elsewhere(tensors: &Tensors<'_>, names: &[&str]) -> Option<&'static str> {
    let ends = |suffix: &str| names.iter().any(|name| at_dot(name, suffix).is_some());
    if let Some((_, what)) = ELSEWHERE.iter().find(|(leaf, _)| ends(leaf)) {
        return Some(what);
    }
    let convolutional = |name: &&str| {
        (name.contains("convs.") && name.ends_with(".conv.spline_weight"))
            || (name.ends_with("spline_conv.weight") || name.contains("spline_conv."))
            || (at_dot(name, "spline_weight").is_some() && tensors.shape(name).is_some_and(|shape| shape.len() > 3))
    };
    if names.iter().any(convolutional) {
        return Some("a convolutional KAN (its splines slide over images: spline_weight in convs, or spline_conv)");
    }
    // torch-conv-kan and torchkan make their grid anew, so it is not in the file.
    let without_grid = names.iter().any(|name| {
        at_dot(name, "prelu.weight").is_some_and(|stem| {
            tensors.contains(&format!("{stem}spline_weight")) && !tensors.contains(&format!("{stem}grid"))
        })
    });
    if without_grid {
        return Some(
            "a layer of torch-conv-kan or torchkan (spline_weight, layer_norm and prelu), whose grid is not in the file",
        );
    }
    let plain = names.iter().all(|name| name.ends_with("weight") || name.ends_with("bias"));
    (plain && !names.iter().any(|name| marked(name).is_some())).then_some("an ordinary network of weights and biases")
}

pub(super) fn some_names(names: &[&str]) -> String {
    listing(names.iter().map(|name| Quoted(name).to_string()))
}

pub(super) fn known() -> String {
    format!("known are {}", Layout::ALL.map(Layout::name).join(", "))
}
