//! What an adapter allows.

use super::PlanError;
use crate::setters::setters;

/// Limits of an adapter that bear on a plan. The default is what WebGPU guarantees.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of workgroup memory.
    pub workgroup_storage: usize,
    /// Invocations a workgroup.
    pub invocations: usize,
    /// Bytes that one storage binding may span.
    pub storage_binding: u64,
    /// Bytes of one buffer.
    pub buffer: u64,
    /// Workgroups along one dimension of a dispatch.
    pub workgroups_per_dimension: usize,
    /// Alignment of a uniform buffer's dynamic offset.
    pub uniform_alignment: u64,
    /// Workgroups that keep the adapter busy; a guess that only costs speed where it is wrong.
    pub target_workgroups: usize,
    /// Kernels may compute in f16.
    pub half: bool,
    /// Invocations of a subgroup where it can multiply cooperative matrices of 16 x 16 in f16 into f32.
    pub matrix_subgroup: Option<usize>,
    /// True where kernels read and write memory that the host reaches, and none of it is farther from them than the rest.
    pub unified: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workgroup_storage: 16_384,
            invocations: 256,
            storage_binding: 128 << 20,
            buffer: 256 << 20,
            workgroups_per_dimension: 65_535,
            uniform_alignment: 256,
            target_workgroups: 512,
            half: false,
            matrix_subgroup: None,
            unified: false,
        }
    }
}

setters! { Limits {
    workgroup_storage: usize,
    invocations: usize,
    storage_binding: u64,
    buffer: u64,
    workgroups_per_dimension: usize,
    uniform_alignment: u64,
    target_workgroups: usize,
    half: bool,
    matrix_subgroup: into Option<usize>,
    unified: bool,
}}

impl Limits {
    /// The limits that wgpu reports, for a plan on `device_type`.
    pub fn of(limits: &wgpu::Limits, device_type: wgpu::DeviceType) -> Self {
        Self {
            workgroup_storage: limits.max_compute_workgroup_storage_size as usize,
            invocations: limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x) as usize,
            storage_binding: limits.max_storage_buffer_binding_size,
            buffer: limits.max_buffer_size,
            workgroups_per_dimension: limits.max_compute_workgroups_per_dimension as usize,
            uniform_alignment: u64::from(limits.min_uniform_buffer_offset_alignment),
            target_workgroups: if device_type == wgpu::DeviceType::Cpu { 16 } else { 512 },
            half: false,
            matrix_subgroup: None,
            unified: false,
        }
    }

    /// These limits, none beyond what `device` has.
    pub(crate) fn within(self, device: &Self) -> Self {
        let alignment = device.uniform_alignment.max(1);
        Self {
            workgroup_storage: self.workgroup_storage.min(device.workgroup_storage),
            invocations: self.invocations.min(device.invocations),
            storage_binding: self.storage_binding.min(device.storage_binding),
            buffer: self.buffer.min(device.buffer),
            workgroups_per_dimension: self.workgroups_per_dimension.min(device.workgroups_per_dimension),
            uniform_alignment: self.uniform_alignment.clamp(1, 1 << 20).next_multiple_of(alignment),
            target_workgroups: self.target_workgroups,
            half: self.half && device.half,
            matrix_subgroup: self.matrix_subgroup.filter(|_| self.matrix_subgroup == device.matrix_subgroup),
            unified: self.unified && device.unified,
        }
    }

    pub(super) fn storage_error(&self, what: &str, needed: u64) -> PlanError {
        PlanError::Limit {
            what: what.into(),
            needed,
            limit: "max_storage_buffer_binding_size",
            found: self.storage_binding,
        }
    }
}
