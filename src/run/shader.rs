//! Shaders as devices compile them, of heads and of networks alike: what tests write for every kind of device.

use super::Access;
use super::pipelines::KernelVariant;

/// A shader as a device compiles it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shader {
    /// Name of the kernel and of its file.
    pub kernel: &'static str,
    /// What was chosen of the kernel.
    pub detail: String,
    /// The shader in WGSL.
    pub source: String,
    /// Override constants.
    pub constants: Vec<(&'static str, f64)>,
    /// What its bindings are, group by group.
    pub groups: Vec<Vec<Access>>,
}

impl From<&KernelVariant> for Shader {
    fn from(variant: &KernelVariant) -> Self {
        let KernelVariant { kernel, source_constants, constants } = variant;
        let numbers = source_constants.iter().map(|(name, value)| format!("{name}={value}"));
        let overrides = constants.iter().map(|(name, value)| format!("{name}={value}"));
        let external = kernel.external_binding().map(|buffer| vec![buffer.access()]);
        Self {
            kernel: kernel.label(),
            detail: numbers.chain(overrides).collect::<Vec<_>>().join(" "),
            source: kernel.source(source_constants),
            constants: constants.clone(),
            groups: std::iter::once(kernel.bindings().to_vec()).chain(external).collect(),
        }
    }
}
