// Sums of dense edges in f32: for each row and output, sum over a slice of the inputs of the basis weights times the
// edge's own coefficients, and of the base value times the base weight.
//
// A workgroup takes ROWS rows, GROUPS groups of four outputs, and SPLIT interleaved parts of a slice of inputs. Basis
// weights pass through workgroup memory tile by tile.

// [row][input] of start, base value and TAPS weights.
@group(0) @binding(1) var<storage, read> basis: array<u32>;
// [input][coefficient][output group], LENGTH coefficients an input, zeros where the layer has none.
@group(0) @binding(2) var<storage, read> coefficients: array<vec4<f32>>;
// [input][output group]
@group(0) @binding(3) var<storage, read> base_weights: array<vec4<f32>>;
// [partial][row][output group]
@group(0) @binding(4) var<storage, read_write> partials: array<vec4<f32>>;

override INPUTS: u32;
override OUTPUT_GROUPS: u32;
override BASIS_WEIGHTS: u32;
override LENGTH: u32;
override SPANS: u32;
override ROWS: u32;
override GROUPS: u32;
override SPLIT: u32;
override INVOCATIONS: u32;
override CHUNK: u32;
override HAS_BASE: bool;

override ENTRY: u32 = BASIS_WEIGHTS + 2u;
override PITCH: u32 = ROWS + 1u;
override TILE_WORDS: u32 = (BASIS_WEIGHTS + 2u) * CHUNK * (ROWS + 1u);

var<workgroup> tile: array<u32, TILE_WORDS>;

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let row = invocation % ROWS;
    let output_group = group.x * GROUPS + (invocation / ROWS) % GROUPS;
    let part = invocation / (ROWS * GROUPS);
    let start = group.z * params.slice;
    let end = min(start + params.slice, INPUTS);
    var sums = vec4<f32>(0.0);
    for (var base = start; base < end; base += CHUNK) {
        let count = min(CHUNK, end - base);
        workgroupBarrier();
        for (var at = invocation; at < ROWS * CHUNK * ENTRY; at += INVOCATIONS) {
            let tile_row = at / (CHUNK * ENTRY);
            let rest = at % (CHUNK * ENTRY);
            let i = rest / ENTRY;
            let field = rest % ENTRY;
            if i < count {
                var word = basis[((group.y * ROWS + tile_row) * INPUTS + base) * ENTRY + rest];
                // Rows past the batch hold whatever was there before.
                word = select(word, min(word, SPANS - 1u), field == 0u);
                tile[(field * CHUNK + i) * PITCH + tile_row] = word;
            }
        }
        workgroupBarrier();
        if output_group < OUTPUT_GROUPS {
            for (var i = part; i < count; i += SPLIT) {
                let span = tile[i * PITCH + row];
                var at = ((base + i) * LENGTH + span) * OUTPUT_GROUPS + output_group;
                for (var t = 0u; t < BASIS_WEIGHTS; t++) {
                    sums += bitcast<f32>(tile[((2u + t) * CHUNK + i) * PITCH + row]) * coefficients[at];
                    at += OUTPUT_GROUPS;
                }
                if HAS_BASE {
                    let value = bitcast<f32>(tile[(CHUNK + i) * PITCH + row]);
                    sums += value * base_weights[(base + i) * OUTPUT_GROUPS + output_group];
                }
            }
        }
    }
    if output_group < OUTPUT_GROUPS {
        let partial = group.z * SPLIT + part;
        partials[(partial * params.row_capacity + group.y * ROWS + row) * OUTPUT_GROUPS + output_group] = sums;
    }
}
