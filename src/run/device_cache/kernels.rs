//! Compiled kernels in a file: their SHA-256, then the bytes. A file that was cut off or changed is told by it.

use sha2::{Digest, Sha256};

const DIGEST_BYTES: usize = 32;

pub(super) fn seal(kernels: &[u8]) -> Vec<u8> {
    let mut sealed = Sha256::digest(kernels).to_vec();
    sealed.extend_from_slice(kernels);
    sealed
}

/// The bytes that were sealed; `None` where they are not those.
pub(super) fn unseal(sealed: &[u8]) -> Option<&[u8]> {
    let (digest, kernels) = sealed.split_at_checked(DIGEST_BYTES)?;
    (Sha256::digest(kernels)[..] == *digest).then_some(kernels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_files_are_opened() {
        let sealed = seal(b"kernels");
        // The SHA-256 of these seven bytes, from coreutils' sha256sum.
        assert_eq!(sealed[..4], [0xe9, 0x8f, 0x56, 0xf9]);
        assert_eq!(unseal(&sealed), Some(&b"kernels"[..]));
        assert_eq!(unseal(&seal(b"")), Some(&b""[..]));
        for cut in [0, 31, 32, sealed.len() - 1] {
            assert_eq!(unseal(&sealed[..cut]), None);
        }
        let mut changed = sealed;
        changed[35] ^= 1;
        assert_eq!(unseal(&changed), None);
    }
}
