//! The kernels: their sources, what they bind, and the function that each is held against.

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
    /// Inputs to integer taps.
    ExpandInteger,
    /// Integer taps to integer sums over a codebook of bytes.
    ContractInteger,
    /// Integer sums to outputs.
    FinishInteger,
    /// Inputs to taps in f32.
    ExpandFloat,
    /// Taps to sums over dense coefficients.
    ContractDense,
    /// Taps to sums over a codebook in f32.
    ContractCodebook,
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

impl Kernel {
    /// All kernels.
    pub const ALL: [Self; 12] = [
        Self::ExpandInteger,
        Self::ContractInteger,
        Self::FinishInteger,
        Self::ExpandFloat,
        Self::ContractDense,
        Self::ContractCodebook,
        Self::FinishFloat,
        Self::KMeansAssign,
        Self::KMeansSum,
        Self::KMeansReduce,
        Self::KMeansWorst,
        Self::KMeansMove,
    ];

    fn parts(self) -> Parts {
        match self {
            Self::ExpandInteger => kernel!("expand_integer", &[Params, Read, Read, Write, Write], Some(Read)),
            Self::ContractInteger => {
                kernel!("contract_integer", &[Params, Read, Read, Read, Read, Read, Write], None)
            }
            Self::FinishInteger => kernel!("finish_integer", &[Params, Read, Read, Read], Some(Write)),
            Self::ExpandFloat => kernel!("expand_float", &[Params, Read, Read, Write, Write], Some(Read)),
            Self::ContractDense => kernel!("contract_dense", &[Params, Read, Read, Read, Write], None),
            Self::ContractCodebook => {
                kernel!("contract_codebook", &[Params, Read, Read, Read, Read, Read, Write], None)
            }
            Self::FinishFloat => kernel!("finish_float", &[Params, Read, Read, Read], Some(Write)),
            Self::KMeansAssign => kernel!("kmeans_assign", &[Read, Read, Write, Write], None),
            Self::KMeansSum => kernel!("kmeans_sum", &[Read, Read, Read, Write], None),
            Self::KMeansReduce => kernel!("kmeans_reduce", &[Read, Write], None),
            Self::KMeansWorst => kernel!("kmeans_worst", &[Read, Read, Read, Write], None),
            Self::KMeansMove => kernel!("kmeans_move", &[Read, Read, Read, Write], None),
        }
    }

    /// Name of the kernel and of its file.
    pub fn label(self) -> &'static str {
        self.parts().label
    }

    /// WGSL source.
    pub fn source(self) -> &'static str {
        self.parts().source
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
