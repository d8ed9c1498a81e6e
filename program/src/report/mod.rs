//! How results are shown: plots, tables, pages, comma-separated values.

mod axis;
mod bars;
mod canvas;
mod csv;
mod error;
mod page;
mod plot;
mod precision_recall;
pub(crate) mod table;
mod units;

pub(crate) use axis::Axis;
pub(crate) use bars::Bars;
pub(crate) use csv::csv;
pub(crate) use error::ReportError;
pub(crate) use page::{Page, command, figure, legend, plot};
pub(crate) use plot::{Curve, Guide, HALF, Marker, Plot, Point, WIDE};
pub(crate) use precision_recall::precision_recall_svg;
pub(crate) use units::{quantity, significant};
