//! The kernels: their sources and what they bind.

use super::template;

/// What a kernel does with a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A uniform buffer with a dynamic offset: the parameters of a pass.
    Params,
    /// A uniform buffer of the dispatch's own.
    Uniform,
    /// A storage buffer that is read.
    Read,
    /// A storage buffer that is written.
    Write,
    /// A texture whose texels are read one by one.
    Texture,
}

/// A buffer that may be the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExternalBuffer {
    /// Features, which are read.
    Input,
    /// Outputs, which are written.
    Output,
}

use Access::{Params, Read, Texture, Write};
use ExternalBuffer::{Input, Output};

impl ExternalBuffer {
    /// What a kernel does with it.
    pub fn access(self) -> Access {
        match self {
            Input => Read,
            Output => Write,
        }
    }
}

/// A kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// Inputs to integer sums over a codebook of bytes, invocations are edges.
    IntegerEdges,
    /// Inputs to integer sums, invocations are rows.
    IntegerRows,
    /// Inputs to basis weights in f16, fragment by fragment.
    IntegerBasis,
    /// These basis weights to integer sums, with cooperative matrices in f16.
    IntegerMatrix,
    /// Integer sums to outputs.
    IntegerFinish,
    /// Inputs to basis weights in f32.
    ExpandFloat,
    /// Inputs to the basis weights of a product, zeros between them.
    ExpandProduct,
    /// Basis weights to sums over dense coefficients, by lookups.
    ContractDense,
    /// Basis weights to sums over a codebook in f32, by lookups.
    ContractCodebook,
    /// Basis weights to sums over dense coefficients, as a product of matrices.
    ProductDense,
    /// Basis weights to sums over a codebook in f32, as a product of matrices.
    ProductCodebook,
    /// Sums in f32 to outputs.
    FinishFloat,
    /// k-means: the codeword of every point.
    KMeansAssign,
    /// k-means: sums of the points of every codeword, chunk by chunk.
    KMeansSum,
    /// k-means: sums of chunks to sums of all points.
    KMeansReduce,
    /// k-means: the points met worst.
    KMeansWorst,
    /// k-means: codewords to the middle of their points.
    KMeansMove,
    /// An image in a buffer to a backbone's input.
    FrameLetterboxBuffer,
    /// An image in a texture to a backbone's input.
    FrameLetterboxTexture,
    /// A map of features to the rows of the cells.
    FrameJoin,
    /// A head's outputs to the boxes that may be strong enough.
    FrameCandidates,
}

macro_rules! kernel {
    ($label:literal, $group:expr, $external:expr) => {
        Parts {
            label: $label,
            source: include_str!(concat!("../../shaders/", $label, ".wgsl")),
            group: $group,
            external: $external,
        }
    };
}

struct Parts {
    label: &'static str,
    source: &'static str,
    group: &'static [Access],
    external: Option<ExternalBuffer>,
}

/// Rows, in two digits, and the chunk; inputs, tables, indices, gains, accumulators.
const INTEGER: &[Access] = &[Params, Params, Params, Read, Read, Read, Read, Write];
/// The same as [`INTEGER`], and the basis weights.
const INTEGER_BASIS: &[Access] = &[Params, Params, Params, Read, Read, Read, Read, Write, Write];
/// The same, and the tables as halves and the basis weights.
const INTEGER_MATRIX: &[Access] = &[Params, Params, Params, Read, Read, Read, Read, Write, Read, Read];
/// The parameters of the kernels in f32.
const FLOAT_PARAMS: &str = include_str!("../../shaders/float_params.wgsl");
/// What the kernels that expand inputs in f32 have in common.
const EXPAND_COMMON: &str = include_str!("../../shaders/expand_common.wgsl");
/// What all that multiply matrices of a layer in f32 read and write.
const PRODUCT_LAYER: &str = include_str!("../../shaders/product_layer.wgsl");
/// What the kernels that multiply matrices in f32 have in common.
const PRODUCT_COMMON: &str = include_str!("../../shaders/product_common.wgsl");
/// The same on cooperative matrices in f16.
const PRODUCT_MATRIX: &str = include_str!("../../shaders/product_matrix.wgsl");
/// What the kernels that take inputs to positions have in common.
const INTEGER_COMMON: &str = include_str!("../../shaders/integer_common.wgsl");
/// What those of them have in common that sum edges.
const INTEGER_SUMS: &str = include_str!("../../shaders/integer_sums.wgsl");
/// What the kernels that letterbox have in common.
const FRAME_LETTERBOX: &str = include_str!("../../shaders/frame_letterbox.wgsl");
/// What those of them have in common that sum integers throughout.
const INTEGER_CODEBOOK: &str = include_str!("../../shaders/integer_codebook.wgsl");

impl Kernel {
    /// Files that are no kernels but parts of several.
    pub const SHARED: [&str; 9] = [
        "expand_common",
        "float_params",
        "frame_letterbox",
        "integer_codebook",
        "integer_common",
        "integer_sums",
        "product_common",
        "product_layer",
        "product_matrix",
    ];

    /// All kernels.
    pub const ALL: [Self; 21] = [
        Self::IntegerEdges,
        Self::IntegerRows,
        Self::IntegerBasis,
        Self::IntegerMatrix,
        Self::IntegerFinish,
        Self::ExpandFloat,
        Self::ExpandProduct,
        Self::ContractDense,
        Self::ContractCodebook,
        Self::ProductDense,
        Self::ProductCodebook,
        Self::FinishFloat,
        Self::KMeansAssign,
        Self::KMeansSum,
        Self::KMeansReduce,
        Self::KMeansWorst,
        Self::KMeansMove,
        Self::FrameLetterboxBuffer,
        Self::FrameLetterboxTexture,
        Self::FrameJoin,
        Self::FrameCandidates,
    ];

    fn parts(self) -> Parts {
        match self {
            Self::IntegerEdges => kernel!("integer_edges", INTEGER, Some(Input)),
            Self::IntegerRows => kernel!("integer_rows", INTEGER, Some(Input)),
            Self::IntegerBasis => kernel!("integer_basis", INTEGER_BASIS, Some(Input)),
            Self::IntegerMatrix => kernel!("integer_matrix", INTEGER_MATRIX, Some(Input)),
            Self::IntegerFinish => kernel!("integer_finish", &[Params, Read, Read, Write], Some(Output)),
            Self::ExpandFloat => kernel!("expand_float", &[Params, Read, Read, Write, Write], Some(Input)),
            Self::ExpandProduct => kernel!("expand_product", &[Params, Read, Read, Write, Write], Some(Input)),
            Self::ContractDense => kernel!("contract_dense", &[Params, Read, Read, Read, Write], None),
            Self::ContractCodebook => {
                kernel!("contract_codebook", &[Params, Read, Read, Read, Read, Read, Write], None)
            }
            Self::ProductDense => kernel!("product_dense", &[Params, Read, Write, Read, Read], None),
            Self::ProductCodebook => {
                kernel!("product_codebook", &[Params, Read, Write, Read, Read, Read, Read], None)
            }
            Self::FinishFloat => kernel!("finish_float", &[Params, Read, Read, Read], Some(Output)),
            Self::KMeansAssign => kernel!("kmeans_assign", &[Read, Read, Write, Write, Params], None),
            Self::KMeansSum => kernel!("kmeans_sum", &[Read, Read, Read, Write, Params], None),
            Self::KMeansReduce => kernel!("kmeans_reduce", &[Read, Write], None),
            Self::KMeansWorst => kernel!("kmeans_worst", &[Read, Read, Read, Write], None),
            Self::KMeansMove => kernel!("kmeans_move", &[Read, Read, Read, Write], None),
            Self::FrameLetterboxBuffer => kernel!("frame_letterbox_buffer", &[Read, Write, Read], None),
            Self::FrameLetterboxTexture => kernel!("frame_letterbox_texture", &[Read, Write, Texture], None),
            Self::FrameJoin => kernel!("frame_join", &[Read, Write, Write], None),
            Self::FrameCandidates => kernel!("frame_candidates", &[Read, Read, Write], None),
        }
    }

    /// Name of the kernel and of its file.
    pub fn label(self) -> &'static str {
        self.parts().label
    }

    /// WGSL source over constants that are no overrides, as [`Kernel::sample_constants`] names them.
    pub fn source(self, constants: &[(&'static str, u32)]) -> String {
        let own = self.parts().source;
        match self {
            Self::IntegerEdges | Self::IntegerRows => {
                let own = template::expand(own, constants);
                let common = format!("{INTEGER_COMMON}\n{INTEGER_SUMS}\n{INTEGER_CODEBOOK}");
                format!("requires packed_4x8_integer_dot_product;\n{common}\n{own}")
            }
            Self::IntegerBasis => format!("{INTEGER_COMMON}\n{}", template::expand(own, constants)),
            Self::IntegerMatrix => {
                let own = template::expand(own, constants);
                format!("enable f16;\nenable wgpu_cooperative_matrix;\n{INTEGER_COMMON}\n{INTEGER_SUMS}\n{own}")
            }
            Self::ExpandFloat | Self::ExpandProduct => format!("{FLOAT_PARAMS}\n{EXPAND_COMMON}\n{own}"),
            Self::ProductDense | Self::ProductCodebook => {
                let has = |name| constants.iter().any(|&(constant, value)| constant == name && value > 0);
                let (enabled, common) = match (has("SUBGROUP"), has("HALF")) {
                    (true, _) => ("enable f16;\nenable wgpu_cooperative_matrix;\n", PRODUCT_MATRIX),
                    (_, true) => ("enable f16;\nalias Value = f16;\n", PRODUCT_COMMON),
                    _ => ("alias Value = f32;\n", PRODUCT_COMMON),
                };
                format!("{enabled}{FLOAT_PARAMS}\n{PRODUCT_LAYER}\n{}\n{own}", template::expand(common, constants))
            }
            Self::ContractDense | Self::ContractCodebook | Self::FinishFloat => format!("{FLOAT_PARAMS}\n{own}"),
            Self::FrameLetterboxBuffer | Self::FrameLetterboxTexture => format!("{FRAME_LETTERBOX}\n{own}"),
            _ => own.to_owned(),
        }
    }

    /// Constants that the kernel is written over, with values that it can be read with.
    pub fn sample_constants(self) -> Vec<(&'static str, u32)> {
        match self {
            Self::IntegerEdges => vec![("ROWS", 2)],
            Self::IntegerRows => {
                vec![("EACH", 2), ("OWN", 2), ("ENTRIES", 2), ("STREAMS", 1), ("BOOK_SPANS", 8), ("BOOK_STRIDE", 257)]
            }
            Self::IntegerMatrix => vec![
                ("PER_ROWS", 2),
                ("PER_COLUMNS", 2),
                ("SUBGROUP_ROWS", 2),
                ("SUBGROUP_COLUMNS", 4),
                ("PAIRS", 5),
                ("WEIGHT_ITEMS", 1),
                ("AHEAD", 2),
                ("STORES", 4),
            ],
            Self::IntegerBasis => vec![("PAIRS", 5)],
            Self::ProductDense | Self::ProductCodebook => vec![
                ("ROW_INVOCATIONS", 8),
                ("COLUMN_INVOCATIONS", 8),
                ("ROW_QUADS", 2),
                ("COLUMN_QUADS", 2),
                ("DEPTH", 8),
                ("UNROLLED", 8),
                ("BUFFERS", 2),
                ("BASIS_ITEMS", 2),
                ("WEIGHT_ITEMS", 2),
                ("HALF", 0),
                ("WHOLE", 1),
            ],
            _ => Vec::new(),
        }
    }

    /// Sets of such constants, one for each source that the kernel is made of.
    pub fn samples(self) -> Vec<Vec<(&'static str, u32)>> {
        let mut samples = vec![self.sample_constants()];
        if matches!(self, Self::ProductDense | Self::ProductCodebook) {
            let half = samples[0].iter().map(|&(name, value)| match name {
                "HALF" => (name, 1),
                "WHOLE" => (name, 0),
                _ => (name, value),
            });
            let half = half.collect();
            samples.push(half);
            samples.push(vec![
                ("PER_ROWS", 2),
                ("PER_COLUMNS", 2),
                ("SUBGROUP_ROWS", 2),
                ("SUBGROUP_COLUMNS", 2),
                ("SUBGROUP", 32),
                ("DEPTH", 16),
                ("BUFFERS", 2),
                ("BASIS_ITEMS", 1),
                ("WEIGHT_ITEMS", 1),
            ]);
        }
        samples
    }

    /// Bindings of group 0, which are the session's own, in order.
    pub fn bindings(self) -> &'static [Access] {
        self.parts().group
    }

    /// The one binding of group 1, an input or output that may be the caller's.
    pub fn external_binding(self) -> Option<ExternalBuffer> {
        self.parts().external
    }
}
