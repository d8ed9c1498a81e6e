//! Convolutions and products of matrices.

use super::{Lowering, WORTH_A_COPY, align, word};
use crate::network::error::NetworkError;
use crate::network::expression::Term;
use crate::network::fuse::Fused;
use crate::network::kernel::{Arithmetic, Kernel, KernelKind, LANES, Load};
use crate::network::op::{Conv, Instruction, Window};
use crate::network::tensor::elements;
use crate::network::tile::{Task, Tile};
use crate::network::view::{BufferId, View};

/// The input of a convolution as `[N,C,H,W]`, and what surrounds the kernel.
struct Job<'a> {
    x: View,
    window: Window,
    groups: usize,
    /// `[M,C/groups,kh,kw]`.
    weights: Vec<f32>,
    bias: Vec<f32>,
    shape: [usize; 4],
    group: &'a Fused,
}

const POINT: Window = Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], before: [0, 0] };

impl Lowering<'_> {
    pub(super) fn conv(&mut self, conv: &Conv, root: &Instruction, group: &Fused) -> Result<View, NetworkError> {
        let shape: [usize; 4] = self.shape(root.output).try_into().unwrap_or([1; 4]);
        let constant = |this: &Self, at: usize| {
            root.inputs.get(at).map(|id| this.constant(*id).map(|tensor| tensor.to_f32())).unwrap_or(Some(Vec::new()))
        };
        let (Some(weights), Some(mut bias)) = (constant(self, 1), constant(self, 2)) else {
            return Err(self.unsupported("its weights depend on the network's input"));
        };
        bias.resize(shape[1], 0.0);
        let x = self.view(root.inputs[0]);
        self.convolve(Job { x, window: conv.window, groups: conv.groups, weights, bias, shape, group })
    }

    pub(super) fn matmul(&mut self, root: &Instruction, group: &Fused) -> Result<View, NetworkError> {
        let (a, b) = (root.inputs[0], root.inputs[1]);
        let shape = self.shape(root.output).to_vec();
        let (of_a, of_b) = (self.shape(a).to_vec(), self.shape(b).to_vec());
        let x = self.view(a);
        let (rank, inner) = (of_a.len(), of_a[of_a.len() - 1]);
        let leading_b: usize = of_b[..of_b.len() - 2].iter().product();
        if let Some(tensor) = self.constant(b)
            && leading_b == 1
            && of_b.len() <= rank
        {
            // Rows of the first are pixels, the second are weights.
            let (rows, columns) = (of_a[..rank - 1].iter().product::<usize>(), of_b[of_b.len() - 1]);
            let values = tensor.to_f32();
            let mut weights = Vec::with_capacity(values.len());
            for column in 0..columns {
                weights.extend((0..inner).map(|k| values[k * columns + column]));
            }
            let flat = self.reshape(&x, &[rows, inner])?;
            let x = flat.reshaped(&[rows, inner, 1, 1]).unwrap_or(flat);
            let (bias, shape_of_map) = (vec![0.0; columns], [rows, columns, 1, 1]);
            let job = Job { x, window: POINT, groups: 1, weights, bias, shape: shape_of_map, group };
            let y = self.convolve(job)?;
            let y = y.reshaped(&[rows, columns]).unwrap_or(y);
            return self.reshape(&y, &shape);
        }
        let y = self.product(&x, b, &shape)?;
        if group.expression.is_empty() {
            return Ok(y);
        }
        // The arithmetic that would have been the kernel's is one of its own, the product its last operand.
        let mut operands = Vec::new();
        for id in &group.operands {
            operands.push(self.view(*id));
        }
        let last = operands.len();
        operands.push(y);
        let root_as_operand = |term: &Term| if *term == Term::Root { Term::Operand(last) } else { *term };
        let expression: Vec<_> = group.expression.iter().map(root_as_operand).collect();
        let to = self.arithmetic_output(&operands, &shape);
        self.elementwise(&expression, &operands, &to)?;
        Ok(to)
    }

    /// Chooses the kernel.
    fn convolve(&mut self, mut job: Job<'_>) -> Result<View, NetworkError> {
        let [_, outputs, ..] = job.shape;
        let channels = job.x.shape[1];
        let (per_group, group_outputs) = (channels / job.groups, outputs / job.groups);
        let depthwise = per_group == 1 && group_outputs == 1 && outputs % 4 == 0;
        let tiled = job.groups == 1 || group_outputs % 4 == 0 && per_group % 4 == 0;
        let readable = |x: &View| x.in_quads(1);
        if (depthwise || tiled && per_group % 4 == 0) && !readable(&job.x) && channels >= WORTH_A_COPY {
            job.x = self.copy(&job.x, &[0, 2, 3, 1])?;
        }
        if depthwise && readable(&job.x) && job.window.kernel.iter().all(|side| *side <= 11) {
            return self.depthwise(job);
        }
        if tiled && (job.groups == 1 || readable(&job.x)) {
            return self.tiled(job);
        }
        self.any(job)
    }

    /// Operands of the arithmetic as a kernel of convolution reads them: buffers, how, and parameters.
    fn operands(&mut self, job: &Job<'_>, width: usize) -> Result<(Arithmetic, Vec<BufferId>, Vec<u32>), NetworkError> {
        let (mut loads, mut buffers, mut params) = (Vec::new(), Vec::new(), Vec::new());
        for id in &job.group.operands {
            let mut view = self.view(*id);
            // A product's operands have its shape, which is that of rows and columns here.
            view = if self.shape(job.group.output).len() == 4 && self.shape(job.group.output) == job.shape {
                view.broadcast(&job.shape)
            } else {
                let shape = self.shape(job.group.output).to_vec();
                let whole = view.broadcast(&shape);
                let [rows, columns, ..] = job.shape;
                match whole.reshaped(&job.shape) {
                    Some(view) => view,
                    None => {
                        let order: Vec<usize> = (0..shape.len()).collect();
                        let copy = self.copy(&whole, &order)?;
                        copy.reshaped(&[rows, columns, 1, 1]).ok_or_else(|| self.unsupported("an operand's shape"))?
                    }
                }
            };
            let one = view.strides[1] == 0 || view.shape[1] == 1;
            let whole = width == 1 || {
                let four = |at: usize| view.shape[at] == 1 || view.strides[at] % 4 == 0;
                // The last quad may read beyond the last channel: padding, since buffers end at whole quads.
                view.strides[1] == 1 && view.offset.is_multiple_of(4) && [0, 2, 3].into_iter().all(four)
            };
            if !(whole || one) {
                let padded = self.new_map(&job.shape);
                self.copy_to(&view, &padded)?;
                view = padded;
            }
            let splat = width == 4 && one;
            let unit = if splat { 1 } else { width as isize };
            let stride = |at: usize| if view.shape[at] == 1 { 0 } else { word(view.strides[at] / unit) };
            let channel = if width == 4 { 1 } else { stride(1) };
            params.extend([(view.offset as isize / unit) as u32, stride(0), stride(2), stride(3), channel, 0, 0, 0]);
            loads.push(if splat { Load::Splat } else { Load::Whole });
            buffers.push(view.buffer);
        }
        params.resize(24, 0);
        Ok((Arithmetic { expression: job.group.expression.clone(), operands: loads }, buffers, params))
    }

    /// The tile that was measured for a task, or one by its sizes.
    fn tile(&self, task: &Task) -> Tile {
        let measured = self.options.tiles.get(task, self.options.precision);
        measured.unwrap_or_else(|| task.tile(self.busy_lanes, self.options.precision))
    }

    fn tiled(&mut self, job: Job<'_>) -> Result<View, NetworkError> {
        let [n, outputs, rows, columns] = job.shape;
        let (channels, height, width) = (job.x.shape[1], job.x.shape[2], job.x.shape[3]);
        let (per_group, taps) = (channels / job.groups, job.window.kernel[0] * job.window.kernel[1]);
        let quads = job.x.in_quads(1) && per_group % 4 == 0;
        let padded_outputs = outputs.next_multiple_of(4);
        let mut packed = vec![0.0; taps * per_group * padded_outputs];
        for output in 0..outputs {
            for c in 0..per_group {
                for tap in 0..taps {
                    packed[(tap * per_group + c) * padded_outputs + output] =
                        job.weights[(output * per_group + c) * taps + tap];
                }
            }
        }
        let mut bias = job.bias.clone();
        bias.resize(padded_outputs, 0.0);
        let (arithmetic, operand_buffers, operand_params) = self.operands(&job, 4)?;
        let (weights, bias) = (self.weights(packed), self.numbers(bias));
        let y = self.new_map(&job.shape);
        let (unit, pixels, all_quads) = (if quads { 4 } else { 1 }, n * rows * columns, padded_outputs / 4);
        let grouped = job.groups > 1;
        let inner = per_group / unit;
        let task = Task::Conv { window: job.window.kernel, quads, grouped, pixels, outputs: all_quads, inner };
        let tile = self.tile(&task);
        self.task = Some((task, tile));
        let column_tiles = all_quads.div_ceil(tile.column_lanes * tile.quads);
        let tiles = column_tiles * pixels.div_ceil(tile.row_lanes * tile.pixels);
        let padded = (0..2).any(|at| {
            let (input, output) = ([height, width][at], [rows, columns][at]);
            let last = (output - 1) * job.window.stride[at] + (job.window.kernel[at] - 1) * job.window.dilation[at];
            job.window.before[at] > 0 || last >= input
        });
        // Neighbours in a row, rows and images are as far from each other in everything that is read and written.
        let even = |image: u32, row: u32, pixel: u32| {
            row == pixel.wrapping_mul(columns as u32) && (n == 1 || image == row.wrapping_mul(rows as u32))
        };
        let x = |at: usize| word(job.x.strides[at] / unit as isize);
        let line = job.window == POINT
            && !padded
            && even(x(0), x(2), x(3))
            && operand_params.chunks_exact(8).all(|operand| even(operand[1], operand[2], operand[3]));
        let mut params = vec![
            tiles as u32,
            column_tiles as u32,
            pixels as u32,
            rows as u32,
            columns as u32,
            all_quads as u32,
            (outputs / job.groups / 4).max(1) as u32,
            height as u32,
            width as u32,
            inner as u32,
            job.window.before[0] as u32,
            job.window.before[1] as u32,
            (job.x.offset / unit) as u32,
            x(0),
            x(2),
            x(3),
            if quads { 1 } else { word(job.x.strides[1]) },
            if quads { inner as u32 } else { word(job.x.strides[1] * per_group as isize) },
            (y.offset / 4) as u32,
            word(y.strides[0] / 4),
            word(y.strides[2] / 4),
            word(y.strides[3] / 4),
        ];
        align(&mut params);
        params.extend(operand_params);
        let kind =
            KernelKind::Conv { window: Window { before: [0, 0], ..job.window }, line, padded, grouped, quads, tile };
        let mut buffers = vec![job.x.buffer, weights, bias, y.buffer];
        buffers.extend(operand_buffers);
        let work = (pixels * outputs) as u64 * (per_group * taps) as u64;
        self.push_with(Kernel::new(kind, arithmetic), params, buffers, tiles, &job.shape, work);
        Ok(y)
    }

    fn depthwise(&mut self, job: Job<'_>) -> Result<View, NetworkError> {
        let [n, channels, rows, columns] = job.shape;
        let taps = job.window.kernel[0] * job.window.kernel[1];
        let mut packed = vec![0.0; taps * channels];
        for channel in 0..channels {
            for tap in 0..taps {
                packed[tap * channels + channel] = job.weights[channel * taps + tap];
            }
        }
        let (arithmetic, operand_buffers, operand_params) = self.operands(&job, 4)?;
        let (weights, bias) = (self.weights(packed), self.numbers(job.bias.clone()));
        let y = self.new_map(&job.shape);
        let quads = channels / 4;
        let outputs = n * rows * columns * quads;
        let task = Task::Depthwise { window: job.window.kernel, stride: job.window.stride, shape: job.shape };
        let tile = self.tile(&task);
        let pixels = tile.pixels;
        self.task = Some((task, tile));
        let steps = columns.div_ceil(pixels);
        let count = n * rows * steps * quads;
        let x = |at: usize| word(job.x.strides[at] / 4);
        let mut params = vec![
            count as u32,
            quads as u32,
            steps as u32,
            rows as u32,
            columns as u32,
            job.x.shape[2] as u32,
            job.x.shape[3] as u32,
            job.window.before[0] as u32,
            job.window.before[1] as u32,
            (job.x.offset / 4) as u32,
            x(0),
            x(2),
            x(3),
            (y.offset / 4) as u32,
            word(y.strides[0] / 4),
            word(y.strides[2] / 4),
            word(y.strides[3] / 4),
        ];
        align(&mut params);
        params.extend(operand_params);
        let kind = KernelKind::Depthwise { window: Window { before: [0, 0], ..job.window }, pixels };
        let mut buffers = vec![job.x.buffer, weights, bias, y.buffer];
        buffers.extend(operand_buffers);
        let work = (outputs * 4 * taps) as u64;
        self.push_with(Kernel::new(kind, arithmetic), params, buffers, count.div_ceil(LANES), &job.shape, work);
        Ok(y)
    }

    fn any(&mut self, job: Job<'_>) -> Result<View, NetworkError> {
        let [_, outputs, rows, columns] = job.shape;
        let (channels, window) = (job.x.shape[1], &job.window);
        let (per_group, taps) = (channels / job.groups, window.kernel[0] * window.kernel[1]);
        let mut packed = vec![0.0; outputs * taps * per_group];
        for output in 0..outputs {
            for c in 0..per_group {
                for tap in 0..taps {
                    packed[(output * taps + tap) * per_group + c] = job.weights[(output * per_group + c) * taps + tap];
                }
            }
        }
        let (arithmetic, operand_buffers, operand_params) = self.operands(&job, 1)?;
        let (weights, bias) = (self.weights(packed), self.numbers(job.bias.clone()));
        let y = self.new_map(&job.shape);
        let count = elements(&job.shape).unwrap_or(0);
        let x = |at: usize| word(job.x.strides[at]);
        let mut params = vec![
            count as u32,
            outputs as u32,
            rows as u32,
            columns as u32,
            job.x.shape[2] as u32,
            job.x.shape[3] as u32,
            per_group as u32,
            (outputs / job.groups) as u32,
            window.kernel[0] as u32,
            window.kernel[1] as u32,
            window.stride[0] as u32,
            window.stride[1] as u32,
            window.dilation[0] as u32,
            window.dilation[1] as u32,
            window.before[0] as u32,
            window.before[1] as u32,
            job.x.offset as u32,
            x(0),
            x(2),
            x(3),
            x(1),
            y.offset as u32,
            word(y.strides[0]),
            word(y.strides[2]),
            word(y.strides[3]),
        ];
        align(&mut params);
        params.extend(operand_params);
        let mut buffers = vec![job.x.buffer, weights, bias, y.buffer];
        buffers.extend(operand_buffers);
        let work = (count * taps) as u64 * per_group as u64;
        let kernel = Kernel::new(KernelKind::ConvAny, arithmetic);
        self.push_with(kernel, params, buffers, count.div_ceil(LANES), &job.shape, work);
        Ok(y)
    }
}
