//! Sessions on the caller's terms: own buffers, own encoder, nothing made while running, and trouble that stays small.

mod support;

use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use sharekan::head::Head;
use sharekan::plan::{Limits, Plan, PlanError, PlanOptions, Strategy};
use sharekan::reference::CompressedReference;
use sharekan::run::{Gpu, GpuOptions, RunError, Session};
use support::*;

fn head() -> (Head, Vec<f32>, Vec<f32>) {
    let head = integer_head(&[29, 17, 6], 32, false, 1);
    let input = Random::new(2).many(50 * 29);
    let expected = CompressedReference::new(&head).run(&input);
    (Head::from(head), input, expected)
}

fn own_device() -> Gpu {
    pollster::block_on(Gpu::open(&GpuOptions::default())).expect("these tests need an adapter")
}

fn buffer(gpu: &Gpu, values: usize, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("caller"),
        size: 4 * values as u64,
        usage,
        mapped_at_creation: false,
    })
}

const IN: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_DST);
const OUT: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_SRC);

fn read(gpu: &Gpu, from: &wgpu::Buffer, values: usize) -> Vec<f32> {
    let download = buffer(gpu, values, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_buffer_to_buffer(from, 0, &download, 0, 4 * values as u64);
    gpu.queue().submit([encoder.finish()]);
    download.map_async(wgpu::MapMode::Read, .., |result| result.unwrap());
    gpu.device().poll(wgpu::PollType::wait_indefinitely()).unwrap();
    let view = download.get_mapped_range(..).unwrap();
    bytemuck::cast_slice::<u8, f32>(&view).to_vec()
}

#[test]
fn runs_the_callers_buffers_and_records_into_the_callers_encoder() {
    let (head, input, expected) = head();
    let mut session = Session::open(&GPU, &head, 64).unwrap();
    let features = buffer(&GPU, input.len(), IN);
    GPU.queue().write_buffer(&features, 0, bytemuck::cast_slice(&input));
    assert_eq!(session.run_buffer(&features, 50).unwrap(), expected);
    assert_eq!(session.run_buffer(&features, 3).unwrap(), expected[..18]);

    // Two recordings with different numbers of rows in one submission, each into its own buffer.
    let (all, few) = (buffer(&GPU, 50 * 6, OUT), buffer(&GPU, 7 * 6, OUT));
    let (to_all, to_few) = (session.bind(&features, &all).unwrap(), session.bind(&features, &few).unwrap());
    let mut encoder = GPU.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    session.record(&mut encoder, &to_all, 50).unwrap();
    session.record(&mut encoder, &to_few, 7).unwrap();
    GPU.queue().submit([encoder.finish()]);
    assert_eq!(read(&GPU, &all, 50 * 6), expected);
    assert_eq!(read(&GPU, &few, 7 * 6), expected[..42]);

    // Rows beyond those asked for are left alone.
    let output = buffer(&GPU, 50 * 6, OUT | wgpu::BufferUsages::COPY_DST);
    GPU.queue().write_buffer(&output, 0, bytemuck::cast_slice(&vec![7.0f32; 300]));
    let binding = session.bind(&features, &output).unwrap();
    let mut encoder = GPU.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    session.record(&mut encoder, &binding, 10).unwrap();
    GPU.queue().submit([encoder.finish()]);
    let found = read(&GPU, &output, 300);
    assert_eq!(found[..60], expected[..60]);
    assert!(found[60..].iter().all(|&y| y == 7.0));
}

#[test]
fn refuses_what_does_not_fit_and_goes_on() {
    let (head, input, expected) = head();
    let mut session = Session::open(&GPU, &head, 8).unwrap();
    let text = |result: Result<_, RunError>| result.map(|_: ()| ()).unwrap_err().to_string();

    assert_eq!(text(session.run(&input[..30]).map(drop)), "input has 30 values, expected whole rows of 29");
    assert_eq!(text(session.run_into(&input, &mut [0.0; 3])), "output has 3 values, expected 50 rows of 6");
    let features = buffer(&GPU, input.len(), IN);
    let no_storage = buffer(&GPU, 300, wgpu::BufferUsages::COPY_DST);
    assert!(text(session.bind(&features, &no_storage).map(drop)).contains("expected STORAGE"));
    let short = buffer(&GPU, 5, OUT);
    assert_eq!(
        text(session.bind(&features, &short).map(drop)),
        "output buffer has 20 bytes, expected at least one row of 24"
    );
    let output = buffer(&GPU, 300, OUT);
    let binding = session.bind(&features, &output).unwrap();
    let mut encoder = GPU.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    assert_eq!(
        text(session.record(&mut encoder, &binding, 9)),
        "a batch of 9 rows, but the session was opened for at most 8"
    );
    // The session still works, and cuts what is longer than its batch.
    assert_eq!(session.run(&input).unwrap(), expected);
    assert!(session.run(&[]).unwrap().is_empty());
}

#[test]
fn adapters_that_are_too_small_are_refused_by_the_name_of_the_limit() {
    let (head, ..) = head();
    let limit = |limits: Limits, rows| match Plan::new(&head, &limits, rows) {
        Err(PlanError::Limit { limit, needed, found, .. }) => {
            assert!(needed > found);
            limit
        }
        other => panic!("{other:?}"),
    };
    let guaranteed = Limits::default;
    assert_eq!(limit(guaranteed().workgroup_storage(32), 1), "max_compute_workgroup_storage_size");
    assert_eq!(limit(guaranteed().storage_binding(128), 1), "max_storage_buffer_binding_size");
    assert_eq!(limit(guaranteed(), 100_000_000), "max_buffer_size");
    assert_eq!(Plan::new(&head, &guaranteed(), 0), Err(PlanError::NoRows));
    let gpu = GPU.clone().with_limits(GPU.limits().clone().workgroup_storage(32));
    let message = Session::open(&gpu, &head, 1).unwrap_err().to_string();
    assert!(message.contains("max_compute_workgroup_storage_size is 32"), "{message}");
}

#[test]
fn a_lost_device_is_an_error_for_every_later_run() {
    let gpu = own_device();
    let (head, input, expected) = head();
    let mut session = Session::open(&gpu, &head, 64).unwrap();
    assert_eq!(session.run(&input).unwrap(), expected);
    gpu.device().destroy();
    for _ in 0..2 {
        let error = session.run(&input).unwrap_err();
        assert!(matches!(error, RunError::Lost(_)), "{error:?}");
        assert!(error.to_string().contains("open a new session"), "{error}");
    }
    assert!(Session::open(&gpu, &head, 1).is_err());
    // Another device of the same adapter works.
    assert_eq!(Session::open(&own_device(), &head, 64).unwrap().run(&input).unwrap(), expected);
}

/// A device of the tests' adapter with no optional feature. It has wgpu's own handler of errors, which panics over any that
/// nobody waits for, on whatever thread it comes up.
fn strict_device(limits: impl FnOnce(wgpu::Limits) -> wgpu::Limits) -> Gpu {
    static INSTANCE: LazyLock<wgpu::Instance> =
        LazyLock::new(|| wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle()));
    let mut adapters = pollster::block_on(INSTANCE.enumerate_adapters(wgpu::Backends::all())).into_iter();
    let adapter = adapters.find(|adapter| adapter.get_info() == *GPU.info()).expect("the adapter of the other tests");
    let descriptor = wgpu::DeviceDescriptor { required_limits: limits(adapter.limits()), ..Default::default() };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).unwrap();
    Gpu::with_device(device, queue, adapter.get_info())
}

#[track_caller]
fn refuses(opened: Result<Session, RunError>, problem: &str) {
    match opened {
        Err(RunError::Refused { what, problem: found }) => {
            assert_eq!(what, "the session");
            assert!(found.contains(problem) && !found.contains('\n'), "{found}");
        }
        other => panic!("{:?}", other.map(drop)),
    }
}

#[test]
fn kernels_that_the_device_does_not_compile_are_an_error_and_it_goes_on() {
    let gpu = strict_device(|limits| limits);
    // Not so: the kernel is in f16, which the device was not asked for.
    let matrices = gpu.clone().rewriting_kernels(Some(32), |_, source| source);
    let options = PlanOptions::default().strategy(Strategy::Matrix);
    let (head, input, expected) = head();
    for rows in [1, 64] {
        refuses(Session::open_with(&matrices, &head, rows, &options), "f16");
        assert_eq!(Session::open(&gpu, &head, rows).unwrap().run(&input).unwrap(), expected);
    }
}

#[test]
fn the_error_is_what_pipelines_fail_for_and_not_that_they_do() {
    let gpu = strict_device(|limits| wgpu::Limits { max_storage_buffers_per_shader_stage: 3, ..limits });
    let (head, ..) = head();
    for head in [head, Head::Dense(dense_head(&[29, 17, 6], 1))] {
        refuses(Session::open(&gpu, &head, 64), "max_storage_buffers_per_shader_stage");
    }
}

#[test]
fn limits_are_never_raised() {
    let own = GPU.limits().clone();
    let more = own
        .clone()
        .workgroup_storage(usize::MAX)
        .invocations(usize::MAX)
        .storage_binding(u64::MAX)
        .buffer(u64::MAX)
        .workgroups_per_dimension(usize::MAX)
        .uniform_alignment(1)
        .matrix_subgroup(32);
    assert_eq!(GPU.clone().with_limits(more.clone()).limits(), &own);
    // Not by way of smaller ones either, and what was lowered may rise again to what the device has.
    let small = GPU.clone().with_limits(own.clone().workgroup_storage(32));
    assert_eq!(small.limits().workgroup_storage, 32);
    assert_eq!(small.with_limits(more).limits(), &own);
}

#[test]
fn buffers_that_another_session_bound_are_refused() {
    let (head, input, expected) = head();
    let mut big = Session::open(&GPU, &head, 64).unwrap();
    let small = Session::open(&GPU, &Head::from(integer_head(&[1, 1], 2, false, 1)), 64).unwrap();
    let (tiny_in, tiny_out) = (buffer(&GPU, 64, IN), buffer(&GPU, 64, OUT));
    let foreign = small.bind(&tiny_in, &tiny_out).unwrap();
    let mut encoder = GPU.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let errors = [
        big.record(&mut encoder, &foreign, 4).unwrap_err(),
        big.run_bound(&foreign, 4, &mut [0.0; 24]).unwrap_err(),
        // The same head opened twice is two sessions.
        Session::open(&GPU, &head, 64)
            .unwrap()
            .run_bound(&big.bind(&buffer(&GPU, 29, IN), &buffer(&GPU, 6, OUT)).unwrap(), 1, &mut [0.0; 6])
            .unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, RunError::OtherSession), "{error:?}");
    }
    assert_eq!(big.run(&input).unwrap(), expected);
}

#[test]
fn a_refused_batch_is_an_error_and_the_session_goes_on() {
    // On the second device an error that nobody waits for is a panic.
    for gpu in [own_device(), strict_device(|limits| limits)] {
        let (head, input, expected) = head();
        let mut session = Session::open(&gpu, &head, 64).unwrap();
        for _ in 0..3 {
            let (features, results) = (buffer(&gpu, 50 * 29, IN), buffer(&gpu, 300, OUT));
            let binding = session.bind(&features, &results).unwrap();
            features.destroy();
            let mut output = vec![0.0; 300];
            let error = session.run_bound(&binding, 50, &mut output).unwrap_err();
            assert!(matches!(&error, RunError::Refused { what, .. } if what == "a batch"), "{error:?}");
            assert_eq!(session.run(&input).unwrap(), expected);
        }
    }
}

#[test]
fn buffers_that_the_device_does_not_take_are_an_error() {
    let pairs = [(own_device(), own_device()), (strict_device(|limits| limits), strict_device(|limits| limits))];
    for (gpu, other) in pairs {
        let (head, input, expected) = head();
        let mut session = Session::open(&gpu, &head, 64).unwrap();
        let (features, results) = (buffer(&gpu, 50 * 29, IN), buffer(&gpu, 300, OUT));
        let foreign = buffer(&other, 50 * 29, IN);
        let destroyed = buffer(&gpu, 50 * 29, IN);
        destroyed.destroy();
        for wrong in [&foreign, &destroyed] {
            let error = session.bind(wrong, &results).unwrap_err();
            assert!(matches!(&error, RunError::Refused { what, .. } if what == "the buffers"), "{error:?}");
            assert!(session.run_buffer(wrong, 50).is_err());
            assert!(session.bind(&features, wrong).is_err());
        }
        assert_eq!(session.run(&input).unwrap(), expected);
    }
}

/// Whatever number of rows is asked for, nothing is made for it before it is refused.
#[test]
fn absurd_numbers_of_rows_are_refused() {
    let (head, ..) = head();
    let mut session = Session::open(&GPU, &head, 8).unwrap();
    let (features, results) = (buffer(&GPU, 8 * 29, IN), buffer(&GPU, 48, OUT));
    let binding = session.bind(&features, &results).unwrap();
    for rows in [9, usize::MAX / 8, usize::MAX / 4, usize::MAX] {
        assert!(matches!(session.run_buffer(&features, rows), Err(RunError::Batch { max_rows: 8, .. })));
        assert!(matches!(session.run_bound(&binding, rows, &mut [0.0; 48]), Err(RunError::Batch { .. })));
    }
}

/// Buffers longer than a binding may be: the first rows are bound, as many as the session takes.
#[test]
fn long_buffers_are_bound_as_far_as_the_session_reads() {
    let gpu = strict_device(|limits| wgpu::Limits { max_storage_buffer_binding_size: 1 << 17, ..limits });
    let (head, input, expected) = head();
    let mut session = Session::open(&gpu, &head, 64).unwrap();
    let features = buffer(&gpu, 1 << 20, IN);
    gpu.queue().write_buffer(&features, 0, bytemuck::cast_slice(&input));
    assert_eq!(session.run_buffer(&features, 50).unwrap(), expected);
}

#[test]
fn a_lost_device_of_the_callers_is_reported_as_lost() {
    let gpu = strict_device(|limits| limits);
    let (head, input, expected) = head();
    let mut session = Session::open(&gpu, &head, 64).unwrap();
    assert_eq!(session.run(&input).unwrap(), expected);
    gpu.device().destroy();
    for _ in 0..2 {
        assert!(matches!(session.run(&input), Err(RunError::Lost(_))));
    }
    let gpu = strict_device(|limits| limits);
    gpu.device().destroy();
    assert!(matches!(Session::open(&gpu, &head, 64), Err(RunError::Lost(_))));
}

/// What every browser gives, and no optional feature.
#[test]
fn the_limits_that_webgpu_guarantees_are_enough() {
    let gpu = strict_device(|_| wgpu::Limits::default());
    let (head, input, expected) = head();
    assert_eq!(Session::open(&gpu, &head, 64).unwrap().run(&input).unwrap(), expected);
    for head in [Head::Dense(dense_head(&[29, 17, 6], 1)), Head::from(float_head(&[29, 17, 6], 8, 1))] {
        for rows in [1, 50] {
            let found = Session::open(&gpu, &head, rows).unwrap().run(&input[..rows * 29]).unwrap();
            assert!(found.iter().all(|y| y.is_finite()));
        }
    }
}

#[test]
fn futures_end_on_any_executor_and_may_be_dropped() {
    fn sendable<T: Send>(future: T) -> T {
        future
    }
    let (head, input, expected) = head();
    let mut session = pollster::block_on(sendable(Session::open_async(&GPU, &head, 20))).unwrap();
    assert_eq!(pollster::block_on(sendable(session.run_async(&input))).unwrap(), expected);
    let features = buffer(&GPU, input.len(), IN);
    GPU.queue().write_buffer(&features, 0, bytemuck::cast_slice(&input));
    assert_eq!(pollster::block_on(sendable(session.run_buffer_async(&features, 20))).unwrap(), expected[..120]);
    let results = buffer(&GPU, 300, OUT);
    let binding = pollster::block_on(sendable(session.bind_async(&features, &results))).unwrap();
    let mut output = vec![0.0; 120];
    pollster::block_on(sendable(session.run_bound_async(&binding, 20, &mut output))).unwrap();
    assert_eq!(output, expected[..120]);

    // Polled from time to time on changing threads, and dropped at every point where it waits.
    let mut context = Context::from_waker(Waker::noop());
    for polls in 0..40 {
        let mut future = Box::pin(session.run_async(&input));
        let mut done = None;
        for _ in 0..polls {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                done = Some(output.unwrap());
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        drop(future);
        if let Some(output) = done {
            assert_eq!(output, expected);
        }
    }
    assert_eq!(std::thread::spawn(move || session.run(&input).unwrap()).join().unwrap(), expected);
}
