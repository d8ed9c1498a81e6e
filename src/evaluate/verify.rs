//! A head's kernels on a device against the CPU reference.
//!
//! Every form that the head can take is run: as it is, dense, with its codebook in f32 and, where it has one, in
//! integers, the codebook in workgroup memory and out of it. A dense head lends its numbers to a small codebook, so that
//! all kernels are covered whatever the head.

use serde::Serialize;

use crate::compress::{CompileOptions, Precision, compile, decompress};
use crate::fixed_point::Arithmetic;
use crate::head::{Bank, CompressedHead, Head, InputMap, Quantised};
use crate::plan::{FloatStrategy, Limits, Plan, PlanError, PlanOptions, Strategy};
use crate::reference::{CompressedReference, DenseReference};
use crate::run::{BankRunner, Gpu, RunError, Session};

/// Largest error that passes, in parts of the largest output.
const VERIFY_TOLERANCE: f64 = 1e-4;

/// The same where cooperative matrices round weights to 11 bits: what a layer gives then differs by some 1e-4, and now
/// and then moves an input of the next layer to the next of 1,024 positions a step.
const MATRIX_TOLERANCE: f64 = 1e-2;

/// Codewords of the codebook that a dense head's numbers are put into.
const BORROWED_CODEWORDS: usize = 16;

/// One comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerifyCheck {
    /// The kernels compared, for example `integer_rows, codebook on chip`.
    pub kernel: String,
    /// Rows of the batch.
    pub rows: usize,
    /// Largest difference in parts of the largest output; 0 where every bit is the same.
    pub error: f64,
    /// Largest error that passes.
    pub tolerance: f64,
    /// The error is within the tolerance.
    pub passed: bool,
}

/// All comparisons of a head on a device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerifyReport {
    /// Name of the adapter.
    pub adapter: String,
    /// The comparisons.
    pub checks: Vec<VerifyCheck>,
}

impl VerifyReport {
    /// True where every comparison passed.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.passed)
    }

    /// The largest error of all comparisons.
    pub fn largest_error(&self) -> f64 {
        self.checks.iter().map(|check| check.error).fold(0.0, f64::max)
    }
}

/// Compares every kernel on `gpu` with the reference, in batches of 1, 7 and `rows`.
///
/// Inputs are spread over each input's grid and a little beyond, knots and ends among them; the same for every call.
///
/// # Errors
/// Where the device cannot run the head at all. A wrong result is no error but a check that did not pass.
pub fn verify(gpu: &Gpu, head: &Head, rows: usize) -> Result<VerifyReport, RunError> {
    verify_with(gpu, head, rows, &PlanOptions::default())
}

/// Compares kernels as [`verify`] does, planned as `options` say: with measured tiles where there are any for the head,
/// and, where a kernel is named, that one alone.
///
/// # Errors
/// As [`verify`], and where the adapter cannot run the kernel that is named.
pub fn verify_with(gpu: &Gpu, head: &Head, rows: usize, options: &PlanOptions) -> Result<VerifyReport, RunError> {
    let rows = rows.max(1);
    let batches = batches(rows);
    let input = spread_inputs(head, rows);
    let mut checks = Vec::new();
    let mut forms = forms(head);
    if options.strategy.is_some() {
        forms.retain(|(_, form)| is_integer(form));
    }
    for (name, form) in &forms {
        let expected = reference(form, &input);
        for (place, limits) in places(gpu, form, rows) {
            for (kernel, options) in kernels(name, form, &limits, rows, options) {
                let gpu = gpu.clone().with_limits(limits.clone());
                let mut session = Session::open_with(&gpu, form, rows, &options)?;
                let tolerance = tolerance(session.plan().uses_matrices());
                for &batch in &batches {
                    let found = session.run(&input[..batch * form.inputs()])?;
                    let error = largest_error(&found, &expected[..batch * form.outputs()]);
                    let kernel = format!("{kernel}{place}");
                    checks.push(VerifyCheck { kernel, rows: batch, error, tolerance, passed: error <= tolerance });
                }
            }
        }
    }
    // A kernel that is named and was not checked says why.
    match (options.strategy, forms.first()) {
        (Some(_), Some((_, form))) if checks.is_empty() => drop(Plan::with_options(form, gpu.limits(), rows, options)?),
        (Some(strategy), None) => {
            let problem = "the head has no layers in integers".into();
            return Err(PlanError::Kernel { kernel: strategy.name(), problem }.into());
        }
        _ => {}
    }
    Ok(VerifyReport { adapter: gpu.info().name.clone(), checks })
}

/// Compares every kernel for every head of a bank with the reference as [`verify`] does, and then all heads at once;
/// the names of the checks begin with that of the head.
///
/// # Errors
/// As [`verify`].
pub fn verify_bank(gpu: &Gpu, bank: &Bank, rows: usize) -> Result<VerifyReport, RunError> {
    verify_bank_with(gpu, bank, rows, &PlanOptions::default())
}

/// Compares the kernels of a bank as [`verify_bank`] does, planned as `options` say.
///
/// # Errors
/// As [`verify_with`].
pub fn verify_bank_with(gpu: &Gpu, bank: &Bank, rows: usize, options: &PlanOptions) -> Result<VerifyReport, RunError> {
    let rows = rows.max(1);
    let mut checks = Vec::new();
    for member in bank.members() {
        let report = verify_with(gpu, &Head::Compressed(member.head.clone()), rows, options)?;
        checks.extend(
            report
                .checks
                .into_iter()
                .map(|check| VerifyCheck { kernel: format!("{}: {}", member.name, check.kernel), ..check }),
        );
    }
    let input = spread_inputs(&Head::Compressed(bank.members()[0].head.clone()), rows);
    let expected: Vec<Vec<f32>> =
        bank.members().iter().map(|member| CompressedReference::new(&member.head).run(&input)).collect();
    let mut runner = BankRunner::open_with(Some(gpu), bank, rows, options)?;
    for batch in batches(rows) {
        let found = runner.run(&input[..batch * bank.inputs()])?;
        let error = |at: usize| {
            let (range, outputs) = (bank.output_range(at), bank.outputs());
            let of_head: Vec<f32> = found.chunks_exact(outputs).flat_map(|row| &row[range.clone()]).copied().collect();
            largest_error(&of_head, &expected[at][..of_head.len()])
        };
        let error = (0..bank.members().len()).map(error).fold(0.0, f64::max);
        let kernel = "all heads at once".into();
        let tolerance = tolerance(gpu.limits().matrix_subgroup.is_some());
        checks.push(VerifyCheck { kernel, rows: batch, error, tolerance, passed: error <= tolerance });
    }
    Ok(VerifyReport { adapter: gpu.info().name.clone(), checks })
}

fn is_integer(form: &Head) -> bool {
    matches!(form, Head::Compressed(head) if Arithmetic::of(head) == Arithmetic::Integer)
}

/// The kernels that a form is checked with on an adapter of these limits, by name; the one that `options` name alone,
/// where they do.
fn kernels(name: &str, form: &Head, limits: &Limits, rows: usize, options: &PlanOptions) -> Vec<(String, PlanOptions)> {
    let mut kernels: Vec<(String, PlanOptions)> = if is_integer(form) {
        let wanted = |strategy: &Strategy| options.strategy.is_none_or(|named| named == *strategy);
        let of = |strategy: Strategy| {
            let options = PlanOptions { strategy: Some(strategy), ..options.clone() };
            (format!("{name}_{}", strategy.name()), options)
        };
        Strategy::ALL.into_iter().filter(wanted).map(of).collect()
    } else {
        let of = |(kernel, strategy)| {
            let options = PlanOptions { float: Some(strategy), ..options.clone() };
            (format!("{kernel}_{name}"), options)
        };
        [("contract", FloatStrategy::Taps), ("product", FloatStrategy::Product)].into_iter().map(of).collect()
    };
    kernels.retain(|(_, options)| Plan::with_options(form, limits, rows, options).is_ok());
    kernels
}

fn tolerance(matrices: bool) -> f64 {
    if matrices { MATRIX_TOLERANCE } else { VERIFY_TOLERANCE }
}

/// Numbers of rows that are checked, up to the largest.
fn batches(rows: usize) -> Vec<usize> {
    let mut batches = vec![1, 7, rows];
    batches.retain(|&batch| batch <= rows);
    batches.dedup();
    batches
}

/// Every form of a head, named by the kernel that makes the difference.
fn forms(head: &Head) -> Vec<(&'static str, Head)> {
    let (dense, compressed) = match head {
        Head::Dense(dense) => {
            let options = CompileOptions {
                codewords: BORROWED_CODEWORDS,
                precision: Precision::Int8,
                iterations: 1,
                ..CompileOptions::default()
            };
            (Some(dense.clone()), compile(dense, &options, None, &mut |_| {}).ok().map(|(compressed, _)| compressed))
        }
        Head::Compressed(compressed) => (decompress(compressed).ok(), Some(compressed.clone())),
    };
    let mut forms = Vec::new();
    forms.extend(dense.map(|dense| ("dense", Head::Dense(dense))));
    if let Some(compressed) = compressed {
        let stages = compressed.layers().iter().map(|layer| layer.stages).max();
        // The kernels in floating point read no residual codebook.
        let floats = in_floats(&compressed).filter(|_| stages == Some(1));
        forms.extend(floats.map(|floats| ("codebook", Head::Compressed(floats))));
        if Arithmetic::of(&compressed) == Arithmetic::Integer {
            forms.push(("integer", Head::Compressed(compressed)));
        }
    }
    forms
}

/// The same codebook and gains in f32.
fn in_floats(head: &CompressedHead) -> Option<CompressedHead> {
    let layers = head.layers().iter().map(|layer| {
        let mut layer = layer.clone();
        if let Quantised::Int8 { codebook, gains, gain_scale, output_scale } = &layer.quantised {
            layer.quantised = Quantised::Float {
                codebook: codebook.iter().map(|&c| f32::from(c)).collect(),
                gains: gains
                    .iter()
                    .enumerate()
                    .map(|(edge, &code)| gain_scale.level(code) as f32 * output_scale[edge / layer.inputs])
                    .collect(),
            };
        }
        layer
    });
    CompressedHead::new(layers.collect(), head.detection.clone()).ok()
}

/// The limits of the device, and those that keep the codebook out of workgroup memory.
fn places(gpu: &Gpu, head: &Head, rows: usize) -> Vec<(&'static str, Limits)> {
    if matches!(head, Head::Dense(_)) {
        return vec![("", gpu.limits().clone())];
    }
    let on_chip = |limits: &Limits| -> Vec<bool> {
        let plan = Plan::new(head, limits, rows);
        plan.map_or_else(
            |_| Vec::new(),
            |plan| plan.tiers.iter().flat_map(|tier| &tier.tiles).map(|tile| tile.on_chip()).collect(),
        )
    };
    let (some, all) = (|tiles: Vec<bool>| tiles.contains(&true), |tiles: Vec<bool>| !tiles.contains(&false));
    let mut places = Vec::new();
    let own = gpu.limits().clone();
    if some(on_chip(&own)) {
        places.push((", codebook on chip", own.clone()));
    }
    // A workgroup memory that holds no codebook beside a tile, or as few as still leave room for tiles.
    let mut small = own;
    while some(on_chip(&small)) && small.workgroup_storage > 1024 {
        small.workgroup_storage /= 2;
    }
    if !all(on_chip(&small)) {
        places.push((", codebook in a buffer", small));
    }
    places
}

fn reference(head: &Head, input: &[f32]) -> Vec<f32> {
    match head {
        Head::Dense(head) => DenseReference::new(head).run(input).iter().map(|&y| y as f32).collect(),
        Head::Compressed(head) => CompressedReference::new(head).run(input),
    }
}

/// Largest difference in parts of the largest expected magnitude; infinite where only one of two values is NaN.
fn largest_error(found: &[f32], expected: &[f32]) -> f64 {
    let scale = expected.iter().filter(|y| y.is_finite()).fold(f64::MIN_POSITIVE, |m, y| m.max(f64::from(y.abs())));
    let difference = |(y, e): (&f32, &f32)| match (y.is_nan(), e.is_nan()) {
        (true, true) => 0.0,
        (false, false) if y == e => 0.0,
        (false, false) => (f64::from(*y) - f64::from(*e)).abs(),
        _ => f64::INFINITY,
    };
    found.iter().zip(expected).map(difference).fold(0.0, f64::max) / scale
}

/// Rows whose spline variables go from one end of each input's grid to the other and a tenth beyond, every third one on
/// a knot.
fn spread_inputs(head: &Head, rows: usize) -> Vec<f32> {
    let (inputs, map, basis) = match head {
        Head::Dense(head) => (head.inputs(), &head.layers()[0].input_map, &head.layers()[0].basis),
        Head::Compressed(head) => (head.inputs(), &head.layers()[0].input_map, &head.layers()[0].basis),
    };
    // Weyl's sequence: even over the range, without a generator.
    let spread = |n: usize| (n as f64 * 0.618_033_988_749_894_9).fract();
    let mut values = Vec::with_capacity(rows * inputs);
    for row in 0..rows {
        for i in 0..inputs {
            let n = row * inputs + i;
            let [low, high] = basis.range(i).unwrap_or([-2.0, 2.0]);
            let mut z = low + (1.2 * spread(n) - 0.1) * (high - low);
            if n.is_multiple_of(3) {
                z = basis.knot(i, n % (basis.len() + 1)).unwrap_or(z);
            }
            let x = match map {
                InputMap::Affine { scale, shift, .. } if scale[i] != 0.0 => {
                    (z - f64::from(shift[i])) / f64::from(scale[i])
                }
                _ => z,
            };
            values.push(x as f32);
        }
    }
    values
}
