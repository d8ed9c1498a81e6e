//! Gains of 4 bits: the same bits on every device, half a byte an edge in the file.

mod support;

use sharekan::artifact;
use sharekan::head::{CompressedHead, GainScale, Head, Quantised};
use sharekan::reference::CompressedReference;
use sharekan::run::Session;
use support::*;

fn head(widths: &[usize], codewords: usize, seed: u64) -> CompressedHead {
    let wide = integer_head(widths, codewords, true, seed);
    let layers = wide.layers().iter().cloned().map(|mut layer| {
        if let Quantised::Int8 { gains, gain_scale, .. } = &mut layer.quantised {
            gains.iter_mut().for_each(|code| *code &= 15);
            let sizes = [3i16, 60, 171, 333, 600, 999, 1500, 2047];
            *gain_scale = GainScale::Table(sizes.iter().copied().chain(sizes.iter().map(|size| -size)).collect());
        }
        layer
    });
    CompressedHead::new(layers.collect(), None).unwrap()
}

#[test]
fn kernels_give_the_bits_of_the_reference() {
    for (widths, codewords) in [(&[13usize, 17][..], 5), (&[97, 31, 3], 64), (&[7, 1], 1)] {
        let head = head(widths, codewords, 3);
        let input: Vec<f32> = Random::new(9).many(33 * widths[0]).iter().map(|x| 1.6 * x).collect();
        let expected = CompressedReference::new(&head).run(&input);
        let mut session = Session::open(&GPU, &Head::from(head), 33).unwrap();
        assert_eq!(session.run(&input).unwrap(), expected, "{widths:?}");
    }
}

/// 13 x 17 = 221 edges: 111 bytes of gains; indices of 3 bits for 5 codewords, 83 bytes; 221 of 9 bits, 249 bytes.
#[test]
fn files_are_packed_and_come_back() {
    for (codewords, index_bytes) in [(5, 83), (256, 221), (300, 249)] {
        let head = head(&[13, 17], codewords, 4);
        let bytes = artifact::to_bytes(&head.clone().into()).unwrap();
        assert_eq!(artifact::read(&bytes).unwrap().single(), Some(&head));
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let length = |name: &str| file.tensor(name).unwrap().data().len();
        assert_eq!(length("layers.0.gains"), 111);
        assert_eq!(length("layers.0.gain_levels"), 32);
        assert_eq!(length("layers.0.indices"), index_bytes);
    }
}

/// A bit after the last gain, and a code past the table, are refused.
#[test]
fn loose_bits_are_refused() {
    let head = head(&[13, 17], 5, 4);
    let mut bytes = artifact::to_bytes(&head.clone().into()).unwrap();
    let last = {
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let gains = file.tensor("layers.0.gains").unwrap().data();
        gains.as_ptr() as usize - bytes.as_ptr() as usize + gains.len() - 1
    };
    bytes[last] |= 0x80;
    let refusal = artifact::read(&bytes).unwrap_err().to_string();
    assert!(refusal.contains("layers.0.gains") && refusal.contains("bits after the last"), "{refusal}");
}
