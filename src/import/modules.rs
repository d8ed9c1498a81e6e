//! The modules of a network, told from the names and shapes of its tensors.

use std::collections::BTreeMap;

use super::{
    ImportError,
    layout::{self, Layout, PYKAN_LIST},
    tensors::Tensors,
};

/// Most parts that a name may have.
const MAX_PARTS: usize = 64;

/// What a module is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A layer of a KAN.
    Kan(Layout),
    /// A whole network of pykan: its lists, and what stands beside them.
    Pykan,
    /// `torch.nn.Linear`.
    Linear,
    /// A normalisation of rows, or a plain factor and summand.
    Norm,
    /// Anything else.
    Other,
}

/// A module with tensors of its own.
#[derive(Debug, Clone)]
pub(super) struct Module {
    /// What the names of its tensors begin with, as `model.head.0.`; may be empty.
    pub(super) stem: String,
    pub(super) kind: Kind,
    /// Its inputs, where a shape tells.
    pub(super) inputs: Option<usize>,
    /// Its outputs, where a shape tells.
    pub(super) outputs: Option<usize>,
    /// The names of its tensors.
    pub(super) tensors: Vec<String>,
}

impl Module {
    fn new(stem: &str, kind: Kind) -> Self {
        Self { stem: stem.to_owned(), kind, inputs: None, outputs: None, tensors: Vec::new() }
    }

    pub(super) fn is_kan(&self) -> bool {
        matches!(self.kind, Kind::Kan(_) | Kind::Pykan)
    }

    /// What a user calls it: its stem without the last dot.
    pub(super) fn name(&self) -> &str {
        self.stem.trim_end_matches('.')
    }
}

/// All modules, by their stems.
pub(super) fn find(tensors: &Tensors<'_>, wanted: Option<Layout>) -> Result<BTreeMap<String, Module>, ImportError> {
    let mut modules: BTreeMap<String, Module> = BTreeMap::new();
    for name in tensors.names() {
        if name.matches('.').count() >= MAX_PARTS {
            return Err(ImportError::tensor(name, format!("has more than {MAX_PARTS} parts in its name")));
        }
        let Some((stem, layout)) = layout::layer_of(tensors, name) else { continue };
        let layout = wanted.unwrap_or(layout);
        let network = layout::numbered(stem).and_then(|(list, _)| layout::at_dot(list, PYKAN_LIST));
        let (stem, kind) = match (layout, network) {
            (Layout::Pykan, Some(network)) => (network, Kind::Pykan),
            _ => (stem, Kind::Kan(layout)),
        };
        modules.entry(stem.to_owned()).or_insert_with(|| Module::new(stem, kind));
    }
    for name in tensors.names() {
        let stem = match owner(&modules, name) {
            Some(stem) => stem,
            None => name.rfind('.').map_or("", |dot| &name[..=dot]),
        };
        let module = modules.entry(stem.to_owned()).or_insert_with(|| Module::new(stem, Kind::Other));
        module.tensors.push(name.to_owned());
    }
    for module in modules.values_mut() {
        if module.kind == Kind::Other {
            module.kind = plain(tensors, module);
        }
        [module.inputs, module.outputs] = widths(tensors, module);
    }
    Ok(modules)
}

/// What the names of the layer of a KAN begin with that a tensor stands in. Below a layer all belongs to it; beside a
/// network of pykan, and beside a layer without a name, other modules may stand.
fn owner<'a>(modules: &BTreeMap<String, Module>, name: &'a str) -> Option<&'a str> {
    let ends: Vec<usize> = std::iter::once(0).chain(name.match_indices('.').map(|(dot, _)| dot + 1)).collect();
    ends.into_iter().rev().find_map(|end| {
        let (stem, leaf) = name.split_at(end);
        let module = modules.get(stem).filter(|module| module.is_kan())?;
        let belongs = match &module.kind {
            Kind::Kan(layout) => !stem.is_empty() || !leaf.contains('.') || layout.leaves().contains(&leaf),
            _ => PYKAN_NAMES.iter().any(|start| leaf.starts_with(start)),
        };
        belongs.then_some(stem)
    })
}

/// How the names in a network of pykan begin.
const PYKAN_NAMES: [&str; 7] =
    [PYKAN_LIST, "symbolic_fun.", "biases.", "node_bias_", "node_scale_", "subnode_bias_", "subnode_scale_"];

/// What a module is that is no layer of a KAN.
fn plain(tensors: &Tensors<'_>, module: &Module) -> Kind {
    let leaves: Vec<&str> = module.tensors.iter().map(|name| &name[module.stem.len()..]).collect();
    let rank = |leaf: &str| tensors.shape(&format!("{}{leaf}", module.stem)).map(<[usize]>::len);
    let vectors = leaves.iter().all(|leaf| rank(leaf) == Some(1));
    match leaves[..] {
        ["weight"] | ["bias", "weight"] if rank("weight") == Some(2) => Kind::Linear,
        ["weight"]
        | ["bias", "weight"]
        | ["running_mean", "running_var"]
        | ["bias", "running_mean", "running_var", "weight"]
            if vectors =>
        {
            Kind::Norm
        }
        _ => Kind::Other,
    }
}

/// Inputs and outputs as the shapes tell.
fn widths(tensors: &Tensors<'_>, module: &Module) -> [Option<usize>; 2] {
    let shape = |leaf: &str| tensors.shape(&format!("{}{leaf}", module.stem));
    let both = || {
        Some(match &module.kind {
            Kind::Kan(Layout::EfficientKan) => match shape("spline_weight")? {
                &[outputs, inputs, _] => [inputs, outputs],
                _ => return None,
            },
            Kind::Kan(Layout::Pykan) => match shape("coef")? {
                &[inputs, outputs, _] => [inputs, outputs],
                _ => return None,
            },
            Kind::Kan(Layout::FastKan) => match (shape("spline_linear.weight")?, shape("rbf.grid")?) {
                (&[outputs, columns], &[centres]) => [columns.checked_div(centres)?, outputs],
                _ => return None,
            },
            Kind::Kan(Layout::Inkan) => match (shape("weight"), shape("spline_weight"), shape("grid_starts")?) {
                (Some(&[outputs, columns]), _, &[count]) => [columns / count.checked_add(1)?, outputs],
                (None, Some(&[outputs, inputs, _]), _) => [inputs, outputs],
                _ => return None,
            },
            Kind::Pykan => return None,
            Kind::Linear => match shape("weight")? {
                &[outputs, inputs] => [inputs, outputs],
                _ => return None,
            },
            Kind::Norm => match shape("weight").or_else(|| shape("running_mean"))? {
                &[width] => [width, width],
                _ => return None,
            },
            Kind::Other => return None,
        })
    };
    if module.kind == Kind::Pykan {
        return pykan_widths(tensors, &module.stem);
    }
    match both() {
        Some([inputs, outputs]) => [Some(inputs), Some(outputs)],
        None => [None, None],
    }
}

/// Inputs of the first layer of a network of pykan, and outputs of its last.
fn pykan_widths(tensors: &Tensors<'_>, stem: &str) -> [Option<usize>; 2] {
    let list = format!("{stem}{PYKAN_LIST}");
    let number = |name: &str| layout::number(name.strip_prefix(&list)?.split('.').next()?);
    let last = tensors.names_from(&list).filter_map(number).max();
    let layer = |n: u64| match tensors.shape(&format!("{list}{n}.coef")) {
        Some(&[inputs, outputs, _]) => Some([inputs, outputs]),
        Some(&[edges, _]) => match tensors.shape(&format!("{stem}biases.{n}.weight")) {
            Some(&[_, outputs]) => Some([edges.checked_div(outputs)?, outputs]),
            _ => None,
        },
        _ => None,
    };
    [layer(0).map(|[inputs, _]| inputs), last.and_then(layer).map(|[_, outputs]| outputs)]
}
