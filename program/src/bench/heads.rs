//! The heads that are measured: of random numbers in any shape, or the user's own.

use std::collections::HashMap;

use super::configuration::setting;
use super::{BenchError, Form, MAX_EDGES};
use sharekan::compress::{CompressOptions, Precision, compile, decompress};
use sharekan::head::{
    Activation, Bank, BasePath, Basis, CompressedHead, CompressedLayer, DenseHead, DenseLayer, GainScale, Head,
    InputMap, Knots, MAX_CODEWORDS, Quantised,
};

/// Order of the synthetic heads' splines.
const ORDER: usize = 3;
/// Intervals of their grid over -1 to 1; with the order it makes 10 coefficients an edge.
const INTERVALS: usize = 7;

/// Where the measured heads come from.
#[derive(Debug, Clone, Copy)]
pub enum HeadSource<'a> {
    /// Random numbers, one layer between each two widths.
    Synthetic(&'a [usize]),
    /// A head of the user's. A dense one is compressed for the other forms; of a compressed one the dense form is what
    /// [`decompress`] makes of it. The heads of a bank are measured on the same features: in its own form and, one head
    /// after the other, in the dense form of each.
    Given(&'a Head),
}

impl HeadSource<'_> {
    /// Refuses shapes that no head has or that are too large to make.
    pub(super) fn check(&self) -> Result<(), BenchError> {
        let Self::Synthetic(widths) = self else { return Ok(()) };
        let text = || widths.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        if widths.len() < 2 {
            return Err(setting("shape", text(), "the inputs, and the outputs of each layer"));
        }
        let edges = widths.windows(2).try_fold(0usize, |sum, pair| sum.checked_add(pair[0].checked_mul(pair[1])?));
        match edges {
            Some(edges) if edges <= MAX_EDGES && !widths.contains(&0) => Ok(()),
            _ => Err(setting("shape", text(), format!("widths of at least 1, and at most {MAX_EDGES} edges"))),
        }
    }

    /// The forms that this source has of those that are asked for, and its own codebook size where it has one.
    pub(super) fn forms(&self, wanted: &[Form]) -> (Vec<Form>, Option<usize>) {
        let (available, codewords): (Vec<Form>, _) = match self {
            Self::Synthetic(_) => (wanted.to_vec(), None),
            // The compiler chooses between even and logarithmic levels.
            Self::Given(Head::Dense(_)) => {
                let form = |form| if form == Form::VqInt8Log { Form::VqInt8 } else { form };
                (wanted.iter().copied().map(form).collect(), None)
            }
            Self::Given(Head::Compressed(bank)) => {
                let layers: Vec<CompressedLayer> =
                    bank.members().iter().flat_map(|member| member.head.layers()).cloned().collect();
                own_forms(wanted, &layers)
            }
        };
        let mut forms: Vec<Form> = Vec::new();
        for form in available {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        (forms, codewords)
    }

    fn bank(&self) -> Option<&Bank> {
        match self {
            Self::Given(head) => head.bank(),
            Self::Synthetic(_) => None,
        }
    }

    /// Number of heads, where the source has its own.
    pub(super) fn members(&self) -> Option<usize> {
        self.bank().map(|bank| bank.members().len())
    }

    /// Names of the heads of a bank; none where there is one head.
    pub(super) fn names(&self) -> Vec<String> {
        self.bank().map_or_else(Vec::new, |bank| bank.names().map(str::to_owned).collect())
    }

    fn made(&self, form: Form, codebook: Option<usize>) -> Result<Vec<Head>, BenchError> {
        match self {
            Self::Synthetic(widths) => Ok(vec![synthetic_head(form, widths, codebook.unwrap_or(1))?]),
            Self::Given(head) => head.alone().iter().map(|head| given(head, form, codebook)).collect(),
        }
    }
}

/// The heads of a benchmark, each made once.
pub(super) struct Heads<'a> {
    source: HeadSource<'a>,
    made: HashMap<(Form, Option<usize>), Vec<Head>>,
}

impl<'a> Heads<'a> {
    pub(super) fn new(source: HeadSource<'a>) -> Self {
        Self { source, made: HashMap::new() }
    }

    /// What runs on the same features in that form: the heads of a bank, or one head so many times.
    pub(super) fn get(&mut self, form: Form, codebook: Option<usize>, heads: usize) -> Result<Vec<&Head>, BenchError> {
        use std::collections::hash_map::Entry;
        let made: &Vec<Head> = match self.made.entry((form, codebook)) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(self.source.made(form, codebook)?),
        };
        Ok(made.iter().cycle().take(heads).collect())
    }

    /// Names of the heads of a bank; none where there is one head.
    pub(super) fn names(&self) -> Vec<String> {
        self.source.names()
    }
}

/// The dense form where it is wanted, and the form of these layers with the size of their largest codebook.
fn own_forms(wanted: &[Form], layers: &[CompressedLayer]) -> (Vec<Form>, Option<usize>) {
    let dense = wanted.iter().copied().filter(|form| *form == Form::DenseF32);
    let codewords = layers.iter().map(CompressedLayer::codewords).max();
    (dense.chain([form_of(layers)]).collect(), codewords)
}

fn form_of(layers: &[CompressedLayer]) -> Form {
    let any = |is: fn(&Quantised) -> bool| layers.iter().any(|layer| is(&layer.quantised));
    if any(|quantised| matches!(quantised, Quantised::Float { .. })) {
        Form::VqF32
    } else if any(|quantised| matches!(quantised, Quantised::Int8 { gain_scale: GainScale::Table(_), .. })) {
        Form::VqInt8Log
    } else {
        Form::VqInt8
    }
}

fn given(head: &Head, form: Form, codebook: Option<usize>) -> Result<Head, BenchError> {
    match (head, form) {
        (Head::Dense(_), Form::DenseF32) => Ok(head.clone()),
        (Head::Compressed(bank), Form::DenseF32) => Ok(decompress(&bank.members()[0].head)?.into()),
        (Head::Compressed(_), _) => Ok(head.clone()),
        (Head::Dense(dense), _) => {
            let precision = if form == Form::VqF32 { Precision::F32 } else { Precision::Int8 };
            let defaults = CompressOptions::default();
            let codewords = codebook.unwrap_or(defaults.codewords);
            let options = defaults.precision(precision).codewords(codewords);
            Ok(compile(dense, &options, None, &mut |_| {})?.0.into())
        }
    }
}

/// Numbers from -1 to 1 that look random and are the same everywhere.
pub(super) fn number(n: usize) -> f32 {
    ((n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

/// A head of random numbers: cubic splines over an even grid from -1 to 1, 10 coefficients an edge, inputs clamped to
/// the grid. The dense form has a base path (SiLU), as efficient-kan's heads have; in the others it is folded.
///
/// # Errors
/// Where a width is zero, there is no layer, or the codebook size is not 1 to [`MAX_CODEWORDS`].
pub fn synthetic_head(form: Form, widths: &[usize], codewords: usize) -> Result<Head, BenchError> {
    if form.has_codebook() && !(1..=MAX_CODEWORDS).contains(&codewords) {
        return Err(setting("codebooks", codewords, format!("1 to {MAX_CODEWORDS}")));
    }
    let layers = widths.windows(2).map(|pair| (pair[0], pair[1]));
    Ok(match form {
        Form::DenseF32 => {
            Head::Dense(DenseHead::new(layers.map(|(inputs, outputs)| dense_layer(inputs, outputs)).collect(), None)?)
        }
        _ => {
            let layers = layers.map(|(inputs, outputs)| compressed_layer(form, inputs, outputs, codewords));
            CompressedHead::new(layers.collect(), None)?.into()
        }
    })
}

fn basis(inputs: usize) -> Basis {
    let knots = Knots::Uniform { low: vec![-1.0; inputs], step: vec![2.0 / INTERVALS as f64; inputs] };
    Basis::BSpline { order: ORDER, intervals: INTERVALS, knots }
}

fn input_map(inputs: usize) -> InputMap {
    InputMap::Affine { scale: vec![1.0; inputs], shift: vec![0.0; inputs], clamp: Some([-1.0, 1.0]) }
}

fn dense_layer(inputs: usize, outputs: usize) -> DenseLayer {
    let values = |count: usize| (0..count).map(|n| 0.02 * number(n)).collect();
    DenseLayer {
        inputs,
        outputs,
        input_map: input_map(inputs),
        basis: basis(inputs),
        coefficients: values(inputs * outputs * (INTERVALS + ORDER)),
        base: Some(BasePath { activation: Activation::Silu, weights: values(inputs * outputs) }),
        bias: None,
    }
}

fn compressed_layer(form: Form, inputs: usize, outputs: usize, codewords: usize) -> CompressedLayer {
    let (edges, numbers) = (inputs * outputs, codewords * (INTERVALS + ORDER));
    let byte = |n: usize| (127.0 * number(n)) as i8;
    let quantised = match form {
        Form::VqF32 | Form::DenseF32 => Quantised::Float {
            codebook: (0..numbers).map(number).collect(),
            gains: (0..edges).map(|n| 0.02 * number(3 * n)).collect(),
        },
        Form::VqInt8 | Form::VqInt8Log => Quantised::Int8 {
            codebook: (0..numbers).map(byte).collect(),
            gains: (0..edges).map(|n| byte(3 * n) as u8).collect(),
            gain_scale: if form == Form::VqInt8 { GainScale::Linear } else { GainScale::Table(levels()) },
            output_scale: vec![1e-6; outputs],
        },
    };
    CompressedLayer {
        inputs,
        outputs,
        input_map: input_map(inputs),
        basis: basis(inputs),
        stages: 1,
        indices: (0..edges)
            .map(|n| ((number(n) + 1.0) / 2.0 * codewords as f32).min(codewords as f32 - 1.0) as u16)
            .collect(),
        quantised,
        base: None,
        bias: vec![0.0; outputs],
    }
}

fn levels() -> Vec<i16> {
    (0..256).map(|code: i16| if code < 128 { code * 16 } else { (128 - code) * 16 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_a_head_of_the_shape() {
        for form in Form::ALL {
            for codewords in [1, 3, 300, 65_536] {
                let head = synthetic_head(form, &[6, 5, 4], codewords).unwrap();
                assert_eq!((head.inputs(), head.outputs()), (6, 4));
                let Some(head) = head.compressed() else { continue };
                assert_eq!((head.layers()[1].codewords(), form_of(head.layers())), (codewords, form));
                assert!(head.layers().iter().all(|layer| layer.indices.iter().all(|&k| usize::from(k) < codewords)));
            }
        }
    }

    #[test]
    fn shapes_that_are_no_heads_are_refused() {
        let text = |widths: &[usize]| HeadSource::Synthetic(widths).check().unwrap_err().to_string();
        HeadSource::Synthetic(&[2048, 512, 75]).check().unwrap();
        assert!(text(&[7]).starts_with("shape is 7, expected"));
        assert!(text(&[7, 0, 2]).contains("7,0,2, expected widths of at least 1"));
        assert!(text(&[usize::MAX, usize::MAX]).contains("16777216 edges"));
    }

    #[test]
    fn a_given_head_has_the_forms_that_can_be_made_of_it() {
        let all = Form::ALL;
        let dense = synthetic_head(Form::DenseF32, &[4, 3], 1).unwrap();
        let source = HeadSource::Given(&dense);
        assert_eq!(source.forms(&all), (vec![Form::DenseF32, Form::VqF32, Form::VqInt8], None));
        assert!(matches!(source.made(Form::VqInt8, Some(2)).unwrap()[..], [Head::Compressed(_)]));
        let small = synthetic_head(Form::VqInt8Log, &[4, 3], 2).unwrap();
        let source = HeadSource::Given(&small);
        assert_eq!(source.forms(&all), (vec![Form::DenseF32, Form::VqInt8Log], Some(2)));
        assert!(matches!(source.made(Form::DenseF32, None).unwrap()[..], [Head::Dense(_)]));
    }

    #[test]
    fn a_bank_runs_its_own_heads() {
        let head = synthetic_head(Form::VqInt8, &[4, 3], 2).unwrap();
        let head = head.compressed().unwrap();
        let member = |name: &str| sharekan::head::Member { name: name.into(), head: head.clone() };
        let bank = Head::from(Bank::new(vec![member("a"), member("b")]).unwrap());
        let source = HeadSource::Given(&bank);
        assert_eq!(source.forms(&Form::ALL), (vec![Form::DenseF32, Form::VqInt8], Some(2)));
        assert_eq!((source.members(), source.names()), (Some(2), vec!["a".to_owned(), "b".to_owned()]));
        let mut heads = Heads::new(source);
        assert!(matches!(heads.get(Form::DenseF32, None, 2).unwrap()[..], [Head::Dense(_), Head::Dense(_)]));
        assert!(matches!(heads.get(Form::VqInt8, Some(2), 2).unwrap()[..], [Head::Compressed(_), Head::Compressed(_)]));
    }
}
