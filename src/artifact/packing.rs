//! Numbers of a few bits each, low bits first, without gaps.

/// Bits that name one of `count` things; at least 1.
pub(super) fn bits_for(count: usize) -> u32 {
    usize::BITS - count.saturating_sub(1).max(1).leading_zeros()
}

/// Bytes of `count` numbers of `bits`; `None` where that is past every size.
pub(super) fn packed_bytes(count: usize, bits: u32) -> Option<usize> {
    count.checked_mul(bits as usize).map(|bits| bits.div_ceil(8))
}

/// Packs the low `bits` of each value, 1 to 16. The bits after the last are zero.
pub(super) fn pack(values: impl Iterator<Item = u16>, bits: u32) -> Vec<u8> {
    let (mut bytes, mut held, mut buffer) = (Vec::new(), 0u32, 0u32);
    for value in values {
        buffer |= (u32::from(value) & ((1 << bits) - 1)) << held;
        held += bits;
        while held >= 8 {
            bytes.push(buffer as u8);
            buffer >>= 8;
            held -= 8;
        }
    }
    if held > 0 {
        bytes.push(buffer as u8);
    }
    bytes
}

/// `count` values of `bits` each, 1 to 16; `None` where the bytes are too many or too few, or bits after the last are
/// set.
pub(super) fn unpack(bytes: &[u8], count: usize, bits: u32) -> Option<Vec<u16>> {
    if packed_bytes(count, bits) != Some(bytes.len()) {
        return None;
    }
    let (mut values, mut held, mut buffer) = (Vec::with_capacity(count), 0u32, 0u32);
    for &byte in bytes {
        buffer |= u32::from(byte) << held;
        held += 8;
        while held >= bits && values.len() < count {
            values.push((buffer & ((1 << bits) - 1)) as u16);
            buffer >>= bits;
            held -= bits;
        }
    }
    (buffer == 0).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths() {
        for (count, bits) in
            [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (64, 6), (65, 7), (256, 8), (257, 9), (65_536, 16)]
        {
            assert_eq!(bits_for(count), bits, "{count}");
        }
    }

    /// By hand: 1, 2, 3, 63 in six bits are 000001 000010 000011 111111 from the low end.
    #[test]
    fn hand_packed() {
        assert_eq!(pack([1, 2, 3, 63].into_iter(), 6), [0b1000_0001, 0b0011_0000, 0b1111_1100]);
        assert_eq!(pack([0xa, 0x5, 0xf].into_iter(), 4), [0x5a, 0x0f]);
        assert_eq!(pack([0x1234, 0xabcd].into_iter(), 16), [0x34, 0x12, 0xcd, 0xab]);
        assert_eq!(unpack(&[0b1000_0001, 0b0011_0000, 0b1111_1100], 4, 6).unwrap(), [1, 2, 3, 63]);
    }

    #[test]
    fn every_width_comes_back() {
        for bits in 1..=16u32 {
            for count in [0usize, 1, 2, 7, 8, 9, 101] {
                let values: Vec<u16> =
                    (0..count).map(|n| ((n * 40_503 + 17) as u32 & ((1 << bits) - 1)) as u16).collect();
                let bytes = pack(values.iter().copied(), bits);
                assert_eq!(unpack(&bytes, count, bits).unwrap(), values, "{bits} bits, {count}");
            }
        }
    }

    #[test]
    fn refuses_wrong_lengths_and_loose_bits() {
        assert!(unpack(&[0, 0], 3, 4).is_some());
        assert!(unpack(&[0, 0x10], 3, 4).is_none());
        assert!(unpack(&[0], 3, 4).is_none());
        assert!(unpack(&[0, 0, 0], 3, 4).is_none());
        assert!(unpack(&[], usize::MAX, 16).is_none());
    }
}
