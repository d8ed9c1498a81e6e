// From inputs to basis weights in f32 as a product reads them: a value for every coefficient, zeros where an input
// meets none, then the values of the base function. Four rows lie side by side.
//
// A workgroup takes BLOCK inputs of four rows. Their coefficients pass through workgroup memory, so that memory is
// written in order.

// Rows a workgroup.
const SIDE: u32 = 4u;

// [four rows][coefficient of input, padded; base value of input, padded][row]
@group(0) @binding(3) var<storage, read_write> basis: array<f32>;

override BLOCK: u32;
override LENGTH: u32;
override HAS_BASE: bool;
// Coefficients of a row and all that is kept of it, with padding.
override SPLINE_DEPTH: u32;
override DEPTH: u32;
override STAGED_WORDS: u32 = SIDE * BLOCK * LENGTH;

// [input][coefficient][row]
var<workgroup> staged: array<f32, STAGED_WORDS>;

fn put_weight(at: u32, first: u32, j: u32, value: f32) {
    staged[at + SIDE * (min(first, SPANS - 1u) + j)] = value;
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let row = invocation % SIDE;
    let slot = invocation / SIDE;
    let base = group.y * BLOCK;
    // The last rows' companions may lie past the input; what is made of them is read by nobody.
    let last_row = arrayLength(&input) / INPUTS - 1u;
    let first = min(params.first_row + group.x * SIDE + row, last_row) * INPUTS;
    if invocation < SIDE {
        atomicStore(&nan_rows[invocation], 0u);
    }
    let moments = moments(first, invocation);
    let own = group.x * DEPTH * SIDE;
    let i = base + slot;
    if i < INPUTS {
        let at = slot * LENGTH * SIDE + row;
        for (var c = 0u; c < LENGTH; c++) {
            staged[at + SIDE * c] = 0.0;
        }
        let x = input[first + i];
        let map = maps[i];
        let z = spline_variable(x, map, moments_around(first, i, moments));
        basis_of(at, i, map, z);
        if HAS_BASE {
            basis[own + (SPLINE_DEPTH + i) * SIDE + row] = base_value(x, z);
        }
    }
    workgroupBarrier();
    let words = min(BLOCK, INPUTS - base) * LENGTH * SIDE;
    for (var at = invocation; at < words; at += INVOCATIONS) {
        basis[own + base * LENGTH * SIDE + at] = staged[at];
    }
    if group.y > 0u {
        return;
    }
    // The first workgroup of the four rows also writes the padding and looks for what makes them NaN.
    for (var at = INPUTS * LENGTH * SIDE + invocation; at < SPLINE_DEPTH * SIDE; at += INVOCATIONS) {
        basis[own + at] = 0.0;
    }
    if HAS_BASE {
        for (var at = (SPLINE_DEPTH + INPUTS) * SIDE + invocation; at < DEPTH * SIDE; at += INVOCATIONS) {
            basis[own + at] = 0.0;
        }
    }
    var found = false;
    for (var at = slot; at < INPUTS; at += BLOCK) {
        found = found || makes_nan(input[first + at], maps[at]);
    }
    if found {
        atomicStore(&nan_rows[row], NAN);
    }
    workgroupBarrier();
    if invocation < SIDE {
        flags[group.x * SIDE + invocation] = atomicLoad(&nan_rows[invocation]);
    }
}
