//! A head's kernels on a device against the CPU reference.
//!
//! Every form that the head can take is run: as it is, dense, with its codebook in f32 and, where it has one, in
//! integers, the codebook in workgroup memory and out of it. A dense head lends its numbers to a small codebook, so that
//! all kernels are covered whatever the head. What is promised bit for bit is held to it.

use serde::Serialize;

use crate::compress::{CompressOptions, Precision, compile, decompress};
use crate::fixed_point::Arithmetic;
use crate::head::{Bank, CompressedHead, Head, InputMap, Member, Quantised};
use crate::plan::{CodebookPlace, FloatStrategy, Limits, Plan, PlanError, PlanOptions, Strategy};
use crate::reference::{CompressedReference, DenseReference};
#[cfg(not(target_arch = "wasm32"))]
use crate::run::block_on_any;
use crate::run::{Gpu, Model, RunError, Session};

/// Largest error that passes of kernels in integers: their sums do not depend on the order of summing, so that every bit
/// is promised.
const INTEGER_TOLERANCE: f64 = 0.0;

/// Largest error that passes of kernels in f32, in parts of the largest output: their sums of some thousand numbers are
/// rounded in another order than the reference's, layer after layer.
const FLOAT_TOLERANCE: f64 = 1e-4;

/// The same of one layer on cooperative matrices, which round a weight (codeword times gain level) to the 11 bits of an
/// f16: at most one part in 2^11 of every weight, and so of a sum whose parts do not cancel.
const MATRIX_TOLERANCE: f64 = 1.0 / 2048.0;

/// The same of one layer in f32 whose products are in f16: basis weights and edges are rounded to 11 bits each, and the sums of
/// eight of their products where there are no cooperative matrices.
const HALF_TOLERANCE: f64 = 1.0 / 512.0;

/// The same of several layers on cooperative matrices: what a layer gives moves an input of the next one now and then to
/// the next of 1,024 positions a step, and the spline there may be many times as steep as its outputs are large.
const DEEP_MATRIX_TOLERANCE: f64 = 1e-2;

/// Largest error that passes of a backbone in f32, in parts of its largest feature: some fifty layers of sums that another
/// runtime rounds in another order.
#[cfg(all(feature = "network", feature = "detect"))]
const BACKBONE_TOLERANCE: f64 = 1e-3;

/// Codewords of the codebook that a dense head's numbers are put into.
const BORROWED_CODEWORDS: usize = 16;

/// One comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct VerifyCheck {
    /// The kernels compared, for example `integer_rows, codebook on chip`.
    pub kernel: String,
    /// Rows of the batch.
    pub rows: usize,
    /// Largest difference in parts of the largest output of all rows; 0 where all outputs are the same, infinite (`null` in JSON)
    /// where one is no finite number.
    pub error: f64,
    /// Largest error that passes.
    pub tolerance: f64,
    /// The error is within the tolerance.
    pub passed: bool,
}

/// All comparisons of a head on a device.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
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
/// Of a bank every head is checked, and then all at once; the names of the checks begin with that of the head. Inputs are
/// spread over each input's grid and a little beyond, knots and ends among them; the same for every call.
///
/// # Errors
/// Where the device cannot run the head at all. A wrong result is no error but a check that did not pass.
#[cfg(not(target_arch = "wasm32"))]
pub fn verify(gpu: &Gpu, head: &Head, rows: usize) -> Result<VerifyReport, RunError> {
    verify_with(gpu, head, rows, &PlanOptions::default())
}

/// Compares kernels as [`verify`] does, planned as `options` say: with measured tiles where there are any for the head,
/// and, where a kernel is named, that one alone.
///
/// # Errors
/// As [`verify`], and where the adapter cannot run the kernel that is named.
#[cfg(not(target_arch = "wasm32"))]
pub fn verify_with(gpu: &Gpu, head: &Head, rows: usize, options: &PlanOptions) -> Result<VerifyReport, RunError> {
    block_on_any(Some(gpu), verify_async(gpu, head, rows, options))
}

/// Compares kernels as `verify_with` does, without blocking for the device.
///
/// # Errors
/// Where the device cannot run the head at all, or the kernel that is named. A wrong result is no error but a check that
/// did not pass.
pub async fn verify_async(
    gpu: &Gpu,
    head: &Head,
    rows: usize,
    options: &PlanOptions,
) -> Result<VerifyReport, RunError> {
    let rows = rows.max(1);
    let checks = match head.bank() {
        Some(bank) => checks_of_bank(gpu, bank, rows, options).await?,
        None => checks_of_head(gpu, head, rows, options).await?,
    };
    Ok(VerifyReport { adapter: gpu.info().name.clone(), checks })
}

/// Compares the features that a backbone gives on a device for a letterboxed picture, all kernels from its pixels to the rows
/// of a head among them, with those of another runtime.
///
/// # Errors
/// Where one of them does not take the picture, or the device fails.
#[cfg(all(feature = "network", feature = "detect", not(target_arch = "wasm32")))]
pub fn verify_backbone(
    device: &mut crate::detect::frame::NetworkBackbone,
    reference: &mut impl crate::detect::Backbone,
    picture: &crate::detect::Picture,
) -> Result<VerifyCheck, crate::detect::DetectError> {
    let gpu = device.gpu().clone();
    block_on_any(Some(&gpu), verify_backbone_async(device, reference, picture))
}

/// Compares features as `verify_backbone` does, without blocking for the device; the other runtime's work is done when the
/// future is polled.
///
/// # Errors
/// Where one of them does not take the picture, or the device fails.
#[cfg(all(feature = "network", feature = "detect"))]
pub async fn verify_backbone_async(
    device: &mut crate::detect::frame::NetworkBackbone,
    reference: &mut impl crate::detect::Backbone,
    picture: &crate::detect::Picture,
) -> Result<VerifyCheck, crate::detect::DetectError> {
    let (found, expected) = (device.features_async(picture).await?, reference.features(picture)?);
    let rows = expected.cells() * expected.cells();
    let (found, expected) = (found.rows(), expected.rows());
    let error = match found.len() == expected.len() {
        true => largest_error(found, expected, largest_output(expected)),
        false => f64::INFINITY,
    };
    let (kernel, tolerance) = ("backbone in f32".into(), BACKBONE_TOLERANCE);
    Ok(VerifyCheck { kernel, rows, error, tolerance, passed: error <= tolerance })
}

/// Checks one head.
async fn checks_of_head(
    gpu: &Gpu,
    head: &Head,
    rows: usize,
    options: &PlanOptions,
) -> Result<Vec<VerifyCheck>, RunError> {
    let batches = batches(rows);
    let input = spread_inputs(head, rows);
    let mut checks = Vec::new();
    let mut forms = forms(head);
    if options.strategy.is_some() {
        forms.retain(|(_, form)| is_integer(form));
    }
    if options.half_products {
        forms.retain(|(_, form)| !is_integer(form));
    }
    for (name, form) in &forms {
        let (expected, before) = (reference(form, &input), checks.len());
        let scale = largest_output(&expected);
        for (place, limits) in places(gpu, form, rows) {
            for (kernel, options) in kernels(name, form, &limits, rows, options) {
                let gpu = gpu.clone().with_limits(limits.clone());
                let mut session = Session::open_with_async(&gpu, form, rows, &options).await?;
                for &batch in &batches {
                    let tolerance = match options.float {
                        Some(strategy) if strategy.is_half() => half_tolerance(layers_of(form)),
                        _ => tolerance(form, session.plan().multiplies_matrices(batch)),
                    };
                    let found = session.run_async(&input[..batch * form.inputs()]).await?;
                    let error = largest_error(&found, &expected[..batch * form.outputs()], scale);
                    let kernel = format!("{kernel}{place}");
                    checks.push(VerifyCheck { kernel, rows: batch, error, tolerance, passed: error <= tolerance });
                }
            }
        }
        // What was not checked did not pass: the form that the head runs in says why no kernel takes it.
        let own = options.strategy.is_some() || form == head;
        if own && checks.len() == before {
            drop(Plan::with_options(form, gpu.limits(), rows, options)?);
        }
    }
    if let (Some(strategy), true) = (options.strategy, forms.is_empty()) {
        let problem = "the head has no layers in integers".into();
        return Err(PlanError::Kernel { kernel: strategy.name(), problem }.into());
    }
    Ok(checks)
}

/// Checks every head of a bank alone, and then all at once; the names of the checks begin with that of the head.
async fn checks_of_bank(
    gpu: &Gpu,
    bank: &Bank,
    rows: usize,
    options: &PlanOptions,
) -> Result<Vec<VerifyCheck>, RunError> {
    let mut checks = Vec::new();
    for member in bank.members() {
        let of_head = checks_of_head(gpu, &member.head.clone().into(), rows, options).await?;
        let named = |check: VerifyCheck| VerifyCheck { kernel: format!("{}: {}", member.name, check.kernel), ..check };
        checks.extend(of_head.into_iter().map(named));
    }
    let head = Head::from(bank.clone());
    let input = spread_inputs(&head, rows);
    let expected: Vec<Vec<f32>> =
        bank.members().iter().map(|member| CompressedReference::new(&member.head).run(&input)).collect();
    let mut model = Model::open_on_async(Some(gpu), &head, rows, options).await?;
    for batch in batches(rows) {
        let found = model.run_async(&input[..batch * bank.inputs()]).await?;
        let matrices = model.multiplies_matrices(batch);
        let of_member = |(at, member): (usize, &Member)| {
            let (range, outputs) = (bank.output_range(at), bank.outputs());
            let of_head: Vec<f32> = found.chunks_exact(outputs).flat_map(|row| &row[range.clone()]).copied().collect();
            let error = largest_error(&of_head, &expected[at][..batch * range.len()], largest_output(&expected[at]));
            let half = options.half_products && Arithmetic::of(&member.head) == Arithmetic::Float;
            let layers = member.head.layers().len();
            (error, if half { half_tolerance(layers) } else { codebook_tolerance(&member.head, matrices) })
        };
        // The head that is furthest beyond what it is allowed, or least within.
        let worst = bank.members().iter().enumerate().map(of_member).max_by(|a, b| (a.0 - a.1).total_cmp(&(b.0 - b.1)));
        let Some((error, tolerance)) = worst else { continue };
        let kernel = "all heads at once".into();
        checks.push(VerifyCheck { kernel, rows: batch, error, tolerance, passed: error <= tolerance });
    }
    Ok(checks)
}

fn is_integer(form: &Head) -> bool {
    form.compressed().is_some_and(|head| Arithmetic::of(head) == Arithmetic::Integer)
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
        let of = |strategy: FloatStrategy| {
            let options = PlanOptions { float: Some(strategy), ..options.clone() };
            (format!("{}_{name}", strategy.name()), options)
        };
        FloatStrategy::ALL.into_iter().filter(|strategy| !options.half_products || strategy.is_half()).map(of).collect()
    };
    let runs = |options: &PlanOptions| Plan::with_options(form, limits, rows, options).is_ok();
    kernels.retain(|(_, options)| runs(options));
    // Layers that no kernel alone takes all of.
    if kernels.is_empty() && runs(options) {
        kernels.push((format!("{name}, each layer its kernel"), options.clone()));
    }
    kernels
}

/// Layers of the deepest head.
fn layers_of(form: &Head) -> usize {
    match form {
        Head::Dense(head) => head.layers().len(),
        Head::Compressed(bank) => bank.members().iter().map(|member| member.head.layers().len()).max().unwrap_or(1),
    }
}

/// Largest error that passes of so many layers whose products are in f16.
fn half_tolerance(layers: usize) -> f64 {
    if layers > 1 { DEEP_MATRIX_TOLERANCE } else { HALF_TOLERANCE }
}

/// Largest error that passes of a form, evaluated with cooperative matrices or without.
fn tolerance(form: &Head, matrices: bool) -> f64 {
    form.compressed().map_or(FLOAT_TOLERANCE, |head| codebook_tolerance(head, matrices))
}

fn codebook_tolerance(head: &CompressedHead, matrices: bool) -> f64 {
    match (Arithmetic::of(head), matrices, head.layers().len()) {
        (Arithmetic::Float, ..) => FLOAT_TOLERANCE,
        (Arithmetic::Integer, false, _) => INTEGER_TOLERANCE,
        (Arithmetic::Integer, true, 1) => MATRIX_TOLERANCE,
        (Arithmetic::Integer, true, _) => DEEP_MATRIX_TOLERANCE,
    }
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
            let options = CompressOptions {
                codewords: BORROWED_CODEWORDS,
                precision: Precision::Int8,
                iterations: 1,
                ..CompressOptions::default()
            };
            (Some(dense.clone()), compile(dense, &options, None, &mut |_| {}).ok().map(|(compressed, _)| compressed))
        }
        Head::Compressed(bank) => {
            let compressed = &bank.members()[0].head;
            (decompress(compressed).ok(), Some(compressed.clone()))
        }
    };
    let mut forms = Vec::new();
    forms.extend(dense.map(|dense| ("dense", Head::Dense(dense))));
    if let Some(compressed) = compressed {
        // Kernels in f32 take residual layers as dense ones.
        let name = if has_residual(&compressed) { "residual" } else { "codebook" };
        forms.extend(in_floats(&compressed).map(|floats| (name, Head::from(floats))));
        if Arithmetic::of(&compressed) == Arithmetic::Integer {
            forms.push(("integer", Head::from(compressed)));
        }
    }
    forms
}

fn has_residual(head: &CompressedHead) -> bool {
    head.layers().iter().any(|layer| layer.stages > 1)
}

/// The same codebook and gains in f32.
fn in_floats(head: &CompressedHead) -> Option<CompressedHead> {
    let layers = head.layers().iter().map(|layer| {
        let mut layer = layer.clone();
        if let Quantised::Int8 { codebook, gains, gain_scale, output_scale } = &layer.quantised {
            // Stage after stage, output after output, as the gains lie.
            let scales = output_scale.iter().flat_map(|scale| std::iter::repeat_n(*scale, layer.inputs)).cycle();
            layer.quantised = Quantised::Float {
                codebook: codebook.iter().map(|&c| f32::from(c)).collect(),
                gains: gains.iter().zip(scales).map(|(&code, scale)| gain_scale.level(code) as f32 * scale).collect(),
            };
        }
        layer
    });
    CompressedHead::new(layers.collect(), head.detection.clone()).ok()
}

/// The limits of the device, and those that keep the codebook out of workgroup memory.
fn places(gpu: &Gpu, head: &Head, rows: usize) -> Vec<(&'static str, Limits)> {
    let residual_in_f32 = |head: &CompressedHead| Arithmetic::of(head) == Arithmetic::Float && has_residual(head);
    match head.compressed() {
        Some(head) if !residual_in_f32(head) => {}
        _ => return vec![("", gpu.limits().clone())],
    }
    let on_chip = |limits: &Limits| -> Vec<bool> {
        let plan = Plan::new(head, limits, rows);
        plan.map_or_else(
            |_| Vec::new(),
            |plan| {
                let kernels = plan.batch_sizes().into_iter().flat_map(|rows| plan.kernels(rows));
                kernels.map(|layer| layer.codebook == Some(CodebookPlace::OnChip)).collect()
            },
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
        Head::Compressed(bank) => CompressedReference::new(&bank.members()[0].head).run(input),
    }
}

/// Largest magnitude of all outputs that are finite: that of one row alone could be small by chance.
fn largest_output(outputs: &[f32]) -> f64 {
    let finite = outputs.iter().filter(|y| y.is_finite());
    finite.fold(f64::MIN_POSITIVE, |most, y| most.max(f64::from(y.abs())))
}

/// Largest difference in parts of `scale`. Infinite where there are more or fewer values than expected, or where a value
/// on either side is no finite number: such a pair shows nothing, even where both are NaN.
fn largest_error(found: &[f32], expected: &[f32], scale: f64) -> f64 {
    if found.len() != expected.len() || !found.iter().chain(expected).all(|y| y.is_finite()) {
        return f64::INFINITY;
    }
    let difference = |(y, e): (&f32, &f32)| (f64::from(*y) - f64::from(*e)).abs();
    found.iter().zip(expected).map(difference).fold(0.0, f64::max) / scale
}

/// Rows whose spline variables go from one end of each input's grid to the other and a tenth beyond, every third one on
/// a knot.
fn spread_inputs(head: &Head, rows: usize) -> Vec<f32> {
    let (inputs, map, basis) = match head {
        Head::Dense(head) => (head.inputs(), &head.layers()[0].input_map, &head.layers()[0].basis),
        Head::Compressed(bank) => {
            let first = &bank.members()[0].head.layers()[0];
            (first.inputs, &first.input_map, &first.basis)
        }
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
            // No map of a head asks for inputs that are no numbers.
            values.push((x as f32).clamp(f32::MIN, f32::MAX));
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(found: &[f32], expected: &[f32]) -> f64 {
        largest_error(found, expected, largest_output(expected))
    }

    #[test]
    fn the_last_bit_is_an_error() {
        let expected = [1.0f32, -4.0, 0.0];
        assert_eq!(error(&expected, &expected), 0.0);
        assert_eq!(error(&[1.0, -4.0, -0.0], &expected), 0.0);
        let next = f32::from_bits(1.0f32.to_bits() + 1);
        assert_eq!(error(&[next, -4.0, 0.0], &expected), f64::from(f32::EPSILON) / 4.0);
        // Also where all that is expected is zero.
        assert!(error(&[f32::from_bits(1)], &[0.0]) > 0.0);
    }

    #[test]
    fn what_is_no_finite_number_or_is_missing_is_infinitely_wrong() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for (found, expected) in [([bad, 1.0], [1.0, 1.0]), ([1.0, 1.0], [1.0, bad]), ([1.0, bad], [1.0, bad])] {
                assert_eq!(error(&found, &expected), f64::INFINITY, "{found:?}, expected {expected:?}");
            }
        }
        assert_eq!(error(&[1.0], &[1.0, 1.0]), f64::INFINITY);
        assert_eq!(error(&[], &[1.0]), f64::INFINITY);
    }
}
