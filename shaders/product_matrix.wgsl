// The same product on cooperative matrices: values and weights rounded to f16, their products and sums in f32. What
// `product_common` says of steps, depths and the next step's values holds here too.
//
// Constants of the source: PER_ROWS and PER_COLUMNS, the fragments of 16 x 16 of a subgroup; SUBGROUP_ROWS and
// SUBGROUP_COLUMNS, the subgroups of a workgroup; SUBGROUP, the invocations of one; DEPTH, a multiple of 16; BASIS_ITEMS
// and WEIGHT_ITEMS, blocks of four rows, or outputs, by four values an invocation.

const SUBGROUPS: u32 = SUBGROUP_ROWS * SUBGROUP_COLUMNS;
const INVOCATIONS: u32 = SUBGROUP * SUBGROUPS;
const QUADS: u32 = 4u * PER_ROWS * SUBGROUP_ROWS;
const GROUPS: u32 = 4u * PER_COLUMNS * SUBGROUP_COLUMNS;
const BLOCKS: u32 = DEPTH / 4u;
// Vectors of four from one row or output to the next; twice an odd number, so that eight lie in different banks.
const PITCH: u32 = BLOCKS + 2u;

// [buffer][row][four values]
var<workgroup> rows_tile: array<vec4<f16>, BUFFERS * 4u * QUADS * PITCH>;
// [buffer][output][four values]
var<workgroup> weights_tile: array<vec4<f16>, BUFFERS * 4u * GROUPS * PITCH>;
// Sums of a fragment a subgroup on their way to memory.
var<workgroup> staging: array<f32, 256u * SUBGROUPS>;

@compute @workgroup_size(INVOCATIONS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) place: u32,
) {
    let steps = ALL_DEPTH / DEPTH;
    let start = group.z * params.slice;
    let end = min(start + params.slice, steps);
    let sub_row = subgroup % SUBGROUP_ROWS;
    let sub_column = subgroup / SUBGROUP_ROWS;
    prepare(invocation);
    // repeat n BASIS_ITEMS
    let basis_at_{n} = invocation + {n}u * INVOCATIONS;
    let basis_block_{n} = basis_at_{n} % BLOCKS;
    let basis_quad_{n} = basis_at_{n} / BLOCKS;
    let basis_source_{n} = (group.y * QUADS + min(basis_quad_{n}, QUADS - 1u)) * ALL_DEPTH + 4u * basis_block_{n};
    // repeat k 4
    var basis_{n}_{k} = basis[basis_source_{n} + start * DEPTH + {k}u];
    // end
    // end
    // The last invocations first: where there are fewer blocks than invocations, others carry basis weights.
    // repeat n WEIGHT_ITEMS
    let weight_at_{n} = INVOCATIONS - 1u - invocation + {n}u * INVOCATIONS;
    let weight_block_{n} = weight_at_{n} / GROUPS;
    let weight_column_{n} = weight_at_{n} % GROUPS;
    let weight_group_{n} = min(group.x * GROUPS + weight_column_{n}, OUTPUT_GROUPS - 1u);
    let weight_depth_{n} = 4u * min(weight_block_{n}, BLOCKS - 1u);
    // repeat k 4
    var weight_{n}_{k} = fetch(start * DEPTH, weight_depth_{n} + {k}u, weight_group_{n});
    // end
    // end
    let pitch = PITCH;
    let fragment_width = 16u;
    // repeat m PER_ROWS
    let row_at_{m} = (sub_row * PER_ROWS + {m}u) * 16u * PITCH;
    // end
    // repeat n PER_COLUMNS
    let column_at_{n} = (sub_column * PER_COLUMNS + {n}u) * 16u * PITCH;
    // end
    // repeat m PER_ROWS
    // repeat n PER_COLUMNS
    var sum_{m}_{n}: coop_mat16x16<f32, C>;
    // end
    // end
    for (var step = start; step < end; step++) {
        let buffer = (step - start) % BUFFERS;
        if BUFFERS == 1u {
            workgroupBarrier();
        }
        let to_rows = buffer * 4u * QUADS * PITCH;
        let to_weights = buffer * 4u * GROUPS * PITCH;
        // Four rows side by side become four values of a row.
        // repeat n BASIS_ITEMS
        if basis_quad_{n} < QUADS {
            let to = to_rows + 4u * basis_quad_{n} * PITCH + basis_block_{n};
            // repeat r 4
            rows_tile[to + {r}u * PITCH] =
                vec4<f16>(vec4<f32>(basis_{n}_0[{r}], basis_{n}_1[{r}], basis_{n}_2[{r}], basis_{n}_3[{r}]));
            // end
        }
        // end
        // repeat n WEIGHT_ITEMS
        if weight_block_{n} < BLOCKS {
            let to = to_weights + 4u * weight_column_{n} * PITCH + weight_block_{n};
            // repeat k 4
            let of_{k} = weights_of(weight_{n}_{k});
            // end
            // repeat o 4
            weights_tile[to + {o}u * PITCH] = vec4<f16>(vec4<f32>(of_0[{o}], of_1[{o}], of_2[{o}], of_3[{o}]));
            // end
        }
        // end
        workgroupBarrier();
        let next = min(step + 1u, end - 1u) * DEPTH;
        // repeat n BASIS_ITEMS
        // repeat k 4
        basis_{n}_{k} = basis[basis_source_{n} + next + {k}u];
        // end
        // end
        // repeat n WEIGHT_ITEMS
        // repeat k 4
        weight_{n}_{k} = fetch(next, weight_depth_{n} + {k}u, weight_group_{n});
        // end
        // end
        for (var k = 0u; k < BLOCKS; k += 4u) {
            // repeat m PER_ROWS
            let from_row_{m} = to_rows + row_at_{m} + k;
            let a_{m} = coopLoadT<coop_mat16x16<f16, A>>(&rows_tile[from_row_{m}], pitch);
            // end
            // repeat n PER_COLUMNS
            let from_column_{n} = to_weights + column_at_{n} + k;
            let b_{n} = coopLoad<coop_mat16x16<f16, B>>(&weights_tile[from_column_{n}], pitch);
            // repeat m PER_ROWS
            sum_{m}_{n} = coopMultiplyAdd(a_{m}, b_{n}, sum_{m}_{n});
            // end
            // end
        }
    }
    let own = subgroup * 256u;
    let row_quads = group.y * QUADS + sub_row * PER_ROWS * 4u;
    let columns = group.x * GROUPS + sub_column * PER_COLUMNS * 4u;
    // repeat m PER_ROWS
    // repeat n PER_COLUMNS
    {
        workgroupBarrier();
        let fragment = sum_{m}_{n};
        coopStoreT(fragment, &staging[own], fragment_width);
        workgroupBarrier();
        for (var block = place; block < 64u; block += SUBGROUP) {
            let row = 4u * (row_quads + {m}u * 4u) + block / 4u;
            let output_group = columns + {n}u * 4u + block % 4u;
            let from_sum = own + 4u * block;
            if output_group < OUTPUT_GROUPS {
                partials[(group.z * params.row_capacity + row) * OUTPUT_GROUPS + output_group] = vec4<f32>(
                    staging[from_sum],
                    staging[from_sum + 1u],
                    staging[from_sum + 2u],
                    staging[from_sum + 3u],
                );
            }
        }
    }
    // end
    // end
}
