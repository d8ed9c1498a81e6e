// Sums of edges in f32 as a product of matrices: the rows' taps, zeros between them, times all coefficients; then the base
// values times the base weights.
//
// A workgroup takes a tile of rows and outputs over a slice of the depth, step by step: DEPTH values of every row and
// weights of every output pass through workgroup memory. A lane takes ROW_QUADS quads of rows and COLUMN_QUADS quads of
// outputs, its sums in registers. The next step's values are fetched while this step's are multiplied.

// [four rows][depth] of four rows
@group(0) @binding(1) var<storage, read> taps: array<vec4<f32>>;
// [partial][row][output group]
@group(0) @binding(2) var<storage, read_write> partials: array<vec4<f32>>;
// [input][output group]
@group(0) @binding(3) var<storage, read> base_weights: array<vec4<f32>>;

override INPUTS: u32;
override OUTPUT_GROUPS: u32;
override LENGTH: u32;
override HAS_BASE: bool;
// Coefficients of a row and all that is kept of it, with padding.
override SPLINE_DEPTH: u32;
override ALL_DEPTH: u32;

const LANES: u32 = ROW_LANES * COLUMN_LANES;
const QUADS: u32 = ROW_LANES * ROW_QUADS;
const GROUPS: u32 = COLUMN_LANES * COLUMN_QUADS;
// One more than the quads: lanes that write one quad at several depths meet different banks.
const PITCH: u32 = QUADS + 1u;

// No lane has less to carry than others.
const EVEN_TAPS: bool = DEPTH * QUADS % LANES == 0u;
const EVEN_WEIGHTS: bool = DEPTH * GROUPS % LANES == 0u;

// [buffer][depth][four rows]
var<workgroup> rows_tile: array<vec4<f32>, BUFFERS * DEPTH * PITCH>;
// [buffer][depth][output group]
var<workgroup> weights_tile: array<vec4<f32>, BUFFERS * DEPTH * GROUPS>;

// Place of a lane along rows and outputs. 32 lanes form a block of 4 by 8, neighbours along rows, so that a subgroup reads
// few different words and neighbouring lanes read the same weights.
fn place_of(lane: u32) -> vec2<u32> {
    if COLUMN_LANES % 8u != 0u || ROW_LANES % 4u != 0u {
        return vec2<u32>(lane / COLUMN_LANES, lane % COLUMN_LANES);
    }
    let across = max(COLUMN_LANES / 8u, 1u);
    let block = lane / 32u;
    let own = lane % 32u;
    return vec2<u32>(
        block / across * 4u + own / 16u * 2u + own % 2u,
        block % across * 8u + own % 16u / 2u,
    );
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let steps = ALL_DEPTH / DEPTH;
    let start = group.z * params.slice;
    let end = min(start + params.slice, steps);
    let place = place_of(lane);
    prepare(lane);
    // repeat n TAP_ITEMS
    let tap_at_{n} = lane + {n}u * LANES;
    let tap_source_{n} = (group.y * QUADS + min(tap_at_{n} / DEPTH, QUADS - 1u)) * ALL_DEPTH + tap_at_{n} % DEPTH;
    var tap_{n} = taps[tap_source_{n} + start * DEPTH];
    // end
    // repeat n WEIGHT_ITEMS
    let weight_at_{n} = lane + {n}u * LANES;
    let weight_depth_{n} = min(weight_at_{n} / GROUPS, DEPTH - 1u);
    let weight_group_{n} = min(group.x * GROUPS + weight_at_{n} % GROUPS, OUTPUT_GROUPS - 1u);
    var weight_{n} = fetch(start * DEPTH, weight_depth_{n}, weight_group_{n});
    // end
    // repeat m ROW_QUADS
    // repeat r 4
    // repeat n COLUMN_QUADS
    var sum_{m}_{r}_{n} = vec4<f32>(0.0);
    // end
    // end
    // end
    for (var step = start; step < end; step++) {
        let buffer = (step - start) % BUFFERS;
        if BUFFERS == 1u {
            workgroupBarrier();
        }
        let to_rows = buffer * DEPTH * PITCH;
        let to_weights = buffer * DEPTH * GROUPS;
        // repeat n TAP_ITEMS
        if EVEN_TAPS || tap_at_{n} < DEPTH * QUADS {
            rows_tile[to_rows + tap_at_{n} % DEPTH * PITCH + tap_at_{n} / DEPTH] = tap_{n};
        }
        // end
        // repeat n WEIGHT_ITEMS
        if EVEN_WEIGHTS || weight_at_{n} < DEPTH * GROUPS {
            weights_tile[to_weights + weight_at_{n}] = weights_of(weight_{n});
        }
        // end
        workgroupBarrier();
        let next = min(step + 1u, end - 1u) * DEPTH;
        // repeat n TAP_ITEMS
        tap_{n} = taps[tap_source_{n} + next];
        // end
        // repeat n WEIGHT_ITEMS
        weight_{n} = fetch(next, weight_depth_{n}, weight_group_{n});
        // end
        let from_rows = to_rows + place.x;
        let from_weights = to_weights + place.y;
        for (var k = 0u; k < DEPTH; k += UNROLLED) {
            // repeat u UNROLLED
            {
                // repeat m ROW_QUADS
                let a_{m} = rows_tile[from_rows + (k + {u}u) * PITCH + {m}u * ROW_LANES];
                // end
                // repeat n COLUMN_QUADS
                let b_{n} = weights_tile[from_weights + (k + {u}u) * GROUPS + {n}u * COLUMN_LANES];
                // end
                // repeat m ROW_QUADS
                // repeat r 4
                // repeat n COLUMN_QUADS
                sum_{m}_{r}_{n} = fma(vec4<f32>(a_{m}[{r}]), b_{n}, sum_{m}_{r}_{n});
                // end
                // end
                // end
            }
            // end
        }
    }
    let to = group.z * params.row_capacity + 4u * (group.y * QUADS + place.x);
    // repeat n COLUMN_QUADS
    let output_group_{n} = group.x * GROUPS + place.y + {n}u * COLUMN_LANES;
    if output_group_{n} < OUTPUT_GROUPS {
        // repeat m ROW_QUADS
        // repeat r 4
        partials[(to + 4u * {m}u * ROW_LANES + {r}u) * OUTPUT_GROUPS + output_group_{n}] = sum_{m}_{r}_{n};
        // end
        // end
    }
    // end
}
