//! The kernels: their sources, what they bind, and the function that each is held against.

use super::template;

/// What a kernel does with a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A uniform buffer with a dynamic offset: the parameters of a pass.
    Params,
    /// A storage buffer that is read.
    Read,
    /// A storage buffer that is written.
    Write,
}

use Access::{Params, Read, Write};

/// A kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// Inputs to integer sums over a codebook of bytes, lanes are edges.
    IntegerEdges,
    /// The same for the last layer, on to its outputs.
    IntegerLast,
    /// Inputs to integer sums, lanes are rows.
    IntegerRows,
    /// Inputs to taps in f16, fragment by fragment.
    IntegerTaps,
    /// These taps to integer sums, with cooperative matrices in f16.
    IntegerMatrix,
    /// Integer sums to outputs.
    IntegerFinish,
    /// Inputs to taps in f32.
    ExpandFloat,
    /// Inputs to the taps of a product, zeros between them.
    ExpandProduct,
    /// Taps to sums over dense coefficients, by lookups.
    ContractDense,
    /// Taps to sums over a codebook in f32, by lookups.
    ContractCodebook,
    /// Taps to sums over dense coefficients, as a product of matrices.
    ProductDense,
    /// Taps to sums over a codebook in f32, as a product of matrices.
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
}

macro_rules! kernel {
    ($label:literal, $group:expr, $caller:expr) => {
        Parts {
            label: $label,
            source: include_str!(concat!("../../shaders/", $label, ".wgsl")),
            group: $group,
            caller: $caller,
        }
    };
}

struct Parts {
    label: &'static str,
    source: &'static str,
    group: &'static [Access],
    caller: Option<Access>,
}

/// Rows, in two digits, and the chunk; inputs, tables, indices, gains, records.
const INTEGER: &[Access] = &[Params, Params, Params, Read, Read, Read, Read, Write];
/// The same, and factors and columns of the outputs.
const INTEGER_LAST: &[Access] = &[Params, Params, Params, Read, Read, Read, Read, Write, Read, Read];
/// The same as [`INTEGER`], and the taps.
const INTEGER_TAPS: &[Access] = &[Params, Params, Params, Read, Read, Read, Read, Write, Write];
/// The same, and the tables as halves and the taps.
const INTEGER_MATRIX: &[Access] = &[Params, Params, Params, Read, Read, Read, Read, Write, Read, Read];
/// The parameters of the kernels in f32.
const FLOAT_PARAMS: &str = include_str!("../../shaders/float_params.wgsl");
/// What the kernels that expand inputs in f32 have in common.
const EXPAND_COMMON: &str = include_str!("../../shaders/expand_common.wgsl");
/// What the kernels that multiply matrices in f32 have in common.
const PRODUCT_COMMON: &str = include_str!("../../shaders/product_common.wgsl");
/// What the kernels that sum integers have in common.
const INTEGER_COMMON: &str = include_str!("../../shaders/integer_common.wgsl");
/// What those of them have in common that may be the first.
const INTEGER_FEATURES: &str = include_str!("../../shaders/integer_features.wgsl");
/// What the kernels do with four inputs whose lanes are edges.
const INTEGER_QUAD: &str = include_str!("../../shaders/integer_quad.wgsl");
/// What those of them have in common that sum integers throughout.
const INTEGER_CODEBOOK: &str = include_str!("../../shaders/integer_codebook.wgsl");

impl Kernel {
    /// Files that are no kernels but parts of several.
    pub const SHARED: [&str; 7] = [
        "expand_common",
        "float_params",
        "integer_codebook",
        "integer_common",
        "integer_features",
        "integer_quad",
        "product_common",
    ];

    /// All kernels.
    pub const ALL: [Self; 18] = [
        Self::IntegerEdges,
        Self::IntegerLast,
        Self::IntegerRows,
        Self::IntegerTaps,
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
    ];

    fn parts(self) -> Parts {
        match self {
            Self::IntegerEdges => kernel!("integer_edges", INTEGER, Some(Read)),
            Self::IntegerLast => kernel!("integer_last", INTEGER_LAST, Some(Write)),
            Self::IntegerRows => kernel!("integer_rows", INTEGER, Some(Read)),
            Self::IntegerTaps => kernel!("integer_taps", INTEGER_TAPS, Some(Read)),
            Self::IntegerMatrix => kernel!("integer_matrix", INTEGER_MATRIX, Some(Read)),
            Self::IntegerFinish => kernel!("integer_finish", &[Params, Read, Read, Write], Some(Write)),
            Self::ExpandFloat => kernel!("expand_float", &[Params, Read, Read, Write, Write], Some(Read)),
            Self::ExpandProduct => kernel!("expand_product", &[Params, Read, Read, Write, Write], Some(Read)),
            Self::ContractDense => kernel!("contract_dense", &[Params, Read, Read, Read, Write], None),
            Self::ContractCodebook => {
                kernel!("contract_codebook", &[Params, Read, Read, Read, Read, Read, Write], None)
            }
            Self::ProductDense => kernel!("product_dense", &[Params, Read, Write, Read, Read], None),
            Self::ProductCodebook => {
                kernel!("product_codebook", &[Params, Read, Write, Read, Read, Read, Read], None)
            }
            Self::FinishFloat => kernel!("finish_float", &[Params, Read, Read, Read], Some(Write)),
            Self::KMeansAssign => kernel!("kmeans_assign", &[Read, Read, Write, Write, Params], None),
            Self::KMeansSum => kernel!("kmeans_sum", &[Read, Read, Read, Write, Params], None),
            Self::KMeansReduce => kernel!("kmeans_reduce", &[Read, Write], None),
            Self::KMeansWorst => kernel!("kmeans_worst", &[Read, Read, Read, Write], None),
            Self::KMeansMove => kernel!("kmeans_move", &[Read, Read, Read, Write], None),
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
            Self::IntegerEdges | Self::IntegerLast | Self::IntegerRows => {
                let own = template::expand(&own.replace("// include integer_quad\n", INTEGER_QUAD), constants);
                let features = if self == Self::IntegerLast { "" } else { INTEGER_FEATURES };
                let shared = format!("{INTEGER_COMMON}\n{features}\n{INTEGER_CODEBOOK}");
                format!("requires packed_4x8_integer_dot_product;\n{shared}\n{own}")
            }
            Self::IntegerTaps => format!("{INTEGER_COMMON}\n{INTEGER_FEATURES}\n{}", template::expand(own, constants)),
            Self::IntegerMatrix => {
                let own = template::expand(own, constants);
                format!("enable f16;\nenable wgpu_cooperative_matrix;\n{INTEGER_COMMON}\n{INTEGER_FEATURES}\n{own}")
            }
            Self::ExpandFloat | Self::ExpandProduct => format!("{FLOAT_PARAMS}\n{EXPAND_COMMON}\n{own}"),
            Self::ProductDense | Self::ProductCodebook => {
                let common = template::expand(PRODUCT_COMMON, constants);
                format!("{FLOAT_PARAMS}\n{common}\n{own}")
            }
            Self::ContractDense | Self::ContractCodebook | Self::FinishFloat => format!("{FLOAT_PARAMS}\n{own}"),
            _ => own.to_owned(),
        }
    }

    /// Constants that the kernel is written over, with values that it can be read with.
    pub fn sample_constants(self) -> Vec<(&'static str, u32)> {
        match self {
            Self::IntegerEdges | Self::IntegerLast => vec![("ROWS", 2)],
            Self::IntegerRows => vec![("OWN", 2)],
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
            Self::IntegerTaps => vec![("PAIRS", 5)],
            Self::ProductDense | Self::ProductCodebook => vec![
                ("ROW_LANES", 8),
                ("COLUMN_LANES", 8),
                ("ROW_QUADS", 2),
                ("COLUMN_QUADS", 2),
                ("DEPTH", 8),
                ("UNROLLED", 8),
                ("BUFFERS", 2),
                ("TAP_ITEMS", 2),
                ("WEIGHT_ITEMS", 2),
            ],
            _ => Vec::new(),
        }
    }

    /// Bindings of group 0, which are the session's own, in order.
    pub fn bindings(self) -> &'static [Access] {
        self.parts().group
    }

    /// The one binding of group 1, an input or output that may be the caller's.
    pub fn caller_binding(self) -> Option<Access> {
        self.parts().caller
    }
}
