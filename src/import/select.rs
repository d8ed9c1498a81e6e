//! Which modules of a file are the head, and in which order.

use std::collections::BTreeSet;

use super::{
    ImportError, ImportOptions,
    layout::{self, Layout},
    listing::listing,
    modules::{self, Kind, Module},
    tensors::Tensors,
    tree::{Disorder, Node, Ordered, chains},
};
use crate::container::Quoted;

/// The modules that make a head.
#[derive(Debug)]
pub(super) struct Selection {
    /// The modules of each branch, in order; there are several where branches stand side by side.
    pub(super) branches: Vec<Vec<Module>>,
    /// What all names begin with and what says nothing about the layout, as `model.head.`; may be empty.
    pub(super) prefix: String,
    /// The library of the first layer.
    pub(super) layout: Layout,
    /// What was concluded.
    pub(super) conclusions: Vec<String>,
}

/// Most branches that stand side by side.
const MAX_BRANCHES: usize = 8;

/// Finds the modules of the head.
pub(super) fn select(tensors: &Tensors<'_>, options: &ImportOptions) -> Result<Selection, ImportError> {
    if tensors.names().next().is_none() {
        return Err(ImportError::Layout("holds no tensors, expected the state dict of a KAN".into()));
    }
    let modules = modules::find(tensors, options.layout)?;
    let root = Node::of(&modules);
    let prefixes: Vec<&str> = match &options.prefix {
        Some(prefix) => prefix.split(',').map(str::trim).collect(),
        None => vec![""],
    };
    if prefixes.len() > MAX_BRANCHES {
        return Err(ImportError::Layout(format!(
            "{} prefixes are too many, expected at most {MAX_BRANCHES}",
            prefixes.len()
        )));
    }
    let mut found = Vec::new();
    for prefix in prefixes {
        let node = root.at(prefix).ok_or_else(|| missing(&root, "--prefix", prefix))?;
        found.push(branch(tensors, &root, node, options)?);
    }
    let kans: BTreeSet<Layout> =
        found.iter().flat_map(|branch| &branch.modules).filter_map(|module| library(module)).collect();
    let layout = match (options.layout, kans.first()) {
        (Some(layout), _) | (None, Some(&layout)) => layout,
        (None, None) => return Err(ImportError::Layout("has no layer of a KAN among these".into())),
    };
    let mut conclusions: Vec<String> = found.iter().flat_map(|branch| branch.conclusions.clone()).collect();
    conclusions.extend(left_out(&modules.values().collect::<Vec<_>>(), &found));
    if found.len() > 1 {
        let names: Vec<&str> = found.iter().map(|branch| branch.prefix.as_str()).collect();
        conclusions.push(format!("outputs side by side: {}", names.join(", ")));
    }
    let prefix = match &found[..] {
        [one] => one.prefix.clone(),
        several => several.iter().map(|branch| branch.prefix.clone()).collect::<Vec<_>>().join(","),
    };
    let branches = found.into_iter().map(|branch| branch.modules.into_iter().cloned().collect()).collect();
    Ok(Selection { branches, prefix, layout, conclusions })
}

fn library(module: &Module) -> Option<Layout> {
    match module.kind {
        Kind::Kan(layout) => Some(layout),
        Kind::Pykan => Some(Layout::Pykan),
        _ => None,
    }
}

/// The modules of one branch, below `node`.
fn branch<'a>(
    tensors: &Tensors<'_>,
    root: &Node<'a>,
    node: &Node<'a>,
    options: &ImportOptions,
) -> Result<Ordered<'a>, ImportError> {
    if !options.layers.is_empty() {
        let ordered = listed(root, node, &options.layers)?;
        refuse_unreadable(tensors, &ordered.modules)?;
        return Ok(ordered);
    }
    refuse_unreadable(tensors, &node.all())?;
    refuse_unknown(tensors, root, node, options)?;
    let mut ordered = node.order().map_err(|disorder| explain(&disorder, root, node))?;
    // In files of this library's own form nothing has to be concluded: the form says where norms stand.
    if tensors.metadata(super::DETECTION_KEY).is_some() {
        ordered.conclusions.clear();
    }
    let libraries: BTreeSet<Layout> = ordered.modules.iter().filter_map(|module| library(module)).collect();
    if libraries.len() > 1 {
        let example = |layout: &Layout| {
            let module = ordered.modules.iter().find(|module| library(module) == Some(*layout));
            format!("{}* is {layout}", Quoted(module.map_or("", |module| &module.stem)))
        };
        let each: Vec<String> = libraries.iter().map(example).collect();
        return Err(ImportError::Layout(format!(
            "mixes layouts: {}; where they follow each other, name them in order with --layers",
            each.join(", ")
        )));
    }
    Ok(ordered)
}

/// The modules that the user names, in that order.
fn listed<'a>(root: &Node<'a>, node: &Node<'a>, names: &[String]) -> Result<Ordered<'a>, ImportError> {
    let mut all = Ordered { prefix: node.stem.clone(), ..Ordered::default() };
    for name in names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        let place = node.at(name).or_else(|| root.at(name)).filter(|place| !place.stem.is_empty());
        let place = place.ok_or_else(|| missing(root, "--layers", name))?;
        let part = place.order().map_err(|disorder| explain(&disorder, root, place))?;
        all.modules.extend(part.modules);
        all.conclusions.extend(part.conclusions);
    }
    if !all.modules.iter().any(|module| module.is_kan()) {
        return Err(ImportError::Layout("--layers names no layer of a KAN".into()));
    }
    if !chains(&all.modules) {
        let each = all.modules.iter().map(|module| format!("{} ({})", Quoted(module.name()), shape(&[module])));
        return Err(ImportError::Layout(format!(
            "--layers names modules that do not follow each other: {}",
            listing(each)
        )));
    }
    Ok(all)
}

/// Refuses what is no tensor at all.
fn refuse_unreadable(tensors: &Tensors<'_>, modules: &[&Module]) -> Result<(), ImportError> {
    let mut names = modules.iter().flat_map(|module| &module.tensors);
    match names.find_map(|name| Some((name, tensors.instead_of(name)?))) {
        None => Ok(()),
        Some((name, what)) => Err(ImportError::tensor(
            name,
            format!("is {what}, expected a tensor of floating point; save the state_dict of the model in that form"),
        )),
    }
}

/// Refuses KANs that are known but not read, and files without any.
fn refuse_unknown(
    tensors: &Tensors<'_>,
    root: &Node<'_>,
    node: &Node<'_>,
    options: &ImportOptions,
) -> Result<(), ImportError> {
    let all = node.all();
    let names: Vec<&str> = all.iter().flat_map(|module| &module.tensors).map(String::as_str).collect();
    let kan = all.iter().any(|module| module.is_kan());
    if let (None, Some(other)) = (options.layout, layout::elsewhere(tensors, &names)) {
        return Err(ImportError::Layout(format!("is {other}, which is not supported; {}", layout::known())));
    }
    if kan {
        return Ok(());
    }
    let names = layout::some_names(&names);
    Err(ImportError::Layout(match (options.layout, parts(root).is_empty()) {
        (Some(layout), _) => format!("has no tensor of a {layout} layer: it has {names}"),
        (None, false) => format!("has no layer of a KAN under {}; {}", Quoted(&node.stem), told(root)),
        (None, true) => format!("follows no known layout: it has {names}; {}", layout::known()),
    }))
}

/// Why a file is not read with the layout that was asked for, where its tensors are told to be another library's.
pub(super) fn about_layout(tensors: &Tensors<'_>, asked: Layout, problem: ImportError) -> ImportError {
    let Ok(modules) = modules::find(tensors, None) else { return problem };
    let told: BTreeSet<Layout> = modules.values().filter_map(library).collect();
    let Some(other) = told.first().filter(|other| told.len() == 1 && **other != asked) else { return problem };
    match problem {
        ImportError::Layout(_) => {
            ImportError::Layout(format!("has the tensors of {other}, not of {asked}: leave out --layout"))
        }
        ImportError::Tensor { tensor, problem } => ImportError::Tensor {
            tensor,
            problem: format!("{problem}; the tensors are those of {other}: leave out --layout"),
        },
        problem => problem,
    }
}

fn missing(root: &Node<'_>, option: &str, name: &str) -> ImportError {
    ImportError::Layout(format!("has no tensors under {} of {option}; {}", Quoted(name), told(root)))
}

/// Why modules have no order, and what to do about it.
fn explain(disorder: &Disorder, root: &Node<'_>, node: &Node<'_>) -> ImportError {
    match disorder {
        Disorder::Foreign { tensor } => {
            let also = match parts(root).len() {
                0 => String::new(),
                _ => format!("; {}", told(root)),
            };
            ImportError::tensor(
                tensor,
                format!("belongs to no layer of a KAN, and leaving it out could change the result{also}"),
            )
        }
        Disorder::Gap { list, missing, found } => {
            let members: Vec<String> = siblings(node, list);
            ImportError::Layout(format!(
                "has tensors of {} but none of {}, where an activation may stand that has none; if nothing stands there but a \
                 Dropout, say so with --layers {}",
                Quoted(found),
                Quoted(missing),
                listed_names(&members)
            ))
        }
        Disorder::Unordered { members } => {
            let widths = match order_of_widths(root, members) {
                Some(names) => format!(
                    "; the widths fit in one order alone, in which an activation may stand that has no tensors: if none does, say so \
                     with --layers {}",
                    Quoted(&names.join(","))
                ),
                None => String::new(),
            };
            ImportError::Layout(format!(
                "has modules whose order their names do not tell: {}; {}{widths}",
                listing(members.iter().map(|name| Quoted(name).to_string())),
                told(root)
            ))
        }
    }
}

/// The only order in which each of several modules takes what the one before gives.
fn order_of_widths(root: &Node<'_>, members: &[String]) -> Option<Vec<String>> {
    const MOST: usize = 6;
    if !(2..=MOST).contains(&members.len()) {
        return None;
    }
    let ends = |name: &String| {
        let part = root.at(name)?.order().ok().filter(|part| chains(&part.modules))?;
        Some((part.modules.first()?.inputs?, part.modules.last()?.outputs?))
    };
    let ends: Vec<(usize, usize)> = members.iter().map(ends).collect::<Option<_>>()?;
    let mut found: Vec<Vec<usize>> = Vec::new();
    let mut open: Vec<Vec<usize>> = (0..members.len()).map(|first| vec![first]).collect();
    while let Some(order) = open.pop() {
        if order.len() == members.len() {
            found.push(order);
            continue;
        }
        let given = order.last().map(|&last| ends[last].1);
        let next = (0..members.len()).filter(|at| !order.contains(at) && Some(ends[*at].0) == given);
        open.extend(next.map(|at| [&order[..], &[at]].concat()));
    }
    match &found[..] {
        [only] => Some(only.iter().map(|&at| members[at].clone()).collect()),
        _ => None,
    }
}

/// The members of a list, in order.
fn siblings(node: &Node<'_>, list: &str) -> Vec<String> {
    let mut members: Vec<(u64, String)> = Vec::new();
    for module in node.all() {
        let Some(rest) = module.stem.strip_prefix(list) else { continue };
        let part = rest.split('.').next().unwrap_or_default();
        let digits = &part[part.trim_end_matches(|c: char| c.is_ascii_digit()).len()..];
        let name = format!("{list}{part}");
        if let Some(number) = layout::number(digits)
            && !members.iter().any(|(_, known)| *known == name)
        {
            members.push((number, name));
        }
    }
    members.sort();
    members.into_iter().map(|(_, name)| name).collect()
}

fn listed_names(names: &[String]) -> String {
    if names.len() > 10 { "with their names in order".into() } else { Quoted(&names.join(",")).to_string() }
}

fn parts<'a>(root: &Node<'a>) -> Vec<Ordered<'a>> {
    root.parts()
}

/// The KANs in a file, with their shapes, and the option that chooses among them.
fn told(root: &Node<'_>) -> String {
    let (kernels, parts): (Vec<_>, Vec<_>) = parts(root).into_iter().partition(is_kernel);
    let also = match kernels.len() {
        0 => String::new(),
        count => format!(
            "; {} is a kernel of a convolutional KAN, which is not supported{}",
            Quoted(&kernels[0].prefix),
            if count > 1 { format!(", and {} more are", count - 1) } else { String::new() }
        ),
    };
    let each = parts.iter().map(|part| {
        let name = if part.prefix.is_empty() { "the whole file".into() } else { Quoted(&part.prefix).to_string() };
        format!("{name} ({})", shape(&part.modules))
    });
    let each = listing(each);
    let told = match &parts[..] {
        [] => "it has no layer of a KAN that can be read".into(),
        [one] if one.prefix.is_empty() => format!("its KAN is {each}"),
        [one] => format!("its KAN is {each}: choose it with --prefix {}", Quoted(&one.prefix)),
        [first, ..] => {
            let mut order: Vec<&Ordered<'_>> = parts.iter().collect();
            order.sort_by_key(|part| layout::numbered(&part.prefix).map(|(_, number)| number));
            let modules: Vec<&Module> = order.iter().flat_map(|part| part.modules.iter().copied()).collect();
            let names: Vec<String> = order.iter().map(|part| part.prefix.trim_end_matches('.').to_owned()).collect();
            let option = if chains(&modules) && names.len() <= 10 {
                format!("name all modules of the head in order, as with --layers {}", Quoted(&names.join(",")))
            } else {
                format!(
                    "choose one with --prefix {}, or several side by side with --prefix {}",
                    Quoted(&first.prefix),
                    Quoted(&parts.iter().take(3).map(|part| part.prefix.as_str()).collect::<Vec<_>>().join(","))
                )
            };
            format!("its KANs are {each}: {option}")
        }
    };
    told + &also
}

/// True for the kernel of a convolution: one output for a window of the image.
fn is_kernel(part: &Ordered<'_>) -> bool {
    part.prefix.split('.').any(|name| name.starts_with("conv"))
        && part.modules.len() == 1
        && part.modules.last().and_then(|last| last.outputs) == Some(1)
}

/// Widths of modules in order, as `6 -> 4 -> 3`.
fn shape(modules: &[&Module]) -> String {
    let width = |side: Option<usize>| side.map_or_else(|| "?".to_owned(), |width| width.to_string());
    let mut text = width(modules.first().and_then(|module| module.inputs));
    for module in modules.iter().filter(|module| module.kind != Kind::Norm) {
        text.push_str(" -> ");
        text.push_str(&width(module.outputs));
    }
    text
}

/// What of the file is no part of the head.
fn left_out(modules: &[&Module], found: &[Ordered<'_>]) -> Option<String> {
    let chosen: BTreeSet<&str> =
        found.iter().flat_map(|branch| &branch.modules).map(|module| module.stem.as_str()).collect();
    let others = modules.iter().filter(|module| !chosen.contains(module.stem.as_str()));
    let names: Vec<&String> = others.flat_map(|module| &module.tensors).collect();
    let first = names.first()?;
    Some(match names.len() {
        1 => format!("tensor {} is left out", Quoted(first)),
        count => format!("{count} tensors are left out, {} the first", Quoted(first)),
    })
}
