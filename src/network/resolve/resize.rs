//! Resizing, put into tables of which elements each one is made from.

use super::attributes::Site;
use super::builder::Builder;
use crate::network::error::NetworkError;
use crate::network::op::{Op, Taps, ValueId};

/// How positions of the output become positions of the input. All arithmetic is in f32, as in onnxruntime: where a
/// position falls between two elements decides which is the nearest.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Coordinates {
    HalfPixel,
    PytorchHalfPixel,
    HalfPixelSymmetric,
    AlignCorners,
    Asymmetric,
    TfHalfPixelForNearest,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Nearest {
    PreferFloor,
    PreferCeil,
    Floor,
    Ceil,
    /// What version 10 does: the ceiling where a dimension shrinks.
    Simple,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Nearest(Nearest),
    Linear,
    /// The coefficient, and whether elements outside count for nothing.
    Cubic(f32, bool),
}

/// A dimension that is resized.
#[derive(Debug, Clone, Copy)]
struct Resized {
    from: usize,
    to: usize,
    scale: f32,
}

impl Resized {
    fn position(self, at: usize, coordinates: Coordinates) -> f32 {
        let (x, from, to) = (at as f32, self.from as f32, self.to as f32);
        match coordinates {
            Coordinates::HalfPixel => (x + 0.5) / self.scale - 0.5,
            Coordinates::PytorchHalfPixel if self.to > 1 => (x + 0.5) / self.scale - 0.5,
            Coordinates::PytorchHalfPixel => 0.0,
            Coordinates::HalfPixelSymmetric => {
                let offset = from / 2.0 * (1.0 - to / (self.scale * from));
                offset + (x + 0.5) / self.scale - 0.5
            }
            Coordinates::AlignCorners if self.to > 1 => x * (from - 1.0) / (to - 1.0),
            Coordinates::AlignCorners => 0.0,
            Coordinates::Asymmetric => x / self.scale,
            Coordinates::TfHalfPixelForNearest => (x + 0.5) / self.scale,
        }
    }

    fn taps(self, mode: Mode, coordinates: Coordinates) -> Taps {
        let last = self.from.saturating_sub(1) as f32;
        if self.from == self.to && self.scale == 1.0 {
            return Taps { count: 1, index: (0..self.to as u32).collect(), weight: vec![1.0; self.to] };
        }
        let count = match mode {
            Mode::Nearest(_) => 1,
            Mode::Linear => 2,
            Mode::Cubic(..) => 4,
        };
        let mut taps = Taps { count, index: Vec::new(), weight: Vec::new() };
        for at in 0..self.to {
            let position = self.position(at, coordinates);
            match mode {
                Mode::Nearest(nearest) => {
                    let rounded = match nearest {
                        Nearest::PreferFloor => (position - 0.5).ceil(),
                        Nearest::PreferCeil => (position + 0.5).floor(),
                        Nearest::Floor => position.floor(),
                        Nearest::Ceil => position.ceil(),
                        Nearest::Simple if self.scale < 1.0 => position.ceil(),
                        Nearest::Simple => position.trunc(),
                    };
                    taps.index.push(rounded.clamp(0.0, last) as u32);
                    taps.weight.push(1.0);
                }
                Mode::Linear => {
                    let position = position.clamp(0.0, last);
                    let (low, part) = (position.floor(), position - position.floor());
                    taps.index.extend([low as u32, (low + 1.0).min(last) as u32]);
                    taps.weight.extend([1.0 - part, part]);
                }
                Mode::Cubic(a, exclude) => {
                    let (low, part) = (position.floor(), position - position.floor());
                    let near = |x: f32| ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
                    let far = |x: f32| ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
                    let mut weights = [far(part + 1.0), near(part), near(1.0 - part), far(2.0 - part)];
                    if exclude {
                        for (tap, weight) in weights.iter_mut().enumerate() {
                            if !(0.0..=last).contains(&(low - 1.0 + tap as f32)) {
                                *weight = 0.0;
                            }
                        }
                        let sum: f32 = weights.iter().sum();
                        weights = weights.map(|weight| weight / sum);
                    }
                    taps.index.extend((0..4).map(|tap| (low - 1.0 + tap as f32).clamp(0.0, last) as u32));
                    taps.weight.extend(weights);
                }
            }
        }
        taps
    }
}

/// Scales or sizes for every dimension.
fn targets(b: &Builder, site: &Site<'_>, shape: &[usize]) -> Result<Vec<Resized>, NetworkError> {
    let (scales, sizes) = match (site.operator(), site.opset) {
        ("Upsample", ..9) => (site.floats("scales")?.map(<[f32]>::to_vec), None),
        ("Upsample", _) | (_, ..11) => (site.constant(b, 1)?.map(|scales| scales.to_f32()), None),
        _ => {
            let scales = site.constant(b, 2)?.map(|scales| scales.to_f32()).filter(|scales| !scales.is_empty());
            (scales, site.constant_ints(b, 3)?.filter(|sizes| !sizes.is_empty()))
        }
    };
    let axes = match if site.opset >= 18 { site.ints("axes")? } else { None } {
        Some(axes) => {
            site.axes(axes, shape.len())?;
            axes.iter().map(|axis| site.axis(*axis, shape.len())).collect::<Result<Vec<_>, _>>()?
        }
        None => (0..shape.len()).collect(),
    };
    let mut all: Vec<Resized> = shape.iter().map(|side| Resized { from: *side, to: *side, scale: 1.0 }).collect();
    let given = scales.as_ref().map(Vec::len).or(sizes.as_ref().map(Vec::len)).unwrap_or(0);
    if given != axes.len() {
        return Err(site.wrong(format!("has {given} scales or sizes, expected {}", axes.len())));
    }
    for (at, axis) in axes.into_iter().enumerate() {
        let from = shape[axis];
        let (to, scale) = match (&scales, &sizes) {
            (Some(scales), _) => ((from as f32 * scales[at]).floor(), scales[at]),
            (None, Some(sizes)) => (sizes[at] as f32, sizes[at] as f32 / from as f32),
            (None, None) => (from as f32, 1.0),
        };
        let fits = (1.0..=1_048_576.0).contains(&to) && scale > 0.0 && scale.is_finite();
        if !fits {
            return Err(site.wrong(format!("resizes {from} elements to {to}")));
        }
        all[axis] = Resized { from, to: to as usize, scale };
    }
    Ok(all)
}

pub(super) fn resize(b: &mut Builder, site: &Site<'_>) -> Result<ValueId, NetworkError> {
    let x = site.input(0)?;
    let shape = b.shape(x).to_vec();
    let all = targets(b, site, &shape)?;
    let old = site.operator() == "Upsample" || site.opset < 11;
    let default = if old { "asymmetric" } else { "half_pixel" };
    let coordinates = match if old { default } else { site.text("coordinate_transformation_mode", default)? } {
        "half_pixel" => Coordinates::HalfPixel,
        "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
        "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
        "align_corners" => Coordinates::AlignCorners,
        "asymmetric" => Coordinates::Asymmetric,
        "tf_half_pixel_for_nn" => Coordinates::TfHalfPixelForNearest,
        other => return Err(site.unsupported(format!("the coordinates {:?}", other.get(..40).unwrap_or("(long)")))),
    };
    let nearest = match site.text("nearest_mode", "round_prefer_floor")? {
        _ if site.operator() == "Upsample" => Nearest::Floor,
        _ if old => Nearest::Simple,
        "round_prefer_floor" => Nearest::PreferFloor,
        "round_prefer_ceil" => Nearest::PreferCeil,
        "floor" => Nearest::Floor,
        "ceil" => Nearest::Ceil,
        _ => return Err(site.wrong("its nearest_mode is not known")),
    };
    let (a, exclude) = (site.float("cubic_coeff_a", -0.75)?, site.int("exclude_outside", 0)? != 0);
    let mode = match site.text("mode", "nearest")? {
        "nearest" => Mode::Nearest(nearest),
        "linear" | "bilinear" => Mode::Linear,
        "cubic" => Mode::Cubic(a, exclude),
        _ => return Err(site.wrong("its mode is not known")),
    };
    site.ignore(&["extrapolation_value"]);
    if site.int("antialias", 0)? != 0 && all.iter().any(|side| side.scale < 1.0) {
        return Err(site.unsupported("its attribute antialias where the size shrinks"));
    }
    if site.text("keep_aspect_ratio_policy", "stretch")? != "stretch" {
        return Err(site.unsupported("its attribute keep_aspect_ratio_policy is other than stretch"));
    }
    let changed: Vec<usize> =
        (0..all.len()).filter(|at| all[*at].from != all[*at].to || all[*at].scale != 1.0).collect();
    let (first, second) = match changed[..] {
        [] => return Ok(x),
        [one] if shape.len() == 4 && one == 3 => (2, 3),
        [one] => (one, if one + 1 < shape.len() { one + 1 } else { usize::MAX }),
        [one, two] => (one, two),
        _ => return Err(site.unsupported("resizes more than two dimensions")),
    };
    // The two dimensions come last, all others before them become one.
    let rank = shape.len();
    let mut order: Vec<usize> = (0..rank).filter(|at| *at != first && *at != second).collect();
    let others: Vec<usize> = order.iter().map(|at| shape[*at]).collect();
    order.push(first);
    if second < rank {
        order.push(second);
    }
    let one = Resized { from: 1, to: 1, scale: 1.0 };
    let (height, width) = (all[first], all.get(second).copied().unwrap_or(one));
    let taps = Box::new([height.taps(mode, coordinates), width.taps(mode, coordinates)]);
    let y = b.transpose(x, order.clone())?;
    // [N,C,H,W] stays what it is.
    let leading = match others[..] {
        [n, c] => [n, c],
        _ => [1, others.iter().product()],
    };
    let y = b.reshape(y, vec![leading[0], leading[1], height.from, width.from])?;
    let element = b.element(x);
    let y = b.emit(Op::Resize(taps), &[y], vec![leading[0], leading[1], height.to, width.to], element)?;
    let mut back = others;
    back.push(height.to);
    if second < rank {
        back.push(width.to);
    }
    let y = b.reshape(y, back)?;
    let inverse = (0..rank).map(|at| order.iter().position(|from| *from == at).unwrap_or(at)).collect();
    b.transpose(y, inverse)
}
