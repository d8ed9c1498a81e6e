//! Convolutions and pooling: windows that slide.

use super::attributes::Site;
use super::builder::Builder;
use crate::network::error::{NetworkError, Shape};
use crate::network::op::{Conv, Op, Pool, PoolKind, ValueId, Window};

/// A window over a tensor, and what it makes of height and width.
struct Sliding {
    window: Window,
    after: [usize; 2],
    output: [usize; 2],
}

/// Longest side of a window, stride, dilation or padding.
const MAX_SIDE: i64 = 1 << 20;

/// Reads the attributes of a window of `kernel` over `input` (height and width; one-dimensional ones have a height of 1).
fn sliding(site: &Site<'_>, input: [usize; 2], kernel: [usize; 2], spatial: usize) -> Result<Sliding, NetworkError> {
    let sides = |name: &str, default: i64, parts: usize| -> Result<Vec<usize>, NetworkError> {
        let given = site.ints(name)?;
        let values = given.map_or_else(|| vec![default; parts], <[i64]>::to_vec);
        if values.len() != parts {
            return Err(site.wrong(format!("its attribute {name} has {} numbers, expected {parts}", values.len())));
        }
        let side = |value: &i64| {
            if !(default..=MAX_SIDE).contains(value) {
                let expected = format!("expected {default} to {MAX_SIDE}");
                return Err(site.wrong(format!("its attribute {name} has {value}, {expected}")));
            }
            Ok(*value as usize)
        };
        values.iter().map(side).collect()
    };
    let two = |mut values: Vec<usize>, first: usize| {
        if values.len() == 1 {
            values.insert(0, first);
        }
        [values[0], values[1]]
    };
    let stride = two(sides("strides", 1, spatial)?, 1);
    let dilation = two(sides("dilations", 1, spatial)?, 1);
    let pads = sides("pads", 0, 2 * spatial)?;
    let (before, after) = pads.split_at(spatial);
    let (mut before, mut after) = (two(before.to_vec(), 0), two(after.to_vec(), 0));
    let ceil = site.int("ceil_mode", 0)? != 0;
    let auto_pad = site.text("auto_pad", "NOTSET")?;
    let mut output = [0; 2];
    for at in 0..2 {
        let extent = (kernel[at] - 1)
            .checked_mul(dilation[at])
            .ok_or_else(|| site.wrong("its window is larger than can be counted"))?
            + 1;
        match auto_pad {
            "NOTSET" | "" => {}
            "VALID" => (before[at], after[at]) = (0, 0),
            "SAME_UPPER" | "SAME_LOWER" => {
                let wanted = ((input[at].div_ceil(stride[at]) - 1) * stride[at] + extent).saturating_sub(input[at]);
                let less = wanted / 2;
                (before[at], after[at]) =
                    if auto_pad == "SAME_UPPER" { (less, wanted - less) } else { (wanted - less, less) };
            }
            other => {
                return Err(site.wrong(format!("its attribute auto_pad is {:?}", other.get(..20).unwrap_or("long"))));
            }
        }
        let padded = input[at] + before[at] + after[at];
        let Some(room) = padded.checked_sub(extent) else {
            let found = format!("{} elements with padding", padded);
            return Err(site.wrong(format!("its window spans {extent} elements, but there are only {found}")));
        };
        let mut steps = room / stride[at];
        // The last window must begin in the input or the padding before it.
        if ceil && room % stride[at] != 0 && (steps + 1) * stride[at] < input[at] + before[at] {
            steps += 1;
        }
        output[at] = steps + 1;
    }
    Ok(Sliding { window: Window { kernel, stride, dilation, before }, after, output })
}

/// A tensor `[N,C,L]` as `[N,C,1,L]`; others as they are. Gives the number of spatial dimensions.
fn spatial(b: &mut Builder, site: &Site<'_>, x: ValueId) -> Result<(ValueId, usize), NetworkError> {
    match *b.shape(x) {
        [n, c, l] => Ok((b.reshape(x, vec![n, c, 1, l])?, 1)),
        [..] if b.shape(x).len() == 4 => Ok((x, 2)),
        ref shape => Err(site.unsupported(format!("takes a tensor of {} dimensions, expected 3 or 4", shape.len()))),
    }
}

fn without_height(b: &mut Builder, y: ValueId, spatial: usize) -> Result<ValueId, NetworkError> {
    match *b.shape(y) {
        [n, c, 1, l] if spatial == 1 => b.reshape(y, vec![n, c, l]),
        _ => Ok(y),
    }
}

pub(super) fn conv(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let (x, dimensions) = spatial(b, site, site.input(0)?)?;
    let (w, of_w) = spatial(b, site, site.input(1)?)?;
    let (&[n, channels, height, width], &[outputs, per_group, kh, kw]) = (b.shape(x), b.shape(w)) else {
        return Err(site.unsupported("takes tensors of other than 4 dimensions"));
    };
    let groups = usize::try_from(site.int("group", 1)?).unwrap_or(0);
    let fits = groups > 0
        && of_w == dimensions
        && per_group.checked_mul(groups) == Some(channels)
        && outputs > 0
        && outputs % groups == 0
        && kh > 0
        && kw > 0;
    if !fits {
        let (x, w) = (Shape(b.shape(x)), Shape(b.shape(w)));
        return Err(site.wrong(format!("takes {x} and weights of {w} in {groups} groups, which do not go together")));
    }
    if let Some(kernel) = site.ints("kernel_shape")? {
        let of_weights: Vec<i64> = [kh as i64, kw as i64][2 - dimensions..].to_vec();
        if kernel != of_weights {
            return Err(site.wrong(format!("its kernel_shape is {kernel:?}, but its weights have {of_weights:?}")));
        }
    }
    let sliding = sliding(site, [height, width], [kh, kw], dimensions)?;
    let mut inputs = vec![x, w];
    if let Some(bias) = site.optional(2) {
        if b.shape(bias) != [outputs] {
            return Err(site.wrong(format!("its bias is {}, expected [{outputs}]", Shape(b.shape(bias)))));
        }
        inputs.push(bias);
    }
    let shape = vec![n, outputs, sliding.output[0], sliding.output[1]];
    let element = b.element(x);
    let y = b.emit(Op::Conv(Conv { window: sliding.window, groups }), &inputs, shape, element)?;
    without_height(b, y, dimensions)
}

pub(super) fn pool(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let (x, dimensions) = spatial(b, site, site.input(0)?)?;
    let &[n, channels, height, width] = b.shape(x) else {
        return Err(site.unsupported("takes a tensor of other than 4 dimensions"));
    };
    let kernel = match site.ints("kernel_shape")? {
        Some(&[w]) if dimensions == 1 => [1, w],
        Some(&[h, w]) if dimensions == 2 => [h, w],
        other => {
            let found = other.map_or(0, <[i64]>::len);
            return Err(site.wrong(format!("its kernel_shape has {found} numbers, expected {dimensions}")));
        }
    };
    if kernel.iter().any(|side| !(1..=MAX_SIDE).contains(side)) {
        return Err(site.wrong(format!("its kernel_shape is {kernel:?}, expected sides from 1 to {MAX_SIDE}")));
    }
    let kernel = kernel.map(|side| side as usize);
    let sliding = sliding(site, [height, width], kernel, dimensions)?;
    let kind = if site.operator() == "MaxPool" {
        site.ignore(&["storage_order"]);
        PoolKind::Max
    } else if site.int("count_include_pad", 0)? != 0 {
        PoolKind::AverageOfPadded([height + sliding.after[0], width + sliding.after[1]])
    } else {
        PoolKind::Average
    };
    let window = sliding.window;
    if (0..2).any(|at| window.before[at] > (window.kernel[at] - 1) * window.dilation[at]) {
        return Err(site.wrong("its padding is as large as its window, expected less"));
    }
    let shape = vec![n, channels, sliding.output[0], sliding.output[1]];
    let element = b.element(x);
    let y = b.emit(Op::Pool(Pool { window, kind }), &[x], shape, element)?;
    without_height(b, y, dimensions)
}
