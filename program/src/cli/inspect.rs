//! `sharekan inspect`: what a head file holds.

mod bank;
mod layer;
mod memory;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use sharekan::fixed_point::Arithmetic;
use sharekan::head::{DetectionConfig, Head};
use sharekan::plan::{Limits, Plan};

use super::device::KernelArgs;
use super::failure::Failure;
use super::options::{AdapterArgs, DeviceArg, ImportArgs, MemberArgs};
use super::places::Places;
use super::plain::plain;
use super::screen::{JsonArgs, Screen};
use super::table::{Align, count, fields, list, size, table};
use layer::LayerFacts;
use memory::DeviceMemory;

/// Show what a head file holds, dense or compressed
///
/// The file is read and checked in full: what `run` refuses is refused here, too. With --device it also lists the memory
/// that a session takes on this machine's adapter, as it would be planned there.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  sharekan inspect small.safetensors
  sharekan inspect model.pth --json - | jq .layers
  sharekan inspect bank.safetensors --head cards
  sharekan inspect small.safetensors --device gpu --batch 169")]
pub(crate) struct InspectArgs {
    /// Head, dense or compressed, or bank
    #[arg(value_name = "FILE")]
    head: PathBuf,
    #[command(flatten)]
    member: MemberArgs,
    /// List the device memory of a session on this device, too
    #[arg(long, value_enum)]
    device: Option<DeviceArg>,
    /// Largest batch of that session in rows [default: the cells of an image, 1 for other heads]
    #[arg(long, value_name = "N", requires = "device", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    batch: Option<u32>,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    kernel: KernelArgs,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    import: ImportArgs,
}

/// All that a file says.
#[derive(Serialize)]
struct HeadFacts {
    file: String,
    bytes: u64,
    /// `dense` or `compressed`.
    form: &'static str,
    /// Layout, prefix and assumptions of a dense checkpoint.
    layout: Option<&'static str>,
    prefix: Option<String>,
    assumptions: Vec<String>,
    inputs: usize,
    outputs: usize,
    edges: usize,
    /// Numbers that the file stores for the layers.
    parameters: usize,
    /// 4 bytes a coefficient and base weight of a dense head.
    dense_bytes: Option<usize>,
    /// `f32`, or `integer` where a compressed head is evaluated in integers.
    arithmetic: &'static str,
    layers: Vec<LayerFacts>,
    detection: Option<DetectionConfig>,
    /// Device memory under WebGPU's default limits.
    sessions: Vec<SessionFacts>,
    /// Device memory on an adapter of this machine, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_on_device: Option<DeviceMemory>,
}

#[derive(Serialize)]
struct SessionFacts {
    rows: usize,
    device_bytes: Option<u64>,
    /// Why the head does not fit.
    problem: Option<String>,
}

pub(crate) fn inspect(args: &InspectArgs) -> Result<(), Failure> {
    let screen = args.json.screen()?;
    Places::default()
        .reads("FILE", &args.head)
        .reads("--head-config", args.import.head_config())
        .writes("--json", args.json.path())
        .check()?;
    let file = args.import.open_any(&args.head, &args.member)?;
    let memory = DeviceMemory::of(args, &file.head)?;
    let (form, arithmetic, layers) = match &file.head {
        Head::Dense(head) => ("dense", "f32", head.layers().iter().map(LayerFacts::of_dense).collect::<Vec<_>>()),
        Head::Compressed(bank) => {
            let Some(head) = bank.single() else { return bank::inspect(args, bank, file.bytes, memory, screen) };
            let arithmetic = match Arithmetic::of(head) {
                Arithmetic::Integer => "integer",
                Arithmetic::Float => "f32",
            };
            ("compressed", arithmetic, head.layers().iter().map(LayerFacts::of_compressed).collect())
        }
    };
    let (layout, prefix, assumptions) = match file.import {
        Some(notes) => (Some(notes.layout.name()), Some(notes.prefix), notes.assumptions),
        None => (None, None, Vec::new()),
    };
    let facts = HeadFacts {
        file: args.head.display().to_string(),
        bytes: file.bytes,
        form,
        layout,
        prefix,
        assumptions,
        inputs: file.head.inputs(),
        outputs: file.head.outputs(),
        edges: layers.iter().map(|layer| layer.edges).sum(),
        parameters: layers.iter().map(|layer| layer.parameters).sum(),
        dense_bytes: (form == "dense").then(|| layers.iter().map(|layer| layer.dense_bytes).sum()),
        arithmetic,
        detection: file.head.detection().cloned(),
        sessions: sessions(&file.head),
        session_on_device: memory,
        layers,
    };
    facts.print(screen)?;
    // The field of before, and the one that all commands have.
    args.json.write_about(&facts, &facts.assumptions)
}

/// What sessions take for one row, and for one image where the head is a detection head.
fn sessions(head: &Head) -> Vec<SessionFacts> {
    let grid = head.detection().map(|detection| detection.cells() * detection.cells());
    let session = |rows| {
        let plan = Plan::new(head, &Limits::default(), rows);
        let (device_bytes, problem) = match plan {
            Ok(plan) => (Some(plan.device_bytes()), None),
            Err(problem) => (None, Some(problem.to_string())),
        };
        SessionFacts { rows, device_bytes, problem }
    };
    [Some(1), grid.filter(|&rows| rows > 1)].into_iter().flatten().map(session).collect()
}

impl HeadFacts {
    fn print(&self, screen: Screen) -> Result<(), Failure> {
        let mut rows = vec![("form", self.form.to_owned())];
        if let (Some(layout), Some(prefix)) = (self.layout, &self.prefix) {
            rows.push(("layout", layout.to_owned()));
            rows.push(("prefix", if prefix.is_empty() { "none".into() } else { prefix.clone() }));
            rows.push((
                "assumed",
                if self.assumptions.is_empty() { "nothing".into() } else { list(&self.assumptions) },
            ));
        }
        rows.extend([
            ("size", format!("{} bytes", count(self.bytes))),
            (
                "head",
                format!(
                    "{} inputs to {} outputs, {} edges, {} parameters",
                    count(self.inputs),
                    count(self.outputs),
                    count(self.edges),
                    count(self.parameters)
                ),
            ),
            ("arithmetic", self.arithmetic.to_owned()),
        ]);
        if let Some(bytes) = self.dense_bytes {
            rows.push(("weights", format!("{} bytes of coefficients and base weights in f32", count(bytes))));
        }
        for session in &self.sessions {
            let needs = match (session.device_bytes, &session.problem) {
                (Some(bytes), _) => format!("{} of device memory", size(bytes)),
                (None, problem) => {
                    format!("does not fit WebGPU's default limits: {}", problem.as_deref().unwrap_or_default())
                }
            };
            rows.push(("session", format!("{} rows: {needs}", count(session.rows))));
        }
        match &self.detection {
            None => rows.push(("detection", "no settings".into())),
            Some(detection) => rows.extend([
                ("classes", list(&detection.classes)),
                ("image", format!("{0} x {0} pixels, {1} pixels a cell", detection.input_size, detection.stride)),
                ("features", list(&detection.features)),
                ("clamp", detection.clamp.map_or_else(|| "none".into(), |[low, high]| format!("{low} to {high}"))),
            ]),
        }
        if let Some(map) = self.detection.as_ref().and_then(|detection| detection.test_map50) {
            rows.push(("test mAP", format!("{map} % at IoU 0.5 for the dense head")));
        }
        screen.line(format!("{}\n{}\n", plain(&self.file), fields(rows)))?;
        self.print_layers(screen)
    }

    fn print_layers(&self, screen: Screen) -> Result<(), Failure> {
        let right = Align::Right;
        let mut shapes = table([
            ("layer", Align::Left),
            ("shape", right),
            ("edges", right),
            ("coeffi-\ncients", right),
            ("code-\nwords", right),
            ("parameters", right),
            ("bytes", right),
        ]);
        for (at, layer) in self.layers.iter().enumerate() {
            shapes.add_row([
                at.to_string(),
                format!("{}->{}", layer.inputs, layer.outputs),
                count(layer.edges),
                layer.coefficients.to_string(),
                layer.codewords.map_or_else(|| "-".into(), count),
                count(layer.parameters),
                count(layer.bytes),
            ]);
        }
        screen.line(shapes.trim_fmt())?;
        for (at, layer) in self.layers.iter().enumerate() {
            screen.line(format!("\nlayer {at}\n{}", fields(layer.described())))?;
        }
        self.session_on_device.as_ref().map_or(Ok(()), |memory| memory.print(screen))
    }
}
