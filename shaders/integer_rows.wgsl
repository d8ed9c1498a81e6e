// Sums of edges for many rows. Invocations side by side are rows, so that all of them read the same codeword numbers and
// gain levels, and the codewords of their knot spans from different banks. An invocation takes EACH rows, LANES apart, and
// OWN groups of four outputs, PARTS apart, and keeps their sums in registers: what it reads of an edge serves EACH rows. Of
// CHUNK inputs at a time, basis weights, codeword numbers and gain levels lie in workgroup memory, made once for all
// invocations and read from memory a chunk ahead.
//
// Constants of the source: EACH and OWN; ENTRIES and STREAMS, entries and streams of a chunk that an invocation makes;
// BOOK_SPANS and BOOK_STRIDE, knot spans of the codebook in workgroup memory and words from one to the next, 1 where it is
// not there.

override LANES: u32;
override PARTS: u32;
override INVOCATIONS: u32;
override CHUNK: u32;
// Rows and groups of four outputs a workgroup.
override ROWS: u32 = LANES * EACH;
override GROUPS: u32 = OWN * PARTS;
// From one input of a chunk to the next: invocations side by side write several inputs of several rows or groups.
override ENTRY_PITCH: u32 = ROWS + max(16u / CHUNK, 1u);
override EDGE_PITCH: u32 = GROUPS + 2u;
// From one row of sums to the next, odd.
override SUMS_PITCH: u32 = PARTS | 1u;
override TILE: u32 = CHUNK * ENTRY_PITCH;
override EDGES: u32 = max(2u * CHUNK * EDGE_PITCH, LANES * SUMS_PITCH);

// [knot span][codeword] of four coefficients a word. Nested, so that the place of a span is worked out once an input and
// that of a codeword once an edge.
var<workgroup> book: array<array<u32, BOOK_STRIDE>, BOOK_SPANS>;
// [input][row] of a knot span and of four weights.
var<workgroup> tile: array<vec2<u32>, TILE>;
// [input][group] of four codeword numbers, then the same of four gain levels; in the end [row][part] of sums on their way
// to the accumulators.
var<workgroup> edges: array<vec4<u32>, EDGES>;

fn book_at(stage: u32, span: u32, k: u32) -> u32 {
    if ON_CHIP {
        return book[span][k];
    }
    return tables[CODEBOOK_AT + stage * CODEBOOK_WORDS + span * STRIDE + k];
}

// Knot span and weights of a place in the chunk that begins at input `base`; zeros past the last row or input.
fn entry_in(head: u32, first_row: u32, base: u32, end: u32, rows: u32, at: u32) -> vec2<u32> {
    let row = first_row + at / CHUNK;
    let i = base + at % CHUNK;
    if at >= ROWS * CHUNK || row >= rows || i >= end {
        return vec2<u32>();
    }
    let position = position_of(head, row, i);
    return vec2<u32>(position.x, tables[position.y]);
}

// Four codeword numbers, in two words where they are wide, and four gain codes of a place in the chunk that begins at four
// inputs `quad`. Inputs and groups past the last ones repeat these: their weights are zero, their sums are dropped.
fn stream_in(streams: u32, first_group: u32, quad: u32, at: u32) -> vec3<u32> {
    let output_group = min(first_group + at / 4u % GROUPS, OUTPUT_GROUPS - 1u);
    let place = (streams + min(quad + at / (4u * GROUPS), QUADS - 1u)) * OUTPUT_GROUPS + output_group;
    let j = at % 4u;
    if WIDE_INDICES {
        let half = 2u * place + j / 2u;
        return vec3<u32>(indices[half][2u * (j & 1u)], indices[half][2u * (j & 1u) + 1u], gains[place][j]);
    }
    return vec3<u32>(indices[place][j], 0u, gains[place][j]);
}

fn numbers_of(stream: vec3<u32>) -> vec4<u32> {
    if WIDE_INDICES {
        return vec4<u32>(stream.x & 0xffffu, stream.x >> 16u, stream.y & 0xffffu, stream.y >> 16u);
    }
    return unpack4xU8(stream.x);
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    let slice = group.z % SLICES;
    let stage = (group.z / SLICES) % STAGES;
    let head = group.z / (SLICES * STAGES);
    let rows = row_count();
    let first_row = group.y * ROWS;
    let first_group = group.x * GROUPS;
    let streams = (head * STAGES + stage) * QUADS;
    let start = slice * SLICE;
    let end = min(start + SLICE, INPUTS);
    // repeat n ENTRIES
    var entry_{n} = entry_in(head, first_row, start, end, rows, {n}u * INVOCATIONS + invocation);
    // end
    // repeat n STREAMS
    var stream_{n} = stream_in(streams, first_group, start / 4u, {n}u * INVOCATIONS + invocation);
    // end
    if ON_CHIP {
        for (var at = invocation; at < BOOK_SPANS * BOOK_STRIDE; at += INVOCATIONS) {
            book[at / BOOK_STRIDE][at % BOOK_STRIDE] = tables[CODEBOOK_AT + stage * CODEBOOK_WORDS + at];
        }
    }
    if TABLE_GAINS {
        for (var at = invocation; at < LEVELS; at += INVOCATIONS) {
            levels[at] = bitcast<i32>(tables[LEVELS_AT + head * LEVELS + at]);
        }
    }
    let lane = invocation % LANES;
    let part = invocation / LANES;
    // repeat own OWN
    // repeat each EACH
    var sum_{own}_{each} = vec4<i32>();
    // end
    // end
    for (var base = start; base < end; base += CHUNK) {
        workgroupBarrier();
        // repeat n ENTRIES
        {
            let at = {n}u * INVOCATIONS + invocation;
            if at < CHUNK * ROWS {
                tile[at % CHUNK * ENTRY_PITCH + at / CHUNK] = entry_{n};
            }
        }
        // end
        // repeat n STREAMS
        {
            let at = {n}u * INVOCATIONS + invocation;
            if at < CHUNK * GROUPS {
                let to = (4u * (at / (4u * GROUPS)) + at % 4u) * EDGE_PITCH + at / 4u % GROUPS;
                edges[to] = numbers_of(stream_{n});
                edges[CHUNK * EDGE_PITCH + to] = bitcast<vec4<u32>>(levels_of(stream_{n}.z));
            }
        }
        // end
        workgroupBarrier();
        if base + CHUNK < end {
            // repeat n ENTRIES
            entry_{n} = entry_in(head, first_row, base + CHUNK, end, rows, {n}u * INVOCATIONS + invocation);
            // end
            // repeat n STREAMS
            stream_{n} = stream_in(streams, first_group, (base + CHUNK) / 4u, {n}u * INVOCATIONS + invocation);
            // end
        }
        for (var quad = 0u; quad < CHUNK; quad += 4u) {
            // repeat j 4
            {
                // repeat each EACH
                let own_{each} = tile[(quad + {j}u) * ENTRY_PITCH + {each}u * LANES + lane];
                // end
                // repeat own OWN
                {
                    let at = (quad + {j}u) * EDGE_PITCH + {own}u * PARTS + part;
                    let k = edges[at];
                    let level = bitcast<vec4<i32>>(edges[CHUNK * EDGE_PITCH + at]);
                    // repeat each EACH
                    {
                        let dots = vec4<i32>(
                            dot4I8Packed(own_{each}.y, book_at(stage, own_{each}.x, k.x)),
                            dot4I8Packed(own_{each}.y, book_at(stage, own_{each}.x, k.y)),
                            dot4I8Packed(own_{each}.y, book_at(stage, own_{each}.x, k.z)),
                            dot4I8Packed(own_{each}.y, book_at(stage, own_{each}.x, k.w)),
                        );
                        sum_{own}_{each} += rounded(dots * level);
                    }
                    // end
                }
                // end
            }
            // end
        }
    }
    // Invocations side by side add outputs side by side.
    // repeat own OWN
    // repeat each EACH
    {
        workgroupBarrier();
        edges[lane * SUMS_PITCH + part] = bitcast<vec4<u32>>(sum_{own}_{each});
        workgroupBarrier();
        let to_group = first_group + {own}u * PARTS;
        for (var at = invocation; at < 4u * INVOCATIONS; at += INVOCATIONS) {
            let own_row = at / (4u * PARTS);
            let row = first_row + {each}u * LANES + own_row;
            let o = at % (4u * PARTS);
            if row < rows && to_group + o / 4u < OUTPUT_GROUPS {
                let sum = bitcast<i32>(edges[own_row * SUMS_PITCH + o / 4u][o % 4u]);
                atomicAdd(&accumulators[sums_of(head, row, stage, slice, to_group) + o], sum);
            }
        }
    }
    // end
    // end
}
