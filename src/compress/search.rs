//! Settings for a size or an accuracy.

use super::{
    Calibration, CompressError, CompressOptions, CompressReport, Method, Precision, Progress, compile, compiled_bytes,
    size::least_bytes,
};
use crate::artifact;
use crate::head::{CompressedHead, DenseHead};
use crate::output_snr::output_snr_db;
use crate::reference::CompressedReference;

/// What a head shall reach.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Target {
    /// A file of at most so many bytes, as accurate as that allows. With [`CompressOptions::keep_dense`] layers that stay as they
    /// are count as what they take.
    Bytes(usize),
    /// An output signal-to-noise ratio of at least so many dB on calibration rows held back for it, as small as that
    /// allows.
    SnrDb(f64),
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Found {
    /// The compressed head.
    pub head: CompressedHead,
    /// What it kept and lost.
    pub report: CompressReport,
    /// The settings that gave it.
    pub options: CompressOptions,
    /// Output signal-to-noise ratio on the rows held back; [`Target::SnrDb`] only.
    pub snr_db: Option<f64>,
}

impl Found {
    /// A head that was made without a search, so without a measured ratio.
    pub fn new(head: CompressedHead, report: CompressReport, options: CompressOptions) -> Self {
        Self { head, report, options, snr_db: None }
    }
}

/// What a search chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// Codewords of each stage.
    pub codewords: usize,
    /// Bits of a gain, 4 or 8.
    pub gain_bits: u8,
    /// A second stage.
    pub residual: bool,
}

const fn one_stage(codewords: usize) -> Setting {
    Setting { codewords, gain_bits: 4, residual: false }
}

const fn two_stages(codewords: usize, gain_bits: u8) -> Setting {
    Setting { codewords, gain_bits, residual: true }
}

/// Settings from the smallest file to the largest; each is more accurate than the one before. An edge takes 6 to 14 bits
/// with one stage and 16 to 36 with two: from 16 bits on that keeps more than finer gains do at the same size (measured in
/// `docs/compiler.md`).
pub const SETTINGS: [Setting; 15] = [
    one_stage(4),
    one_stage(8),
    one_stage(16),
    one_stage(32),
    one_stage(64),
    one_stage(128),
    one_stage(256),
    one_stage(1024),
    two_stages(16, 4),
    two_stages(32, 4),
    two_stages(64, 4),
    two_stages(128, 4),
    two_stages(256, 4),
    two_stages(256, 8),
    two_stages(1024, 8),
];

/// One row of so many is held back to measure on.
const HELD_BACK: usize = 8;
/// Rows that accuracy is measured on.
const MEASURED_ROWS: usize = 2048;

fn file_bytes(found: &Found) -> Result<usize, CompressError> {
    let bytes = artifact::to_bytes(&found.head.clone().into());
    bytes.map(|bytes| bytes.len()).map_err(|error| CompressError::Target(error.to_string()))
}

/// Compiles with those of [`SETTINGS`] that reach the target; the rest of `options` stays.
///
/// Where no compressed file is as small as [`Target::Bytes`] but that of the dense head is, [`CompressOptions::keep_dense`] gives
/// the smallest setting, in whose place the dense head is to be written.
///
/// For [`Target::SnrDb`] the last eighth of the calibration rows is held back and measured on, so rows should come image
/// by image.
///
/// # Errors
/// Where no setting reaches the target; [`Target::SnrDb`] without calibration; and as [`compile`].
pub fn compile_to_target(
    head: &DenseHead,
    target: Target,
    options: &CompressOptions,
    calibration: Option<&Calibration<'_>>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Found, CompressError> {
    let setting = |at: usize| {
        let Setting { codewords, gain_bits, residual } = SETTINGS[at];
        CompressOptions { codewords, gain_bits, residual, precision: Precision::Int8, ..options.clone() }
    };
    let mut run = |options: CompressOptions, rows: Option<&Calibration<'_>>| {
        let (head, report) = compile(head, &options, rows, progress)?;
        Ok::<_, CompressError>(Found::new(head, report, options))
    };
    match target {
        Target::Bytes(most) => {
            let fits = |at: usize| compiled_bytes(head, &setting(at)).map(|bytes| bytes <= most);
            if options.keep_dense {
                // Whether a layer stays depends on its gains: what may fit is made and measured.
                for at in (0..SETTINGS.len()).rev() {
                    if least_bytes(head, &setting(at)) > most {
                        continue;
                    }
                    let found = run(setting(at), calibration)?;
                    if file_bytes(&found)? <= most {
                        return Ok(found);
                    }
                }
                if artifact::write_dense(head).is_ok_and(|file| file.len() <= most) {
                    return run(setting(0), calibration);
                }
            }
            let mut best = None;
            for at in 0..SETTINGS.len() {
                if fits(at)? {
                    best = Some(at);
                }
            }
            match best {
                Some(at) => run(setting(at), calibration),
                None => Err(CompressError::Target(format!(
                    "{most} bytes, but the smallest file takes {}",
                    compiled_bytes(head, &setting(0))?
                ))),
            }
        }
        Target::SnrDb(least) => {
            let Some(calibration) = calibration else {
                return Err(CompressError::Calibration("is missing, expected rows to measure accuracy on".into()));
            };
            let (shown, held_back) = calibration.split(HELD_BACK)?;
            let shown = if options.method == Method::Calibrated { Some(&shown) } else { None };
            let rows = held_back.sample(MEASURED_ROWS, options.seed);
            let dense = super::dense_head_outputs(head, &rows);
            if let Ok(None) = output_snr_db(&dense, &vec![0.0; dense.len()], head.outputs()) {
                let rows = rows.len() / head.inputs();
                return Err(CompressError::Target(format!(
                    "{least} dB, but the dense head's outputs do not vary over the {rows} rows held back, so there is nothing to \
                     measure it against"
                )));
            }
            let mut measured = |at: usize| {
                let found = run(setting(at), shown)?;
                let outputs = CompressedReference::new(&found.head).run(&rows);
                // No ratio where an output is not finite or nothing varies.
                let snr = output_snr_db(&dense, &outputs, head.outputs()).ok().flatten().unwrap_or(f64::NEG_INFINITY);
                Ok::<_, CompressError>((found, snr))
            };
            // Settings below `low` miss the target, `best` reaches it.
            let (mut low, mut high, mut best, mut nearest) = (0, SETTINGS.len(), None, f64::NEG_INFINITY);
            while low < high {
                let middle = (low + high) / 2;
                let (found, snr) = measured(middle)?;
                nearest = nearest.max(snr);
                if snr >= least {
                    (high, best) = (middle, Some(Found { snr_db: Some(snr), ..found }));
                } else {
                    low = middle + 1;
                }
            }
            best.ok_or_else(|| {
                CompressError::Target(format!("{least} dB, but the best setting reaches {nearest:.1} dB"))
            })
        }
    }
}
