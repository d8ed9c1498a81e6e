// What the kernels that expand inputs in f32 have in common: the map to the spline variable, the basis functions and
// the base function. They hand their basis weights to `put_weight`.

// From an input to its spline variable and, on even knots, to steps from the lower end of the grid.
struct InputMap {
    scale: f32,
    shift: f32,
    low: f32,
    inverse_step: f32,
}

@group(0) @binding(1) var<storage, read> maps: array<InputMap>;
// Uneven knots [input][knot], or the centres of Gaussian bumps.
@group(0) @binding(2) var<storage, read> knots: array<f32>;
// One word a row: 0, or the NaN that its outputs are.
@group(0) @binding(4) var<storage, read_write> flags: array<u32>;
@group(1) @binding(0) var<storage, read> input: array<f32>;

override INPUTS: u32;
override INVOCATIONS: u32;
// 0 even knots, 1 uneven knots, 2 Gaussian bumps.
override BASIS: u32;
override ORDER: u32;
override BASIS_WEIGHTS: u32;
override SPANS: u32;
override FIRST_SPAN: i32;
override KNOTS: u32;
override INVERSE_DENOMINATOR: f32;
override CLAMPED: bool;
override CLAMP_LOW: f32;
override CLAMP_HIGH: f32;
// Parts of the row that are normalised each by itself; 0 where none is.
override NORM_GROUPS: u32;
override EPSILON: f32;
// The base function sees inputs as they are.
override RAW_BASE: bool;
// 0 none, 1 silu, 2 gelu, 3 tanh, 4 relu, 5 sigmoid, 6 identity, 7 leaky relu, 8 elu, 9 selu, 10 softplus, 11 hard swish,
// 12 mish.
override ACTIVATION: u32;
// What negative inputs of a leaky relu are multiplied with.
override SLOPE: f32;

const NAN: u32 = 0x7fc00000u;
const INFINITY: u32 = 0x7f800000u;
const MAX_BASIS_WEIGHTS: u32 = 16u;

var<workgroup> nan_rows: array<atomic<u32>, SIDE>;
var<workgroup> sums: array<f32, INVOCATIONS>;

// Sum of `value` over the invocations of a row, every SIDE-th of the workgroup, by halving: the same order for every
// run.
fn sum_over_invocations(invocation: u32, value: f32) -> f32 {
    workgroupBarrier();
    sums[invocation] = value;
    workgroupBarrier();
    for (var half = INVOCATIONS / 2u; half >= SIDE; half /= 2u) {
        if invocation < half {
            sums[invocation] += sums[invocation + half];
        }
        workgroupBarrier();
    }
    let total = sums[invocation % SIDE];
    workgroupBarrier();
    return total;
}

fn sigmoid(x: f32) -> f32 {
    // exp never overflows: its argument is never positive.
    let e = exp(-abs(x));
    return select(e, 1.0, x >= 0.0) / (1.0 + e);
}

// Abramowitz and Stegun 7.1.26, within 1.5e-7.
fn erf(x: f32) -> f32 {
    let a = abs(x);
    let t = 1.0 / (1.0 + 0.3275911 * a);
    let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    return sign(x) * (1.0 - p * exp(-min(a * a, 80.0)));
}

fn elu(x: f32) -> f32 {
    return select(exp(min(x, 0.0)) - 1.0, x, x >= 0.0);
}

// x tanh(ln(1 + exp(x))), written in exp(-|x|), which never overflows.
fn mish(x: f32) -> f32 {
    let e = exp(-abs(x));
    let above = 1.0 + 2.0 * e;
    let below = e * (e + 2.0);
    return x * select(below / (below + 2.0), above / (above + 2.0 * e * e), x >= 0.0);
}

fn activation(x: f32) -> f32 {
    switch ACTIVATION {
        case 1u: { return x * sigmoid(x); }
        case 2u: { return 0.5 * x * (1.0 + erf(x * 0.70710678)); }
        case 3u: { return tanh(clamp(x, -20.0, 20.0)); }
        case 4u: { return max(x, 0.0); }
        case 5u: { return sigmoid(x); }
        case 6u: { return x; }
        case 7u: { return select(SLOPE * x, x, x >= 0.0); }
        case 8u: { return elu(x); }
        case 9u: { return 1.0507009873554805 * select(1.6732632423543772 * elu(x), x, x >= 0.0); }
        case 10u: { return max(x, 0.0) + log(1.0 + exp(-abs(x))); }
        case 11u: { return x * clamp(x + 3.0, 0.0, 6.0) / 6.0; }
        case 12u: { return mish(x); }
        default: { return 0.0; }
    }
}

// Even knots: the recursion of Cox and de Boor within one unit interval.
fn even_basis(at: u32, map: InputMap, z: f32) {
    let lowest = f32(FIRST_SPAN);
    let steps = clamp((z - map.low) * map.inverse_step, lowest, lowest + f32(SPANS - 1u));
    let span = floor(steps);
    let t = steps - span;
    var values: array<f32, MAX_BASIS_WEIGHTS>;
    values[0] = 1.0;
    for (var d = 1u; d <= ORDER; d++) {
        let inverse = 1.0 / f32(d);
        var carried = 0.0;
        for (var j = 0u; j < d; j++) {
            let rising = (t - f32(j) + f32(d) - 1.0) * inverse;
            let value = values[j];
            values[j] = carried + (1.0 - rising) * value;
            carried = rising * value;
        }
        values[d] = carried;
    }
    let first = u32(i32(span) - FIRST_SPAN);
    for (var j = 0u; j < BASIS_WEIGHTS; j++) {
        put_weight(at, first, j, values[j]);
    }
}

fn knot(row: u32, j: i32) -> f32 {
    // Beyond the ends any rising continuation will do: it only touches coefficients that do not exist.
    let last = i32(KNOTS) - 1;
    if j < 0 {
        return knots[row] + f32(j) * (knots[row + 1u] - knots[row]);
    }
    if j > last {
        let top = row + u32(last);
        return knots[top] + f32(j - last) * (knots[top] - knots[top - 1u]);
    }
    return knots[row + u32(j)];
}

// Uneven knots: the same recursion over the knots around `z`.
fn uneven_basis(at: u32, i: u32, z: f32) {
    let row = i * KNOTS;
    var interval = -1;
    for (var j = 0u; j + 1u < KNOTS; j++) {
        if knots[row + j] <= z && z < knots[row + j + 1u] {
            interval = i32(j);
        }
    }
    var values: array<f32, MAX_BASIS_WEIGHTS>;
    for (var j = 0u; j < BASIS_WEIGHTS; j++) {
        values[j] = 0.0;
    }
    if interval >= 0 {
        // Where a clamp passes the grid by a rounding, the polynomials of its ends go on.
        interval = clamp(interval, FIRST_SPAN + i32(ORDER), FIRST_SPAN + i32(ORDER + SPANS) - 1);
        values[0] = 1.0;
        for (var d = 1; d <= i32(ORDER); d++) {
            var carried = 0.0;
            for (var j = 0; j < d; j++) {
                // Basis weight j of degree d - 1 rises from knot `start`, d knots before its end.
                let start = knot(row, interval + 1 - d + j);
                let end = knot(row, interval + 1 + j);
                let rising = (z - start) / (end - start);
                let value = values[j];
                values[j] = carried + (1.0 - rising) * value;
                carried = rising * value;
            }
            values[d] = carried;
        }
    }
    let first = u32(max(interval - i32(ORDER) - FIRST_SPAN, 0));
    for (var j = 0u; j < BASIS_WEIGHTS; j++) {
        put_weight(at, first, j, values[j]);
    }
}

fn gaussian_basis(at: u32, z: f32) {
    for (var j = 0u; j < BASIS_WEIGHTS; j++) {
        let distance = (z - knots[j]) * INVERSE_DENOMINATOR;
        put_weight(at, 0u, j, exp(-min(distance * distance, 100.0)));
    }
}

fn basis_of(at: u32, i: u32, map: InputMap, z: f32) {
    switch BASIS {
        case 0u: { even_basis(at, map, z); }
        case 1u: { uneven_basis(at, i, z); }
        default: { gaussian_basis(at, z); }
    }
}

// True for inputs that make a row of NaN: NaN, and infinities that no clamp bounds, or that a norm meets before.
fn makes_nan(x: f32, map: InputMap) -> bool {
    let magnitude = bitcast<u32>(x) & 0x7fffffffu;
    let bounded = CLAMPED && NORM_GROUPS == 0u && map.scale != 0.0;
    return magnitude > INFINITY || (magnitude == INFINITY && !bounded);
}

// Mean and inverse deviation of the row whose inputs begin at `first`, where it is normalised as a whole.
fn moments(first: u32, invocation: u32) -> vec2<f32> {
    if NORM_GROUPS != 1u {
        return vec2<f32>(0.0, 1.0);
    }
    var sum = 0.0;
    for (var i = invocation / SIDE; i < INPUTS; i += INVOCATIONS / SIDE) {
        sum += input[first + i];
    }
    let mean = sum_over_invocations(invocation, sum) / f32(INPUTS);
    var squares = 0.0;
    for (var i = invocation / SIDE; i < INPUTS; i += INVOCATIONS / SIDE) {
        let difference = input[first + i] - mean;
        squares += difference * difference;
    }
    return vec2<f32>(mean, inverseSqrt(sum_over_invocations(invocation, squares) / f32(INPUTS) + EPSILON));
}

// Mean and inverse deviation of the part of the row that input `i` is in; those of the whole row are known already.
fn moments_around(first: u32, i: u32, row: vec2<f32>) -> vec2<f32> {
    if NORM_GROUPS < 2u {
        return row;
    }
    let size = INPUTS / max(NORM_GROUPS, 1u);
    let begin = first + i / size * size;
    var sum = 0.0;
    for (var n = 0u; n < size; n++) {
        sum += input[begin + n];
    }
    let mean = sum / f32(size);
    var squares = 0.0;
    for (var n = 0u; n < size; n++) {
        let difference = input[begin + n] - mean;
        squares += difference * difference;
    }
    return vec2<f32>(mean, inverseSqrt(squares / f32(size) + EPSILON));
}

fn spline_variable(x: f32, map: InputMap, moments: vec2<f32>) -> f32 {
    var z = select(x, 0.0, makes_nan(x, map));
    if NORM_GROUPS > 0u {
        z = (z - moments.x) * moments.y;
    }
    z = z * map.scale + map.shift;
    return select(z, clamp(z, CLAMP_LOW, CLAMP_HIGH), CLAMPED);
}

fn base_value(x: f32, z: f32) -> f32 {
    return activation(select(z, x, RAW_BASE));
}
