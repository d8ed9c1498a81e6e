//! Every way to sum integer layers, forced on heads and batches that would not get it, residual codebooks and banks.

mod support;

use sharekan::head::{Bank, CompressedHead, GainScale, Head, Member, Quantised};
use sharekan::plan::{IntegerTile, Limits, Plan, PlanOptions, Strategy};
use sharekan::reference::CompressedReference;
use sharekan::run::{Gpu, GpuOptions, Session};
use support::*;

/// Largest error of a layer whose weights are rounded to 11 bits, in parts of the largest output: at most 2^-11 a weight.
const MATRIX_TOLERANCE: f64 = 5e-4;
/// The same of several layers of random splines, which are far steeper than trained ones and multiply the errors before.
const DEEP_MATRIX_TOLERANCE: f64 = 2e-2;

const SHAPES: [&[usize]; 6] = [&[1, 1], &[13, 17], &[97, 31, 3], &[1030, 9], &[70, 150, 5], &[9, 400, 101]];

fn outputs(gpu: &Gpu, head: &CompressedHead, input: &[f32], rows: usize, strategy: Strategy) -> Vec<f32> {
    let options = PlanOptions::default().strategy(strategy);
    Session::open_with(gpu, &Head::from(head.clone()), rows, &options).unwrap().run(input).unwrap()
}

fn heads() -> Vec<(String, CompressedHead)> {
    let mut heads = Vec::new();
    for (n, widths) in SHAPES.iter().enumerate() {
        for table in [false, true] {
            heads.push((format!("{widths:?}, table {table}"), integer_head(widths, 30, table, n as u64)));
        }
    }
    heads.push(("wide numbers".into(), integer_head(&[37, 21, 4], 700, true, 5)));
    heads.push(("all numbers of a byte".into(), integer_head(&[37, 21], 256, true, 5)));
    let random = &mut Random::new(6);
    for order in 1..=3 {
        let layer = integer_layer([33, 20, 30], even(33, order, 5), norm(33, None, random), order == 2, random);
        heads.push((format!("beyond the grid, order {order}"), CompressedHead::new(vec![layer], None).unwrap()));
    }
    // More than the workgroup memory of any adapter.
    let layer = integer_layer([33, 20, 10_000], even(33, 3, 7), norm(33, CLAMP, random), true, random);
    let layer = residual_layer(layer, random);
    heads.push(("codebooks in memory".into(), CompressedHead::new(vec![layer], None).unwrap()));
    for table in [false, true] {
        let head = integer_head(&[33, 20, 6], 12, table, 8);
        let mut random = Random::new(9);
        let layers = head.layers().iter().map(|layer| residual_layer(layer.clone(), &mut random)).collect();
        heads.push((format!("residual, table {table}"), CompressedHead::new(layers, None).unwrap()));
    }
    heads
}

/// Rows with what is no number spoil themselves alone, and leave nothing behind for the next batch.
#[test]
fn spoilt_rows_leave_no_trace() {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
    for head in [integer_head(&[97, 31, 3], 30, true, 1), integer_head(&[13, 17], 30, false, 2)] {
        for rows in [3, 20, 70] {
            let input: Vec<f32> = Random::new(3).many(rows * head.inputs()).iter().map(|x| 1.6 * x).collect();
            let mut spoilt = input.clone();
            spoilt[head.inputs() - 1] = f32::NAN;
            spoilt[2 * head.inputs() + 5] = f32::NAN;
            for strategy in [Strategy::Edges, Strategy::Rows] {
                let options = PlanOptions::default().strategy(strategy);
                let mut session = Session::open_with(&GPU, &Head::from(head.clone()), rows, &options).unwrap();
                for input in [&spoilt, &input] {
                    let expected = CompressedReference::new(&head).run(input);
                    assert_eq!(expected.iter().any(|x| x.is_nan()), input.iter().any(|x| x.is_nan()));
                    assert_eq!(bits(&session.run(input).unwrap()), bits(&expected), "{rows} rows, {}", strategy.name());
                }
            }
        }
    }
}

#[test]
fn edges_and_rows_give_the_bits_of_the_reference() {
    for (name, head) in heads() {
        for rows in [1, 5, 20, 70] {
            let input: Vec<f32> = Random::new(3).many(rows * head.inputs()).iter().map(|x| 1.6 * x).collect();
            let expected = CompressedReference::new(&head).run(&input);
            for strategy in [Strategy::Edges, Strategy::Rows] {
                let found = outputs(&GPU, &head, &input, rows, strategy);
                assert_eq!(found, expected, "{name}, {rows} rows, {}", strategy.name());
            }
        }
    }
}

/// An adapter that plans as one in hardware with this workgroup memory would.
fn hardware(workgroup_storage: usize) -> Gpu {
    let limits = Limits::default().workgroup_storage(workgroup_storage);
    GPU.clone().with_limits(limits.uniform_alignment(GPU.limits().uniform_alignment))
}

/// The tiles of adapters in hardware, with four rows an invocation, which those in software leave alone.
#[test]
fn rows_of_hardware_give_the_bits_of_the_reference() {
    let options = PlanOptions::default().strategy(Strategy::Rows);
    for workgroup_storage in [16_384, 32_768] {
        let gpu = hardware(workgroup_storage);
        for (widths, codewords, table) in
            [(&[70, 150, 5][..], 30, true), (&[21, 133, 77], 30, false), (&[37, 130], 300, true)]
        {
            let head = integer_head(widths, codewords, table, 3);
            let mut session = Session::open_with(&gpu, &Head::from(head.clone()), 150, &options).unwrap();
            let Plan::Integer(plan) = session.plan() else { panic!("a head in integers") };
            let IntegerTile::Rows(tile) = plan.schedule.tiles(150)[0] else { panic!("not by rows") };
            assert_eq!((tile.rows, tile.each), (64, 4), "{widths:?}: {tile:?}");
            for rows in [3, 70, 150] {
                let input: Vec<f32> = Random::new(3).many(rows * widths[0]).iter().map(|x| 1.6 * x).collect();
                let expected = CompressedReference::new(&head).run(&input);
                assert_eq!(
                    session.run(&input).unwrap(),
                    expected,
                    "{widths:?}, {rows} rows, {workgroup_storage} bytes"
                );
            }
        }
    }
}

/// What suits how many rows, measured on an H100 without its matrices.
#[test]
fn many_rows_of_many_outputs_go_by_rows() {
    let head = Head::from(integer_head(&[2048, 512, 75], 30, false, 1));
    let names = |rows| {
        let plan = Plan::new(&head, &Limits::default(), rows).unwrap();
        plan.kernels(rows).iter().map(|layer| layer.name).collect::<Vec<_>>()
    };
    for rows in [1, 16, 64, 128] {
        assert_eq!(names(rows), ["edges", "edges"], "{rows} rows");
    }
    for rows in [169, 1024] {
        assert_eq!(names(rows), ["rows", "edges"], "{rows} rows");
    }
    assert_eq!(names(4096), ["rows", "rows"]);
    // Few rows of however many outputs leave its lanes empty.
    let wide = Head::from(integer_head(&[4, 20_000], 30, false, 1));
    assert_eq!(Plan::new(&wide, &Limits::default(), 4).unwrap().kernels(4)[0].name, "edges");
}

/// The same of banks, which get larger workgroups by `edges` where there are some.
#[test]
fn many_rows_of_many_heads_go_by_rows() {
    let head = integer_head(&[64, 512, 3], 30, false, 1);
    let member = |n| Member { name: format!("head {n}"), head: head.clone() };
    let bank: Head = Bank::new((0..16).map(member).collect()).unwrap().into();
    for (invocations, rows, expected) in [(256, 8, "edges"), (256, 16, "rows"), (512, 16, "edges"), (512, 64, "rows")] {
        let limits = Limits::default().invocations(invocations);
        let plan = Plan::new(&bank, &limits, rows).unwrap();
        assert_eq!(plan.kernels(rows)[0].name, expected, "{rows} rows, {invocations} invocations");
    }
}

/// Heads and a bank with cooperative matrices on `gpu`, for these numbers of rows.
fn matrices_come_close(gpu: &Gpu, batches: &[usize]) {
    let options = PlanOptions::default().strategy(Strategy::Matrix);
    let inputs = |rows, width| Random::new(3).many(rows * width).iter().map(|x| 1.6 * x).collect::<Vec<f32>>();
    let most = batches.iter().copied().max().unwrap();
    for (name, head) in heads() {
        let mut session = Session::open_with(gpu, &Head::from(head.clone()), most, &options).unwrap();
        assert!(session.plan().uses_matrices(), "{name}");
        for &rows in batches {
            let input = inputs(rows, head.inputs());
            let error = error(&session.run(&input).unwrap(), &CompressedReference::new(&head).run(&input));
            let tolerance = if head.layers().len() == 1 { MATRIX_TOLERANCE } else { DEEP_MATRIX_TOLERANCE };
            assert!(error <= tolerance, "{name}, {rows} rows: {error:.2e}");
        }
    }
    for (table, grids) in [(false, Grids::Own), (true, Grids::Shared)] {
        let bank = bank(table, grids);
        let mut session = Session::open_with(gpu, &bank.clone().into(), most, &options).unwrap();
        for &rows in batches {
            let input = inputs(rows, 41);
            // A row that is spoilt for every head, and the same batch without it.
            let mut spoilt = input.clone();
            spoilt[41 * (rows / 2) + 40] = f32::NAN;
            for input in [&spoilt, &input] {
                let found = session.run(input).unwrap();
                for (at, member) in bank.members().iter().enumerate() {
                    let range = bank.output_range(at);
                    let own: Vec<f32> =
                        found.chunks(bank.outputs()).flat_map(|row| row[range.clone()].to_vec()).collect();
                    let error = error(&own, &CompressedReference::new(&member.head).run(input));
                    assert!(error <= DEEP_MATRIX_TOLERANCE, "{}, {grids:?}, {rows} rows: {error:.2e}", member.name);
                }
            }
        }
    }
}

/// On every adapter: the kernels of matrices with the multiplication itself in plain WGSL.
#[test]
fn matrices_in_plain_wgsl_come_close() {
    matrices_come_close(&matrices::gpu(), &[3, 100]);
}

/// An edge of a constant curve, `127 c` times a gain of sixteenths: with `c` and the gain odd, a sum that no rounding but that
/// to nearest takes to the right integer, and all factors exact in f16.
#[test]
fn sums_of_matrices_are_rounded_to_nearest() {
    let (codewords, levels) = ([1i8, -1, 3, -3], [7i16, 9, -5, 15, -121]);
    let mut layer = integer_head(&[1, 17], 4, true, 1).layers()[0].clone();
    let d = layer.basis.len();
    layer.quantised = Quantised::Int8 {
        codebook: codewords.iter().flat_map(|c| vec![*c; d]).collect(),
        gains: (0..17).map(|o| (o % 5) as u8).collect(),
        gain_scale: GainScale::Table((0..256).map(|code| levels[code % 5]).collect()),
        // The curve's value is what is left without its 127, the gain's without its 16.
        output_scale: vec![127.0 / 16.0; 17],
    };
    layer.bias = vec![0.0; 17];
    layer.indices = (0..17).map(|o| o % 4).collect();
    let head = CompressedHead::new(vec![layer], None).unwrap();
    let input = Random::new(3).many(20);
    let of = |o: usize| f32::from(codewords[o % 4]) * 127.0 * f32::from(levels[o % 5]) / 16.0;
    let expected: Vec<f32> = (0..20 * 17).map(|at| of(at % 17).round()).collect();
    let found = outputs(&matrices::gpu(), &head, &input, 20, Strategy::Matrix);
    for found in [found, CompressedReference::new(&head).run(&input)] {
        assert!(error(&found, &expected) < 1e-6, "{found:?}, expected {expected:?}");
    }
}

/// With the adapter's own matrices. Only some adapters have them; the test above runs the same kernels on the others.
#[test]
fn matrices_of_adapters_that_have_them_come_close() {
    let gpu = pollster::block_on(Gpu::open(&GpuOptions::default())).expect("these tests need an adapter");
    if gpu.limits().matrix_subgroup.is_none() {
        println!("not run: {} has no cooperative matrices", gpu.info().name);
        return;
    }
    matrices_come_close(&gpu, &[1, 5, 70, 300]);
}

#[test]
fn an_adapter_without_matrices_refuses_them() {
    let options = PlanOptions::default().strategy(Strategy::Matrix);
    let head = Head::from(integer_head(&[13, 17], 30, false, 1));
    let refused = Session::open_with(&GPU, &head, 4, &options).unwrap_err().to_string();
    assert_eq!(refused, "kernel matrix: the adapter offers no cooperative matrices of 16 x 16 in f16");
}

/// What the heads of a bank make of its features.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Grids {
    /// Each head has its own norm before the first layer.
    Own,
    /// All have that of the first.
    Shared,
}

/// Three heads of one codebook, of 41 inputs and 7, 6 and 5 outputs.
fn bank(table: bool, grids: Grids) -> Bank {
    let first = integer_head(&[41, 23, 7], 19, table, 1);
    let members: Vec<Member> = (0..3)
        .map(|n| {
            let own = integer_head(&[41, 23, 7 - n], 19, table, 20 + n as u64);
            let layers = own.layers().iter().zip(first.layers()).enumerate().map(|(at, (own, shared))| {
                let mut layer = own.clone();
                layer.quantised = with_codebook(&own.quantised, &shared.quantised);
                if at == 0 && grids == Grids::Shared {
                    layer.input_map = shared.input_map.clone();
                }
                layer
            });
            Member { name: format!("head {n}"), head: CompressedHead::new(layers.collect(), None).unwrap() }
        })
        .collect();
    Bank::new(members).unwrap()
}

/// An adapter with cooperative matrices needs room for basis weights: 10 halves an input, inputs in eights, rows in whole tiles, and
/// two blocks of 16 x 16 that are read past the end. A batch whose basis weights take more than 96 MiB takes several equal passes.
#[test]
fn plans_have_room_for_the_basis_of_matrices() {
    let limits = Limits::default().workgroup_storage(49_152).matrix_subgroup(32);
    let head = Head::from(integer_head(&[2045, 512, 5], 256, false, 1));
    let basis = |plan: &Plan| plan.buffers().iter().find(|buffer| buffer.name == "basis").map(|buffer| buffer.bytes);
    let plan = Plan::new(&head, &limits, 169).unwrap();
    assert_eq!(basis(&plan), Some(192 * 2048 * 10 * 2 + 1024));
    let plan = Plan::new(&head, &limits, 4096).unwrap();
    assert_eq!((plan.chunk_rows(), basis(&plan)), (2048, Some(2048 * 2048 * 10 * 2 + 1024)));
    let halves = Plan::with_options(&head, &limits, 676, &PlanOptions::default().chunk_rows(384)).unwrap();
    assert_eq!((halves.chunk_rows(), basis(&halves)), (384, Some(384 * 2048 * 10 * 2 + 1024)));
    let plain = Plan::new(&head, &limits.matrix_subgroup(None), 4096).unwrap();
    assert_eq!((plain.chunk_rows(), basis(&plain)), (4096, None));
}

/// Rows a workgroup, and inputs, of the tiles that an H100 was fastest with, in microseconds for a layer of 2048 or 1392 inputs.
#[test]
fn matrices_are_cut_as_was_measured_to_be_fastest() {
    let limits = Limits::default().workgroup_storage(49_152).matrix_subgroup(32);
    for (widths, rows, expected) in [
        // 26.5; 128 rows 33.0.
        ([2048, 512], 64, (64, 64)),
        // 38.5; slices of 32 47.4, of 128 45.0; two tiles of 128 rows 53.1.
        ([2048, 512], 169, (192, 64)),
        // 53.7; 256 rows 69.2.
        ([2048, 512], 300, (192, 128)),
        // 93.9; 256 rows 117.
        ([2048, 512], 676, (192, 256)),
        // 131; 128 rows 137, 192 rows 182.
        ([2048, 512], 1024, (256, 256)),
        // 51.4; 192 rows 57.8, 256 rows 55.0.
        ([1392, 256], 676, (128, 128)),
        // 31.4 in a trial program; 128 rows 34.1.
        ([512, 75], 4096, (256, 64)),
    ] {
        let head = Head::from(integer_head(&widths, 256, false, 1));
        let plan = Plan::new(&head, &limits, rows).unwrap();
        let Plan::Integer(plan) = plan else { panic!("a head in integers") };
        let IntegerTile::Matrix(tile) = plan.schedule.tiles(rows)[0] else {
            panic!("{widths:?}, {rows} rows: no matrices")
        };
        assert_eq!((tile.rows(), tile.slice), expected, "{widths:?}, {rows} rows: {tile:?}");
    }
}

/// Heads with the same grids read the basis weights that one of them needs.
#[test]
fn heads_with_the_same_grids_share_the_basis_of_matrices() {
    let limits = Limits::default().workgroup_storage(49_152).matrix_subgroup(32);
    let options = PlanOptions::default().strategy(Strategy::Matrix);
    let basis = |grids| {
        let plan = Plan::with_options(&bank(false, grids).into(), &limits, 128, &options).unwrap();
        plan.buffers().iter().find(|buffer| buffer.name == "basis").map(|buffer| buffer.bytes)
    };
    // 128 rows of 48 inputs by 10 halves, and two blocks that are read past the end; the second layer has 24 inputs a head.
    assert_eq!(basis(Grids::Own), Some(3 * 128 * 48 * 10 * 2 + 1024));
    assert_eq!(basis(Grids::Shared), Some(3 * 128 * 24 * 10 * 2 + 1024));
}

/// Heads of one codebook in one pass: each gives what it gives alone.
#[test]
fn a_bank_in_one_pass_gives_what_its_heads_give() {
    for table in [false, true] {
        let bank = bank(table, Grids::Own);
        for strategy in [None, Some(Strategy::Edges), Some(Strategy::Rows)] {
            let options = PlanOptions::default().strategy(strategy);
            let mut session = Session::open_with(&GPU, &bank.clone().into(), 40, &options).unwrap();
            for rows in [1, 3, 40] {
                let input: Vec<f32> = Random::new(3).many(rows * 41).iter().map(|x| 1.6 * x).collect();
                let found = session.run(&input).unwrap();
                for (at, member) in bank.members().iter().enumerate() {
                    let range = bank.output_range(at);
                    let own: Vec<f32> =
                        found.chunks(bank.outputs()).flat_map(|row| row[range.clone()].to_vec()).collect();
                    assert_eq!(own, CompressedReference::new(&member.head).run(&input), "{}, {rows} rows", member.name);
                }
            }
        }
    }
}

fn with_codebook(own: &Quantised, shared: &Quantised) -> Quantised {
    use Quantised::Int8;
    match (own, shared) {
        (Int8 { gains, gain_scale, output_scale, .. }, Int8 { codebook, .. }) => Int8 {
            codebook: codebook.clone(),
            gains: gains.clone(),
            gain_scale: gain_scale.clone(),
            output_scale: output_scale.clone(),
        },
        _ => panic!("heads in integers"),
    }
}
