//! Names for whatever determines a result.

use std::fmt;

use sha2::{Digest, Sha256};

/// A digest of parts, as 32 hexadecimal digits (the first half of a SHA-256).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Takes parts one after the other. Their borders count: `ab`, `c` is not `a`, `bc`.
#[derive(Clone, Default)]
pub struct Fingerprinter(Sha256);

impl Fingerprinter {
    /// Without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part.
    #[must_use]
    pub fn with(mut self, part: impl AsRef<[u8]>) -> Self {
        let part = part.as_ref();
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
        self
    }

    /// The digest of all parts.
    pub fn finish(self) -> Fingerprint {
        Fingerprint(self.0.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_half_of_a_sha_256_and_borders_count() {
        // sha256 of nothing.
        assert_eq!(Fingerprinter::new().finish().as_str(), "e3b0c44298fc1c149afbf4c8996fb924");
        let ab = Fingerprinter::new().with("ab").with("c").finish();
        assert_ne!(ab, Fingerprinter::new().with("a").with("bc").finish());
        assert_eq!(ab, Fingerprinter::new().with(b"ab").with("c").finish());
    }
}
