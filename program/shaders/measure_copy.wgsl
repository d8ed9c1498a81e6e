// How fast an adapter copies memory: every word of a large buffer is read once and written once, in blocks of four
// consecutive rows of lanes, so that four loads are on their way at a time. The buffers are whole blocks.

@group(0) @binding(0) var<storage, read> original: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> copied: array<vec4<u32>>;

override LANES: u32;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = 4u * LANES;
    let length = arrayLength(&original);
    for (var start = group.x * block; start < length; start += groups.x * block) {
        let at = start + lane;
        let a = original[at];
        let b = original[at + LANES];
        let c = original[at + 2u * LANES];
        let d = original[at + 3u * LANES];
        copied[at] = a;
        copied[at + LANES] = b;
        copied[at + 2u * LANES] = c;
        copied[at + 3u * LANES] = d;
    }
}
