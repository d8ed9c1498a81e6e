//! Settings by name.

use std::fmt;
use std::str::FromStr;

use super::CompressOptions;

/// Codebook and gains as they are usually wanted. Sizes and losses were measured on heads calibrated on a few unlabelled
/// images ([`Method::Calibrated`](super::Method::Calibrated)); without calibration the sizes are about the same and the
/// losses larger. `docs/compiler.md` has the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Preset {
    /// 256 codewords, gains of 8 bits: about 21 times smaller than dense f32.
    Faithful,
    /// 64 codewords, gains of 4 bits: about 33 times.
    Small,
    /// 16 codewords, gains of 4 bits: about 40 times.
    Tiny,
}

impl Preset {
    /// All presets, the largest file first.
    pub const ALL: [Self; 3] = [Self::Faithful, Self::Small, Self::Tiny];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Faithful => "faithful",
            Self::Small => "small",
            Self::Tiny => "tiny",
        }
    }

    /// Codewords a layer.
    pub fn codewords(self) -> usize {
        match self {
            Self::Faithful => 256,
            Self::Small => 64,
            Self::Tiny => 16,
        }
    }

    /// Bits of a gain.
    pub fn gain_bits(self) -> u8 {
        match self {
            Self::Faithful => 8,
            Self::Small | Self::Tiny => 4,
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|preset| preset.name() == text);
        found.ok_or_else(|| format!("expected {}", Self::ALL.map(Self::name).join(", ")))
    }
}

impl CompressOptions {
    /// The default settings with codebook and gains of a preset. For its accuracy set `method` to
    /// [`Method::Calibrated`](super::Method::Calibrated) and calibrate.
    pub fn preset(preset: Preset) -> Self {
        Self { codewords: preset.codewords(), gain_bits: preset.gain_bits(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_read_by_name_and_set_codebook_and_gains_alone() {
        for preset in Preset::ALL {
            assert_eq!(preset.to_string().parse(), Ok(preset));
            let (codewords, gain_bits) = match preset {
                Preset::Faithful => (256, 8),
                Preset::Small => (64, 4),
                Preset::Tiny => (16, 4),
            };
            let expected = CompressOptions { codewords, gain_bits, ..CompressOptions::default() };
            assert_eq!(CompressOptions::preset(preset), expected);
        }
        assert_eq!("huge".parse::<Preset>(), Err("expected faithful, small, tiny".into()));
    }
}
