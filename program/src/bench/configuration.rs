//! What is measured: a form of the head, a codebook size, a number of heads, a batch.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::BenchError;
use sharekan::head::MAX_CODEWORDS;

/// Largest batch, in rows.
pub const MAX_BATCH: usize = 65_536;
/// Most heads on the same features.
pub const MAX_HEADS: usize = 1024;
/// Most edges of a synthetic head; its dense form then takes 738 MB.
pub const MAX_EDGES: usize = 1 << 24;

/// A form that a head is run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Form {
    /// Every coefficient, f32.
    #[serde(rename = "dense-f32")]
    DenseF32,
    /// A codebook and gains in f32.
    #[serde(rename = "vq-f32")]
    VqF32,
    /// A codebook and gains of 8 bits, levels in even steps.
    #[serde(rename = "vq-int8")]
    VqInt8,
    /// A codebook and gains of 8 bits, levels from a table.
    #[serde(rename = "vq-int8-log")]
    VqInt8Log,
}

impl Form {
    /// True where the form is evaluated in f32.
    pub fn is_float(self) -> bool {
        matches!(self, Self::DenseF32 | Self::VqF32)
    }

    /// All forms.
    pub const ALL: [Self; 4] = [Self::DenseF32, Self::VqF32, Self::VqInt8, Self::VqInt8Log];

    /// The name that the command line and reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::DenseF32 => "dense-f32",
            Self::VqF32 => "vq-f32",
            Self::VqInt8 => "vq-int8",
            Self::VqInt8Log => "vq-int8-log",
        }
    }

    /// True for the forms that share a codebook.
    pub fn has_codebook(self) -> bool {
        self != Self::DenseF32
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|form| form.name() == text)
            .ok_or_else(|| format!("expected one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// One thing that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Configuration {
    /// Form of the head.
    pub form: Form,
    /// Codewords a layer; `None` for the dense form.
    pub codebook: Option<usize>,
    /// Heads that are evaluated on the same features.
    pub heads: usize,
    /// Rows.
    pub batch: usize,
}

impl Configuration {
    /// Form and codebook: `vq-int8 K=256`.
    pub fn path(&self) -> String {
        match self.codebook {
            None => self.form.to_string(),
            Some(codewords) => format!("{} K={codewords}", self.form),
        }
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.heads == 1 { "" } else { "s" };
        write!(f, "{}, {} head{plural}, batch {}", self.path(), self.heads, self.batch)
    }
}

/// All combinations of these; codebook sizes do not multiply the dense form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matrix {
    /// Forms of the head.
    pub forms: Vec<Form>,
    /// Codewords a layer.
    pub codebooks: Vec<usize>,
    /// Numbers of heads on the same features.
    pub heads: Vec<usize>,
    /// Batches, in rows.
    pub batches: Vec<usize>,
}

impl Matrix {
    /// The configurations, each once: what is compared most - forms at one batch - stands together, so that it is
    /// measured together.
    pub fn configurations(&self) -> Vec<Configuration> {
        let mut all = Vec::new();
        for &heads in &self.heads {
            for &batch in &self.batches {
                for &form in &self.forms {
                    let codebooks: Vec<Option<usize>> = if form.has_codebook() {
                        self.codebooks.iter().copied().map(Some).collect()
                    } else {
                        vec![None]
                    };
                    for codebook in codebooks {
                        let configuration = Configuration { form, codebook, heads, batch };
                        if !all.contains(&configuration) {
                            all.push(configuration);
                        }
                    }
                }
            }
        }
        all
    }

    /// Refuses empty lists and numbers out of range.
    pub(super) fn check(&self) -> Result<(), BenchError> {
        if self.forms.is_empty() {
            return Err(setting("forms", "empty", "at least one form"));
        }
        let lists = [
            ("codebooks", &self.codebooks, MAX_CODEWORDS),
            ("heads", &self.heads, MAX_HEADS),
            ("batches", &self.batches, MAX_BATCH),
        ];
        for (what, values, most) in lists {
            if values.is_empty() {
                return Err(setting(what, "empty", "at least one number"));
            }
            if let Some(value) = values.iter().find(|value| !(1..=most).contains(*value)) {
                return Err(setting(what, value, format!("1 to {most}")));
            }
        }
        Ok(())
    }
}

pub(super) fn setting(what: &'static str, found: impl ToString, expected: impl ToString) -> BenchError {
    BenchError::Setting { what, found: found.to_string(), expected: expected.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> Matrix {
        Matrix {
            forms: vec![Form::DenseF32, Form::VqInt8],
            codebooks: vec![16, 256],
            heads: vec![1],
            batches: vec![1, 9, 1],
        }
    }

    #[test]
    fn the_dense_form_is_there_once_a_batch() {
        let names: Vec<String> = matrix().configurations().iter().map(ToString::to_string).collect();
        assert_eq!(
            names,
            [
                "dense-f32, 1 head, batch 1",
                "vq-int8 K=16, 1 head, batch 1",
                "vq-int8 K=256, 1 head, batch 1",
                "dense-f32, 1 head, batch 9",
                "vq-int8 K=16, 1 head, batch 9",
                "vq-int8 K=256, 1 head, batch 9",
            ]
        );
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        matrix().check().unwrap();
        let text = |matrix: Matrix| matrix.check().unwrap_err().to_string();
        assert_eq!(text(Matrix { batches: vec![1, 0], ..matrix() }), "batches is 0, expected 1 to 65536");
        assert_eq!(text(Matrix { codebooks: vec![65_537], ..matrix() }), "codebooks is 65537, expected 1 to 65536");
        assert_eq!(text(Matrix { heads: vec![], ..matrix() }), "heads is empty, expected at least one number");
    }

    #[test]
    fn forms_are_read_by_name() {
        for form in Form::ALL {
            assert_eq!(form.name().parse(), Ok(form));
            assert_eq!(serde_json::to_value(form).unwrap(), form.name());
        }
        assert!("int4".parse::<Form>().unwrap_err().contains("vq-int8-log"));
    }
}
