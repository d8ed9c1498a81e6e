//! Antialiased bilinear resizing in the arithmetic of Pillow, to the bit.
//!
//! Heads are trained on images that Pillow resized, and resizers that differ from it by a unit in every sixth pixel
//! already cost some detections near the threshold. Rows come first, then columns, rounded to 8 bits after each; the
//! weights are a triangle as wide as the reduction (two pixels when enlarging), normalised and rounded to 22 bits.

use super::Picture;

/// Bits behind the point of a weight: the sum of 8-bit values times weights stays below 2^31.
const PRECISION: u32 = 22;

/// Resizes to `width` x `height` pixels, both at least 1, from an image with at least 1 pixel.
pub(crate) fn resize(image: &Picture, width: u32, height: u32) -> Picture {
    let rows = if width == image.width() { image.clone() } else { resize_rows(image, width) };
    if height == rows.height() { rows } else { resize_columns(&rows, height) }
}

fn resize_rows(image: &Picture, width: u32) -> Picture {
    let windows = windows(image.width() as usize, width as usize);
    let mut resized = Picture::filled(width, image.height(), [0; 3]);
    let (from, to) = (image.width() as usize * 3, width as usize * 3);
    for (source, target) in image.rgb().chunks_exact(from).zip(resized.rgb_mut().chunks_exact_mut(to)) {
        for (window, pixel) in windows.iter().zip(target.chunks_exact_mut(3)) {
            let mut sums = [1i32 << (PRECISION - 1); 3];
            for (weight, value) in window.weights.iter().zip(source[window.first * 3..].chunks_exact(3)) {
                for (sum, &value) in sums.iter_mut().zip(value) {
                    *sum += weight * i32::from(value);
                }
            }
            for (value, sum) in pixel.iter_mut().zip(sums) {
                *value = rounded(sum);
            }
        }
    }
    resized
}

fn resize_columns(image: &Picture, height: u32) -> Picture {
    let windows = windows(image.height() as usize, height as usize);
    let mut resized = Picture::filled(image.width(), height, [0; 3]);
    let row = image.width() as usize * 3;
    let mut sums = vec![0i32; row];
    for (window, target) in windows.iter().zip(resized.rgb_mut().chunks_exact_mut(row)) {
        sums.fill(1 << (PRECISION - 1));
        for (weight, source) in window.weights.iter().zip(image.rgb()[window.first * row..].chunks_exact(row)) {
            for (sum, &value) in sums.iter_mut().zip(source) {
                *sum += weight * i32::from(value);
            }
        }
        for (value, &sum) in target.iter_mut().zip(&sums) {
            *value = rounded(sum);
        }
    }
    resized
}

fn rounded(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// The source pixels that make up one target pixel.
pub(super) struct Window {
    pub(super) first: usize,
    pub(super) weights: Vec<i32>,
}

/// The windows of a side of `from` pixels that becomes one of `to`.
pub(super) fn windows(from: usize, to: usize) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    let window = |target: usize| {
        let centre = (target as f64 + 0.5) * scale;
        let first = (centre - reach + 0.5).max(0.0) as usize;
        let end = ((centre + reach + 0.5) as usize).min(from);
        let weights: Vec<f64> =
            (first..end).map(|source| (1.0 - ((source as f64 + 0.5 - centre) / reach).abs()).max(0.0)).collect();
        let sum: f64 = weights.iter().sum();
        let fixed = |weight: f64| (0.5 + weight / sum * f64::from(1 << PRECISION)) as i32;
        Window { first, weights: weights.into_iter().map(fixed).collect() }
    };
    (0..to).map(window).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reduction_averages_with_a_triangle() {
        // Two to one: the triangle reaches two source pixels each way, so the weights around the left target pixel
        // (centre 1.0) are 3/4 at 0.5 and 1.5, 1/4 at 2.5, divided by their sum 7/4.
        let image = Picture::from_fn(4, 1, |x, _| [[0, 70, 140, 210][x as usize], 255, 0]);
        let small = resize(&image, 2, 1);
        assert_eq!(small.rgb()[..], [50, 255, 0, 160, 255, 0]);
        let turned = Picture::from_fn(1, 4, |_, y| image.at(y, 0));
        assert_eq!(resize(&turned, 1, 2).rgb(), small.rgb());
    }

    #[test]
    fn enlarging_interpolates_between_neighbours() {
        // Centres of the target at 0.25, 0.75, 1.25, 1.75 between source centres 0.5 and 1.5.
        let image = Picture::from_rgb(2, 1, vec![0, 0, 0, 100, 200, 40]).unwrap();
        assert_eq!(resize(&image, 4, 1).rgb()[..], [0, 0, 0, 25, 50, 10, 75, 150, 30, 100, 200, 40]);
    }

    #[test]
    fn the_same_size_is_a_copy() {
        let image = Picture::from_fn(5, 3, |x, y| [x as u8, y as u8, 9]);
        assert_eq!(resize(&image, 5, 3), image);
    }
}
