//! An ONNX network in bytes, so small that it takes no time.

/// A number in the protocol buffers' way.
fn varint(mut value: u64, to: &mut Vec<u8>) {
    while value >= 128 {
        to.push(value as u8 | 128);
        value >>= 7;
    }
    to.push(value as u8);
}

fn number(field: u64, value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint(field << 3, &mut bytes);
    varint(value, &mut bytes);
    bytes
}

fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint(field << 3 | 2, &mut bytes);
    varint(value.len() as u64, &mut bytes);
    bytes.extend_from_slice(value);
    bytes
}

fn message(field: u64, parts: &[Vec<u8>]) -> Vec<u8> {
    bytes(field, &parts.concat())
}

/// A tensor of f32 as the network's input or output: the name, and sizes that are known, or not where they are 0.
fn value(field: u64, name: &str, sizes: [u64; 4]) -> Vec<u8> {
    let size = |(at, &size): (usize, &u64)| match size {
        0 => message(1, &[bytes(2, format!("{name}_{at}").as_bytes())]),
        size => message(1, &[number(1, size)]),
    };
    let sizes: Vec<Vec<u8>> = sizes.iter().enumerate().map(size).collect();
    let shape = message(2, &sizes);
    message(field, &[bytes(1, name.as_bytes()), message(2, &[message(1, &[number(1, 1), shape])])])
}

fn integers(name: &str, values: &[u64]) -> Vec<u8> {
    let values = values.iter().flat_map(|&value| number(8, value));
    message(5, &[bytes(1, name.as_bytes()), values.collect(), number(20, 7)])
}

/// Every 16th pixel of `input` [1, 3, 64, 64] as `channels` features in `c4`: one convolution of 1 x 1.
pub fn pixels_to_features(channels: usize) -> Vec<u8> {
    pixels_through(channels, "Identity")
}

/// The same of images whose height and width the file leaves open.
pub fn pixels_of_any_size(channels: usize) -> Vec<u8> {
    pixels(channels, "Identity", 0)
}

/// The same as of 64 x 64 pixels, with an operator behind the convolution.
pub fn pixels_through(channels: usize, operator: &str) -> Vec<u8> {
    pixels(channels, operator, 64)
}

/// Of images of so many pixels a side.
fn pixels(channels: usize, operator: &str, side: u64) -> Vec<u8> {
    let weights: Vec<u8> = (0..3 * channels).flat_map(|n| (0.7 * (1.3 * n as f32).sin()).to_le_bytes()).collect();
    let sizes: Vec<u8> = [channels as u64, 3, 1, 1].iter().flat_map(|&size| number(1, size)).collect();
    let weight = message(5, &[sizes, number(2, 1), bytes(8, b"weight"), bytes(9, &weights)]);
    let node = message(
        1,
        &[
            bytes(1, b"input"),
            bytes(1, b"weight"),
            bytes(2, b"features"),
            bytes(3, b"conv"),
            bytes(4, b"Conv"),
            integers("kernel_shape", &[1, 1]),
            integers("strides", &[16, 16]),
        ],
    );
    let behind =
        message(1, &[bytes(1, b"features"), bytes(2, b"c4"), bytes(3, b"behind"), bytes(4, operator.as_bytes())]);
    let graph = message(
        7,
        &[
            node,
            behind,
            bytes(2, b"graph"),
            weight,
            value(11, "input", [1, 3, side, side]),
            value(12, "c4", [1, channels as u64, side / 16, side / 16]),
        ],
    );
    [number(1, 8), graph, message(8, &[bytes(1, b""), number(2, 13)])].concat()
}
