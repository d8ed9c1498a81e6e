//! The program as its users meet it: exit statuses, one-line failures, files and JSON.
#![allow(missing_docs, unreachable_pub)]

#[path = "cli/bank.rs"]
mod bank;
#[path = "cli/batch.rs"]
mod batch;
#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/budgets.rs"]
mod budgets;
#[path = "cli/demo.rs"]
mod demo;
#[path = "cli/eval.rs"]
mod eval;
#[path = "cli/every_kind.rs"]
mod every_kind;
#[path = "cli/failures.rs"]
mod failures;
#[path = "cli/imports.rs"]
mod imports;
#[path = "cli/json.rs"]
mod json;
#[path = "cli/live.rs"]
mod live;
#[path = "cli/network.rs"]
mod network;
#[path = "cli/onnx.rs"]
mod onnx;
#[cfg(feature = "ort")]
#[path = "cli/onnxruntime.rs"]
mod onnxruntime;
#[path = "cli/presets.rs"]
mod presets;
#[path = "cli/program.rs"]
mod program;
#[path = "cli/rect.rs"]
mod rect;
#[path = "cli/round_trip.rs"]
mod round_trip;
#[path = "cli/rows.rs"]
mod rows;
#[cfg(unix)]
#[path = "cli/special_files.rs"]
mod special_files;
#[path = "cli/study.rs"]
mod study;
#[path = "cli/tune.rs"]
mod tune;
#[path = "cli/usage.rs"]
mod usage;
#[path = "cli/video.rs"]
mod video;
