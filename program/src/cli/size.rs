//! How large a compressed head becomes: by name, or by codebook and gains.

use clap::Args;
use sharekan::compress::{CompressOptions, Method, Precision, Preset};

use super::failure::Failure;

/// Codebook and gains. What is named by itself wins over the preset.
#[derive(Args)]
pub(crate) struct SizeArgs {
    /// Codebook and gains by name: faithful (256 codewords, 8 bits: 21 times smaller), small (64, 4 bits: 33 times) or
    /// tiny (16, 4 bits: 40 times); --codebook and --gain-bits win over it
    #[arg(long, value_name = "NAME")]
    preset: Option<Preset>,
    /// Codewords a layer, 1 to 65536; a layer with fewer edges gets fewer [default: 256]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=65536))]
    codebook: Option<u32>,
    /// Bits of a gain at precision int8: 8, or 4 for a smaller file [default: 8]
    #[arg(long, value_name = "BITS", value_parser = gain_bits)]
    gain_bits: Option<u8>,
}

impl SizeArgs {
    /// Codewords a layer.
    pub(crate) fn codewords(&self) -> usize {
        self.codebook.map_or_else(|| self.settings().codewords, |codebook| codebook as usize)
    }

    /// Bits of a gain.
    pub(crate) fn gain_bits(&self) -> u8 {
        self.gain_bits.unwrap_or_else(|| self.settings().gain_bits)
    }

    fn settings(&self) -> CompressOptions {
        self.preset.map_or_else(CompressOptions::default, CompressOptions::preset)
    }

    /// Refuses bits of gains, given or by a preset, where gains have none.
    pub(crate) fn check(&self, precision: Precision) -> Result<(), Failure> {
        let given = [(self.gain_bits.is_some(), "--gain-bits"), (self.preset.is_some(), "--preset")];
        match given.iter().find(|(given, _)| *given) {
            Some((_, option)) if precision == Precision::F32 => Err(Failure::Usage(format!(
                "{option} is about gains in 4 or 8 bits, and --precision f32 has none; --codebook K sets its size"
            ))),
            _ => Ok(()),
        }
    }

    /// A word where the figures of a preset are not those of the method.
    pub(crate) fn note(&self, method: Method) -> Option<String> {
        let preset = self.preset.filter(|_| method != Method::Calibrated)?;
        Some(format!("preset {preset}: its accuracy was measured with calibration; --calibrate DIR gives it"))
    }
}

fn gain_bits(text: &str) -> Result<u8, String> {
    match text {
        "4" => Ok(4),
        "8" => Ok(8),
        _ => Err("expected 4 or 8".into()),
    }
}
