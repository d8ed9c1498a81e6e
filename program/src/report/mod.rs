//! How results are shown: plots, tables, pages.

mod error;
mod precision_recall;

pub(crate) use error::ReportError;
pub(crate) use precision_recall::{COLOURS, precision_recall_svg};
