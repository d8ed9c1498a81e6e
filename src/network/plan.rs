//! What a network takes of a device: its steps, and the memory that they share.

use super::error::NetworkError;
use super::kernel::Kernel;
use super::lower::{BufferKind, Lowered, Step};
use super::options::{NetworkOptions, Precision};
use super::resolve::Resolved;
use super::view::{BufferId, View};
use crate::plan::Limits;
use crate::run::Shader;

/// The steps of a network for an adapter's limits. Nothing of it depends on a measurement: the same network, sizes and
/// limits give the same plan.
#[derive(Debug)]
pub struct NetworkPlan {
    pub(super) steps: Vec<Step>,
    pub(super) buffers: Vec<Placed>,
    /// Bytes of the buffers that activations share.
    pub(super) slots: Vec<u64>,
    pub(super) precision: Precision,
    /// Convolutions whose tiles were measured.
    pub(super) measured_tiles: usize,
    pub(super) inputs: Vec<(String, View)>,
    pub(super) outputs: Vec<(String, View)>,
}

/// A buffer of the plan and where it is.
#[derive(Debug)]
pub(super) enum Placed {
    Input {
        elements: usize,
    },
    /// Its bytes.
    Constant(Vec<u8>),
    Slot(usize),
    Output {
        elements: usize,
    },
    /// No step uses it.
    Nowhere,
}

/// A step of a plan, for tables.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepSummary {
    /// The kernel.
    pub kernel: &'static str,
    /// What of the kernel was chosen: its tile.
    pub detail: String,
    /// The nodes that it does at once.
    pub nodes: Vec<String>,
    /// Shape of what it makes.
    pub shape: Vec<usize>,
    /// Workgroups of the dispatch.
    pub workgroups: usize,
    /// Multiplications, roughly.
    pub work: u64,
}

/// Bytes of device memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkMemory {
    /// Weights and tables.
    pub constants: u64,
    /// What steps hand to each other.
    pub activations: u64,
    /// Inputs, and outputs where they are computed.
    pub inputs_and_outputs: u64,
}

impl Resolved {
    /// The steps that compute the network on an adapter of `limits`.
    ///
    /// # Errors
    /// Where a step is not supported, or the network does not fit the limits.
    pub fn plan(self, limits: &Limits) -> Result<NetworkPlan, NetworkError> {
        self.plan_with(limits, &NetworkOptions::default())
    }

    /// The same as [`Resolved::plan`], with choices.
    ///
    /// # Errors
    /// As [`Resolved::plan`].
    pub fn plan_with(self, limits: &Limits, options: &NetworkOptions) -> Result<NetworkPlan, NetworkError> {
        let lowered = self.lower(options, limits.target_workgroups * super::kernel::LANES)?;
        let mut plan = NetworkPlan::new(lowered, options.precision);
        let tasks = plan.steps.iter().filter_map(|step| step.task);
        plan.measured_tiles =
            tasks.filter(|(task, tile)| options.tiles.get(task, options.precision) == Some(*tile)).count();
        plan.check(limits)?;
        Ok(plan)
    }
}

impl NetworkPlan {
    fn new(lowered: Lowered, precision: Precision) -> Self {
        let Lowered { steps, buffers, inputs, outputs } = lowered;
        // From the first step to the last that uses a buffer.
        let mut spans: Vec<Option<[usize; 2]>> = vec![None; buffers.len()];
        for (at, step) in steps.iter().enumerate() {
            for id in &step.buffers {
                let span = spans[*id].get_or_insert([at, at]);
                span[1] = at;
            }
        }
        let mut order: Vec<BufferId> = (0..buffers.len())
            .filter(|id| matches!(buffers[*id].kind, BufferKind::Activation) && spans[*id].is_some())
            .collect();
        order.sort_by_key(|id| std::cmp::Reverse(buffers[*id].bytes()));
        // For every slot its bytes and the spans of what is in it. Largest first: whatever comes later fits every slot
        // that is free in its span, and takes the smallest.
        let mut slots: Vec<(u64, Vec<[usize; 2]>)> = Vec::new();
        let mut taken = vec![None; buffers.len()];
        for id in order {
            let span = spans[id].unwrap_or([0, 0]);
            let free = |spans: &[[usize; 2]]| spans.iter().all(|[first, last]| span[1] < *first || span[0] > *last);
            let at = slots.iter().rposition(|(_, spans)| free(spans)).unwrap_or_else(|| {
                slots.push((buffers[id].bytes(), Vec::new()));
                slots.len() - 1
            });
            slots[at].1.push(span);
            taken[id] = Some(at);
        }
        let place = |(id, buffer): (usize, super::lower::Buffer)| match buffer.kind {
            BufferKind::Input => Placed::Input { elements: buffer.elements },
            BufferKind::Output => Placed::Output { elements: buffer.elements },
            BufferKind::Constant(values) | BufferKind::Weights(values) if spans[id].is_some() => {
                Placed::Constant(if buffer.half { halves(&values) } else { bytemuck::cast_slice(&values).to_vec() })
            }
            BufferKind::Constant(_) | BufferKind::Weights(_) => Placed::Nowhere,
            BufferKind::Activation => taken[id].map_or(Placed::Nowhere, Placed::Slot),
        };
        let buffers = buffers.into_iter().enumerate().map(place).collect();
        let slots = slots.into_iter().map(|(bytes, _)| bytes).collect();
        Self { steps, buffers, slots, precision, measured_tiles: 0, inputs, outputs }
    }

    fn check(&self, limits: &Limits) -> Result<(), NetworkError> {
        let most = limits.storage_binding.min(limits.buffer);
        for step in &self.steps {
            for id in &step.buffers {
                let bytes = self.bytes(*id);
                if bytes > most {
                    return Err(NetworkError::Limit {
                        place: step.places.last().map_or("a step", |place| place).to_string(),
                        needed: format!("a buffer of {bytes} bytes"),
                        limit: format!("{most} bytes (max_storage_buffer_binding_size)"),
                    });
                }
            }
            let groups = limits.workgroups_per_dimension as u64;
            if step.workgroups as u64 > groups * groups {
                return Err(NetworkError::Limit {
                    place: step.places.last().map_or("a step", |place| place).to_string(),
                    needed: format!("{} workgroups", step.workgroups),
                    limit: format!("{groups} x {groups}"),
                });
            }
        }
        Ok(())
    }

    fn bytes(&self, id: BufferId) -> u64 {
        match &self.buffers[id] {
            Placed::Input { elements } | Placed::Output { elements } => bytes(*elements),
            Placed::Constant(values) => whole(values.len() as u64),
            Placed::Slot(slot) => self.slots[*slot],
            Placed::Nowhere => 0,
        }
    }

    /// The steps, in the order in which they run.
    pub fn steps(&self) -> Vec<StepSummary> {
        let summary = |step: &Step| StepSummary {
            kernel: step.kernel.kind.label(),
            detail: step.kernel.kind.detail(),
            nodes: step.places.iter().map(ToString::to_string).collect(),
            shape: step.shape.clone(),
            workgroups: step.workgroups,
            work: step.work,
        };
        self.steps.iter().map(summary).collect()
    }

    /// The shaders that a session compiles, each once.
    #[doc(hidden)]
    pub fn shaders(&self) -> Vec<Shader> {
        self.kernels().0.into_iter().map(Shader::from).collect()
    }

    /// The kernels, each once, and for every step which of them it takes.
    pub(super) fn kernels(&self) -> (Vec<&Kernel>, Vec<usize>) {
        let mut kernels: Vec<&Kernel> = Vec::new();
        let mut which = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            which.push(kernels.iter().position(|other| **other == step.kernel).unwrap_or_else(|| {
                kernels.push(&step.kernel);
                kernels.len() - 1
            }));
        }
        (kernels, which)
    }

    /// How many convolutions have tiles that were measured.
    pub fn measured_tiles(&self) -> usize {
        self.measured_tiles
    }

    /// Bytes of the largest buffer of activations.
    #[cfg(feature = "detect")]
    pub(crate) fn largest_slot(&self) -> u64 {
        self.slots.first().copied().unwrap_or(0)
    }

    /// Makes the largest buffer of activations at least as large as this, for others that use it while the network does not
    /// run.
    #[cfg(feature = "detect")]
    pub(crate) fn widen_largest_slot(&mut self, bytes: u64) {
        if let Some(slot) = self.slots.first_mut() {
            *slot = (*slot).max(bytes);
        }
    }

    /// The memory that a session takes.
    pub fn memory(&self) -> NetworkMemory {
        let mut memory = NetworkMemory { constants: 0, activations: 0, inputs_and_outputs: 0 };
        for buffer in &self.buffers {
            match buffer {
                Placed::Constant(values) => memory.constants += whole(values.len() as u64),
                Placed::Input { elements } | Placed::Output { elements } => {
                    memory.inputs_and_outputs += bytes(*elements);
                }
                Placed::Slot(_) | Placed::Nowhere => {}
            }
        }
        memory.activations = self.slots.iter().sum();
        memory
    }

    /// Names and shapes of the inputs.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.inputs.iter().map(|(name, view)| (name.as_str(), view.shape.as_slice()))
    }

    /// Names and shapes of the outputs.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.outputs.iter().map(|(name, view)| (name.as_str(), view.shape.as_slice()))
    }
}

impl super::lower::Buffer {
    fn bytes(&self) -> u64 {
        if self.half { bytes(self.elements) / 2 } else { bytes(self.elements) }
    }
}

/// Bytes of a buffer of f32, which ends at a whole quad.
pub(super) fn bytes(elements: usize) -> u64 {
    4 * elements.next_multiple_of(4) as u64
}

/// Bytes up to a whole quad of f32, whatever is in them.
pub(super) fn whole(bytes: u64) -> u64 {
    bytes.next_multiple_of(16)
}

/// Numbers as bytes of f16.
fn halves(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| half::f16::from_f32(*value).to_le_bytes()).collect()
}
