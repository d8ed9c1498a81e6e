// Sums of edges in f32 as a product of matrices: the rows' basis weights, zeros between them, times all coefficients;
// then the base values times the base weights.
//
// A workgroup takes a tile of rows and outputs over a slice of the depth, step by step: DEPTH values of every row and
// weights of every output pass through workgroup memory. An invocation takes ROW_QUADS quads of rows and COLUMN_QUADS
// quads of outputs, its sums in registers. The next step's values are fetched while this step's are multiplied.
//
// Where Value is f16 (HALF is 1, WHOLE 0), values and weights are rounded to 11 bits, and so are the sums of UNROLLED
// products, which are then added to those in f32.

const INVOCATIONS: u32 = ROW_INVOCATIONS * COLUMN_INVOCATIONS;
const QUADS: u32 = ROW_INVOCATIONS * ROW_QUADS;
const GROUPS: u32 = COLUMN_INVOCATIONS * COLUMN_QUADS;
// One more than the quads: invocations that write one quad at several depths meet different banks.
const PITCH: u32 = QUADS + 1u;

// No invocation has less to carry than others.
const EVEN_BASIS: bool = DEPTH * QUADS % INVOCATIONS == 0u;
const EVEN_WEIGHTS: bool = DEPTH * GROUPS % INVOCATIONS == 0u;

// [buffer][depth][four rows]
var<workgroup> rows_tile: array<vec4<Value>, BUFFERS * DEPTH * PITCH>;
// [buffer][depth][output group]
var<workgroup> weights_tile: array<vec4<Value>, BUFFERS * DEPTH * GROUPS>;

// Place of an invocation along rows and outputs. 32 invocations form a block of 4 by 8, neighbours along rows, so that
// a subgroup reads few different words and neighbouring invocations read the same weights.
fn place_of(invocation: u32) -> vec2<u32> {
    if COLUMN_INVOCATIONS % 8u != 0u || ROW_INVOCATIONS % 4u != 0u {
        return vec2<u32>(invocation / COLUMN_INVOCATIONS, invocation % COLUMN_INVOCATIONS);
    }
    let across = max(COLUMN_INVOCATIONS / 8u, 1u);
    let block = invocation / 32u;
    let own = invocation % 32u;
    return vec2<u32>(
        block / across * 4u + own / 16u * 2u + own % 2u,
        block % across * 8u + own % 16u / 2u,
    );
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let steps = ALL_DEPTH / DEPTH;
    let start = group.z * params.slice;
    let end = min(start + params.slice, steps);
    let place = place_of(invocation);
    prepare(invocation);
    // repeat n BASIS_ITEMS
    let basis_at_{n} = invocation + {n}u * INVOCATIONS;
    let basis_source_{n} = (group.y * QUADS + min(basis_at_{n} / DEPTH, QUADS - 1u)) * ALL_DEPTH + basis_at_{n} % DEPTH;
    var basis_{n} = basis[basis_source_{n} + start * DEPTH];
    // end
    // repeat n WEIGHT_ITEMS
    let weight_at_{n} = invocation + {n}u * INVOCATIONS;
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
        // repeat n BASIS_ITEMS
        if EVEN_BASIS || basis_at_{n} < DEPTH * QUADS {
            rows_tile[to_rows + basis_at_{n} % DEPTH * PITCH + basis_at_{n} / DEPTH] = vec4<Value>(basis_{n});
        }
        // end
        // repeat n WEIGHT_ITEMS
        if EVEN_WEIGHTS || weight_at_{n} < DEPTH * GROUPS {
            weights_tile[to_weights + weight_at_{n}] = vec4<Value>(weights_of(weight_{n}));
        }
        // end
        workgroupBarrier();
        let next = min(step + 1u, end - 1u) * DEPTH;
        // repeat n BASIS_ITEMS
        basis_{n} = basis[basis_source_{n} + next];
        // end
        // repeat n WEIGHT_ITEMS
        weight_{n} = fetch(next, weight_depth_{n}, weight_group_{n});
        // end
        let from_rows = to_rows + place.x;
        let from_weights = to_weights + place.y;
        for (var k = 0u; k < DEPTH; k += UNROLLED) {
            // repeat half HALF
            // repeat m ROW_QUADS
            // repeat r 4
            // repeat n COLUMN_QUADS
            var part_{m}_{r}_{n} = vec4<Value>();
            // end
            // end
            // end
            // end
            // repeat u UNROLLED
            {
                // repeat m ROW_QUADS
                let a_{m} = rows_tile[from_rows + (k + {u}u) * PITCH + {m}u * ROW_INVOCATIONS];
                // end
                // repeat n COLUMN_QUADS
                let b_{n} = weights_tile[from_weights + (k + {u}u) * GROUPS + {n}u * COLUMN_INVOCATIONS];
                // end
                // repeat m ROW_QUADS
                // repeat r 4
                // repeat n COLUMN_QUADS
                // repeat whole WHOLE
                sum_{m}_{r}_{n} = fma(vec4<f32>(a_{m}[{r}]), b_{n}, sum_{m}_{r}_{n});
                // end
                // repeat half HALF
                part_{m}_{r}_{n} = fma(vec4<Value>(a_{m}[{r}]), b_{n}, part_{m}_{r}_{n});
                // end
                // end
                // end
                // end
            }
            // end
            // repeat half HALF
            // repeat m ROW_QUADS
            // repeat r 4
            // repeat n COLUMN_QUADS
            sum_{m}_{r}_{n} += vec4<f32>(part_{m}_{r}_{n});
            // end
            // end
            // end
            // end
        }
    }
    let to = group.z * params.row_capacity + 4u * (group.y * QUADS + place.x);
    // repeat n COLUMN_QUADS
    let output_group_{n} = group.x * GROUPS + place.y + {n}u * COLUMN_INVOCATIONS;
    if output_group_{n} < OUTPUT_GROUPS {
        // repeat m ROW_QUADS
        // repeat r 4
        partials[(to + 4u * {m}u * ROW_INVOCATIONS + {r}u) * OUTPUT_GROUPS + output_group_{n}] = sum_{m}_{r}_{n};
        // end
        // end
    }
    // end
}
