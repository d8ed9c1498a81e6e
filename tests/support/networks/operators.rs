//! A graph of one operator, for every operator that has a kernel of its own or a line of arithmetic.

use super::super::Random;
use super::graphs::{Attribute, Graph, ints};
use super::random::RandomGraph;

/// Shape of the input, `x`, of all that are no convolutions.
const SHAPE: [usize; 4] = [2, 8, 5, 7];

const UNARY: [&str; 20] = [
    "Relu",
    "LeakyRelu",
    "Elu",
    "Sigmoid",
    "HardSigmoid",
    "HardSwish",
    "Tanh",
    "Erf",
    "Gelu",
    "Softplus",
    "Neg",
    "Abs",
    "Exp",
    "Floor",
    "Ceil",
    "Round",
    "Sin",
    "Cos",
    "Softmax",
    "LogSoftmax",
];
/// Of numbers from 0.1 on.
const POSITIVE: [&str; 3] = ["Sqrt", "Log", "Reciprocal"];
const BINARY: [&str; 8] = ["Add", "Sub", "Mul", "Div", "Min", "Max", "Pow", "PRelu"];
const REDUCTIONS: [&str; 7] =
    ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceL1", "ReduceSumSquare"];

fn finished(described: String, graph: Graph) -> RandomGraph {
    let bytes = graph.output("y").bytes();
    RandomGraph { bytes, shape: SHAPE.to_vec(), outputs: vec!["y".into()], described }
}

/// All that is done to single elements, one after the other: what a fused kernel can hold.
pub fn chain() -> RandomGraph {
    let mut graph = Graph::new(20).input("x", &SHAPE.map(|side| side as i64)).floats("s", &[8, 1, 1], &[0.5; 8]);
    let mut last = "x".to_owned();
    let unary = UNARY.iter().filter(|name| !name.ends_with("Softmax")).map(|name| (*name, false));
    for (name, two) in unary.chain(POSITIVE.map(|name| (name, false))).chain(BINARY.map(|name| (name, true))) {
        let made = format!("after {name}");
        let inputs = [last.as_str(), "s"];
        graph = graph.node(name, &inputs[..1 + usize::from(two)], &[&made], &[]);
        last = made;
    }
    finished(
        "all functions of elements".into(),
        graph.node("Gelu", &[&last], &["y"], &[("approximate", Attribute::Text("tanh"))]),
    )
}

/// The graphs, which all take `x` and give `y`.
pub fn all() -> Vec<RandomGraph> {
    let start = || Graph::new(20).input("x", &SHAPE.map(|side| side as i64));
    // 0.1 and more, in the same shape.
    let positive =
        || start().node("Abs", &["x"], &["a"], &[]).floats("c", &[], &[0.1]).node("Add", &["a", "c"], &["p"], &[]);
    let mut graphs = Vec::new();
    for name in UNARY {
        graphs.push(finished(name.into(), start().node(name, &["x"], &["y"], &[])));
    }
    graphs.push(finished(
        "Gelu, tanh".into(),
        start().node("Gelu", &["x"], &["y"], &[("approximate", Attribute::Text("tanh"))]),
    ));
    for name in POSITIVE {
        graphs.push(finished(name.into(), positive().node(name, &["p"], &["y"], &[])));
    }
    for name in BINARY {
        // Of two tensors, which any of the operators takes in this order.
        let graph = positive().floats("s", &[8, 1, 1], &[0.5, 1.5, 2.0, 3.0, 0.5, 0.7, 1.0, 1.3]);
        let inputs = if name == "PRelu" { ["x", "s"] } else { ["p", "s"] };
        graphs.push(finished(name.into(), graph.node(name, &inputs, &["y"], &[])));
    }
    for name in REDUCTIONS {
        for axes in [&[1usize][..], &[2, 3], &[0, 2], &[3]] {
            for keep in [0, 1] {
                let described = format!("{name} over {axes:?}, keepdims {keep}");
                let axes: Vec<i64> = axes.iter().map(|axis| *axis as i64).collect();
                let keep = [("keepdims", Attribute::Int(keep))];
                let graph = start().ints("axes", &axes).node(name, &["x", "axes"], &["y"], &keep);
                graphs.push(finished(described, graph));
            }
        }
    }
    for axis in 0..4 {
        let attributes = [("axis", Attribute::Int(axis))];
        graphs.push(finished(format!("Softmax over {axis}"), start().node("Softmax", &["x"], &["y"], &attributes)));
    }
    for mode in ["constant", "reflect", "edge", "wrap"] {
        let channels = i64::from(mode == "constant");
        let graph = start().ints("pads", &[0, channels, 2, 3, 0, 2 * channels, 1, 2]);
        let graph = graph.node("Pad", &["x", "pads"], &["y"], &[("mode", Attribute::Text(mode))]);
        graphs.push(finished(format!("Pad, {mode}"), graph));
    }
    for inputs in [["x", "t"], ["t", "x"]] {
        let order = [("perm", ints(&[0, 1, 3, 2]))];
        let graph = start().node("Transpose", &["x"], &["t"], &order).node("MatMul", &inputs, &["y"], &[]);
        graphs.push(finished(format!("MatMul of {inputs:?}"), graph));
    }
    for (name, kernel) in [("MaxPool", 3), ("AveragePool", 2)] {
        let attributes = [("kernel_shape", ints(&[kernel; 2])), ("pads", ints(&[1; 4])), ("strides", ints(&[2, 1]))];
        graphs.push(finished(name.into(), start().node(name, &["x"], &["y"], &attributes)));
        let order = [("perm", ints(&[0, 2, 3, 1]))];
        let graph = start().node("Transpose", &["x"], &["t"], &order).node(name, &["t"], &["y"], &attributes);
        graphs.push(finished(format!("{name} of channels that lie apart"), graph));
    }
    for (stride, ceil) in [(1, 0), (2, 1)] {
        let attributes = [
            ("kernel_shape", ints(&[4, 2])),
            ("strides", ints(&[stride, 2])),
            ("pads", ints(&[1; 4])),
            ("count_include_pad", Attribute::Int(1)),
            ("ceil_mode", Attribute::Int(ceil)),
        ];
        let graph = start().node("AveragePool", &["x"], &["y"], &attributes);
        graphs.push(finished(format!("AveragePool with padding, ceil_mode {ceil}"), graph));
    }
    for groups in [1, 2, 8] {
        for (shape, side, stride, dilation) in [(SHAPE, 1, 1, 1), ([1, 8, 24, 25], 3, 1, 2), (SHAPE, 5, 2, 1)] {
            graphs.push(convolution(shape, groups, side, stride, dilation));
        }
    }
    // Many channels, which lanes share, and groups that are no quads.
    graphs.push(convolution([1, 40, 5, 7], 1, 3, 1, 1));
    graphs.push(convolution([2, 6, 5, 7], 3, 3, 2, 1));
    for mode in ["nearest", "linear"] {
        let attributes = [
            ("mode", Attribute::Text(mode)),
            ("coordinate_transformation_mode", Attribute::Text("half_pixel")),
            ("nearest_mode", Attribute::Text("floor")),
        ];
        let attributes = if mode == "nearest" { &attributes[..] } else { &attributes[..2] };
        let graph = start().floats("s", &[4], &[1.0, 1.0, 1.5, 2.0]);
        graphs.push(finished(format!("Resize, {mode}"), graph.node("Resize", &["x", "", "s"], &["y"], attributes)));
    }
    graphs
}

/// Of as many channels as there are, with a window that reaches into padding, times the gate of each pixel.
fn convolution(shape: [usize; 4], groups: usize, side: usize, stride: usize, dilation: usize) -> RandomGraph {
    let channels = shape[1];
    let of_weights = [channels, channels / groups, side, side].map(|side| side as i64);
    let mut random = Random::new((groups * 100 + side) as u64);
    let mut numbers = |count| random.many(count);
    let attributes = [
        ("strides", ints(&[stride; 2])),
        ("dilations", ints(&[dilation; 2])),
        ("pads", ints(&[side / 2 * dilation; 4])),
        ("group", Attribute::Int(groups as i64)),
    ];
    let graph = Graph::new(20)
        .input("x", &shape.map(|side| side as i64))
        .floats("w", &of_weights, &numbers(channels * channels / groups * side * side))
        .floats("b", &[channels as i64], &numbers(channels))
        .node("Conv", &["x", "w", "b"], &["c"], &attributes)
        .ints("axes", &[1])
        .node("MaxPool", &["x"], &["m"], &[("kernel_shape", ints(&[1; 2])), ("strides", ints(&[stride; 2]))])
        .node("ReduceMean", &["m", "axes"], &["g"], &[("keepdims", Attribute::Int(1))])
        .node("Mul", &["c", "g"], &["y"], &[]);
    let described = format!("Conv of {shape:?}, {groups} groups, {side} wide, stride {stride}, dilation {dilation}");
    RandomGraph { shape: shape.to_vec(), ..finished(described, graph) }
}
