//! Adapters and devices.

#[cfg(not(target_arch = "wasm32"))]
use std::sync::PoisonError;
use std::sync::{Arc, Mutex};

use serde::Serialize;

use super::RunError;
use super::scopes::Scopes;
use crate::plan::Limits;
use crate::setters::setters;

/// Which adapter to take.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct GpuOptions {
    /// Part of the adapter's name, in any case; `None` takes the best one.
    pub name: Option<String>,
    /// Backends to look at; `None` means Vulkan, Metal, DX12 and WebGPU.
    pub backends: Option<wgpu::Backends>,
    /// Leaves wgpu's experimental features (cooperative matrices) alone.
    pub plain: bool,
    /// How much of what the adapter has the device takes.
    pub profile: DeviceProfile,
}

/// How much of what an adapter has a device takes: to measure on one machine what a lesser one would run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DeviceProfile {
    /// The adapter's own limits, and of the optional features those that are of use.
    #[default]
    Adapter,
    /// What WebGPU guarantees: 16 KiB of workgroup memory, 256 invocations, 8 storage buffers; no subgroups, no matrices, no
    /// f16. Timestamps are kept, to measure with.
    Portable,
    /// The same with arithmetic in f16.
    PortableF16,
}

setters! { GpuOptions {
    name: into Option<String>,
    backends: into Option<wgpu::Backends>,
    plain: bool,
    profile: DeviceProfile,
}}

/// Changes the source of the kernel of a name before it is compiled.
#[doc(hidden)]
pub type Rewrite = fn(&str, String) -> String;

/// A device to run sessions on.
#[derive(Debug, Clone)]
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    info: wgpu::AdapterInfo,
    /// Where the device is from, if this library opened it.
    origin: Option<(wgpu::Instance, wgpu::Adapter)>,
    /// What plans are made for: the device's own, or less.
    limits: Limits,
    device_limits: Limits,
    lost: Arc<Mutex<Option<String>>>,
    cache: Option<wgpu::PipelineCache>,
    rewrite: Option<Rewrite>,
}

/// An adapter and what of it matters to a head.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AdapterReport {
    /// Name as the driver gives it.
    pub name: String,
    /// `vulkan`, `metal`, `dx12` or `webgpu`.
    pub backend: String,
    /// `discrete`, `integrated`, `virtual`, `cpu` (software) or `other`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Driver and its version.
    pub driver: String,
    /// Bytes of workgroup memory.
    pub workgroup_storage: usize,
    /// Invocations a workgroup.
    pub invocations: usize,
    /// Bytes that one storage binding may span.
    pub storage_binding: u64,
    /// Bytes of one buffer.
    pub buffer: u64,
    /// Storage buffers a kernel may bind.
    pub storage_buffers: u32,
    /// Smallest and largest subgroup.
    pub subgroups: [u32; 2],
    /// Features of use to kernels and measurements that the adapter offers.
    pub features: Vec<&'static str>,
}

/// The same device.
impl PartialEq for Gpu {
    fn eq(&self, other: &Self) -> bool {
        self.device == other.device
    }
}

impl AdapterReport {
    fn new(adapter: &wgpu::Adapter) -> Self {
        let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
        let of_use = [
            (wgpu::Features::SUBGROUP, "subgroup"),
            (wgpu::Features::SHADER_F16, "shader-f16"),
            (wgpu::Features::TIMESTAMP_QUERY, "timestamp-query"),
            (wgpu::Features::PIPELINE_CACHE, "pipeline-cache"),
            (wgpu::Features::MAPPABLE_PRIMARY_BUFFERS, "mappable-primary-buffers"),
            (wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX, "cooperative-matrix"),
        ];
        let plan = Limits::of(&limits, info.device_type);
        Self {
            name: info.name.clone(),
            backend: info.backend.to_str().to_owned(),
            kind: kind(info.device_type),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            workgroup_storage: plan.workgroup_storage,
            invocations: plan.invocations,
            storage_binding: plan.storage_binding,
            buffer: plan.buffer,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            subgroups: [info.subgroup_min_size, info.subgroup_max_size],
            features: of_use.iter().filter(|(feature, _)| features.contains(*feature)).map(|(_, name)| *name).collect(),
        }
    }
}

fn kind(device_type: wgpu::DeviceType) -> &'static str {
    match device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete",
        wgpu::DeviceType::IntegratedGpu => "integrated",
        wgpu::DeviceType::VirtualGpu => "virtual",
        wgpu::DeviceType::Cpu => "cpu",
        wgpu::DeviceType::Other => "other",
    }
}

/// The feature by which the host reaches what kernels read and write, where that is memory as near to them as any.
fn shared_memory(info: &wgpu::AdapterInfo) -> wgpu::Features {
    let own = matches!(info.device_type, wgpu::DeviceType::IntegratedGpu | wgpu::DeviceType::Cpu);
    // Direct3D 12 has kernels write to no memory that the host maps.
    let reached = matches!(info.backend, wgpu::Backend::Vulkan | wgpu::Backend::Metal);
    if own && reached { wgpu::Features::MAPPABLE_PRIMARY_BUFFERS } else { wgpu::Features::empty() }
}

/// Lanes of a subgroup, where it is of one size and multiplies matrices of 16 x 16 in f16 into f32.
fn matrix_subgroup(adapter: &wgpu::Adapter) -> Option<usize> {
    let needed =
        wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX | wgpu::Features::SHADER_F16 | wgpu::Features::SUBGROUP;
    let info = adapter.get_info();
    if !adapter.features().contains(needed) || info.subgroup_min_size != info.subgroup_max_size {
        return None;
    }
    let offered = adapter.cooperative_matrix_properties().iter().any(|properties| {
        [properties.m_size, properties.n_size, properties.k_size] == [16; 3]
            && properties.ab_type == wgpu::CooperativeScalarType::F16
            && properties.cr_type == wgpu::CooperativeScalarType::F32
    });
    offered.then_some(info.subgroup_max_size as usize)
}

fn instance(options: &GpuOptions) -> (wgpu::Instance, wgpu::Backends) {
    let wanted = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12 | wgpu::Backends::BROWSER_WEBGPU;
    let backends = options.backends.unwrap_or(wanted);
    (instance_of(backends), backends)
}

/// The instance for these backends, the same for all of a process: wgpu tells buffers of two devices apart only where
/// both are of one instance.
#[cfg(not(target_arch = "wasm32"))]
fn instance_of(backends: wgpu::Backends) -> wgpu::Instance {
    static INSTANCES: Mutex<Vec<(wgpu::Backends, wgpu::Instance)>> = Mutex::new(Vec::new());
    let mut instances = INSTANCES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, instance)) = instances.iter().find(|(of, _)| *of == backends) {
        return instance.clone();
    }
    let instance = new_instance(backends);
    instances.push((backends, instance.clone()));
    instance
}

/// A browser has one anyway.
#[cfg(target_arch = "wasm32")]
fn instance_of(backends: wgpu::Backends) -> wgpu::Instance {
    new_instance(backends)
}

fn new_instance(backends: wgpu::Backends) -> wgpu::Instance {
    let descriptor = wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() };
    wgpu::Instance::new(descriptor)
}

/// All adapters that `options` leave to choose from, the best first: discrete, integrated, virtual, other, software.
async fn adapters(options: &GpuOptions) -> Vec<wgpu::Adapter> {
    let (instance, backends) = instance(options);
    let mut found = instance.enumerate_adapters(backends).await;
    found.sort_by_key(|adapter| match adapter.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    found
}

/// All adapters of this machine, the best first.
pub async fn list_adapters(options: &GpuOptions) -> Vec<AdapterReport> {
    adapters(options).await.iter().map(AdapterReport::new).filter(|report| matches(&report.name, options)).collect()
}

fn matches(name: &str, options: &GpuOptions) -> bool {
    options.name.as_ref().is_none_or(|wanted| name.to_lowercase().contains(&wanted.to_lowercase()))
}

impl Gpu {
    /// Opens the best adapter that `options` leave, software ones included.
    ///
    /// The device has the adapter's own limits, so that more workgroup memory is used where there is more, and of the
    /// optional features those that cost nothing to have.
    ///
    /// # Errors
    /// Where there is no such adapter, or it gives no device.
    pub async fn open(options: &GpuOptions) -> Result<Self, RunError> {
        Self::open_with_kernels(options, |_| None).await
    }

    /// Opens an adapter as [`Gpu::open`] does; `kernels` gives what [`Gpu::compiled_kernels`] gave for it in another
    /// process, and nothing else.
    pub(super) async fn open_with_kernels(
        options: &GpuOptions,
        kernels: impl FnOnce(&wgpu::AdapterInfo) -> Option<Vec<u8>>,
    ) -> Result<Self, RunError> {
        let found = adapters(options).await;
        let (instance, _) = instance(options);
        let names: Vec<String> = found.iter().map(|adapter| adapter.get_info().name).collect();
        let Some(adapter) = found.into_iter().find(|adapter| matches(&adapter.get_info().name, options)) else {
            return Err(RunError::NoAdapter(match &options.name {
                Some(wanted) if !names.is_empty() => {
                    format!("no adapter is named {wanted:?}, found {}", names.join(", "))
                }
                _ => "no graphics adapter was found (a Vulkan, Metal or DX12 driver is needed; Mesa's lavapipe is one in software)".into(),
            }));
        };
        let info = adapter.get_info();
        let always = wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::PIPELINE_CACHE;
        let wanted = always
            | match options.profile {
                DeviceProfile::Adapter => wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16 | shared_memory(&info),
                DeviceProfile::Portable => wgpu::Features::empty(),
                DeviceProfile::PortableF16 => wgpu::Features::SHADER_F16,
            };
        let portable = options.profile != DeviceProfile::Adapter;
        if options.profile == DeviceProfile::PortableF16 && !adapter.features().contains(wgpu::Features::SHADER_F16) {
            return Err(RunError::NoDevice { adapter: info.name, problem: "it has no arithmetic in f16".into() });
        }
        let limits = if portable { wgpu::Limits::default() } else { adapter.limits() };
        let matrix_subgroup = if options.plain || portable { None } else { matrix_subgroup(&adapter) };
        let (experiments, experimental_features) = match matrix_subgroup {
            None => (wgpu::Features::empty(), wgpu::ExperimentalFeatures::disabled()),
            Some(_) => {
                // SAFETY: the token only says that wgpu may have bugs here. The one experimental feature in use is the
                // cooperative matrix, in kernels which `verify` and the tests compare with the reference.
                let token = unsafe { wgpu::ExperimentalFeatures::enabled() };
                (wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX, token)
            }
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("sharekan"),
            required_features: (adapter.features() & wanted) | experiments,
            experimental_features,
            required_limits: limits.clone(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) = adapter.request_device(&descriptor).await.map_err(|e| RunError::NoDevice {
            adapter: info.name.clone(),
            problem: RunError::one_line(&e.to_string()),
        })?;
        let lost = Arc::default();
        record_loss(&device, &lost);
        // wgpu panics on errors that nobody waits for; sessions ask for theirs, so what is left is worth a line.
        device.on_uncaptured_error(Arc::new(|error: wgpu::Error| {
            tracing::error!("{}", RunError::one_line(&error.to_string()));
        }));
        let limits = Limits {
            half: device.features().contains(wgpu::Features::SHADER_F16),
            matrix_subgroup,
            unified: device.features().contains(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS),
            ..Limits::of(&limits, info.device_type)
        };
        let cache = device.features().contains(wgpu::Features::PIPELINE_CACHE).then(|| {
            let data = kernels(&info);
            let descriptor =
                wgpu::PipelineCacheDescriptor { label: Some("sharekan"), data: data.as_deref(), fallback: true };
            // SAFETY: the bytes are what `PipelineCache::get_data` returned, as the caller vouches: `DeviceCache`, the
            // only one that has any, reads them from the file that it wrote itself, in the user's own folder, and
            // drops them where their digest does not fit. wgpu and the driver check that they are of this driver and
            // device, and begin with an empty cache (`fallback`) where they are not.
            unsafe { device.create_pipeline_cache(&descriptor) }
        });
        let origin = Some((instance, adapter));
        Ok(Self { device, queue, info, origin, device_limits: limits.clone(), limits, lost, cache, rewrite: None })
    }

    /// Takes a device of the caller. `info` is that of the adapter it came from.
    ///
    /// Handlers that the caller set on the device stay: what sessions do wrong is their error and reaches none, and that
    /// the device is lost they see by what it no longer does.
    pub fn with_device(device: wgpu::Device, queue: wgpu::Queue, info: wgpu::AdapterInfo) -> Self {
        let half = device.features().contains(wgpu::Features::SHADER_F16);
        let limits = Limits { half, ..Limits::of(&device.limits(), info.device_type) };
        let lost = Arc::default();
        // In a browser a lost device goes on as if nothing were, but any number of callbacks may wait for it.
        if cfg!(target_arch = "wasm32") {
            record_loss(&device, &lost);
        }
        let device_limits = limits.clone();
        Self { device, queue, info, origin: None, device_limits, limits, lost, cache: None, rewrite: None }
    }

    /// The device.
    pub fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// Its queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// The instance and the adapter that the device is of, to show what it draws in a window; `None` for a device of the
    /// caller's.
    pub fn origin(&self) -> Option<(&wgpu::Instance, &wgpu::Adapter)> {
        self.origin.as_ref().map(|(instance, adapter)| (instance, adapter))
    }

    /// The adapter's name, driver and kind.
    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.info
    }

    /// `discrete`, `integrated`, `virtual`, `cpu` (software) or `other`.
    pub fn kind(&self) -> &'static str {
        kind(self.info.device_type)
    }

    /// True for an adapter that runs on the CPU.
    pub fn is_software(&self) -> bool {
        self.info.device_type == wgpu::DeviceType::Cpu
    }

    /// The limits that plans are made for.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Plans for smaller limits than the device has: to see what a lesser adapter would do. Where `limits` ask for more than
    /// the device has, they get what it has; subgroups that multiply matrices are its own or none.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits.within(&self.device_limits);
        self
    }

    /// Compiles what `rewrite` makes of every kernel's source, with all checks, and plans for matrices of subgroups of
    /// `matrix_subgroup` lanes: how tests break kernels, and run those with cooperative matrices where there are none.
    #[doc(hidden)]
    #[must_use]
    pub fn rewriting_kernels(mut self, matrix_subgroup: Option<usize>, rewrite: Rewrite) -> Self {
        self.limits.matrix_subgroup = matrix_subgroup;
        self.device_limits.matrix_subgroup = matrix_subgroup;
        self.rewrite = Some(rewrite);
        self
    }

    /// What is made of a kernel's source before it is compiled.
    pub(crate) fn rewrite(&self) -> Option<Rewrite> {
        self.rewrite
    }

    /// Where compiled kernels are kept for the next session, if the device can.
    pub(crate) fn pipeline_cache(&self) -> Option<&wgpu::PipelineCache> {
        self.cache.as_ref()
    }

    /// The kernels that were compiled on this device so far, for another process with the same driver and device; `None`
    /// where the driver does not give them.
    pub fn compiled_kernels(&self) -> Option<Vec<u8>> {
        self.cache.as_ref().and_then(wgpu::PipelineCache::get_data)
    }

    /// Why the device is gone, if it is.
    pub fn lost(&self) -> Option<String> {
        self.lost.lock().ok().and_then(|lost| lost.clone())
    }

    /// True where the device is gone, or gives no memory for a word: wgpu tells nobody but a callback that it is lost, and
    /// that is the caller's where the device is.
    pub(crate) fn is_gone(&self) -> bool {
        let scopes = Scopes::open(&self.device);
        let word = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("probe"),
            size: 8,
            usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: true,
        });
        let given = word.get_mapped_range(..).is_ok();
        word.destroy();
        drop(scopes.close());
        self.lost().is_some() || !given
    }

    /// The error of a device that is gone, or must be: it objected to nothing and still gave no results.
    pub(crate) fn lost_error(&self) -> RunError {
        RunError::Lost(self.lost().unwrap_or_else(|| "it objects to nothing and gives no results".into()))
    }
}

/// Keeps the reason when `device` says that it is lost.
fn record_loss(device: &wgpu::Device, lost: &Arc<Mutex<Option<String>>>) {
    let lost = Arc::clone(lost);
    device.set_device_lost_callback(move |reason, message| {
        if let Ok(mut lost) = lost.lock() {
            *lost = Some(format!("{reason:?} {message}").trim().to_owned());
        }
    });
}
