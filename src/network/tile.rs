//! How much of an output a lane and a workgroup of a convolution make.

use std::collections::BTreeMap;
use std::fmt;

use super::kernel::LANES;
use super::options::Precision;
use crate::plan::Tuning;

/// How much a lane and a workgroup of a convolution make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tile {
    /// Pixels of a lane.
    pub(super) pixels: usize,
    /// Quads of channels of a lane.
    pub(super) quads: usize,
    /// Lanes along the channels.
    pub(super) column_lanes: usize,
    /// Lanes along the pixels.
    pub(super) row_lanes: usize,
    /// Lanes that share an inner dimension.
    pub(super) slices: usize,
    /// Reads of a lane that do not wait for each other. In f16 as many products of quads are added up before their sum goes
    /// into one of f32.
    pub(super) unroll: usize,
}

/// What a tile is chosen for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Sizes of the product of matrices: pixels of all images, quads of output channels, and the inner dimension of one
    /// place of the window, in quads or channels.
    Conv { window: [usize; 2], quads: bool, grouped: bool, pixels: usize, outputs: usize, inner: usize },
    /// A convolution of every channel by itself, by the shape of its output.
    Depthwise { window: [usize; 2], stride: [usize; 2], shape: [usize; 4] },
}

/// Tiles that were measured on an adapter, by what is computed in which precision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tiles(BTreeMap<String, [usize; 6]>);

/// Most reads of a lane at once.
const MOST_READS: usize = 4;

/// Bytes of workgroup memory that every adapter has.
const WORKGROUP_MEMORY: usize = 16 << 10;

impl Tile {
    /// As a file has it: pixels and quads of a lane, lanes along pixels and channels, slices, and reads at once.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn numbers(self) -> [usize; 6] {
        [self.pixels, self.quads, self.row_lanes, self.column_lanes, self.slices, self.unroll]
    }

    pub(super) fn lanes(self) -> usize {
        self.column_lanes * self.row_lanes * self.slices
    }

    /// Quads of workgroup memory in which slices meet.
    pub(super) fn partial(self) -> usize {
        if self.slices > 1 { self.lanes() / 2 * self.pixels * self.quads } else { 1 }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conv { window: [y, x], quads, grouped, pixels, outputs, inner } => {
                let kind = if *grouped { "grouped" } else { "conv" };
                let unit = if *quads { 4 } else { 1 };
                write!(f, "{kind} {y}x{x} {}->{} at {pixels}", inner * unit, outputs * 4)
            }
            Self::Depthwise { window: [y, x], stride: [down, right], shape: [n, c, h, w] } => {
                write!(f, "depthwise {y}x{x} by {down}x{right} {n}x{c}x{h}x{w}")
            }
        }
    }
}

impl Task {
    /// A tile chosen without measuring: lanes make several pixels, so that what they read is used several times, and where
    /// that leaves too few lanes to keep the device busy, they share inner dimensions.
    pub(super) fn tile(&self, busy_lanes: usize, precision: Precision) -> Tile {
        match *self {
            Self::Conv { grouped, pixels, outputs, inner, .. } => {
                let products = pixels * outputs;
                let per_lane = [4, 2].into_iter().find(|p| pixels >= 4 * p && products / p * 16 >= busy_lanes);
                let per_lane = per_lane.unwrap_or(1);
                let two = !grouped && outputs >= 16 && products / (2 * per_lane) >= 2 * busy_lanes;
                let quads_per_lane = if two { 2 } else { 1 };
                let lanes = products / per_lane / quads_per_lane;
                let mut slices = 1;
                while slices < 16 && lanes * slices < busy_lanes && inner >= 4 * slices {
                    slices *= 2;
                }
                let column_lanes = outputs.div_ceil(quads_per_lane).next_power_of_two().min(16);
                let mut row_lanes = (LANES / column_lanes / slices).max(1);
                // No more rows than there are.
                while row_lanes > 1 && (row_lanes / 2) * per_lane >= pixels {
                    row_lanes /= 2;
                }
                // More registers for reads leave fewer lanes on a core, which f32 has not to spare.
                let unroll =
                    if precision == Precision::F16 || inner < MOST_READS { inner.clamp(1, MOST_READS) } else { 1 };
                Tile { pixels: per_lane, quads: quads_per_lane, column_lanes, row_lanes, slices, unroll }
            }
            Self::Depthwise { shape: [n, channels, rows, columns], .. } => {
                let outputs = n * rows * columns * channels / 4;
                let pixels = [4, 2].into_iter().find(|p| outputs / p >= busy_lanes && columns >= *p).unwrap_or(1);
                Tile { pixels, quads: 1, column_lanes: 1, row_lanes: LANES, slices: 1, unroll: 1 }
            }
        }
    }

    /// The same tile with another value in one place, for all places in turn: a search along each of them.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn neighbours(&self, tile: Tile, place: usize) -> Vec<Tile> {
        let Self::Conv { pixels: all, outputs, inner, .. } = *self else {
            let Self::Depthwise { shape: [.., columns], .. } = *self else { return Vec::new() };
            let sides = [1, 2, 3, 4, 6].into_iter().filter(|pixels| place == 0 && *pixels <= columns);
            return sides.map(|pixels| Tile { pixels, ..tile }).collect();
        };
        let lanes = tile.lanes();
        // Lanes along the pixels are what others leave.
        let with = |tile: Tile, lanes: usize| Tile { row_lanes: lanes / tile.column_lanes / tile.slices, ..tile };
        let found: Vec<Tile> = match place {
            0 => [1, 2, 4, 8, 16, 32].into_iter().map(|slices| with(Tile { slices, ..tile }, lanes)).collect(),
            1 => [(1, 1), (2, 1), (4, 1), (8, 1), (2, 2), (4, 2), (8, 2), (4, 4)]
                .into_iter()
                .map(|(pixels, quads)| Tile { pixels, quads, ..tile })
                .collect(),
            2 => [4, 8, 16, 32].into_iter().map(|column_lanes| with(Tile { column_lanes, ..tile }, lanes)).collect(),
            3 => [64, 128, 256].into_iter().map(|lanes| with(tile, lanes)).collect(),
            4 => [1, 2, inner.clamp(1, MOST_READS)].into_iter().map(|unroll| Tile { unroll, ..tile }).collect(),
            _ => Vec::new(),
        };
        let worth = |tile: &Tile| {
            tile.pixels <= all
                && tile.unroll <= inner.max(1)
                && tile.quads <= outputs
                && (tile.slices == 1 || inner >= tile.slices)
                && self.takes(*tile)
        };
        found.into_iter().filter(worth).collect()
    }

    /// Whether the kernel can be made with a tile, on every adapter.
    fn takes(&self, tile: Tile) -> bool {
        let Tile { pixels, quads, column_lanes, row_lanes, slices, unroll } = tile;
        let Self::Conv { grouped, .. } = *self else {
            return (1..=8).contains(&pixels) && [quads, column_lanes, slices, unroll] == [1; 4] && row_lanes == LANES;
        };
        [1, 2, 4, 8].contains(&pixels)
            && [1, 2, 4].contains(&quads)
            && (quads == 1 || !grouped)
            && [column_lanes, row_lanes, slices].iter().all(|lanes| lanes.is_power_of_two() && *lanes <= LANES)
            && tile.lanes() <= LANES
            && (1..=MOST_READS).contains(&unroll)
            && tile.partial() * 16 <= WORKGROUP_MEMORY
    }
}

/// Places of a tile that [`Task::neighbours`] changes.
#[cfg(not(target_arch = "wasm32"))]
pub(super) const PLACES: usize = 5;

impl Tiles {
    /// Those that are among what was measured on an adapter.
    pub fn of(tuning: &Tuning) -> Self {
        Self(tuning.networks.clone())
    }

    /// As part of what was measured on an adapter.
    pub fn into_tuning(self) -> Tuning {
        Tuning { networks: self.0, ..Tuning::default() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tile for a task, if it is one that could have been measured: whatever stands in a file, no other tile reaches a
    /// kernel.
    pub(super) fn get(&self, task: &Task, precision: Precision) -> Option<Tile> {
        if self.0.is_empty() {
            return None;
        }
        let [pixels, quads, row_lanes, column_lanes, slices, unroll] = *self.0.get(&key(task, precision))?;
        let tile = Tile { pixels, quads, column_lanes, row_lanes, slices, unroll };
        task.takes(tile).then_some(tile)
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn insert(&mut self, task: &Task, precision: Precision, tile: Tile) {
        self.0.insert(key(task, precision), tile.numbers());
    }
}

fn key(task: &Task, precision: Precision) -> String {
    format!("{} {task}", precision.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: Task = Task::Conv { window: [1, 1], quads: true, grouped: false, pixels: 169, outputs: 48, inner: 288 };

    fn kept(numbers: [usize; 6]) -> Option<Tile> {
        let mut tuning = Tuning::default();
        tuning.networks.insert("f16 conv 1x1 1152->192 at 169".into(), numbers);
        Tiles::of(&tuning).get(&TASK, Precision::F16)
    }

    #[test]
    fn only_tiles_that_could_have_been_measured_are_taken_from_a_file() {
        assert_eq!(kept([1, 1, 4, 4, 16, 2]).map(Tile::numbers), Some([1, 1, 4, 4, 16, 2]));
        for wrong in [
            [0, 1, 4, 4, 16, 4],
            [1, 0, 4, 4, 16, 4],
            [1, 1, 0, 4, 16, 4],
            [3, 1, 4, 4, 16, 4],
            [1, 3, 4, 4, 16, 4],
            [1, 1, 4, 5, 8, 4],
            [1, 1, 8, 4, 16, 4],
            [1, 1, 4, 4, 0, 4],
            [1, 1, 4, 4, 3, 4],
            [8, 2, 4, 4, 16, 4],
            [usize::MAX, usize::MAX, usize::MAX, usize::MAX, usize::MAX, 4],
            [1, 1, 4, 4, 16, 0],
            [1, 1, 4, 4, 16, 5],
        ] {
            assert_eq!(kept(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn every_tile_that_is_planned_or_searched_is_taken() {
        let depthwise = Task::Depthwise { window: [3, 3], stride: [1, 1], shape: [1, 32, 208, 208] };
        let small = Task::Conv { window: [3, 3], quads: false, grouped: false, pixels: 4, outputs: 1, inner: 3 };
        for task in [TASK, depthwise, small] {
            for busy_lanes in [256, 1 << 14, 1 << 20] {
                for precision in [Precision::F32, Precision::F16] {
                    let tile = task.tile(busy_lanes, precision);
                    assert!(task.takes(tile), "{task}: {tile:?}");
                    for place in 0..PLACES {
                        let neighbours = task.neighbours(tile, place);
                        assert!(neighbours.iter().all(|tile| task.takes(*tile)), "{task}: {neighbours:?}");
                    }
                }
            }
        }
    }
}
