//! The CPU session: the bits of the reference in integers, close to it elsewhere, for every shape and number of rows.

mod support;

use sharekan::head::{CompressedHead, CompressedLayer, GainScale, Head, InputMap, Quantised};
use sharekan::reference::CompressedReference;
use sharekan::run::CpuSession;
use support::*;

/// Numbers of rows around those at which the session changes its way.
const ROWS: [usize; 9] = [0, 1, 2, 3, 15, 16, 17, 33, 300];

fn inputs(rows: usize, width: usize, seed: u64) -> Vec<f32> {
    // Some lie beyond the grid and the clamp.
    Random::new(seed).many(rows * width).iter().map(|x| 1.7 * x).collect()
}

/// Bit for bit, NaN for NaN.
fn assert_same(head: &CompressedHead, rows: &[usize], what: &str) {
    let session = CpuSession::new(Head::Compressed(head.clone()));
    for &rows in rows {
        let x = inputs(rows, head.inputs(), rows as u64);
        let bits = |y: Vec<f32>| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
        let expected = bits(CompressedReference::new(head).run(&x));
        assert!(bits(session.run(&x).unwrap()) == expected, "{what}: {rows} rows differ from the reference");
    }
}

fn one_layer(layer: CompressedLayer) -> CompressedHead {
    CompressedHead::new(vec![layer], None).unwrap()
}

#[test]
fn shapes_codebooks_and_gain_scales() {
    let random = &mut Random::new(1);
    for table in [false, true] {
        for (inputs, outputs) in [(1, 1), (3, 2), (4, 300), (5, 7), (37, 16), (257, 3), (1023, 5), (1030, 9), (2100, 4)]
        {
            for codewords in [1, 2, 16, 255, 256, 257, 5000] {
                let map = norm(inputs, CLAMP, random);
                let layer = integer_layer([inputs, outputs, codewords], even(inputs, 3, 7), map, table, random);
                assert_same(
                    &one_layer(layer),
                    &[1, 2, 3, 17, 35],
                    &format!("{inputs} -> {outputs}, K {codewords}, table {table}"),
                );
            }
        }
    }
}

#[test]
fn numbers_of_rows() {
    for table in [false, true] {
        assert_same(&integer_head(&[70, 33, 12], 64, table, 5), &ROWS, &format!("table {table}"));
        assert_same(&integer_head(&[1500, 11, 3], 300, table, 6), &ROWS, &format!("wide, table {table}"));
    }
}

/// The largest codebook, with one output and with many.
#[test]
fn the_largest_codebook() {
    let random = &mut Random::new(2);
    for outputs in [3, 40] {
        let layer = integer_layer([9, outputs, 65_536], even(9, 3, 7), norm(9, CLAMP, random), true, random);
        assert_same(&one_layer(layer), &[1, 20], &format!("{outputs} outputs"));
    }
}

/// Orders and grids on either side of what fits a vector of bytes, with inputs that nothing keeps within the grid.
#[test]
fn orders_and_grids() {
    let random = &mut Random::new(3);
    for order in 1..=3 {
        for intervals in [1, 2, 7, 12, 13, 14, 15, 60, 61, 62, 80, 4096] {
            for clamp in [None, CLAMP, Some([-0.4, 2.5])] {
                let map = norm(6, clamp, random);
                let layer = integer_layer([6, 5, 11], even(6, order, intervals), map, order == 2, random);
                assert_same(
                    &one_layer(layer),
                    &[1, 2, 18],
                    &format!("order {order}, {intervals} intervals, clamp {clamp:?}"),
                );
            }
        }
        let layer = integer_layer([6, 5, 11], even(6, order, 7), InputMap::Identity, false, random);
        assert_same(&one_layer(layer), &[1, 2, 18], "no map");
    }
}

/// The largest sums that the arithmetic allows: every factor at its end.
#[test]
fn the_largest_sums() {
    let random = &mut Random::new(4);
    for (table, sign) in [(false, 1), (false, -1), (true, 1), (true, -1)] {
        let mut layer = integer_layer([2050, 3, 1], even(2050, 3, 7), norm(2050, CLAMP, random), table, random);
        if let Quantised::Int8 { codebook, gains, gain_scale, .. } = &mut layer.quantised {
            codebook.fill(127 * sign);
            gains.fill(127);
            if let GainScale::Table(levels) = gain_scale {
                levels.fill(2047);
            }
        }
        assert_same(&one_layer(layer), &[1, 19], &format!("table {table}, sign {sign}"));
    }
}

/// A NaN or a free infinity spoils its own row and no other; a clamp bounds an infinity.
#[test]
fn spoilt_rows() {
    for clamp in [None, CLAMP] {
        let random = &mut Random::new(8);
        let layer = integer_layer([300, 4, 20], even(300, 3, 7), norm(300, clamp, random), false, random);
        let head = one_layer(layer);
        let session = CpuSession::new(Head::Compressed(head.clone()));
        for rows in [1, 2, 20, 400] {
            for (bad, row) in [(f32::NAN, 0), (f32::INFINITY, rows / 2), (f32::NEG_INFINITY, rows - 1)] {
                let mut x = inputs(rows, 300, 9);
                let clean = session.run(&x).unwrap();
                x[row * 300 + 299] = bad;
                let found = session.run(&x).unwrap();
                let expected = CompressedReference::new(&head).run(&x);
                for (at, ((y, expected), clean)) in found.iter().zip(&expected).zip(&clean).enumerate() {
                    let spoilt = at / 4 == row && (bad.is_nan() || clamp.is_none());
                    assert_eq!(y.is_nan(), spoilt, "{bad} in row {row} of {rows}, output {at}");
                    assert!(spoilt || y == expected);
                    assert!(at / 4 == row || y == clean);
                }
            }
        }
    }
}

/// Heads of the reference's own arithmetic stay with it.
#[test]
fn float_codebooks() {
    let head = float_head(&[40, 20, 5], 30, 3);
    assert_same(&head, &[0, 1, 20], "float");
}

#[test]
fn part_of_a_row_is_refused() {
    let session = CpuSession::new(Head::Compressed(integer_head(&[7, 3], 4, false, 1)));
    assert_eq!(session.run(&[0.0; 15]).unwrap_err().to_string(), "input has 15 values, expected whole rows of 7");
}
