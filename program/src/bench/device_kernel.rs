//! The kernels that measure a device, and the device's objections to them.

use sharekan::run::RunError;

/// A kernel that does one thing. It reads from binding 0 and writes to binding 1.
#[derive(Debug, Clone, Copy)]
pub(super) enum DeviceKernel {
    /// Copies memory.
    Copy,
    /// Reads workgroup memory.
    Workgroup,
    /// Integer dot products.
    Dot,
}

impl DeviceKernel {
    #[cfg(test)]
    const ALL: [Self; 3] = [Self::Copy, Self::Workgroup, Self::Dot];

    /// Name of the kernel and of its file.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Copy => "measure_copy",
            Self::Workgroup => "measure_workgroup",
            Self::Dot => "measure_dot",
        }
    }

    fn source(self) -> &'static str {
        match self {
            Self::Copy => include_str!("../../shaders/measure_copy.wgsl"),
            Self::Workgroup => include_str!("../../shaders/measure_workgroup.wgsl"),
            Self::Dot => include_str!("../../shaders/measure_dot.wgsl"),
        }
    }

    /// A pipeline whose layout follows from the source; what it indexes is checked.
    pub(super) fn pipeline(self, device: &wgpu::Device, constants: &[(&str, f64)]) -> wgpu::ComputePipeline {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(self.label()),
            source: wgpu::ShaderSource::Wgsl(self.source().into()),
        });
        device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(self.label()),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants,
                // The kernels write their workgroup memory before they read it.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        })
    }

    /// What `make` gives, or the device's objection to it.
    pub(super) fn watched<T>(self, device: &wgpu::Device, make: impl FnOnce() -> T) -> Result<T, RunError> {
        use wgpu::ErrorFilter::{Internal, OutOfMemory, Validation};
        let scopes = [OutOfMemory, Validation, Internal].map(|filter| device.push_error_scope(filter));
        let made = make();
        let mut objections = Vec::new();
        for scope in scopes.into_iter().rev() {
            objections.extend(pollster::block_on(scope.pop()));
        }
        objections.last().map_or(Ok(made), |objection| {
            let problem = one_line(&objection.to_string());
            Err(RunError::Refused { what: format!("the kernel {}", self.label()), problem })
        })
    }
}

/// wgpu's message on one line.
pub(super) fn one_line(text: &str) -> String {
    text.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_is_valid() {
        for kernel in DeviceKernel::ALL {
            let module = naga::front::wgsl::parse_str(kernel.source()).unwrap();
            let flags = naga::valid::ValidationFlags::all();
            naga::valid::Validator::new(flags, naga::valid::Capabilities::default()).validate(&module).unwrap();
            let bindings = module.global_variables.iter().filter_map(|(_, variable)| variable.binding);
            assert_eq!(bindings.map(|at| (at.group, at.binding)).collect::<Vec<_>>(), [(0, 0), (0, 1)]);
        }
    }
}
