//! Device memory of a session on this machine's adapter.

use serde::Serialize;
use sharekan::head::Head;
use sharekan::plan::{BufferPlan, Plan};

use super::InspectArgs;
use crate::cli::device::{HeadArithmetic, OpenDevice};
use crate::cli::failure::Failure;
use crate::cli::options::DeviceArg;
use crate::cli::plain::plain;
use crate::cli::screen::Screen;
use crate::cli::table::{Align, count, size, table};

/// What a session takes on a device.
#[derive(Serialize)]
pub(super) struct DeviceMemory {
    /// Name of the adapter, or `CPU`.
    device: String,
    rows: usize,
    /// Sessions: those of a bank that needs one a head are counted together.
    sessions: usize,
    /// All buffers.
    device_bytes: Option<u64>,
    buffers: Vec<BufferFacts>,
    /// Why the head does not fit.
    problem: Option<String>,
}

#[derive(Serialize)]
struct BufferFacts {
    name: String,
    bytes: u64,
}

impl DeviceMemory {
    /// What is asked for; `None` where no device is.
    pub(super) fn of(args: &InspectArgs, head: &Head) -> Result<Option<Self>, Failure> {
        let half = args.kernel.arithmetic == HeadArithmetic::F16;
        if half && matches!(args.device, None | Some(DeviceArg::Cpu)) {
            return Err(Failure::new("--arithmetic f16 is for a GPU: --device gpu says what the head takes there"));
        }
        let Some(device) = args.device else { return Ok(None) };
        let settings = match head {
            Head::Dense(head) => vec![head.detection.as_ref()],
            Head::Compressed(bank) => bank.members().iter().map(|member| member.head.detection.as_ref()).collect(),
        };
        let grid = settings.into_iter().flatten().map(|detection| detection.cells() * detection.cells()).max();
        let rows = args.batch.map_or_else(|| grid.unwrap_or(1), |rows| rows as usize);
        // The CPU takes no device memory, whatever the kernel.
        if device == DeviceArg::Cpu {
            return Ok(Some(Self::of_cpu(rows)));
        }
        let device = OpenDevice::choose(device.into(), &args.adapter.options()?, &args.kernel)?;
        let Some(gpu) = &device.gpu else { return Ok(Some(Self::of_cpu(rows))) };
        device.check(head, &args.head)?;
        let plans = Plan::of_sessions(head, gpu.limits(), rows, &device.options);
        let (plans, problem) = match plans {
            Ok(plans) => (plans, None),
            Err(problem) => (Vec::new(), Some(problem.to_string())),
        };
        let several = plans.len() > 1;
        let named = |at: usize, name: &str| if several { format!("heads.{at}.{name}") } else { name.to_owned() };
        let mut buffers = Vec::new();
        for (at, plan) in plans.iter().enumerate() {
            let facts = |buffer: BufferPlan| BufferFacts { name: named(at, &buffer.name), bytes: buffer.bytes };
            buffers.extend(plan.buffers().into_iter().map(facts));
        }
        Ok(Some(Self {
            device: gpu.info().name.clone(),
            rows,
            sessions: plans.len(),
            device_bytes: problem.is_none().then(|| plans.iter().map(Plan::device_bytes).sum()),
            buffers,
            problem,
        }))
    }

    fn of_cpu(rows: usize) -> Self {
        let (device, buffers) = ("CPU".into(), Vec::new());
        Self { device, rows, sessions: 0, device_bytes: Some(0), buffers, problem: None }
    }

    pub(super) fn print(&self, screen: Screen) -> Result<(), Failure> {
        let rows = count(self.rows);
        let Some(bytes) = self.device_bytes else {
            let problem = self.problem.as_deref().unwrap_or_default();
            return screen.line(format!("\n{}: {rows} rows do not fit: {problem}", self.device));
        };
        if self.buffers.is_empty() {
            return screen.line(format!("\n{}: no device memory", self.device));
        }
        let sessions = if self.sessions > 1 { format!(" in {} sessions", self.sessions) } else { String::new() };
        screen.line(format!("\n{}: {rows} rows take {}{sessions}", self.device, size(bytes)))?;
        let mut shown = table([("buffer", Align::Left), ("bytes", Align::Right)]);
        for buffer in &self.buffers {
            shown.add_row([plain(&buffer.name), count(buffer.bytes)]);
        }
        shown.add_row(["all".into(), count(bytes)]);
        screen.line(shown.trim_fmt())
    }
}
