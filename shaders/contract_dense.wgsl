// Sums of dense edges in f32: for each row and output, sum over a slice of the inputs of the taps times the edge's own
// coefficients, and of the base value times the base weight.
//
// A workgroup takes ROWS rows, GROUPS groups of four outputs, and SPLIT interleaved parts of a slice of inputs. Taps
// pass through workgroup memory tile by tile.

// [row][input] of start, base value and TAPS weights.
@group(0) @binding(1) var<storage, read> taps: array<u32>;
// [input][coefficient][output group], LENGTH coefficients an input, zeros where the layer has none.
@group(0) @binding(2) var<storage, read> coefficients: array<vec4<f32>>;
// [input][output group]
@group(0) @binding(3) var<storage, read> base_weights: array<vec4<f32>>;
// [partial][row][output group]
@group(0) @binding(4) var<storage, read_write> partials: array<vec4<f32>>;

override INPUTS: u32;
override OUTPUT_GROUPS: u32;
override TAPS: u32;
override LENGTH: u32;
override WINDOWS: u32;
override ROWS: u32;
override GROUPS: u32;
override SPLIT: u32;
override LANES: u32;
override CHUNK: u32;
override HAS_BASE: bool;

override ENTRY: u32 = TAPS + 2u;
override PITCH: u32 = ROWS + 1u;
override TILE_WORDS: u32 = (TAPS + 2u) * CHUNK * (ROWS + 1u);

var<workgroup> tile: array<u32, TILE_WORDS>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = lane % ROWS;
    let output_group = group.x * GROUPS + (lane / ROWS) % GROUPS;
    let part = lane / (ROWS * GROUPS);
    let start = group.z * params.slice;
    let end = min(start + params.slice, INPUTS);
    var sums = vec4<f32>(0.0);
    for (var base = start; base < end; base += CHUNK) {
        let count = min(CHUNK, end - base);
        workgroupBarrier();
        for (var at = lane; at < ROWS * CHUNK * ENTRY; at += LANES) {
            let tile_row = at / (CHUNK * ENTRY);
            let rest = at % (CHUNK * ENTRY);
            let i = rest / ENTRY;
            let field = rest % ENTRY;
            if i < count {
                var word = taps[((group.y * ROWS + tile_row) * INPUTS + base) * ENTRY + rest];
                // Rows past the batch hold whatever was there before.
                word = select(word, min(word, WINDOWS - 1u), field == 0u);
                tile[(field * CHUNK + i) * PITCH + tile_row] = word;
            }
        }
        workgroupBarrier();
        if output_group < OUTPUT_GROUPS {
            for (var i = part; i < count; i += SPLIT) {
                let window = tile[i * PITCH + row];
                var at = ((base + i) * LENGTH + window) * OUTPUT_GROUPS + output_group;
                for (var t = 0u; t < TAPS; t++) {
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
