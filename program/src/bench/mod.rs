//! How fast heads run on a device, and how fast they could.
//!
//! [`measure`] runs every [`Configuration`] - a [`Form`] of the head, a codebook size, a number of heads, a batch - on a
//! device, one sample of each in turn so that drift hits all alike, and holds the times against what the very same
//! device can do: memory bandwidth, reads from workgroup memory and integer dot products, measured by kernels of a few
//! lines. The [`Report`] is what a program reads ([`Report::from_json`], [`Report::csv`]) and what [`page()`] draws;
//! [`Comparison`] puts two machines side by side.
//!
//! Times of a device in software say nothing about graphics processors; reports and pages are marked so.
//!
//! The library knows no date: the caller gives it, with the command that was typed.

mod comparison;
mod configuration;
mod csv;
mod device_kernel;
mod error;
mod heads;
mod measure;
mod page;
mod rates;
mod report;
mod roofline;
mod sampling;
mod statistics;
mod subject;
mod timer;
mod traffic;

pub use comparison::{ComparedRow, Comparison};
pub use configuration::{Configuration, Form, MAX_BATCH, MAX_EDGES, MAX_HEADS, Matrix};
pub use error::BenchError;
pub use heads::{HeadSource, synthetic_head};
pub use measure::{Provenance, Step, Target, measure};
pub use page::{comparison_page, page};
pub use rates::Rates;
pub use report::{DeviceFacts, HeadFacts, Method, Report, Row, Settings, Skipped};
pub use roofline::{Bounds, bounds};
pub use statistics::{MAX_DRIFT, MAX_RELATIVE_IQR, Noise, Summary, noise};
pub use traffic::Traffic;
