//! Heads on the CPU: `cargo bench --bench evaluation`. The shape is 2048 -> 512 -> 75, cubic, K = 256; throughput counts
//! edges times rows. Integer layers build no basis but take taps from a table; a layer of one output shows what they cost.

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sharekan::head::{DenseHead, Head};
use sharekan::reference::CompressedReference;
use sharekan::run::CpuSession;
use sharekan::spline::cardinal_weights;
use support::{CLAMP, Random, dense_head, dense_layer, even, float_head, integer_head, integer_layer, norm};

const WIDTHS: [usize; 3] = [2048, 512, 75];
const EDGES: u64 = 2048 * 512 + 512 * 75;
const ROWS: [usize; 4] = [1, 16, 169, 1024];

fn heads(c: &mut Criterion) {
    let heads = [
        ("int8, linear gains", Head::from(integer_head(&WIDTHS, 256, false, 1)), &ROWS[..]),
        ("int8, logarithmic gains", Head::from(integer_head(&WIDTHS, 256, true, 1)), &ROWS),
        ("int8, K = 16384", Head::from(integer_head(&WIDTHS, 16_384, true, 1)), &ROWS[1..3]),
        ("f32 codebook", Head::from(float_head(&WIDTHS, 256, 1)), &ROWS[..2]),
        ("dense f32", Head::Dense(dense_head(&WIDTHS, 1)), &ROWS[..3]),
    ];
    for (name, head, batches) in heads {
        let session = CpuSession::new(head);
        let mut group = c.benchmark_group(name);
        group.sample_size(10);
        for &rows in batches {
            let input = Random::new(2).many(rows * WIDTHS[0]);
            group.throughput(Throughput::Elements(EDGES * rows as u64));
            group.bench_function(BenchmarkId::from_parameter(rows), |b| b.iter(|| session.run(&input).unwrap()));
        }
    }
}

/// What the sessions are compared with.
fn reference(c: &mut Criterion) {
    let head = integer_head(&WIDTHS, 256, false, 1);
    let input = Random::new(2).many(WIDTHS[0]);
    let mut group = c.benchmark_group("reference, int8");
    group.sample_size(10).throughput(Throughput::Elements(EDGES));
    group.bench_function("1", |b| b.iter(|| CompressedReference::new(&head).run(&input)));
}

/// Basis functions and taps: layers of a single output, and the spline functions by themselves.
fn basis(c: &mut Criterion) {
    let (inputs, rows) = (2048, 169);
    let x = Random::new(3).many(inputs * rows);
    let random = &mut Random::new(4);
    let integer = integer_layer([inputs, 1, 1], even(inputs, 3, 7), norm(inputs, CLAMP, random), false, random);
    let dense = dense_layer(inputs, 1, even(inputs, 3, 7), norm(inputs, CLAMP, random), None, random);
    let heads = [
        ("integer", Head::from(sharekan::head::CompressedHead::new(vec![integer], None).unwrap())),
        ("dense", Head::Dense(DenseHead::new(vec![dense], None).unwrap())),
    ];
    let mut group = c.benchmark_group("taps of 169 rows of 2048");
    group.throughput(Throughput::Elements((inputs * rows) as u64));
    for (name, head) in heads {
        let session = CpuSession::new(head);
        group.bench_function(name, |b| b.iter(|| session.run(&x).unwrap()));
    }
    group.bench_function("cubic taps in f64", |b| {
        b.iter(|| x.iter().map(|&x| cardinal_weights(f64::from(x.abs()), 3)[1]).sum::<f64>());
    });
}

fn open(c: &mut Criterion) {
    let head = Head::from(integer_head(&WIDTHS, 256, true, 1));
    c.bench_function("open a CPU session", |b| b.iter(|| CpuSession::new(head.clone())));
}

criterion_group!(benches, heads, reference, basis, open);
criterion_main!(benches);
