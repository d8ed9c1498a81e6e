//! Features of the images, computed once for all heads and kept in the study's folder.

use std::path::{Path, PathBuf};

use crate::study::{Fingerprint, Fingerprinter};
use sharekan::detect::{Backbone, CellFeatures, Letterbox, Picture, read_image};
use sharekan::evaluate::ImageShift;
use sharekan::evaluate::ground_truth::GroundTruth;
use sharekan::files;
use sharekan::head::DetectionConfig;

use crate::cli::backbone::OpenBackbone;
use crate::cli::failure::{Failure, say};
use crate::cli::image_set::Measured;

/// One image of the set.
pub(super) struct Entry {
    /// Place in the whole set, which is the seed of the noise.
    pub(super) at: usize,
    path: PathBuf,
    /// Digest of everything that its features depend on but the shift.
    key: Fingerprint,
    /// Width and height.
    size: [u32; 2],
}

impl Entry {
    pub(super) fn letterbox(&self, settings: &DetectionConfig) -> Result<Letterbox, Failure> {
        Ok(Letterbox::new(self.size[0], self.size[1], settings.input_size)?)
    }
}

/// The images of a study and their features.
pub(super) struct Features {
    pub(super) entries: Vec<Entry>,
    folder: PathBuf,
    settings: DetectionConfig,
    backbone: OpenBackbone,
}

impl Features {
    /// Looks at the images of a set, at most `limit` of them, spread evenly. Those that cannot be read are left out and
    /// said so.
    pub(super) fn new(
        folder: PathBuf,
        truth: &GroundTruth,
        measured: &mut Measured,
        settings: &DetectionConfig,
        backbone: OpenBackbone,
        backbone_digest: &Fingerprint,
        limit: usize,
    ) -> Result<Self, Failure> {
        let step = truth.images.len().div_ceil(limit).max(1);
        let mut entries = Vec::new();
        // The last bits of features are those of the device; what the CPU made before it was named stays of use.
        let device = match &backbone {
            OpenBackbone::Cpu(_) => "",
            _ => backbone.device_name(),
        };
        let preparation = settings.to_json().map_err(sharekan::Error::from)?;
        for (at, image) in truth.images.iter().enumerate().step_by(step) {
            match read_image(&image.path) {
                Ok(pixels) => {
                    let size = (pixels.width(), pixels.height());
                    let key = Fingerprinter::new()
                        .with("features 1")
                        .with(pixels.rgb())
                        .with(format!("{size:?} {at}"))
                        .with(backbone_digest.as_str())
                        .with(&preparation)
                        .with(device)
                        .finish();
                    entries.push(Entry { at, path: image.path.clone(), key, size: size.into() });
                }
                Err(problem) => measured.bad_image(&problem, say),
            }
        }
        if entries.is_empty() {
            return Err(Failure::new("there is no image to measure on"));
        }
        Ok(Self { entries, folder, settings: settings.clone(), backbone })
    }

    /// Digest of all images.
    pub(super) fn digest(&self) -> Fingerprint {
        self.entries.iter().fold(Fingerprinter::new(), |digest, entry| digest.with(entry.key.as_str())).finish()
    }

    /// Digest of an image's features but the shift.
    pub(super) fn key(&self, number: usize) -> &str {
        self.entries[number].key.as_str()
    }

    /// The features of an image, `[cells * cells, channels]`: from the folder, or from the backbone into the folder.
    pub(super) fn rows(&mut self, number: usize, shift: ImageShift) -> Result<Vec<f32>, Failure> {
        let entry = &self.entries[number];
        let folder = self.folder.join(shift.name());
        let path = folder.join(format!("{}.features", entry.key));
        let cells = self.settings.cells();
        if let Some(rows) = files::read(&path, u64::MAX).ok().and_then(|bytes| unpacked(&bytes, cells)) {
            return Ok(rows);
        }
        let pixels = read_image(&entry.path)?;
        let (_, features) = shifted_features(&mut self.backbone, &pixels, &self.settings, shift, entry.at)?;
        files::make_folder(&folder)?;
        files::replace(&path, &packed(&features))?;
        Ok(features.into_rows())
    }
}

/// The features of an image, changed by `shift` where the network sees it. `at` is its place in the set: the seed of
/// the noise.
fn shifted_features(
    backbone: &mut OpenBackbone,
    pixels: &Picture,
    settings: &DetectionConfig,
    shift: ImageShift,
    at: usize,
) -> Result<(Letterbox, CellFeatures), Failure> {
    let letterbox = Letterbox::new(pixels.width(), pixels.height(), settings.input_size)?;
    let square = letterbox.apply(pixels, settings.pixels.padding)?;
    let square = shift.apply_in(&square, &letterbox, at as u64);
    Ok((letterbox, backbone.features(&square)?))
}

/// Outputs of a head that were computed before, if they are `expected` values.
pub(super) fn read_outputs(path: &Path, expected: usize) -> Option<Vec<f32>> {
    let bytes = files::read(path, u64::MAX).ok()?;
    (bytes.len() == 4 * expected).then(|| floats(&bytes))
}

pub(super) fn write_outputs(path: &Path, outputs: &[f32]) -> Result<(), Failure> {
    Ok(files::replace(path, &bytes_of(outputs))?)
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|&value| f32::from_le_bytes(value)).collect()
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Rows as bytes, without loss: channels of coarse maps repeat every value in a square of four cells, of which one is
/// kept. First the number of channels, then a byte a channel that says whether it is such a one, then the values.
fn packed(features: &CellFeatures) -> Vec<u8> {
    let (cells, channels) = (features.cells(), features.channels());
    let rows = features.rows();
    let coarse: Vec<bool> = (0..channels)
        .map(|c| {
            let value = |x: usize, y: usize| rows[(y * cells + x) * channels + c].to_bits();
            cells.is_multiple_of(2)
                && (0..cells * cells).all(|at| {
                    let (x, y) = (at % cells, at / cells);
                    value(x, y) == value(x & !1, y & !1)
                })
        })
        .collect();
    let mut bytes = (channels as u32).to_le_bytes().to_vec();
    bytes.extend(coarse.iter().map(|&coarse| u8::from(coarse)));
    for (cell, row) in rows.chunks_exact(channels).enumerate() {
        let kept = first_of_four(cell, cells);
        for (value, &coarse) in row.iter().zip(&coarse) {
            if !coarse || kept {
                bytes.extend(value.to_le_bytes());
            }
        }
    }
    bytes
}

fn first_of_four(cell: usize, cells: usize) -> bool {
    (cell % cells).is_multiple_of(2) && (cell / cells).is_multiple_of(2)
}

/// What [`packed`] packed; None where the bytes are not that.
fn unpacked(bytes: &[u8], cells: usize) -> Option<Vec<f32>> {
    let (channels, rest) = bytes.split_first_chunk::<4>()?;
    let channels = usize::try_from(u32::from_le_bytes(*channels)).ok()?;
    let (coarse, values) = rest.split_at_checked(channels)?;
    let fine = coarse.iter().filter(|&&coarse| coarse == 0).count();
    let area = cells * cells;
    if values.len() != 4 * (fine * area + (channels - fine) * (area / 4)) || channels == 0 {
        return None;
    }
    let mut values = values.as_chunks::<4>().0.iter().map(|&value| f32::from_le_bytes(value));
    let mut rows = vec![0.0f32; area * channels];
    for cell in 0..area {
        let kept = first_of_four(cell, cells);
        let (x, y) = (cell % cells, cell / cells);
        let source = ((y & !1) * cells + (x & !1)) * channels;
        for (c, &coarse) in coarse.iter().enumerate() {
            rows[cell * channels + c] = if coarse == 0 || kept { values.next()? } else { rows[source + c] };
        }
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_come_back_as_they_were() {
        // Channel 0 differs in every cell, channel 1 in every square of four.
        let rows: Vec<f32> =
            (0..16).flat_map(|cell| [cell as f32, ((cell / 4 / 2) * 2 + cell % 4 / 2) as f32 + 0.5]).collect();
        let features = CellFeatures::new(4, 2, rows.clone()).unwrap();
        let bytes = packed(&features);
        assert_eq!(bytes.len(), 4 + 2 + 4 * (16 + 4));
        assert_eq!(unpacked(&bytes, 4), Some(rows));
        for broken in [&bytes[..bytes.len() - 1], &bytes[..3], &[][..], &[0, 0, 0, 0][..], &[255; 9][..]] {
            assert_eq!(unpacked(broken, 4), None);
        }
    }

    #[test]
    fn an_odd_number_of_cells_is_kept_whole() {
        let rows: Vec<f32> = vec![1.0; 9];
        let features = CellFeatures::new(3, 1, rows.clone()).unwrap();
        assert_eq!(unpacked(&packed(&features), 3), Some(rows));
    }
}
