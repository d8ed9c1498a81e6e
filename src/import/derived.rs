//! Tensors that a file holds as several: pruned ones as values and mask, normalised ones as direction and length.
//!
//! PyTorch computes them anew for every batch. In eval mode nothing changes from one to the next, so they are computed here
//! once, and exactly.

use std::collections::BTreeMap;
use std::io;

use super::{
    ImportError,
    tensors::{ElementType, Entry, Source},
};

/// How a tensor is computed from what is stored.
#[derive(Debug, Clone)]
pub(super) enum Derived {
    /// `torch.nn.utils.prune`: a product.
    Masked { values: Entry, mask: Entry },
    /// `weight_norm`: each slice of `direction` has a length of its own.
    Lengths { direction: Entry, lengths: Entry, axis: usize },
    /// `spectral_norm`: the values over their largest singular value, by its two vectors.
    Spectral { values: Entry, left: Entry, right: Entry },
}

/// Joins the tensors that stand for one; the notes say which.
pub(super) fn join(
    entries: &mut BTreeMap<String, Entry>,
) -> Result<(BTreeMap<String, Derived>, Vec<String>), ImportError> {
    let mut joined = BTreeMap::new();
    let (mut masked, mut normalised) = (0, 0);
    let names: Vec<String> = entries.keys().cloned().collect();
    for name in &names {
        let Some((whole, derived, parts)) = whole(entries, name) else { continue };
        if entries.contains_key(&whole) {
            return Err(ImportError::tensor(
                &whole,
                format!("stands there twice, by itself and as {}", parts.join(", ")),
            ));
        }
        let shown = match &derived {
            Derived::Masked { values, .. } | Derived::Spectral { values, .. } => values.clone(),
            Derived::Lengths { direction, .. } => direction.clone(),
        };
        match &derived {
            Derived::Masked { .. } => masked += 1,
            Derived::Lengths { .. } | Derived::Spectral { .. } => normalised += 1,
        }
        for part in parts {
            entries.remove(&part);
        }
        entries.insert(whole.clone(), shown);
        joined.insert(whole, derived);
    }
    let mut notes = Vec::new();
    if masked > 0 {
        notes.push(format!("{masked} pruned tensors multiplied with their masks"));
    }
    if normalised > 0 {
        notes.push(format!("{normalised} normalised weights computed from their parts"));
    }
    Ok((joined, notes))
}

/// The tensor that `name` is the first part of: its name, how it is computed, and its parts.
fn whole(entries: &BTreeMap<String, Entry>, name: &str) -> Option<(String, Derived, Vec<String>)> {
    let get = |name: &str| entries.get(name).cloned();
    if let Some(stem) = name.strip_suffix("_orig") {
        let of = |end: &str| format!("{stem}{end}");
        let values = get(name)?;
        if let Some(mask) = get(&of("_mask")).filter(|mask| mask.shape == values.shape) {
            let parts = vec![name.to_owned(), of("_mask")];
            return Some((stem.to_owned(), Derived::Masked { values, mask }, parts));
        }
        let (left, right) = (get(&of("_u"))?, get(&of("_v"))?);
        let parts = vec![name.to_owned(), of("_u"), of("_v")];
        return spectral(values, left, right).map(|derived| (stem.to_owned(), derived, parts));
    }
    if let Some(stem) = name.strip_suffix("_g") {
        let direction = format!("{stem}_v");
        let derived = lengths(get(&direction)?, get(name)?)?;
        return Some((stem.to_owned(), derived, vec![name.to_owned(), direction]));
    }
    let (module, rest) = match name.split_once("parametrizations.") {
        Some((module, rest)) if module.is_empty() || module.ends_with('.') => (module, rest),
        _ => return None,
    };
    let of = |leaf: &str, end: &str| format!("{module}parametrizations.{leaf}.{end}");
    if let Some(leaf) = rest.strip_suffix(".original0") {
        let direction = of(leaf, "original1");
        let derived = lengths(get(&direction)?, get(name)?)?;
        return Some((format!("{module}{leaf}"), derived, vec![name.to_owned(), direction]));
    }
    let leaf = rest.strip_suffix(".original")?;
    let [left, right] = ["0._u", "0._v"].map(|end| of(leaf, end));
    let derived = spectral(get(name)?, get(&left)?, get(&right)?)?;
    Some((format!("{module}{leaf}"), derived, vec![name.to_owned(), left, right]))
}

/// Lengths have one value a slice of the direction, all their sides but one being 1, or one for the whole (`dim=None`).
fn lengths(direction: Entry, lengths: Entry) -> Option<Derived> {
    if lengths.shape.is_empty() && !direction.shape.is_empty() {
        return Some(Derived::Lengths { direction, lengths, axis: 0 });
    }
    let axis = lengths.shape.iter().position(|&side| side != 1).unwrap_or(0);
    let fits = lengths.shape.len() == direction.shape.len()
        && lengths.shape.iter().enumerate().all(|(at, &side)| side == if at == axis { direction.shape[at] } else { 1 });
    fits.then_some(Derived::Lengths { direction, lengths, axis })
}

fn spectral(values: Entry, left: Entry, right: Entry) -> Option<Derived> {
    let (rows, columns) = values.shape.split_first()?;
    let columns: usize = columns.iter().product();
    (left.shape == [*rows] && right.shape == [columns]).then_some(Derived::Spectral { values, left, right })
}

impl Derived {
    /// The parts that are read.
    pub(super) fn elements(&self) -> Vec<&ElementType> {
        let parts: Vec<&Entry> = match self {
            Self::Masked { values, mask } => vec![values, mask],
            Self::Lengths { direction, lengths, .. } => vec![direction, lengths],
            Self::Spectral { values, left, right } => vec![values, left, right],
        };
        parts.into_iter().map(|part| &part.element).collect()
    }

    /// All values in row-major order.
    pub(super) fn values(&self, source: &mut dyn Source) -> io::Result<Vec<f64>> {
        match self {
            Self::Masked { values, mask } => {
                let mut all = values.values(source)?;
                let mut at = 0;
                mask.read(source, |mask| {
                    all[at] *= mask;
                    at += 1;
                })?;
                Ok(all)
            }
            Self::Lengths { direction, lengths, axis } => {
                let (mut all, lengths) = (direction.values(source)?, lengths.values(source)?);
                let inner: usize = direction.shape[axis + 1..].iter().product();
                let slice = |at: usize| at / inner % lengths.len();
                let mut squares = vec![0.0; lengths.len()];
                all.iter().enumerate().for_each(|(at, value)| squares[slice(at)] += value * value);
                all.iter_mut().enumerate().for_each(|(at, value)| {
                    *value *= lengths[slice(at)] / squares[slice(at)].sqrt();
                });
                Ok(all)
            }
            Self::Spectral { values, left, right } => {
                let mut all = values.values(source)?;
                let (left, right) = (left.values(source)?, right.values(source)?);
                let rows = all.chunks_exact(right.len()).zip(&left);
                let row = |row: &[f64]| row.iter().zip(&right).map(|(value, right)| value * right).sum::<f64>();
                let sigma: f64 = rows.map(|(values, left)| left * row(values)).sum();
                all.iter_mut().for_each(|value| *value /= sigma);
                Ok(all)
            }
        }
    }
}
