//! Rows of the host's: batches that are sent in parts, with staging and where memory is unified, give what a whole batch gives.
#![allow(missing_docs)]

mod support;

use std::task::{Context, Poll, Waker};

use sharekan::head::Head;
use sharekan::plan::{Plan, PlanOptions};
use sharekan::run::{CpuSession, Gpu, GpuOptions, Session};
use support::*;

/// A row of 1 kB.
const INPUTS: usize = 256;
/// Rows of the sessions: a part and the rest.
const ROWS: usize = 2000;
/// Rows of a part: enough bytes for several threads, and several passes.
const PART: usize = 1152;

/// The adapter with memory that it shares with the host, where it does, and as if it did not. So little may be bound that
/// a batch takes several passes.
fn devices() -> Vec<(&'static str, Gpu)> {
    let with = |unified| GPU.clone().with_limits(GPU.limits().clone().storage_binding(2 << 20).unified(unified));
    let shared = GPU.limits().unified.then(|| ("shared", with(true)));
    [("apart", with(false))].into_iter().chain(shared).collect()
}

/// A session of several passes and parts of up to `PART` rows.
fn open(gpu: &Gpu, head: &Head, rows: usize) -> Session {
    let options = PlanOptions::default().chunk_rows(384).part_bytes((PART * INPUTS * 4) as u64);
    let session = Session::open_with(gpu, head, rows, &options).unwrap();
    assert!(rows < ROWS || session.plan().chunks(PART) > 1);
    let parts = bytes_of(session.plan(), "upload").len();
    assert!(rows < ROWS || if gpu.limits().unified { parts == 0 } else { parts > 1 });
    session
}

fn integers() -> Head {
    integer_head(&[INPUTS, 2], 16, true, 1).into()
}

/// Bytes of the buffers of this name.
fn bytes_of(plan: &Plan, name: &str) -> Vec<u64> {
    plan.buffers().into_iter().filter(|buffer| buffer.name.starts_with(name)).map(|buffer| buffer.bytes).collect()
}

#[test]
fn software_adapters_share_their_memory_and_portable_devices_do_not() {
    // Mesa's lavapipe is the adapter of these tests; its memory is the host's.
    assert_eq!(GPU.limits().unified, GPU.is_software());
    let portable = sharekan::run::DeviceProfile::Portable;
    let gpu = pollster::block_on(Gpu::open(&GpuOptions::default().profile(portable))).unwrap();
    assert!(!gpu.limits().unified);
    assert!(!gpu.clone().with_limits(gpu.limits().clone().unified(true)).limits().unified);
}

#[test]
fn large_batches_are_sent_in_parts_and_shared_memory_needs_none() {
    let head = integers();
    for (name, gpu) in devices() {
        let session = |rows| open(&gpu, &head, rows);
        let row = 4 * INPUTS as u64;
        let parts: [&[u64]; 3] = [&[row], &[500 * row], &[PART as u64 * row, (ROWS - PART) as u64 * row]];
        for (rows, parts) in [1, 500, ROWS].into_iter().zip(parts) {
            let expected = if name == "shared" { &[] } else { parts };
            assert_eq!(bytes_of(session(rows).plan(), "upload"), expected, "{name}, {rows} rows");
        }
        assert_eq!(bytes_of(session(3).plan(), "download"), if name == "shared" { vec![] } else { vec![24] }, "{name}");
        assert_eq!(bytes_of(session(3).plan(), "output"), [24], "{name}");
    }
}

#[test]
fn a_part_is_a_pass_at_least_and_16_mb_at_most_where_a_pass_is_less() {
    let head = integer_head(&[2048, 2], 16, true, 1).into();
    let limits = GPU.limits().clone().unified(false).storage_binding(128 << 20);
    let rows_of_parts = |rows: usize, chunk_rows: usize| {
        let plan = Plan::with_options(&head, &limits, rows, &PlanOptions::default().chunk_rows(chunk_rows)).unwrap();
        assert_eq!(plan.chunk_rows(), chunk_rows.min(rows));
        bytes_of(&plan, "upload").iter().map(|bytes| bytes / (4 * 2048)).collect::<Vec<_>>()
    };
    // 2,048 rows are 16 MB.
    assert_eq!(rows_of_parts(1024, 2048), [1024]);
    assert_eq!(rows_of_parts(4096, 2048), [2048, 2048]);
    assert_eq!(rows_of_parts(4096, 1024), [2048, 2048]);
    assert_eq!(rows_of_parts(4096, 1023), [2046, 2046, 4]);
    assert_eq!(rows_of_parts(4096, 1536), [1536, 1536, 1024]);
    assert_eq!(rows_of_parts(6000, 3000), [3000, 3000]);
}

#[test]
fn parts_give_what_the_reference_gives() {
    let head = integers();
    let input = Random::new(7).many((ROWS + 20) * INPUTS);
    let expected = CpuSession::new(head.clone()).run(&input).unwrap();
    for (name, gpu) in devices() {
        let mut session = open(&gpu, &head, ROWS);
        // One part and some, all parts, and more rows than a batch has.
        for rows in [ROWS, 1, PART, PART + 1, 3, ROWS + 20] {
            let found = session.run(&input[..rows * INPUTS]).unwrap();
            assert!(found == expected[..rows * 2], "{name}, {rows} rows");
        }
    }
}

#[test]
fn parts_give_what_a_whole_batch_gives_in_floating_point() {
    let heads = [Head::from(float_head(&[INPUTS, 2], 16, 2)), Head::Dense(dense_head(&[INPUTS, 2], 3))];
    let input = Random::new(8).many(ROWS * INPUTS);
    for (name, gpu) in devices() {
        let features = gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 4 * input.len() as u64,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        gpu.queue().write_buffer(&features, 0, bytemuck::cast_slice(&input));
        for head in &heads {
            let mut session = open(&gpu, head, ROWS);
            for rows in [ROWS, 1] {
                // The caller's buffer is read as it is, in one submission.
                let expected = session.run_buffer(&features, rows).unwrap();
                let found = session.run(&input[..rows * INPUTS]).unwrap();
                assert!(found.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits()), "{name}, {rows} rows");
                assert!(expected.iter().any(|&value| value != 0.0), "{name}, {rows} rows");
            }
        }
    }
}

#[test]
fn sessions_on_several_threads_do_not_disturb_each_other() {
    let head = integers();
    for (name, gpu) in devices() {
        std::thread::scope(|scope| {
            for seed in 0..2 {
                let (gpu, head) = (&gpu, &head);
                scope.spawn(move || {
                    let input = Random::new(20 + seed).many(ROWS * INPUTS);
                    let expected = CpuSession::new(head.clone()).run(&input).unwrap();
                    let mut session = open(gpu, head, ROWS);
                    for rows in [ROWS, 600] {
                        let found = session.run(&input[..rows * INPUTS]).unwrap();
                        assert!(found == expected[..rows * 2], "{name}, session {seed}, {rows} rows");
                    }
                });
            }
        });
    }
}

#[test]
fn a_batch_that_is_dropped_leaves_none_of_its_rows_to_the_next() {
    let head = integers();
    let (lost, input) = (Random::new(9).many(ROWS * INPUTS), Random::new(10).many(ROWS * INPUTS));
    let expected = CpuSession::new(head.clone()).run(&input).unwrap();
    let mut context = Context::from_waker(Waker::noop());
    for (name, gpu) in devices() {
        let mut session = open(&gpu, &head, ROWS);
        for rows in [ROWS, 400] {
            // It is sent when it is first polled, and never looked at again.
            let mut future = Box::pin(session.run_async(&lost));
            assert!(matches!(future.as_mut().poll(&mut context), Poll::Pending | Poll::Ready(Ok(_))));
            drop(future);
            let found = pollster::block_on(session.run_async(&input[..rows * INPUTS])).unwrap();
            assert!(found == expected[..rows * 2], "{name}, {rows} rows");
        }
    }
}
