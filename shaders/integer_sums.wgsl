// Shared by the integer kernels that sum edges: a slice of the inputs of a stage, and where its sums lie in the
// accumulators.

override OUTPUT_GROUPS: u32;
override STAGES: u32;
override WIDE_INDICES: bool;
// Place of this layer's sums among the accumulators of a row.
override SUMS_AT: u32;
// Inputs a workgroup, a divisor of SEGMENT, and workgroups along the inputs of a stage.
override SLICE: u32;
override SLICES: u32;

override WIDTH: u32 = 4u * OUTPUT_GROUPS;
override STAGE_SEGMENTS: u32 = (INPUTS + SEGMENT - 1u) / SEGMENT;

const SEGMENT: u32 = 1024u;

// Place of the first of the four outputs of a group among the accumulators of a row.
fn sums_of(head: u32, row: u32, stage: u32, slice: u32, output_group: u32) -> u32 {
    let segment = stage * STAGE_SEGMENTS + slice * SLICE / SEGMENT;
    return accumulators_of(head, row) + SUMS_AT + segment * WIDTH + 4u * output_group;
}
