//! Convolution and pooling.

use crate::network::op::{Conv, Pool, PoolKind, Window};
use crate::network::tensor::{Tensor, elements};

/// Calls `f` with the place in the window and in the input (row and column of each) for whatever of the window at an
/// output's `row` and `column` lies in the input.
fn inside(window: &Window, [row, column]: [usize; 2], input: [usize; 2], mut f: impl FnMut([usize; 2], [usize; 2])) {
    let place = |output: usize, tap: usize, at: usize| {
        (output * window.stride[at] + tap * window.dilation[at])
            .checked_sub(window.before[at])
            .filter(|p| *p < input[at])
    };
    for ky in 0..window.kernel[0] {
        let Some(y) = place(row, ky, 0) else { continue };
        for kx in 0..window.kernel[1] {
            if let Some(x) = place(column, kx, 1) {
                f([ky, kx], [y, x]);
            }
        }
    }
}

pub(super) fn conv(conv: &Conv, x: &Tensor, w: &Tensor, bias: Option<&[f32]>, shape: &[usize]) -> Vec<f32> {
    let (values, weights) = (x.to_f32(), w.to_f32());
    let [_, channels, height, width] = *x.shape.as_slice() else { return Vec::new() };
    let [n, outputs, rows, columns] = *shape else { return Vec::new() };
    let [_, per_group, kh, kw] = *w.shape.as_slice() else { return Vec::new() };
    let mut y = Vec::with_capacity(elements(shape).unwrap_or(0));
    for image in 0..n {
        for output in 0..outputs {
            let first = output / (outputs / conv.groups) * per_group;
            for row in 0..rows {
                for column in 0..columns {
                    let mut sum = bias.map_or(0.0, |bias| f64::from(bias[output]));
                    inside(&conv.window, [row, column], [height, width], |[ky, kx], [iy, ix]| {
                        for c in 0..per_group {
                            let x = values[((image * channels + first + c) * height + iy) * width + ix];
                            let w = weights[((output * per_group + c) * kh + ky) * kw + kx];
                            sum += f64::from(x) * f64::from(w);
                        }
                    });
                    y.push(sum as f32);
                }
            }
        }
    }
    y
}

pub(super) fn pool(pool: &Pool, from: &[usize], x: &[f32], shape: &[usize]) -> Vec<f32> {
    let [_, _, height, width] = *from else { return Vec::new() };
    let [n, channels, rows, columns] = *shape else { return Vec::new() };
    let window = &pool.window;
    let mut y = Vec::with_capacity(elements(shape).unwrap_or(0));
    for plane in 0..n * channels {
        for row in 0..rows {
            for column in 0..columns {
                let (mut sum, mut most, mut count) = (0.0, f32::NEG_INFINITY, 0_usize);
                inside(window, [row, column], [height, width], |_, [iy, ix]| {
                    let value = x[(plane * height + iy) * width + ix];
                    sum += f64::from(value);
                    most = most.max(value);
                    count += 1;
                });
                if let PoolKind::AverageOfPadded(end) = pool.kind {
                    let taps = |output: usize, at: usize| {
                        let place = |tap: usize| output * window.stride[at] + tap * window.dilation[at];
                        (0..window.kernel[at]).filter(|tap| place(*tap) < end[at] + window.before[at]).count()
                    };
                    count = taps(row, 0) * taps(column, 1);
                }
                y.push(if pool.kind == PoolKind::Max { most } else { (sum / count.max(1) as f64) as f32 });
            }
        }
    }
    y
}
