//! Features of the cells: the rows that a head evaluates.

#[cfg(any(feature = "onnx", feature = "network", feature = "ort"))]
use super::Picture;
use super::{BackboneProblem, DetectError};
use crate::head::DetectionConfig;

/// Features of all cells of one image. Row `y * cells + x` holds the channels of cell (x, y).
#[derive(Debug, Clone, PartialEq)]
pub struct CellFeatures {
    /// Cells in a row and in a column.
    grid: [usize; 2],
    channels: usize,
    rows: Vec<f32>,
}

impl CellFeatures {
    /// Wraps `cells * cells` rows of `channels` values: those of a square.
    ///
    /// # Errors
    /// Where `rows` has another length.
    pub fn new(cells: usize, channels: usize, rows: Vec<f32>) -> Result<Self, DetectError> {
        Self::of_grid([cells; 2], channels, rows)
    }

    /// Wraps the rows of a rectangle of so many cells in a row and in a column, `channels` values each.
    ///
    /// # Errors
    /// Where `rows` has another length.
    pub fn of_grid(grid: [usize; 2], channels: usize, rows: Vec<f32>) -> Result<Self, DetectError> {
        let expected = grid[0].saturating_mul(grid[1]).saturating_mul(channels);
        if rows.len() != expected {
            return Err(DetectError::Length { what: "the features of the cells", found: rows.len(), expected });
        }
        Ok(Self { grid, channels, rows })
    }

    /// Joins maps of different strides: each row gets the channels of the first map, then those of the second, and so
    /// on; maps coarser than the cells are upsampled by nearest.
    ///
    /// # Errors
    /// Where a map is not square, is finer than the cells or does not divide them. The backbone is called `backbone`
    /// in the text.
    pub fn join(maps: &[FeatureMap<'_>], head: &DetectionConfig, backbone: &str) -> Result<Self, DetectError> {
        Self::join_within(maps, head, head.sides(), backbone)
    }

    /// Joins the maps of an image that was letterboxed to this width and height in pixels, as [`CellFeatures::join`] does.
    ///
    /// # Errors
    /// Where a map has another shape than the cells, is finer or does not divide them.
    pub fn join_within(
        maps: &[FeatureMap<'_>],
        head: &DetectionConfig,
        sides: [u32; 2],
        backbone: &str,
    ) -> Result<Self, DetectError> {
        let grid = head.grid(sides);
        let cells = grid[0];
        let channels = maps.iter().map(|map| map.channels).sum();
        let mut rows = vec![0.0; cells * grid[1] * channels];
        let mut first = 0;
        for map in maps {
            let factor = cells_a_value(map.name, [map.width, map.height], head, sides)
                .map_err(|problem| DetectError::Backbone { backbone: backbone.into(), problem })?;
            let area = map.width * map.height;
            if map.values.len() != map.channels * area {
                return Err(DetectError::Length {
                    what: "a feature map",
                    found: map.values.len(),
                    expected: map.channels * area,
                });
            }
            for (cell, row) in rows.chunks_exact_mut(channels).enumerate() {
                let source = (cell / cells / factor) * map.width + (cell % cells) / factor;
                let target = &mut row[first..first + map.channels];
                for (to, plane) in target.iter_mut().zip(map.values.chunks_exact(area)) {
                    *to = plane[source];
                }
            }
            first += map.channels;
        }
        Self::of_grid(grid, channels, rows)
    }

    /// Cells in a row: of a square those along one side.
    pub fn cells(&self) -> usize {
        self.grid[0]
    }

    /// Cells in a row and in a column.
    pub fn grid(&self) -> [usize; 2] {
        self.grid
    }

    /// Features a cell.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// All rows, `[cells in a row * cells in a column, channels]`, row `y * cells + x`.
    pub fn rows(&self) -> &[f32] {
        &self.rows
    }

    /// The rows, without a copy.
    pub fn into_rows(self) -> Vec<f32> {
        self.rows
    }
}

/// Refuses an image that was not letterboxed to what the settings ask for.
#[cfg(any(feature = "onnx", feature = "network", feature = "ort"))]
pub(super) fn check_sides(image: &Picture, settings: &DetectionConfig) -> Result<(), DetectError> {
    if settings.takes([image.width(), image.height()]) {
        return Ok(());
    }
    let [width, height] = settings.sides().map(|side| side as usize);
    Err(DetectError::Length { what: "the letterboxed image", found: image.rgb().len(), expected: width * height * 3 })
}

/// Cells along a side that one value of a map is for.
pub(super) fn cells_a_value(
    name: &str,
    [width, height]: [usize; 2],
    head: &DetectionConfig,
    sides: [u32; 2],
) -> Result<usize, BackboneProblem> {
    let grid = head.grid(sides);
    let cells = grid[0];
    if width > 0
        && height > 0
        && cells.is_multiple_of(width)
        && grid[1].is_multiple_of(height)
        && cells / width == grid[1] / height
    {
        return Ok(cells / width);
    }
    let (input_size, stride) = (sides[0], head.stride);
    if sides[0] != sides[1] {
        return Err(BackboneProblem::OutputSides { output: name.into(), width, height, sides, grid, stride });
    }
    Err(BackboneProblem::OutputSize { output: name.into(), width, height, input_size, cells, stride })
}

/// The number of pixels that the sides of a rectangle are multiples of, so that every map has whole values along both: the least
/// common multiple of the strides of the maps, of which `cells_a_value` has the cells that a value of each is for.
#[cfg(any(feature = "onnx", feature = "network", feature = "ort"))]
pub(super) fn common_stride(cells_a_value: impl IntoIterator<Item = usize>, stride: u32) -> u32 {
    // Each divides the cells of the square, and so does what they have in common.
    cells_a_value.into_iter().fold(1, least_common_multiple) as u32 * stride
}

#[cfg(any(feature = "onnx", feature = "network", feature = "ort"))]
fn least_common_multiple(a: usize, b: usize) -> usize {
    let (mut divisor, mut rest) = (a, b);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    a / divisor.max(1) * b
}

/// One output of a network for one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureMap<'a> {
    /// Name of the output.
    pub name: &'a str,
    /// Number of channels.
    pub channels: usize,
    /// Rows of the map.
    pub height: usize,
    /// Columns of the map.
    pub width: usize,
    /// `[channels, height, width]` in row-major order.
    pub values: &'a [f32],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(any(feature = "onnx", feature = "network", feature = "ort"))]
    #[test]
    fn rectangles_are_of_multiples_of_every_stride() {
        for (cells_a_value, expected) in [(&[1][..], 16), (&[1, 2, 4], 64), (&[3, 2], 96), (&[4, 6, 1], 192), (&[], 16)]
        {
            assert_eq!(common_stride(cells_a_value.iter().copied(), 16), expected, "{cells_a_value:?}");
        }
    }
    use crate::head::{InputShape, PixelPreparation};

    fn head(input_size: u32, stride: u32) -> DetectionConfig {
        DetectionConfig {
            version: 1,
            classes: vec!["a".into()],
            input_size,
            stride,
            features: vec!["fine".into(), "coarse".into()],
            clamp: Some([-1.0, 1.0]),
            norms: None,
            box_scale: 24.0,
            test_map50: None,
            pixels: PixelPreparation::default(),
            shape: InputShape::Square,
        }
    }

    fn map<'a>(name: &'a str, channels: usize, side: usize, values: &'a [f32]) -> FeatureMap<'a> {
        FeatureMap { name, channels, height: side, width: side, values }
    }

    #[test]
    fn coarse_maps_are_repeated_and_channels_follow_each_other() {
        let fine: Vec<f32> = (0..16).map(|v| v as f32).collect();
        let coarse = [100.0, 101.0, 102.0, 103.0, 200.0, 201.0, 202.0, 203.0];
        let joined =
            CellFeatures::join(&[map("fine", 1, 4, &fine), map("coarse", 2, 2, &coarse)], &head(64, 16), "test")
                .unwrap();
        assert_eq!((joined.cells(), joined.channels()), (4, 3));
        let row = |x: usize, y: usize| &joined.rows()[(y * 4 + x) * 3..][..3];
        assert_eq!(row(0, 0), [0.0, 100.0, 200.0]);
        assert_eq!(row(1, 1), [5.0, 100.0, 200.0]);
        assert_eq!(row(2, 1), [6.0, 101.0, 201.0]);
        assert_eq!(row(1, 2), [9.0, 102.0, 202.0]);
        assert_eq!(row(3, 3), [15.0, 103.0, 203.0]);
    }

    #[test]
    fn maps_that_do_not_divide_the_cells_are_refused_with_both_sides() {
        let error = CellFeatures::join(&[map("c3", 1, 8, &[0.0; 64])], &head(64, 16), "net.onnx").unwrap_err();
        assert_eq!(
            error.to_string(),
            "backbone net.onnx: output 'c3' is 8x8 at 64 pixels, expected 4x4 (stride 16) or a whole fraction of it"
        );
        assert!(CellFeatures::join(&[map("c3", 1, 3, &[0.0; 9])], &head(64, 16), "net").is_err());
        assert!(CellFeatures::join(&[map("c3", 1, 0, &[])], &head(64, 16), "net").is_err());
        assert!(CellFeatures::join(&[map("c3", 2, 4, &[0.0; 16])], &head(64, 16), "net").is_err());
    }

    #[test]
    fn rows_of_another_length_are_refused() {
        assert!(CellFeatures::new(2, 3, vec![0.0; 12]).is_ok());
        assert!(CellFeatures::new(2, 3, vec![0.0; 11]).is_err());
    }
}
