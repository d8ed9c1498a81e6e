//! ONNX files written by hand: just enough of the format to make any graph.

/// A protocol-buffer message in the making.
#[derive(Default, Clone)]
pub struct Message(pub Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub fn int(mut self, field: u64, value: i64) -> Self {
        self.varint(field << 3);
        self.varint(value as u64);
        self
    }

    pub fn float(mut self, field: u64, value: f32) -> Self {
        self.varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    pub fn text(self, field: u64, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    pub fn message(self, field: u64, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }
}

/// A value of an attribute.
#[derive(Clone)]
pub enum Attribute {
    Int(i64),
    Float(f32),
    Ints(Vec<i64>),
    Text(&'static str),
}

/// Sides as an attribute has them.
pub fn ints(values: &[usize]) -> Attribute {
    Attribute::Ints(values.iter().map(|v| *v as i64).collect())
}

/// A graph in the making.
pub struct Graph {
    graph: Message,
    opset: i64,
}

impl Graph {
    pub fn new(opset: i64) -> Self {
        Self { graph: Message::default(), opset }
    }

    /// An input or output; sides of -1 are left open.
    fn value(name: &str, element: i64, shape: &[i64]) -> Message {
        let mut sides = Message::default();
        for side in shape {
            let side = if *side < 0 { Message::default().text(2, "open") } else { Message::default().int(1, *side) };
            sides = sides.message(1, &side);
        }
        let tensor = Message::default().int(1, element).message(2, &sides);
        Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
    }

    pub fn input(mut self, name: &str, shape: &[i64]) -> Self {
        self.graph = self.graph.message(11, &Self::value(name, 1, shape));
        self
    }

    pub fn output(mut self, name: &str) -> Self {
        self.graph = self.graph.message(12, &Message::default().text(1, name));
        self
    }

    pub fn floats(mut self, name: &str, shape: &[i64], values: &[f32]) -> Self {
        let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.graph = self.graph.message(5, &tensor(name, 1, shape).bytes(9, &raw));
        self
    }

    pub fn ints(mut self, name: &str, values: &[i64]) -> Self {
        let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.graph = self.graph.message(5, &tensor(name, 7, &[values.len() as i64]).bytes(9, &raw));
        self
    }

    /// A constant of any message.
    pub fn constant(mut self, message: &Message) -> Self {
        self.graph = self.graph.message(5, message);
        self
    }

    pub fn node(self, operator: &str, inputs: &[&str], outputs: &[&str], attributes: &[(&str, Attribute)]) -> Self {
        let mut node = Message::default();
        for (name, value) in attributes {
            let attribute = Message::default().text(1, name);
            let attribute = match value {
                Attribute::Int(value) => attribute.int(3, *value).int(20, 2),
                Attribute::Float(value) => attribute.float(2, *value).int(20, 1),
                Attribute::Text(value) => attribute.text(4, value).int(20, 3),
                Attribute::Ints(values) => values.iter().fold(attribute, |a, v| a.int(8, *v)).int(20, 7),
            };
            node = node.message(5, &attribute);
        }
        self.raw_node(operator, inputs, outputs, node)
    }

    /// A node with fields of its own.
    pub fn raw_node(mut self, operator: &str, inputs: &[&str], outputs: &[&str], mut node: Message) -> Self {
        for input in inputs {
            node = node.text(1, input);
        }
        for output in outputs {
            node = node.text(2, output);
        }
        node = node.text(3, &format!("the_{}", operator.to_lowercase())).text(4, operator);
        self.graph = self.graph.message(1, &node);
        self
    }

    pub fn bytes(self) -> Vec<u8> {
        let opset = Message::default().text(1, "").int(2, self.opset);
        Message::default().int(1, 8).message(7, &self.graph).message(8, &opset).0
    }
}

/// The beginning of a constant: name, element type, shape.
pub fn tensor(name: &str, element: i64, shape: &[i64]) -> Message {
    shape.iter().fold(Message::default(), |tensor, side| tensor.int(1, *side)).int(2, element).text(8, name)
}
