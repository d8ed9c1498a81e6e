//! Files that contradict themselves or ask for what no machine has: one line each, little memory, no panic.

use sharekan::network::{Budget, HostTensor, Network, NetworkError, NetworkSession};
use sharekan::plan::Limits;

use crate::support::GPU;
use crate::support::networks::graphs::{Attribute, Graph, Message, tensor};

fn refusal(bytes: &[u8], sizes: &[(&str, &[usize])]) -> String {
    let found = Network::parse(bytes).and_then(|net| net.resolve(&[], sizes, &Budget::default()));
    let problem = found.expect_err("was not refused").to_string();
    assert_eq!(problem.lines().count(), 1, "{problem}");
    problem
}

fn plain() -> Graph {
    Graph::new(17).input("x", &[1, 3, 8, 8]).output("y")
}

#[test]
fn a_refusal_names_node_and_problem() {
    let weights = [0.5; 12];
    let conv = |inputs: &[&str], attributes: &[(&str, Attribute)]| {
        plain().floats("w", &[4, 3, 1, 1], &weights).node("Conv", inputs, &["y"], attributes).bytes()
    };
    let huge = i64::MAX;
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "is no ONNX model: it has no graph"),
        (b"not a model at all".to_vec(), "is no ONNX model"),
        (plain().node("Relu", &["z"], &["y"], &[]).bytes(), "Relu \"the_relu\": takes \"z\", which is no input"),
        (
            plain().node("Relu", &["y"], &["y"], &[]).bytes(),
            "Relu \"the_relu\": needs what depends on its own result: a cycle",
        ),
        (
            plain().node("Frobnicate", &["x"], &["y"], &[]).bytes(),
            "Frobnicate \"the_frobnicate\": this operator is not supported",
        ),
        (
            plain().node("Relu", &["x"], &["z"], &[]).bytes(),
            "output \"y\": is no input, no constant and made by no node",
        ),
        (
            plain().node("Relu", &["x"], &["y"], &[("alpha", Attribute::Float(1.0))]).bytes(),
            "its attribute \"alpha\" is not known",
        ),
        (conv(&["x", "w"], &[("group", Attribute::Int(3))]), "do not go together"),
        (conv(&["x", "w"], &[("group", Attribute::Int(-1))]), "do not go together"),
        (conv(&["x"], &[]), "Conv \"the_conv\": has no input 1"),
        (conv(&["w", "x"], &[]), "its window spans 8 elements, but there are only 1"),
        (conv(&["x", "w"], &[("strides", Attribute::Ints(vec![0, 1]))]), "its attribute strides has 0"),
        (
            conv(&["x", "w"], &[("strides", Attribute::Ints(vec![1]))]),
            "its attribute strides has 1 numbers, expected 2",
        ),
        (conv(&["x", "w"], &[("strides", Attribute::Text("two"))]), "its attribute strides is of another type"),
        (conv(&["x", "w"], &[("pads", Attribute::Ints(vec![huge; 4]))]), "its attribute pads has 9223372036854775807"),
        (conv(&["x", "w"], &[("pads", Attribute::Ints(vec![1 << 20; 4]))]), "more than the limit"),
        (conv(&["x", "w"], &[("kernel_shape", Attribute::Ints(vec![3, 3]))]), "its kernel_shape is [3, 3]"),
        (
            plain().floats("w", &[4, 3, 1, 1], &weights[..5]).node("Conv", &["x", "w"], &["y"], &[]).bytes(),
            "tensor \"w\": has 20 bytes of data, expected 12 times 4",
        ),
        (
            plain().constant(&tensor("w", 1, &[huge, huge])).node("Add", &["x", "w"], &["y"], &[]).bytes(),
            "has more elements than any file holds",
        ),
        (
            plain().constant(&tensor("w", 8, &[1])).node("Add", &["x", "w"], &["y"], &[]).bytes(),
            "tensor \"w\": is of the element type 8",
        ),
        (
            plain().ints("s", &[huge / 2, 3]).node("ConstantOfShape", &["s"], &["y"], &[]).bytes(),
            "ConstantOfShape \"the_constantofshape\" asks for a tensor of",
        ),
        (
            plain().ints("s", &[1 << 20, 1 << 20, 3, 1]).node("Expand", &["x", "s"], &["y"], &[]).bytes(),
            "do not go together",
        ),
        (plain().ints("s", &[0, -1, 7]).node("Reshape", &["x", "s"], &["y"], &[]).bytes(), "puts [1, 3, 8, 8] into"),
        (
            plain().ints("s", &[1, 3, 8, 8]).node("Reshape", &["x", "x"], &["y"], &[]).bytes(),
            "depends on the network's input",
        ),
        (
            plain()
                .ints("k", &[1])
                .node("MaxPool", &["x"], &["y"], &[("kernel_shape", Attribute::Ints(vec![9, 9]))])
                .bytes(),
            "its window spans 9 elements, but there are only 8",
        ),
        (
            plain().node("MaxPool", &["x"], &["y"], &[("kernel_shape", Attribute::Ints(vec![huge, 1]))]).bytes(),
            "expected sides from 1",
        ),
        (
            Graph::new(17).input("x", &[1, 3, 1 << 20, 1 << 20]).output("y").node("Relu", &["x"], &["y"], &[]).bytes(),
            "input \"x\" asks for a tensor of [1,3,1048576,1048576], more than the limit",
        ),
        (
            Graph::new(17).input("x", &[-1, 3, 8, 8]).output("y").node("Relu", &["x"], &["y"], &[]).bytes(),
            "input \"x\": has the shape [open,3,8,8], say which sizes to take",
        ),
        (Graph::new(3).input("x", &[1]).output("x").bytes(), "the version of ONNX's operators: is 3"),
        (Graph::new(99).input("x", &[1]).output("x").bytes(), "the version of ONNX's operators: is 99"),
        (
            plain().node("Relu", &["x"], &["y"], &[]).node("Abs", &["x"], &["y"], &[]).bytes(),
            "makes \"y\", which is made already",
        ),
        (
            plain()
                .constant(
                    &tensor("w", 1, &[1])
                        .message(13, &Message::default().text(1, "location").text(2, "/etc/passwd"))
                        .int(14, 1),
                )
                .node("Add", &["x", "w"], &["y"], &[])
                .bytes(),
            "tensor \"w\": lies in another file",
        ),
    ];
    for (bytes, expected) in cases {
        let found = refusal(&bytes, &[]);
        assert!(found.contains(expected), "found {found:?}, expected {expected:?}");
    }
}

#[test]
fn a_file_cut_anywhere_is_refused_or_read() {
    let weights = [0.5; 12];
    let bytes = plain()
        .floats("w", &[4, 3, 1, 1], &weights)
        .node("Conv", &["x", "w"], &["c"], &[("strides", Attribute::Ints(vec![2, 2]))])
        .node("Relu", &["c"], &["y"], &[])
        .bytes();
    for end in 0..bytes.len() {
        let _ = Network::parse(&bytes[..end]).and_then(|net| net.resolve(&[], &[], &Budget::default()));
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            let _ = Network::parse(&bytes).and_then(|net| net.resolve(&[], &[], &Budget::default()));
        }
    }
}

#[test]
fn the_fuzzers_findings_are_read_or_refused() {
    let budget = Budget::default().tensor(1 << 16).folded(1 << 18).work(1 << 24);
    let mut replayed = 0;
    for file in std::fs::read_dir("fuzz/seeds/network").unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let plan = |net: Network| net.resolve(&[], &[], &budget)?.plan(&Limits::default());
        if let Err(problem) = Network::parse(&bytes).and_then(plan) {
            assert_eq!(problem.to_string().lines().count(), 1, "{problem}");
        }
        replayed += 1;
    }
    assert!(replayed > 40);
}

/// A subgraph in an attribute of a node of a subgraph and so on, as deep as the file is long.
#[test]
fn subgraphs_do_not_recurse() {
    let mut graph = Message::default();
    for _ in 0..2_000 {
        let attribute = Message::default().text(1, "then_branch").message(6, &graph).int(20, 5);
        let node = Message::default().text(2, "y").text(4, "If").message(5, &attribute);
        graph = Message::default().message(1, &node);
    }
    let graph = Message(graph.0).message(12, &Message::default().text(1, "y"));
    let opset = Message::default().int(2, 17);
    let found = refusal(&Message::default().message(7, &graph).message(8, &opset).0, &[]);
    assert!(found.contains("nested deeper than 8"), "{found}");
}

/// The product of the other sides is beyond what a number holds.
#[test]
fn tensors_without_elements_may_have_any_sides() {
    let huge = 1 << 40;
    let empty = tensor("e", 1, &[0, huge, huge]);
    let graph = plain().constant(&empty).node("Relu", &["x"], &["y"], &[]).node("Identity", &["e"], &["z"], &[]);
    let bytes = graph.output("z").bytes();
    let resolved = Network::parse(&bytes).unwrap().resolve(&["y", "z"], &[], &Budget::default()).unwrap();
    let input = HostTensor::new(vec![1, 3, 8, 8], vec![-1.0; 192]).unwrap();
    let expected = resolved.evaluate(&[("x", &input)]).unwrap();
    assert_eq!(expected[1].shape, [0, 1 << 40, 1 << 40]);
    let plan = resolved.plan(GPU.limits()).unwrap();
    assert_eq!(NetworkSession::open(&GPU, plan).unwrap().run(&[("x", &input)]).unwrap(), expected);
}

#[test]
fn what_no_output_needs_does_not_matter() {
    let bytes = plain().node("Relu", &["x"], &["y"], &[]).node("Frobnicate", &["y"], &["z"], &[]).output("z").bytes();
    let network = Network::parse(&bytes).unwrap();
    assert!(network.resolve(&["y"], &[], &Budget::default()).is_ok());
    let error = network.resolve(&[], &[], &Budget::default()).unwrap_err();
    assert!(error.is_unsupported(), "{error}");
    let unknown = network.resolve(&["w"], &[], &Budget::default()).unwrap_err();
    assert!(matches!(unknown, NetworkError::Tensor { .. }), "{unknown}");
}
