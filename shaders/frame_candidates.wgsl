// The boxes of a head, or of all heads of a bank, that may be strong enough: of every cell and class whose score reaches a bound,
// what the host needs to decode the box. The bound is a little lower than that of the host, which computes the score again, so
// that the last bits of the device's functions decide nothing. The order of the records is that of no moment.

const HEADER: u32 = 5u;
override LANES: u32;

struct Record {
    cell: u32,
    class_number: u32,
    logit: f32,
    centreness: f32,
    distances: vec4<f32>,
}

struct Found {
    // How many there are, of which `records` holds as many as it has room for.
    count: atomic<u32>,
    records: array<Record>,
}

// The bound as bits of f32, cells, values of a row, classes, room in `records`; then for every class the columns of its logit and
// of the first distance of its head.
@group(0) @binding(0) var<storage, read> settings: array<u32>;
@group(0) @binding(1) var<storage, read> outputs: array<f32>;
@group(0) @binding(2) var<storage, read_write> found: Found;

// What is beyond these is 0 or 1 as it is.
fn sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + exp(-clamp(x, -80.0, 80.0)));
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.x + group.y * groups.x) * LANES + lane;
    let classes = settings[3];
    if at >= settings[1] * classes {
        return;
    }
    let cell = at / classes;
    let number = at % classes;
    let row = cell * settings[2];
    let logit = outputs[row + settings[HEADER + 2u * number]];
    let first = row + settings[HEADER + 2u * number + 1u];
    let centreness = outputs[first + 4u];
    if sqrt(sigmoid(logit) * sigmoid(centreness)) < bitcast<f32>(settings[0]) {
        return;
    }
    let place = atomicAdd(&found.count, 1u);
    if place < settings[4] {
        let distances = vec4<f32>(outputs[first], outputs[first + 1u], outputs[first + 2u], outputs[first + 3u]);
        found.records[place] = Record(cell, number, logit, centreness, distances);
    }
}
