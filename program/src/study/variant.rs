//! The ways to make a head smaller, and the heads that come of them.

use serde::{Deserialize, Serialize};

use super::{Gptq, ScalarOptions, Steps, StudyError, prune_edges, round_to_nearest};
use sharekan::artifact;
use sharekan::compress::{Calibration, CompressOptions, Method, Precision, compile};
use sharekan::head::{Bank, DenseHead, Head};

/// One way to store a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "snake_case")]
pub enum Variant {
    /// As it is.
    Dense,
    /// Compiled with a codebook a layer.
    Codebook {
        /// What the codebook is fitted to.
        method: Method,
        /// Codewords a layer.
        codewords: usize,
        /// Precision of codewords and gains.
        precision: Precision,
        /// Bits of a gain at int8.
        gain_bits: u8,
    },
    /// Without the weakest edges.
    Pruned {
        /// Part of the edges that is dropped.
        percent: u8,
    },
    /// Every weight rounded to the nearest code.
    Rounded(ScalarOptions),
    /// Codes chosen by GPTQ.
    Gptq(ScalarOptions),
}

impl Variant {
    /// A name for people: `calibrated, 256 codewords, 8-bit gains`.
    pub fn label(&self) -> String {
        let scalar = |options: &ScalarOptions| {
            let steps = match options.steps {
                Steps::Output => "a step an output",
                Steps::Group => "a step each 128",
            };
            format!("int{}, {steps}", options.bits)
        };
        match self {
            Self::Dense => "dense".into(),
            Self::Codebook { codewords, precision, gain_bits, .. } => match precision {
                Precision::Int8 => format!("{}, {codewords} codewords, {gain_bits}-bit gains", self.series()),
                Precision::F32 => format!("{}, {codewords} codewords, f32", self.series()),
            },
            Self::Pruned { percent } => format!("pruned, {percent} % of the edges"),
            Self::Rounded(options) => format!("rounded, {}", scalar(options)),
            Self::Gptq(options) => format!("GPTQ, {}", scalar(options)),
        }
    }

    /// What a variant has in common with those that differ in size only: `calibrated`, `pruned`, `GPTQ` and the like.
    pub fn series(&self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Codebook { method: Method::Plain, .. } => "plain",
            Self::Codebook { method: Method::Uniform, .. } => "uniform",
            Self::Codebook { method: Method::Calibrated, .. } => "calibrated",
            Self::Pruned { .. } => "pruned",
            Self::Rounded(_) => "rounded",
            Self::Gptq(_) => "GPTQ",
        }
    }

    /// The same for files and tables, whose names stay: the method `calibrated` was called `aware`.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Codebook { method: Method::Calibrated, .. } => "aware",
            other => other.series(),
        }
    }

    /// A name for files: `aware-k256-g8`.
    pub fn slug(&self) -> String {
        let steps = |options: &ScalarOptions| if options.steps == Steps::Output { "output" } else { "group" };
        match self {
            Self::Dense => "dense".into(),
            Self::Codebook { codewords, precision: Precision::F32, .. } => {
                format!("{}-k{codewords}-f32", self.key())
            }
            Self::Codebook { codewords, gain_bits, .. } => format!("{}-k{codewords}-g{gain_bits}", self.key()),
            Self::Pruned { percent } => format!("pruned-{percent}"),
            Self::Rounded(options) => format!("rounded-int{}-{}", options.bits, steps(options)),
            Self::Gptq(options) => format!("gptq-int{}-{}", options.bits, steps(options)),
        }
    }

    /// True for variants that are made with calibration rows.
    pub fn needs_calibration(&self) -> bool {
        matches!(self, Self::Gptq(_) | Self::Codebook { method: Method::Calibrated, .. })
    }

    /// Settings of the compiler, where it makes the variant.
    pub fn compile_options(&self) -> Option<CompressOptions> {
        let Self::Codebook { method, codewords, precision, gain_bits } = *self else { return None };
        Some(CompressOptions::default().method(method).codewords(codewords).precision(precision).gain_bits(gain_bits))
    }
}

/// A head as a variant stores it.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The head, to be run.
    pub head: Head,
    /// What it takes: of a codebook the bytes of the file, of the others as the parts of [`super`] say.
    pub bytes: usize,
}

/// How far the making of a variant is: `done` of `steps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MakerProgress {
    /// Steps done.
    pub done: usize,
    /// All steps.
    pub steps: usize,
}

/// Makes variants of one dense head.
///
/// The Gram matrix that GPTQ needs is made with the first variant that needs it, and kept.
#[derive(Debug)]
pub struct Maker<'a> {
    dense: &'a DenseHead,
    calibration: Option<Calibration<'a>>,
    gptq: Option<Gptq<'a>>,
}

impl<'a> Maker<'a> {
    /// Of a head, with calibration rows for the variants that need them.
    pub fn new(dense: &'a DenseHead, calibration: Option<Calibration<'a>>) -> Self {
        Self { dense, calibration, gptq: None }
    }

    /// Makes a variant.
    ///
    /// # Errors
    /// For settings out of range, missing calibration, and heads whose numbers do not survive the arithmetic.
    pub fn make(&mut self, variant: &Variant, progress: &mut dyn FnMut(MakerProgress)) -> Result<Made, StudyError> {
        let dense = |head: DenseHead, bytes| Made { head: Head::Dense(head), bytes };
        if variant.needs_calibration() && self.calibration.is_none() {
            return Err(StudyError::Calibration(variant.label()));
        }
        Ok(match variant {
            Variant::Dense => dense(self.dense.clone(), self.dense.dense_bytes()),
            Variant::Pruned { percent } => {
                let pruned = prune_edges(self.dense, *percent)?;
                dense(pruned.head, pruned.bytes)
            }
            Variant::Rounded(options) => {
                let rounded = round_to_nearest(self.dense, *options)?;
                dense(rounded.head, rounded.bytes)
            }
            Variant::Gptq(options) => {
                let gptq = match (self.gptq.take(), &self.calibration) {
                    (Some(gptq), _) => gptq,
                    (None, Some(calibration)) => Gptq::new(self.dense, calibration, 0, &mut |at| {
                        progress(MakerProgress { done: at.done, steps: at.steps });
                    })?,
                    (None, None) => return Err(StudyError::Calibration(variant.label())),
                };
                let quantised = self.gptq.insert(gptq).quantise(*options)?;
                dense(quantised.head, quantised.bytes)
            }
            Variant::Codebook { .. } => {
                let options = variant.compile_options().unwrap_or_default();
                let (head, _) = compile(self.dense, &options, self.calibration.as_ref(), &mut |at| {
                    let (done, steps) = (at.layer * at.iterations + at.iteration, at.layers * at.iterations);
                    progress(MakerProgress { done, steps });
                })?;
                let head = Bank::from(head);
                let bytes = artifact::to_bytes(&head)?.len();
                Made { head: head.into(), bytes }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::testing;

    fn codebook(method: Method) -> Variant {
        Variant::Codebook { method, codewords: 16, precision: Precision::Int8, gain_bits: 8 }
    }

    #[test]
    fn names_tell_variants_apart() {
        let scalar = ScalarOptions { bits: 4, steps: Steps::Group };
        assert_eq!(codebook(Method::Calibrated).label(), "calibrated, 16 codewords, 8-bit gains");
        assert_eq!(codebook(Method::Calibrated).slug(), "aware-k16-g8");
        assert_eq!(Variant::Gptq(scalar).label(), "GPTQ, int4, a step each 128");
        assert_eq!(Variant::Rounded(scalar).slug(), "rounded-int4-group");
        assert_eq!(Variant::Pruned { percent: 30 }.label(), "pruned, 30 % of the edges");
    }

    #[test]
    fn settings_survive_json() {
        for variant in [codebook(Method::Plain), Variant::Dense, Variant::Pruned { percent: 5 }] {
            let json = serde_json::to_string(&variant).unwrap();
            assert_eq!(serde_json::from_str::<Variant>(&json).unwrap(), variant);
        }
        let scalar = Variant::Gptq(ScalarOptions { bits: 3, steps: Steps::Output });
        assert_eq!(serde_json::to_string(&scalar).unwrap(), r#"{"family":"gptq","bits":3,"steps":"output"}"#);
    }

    #[test]
    fn every_variant_is_made_and_smaller() {
        let dense = testing::head(&[60, 12, 3], 6);
        let rows = testing::rows(300, 60, 4);
        let calibration = Calibration::new(&rows, 60).unwrap();
        let mut maker = Maker::new(&dense, Some(calibration));
        let scalar = ScalarOptions { bits: 4, steps: Steps::Output };
        let variants = [
            codebook(Method::Plain),
            codebook(Method::Calibrated),
            Variant::Pruned { percent: 50 },
            Variant::Rounded(scalar),
            Variant::Gptq(scalar),
            Variant::Gptq(ScalarOptions { bits: 8, steps: Steps::Group }),
        ];
        for variant in variants {
            let made = maker.make(&variant, &mut |_| ()).unwrap();
            assert!(made.bytes < dense.dense_bytes(), "{}: {}", variant.label(), made.bytes);
            assert_eq!((made.head.inputs(), made.head.outputs()), (60, 3));
        }
        assert_eq!(maker.make(&Variant::Dense, &mut |_| ()).unwrap().head, Head::Dense(dense.clone()));
        let mut without = Maker::new(&dense, None);
        let error = without.make(&codebook(Method::Calibrated), &mut |_| ()).unwrap_err();
        assert_eq!(error.to_string(), "calibrated, 16 codewords, 8-bit gains needs calibration rows");
    }
}
