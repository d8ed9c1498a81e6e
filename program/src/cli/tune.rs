//! `sharekan tune`: the fastest tiles of a head on this machine.

use std::path::PathBuf;

use crate::report::significant;
use clap::Args;
use serde::Serialize;
use sharekan::plan::{IntegerTile, Tuning};
use sharekan::run::{self, DeviceCache, DeviceIdentity, Gpu, TileChoice, Tuned};

use super::device::CacheArgs;
use super::failure::Failure;
use super::options::{AdapterArgs, ImportArgs, MemberArgs};
use super::places::Places;
use super::progress;
use super::screen::{JsonArgs, Screen};
use super::table::{Align, table};

/// Measure which tiles run a head fastest on this machine's graphics adapter, and keep them
///
/// A tile says how the workgroups of a kernel cut a layer. Without measuring they follow a cost model. What is found is
/// kept for this adapter and driver in a folder of the user; `run`, `detect`, `eval`, `verify` and `bench` use it
/// whenever a head has layers of the same shape, for batches of the sizes measured, unless `--no-tuning` is
/// given. The kernels `edges` and `rows` give the same bits whatever the tile.
#[derive(Args)]
#[command(after_long_help = "\
Examples:
  sharekan tune small.safetensors
  sharekan tune small.safetensors --batches 169 --adapter nvidia
  sharekan tune bank.safetensors --batches 1 --json -")]
pub(crate) struct TuneArgs {
    /// Compressed head, or bank
    #[arg(value_name = "HEAD")]
    head: PathBuf,
    #[command(flatten)]
    member: MemberArgs,
    /// Batches in rows, 1 to 4096
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_value = "1,16,169,1024", value_parser = batch)]
    batches: Vec<usize>,
    /// Most tiles to measure for each layer and batch, those first that the cost model holds for fast
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    tiles: u32,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    import: ImportArgs,
}

#[derive(Serialize)]
struct TuneFacts<'a> {
    adapter: DeviceIdentity,
    /// Where the tiles are kept.
    file: Option<PathBuf>,
    choices: &'a [TileChoice],
}

fn batch(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=4096).contains(&number) => Ok(number),
        _ => Err("expected a number from 1 to 4096".into()),
    }
}

pub(crate) fn tune(args: &TuneArgs) -> Result<(), Failure> {
    let screen = args.json.screen()?;
    Places::default()
        .reads("HEAD", &args.head)
        .reads("--head-config", args.import.head_config())
        .writes("--json", args.json.path())
        .check()?;
    let options = args.adapter.options()?;
    let opened = args.import.open_any(&args.head, &args.member)?;
    let head = &opened.head;
    let cache = args.cache.open();
    let gpu = match &cache {
        Some(cache) => cache.open_gpu(&options)?,
        None => pollster::block_on(Gpu::open(&options))?,
    };
    let most = args.tiles as usize;
    let number = run::measurements(&gpu, head, &args.batches, most).map_err(|e| super::device::about(e, &args.head))?;
    if number == 0 {
        return Err(Failure::new(format!(
            "{}: has no layers in integers in one pass, expected a head or bank that was compressed to 8 bits",
            args.head.display()
        )));
    }
    check(cache.as_ref(), screen)?;
    let bar = progress::long_bar(number);
    let tuned = run::tune(&gpu, head, &args.batches, most, &mut |time| {
        bar.set_message(format!("layer {}, batch {}, {}", time.layer, time.rows, named(&time.tile)));
        bar.inc(1);
    })?;
    bar.finish_and_clear();

    screen.line(format!("{} ({})", gpu.info().name, gpu.kind()))?;
    print_choices(screen, &tuned)?;
    let file = cache.as_ref().map(|cache| keep(cache, &gpu, &tuned.tuning, screen)).transpose()?;
    let facts = TuneFacts { adapter: DeviceIdentity::of(gpu.info()), file, choices: &tuned.choices };
    args.json.write_about(&facts, opened.assumptions())
}

/// Refuses a folder that keeps nothing before anything is measured, and says where none is named.
pub(super) fn check(cache: Option<&DeviceCache>, screen: Screen) -> Result<(), Failure> {
    match cache {
        Some(cache) => Ok(cache.check()?),
        None => screen.line("no cache folder is named (--cache, SHAREKAN_CACHE): what is measured is shown, not kept"),
    }
}

/// Adds the tiles to those that are there; a file that is of no use any more is replaced, with a word.
pub(super) fn keep(cache: &DeviceCache, gpu: &Gpu, tuning: &Tuning, screen: Screen) -> Result<PathBuf, Failure> {
    if let Some(problem) = cache.keep_tuning(gpu, tuning)? {
        screen.line(format!("replaced: {problem}"))?;
    }
    if let Err(problem) = cache.keep_kernels(gpu) {
        tracing::warn!("{problem}; kernels are compiled anew next time");
    }
    let path = cache.tiles_path(gpu);
    screen.line(format!("wrote {}", path.display()))?;
    Ok(path)
}

fn print_choices(screen: Screen, tuned: &Tuned) -> Result<(), Failure> {
    let right = Align::Right;
    let mut rows = table([
        ("layer", right),
        ("batch", right),
        ("planned tile", Align::Left),
        ("head us", right),
        ("best tile", Align::Left),
        ("head us", right),
    ]);
    for choice in &tuned.choices {
        let same = choice.best == choice.planned;
        rows.add_row([
            choice.layer.to_string(),
            choice.rows.to_string(),
            named(&choice.planned),
            significant(choice.planned_us),
            if same { "the planned one".into() } else { named(&choice.best) },
            significant(choice.best_us),
        ]);
    }
    screen.line(rows.trim_fmt())?;
    screen.line(
        "tile: kernel, rows x outputs / inputs of a workgroup; p parts of a slice,\n\
         c inputs at once, f fragments; * codebook in a buffer",
    )
}

/// `rows 64x128/256 c16`.
fn named(tile: &IntegerTile) -> String {
    let rest = match tile {
        IntegerTile::Edges(tile) => format!("p{}", tile.split),
        IntegerTile::Rows(tile) => format!("c{}", tile.chunk),
        IntegerTile::Matrix(tile) => format!("f{}x{}", tile.fragments[0], tile.fragments[1]),
    };
    let place = if tile.on_chip() { "" } else { "*" };
    let (name, rows, outputs, slice) = (tile.strategy().name(), tile.rows(), 4 * tile.groups(), tile.slice());
    format!("{name} {rows}x{outputs}/{slice} {rest}{place}")
}
