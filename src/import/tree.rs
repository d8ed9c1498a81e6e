//! Modules by the parts of their names, and the order in which a row passes through them.
//!
//! Order is told by numbers alone: those of a list, or at the end of attributes' names. Where numbers leave a choice,
//! widths may decide; where nothing does, the user is asked.

use std::collections::BTreeMap;

use super::{
    layout,
    listing::listing,
    modules::{Kind, Module},
};
use crate::container::Quoted;

/// Most modules between which widths are asked to choose.
const MAX_CHOICE: usize = 4;

/// A place in the tree: the modules whose names begin alike.
#[derive(Debug, Default)]
pub(super) struct Node<'a> {
    /// What the names of all tensors here begin with; may be empty.
    pub(super) stem: String,
    /// The module that stands here itself.
    module: Option<&'a Module>,
    children: BTreeMap<&'a str, Node<'a>>,
}

/// Why there is no order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Disorder {
    /// A tensor that no layer reads.
    Foreign {
        /// Its name.
        tensor: String,
    },
    /// A number is missing.
    Gap {
        /// What the names of the list's members begin with, as `head.layers.`; of attributes it is that of their parent.
        list: String,
        /// The name of the member that is missing.
        missing: String,
        /// The name of the one that was found in its place.
        found: String,
    },
    /// Modules in no order.
    Unordered {
        /// Their names.
        members: Vec<String>,
    },
}

/// Modules in order, and what was concluded to put them so.
#[derive(Debug, Clone, Default)]
pub(super) struct Ordered<'a> {
    pub(super) modules: Vec<&'a Module>,
    /// What the names of all begin with, without the name of their list.
    pub(super) prefix: String,
    pub(super) conclusions: Vec<String>,
}

impl<'a> Node<'a> {
    /// The tree of all modules.
    pub(super) fn of(modules: &'a BTreeMap<String, Module>) -> Self {
        let mut root = Self::default();
        for (stem, module) in modules {
            let mut node = &mut root;
            for part in stem.split_terminator('.') {
                let below = format!("{}{part}.", node.stem);
                node = node.children.entry(part).or_insert_with(|| Self { stem: below, ..Self::default() });
            }
            node.module = Some(module);
        }
        root
    }

    /// The place of this name, with or without its last dot.
    pub(super) fn at(&self, name: &str) -> Option<&Self> {
        name.split_terminator('.').try_fold(self, |node, part| node.children.get(part))
    }

    /// All modules here and below.
    pub(super) fn all(&self) -> Vec<&'a Module> {
        let mut all: Vec<&Module> = self.module.into_iter().collect();
        all.extend(self.children.values().flat_map(Self::all));
        all
    }

    /// The modules here in the order in which a row passes through them.
    pub(super) fn order(&self) -> Result<Ordered<'a>, Disorder> {
        if let Some(module) = self.module {
            if module.kind == Kind::Other {
                return Err(Disorder::Foreign { tensor: module.tensors.first().cloned().unwrap_or_default() });
            }
            if !self.children.is_empty() {
                return Err(self.unordered());
            }
            return Ok(Ordered { modules: vec![module], prefix: self.stem.clone(), conclusions: Vec::new() });
        }
        let numbers: Option<Vec<(u64, &Self)>> =
            self.children.iter().map(|(part, node)| Some((layout::number(part)?, node))).collect();
        match numbers {
            Some(numbers) => self.list(numbers),
            None if self.children.len() == 1 => {
                self.children.values().next().map_or(Err(self.unordered()), Self::order)
            }
            None => match self.with_norms() {
                Some(ordered) => ordered,
                None => self.attributes(),
            },
        }
    }

    /// What the names begin with, without the name of a list that libraries use themselves.
    fn own_prefix(&self) -> String {
        layout::at_dot(&self.stem, "layers.").unwrap_or(&self.stem).to_owned()
    }

    /// A list: its numbers are the order, and none may be missing.
    fn list(&self, mut numbers: Vec<(u64, &Self)>) -> Result<Ordered<'a>, Disorder> {
        numbers.sort_by_key(|(number, _)| *number);
        let library = layout::at_dot(&self.stem, "layers.").is_some();
        if let ([(number, only)], false) = (&numbers[..], library) {
            let mut ordered = only.order()?;
            if *number > 0 && ordered.modules.len() == 1 {
                ordered.conclusions.push(format!("nothing in front of {}", only.name()));
            }
            return Ok(ordered);
        }
        let gap = (0..).zip(&numbers).find(|(expected, (number, _))| expected != number);
        if let Some((missing, &(found, _))) = gap {
            // Whatever is no layer is the greater surprise.
            for (_, node) in &numbers {
                node.order()?;
            }
            let name = |number: u64| format!("{}{number}", self.stem);
            return Err(Disorder::Gap { list: self.stem.clone(), missing: name(missing), found: name(found) });
        }
        let mut ordered = Ordered { prefix: self.own_prefix(), ..Ordered::default() };
        for (_, node) in numbers {
            let part = node.order()?;
            ordered.modules.extend(part.modules);
            ordered.conclusions.extend(part.conclusions);
        }
        Ok(ordered)
    }

    /// Layers and norms in two lists beside each other.
    fn with_norms(&self) -> Option<Result<Ordered<'a>, Disorder>> {
        let [a, b] = self.children.values().collect::<Vec<_>>().try_into().ok()?;
        let norms = |node: &Self| node.all().iter().all(|module| module.kind == Kind::Norm);
        let (layers, norms) = match (norms(a), norms(b)) {
            (false, true) => (a, b),
            (true, false) => (b, a),
            _ => return None,
        };
        let numbered = |node: &Self| node.children.keys().all(|part| layout::number(part).is_some());
        if !numbered(layers) || !numbered(norms) {
            return None;
        }
        let both = layers.order().and_then(|layers| Ok((layers, norms.order()?)));
        let (ordered, stack) = match both {
            Ok((layers, norms)) => (layers, norms.modules),
            Err(disorder) => return Some(Err(disorder)),
        };
        let (before, behind) = (sides(&ordered.modules, &stack, true), sides(&ordered.modules, &stack, false));
        let first = match (before, behind) {
            (true, false) => true,
            (false, true) => false,
            // The form of this library's own heads, where both would do.
            (true, true) if norms.stem.ends_with("norms.") && layers.stem.ends_with("layers.") => true,
            _ => return Some(Err(self.unordered())),
        };
        let mut modules = Vec::new();
        for (at, layer) in ordered.modules.iter().enumerate() {
            modules.extend(stack.get(at).filter(|_| first));
            modules.push(*layer);
            modules.extend(stack.get(at).filter(|_| !first));
        }
        let place = if first { "in front of" } else { "behind" };
        let conclusion = format!("each norm of {} {place} its layer of {}", norms.name(), layers.name());
        let conclusions = ordered.conclusions.into_iter().chain([conclusion]).collect();
        Some(Ok(Ordered { modules, prefix: ordered.prefix, conclusions }))
    }

    /// Attributes with numbers at their ends, as `kan1`, `norm1`, `kan2`.
    fn attributes(&self) -> Result<Ordered<'a>, Disorder> {
        // Each once: places within places would double what there is to do.
        let mut orders: Vec<(&str, Result<Ordered<'a>, Disorder>)> =
            self.children.iter().map(|(part, node)| (*part, node.order())).collect();
        // What is no layer is told before what has no order.
        let foreign = orders.iter().position(|(_, order)| matches!(order, Err(Disorder::Foreign { .. })));
        if let Some((_, Err(disorder))) = foreign.map(|at| orders.swap_remove(at)) {
            return Err(disorder);
        }
        let mut groups: BTreeMap<u64, Vec<(String, Ordered<'a>)>> = BTreeMap::new();
        for (part, order) in orders {
            let letters = part.trim_end_matches(|c: char| c.is_ascii_digit());
            match layout::number(&part[letters.len()..]) {
                Some(number) if !letters.is_empty() => {
                    groups.entry(number).or_default().push((format!("{}{letters}", self.stem), order?));
                }
                _ => return Err(self.unordered()),
            }
        }
        let first = groups.keys().next().map_or(0, |first| (*first).min(1));
        let gap = (first..).zip(&groups).find(|(expected, (number, _))| expected != *number);
        if let Some((missing, (found, members))) = gap {
            let letters = members.first().map_or("", |(letters, _)| letters);
            let name = |number: u64| format!("{letters}{number}");
            return Err(Disorder::Gap { list: self.stem.clone(), missing: name(missing), found: name(*found) });
        }
        let mut ordered = Ordered { prefix: self.stem.clone(), ..Ordered::default() };
        let groups: Vec<Vec<Ordered<'a>>> =
            groups.into_values().map(|group| group.into_iter().map(|(_, order)| order).collect()).collect();
        for (at, group) in groups.iter().enumerate() {
            let next = groups.get(at + 1).and_then(|next| entry(next));
            let chosen = arrange(group, ordered.modules.last().and_then(|last| last.outputs), next);
            let Some(chosen) = chosen else { return Err(self.unordered()) };
            for part in chosen {
                ordered.modules.extend(&part.modules);
                ordered.conclusions.extend(part.conclusions.iter().cloned());
            }
        }
        if !chains(&ordered.modules) {
            return Err(self.unordered());
        }
        let names = ordered.modules.iter().map(|module| Quoted(module.name()).to_string());
        ordered.conclusions.push(format!("nothing between {}", listing(names)));
        Ok(ordered)
    }

    fn unordered(&self) -> Disorder {
        Disorder::Unordered { members: self.children.values().map(|node| node.name().to_owned()).collect() }
    }

    pub(super) fn name(&self) -> &str {
        self.stem.trim_end_matches('.')
    }

    /// The parts of a network that are KANs: the highest places whose modules are in order and fit each other.
    pub(super) fn parts(&self) -> Vec<Ordered<'a>> {
        if !self.all().iter().any(|module| module.is_kan()) {
            return Vec::new();
        }
        match self.order() {
            Ok(ordered) if chains(&ordered.modules) => vec![Ordered { prefix: self.stem.clone(), ..ordered }],
            _ => self.children.values().flat_map(Self::parts).collect(),
        }
    }
}

/// True where norms fit in front of the layers, or behind them, one each; behind the last there may be none.
fn sides(layers: &[&Module], norms: &[&Module], before: bool) -> bool {
    let enough = norms.len() == layers.len() || (!before && norms.len() + 1 == layers.len());
    let side = |layer: &Module| if before { layer.inputs } else { layer.outputs };
    enough && layers.iter().zip(norms).all(|(layer, norm)| side(layer).is_some() && side(layer) == norm.inputs)
}

/// True where each module takes what the one before gives, as far as shapes tell.
pub(super) fn chains(modules: &[&Module]) -> bool {
    modules.windows(2).all(|pair| match (pair[0].outputs, pair[1].inputs) {
        (Some(given), Some(taken)) => given == taken,
        _ => true,
    })
}

/// Inputs of a group where it does not matter which of its members is the first.
fn entry(group: &[Ordered<'_>]) -> Option<usize> {
    let inputs = |part: &Ordered<'_>| part.modules.first().and_then(|module| module.inputs);
    let first = inputs(group.first()?)?;
    group.iter().all(|part| inputs(part) == Some(first)).then_some(first)
}

/// The one arrangement of a group in which all widths fit; `None` where there is none, or several.
fn arrange<'g, 'a>(
    group: &'g [Ordered<'a>],
    before: Option<usize>,
    next: Option<usize>,
) -> Option<Vec<&'g Ordered<'a>>> {
    if group.len() > MAX_CHOICE {
        return None;
    }
    if let [only] = group {
        return Some(vec![only]);
    }
    let fits = |arranged: &[&Ordered<'a>]| {
        let modules: Vec<&Module> = arranged.iter().flat_map(|part| part.modules.iter().copied()).collect();
        let ends = |given: Option<usize>, taken: Option<usize>| given.is_none() || taken.is_none() || given == taken;
        chains(&modules)
            && ends(before, modules.first().and_then(|module| module.inputs))
            && ends(modules.last().and_then(|module| module.outputs), next)
    };
    let mut found = permutations(group.len())
        .into_iter()
        .map(|order| order.into_iter().map(|at| &group[at]).collect::<Vec<_>>())
        .filter(|arranged| fits(arranged));
    match (found.next(), found.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// All orders of `count` things.
fn permutations(count: usize) -> Vec<Vec<usize>> {
    (0..count).fold(vec![Vec::new()], |orders, next| {
        orders
            .into_iter()
            .flat_map(|order: Vec<usize>| {
                (0..=order.len()).map(move |at| {
                    let mut longer = order.clone();
                    longer.insert(at, next);
                    longer
                })
            })
            .collect()
    })
}
