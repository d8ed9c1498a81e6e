//! What stands for a device without the feature `gpu`.

/// An open adapter. Without the feature `gpu` there is none: wherever an `Option<Gpu>` is taken, it is `None`.
#[derive(Debug, Clone, PartialEq)]
pub enum Gpu {}
