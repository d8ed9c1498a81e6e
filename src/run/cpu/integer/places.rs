//! From a row's inputs to what they take of the codewords.

/// Coefficients that an input takes of a codeword.
pub(super) const TAPS: usize = 4;

/// What one input of a row takes.
#[derive(Debug, Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(super) struct Place {
    /// The first of four coefficients that are all there.
    pub(super) first: u32,
    /// Their weights, 0 to 127.
    pub(super) weights: [u8; TAPS],
}

impl Place {
    /// The place of weights from coefficient `first` on, of `coefficients`: at least four. Weights outside count nothing.
    #[inline]
    pub(super) fn new(first: i32, weights: [i8; TAPS], coefficients: usize) -> Self {
        let bits = u32::from_le_bytes(weights.map(|weight| weight as u8));
        let inside = first.clamp(0, (coefficients - TAPS) as i32);
        let moved = 8 * inside.abs_diff(first);
        let bits = if inside > first { bits.checked_shr(moved) } else { bits.checked_shl(moved) };
        Self { first: inside as u32, weights: bits.unwrap_or(0).to_le_bytes() }
    }
}
