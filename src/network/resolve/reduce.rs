//! Reductions.

use super::attributes::Site;
use super::builder::Builder;
use crate::network::error::NetworkError;
use crate::network::op::{Combine, Map, Reduce, ValueId};

pub(super) fn global(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let x = site.input(0)?;
    let rank = b.shape(x).len();
    if rank < 3 {
        return Err(site.wrong(format!("takes a tensor of {rank} dimensions, expected at least 3")));
    }
    let kind = if site.operator() == "GlobalMaxPool" { Reduce::Max } else { Reduce::Mean };
    b.reduce(kind, x, (2..rank).collect())
}

pub(super) fn reduce(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let (name, mut x) = (site.operator().to_owned(), site.input(0)?);
    let rank = b.shape(x).len();
    // The axes were an attribute until version 18, until 13 for sums.
    let from_input = site.opset >= if name == "ReduceSum" { 13 } else { 18 };
    let axes = match if from_input { site.constant_ints(b, 1)? } else { site.ints("axes")?.map(<[i64]>::to_vec) } {
        Some(axes) if !axes.is_empty() => site.axes(&axes, rank)?,
        _ if from_input && site.int("noop_with_empty_axes", 0)? != 0 => return site.input(0),
        _ => (0..rank).collect(),
    };
    site.ignore(&["noop_with_empty_axes"]);
    let keep = site.int("keepdims", 1)? != 0;
    let kind = match name.as_str() {
        "ReduceMean" => Reduce::Mean,
        "ReduceSum" | "ReduceSumSquare" | "ReduceL1" => Reduce::Sum,
        "ReduceMax" => Reduce::Max,
        "ReduceMin" => Reduce::Min,
        "ReduceProd" => Reduce::Product,
        "ReduceL2" => Reduce::L2,
        _ => return Err(site.unsupported("this operator is not supported")),
    };
    match name.as_str() {
        "ReduceSumSquare" => x = b.combine(Combine::Mul, x, x)?,
        "ReduceL1" => x = b.map(Map::Abs, x)?,
        _ => {}
    }
    let y = if axes.is_empty() { x } else { b.reduce(kind, x, axes.clone())? };
    if keep {
        return Ok(y);
    }
    let shape = b.shape(y).iter().enumerate().filter(|(at, _)| !axes.contains(at)).map(|(_, side)| *side).collect();
    b.reshape(y, shape)
}
