//! k-means on the CPU: an assignment and whole clusterings. `cargo bench --bench clustering`.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sharekan::compress::kmeans::{KMeans, Score, Settings};

const POINTS: usize = 65_536;

/// -1 to 1, SplitMix64.
fn numbers(count: usize) -> Vec<f32> {
    let number = |n: u64| {
        let mut z = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count as u64).map(number).collect()
}

fn assign(c: &mut Criterion) {
    let mut group = c.benchmark_group("assign");
    for (d, codewords) in [(10, 256), (10, 4096), (64, 256)] {
        let (points, book) = (numbers(POINTS * d), numbers(codewords * d));
        let Ok(kmeans) = KMeans::new(&points, d, None) else { continue };
        group.throughput(Throughput::Elements((POINTS * codewords) as u64));
        for score in [Score::Distance, Score::Direction] {
            let name = format!("{score:?}");
            group.bench_function(BenchmarkId::new(name, format!("d{d} K{codewords}")), |bencher| {
                bencher.iter(|| black_box(kmeans.assign(black_box(&book), score)));
            });
        }
    }
    group.finish();
}

fn cluster(c: &mut Criterion) {
    let mut group = c.benchmark_group("cluster");
    group.sample_size(10);
    let points = numbers(POINTS * 10);
    for codewords in [16, 256] {
        for score in [Score::Distance, Score::Direction] {
            let settings = Settings::default().score(score).codewords(codewords).iterations(10);
            group.bench_function(BenchmarkId::new(format!("{score:?}"), codewords), |bencher| {
                bencher.iter(|| {
                    KMeans::new(black_box(&points), 10, None)
                        .and_then(|kmeans| kmeans.cluster(&settings, &mut |_, _| {}))
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, assign, cluster);
criterion_main!(benches);
