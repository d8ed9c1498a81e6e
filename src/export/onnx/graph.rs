//! A network that is being made: nodes and the numbers that they start from.

use std::collections::HashSet;

use super::proto::Message;

/// Version of ONNX's own format.
const IR_VERSION: i64 = 8;

/// A type of numbers, by ONNX's number for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    F32 = 1,
    U8 = 2,
    I8 = 3,
    U16 = 4,
    I32 = 6,
    I64 = 7,
    F64 = 11,
}

/// An attribute of a node.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attribute<'a> {
    Int(i64),
    Ints(&'a [i64]),
    Float(f32),
}

impl From<i64> for Attribute<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

/// Nodes, in an order in which they can be run, and constants.
#[derive(Debug, Default)]
pub(super) struct Graph {
    graph: Message,
    constants: Message,
    names: HashSet<String>,
    nodes: usize,
}

impl Graph {
    /// Adds a node of an operator; gives the name of its only output.
    pub(super) fn node(&mut self, operator: &str, inputs: &[&str], attributes: &[(&str, Attribute<'_>)]) -> String {
        let output = format!("{}_{}", operator.to_lowercase(), self.nodes);
        self.node_to(operator, inputs, &output, attributes);
        output
    }

    /// Adds a node whose output has this name.
    pub(super) fn node_to(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, Attribute<'_>)],
    ) {
        let mut node = Message::default();
        for input in inputs {
            node.text(1, input);
        }
        node.text(2, output).text(3, &format!("node_{}", self.nodes)).text(4, operator);
        for (name, value) in attributes {
            let mut attribute = Message::default();
            attribute.text(1, name);
            match value {
                Attribute::Float(value) => attribute.float(2, *value).int(20, 1),
                Attribute::Int(value) => attribute.int(3, *value).int(20, 2),
                Attribute::Ints(values) => {
                    for value in *values {
                        attribute.int(8, *value);
                    }
                    attribute.int(20, 7)
                }
            };
            node.message(5, &attribute);
        }
        self.graph.message(1, &node);
        self.nodes += 1;
    }

    /// Adds numbers under a name; those that are there already stay.
    pub(super) fn constant<T: bytemuck::NoUninit>(
        &mut self,
        name: &str,
        kind: Kind,
        shape: &[usize],
        values: &[T],
    ) -> String {
        if self.names.insert(name.to_owned()) {
            let mut tensor = Message::default();
            for side in shape {
                tensor.int(1, *side as i64);
            }
            tensor.int(2, kind as i64).text(8, name);
            // Little end first, on every machine that this is built for.
            tensor.bytes(9, bytemuck::cast_slice(values));
            self.constants.message(5, &tensor);
        }
        name.to_owned()
    }

    /// Numbers that say how a node works, one tensor for all that are the same.
    pub(super) fn numbers(&mut self, values: &[i64]) -> String {
        let words: Vec<String> = values.iter().map(i64::to_string).collect();
        self.constant(&format!("numbers_{}", words.join("_")), Kind::I64, &[values.len()], values)
    }

    pub(super) fn cast(&mut self, value: &str, kind: Kind) -> String {
        self.node("Cast", &[value], &[("to", (kind as i64).into())])
    }

    pub(super) fn reshape(&mut self, value: &str, shape: &[i64]) -> String {
        let shape = self.numbers(shape);
        self.node("Reshape", &[value, &shape], &[])
    }

    /// Puts a side of 1 behind the others, or where `axis` says.
    pub(super) fn unsqueeze(&mut self, value: &str, axis: i64) -> String {
        let axes = self.numbers(&[axis]);
        self.node("Unsqueeze", &[value, &axes], &[])
    }

    /// What lies from `start` to before `end` on the last side.
    pub(super) fn part(&mut self, value: &str, start: usize, end: usize) -> String {
        let (start, end) = (self.numbers(&[start as i64]), self.numbers(&[end as i64]));
        let axes = self.numbers(&[-1]);
        self.node("Slice", &[value, &start, &end, &axes], &[])
    }

    /// `rows` times the transpose of `weights`, and a constant an output.
    pub(super) fn product(&mut self, rows: &str, weights: &str, bias: Option<(String, &[f32])>) -> String {
        let transposed = [("transB", 1.into())];
        match bias {
            None => self.node("Gemm", &[rows, weights], &transposed),
            Some((name, values)) => {
                let bias = self.constant(&name, Kind::F32, &[values.len()], values);
                self.node("Gemm", &[rows, weights, &bias], &transposed)
            }
        }
    }

    /// The bytes of the file, from one input to one output of f32, both with so many values a row.
    pub(super) fn finish(
        self,
        input: (&str, usize),
        output: (&str, usize),
        opset: i64,
        metadata: &[(&str, &str)],
    ) -> Vec<u8> {
        let mut graph = self.graph;
        graph.text(2, "sharekan");
        let mut bytes = graph.into_bytes();
        bytes.extend(self.constants.into_bytes());
        let mut ends = Message::default();
        ends.message(11, &rows(input)).message(12, &rows(output));
        bytes.extend(ends.into_bytes());
        let mut model = Message::default();
        model.int(1, IR_VERSION).text(2, "sharekan").text(3, env!("CARGO_PKG_VERSION")).bytes(7, &bytes);
        let mut operators = Message::default();
        operators.text(1, "").int(2, opset);
        model.message(8, &operators);
        for (key, value) in metadata {
            let mut entry = Message::default();
            entry.text(1, key).text(2, value);
            model.message(14, &entry);
        }
        model.into_bytes()
    }
}

/// An input or output of `[rows, width]`.
fn rows((name, width): (&str, usize)) -> Message {
    let (mut rows, mut columns) = (Message::default(), Message::default());
    rows.text(2, "rows");
    columns.int(1, width as i64);
    let (mut shape, mut tensor, mut of_type, mut value) =
        (Message::default(), Message::default(), Message::default(), Message::default());
    shape.message(1, &rows).message(1, &columns);
    tensor.int(1, Kind::F32 as i64).message(2, &shape);
    of_type.message(1, &tensor);
    value.text(1, name).message(2, &of_type);
    value
}
