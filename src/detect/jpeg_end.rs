//! Is a JPEG file whole?
//!
//! Decoders fill what is missing of a cut-off JPEG with grey and report no error, so that boxes would be found on half
//! an image without a word. The end-of-image marker tells; it is looked for by walking the segments, because thumbnails
//! in a segment have end markers of their own.

const FILL: u8 = 0xFF;
const STUFFED: u8 = 0x00;
const TEMPORARY: u8 = 0x01;
const START_OF_IMAGE: u8 = 0xD8;
const END_OF_IMAGE: u8 = 0xD9;
const START_OF_SCAN: u8 = 0xDA;

/// True where the segments of a JPEG file lead to an end-of-image marker after at least one scan.
pub(super) fn has_end(bytes: &[u8]) -> bool {
    let mut at = 0;
    let mut scanned = false;
    while let Some(marker) = next_marker(bytes, &mut at) {
        match marker {
            END_OF_IMAGE => return scanned,
            STUFFED | TEMPORARY | START_OF_IMAGE | 0xD0..=0xD7 => {}
            segment => {
                let Some(length) = bytes.get(at..at + 2) else { return false };
                at += usize::from(u16::from_be_bytes([length[0], length[1]]));
                scanned |= segment == START_OF_SCAN;
            }
        }
    }
    false
}

/// The byte after the next 0xFF from `at` on, which then stands behind it.
fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    *at += bytes.get(*at..)?.iter().position(|&byte| byte == FILL)?;
    *at += bytes.get(*at..)?.iter().position(|&byte| byte != FILL)?;
    *at += 1;
    bytes.get(*at - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Start, a segment that holds an end marker, a scan with stuffed and restart bytes, end.
    const WHOLE: [u8; 21] = [
        0xFF, 0xD8, 0xFF, 0xE1, 0x00, 0x04, 0xFF, 0xD9, 0xFF, 0xDA, 0x00, 0x02, 0x12, 0xFF, 0x00, 0xFF, 0xD0, 0x34,
        0xFF, 0xFF, 0xD9,
    ];

    #[test]
    fn only_a_whole_file_has_its_end() {
        assert!(has_end(&WHOLE));
        for length in 0..WHOLE.len() {
            assert!(!has_end(&WHOLE[..length]), "cut to {length} bytes");
        }
    }

    #[test]
    fn bytes_after_the_end_do_not_matter() {
        assert!(has_end(&[&WHOLE[..], &[0; 32]].concat()));
    }
}
