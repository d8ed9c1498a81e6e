//! The kernels: their sources and what they bind.

use super::expression::{Expression, wgsl};
use super::op::{Reduce, Window};
use super::tile::Tile;
use crate::run::{Access, Shader, template};

/// Lanes of a workgroup; every adapter has as many.
pub(super) const LANES: usize = 256;

/// A kernel with all that its source depends on. Sizes are none of it: they are parameters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kernel {
    pub(super) kind: KernelKind,
    pub(super) arithmetic: Arithmetic,
    pub(super) half: Half,
}

/// The bindings whose numbers are f16; the others are f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Half(u32);

impl Half {
    pub(super) fn insert(&mut self, binding: usize) {
        self.0 |= 1 << binding;
    }

    fn contains(self, binding: usize) -> bool {
        self.0 >> binding & 1 == 1
    }

    fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The type of a binding's numbers.
    fn number(self, binding: usize) -> &'static str {
        if self.contains(binding) { "f16" } else { "f32" }
    }
}

/// Bindings of a convolution, after its parameters.
const INPUT: usize = 1;
const WEIGHTS: usize = 2;
const BIAS: usize = 3;

/// Which kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum KernelKind {
    /// Whether all pixels lie in a line and are taken as one row, whether the window reaches into padding, whether there
    /// are groups, and whether the input is read in quads.
    Conv {
        window: Window,
        line: bool,
        padded: bool,
        grouped: bool,
        quads: bool,
        tile: Tile,
    },
    ConvAny,
    Depthwise {
        window: Window,
        pixels: usize,
    },
    /// Dimensions, and elements at a time.
    Elementwise {
        dimensions: usize,
        width: usize,
    },
    Pool {
        maximum: bool,
        padded: bool,
        width: usize,
    },
    Reduce {
        kind: Reduce,
        kept: usize,
        reduced: usize,
        columns: usize,
    },
    Resize {
        taps: [usize; 2],
        width: usize,
    },
    Softmax {
        dimensions: usize,
    },
    MatMul {
        dimensions: usize,
    },
    Pad {
        mode: u32,
        dimensions: usize,
    },
}

/// What a kernel does with each element that it makes, and how it reads the operands.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Arithmetic {
    pub(super) expression: Expression,
    pub(super) operands: Vec<Load>,
}

/// How an operand is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// An element of `T`.
    Whole,
    /// One number for all of a quad.
    Splat,
}

/// Kernels of networks, by the names of their files.
#[doc(hidden)]
pub const KERNELS: [&str; 10] = [
    "network_conv",
    "network_conv_any",
    "network_depthwise",
    "network_elementwise",
    "network_matmul",
    "network_pad",
    "network_pool",
    "network_reduce",
    "network_resize",
    "network_softmax",
];

/// Files that are no kernels but parts of several.
#[doc(hidden)]
pub const SHARED: [&str; 5] =
    ["network_arithmetic", "network_common", "network_filter", "network_map", "network_strides"];

impl Load {
    /// Operand number `at`, read at `address` as a `T`.
    fn of(self, at: usize, address: &str) -> String {
        match self {
            Self::Whole => format!("T(source{at}[{address}])"),
            // No vector of f32 is made of a single f16.
            Self::Splat => format!("T(f32(source{at}[{address}]))"),
        }
    }
}

const COMMON: &str = include_str!("../../shaders/network_common.wgsl");
/// What the kernels have in common that do arithmetic on elements.
const ARITHMETIC: &str = include_str!("../../shaders/network_arithmetic.wgsl");
/// What the kernels over maps have in common.
const MAP: &str = include_str!("../../shaders/network_map.wgsl");
/// What convolutions have in common.
const FILTER: &str = include_str!("../../shaders/network_filter.wgsl");
/// What the kernels over tensors of any layout have in common.
const STRIDES: &str = include_str!("../../shaders/network_strides.wgsl");

impl KernelKind {
    /// Name of the kernel's file.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Conv { .. } => "network_conv",
            Self::ConvAny => "network_conv_any",
            Self::Depthwise { .. } => "network_depthwise",
            Self::Elementwise { .. } => "network_elementwise",
            Self::Pool { .. } => "network_pool",
            Self::Reduce { .. } => "network_reduce",
            Self::Resize { .. } => "network_resize",
            Self::Softmax { .. } => "network_softmax",
            Self::MatMul { .. } => "network_matmul",
            Self::Pad { .. } => "network_pad",
        }
    }

    /// What of it was chosen, for tables.
    pub(super) fn detail(self) -> String {
        match self {
            Self::Conv { window, tile, .. } => {
                let [ky, kx] = window.kernel;
                let Tile { pixels, quads, column_lanes, row_lanes, slices, unroll } = tile;
                format!("{ky}x{kx} {pixels}x{quads} of {row_lanes}x{column_lanes}x{slices} by {unroll}")
            }
            Self::Depthwise { window, pixels } => format!("{}x{} {pixels}", window.kernel[0], window.kernel[1]),
            _ => String::new(),
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Conv { .. } => include_str!("../../shaders/network_conv.wgsl"),
            Self::ConvAny => include_str!("../../shaders/network_conv_any.wgsl"),
            Self::Depthwise { .. } => include_str!("../../shaders/network_depthwise.wgsl"),
            Self::Elementwise { .. } => include_str!("../../shaders/network_elementwise.wgsl"),
            Self::Pool { .. } => include_str!("../../shaders/network_pool.wgsl"),
            Self::Reduce { .. } => include_str!("../../shaders/network_reduce.wgsl"),
            Self::Resize { .. } => include_str!("../../shaders/network_resize.wgsl"),
            Self::Softmax { .. } => include_str!("../../shaders/network_softmax.wgsl"),
            Self::MatMul { .. } => include_str!("../../shaders/network_matmul.wgsl"),
            Self::Pad { .. } => include_str!("../../shaders/network_pad.wgsl"),
        }
    }

    /// The parts that it shares with other kernels.
    fn shared(self) -> String {
        let strides = |count: &str| STRIDES.replace("COUNT", count).replace("NAME", count);
        match self {
            Self::Conv { .. } | Self::ConvAny | Self::Depthwise { .. } => format!("{ARITHMETIC}\n{MAP}\n{FILTER}"),
            Self::Pool { .. } | Self::Resize { .. } => MAP.to_owned(),
            Self::Elementwise { .. } => format!("{ARITHMETIC}\n{}", strides("DIMS")),
            Self::Softmax { .. } | Self::MatMul { .. } | Self::Pad { .. } => strides("DIMS"),
            Self::Reduce { .. } => format!("{}\n{}", strides("KEPT"), strides("REDUCED")),
        }
    }

    /// Bindings of the kernel itself; operands come after.
    fn own_bindings(self) -> &'static [Access] {
        use Access::{Read, Uniform, Write};
        match self {
            Self::Conv { .. } | Self::ConvAny | Self::Depthwise { .. } => &[Uniform, Read, Read, Read, Write],
            Self::Elementwise { .. } => &[Uniform, Write],
            Self::Pool { .. } | Self::Reduce { .. } | Self::Softmax { .. } | Self::Pad { .. } => {
                &[Uniform, Read, Write]
            }
            Self::Resize { .. } | Self::MatMul { .. } => &[Uniform, Read, Read, Write],
        }
    }

    /// Whether the numbers of a binding may be f16.
    pub(super) fn takes_half(self, binding: usize) -> bool {
        match self {
            Self::Conv { .. } | Self::Depthwise { .. } => binding != BIAS,
            Self::Elementwise { .. } => true,
            _ => false,
        }
    }

    /// Elements of `T`.
    pub(super) fn width(self) -> usize {
        match self {
            Self::Conv { .. } | Self::Depthwise { .. } => 4,
            Self::Elementwise { width, .. } | Self::Pool { width, .. } | Self::Resize { width, .. } => width,
            _ => 1,
        }
    }
}

fn vector(width: usize, number: &str) -> String {
    if width == 4 { format!("vec4<{number}>") } else { number.to_owned() }
}

impl From<&Kernel> for Shader {
    fn from(kernel: &Kernel) -> Self {
        Self {
            kernel: kernel.kind.label(),
            detail: kernel.kind.detail(),
            source: kernel.source(),
            constants: Vec::new(),
            groups: vec![kernel.bindings()],
        }
    }
}

impl Kernel {
    /// A kernel of f32.
    pub(super) fn new(kind: KernelKind, arithmetic: Arithmetic) -> Self {
        Self { kind, arithmetic, half: Half::default() }
    }

    pub(super) fn bindings(&self) -> Vec<Access> {
        let operands = self.arithmetic.operands.iter().map(|_| Access::Read);
        self.kind.own_bindings().iter().copied().chain(operands).collect()
    }

    /// The kernel in WGSL.
    pub(super) fn source(&self) -> String {
        let mut file = format!("{COMMON}\n{}\n{}", self.kind.shared(), self.kind.file());
        let mut constants = Vec::new();
        let enable = if self.half.is_empty() { "" } else { "enable f16;\n" };
        let mut before = format!("{enable}alias T = {};\n", vector(self.kind.width(), "f32"));
        before.push_str(&self.stored());
        let half = self.half.contains(WEIGHTS);
        match self.kind {
            KernelKind::Conv { window, line, padded, grouped, quads, tile } => {
                constants.extend(window_constants(&window));
                constants.extend([
                    ("LINE", u32::from(line)),
                    ("PADDED", u32::from(padded)),
                    ("GROUPED", u32::from(grouped)),
                    ("DEPTH", if quads { 4 } else { 1 }),
                    ("PIXELS", tile.pixels as u32),
                    ("QUADS", tile.quads as u32),
                    ("COLUMN_LANES", tile.column_lanes as u32),
                    ("ROW_LANES", tile.row_lanes as u32),
                    ("SLICES", tile.slices as u32),
                    ("PARTIAL", tile.partial() as u32),
                    ("LANES", tile.lanes() as u32),
                    ("UNROLL", tile.unroll as u32),
                ]);
                file =
                    file.replace("// products q u\n", &products(quads, tile, half)).replace("// sums\n", &sums(tile));
                let sums = (0..tile.pixels).flat_map(|p| (0..tile.quads).map(move |q| format!("{p}_{q}")));
                file = with_parts(&file, half, sums);
            }
            KernelKind::Depthwise { window, pixels } => {
                constants.extend(window_constants(&window));
                constants.push(("PIXELS", pixels as u32));
                file = file.replace("// row\n", &row(&window, pixels, half));
                file = with_parts(&file, half, (0..pixels).map(|p| p.to_string()));
            }
            KernelKind::Elementwise { dimensions, .. } => {
                let places = 3 * (1 + self.arithmetic.operands.len());
                constants.extend([("DIMS", dimensions as u32), ("PLACES", places as u32)]);
                file = file.replace("// addresses\n", &self.addresses(dimensions));
                let count = self.arithmetic.operands.len();
                let operands: Vec<String> = (0..count).map(|operand| format!("value{operand}")).collect();
                file = file.replace("OPERANDS", &operands.join(", "));
            }
            KernelKind::Pool { maximum, padded, .. } => {
                constants.extend([("MAXIMUM", u32::from(maximum)), ("PADDED", u32::from(padded))]);
            }
            KernelKind::Reduce { kind, kept, reduced, columns } => {
                constants.extend([
                    ("KEPT", kept as u32),
                    ("REDUCED", reduced as u32),
                    ("COLUMN_LANES", columns as u32),
                ]);
                before.push_str(&reduction(kind));
            }
            KernelKind::Resize { taps, .. } => {
                constants.extend([("TAPS_Y", taps[0] as u32), ("TAPS_X", taps[1] as u32)]);
            }
            KernelKind::Softmax { dimensions } | KernelKind::MatMul { dimensions } => {
                constants.push(("DIMS", dimensions as u32));
            }
            KernelKind::Pad { mode, dimensions } => constants.extend([("MODE", mode), ("DIMS", dimensions as u32)]),
            KernelKind::ConvAny => {}
        }
        if !matches!(self.kind, KernelKind::Conv { .. }) {
            constants.push(("LANES", LANES as u32));
        }
        before.push_str(&self.operands());
        format!("{before}\n{}", template::expand(&file, &constants))
    }

    /// What the bindings of the kernel itself hold.
    fn stored(&self) -> String {
        let quad = |binding: usize| vector(4, self.half.number(binding));
        match self.kind {
            KernelKind::Conv { .. } | KernelKind::Depthwise { .. } => {
                let a = self.half.number(WEIGHTS);
                let width = if matches!(self.kind, KernelKind::Conv { quads: false, .. }) { 1 } else { 4 };
                format!(
                    "alias A = {a};\nalias X = {};\nalias StoredX = {};\nalias StoredY = {};\n",
                    vector(width, a),
                    vector(width, self.half.number(INPUT)),
                    quad(BIAS + 1)
                )
            }
            KernelKind::Elementwise { width, .. } => {
                format!("alias StoredY = {};\n", vector(width, self.half.number(INPUT)))
            }
            _ => String::new(),
        }
    }

    /// The operands' bindings and the function that does the arithmetic.
    fn operands(&self) -> String {
        let mut text = String::new();
        let first = self.kind.own_bindings().len();
        for (at, load) in self.arithmetic.operands.iter().enumerate() {
            let binding = first + at;
            let element = vector(if *load == Load::Whole { self.kind.width() } else { 1 }, self.half.number(binding));
            text.push_str(&format!("@group(0) @binding({binding}) var<storage, read> source{at}: array<{element}>;\n"));
        }
        match self.kind {
            KernelKind::Elementwise { .. } => {
                let parameters: Vec<String> =
                    (0..self.arithmetic.operands.len()).map(|operand| format!("operand{operand}: T")).collect();
                let body = wgsl(&self.arithmetic.expression);
                text.push_str(&format!("fn arithmetic({}) -> T {{\n{body}}}\n", parameters.join(", ")));
            }
            KernelKind::Conv { .. } | KernelKind::ConvAny | KernelKind::Depthwise { .. } => {
                text.push_str("fn epilogue(value: T, pixel: Pixel, channel: u32) -> T {\n");
                for (at, load) in self.arithmetic.operands.iter().enumerate() {
                    let (place, step) =
                        (format!("params.operands[{}]", 2 * at), format!("params.operands[{}].x", 2 * at + 1));
                    let channel = if *load == Load::Whole { format!(" + channel * {step}") } else { String::new() };
                    let pixel = format!("pixel.image * {place}.y + pixel.row * {place}.z + pixel.column * {place}.w");
                    let address = format!("{place}.x + {pixel}{channel}");
                    text.push_str(&format!("    let operand{at} = {};\n", load.of(at, &address)));
                }
                if self.arithmetic.expression.is_empty() {
                    text.push_str("    return value;\n");
                } else {
                    text.push_str(&wgsl(&self.arithmetic.expression));
                }
                text.push_str("}\n");
            }
            _ => {}
        }
        text
    }

    /// Where output and operands of elementwise arithmetic lie.
    fn addresses(&self, dimensions: usize) -> String {
        let part = |tensor: usize, at: usize| format!("params.places[{}][{}]", tensor * 3 + at / 4, at % 4);
        let address = |tensor: usize| {
            let mut text = part(tensor, 0);
            for d in 0..dimensions {
                text.push_str(&format!(" + c[{d}] * {}", part(tensor, d + 1)));
            }
            text
        };
        let mut text = format!("let to = {};\n", address(0));
        for (at, load) in self.arithmetic.operands.iter().enumerate() {
            text.push_str(&format!("    let value{at} = {};\n", load.of(at, &address(at + 1))));
        }
        text
    }
}

fn window_constants(window: &Window) -> [(&'static str, u32); 6] {
    [
        ("KERNEL_Y", window.kernel[0] as u32),
        ("KERNEL_X", window.kernel[1] as u32),
        ("STRIDE_Y", window.stride[0] as u32),
        ("STRIDE_X", window.stride[1] as u32),
        ("DILATION_Y", window.dilation[0] as u32),
        ("DILATION_X", window.dilation[1] as u32),
    ]
}

/// Sums of f16 that are set to zero where `parts` stands and added to those of f32 where `flush` stands.
fn with_parts(file: &str, half: bool, sums: impl Iterator<Item = String>) -> String {
    let (mut parts, mut flush) = (String::new(), String::new());
    for sum in sums.filter(|_| half) {
        parts.push_str(&format!("var part{sum} = vec4<f16>();\n"));
        flush.push_str(&format!("sum{sum} += vec4<f32>(part{sum});\n"));
    }
    file.replace("// parts\n", &parts).replace("// flush\n", &flush)
}

/// Products of what a lane has read for a quad of channels; stands in loops over quads `{q}` and steps
/// `{u}`.
fn products(quads: bool, tile: Tile, half: bool) -> String {
    let mut text = String::new();
    let sum = if half { "part" } else { "sum" };
    if quads {
        for (step, part) in ["x", "y", "z", "w"].iter().enumerate() {
            text.push_str(&format!("let weight{step} = weights[w + {step}u * params.quads];\n"));
            for pixel in 0..tile.pixels {
                let sum = format!("{sum}{pixel}_{{q}}");
                text.push_str(&format!("{sum} = fma(vec4<A>(value{pixel}_{{u}}.{part}), weight{step}, {sum});\n"));
            }
        }
    } else {
        text.push_str("let weight = weights[w];\n");
        for pixel in 0..tile.pixels {
            let sum = format!("{sum}{pixel}_{{q}}");
            text.push_str(&format!("{sum} = fma(vec4<A>(value{pixel}_{{u}}), weight, {sum});\n"));
        }
    }
    text
}

/// Adds up what the slices have, the upper half to the lower half and so on.
fn sums(tile: Tile) -> String {
    let mut text = String::new();
    let outputs = tile.column_lanes * tile.row_lanes;
    let mut half = tile.slices / 2;
    while half > 0 {
        text.push_str(&format!("if slice >= {half}u && slice < {}u {{\n", 2 * half));
        let lanes = half * outputs;
        let sums = || (0..tile.pixels).flat_map(|p| (0..tile.quads).map(move |q| (p, q))).enumerate();
        for (at, (p, q)) in sums() {
            text.push_str(&format!("    partial[lane - {lanes}u + {}u] = sum{p}_{q};\n", at * lanes));
        }
        text.push_str(&format!("}}\nworkgroupBarrier();\nif slice < {half}u {{\n"));
        for (at, (p, q)) in sums() {
            text.push_str(&format!("    sum{p}_{q} += partial[lane + {}u];\n", at * lanes));
        }
        text.push_str("}\nworkgroupBarrier();\n");
        half /= 2;
    }
    text
}

/// Reads a row of the input once and multiplies it for all pixels of a lane.
fn row(window: &Window, pixels: usize, half: bool) -> String {
    let sum = if half { "part" } else { "sum" };
    let (stride, dilation, kernel) = (window.stride[1], window.dilation[1], window.kernel[1]);
    let mut places: Vec<usize> =
        (0..pixels).flat_map(|p| (0..kernel).map(move |k| p * stride + k * dilation)).collect();
    places.sort_unstable();
    places.dedup();
    let mut text = String::new();
    for place in places {
        text.push_str(&format!("let place{place} = first + {place}u;\n"));
        text.push_str(&format!("let inside{place} = place{place} < params.in_width;\n"));
        let address = format!("start + select(0u, place{place} * params.x_pixel, inside{place})");
        text.push_str(&format!("let value{place} = select(vec4<A>(), vec4<A>(x[{address}]), inside{place});\n"));
        for pixel in 0..pixels {
            for k in (0..kernel).filter(|k| pixel * stride + k * dilation == place) {
                text.push_str(&format!("{sum}{pixel} = fma(value{place}, weight{k}, {sum}{pixel});\n"));
            }
        }
    }
    text
}

fn reduction(kind: Reduce) -> String {
    let (start, joined, taken, finished) = match kind {
        Reduce::Mean => ("0.0", "a + b", "a", "a / count"),
        Reduce::Sum => ("0.0", "a + b", "a", "a"),
        Reduce::Max => ("-LARGEST", "max(a, b)", "a", "a"),
        Reduce::Min => ("LARGEST", "min(a, b)", "a", "a"),
        Reduce::Product => ("1.0", "a * b", "a", "a"),
        Reduce::L2 => ("0.0", "a + b", "a * a", "sqrt(a)"),
    };
    format!(
        "const START: f32 = {start};\nfn joined(a: f32, b: f32) -> f32 {{ return {joined}; }}\n\
         fn taken(a: f32) -> f32 {{ return {taken}; }}\n\
         fn finished(a: f32, count: f32) -> f32 {{ return {finished}; }}\n"
    )
}
