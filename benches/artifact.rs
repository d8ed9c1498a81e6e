//! Compressed heads as files: `cargo bench --bench artifact`. Throughput is bytes of the file.

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sharekan::artifact;
use sharekan::head::Bank;
use support::integer_head;

/// Indices of whole bytes, and of 9 bits, which are packed.
fn files(c: &mut Criterion) {
    let mut group = c.benchmark_group("artifact, 2048 -> 512 -> 75");
    group.sample_size(20);
    for codewords in [256, 300] {
        let head = integer_head(&[2048, 512, 75], codewords, true, 1);
        let head = Bank::from(head);
        let bytes = artifact::to_bytes(&head).unwrap();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        let id = |what: &str| BenchmarkId::new(what, format!("K = {codewords}"));
        group.bench_function(id("read"), |b| b.iter(|| artifact::read(&bytes).unwrap()));
        group.bench_function(id("write"), |b| b.iter(|| artifact::to_bytes(&head).unwrap()));
    }
}

criterion_group!(benches, files);
criterion_main!(benches);
