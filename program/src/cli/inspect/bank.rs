//! What a bank holds.

use serde::Serialize;
use sharekan::artifact;
use sharekan::head::{Bank, DetectionConfig, Member};

use super::layer::LayerFacts;
use super::memory::DeviceMemory;
use super::{InspectArgs, list};
use crate::cli::failure::Failure;
use crate::cli::plain::plain;
use crate::cli::screen::Screen;
use crate::cli::table::{Align, count, fields, table};

/// All that a bank's file says.
#[derive(Serialize)]
struct BankFacts {
    file: String,
    bytes: u64,
    /// `bank`.
    form: &'static str,
    inputs: usize,
    outputs: usize,
    edges: usize,
    codebooks: Vec<CodebookFacts>,
    heads: Vec<MemberFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_on_device: Option<DeviceMemory>,
}

/// The codebook of a layer position.
#[derive(Serialize)]
struct CodebookFacts {
    codewords: usize,
    coefficients: usize,
    /// Bytes in the file, once for all heads.
    bytes: usize,
}

#[derive(Serialize)]
struct MemberFacts {
    name: String,
    /// First of its columns in a row of outputs.
    first_output: usize,
    outputs: usize,
    edges: usize,
    /// Bytes of its own tensors.
    bytes: usize,
    layers: Vec<LayerFacts>,
    detection: Option<DetectionConfig>,
}

pub(super) fn inspect(
    args: &InspectArgs,
    bank: &Bank,
    bytes: u64,
    session_on_device: Option<DeviceMemory>,
    screen: Screen,
) -> Result<(), Failure> {
    let codebooks = bank.members()[0].head.layers().iter().map(|layer| CodebookFacts {
        codewords: layer.codewords(),
        coefficients: layer.basis.len(),
        bytes: artifact::codebook_bytes(layer),
    });
    let of_member = |(at, Member { name, head }): (usize, &Member)| MemberFacts {
        name: name.clone(),
        first_output: bank.output_range(at).start,
        outputs: head.outputs(),
        edges: head.edges(),
        bytes: head.layers().iter().map(|layer| artifact::layer_bytes(layer) - artifact::codebook_bytes(layer)).sum(),
        layers: head.layers().iter().map(LayerFacts::of_compressed).collect(),
        detection: head.detection.clone(),
    };
    let facts = BankFacts {
        file: args.head.display().to_string(),
        bytes,
        form: "bank",
        inputs: bank.inputs(),
        outputs: bank.outputs(),
        edges: bank.edges(),
        codebooks: codebooks.collect(),
        heads: bank.members().iter().enumerate().map(of_member).collect(),
        session_on_device,
    };
    facts.print(screen)?;
    args.json.write_about(&facts, &[])
}

impl BankFacts {
    fn print(&self, screen: Screen) -> Result<(), Failure> {
        let mut rows = vec![
            ("form", format!("bank of {} heads", count(self.heads.len()))),
            ("size", format!("{} bytes", count(self.bytes))),
            (
                "heads",
                format!(
                    "{} inputs to {} outputs, {} edges",
                    count(self.inputs),
                    count(self.outputs),
                    count(self.edges)
                ),
            ),
        ];
        rows.extend(self.codebooks.iter().enumerate().map(|(at, codebook)| {
            let CodebookFacts { codewords, coefficients, bytes } = codebook;
            let text =
                format!("layer {at}: {} codewords of {coefficients}, {} bytes", count(*codewords), count(*bytes));
            ("codebook", text)
        }));
        screen.line(format!("{}\n{}\n", plain(&self.file), fields(rows)))?;
        let mut heads = table([
            ("head", Align::Left),
            ("shape", Align::Left),
            ("outputs", Align::Left),
            ("edges", Align::Right),
            ("bytes", Align::Right),
        ]);
        for head in &self.heads {
            let mut shape: Vec<String> = head.layers.iter().map(|layer| layer.inputs.to_string()).collect();
            shape.push(head.outputs.to_string());
            heads.add_row([
                plain(&head.name),
                shape.join("->"),
                format!("{} to {}", head.first_output, head.first_output + head.outputs - 1),
                count(head.edges),
                count(head.bytes),
            ]);
        }
        screen.line(heads.trim_fmt())?;
        for head in &self.heads {
            let Some(detection) = &head.detection else { continue };
            let shown: Vec<&String> = detection.classes.iter().take(SHOWN_CLASSES).collect();
            let rest = detection.classes.len().saturating_sub(SHOWN_CLASSES);
            let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            screen.line(format!("{}: classes {}{more}", plain(&head.name), list(shown)))?;
        }
        self.session_on_device.as_ref().map_or(Ok(()), |memory| memory.print(screen))
    }
}

/// Classes of a head that are named.
const SHOWN_CLASSES: usize = 8;
