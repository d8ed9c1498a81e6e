//! Heads by the arithmetic that they are evaluated in, with their plans.

use super::{FloatPlan, IntegerLayerShape, IntegerPlan, Limits, Plan, PlanError, PlanOptions};
use crate::fixed_point::Int8Layer;
use crate::head::{CompressedHead, DenseHead, Head, Member};

/// A head that is evaluated in f32.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FloatHead<'a> {
    /// Every coefficient.
    Dense(&'a DenseHead),
    /// A codebook, of f32 or of bytes.
    Codebook(&'a CompressedHead),
}

/// A head that is evaluated in integers.
#[derive(Debug, Clone)]
pub(crate) struct IntegerHead<'a> {
    /// Its layers; there is at least one.
    pub(crate) layers: Vec<Int8Layer<'a>>,
    /// Values a row that the last layer gives.
    pub(crate) outputs: usize,
}

impl<'a> IntegerHead<'a> {
    /// `head`, where it is evaluated in integers.
    pub(crate) fn of(head: &'a CompressedHead) -> Option<Self> {
        Some(Self { layers: Int8Layer::all_of(head)?, outputs: head.outputs() })
    }
}

/// Bytes of the largest buffer that the kernels of a session fill and read anew in every pass: basis weights for
/// matrices. The largest of all heads where they need a session each, 0 where there is none.
#[cfg(all(feature = "network", feature = "detect"))]
pub(crate) fn work_bytes(head: &Head, limits: &Limits, max_rows: usize, options: &PlanOptions) -> u64 {
    match Planned::of_head(head, limits, max_rows, options) {
        Ok(Planned::Integer(_, plan)) => plan.buffers.work.basis.unwrap_or(0),
        Err(PlanError::Passes) => {
            let alone = head.alone();
            let bytes = alone.iter().map(|head| work_bytes(head, limits, max_rows, options));
            bytes.max().unwrap_or(0)
        }
        _ => 0,
    }
}

/// Heads and the plan that was made for them.
#[derive(Debug)]
pub(crate) enum Planned<'a> {
    /// A head in f32.
    Float(FloatHead<'a>, FloatPlan),
    /// Heads in integers, side by side.
    Integer(Vec<IntegerHead<'a>>, IntegerPlan),
}

impl<'a> Planned<'a> {
    /// Plans a head as [`Plan::with_options`] does.
    pub(crate) fn of_head(
        head: &'a Head,
        limits: &Limits,
        max_rows: usize,
        options: &PlanOptions,
    ) -> Result<Self, PlanError> {
        let head = match head {
            Head::Dense(head) => FloatHead::Dense(head),
            Head::Compressed(bank) => {
                let integers = bank.members().iter().map(|member| IntegerHead::of(&member.head));
                if let Some(heads) = integers.collect::<Option<Vec<_>>>() {
                    let layers = IntegerLayerShape::of_heads(&heads).ok_or(PlanError::Passes)?;
                    let plan = IntegerPlan::new(layers, bank.outputs(), limits, max_rows, options)?;
                    return Ok(Self::Integer(heads, plan));
                }
                let [Member { head, .. }] = bank.members() else { return Err(PlanError::Passes) };
                FloatHead::Codebook(head)
            }
        };
        Ok(Self::Float(head, FloatPlan::new(head, limits, max_rows, options)?))
    }

    /// Largest batch.
    pub(crate) fn max_rows(&self) -> usize {
        match self {
            Self::Float(_, plan) => plan.schedule.max_rows,
            Self::Integer(_, plan) => plan.schedule.max_rows,
        }
    }

    /// Number of inputs a row.
    pub(crate) fn inputs(&self) -> usize {
        match self {
            Self::Float(_, plan) => plan.inputs(),
            Self::Integer(_, plan) => plan.inputs(),
        }
    }

    /// Number of outputs a row.
    pub(crate) fn outputs(&self) -> usize {
        match self {
            Self::Float(_, plan) => plan.outputs(),
            Self::Integer(_, plan) => plan.outputs,
        }
    }

    /// The plan alone.
    pub(crate) fn into_plan(self) -> Plan {
        match self {
            Self::Float(_, plan) => Plan::Float(plan),
            Self::Integer(_, plan) => Plan::Integer(plan),
        }
    }
}
