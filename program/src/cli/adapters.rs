//! `sharekan adapters`: what this machine can run on.

use clap::Args;
use sharekan::run::{AdapterReport, list_adapters};

use super::failure::Failure;
use super::options::AdapterArgs;
use super::screen::JsonArgs;
use super::table::{count, fields, list, size};

/// List the graphics adapters of this machine, the best first
///
/// With the limits and features that matter to a head. Software adapters have the type cpu; they are only used when
/// asked for, because the CPU path is faster.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  sharekan adapters
  sharekan adapters --adapter nvidia
  sharekan adapters --json - | jq '.[].name'")]
pub(crate) struct AdaptersArgs {
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    json: JsonArgs,
}

pub(crate) fn adapters(args: &AdaptersArgs) -> Result<(), Failure> {
    let screen = args.json.screen()?;
    let found = pollster::block_on(list_adapters(&args.adapter.options()?));
    if found.is_empty() {
        screen.line("no graphics adapter was found; heads run on the CPU")?;
    }
    for (at, adapter) in found.iter().enumerate() {
        let gap = if at > 0 { "\n" } else { "" };
        screen.line(format!("{gap}{}\n{}", adapter.name, described(adapter)))?;
    }
    args.json.write(&found)
}

fn described(adapter: &AdapterReport) -> String {
    let [least, most] = adapter.subgroups;
    fields([
        ("backend", adapter.backend.clone()),
        ("type", adapter.kind.to_owned()),
        ("driver", adapter.driver.clone()),
        (
            "workgroup",
            format!("{} bytes, {} invocations", count(adapter.workgroup_storage), count(adapter.invocations)),
        ),
        ("subgroups", if least == most { least.to_string() } else { format!("{least} to {most}") }),
        (
            "buffers",
            format!(
                "{} a buffer, {} a binding, {} a kernel",
                size(adapter.buffer),
                size(adapter.storage_binding),
                adapter.storage_buffers
            ),
        ),
        ("features", list(&adapter.features)),
    ])
}
