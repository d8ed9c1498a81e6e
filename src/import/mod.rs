//! Placeholder until the importer lands.

/// Name of the metadata entry that holds a detection head.
pub const DETECTION_KEY: &str = "detection_head";
