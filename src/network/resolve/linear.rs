//! Products of matrices.

use super::attributes::Site;
use super::builder::Builder;
use crate::network::error::NetworkError;
use crate::network::op::{Combine, ValueId};

pub(super) fn gemm(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let (mut x, mut w) = (site.input(0)?, site.input(1)?);
    if b.shape(x).len() != 2 || b.shape(w).len() != 2 {
        return Err(site.wrong("takes tensors of other than 2 dimensions"));
    }
    if site.int("transA", 0)? != 0 {
        x = b.transpose(x, vec![1, 0])?;
    }
    if site.int("transB", 0)? != 0 {
        w = b.transpose(w, vec![1, 0])?;
    }
    let mut y = b.matmul(x, w)?;
    let (alpha, beta) = (site.float("alpha", 1.0)?, site.float("beta", 1.0)?);
    if alpha != 1.0 {
        let alpha = b.scalar(alpha);
        y = b.combine(Combine::Mul, y, alpha)?;
    }
    if let Some(mut c) = site.optional(2) {
        if beta != 1.0 {
            let beta = b.scalar(beta);
            c = b.combine(Combine::Mul, c, beta)?;
        }
        let shape = b.shape(y).to_vec();
        y = b.combine(Combine::Add, y, c)?;
        if b.shape(y) != shape {
            return Err(site.wrong("its third input has more dimensions than the product"));
        }
    }
    Ok(y)
}

/// As numpy has it: vectors become matrices for the product.
pub(super) fn matmul(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let (mut x, mut w) = (site.input(0)?, site.input(1)?);
    let (of_x, of_w) = (b.shape(x).to_vec(), b.shape(w).to_vec());
    if of_x.len() == 1 {
        x = b.reshape(x, vec![1, of_x[0]])?;
    }
    if of_w.len() == 1 {
        w = b.reshape(w, vec![of_w[0], 1])?;
    }
    let y = b.matmul(x, w)?;
    let mut shape = b.shape(y).to_vec();
    if of_w.len() == 1 {
        shape.pop();
    }
    if of_x.len() == 1 {
        let at = shape.len().saturating_sub(if of_w.len() == 1 { 1 } else { 2 });
        shape.remove(at);
    }
    b.reshape(y, shape)
}
