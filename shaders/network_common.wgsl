// Shared by the kernels of networks; the loader puts this file before each of them.

// No f32 is larger. A digit more would be beyond it, which browsers refuse.
const LARGEST: f32 = 3.4028234e38;

// Number of a workgroup: dispatches that are too long for one dimension are folded into two.
fn number_of(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.x + group.y * groups.x;
}
