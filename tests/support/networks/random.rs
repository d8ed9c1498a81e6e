//! Random small graphs.

use super::super::Random;
use super::graphs::{Attribute, Graph, ints};

/// A value of the graph in the making.
#[derive(Clone)]
struct Made {
    name: String,
    shape: Vec<usize>,
}

/// Attributes of a window, and the sides that it makes.
struct Window {
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    pads: [usize; 4],
    output: [usize; 2],
}

struct Maker {
    graph: Option<Graph>,
    random: Random,
    made: Vec<Made>,
    names: usize,
    described: Vec<String>,
}

impl Maker {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let shape: Vec<usize> = [3, 17, 17, 17].iter().map(|most| 1 + random.below(*most)).collect();
        let sides: Vec<i64> = shape.iter().map(|side| *side as i64).collect();
        let graph = Graph::new(17).input("x", &sides);
        let made = vec![Made { name: "x".into(), shape }];
        Self { graph: Some(graph), random, made, names: 0, described: Vec::new() }
    }

    fn change(&mut self, change: impl FnOnce(Graph) -> Graph) {
        self.graph = self.graph.take().map(change);
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    fn below(&mut self, count: usize) -> usize {
        self.random.below(count)
    }

    fn floats(&mut self, shape: &[usize], low: f32, high: f32) -> String {
        let name = self.name();
        let count = shape.iter().product();
        let values: Vec<f32> = self.random.many(count).iter().map(|v| low + (high - low) * (v + 1.0) / 2.0).collect();
        let sides: Vec<i64> = shape.iter().map(|side| *side as i64).collect();
        self.change(|graph| graph.floats(&name, &sides, &values));
        name
    }

    fn node(&mut self, operator: &str, inputs: &[&str], shape: Vec<usize>, attributes: &[(&str, Attribute)]) {
        let name = self.name();
        self.described.push(format!("{operator} {inputs:?} -> {name} {shape:?}"));
        self.change(|graph| graph.node(operator, inputs, &[&name], attributes));
        self.made.push(Made { name, shape });
    }

    /// A map, more often than not the last.
    fn map(&mut self) -> Made {
        let maps: Vec<Made> = self.made.iter().filter(|made| made.shape.len() == 4).cloned().collect();
        let back = if self.below(3) == 0 { self.below(maps.len()) } else { 0 };
        maps[maps.len() - 1 - back].clone()
    }

    fn window(&mut self, sides: [usize; 2], most: usize) -> Option<Window> {
        let mut kernel = [0; 2];
        let mut stride = [0; 2];
        let mut dilation = [0; 2];
        let mut pads = [0; 4];
        let mut output = [0; 2];
        for at in 0..2 {
            kernel[at] = 1 + self.below(most);
            stride[at] = 1 + self.below(3);
            dilation[at] = if self.below(4) == 0 { 2 } else { 1 };
            pads[at] = self.below(kernel[at]);
            pads[at + 2] = self.below(kernel[at]);
            let extent = (kernel[at] - 1) * dilation[at] + 1;
            let room = (sides[at] + pads[at] + pads[at + 2]).checked_sub(extent)?;
            output[at] = room / stride[at] + 1;
        }
        Some(Window { kernel, stride, dilation, pads, output })
    }

    fn conv(&mut self) {
        let x = self.map();
        let [n, c, h, w] = x.shape[..] else { return };
        let groups = match self.below(4) {
            0 => c,
            1 => (1..=c).rev().find(|g| c % g == 0 && *g <= 4).unwrap_or(1),
            _ => 1,
        };
        let each = if groups == c { 1 + self.below(2) } else { 1 + self.below(9) };
        let outputs = groups * each;
        let point = self.below(3) == 0;
        let Some(Window { kernel, stride, dilation, pads, output: [oh, ow] }) =
            self.window([h, w], if point { 1 } else { 5 })
        else {
            return;
        };
        let size = 1.0 / ((c / groups * kernel[0] * kernel[1]) as f32).sqrt();
        let weights = self.floats(&[outputs, c / groups, kernel[0], kernel[1]], -size, size);
        let bias = (self.below(2) == 0).then(|| self.floats(&[outputs], -0.5, 0.5));
        let inputs: Vec<&str> =
            [Some(x.name.as_str()), Some(weights.as_str()), bias.as_deref()].into_iter().flatten().collect();
        let attributes = [
            ("strides", ints(&stride)),
            ("dilations", ints(&dilation)),
            ("pads", ints(&pads)),
            ("group", Attribute::Int(groups as i64)),
        ];
        self.node("Conv", &inputs, vec![n, outputs, oh, ow], &attributes);
    }

    fn pool(&mut self) {
        let x = self.map();
        let [n, c, h, w] = x.shape[..] else { return };
        let Some(Window { kernel, stride, pads, .. }) = self.window([h, w], 4) else { return };
        // Dilation is left to the fixed tests; without it the output differs.
        let output = |at: usize, side: usize| (side + pads[at] + pads[at + 2] - kernel[at]) / stride[at] + 1;
        if h + pads[0] + pads[2] < kernel[0] || w + pads[1] + pads[3] < kernel[1] {
            return;
        }
        let shape = vec![n, c, output(0, h), output(1, w)];
        let mut attributes = vec![("kernel_shape", ints(&kernel)), ("strides", ints(&stride)), ("pads", ints(&pads))];
        let operator = if self.below(2) == 0 { "MaxPool" } else { "AveragePool" };
        if operator == "AveragePool" && self.below(2) == 0 {
            attributes.push(("count_include_pad", Attribute::Int(1)));
        }
        // Windows of nothing but padding have no right value.
        if pads.iter().zip(kernel.iter().chain(&kernel)).all(|(pad, kernel)| 2 * pad <= *kernel) {
            self.node(operator, &[&x.name], shape, &attributes);
        }
    }

    fn activation(&mut self) {
        let x = self.map();
        let (name, shape) = (x.name.as_str(), x.shape.clone());
        match self.below(8) {
            0 => self.node("Relu", &[name], shape, &[]),
            1 => self.node("LeakyRelu", &[name], shape, &[("alpha", Attribute::Float(0.1))]),
            2 => self.node("HardSigmoid", &[name], shape, &[("alpha", Attribute::Float(0.2))]),
            3 => self.node("HardSwish", &[name], shape, &[]),
            4 => self.node("Neg", &[name], shape, &[]),
            5 => {
                let (low, high) = (self.floats(&[], -0.5, 0.0), self.floats(&[], 0.0, 0.5));
                self.node("Clip", &[name, &low, &high], shape, &[]);
            }
            6 => {
                self.node("Sigmoid", &[name], shape.clone(), &[]);
                let gate = self.made.last().map(|made| made.name.clone()).unwrap_or_default();
                self.node("Mul", &[name, &gate], shape, &[]);
            }
            _ => self.node("Tanh", &[name], shape, &[]),
        }
    }

    fn arithmetic(&mut self) {
        let x = self.map();
        let operator = ["Add", "Sub", "Mul", "Div", "Min", "Max"][self.below(6)];
        let same: Vec<Made> = self.made.iter().filter(|made| made.shape == x.shape).cloned().collect();
        let other = if operator != "Div" && self.below(2) == 0 {
            same[self.below(same.len())].name.clone()
        } else {
            let shape: Vec<usize> = match self.below(4) {
                0 => Vec::new(),
                1 => vec![x.shape[1], 1, 1],
                2 => vec![x.shape[3]],
                _ => x.shape.clone(),
            };
            self.floats(&shape, 0.5, 1.5)
        };
        let inputs = if self.below(2) == 0 || operator == "Div" { [&x.name, &other] } else { [&other, &x.name] };
        self.node(operator, &[inputs[0], inputs[1]], x.shape.clone(), &[]);
    }

    fn normalise(&mut self) {
        let x = self.map();
        let c = x.shape[1];
        let parts = [
            self.floats(&[c], 0.5, 1.5),
            self.floats(&[c], -0.5, 0.5),
            self.floats(&[c], -0.5, 0.5),
            self.floats(&[c], 0.5, 1.5),
        ];
        let inputs: Vec<&str> = std::iter::once(&x.name).chain(&parts).map(String::as_str).collect();
        self.node("BatchNormalization", &inputs, x.shape.clone(), &[]);
    }

    fn excite(&mut self) {
        let x = self.map();
        let pooled = vec![x.shape[0], x.shape[1], 1, 1];
        if self.below(2) == 0 {
            self.node("GlobalAveragePool", &[&x.name], pooled, &[]);
        } else {
            self.node(
                "ReduceMean",
                &[&x.name],
                pooled,
                &[("axes", Attribute::Ints(vec![2, 3])), ("keepdims", Attribute::Int(1))],
            );
        }
        let gate = self.made.last().map(|made| made.name.clone()).unwrap_or_default();
        self.node("Mul", &[&x.name, &gate], x.shape.clone(), &[]);
    }

    fn movement(&mut self) {
        let x = self.map();
        let [n, c, h, w] = x.shape[..] else { return };
        match self.below(6) {
            0 => {
                let others: Vec<Made> = self
                    .made
                    .iter()
                    .filter(|m| m.shape.len() == 4 && m.shape[0] == n && m.shape[2..] == x.shape[2..])
                    .cloned()
                    .collect();
                let other = others[self.below(others.len())].clone();
                self.node(
                    "Concat",
                    &[&x.name, &other.name],
                    vec![n, c + other.shape[1], h, w],
                    &[("axis", Attribute::Int(1))],
                );
            }
            1 if c > 1 => {
                let first = self.below(c - 1);
                let name = self.name();
                let [starts, ends, axes] = [format!("{name}s"), format!("{name}e"), format!("{name}a")];
                self.change(|g| g.ints(&starts, &[first as i64]).ints(&ends, &[c as i64]).ints(&axes, &[1]));
                self.node("Slice", &[&x.name, &starts, &ends, &axes], vec![n, c - first, h, w], &[]);
            }
            2 => {
                let pads: Vec<usize> = (0..4).map(|_| self.below(3)).collect();
                let name = format!("{}p", self.name());
                let p: Vec<i64> = pads.iter().map(|p| *p as i64).collect();
                self.change(|g| g.ints(&name, &[0, 0, p[0], p[1], 0, 0, p[2], p[3]]));
                let shape = vec![n, c, h + pads[0] + pads[2], w + pads[1] + pads[3]];
                self.node("Pad", &[&x.name, &name], shape, &[]);
            }
            3 => {
                let order = [[0, 2, 3, 1], [0, 3, 1, 2], [0, 1, 3, 2], [1, 0, 2, 3]][self.below(4)];
                let shape = order.iter().map(|at| x.shape[*at]).collect();
                self.node("Transpose", &[&x.name], shape, &[("perm", ints(&order))]);
            }
            4 if c % 2 == 0 => {
                // A channel shuffle.
                let name = self.name();
                let [apart, whole] = [format!("{name}a"), format!("{name}w")];
                let side = |v: usize| v as i64;
                self.change(|g| {
                    g.ints(&apart, &[side(n), 2, side(c / 2), side(h), side(w)])
                        .ints(&whole, &[0, side(c), side(h), side(w)])
                });
                self.node("Reshape", &[&x.name, &apart], vec![n, 2, c / 2, h, w], &[]);
                let last = self.made.last().map(|made| made.name.clone()).unwrap_or_default();
                self.node("Transpose", &[&last], vec![n, c / 2, 2, h, w], &[("perm", ints(&[0, 2, 1, 3, 4]))]);
                let last = self.made.last().map(|made| made.name.clone()).unwrap_or_default();
                self.node("Reshape", &[&last, &whole], vec![n, c, h, w], &[]);
            }
            _ => {
                let factor = [2.0, 1.5, 0.5][self.below(3)];
                let to = |side: usize| (side as f32 * factor).floor() as usize;
                if to(h) == 0 || to(w) == 0 || to(h) > 40 || to(w) > 40 {
                    return;
                }
                let scales = self.name();
                self.change(|g| g.floats(&scales, &[4], &[1.0, 1.0, factor, factor]));
                let mode = if self.below(2) == 0 { "nearest" } else { "linear" };
                let coordinates = ["half_pixel", "asymmetric", "align_corners"][self.below(3)];
                let mut attributes = vec![("mode", Attribute::Text(mode))];
                attributes.push(("coordinate_transformation_mode", Attribute::Text(coordinates)));
                if mode == "nearest" {
                    attributes.push(("nearest_mode", Attribute::Text("floor")));
                }
                self.node("Resize", &[&x.name, "", &scales], vec![n, c, to(h), to(w)], &attributes);
            }
        }
    }

    fn finish(&mut self) {
        let x = self.map();
        let [n, c, h, w] = x.shape[..] else { return };
        match self.below(4) {
            0 => {
                self.node("Flatten", &[&x.name], vec![n, c * h * w], &[]);
                let last = self.made.last().map(|made| made.name.clone()).unwrap_or_default();
                let (weights, bias) = (self.floats(&[5, c * h * w], -0.1, 0.1), self.floats(&[5], -0.5, 0.5));
                self.node("Gemm", &[&last, &weights, &bias], vec![n, 5], &[("transB", Attribute::Int(1))]);
            }
            1 => self.node("Softmax", &[&x.name], x.shape.clone(), &[("axis", Attribute::Int(1))]),
            2 => {
                let weights = self.floats(&[w, 6], -0.5, 0.5);
                self.node("MatMul", &[&x.name, &weights], vec![n, c, h, 6], &[]);
            }
            _ => {}
        }
    }
}

/// A graph as an ONNX file.
pub struct RandomGraph {
    pub bytes: Vec<u8>,
    /// Shape of its input, `x`.
    pub shape: Vec<usize>,
    pub outputs: Vec<String>,
    /// What it does, a line a node.
    pub described: String,
}

/// The graph of a seed; `None` where nothing is done to the input.
pub fn graph(seed: u64) -> Option<RandomGraph> {
    let mut maker = Maker::new(seed);
    for _ in 0..2 + maker.below(6) {
        match maker.below(9) {
            0..3 => maker.conv(),
            3 => maker.activation(),
            4 => maker.arithmetic(),
            5 => maker.normalise(),
            6 => maker.excite(),
            7 => maker.pool(),
            _ => maker.movement(),
        }
    }
    maker.finish();
    let shape = maker.made[0].shape.clone();
    let last = maker.made.len() - 1;
    if last == 0 {
        return None;
    }
    let mut outputs = vec![maker.made[last].name.clone()];
    // Now and then an output in the middle, which must not be fused away.
    if last > 2 && maker.below(2) == 0 {
        outputs.push(maker.made[last / 2].name.clone());
    }
    let described = maker.described.join("\n");
    for output in &outputs {
        maker.change(|graph| graph.output(output));
    }
    Some(RandomGraph { bytes: maker.graph.take()?.bytes(), shape, outputs, described })
}
