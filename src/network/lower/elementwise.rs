//! Arithmetic on elements.

use super::{Lowering, word};
use crate::network::error::NetworkError;
use crate::network::expression::Term;
use crate::network::kernel::{Arithmetic, Kernel, KernelKind, LANES, Load};
use crate::network::tensor::elements;
use crate::network::view::View;

/// Most dimensions that a kernel walks through.
const MAX_DIMENSIONS: usize = 8;

impl Lowering<'_> {
    /// Room for the result of arithmetic: laid out as the largest operand.
    pub(super) fn arithmetic_output(&mut self, operands: &[View], shape: &[usize]) -> View {
        let whole = operands.iter().filter(|view| view.shape.len() == shape.len());
        let order = whole.max_by_key(|view| view.count()).map(View::order);
        self.new_tensor(shape, &order.unwrap_or_else(|| (0..shape.len()).collect()))
    }

    /// Puts the arithmetic's result to `to`; operands are broadcast to its shape.
    pub(super) fn elementwise(
        &mut self,
        expression: &[Term],
        operands: &[View],
        to: &View,
    ) -> Result<(), NetworkError> {
        let shape = to.shape.clone();
        if to.count() == 0 {
            return Ok(());
        }
        let mut views: Vec<View> = vec![to.clone()];
        views.extend(operands.iter().map(|operand| operand.broadcast(&shape)));
        let mut dimensions = walk(&views);
        if dimensions.len() > MAX_DIMENSIONS {
            return Err(self.unsupported(format!("arithmetic over {} dimensions", dimensions.len())));
        }
        // Four elements at a time where all lie next to each other or are one and the same.
        let innermost = &dimensions[0];
        let fours = |at: usize| {
            let aligned = views[at].offset.is_multiple_of(4) && dimensions[1..].iter().all(|d| d.strides[at] % 4 == 0);
            innermost.strides[at] == 1 && aligned || at > 0 && innermost.strides[at] == 0
        };
        let quads = innermost.side.is_multiple_of(4) && (0..views.len()).all(fours);
        let width = if quads { 4 } else { 1 };
        let splat: Vec<bool> = (0..views.len()).map(|at| quads && innermost.strides[at] == 0).collect();
        if quads {
            dimensions[0].side /= 4;
        }
        let units = elements(&shape).unwrap_or(0) / width;
        let mut params = vec![units as u32, 0, 0, 0];
        super::eight(&mut params, dimensions.iter().map(|d| d.side as u32));
        for (at, view) in views.iter().enumerate() {
            let unit = if splat[at] { 1 } else { width as isize };
            let end = params.len() + 12;
            params.push(word(view.offset as isize / unit));
            for (d, dimension) in dimensions.iter().enumerate() {
                // The innermost dimension has been counted in fours already.
                let stride = dimension.strides[at];
                params.push(word(if d == 0 && quads { stride } else { stride / unit }));
            }
            params.resize(end, 0);
        }
        let loads = splat[1..].iter().map(|splat| if *splat { Load::Splat } else { Load::Whole }).collect();
        let kind = KernelKind::Elementwise { dimensions: dimensions.len(), width };
        let kernel = Kernel::new(kind, Arithmetic { expression: expression.to_vec(), operands: loads });
        let buffers = std::iter::once(to.buffer).chain(operands.iter().map(|view| view.buffer)).collect();
        let work = (units * width * expression.len()) as u64;
        self.push_with(kernel, params, buffers, units.div_ceil(LANES), &shape, work);
        Ok(())
    }
}

/// A dimension that several tensors are walked along.
pub(super) struct Dimension {
    pub(super) side: usize,
    /// One for each tensor.
    pub(super) strides: Vec<isize>,
}

/// The dimensions of views of one shape, innermost of the first view first, neighbours joined where all views allow it.
pub(super) fn walk(views: &[View]) -> Vec<Dimension> {
    let Some(first) = views.first() else { return Vec::new() };
    let mut joined: Vec<Dimension> = Vec::new();
    for at in first.order().into_iter().rev().filter(|at| first.shape[*at] != 1) {
        let (side, strides) = (first.shape[at], views.iter().map(|view| view.strides[at]).collect::<Vec<_>>());
        match joined.last_mut() {
            Some(inner) if (0..views.len()).all(|v| strides[v] == inner.strides[v] * inner.side as isize) => {
                inner.side *= side;
            }
            _ => joined.push(Dimension { side, strides }),
        }
    }
    if joined.is_empty() {
        joined.push(Dimension { side: 1, strides: vec![0; views.len()] });
    }
    joined
}
