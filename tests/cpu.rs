//! The CPU session: the bits of the reference in integers, close to it elsewhere, for every shape and number of rows.

mod support;

use sharekan::head::{
    Activation, Basis, CompressedHead, CompressedLayer, DenseHead, GainScale, Head, InputMap, Quantised,
};
use sharekan::reference::{CompressedReference, DenseReference};
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
    let session = CpuSession::new(Head::from(head.clone()));
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

/// A second stage has its own codebook and segments.
#[test]
fn residual_codebooks() {
    let random = &mut Random::new(14);
    for table in [false, true] {
        for (inputs, outputs, codewords) in [(1, 1, 1), (5, 30, 20), (300, 12, 256), (1030, 4, 9), (2049, 3, 256)] {
            let map = norm(inputs, CLAMP, random);
            let layer = integer_layer([inputs, outputs, codewords], even(inputs, 3, 7), map, table, random);
            let head = one_layer(residual_layer(layer, random));
            assert_same(&head, &[1, 2, 17, 40], &format!("{inputs} -> {outputs}, K {codewords}, table {table}"));
        }
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
        let session = CpuSession::new(Head::from(head.clone()));
        for rows in [1, 2, 20, 400] {
            let bads = [(f32::NAN, 0, 299), (f32::INFINITY, rows / 2, 299), (f32::NEG_INFINITY, rows - 1, 299)];
            // Vectors of inputs end before the last one.
            let firsts = bads.map(|(bad, row, _)| (bad, row, 3));
            for (bad, row, input) in bads.into_iter().chain(firsts) {
                let mut x = inputs(rows, 300, 9);
                let clean = session.run(&x).unwrap();
                x[row * 300 + input] = bad;
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

/// Dense heads of every kind of basis, against the textbook in f64.
#[test]
fn dense_heads() {
    let random = &mut Random::new(12);
    let mut layers = Vec::new();
    for order in [1, 2, 3, 4, 7] {
        for clamp in [None, CLAMP, Some([-1.6, 1.2])] {
            for intervals in [1, 7, 23] {
                let map = norm(19, clamp, random);
                layers.push(dense_layer(19, 140, even(19, order, intervals), map, Some(Activation::Silu), random));
            }
        }
        let basis = uneven(19, order, 5, random);
        layers.push(dense_layer(19, 6, basis, InputMap::Identity, Some(Activation::Gelu), random));
        layers.push(dense_layer(130, 3, even(130, order, 7), InputMap::Identity, None, random));
    }
    let bumps = Basis::Gaussian { centres: (0..8).map(|c| f64::from(c) * 0.5 - 2.0).collect(), denominator: 0.5 };
    let map = InputMap::LayerNorm { weight: random.many(19), bias: random.many(19), epsilon: 1e-5 };
    layers.push(dense_layer(19, 5, bumps, map, Some(Activation::Silu), random));
    let mut heads: Vec<DenseHead> = layers.into_iter().map(|l| DenseHead::new(vec![l], None).unwrap()).collect();
    heads.push(dense_head(&[700, 40, 9], 3));
    for (at, head) in heads.into_iter().enumerate() {
        let session = CpuSession::new(Head::Dense(head.clone()));
        for rows in [0, 1, 3, 7, 8, 40, 300] {
            let x = inputs(rows, head.inputs(), rows as u64);
            let expected: Vec<f32> = DenseReference::new(&head).run(&x).iter().map(|&y| y as f32).collect();
            let error = error(&session.run(&x).unwrap(), &expected);
            assert!(error < 1e-5, "head {at}, {rows} rows: {error:e}");
        }
    }
}

/// A NaN or a free infinity spoils its own row of a dense head and no other.
#[test]
fn spoilt_rows_of_dense_heads() {
    for clamp in [None, CLAMP] {
        let random = &mut Random::new(13);
        let layer = dense_layer(30, 4, even(30, 3, 7), norm(30, clamp, random), Some(Activation::Silu), random);
        let session = CpuSession::new(Head::Dense(DenseHead::new(vec![layer], None).unwrap()));
        for rows in [1, 4, 20] {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut x = inputs(rows, 30, 9);
                let clean = session.run(&x).unwrap();
                x[(rows - 1) * 30 + 29] = bad;
                for (at, (y, clean)) in session.run(&x).unwrap().iter().zip(&clean).enumerate() {
                    let row = at / 4 == rows - 1;
                    assert_eq!(y.is_nan(), row && (bad.is_nan() || clamp.is_none()), "{bad}, {rows} rows, output {at}");
                    assert!(row || y == clean);
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
    let session = CpuSession::new(Head::from(integer_head(&[7, 3], 4, false, 1)));
    assert_eq!(session.run(&[0.0; 15]).unwrap_err().to_string(), "input has 15 values, expected whole rows of 7");
}
