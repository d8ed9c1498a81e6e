//! `sharekan adapters`: what this machine can run on.

use clap::Args;
use sharekan::run::{AdapterReport, GpuOptions, list_adapters};

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
    let options = args.adapter.options()?;
    let found = pollster::block_on(list_adapters(&options));
    if found.is_empty() {
        screen.line(none_found(&options))?;
    }
    for (at, adapter) in found.iter().enumerate() {
        let gap = if at > 0 { "\n" } else { "" };
        screen.line(format!("{gap}{}\n{}", adapter.name, described(adapter)))?;
    }
    args.json.write(&found)
}

/// Why none is listed: there is none, or none that was asked for.
fn none_found(options: &GpuOptions) -> String {
    let asked = match (&options.name, options.backends) {
        (None, None) => None,
        (Some(name), None) => Some(format!("is named {name:?}")),
        (None, Some(_)) => Some("has a backend that WGPU_BACKEND names".to_owned()),
        (Some(name), Some(_)) => Some(format!("is named {name:?} and has a backend that WGPU_BACKEND names")),
    };
    let all = asked.as_ref().map(|_| pollster::block_on(list_adapters(&GpuOptions::default()))).unwrap_or_default();
    match asked {
        Some(asked) if !all.is_empty() => {
            let all = all.iter().map(|adapter| format!("{} ({})", adapter.name, adapter.backend));
            format!("no graphics adapter {asked}; those found are {}", list(all))
        }
        _ => "no graphics adapter was found; heads run on the CPU".into(),
    }
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
