//! Pictures that the user keeps, with their boxes and their JSON.

use std::path::{Path, PathBuf};

use sharekan::detect::{Picture, draw_detections};
use sharekan::files;

use super::shared::Shown;
use crate::cli::detect::looking::Line;
use crate::cli::detect::pictures;
use crate::cli::failure::Failure;

/// Saves a frame as `live-0001.png` and `live-0001.json`, by the first number that is free in the folder; gives the picture's
/// path.
pub(super) fn save(folder: &Path, source: &str, shown: &Shown) -> Result<PathBuf, Failure> {
    files::make_folder(folder)?;
    let free = |number: &u32| ["png", "json"].iter().all(|ending| !path(folder, *number, ending).exists());
    let number = (1..).find(free).unwrap_or(1);
    let [width, height] = shown.frame.size;
    let rgb = shown.frame.pixels.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
    let mut picture = Picture::from_rgb(width, height, rgb)?;
    draw_detections(&mut picture, &shown.detections, &shown.classes);
    let image = path(folder, number, "png");
    pictures::write(&image, &picture)?;
    let (frame, seconds) = (shown.frame.number, shown.frame.seconds);
    let kept = Line { source, frame, seconds, width, height, detections: &shown.records, assumed: &[] };
    let json = path(folder, number, "json");
    let text = serde_json::to_string_pretty(&kept).map_err(|e| Failure::in_file(&json, e))?;
    files::replace(&json, (text + "\n").as_bytes())?;
    Ok(image)
}

fn path(folder: &Path, number: u32, ending: &str) -> PathBuf {
    folder.join(format!("live-{number:04}.{ending}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use sharekan::detect::{Bounds, Detection, DetectionRecord, class_colour};

    use super::*;
    use crate::cli::live::shared::Frame;

    #[test]
    fn the_picture_has_its_boxes_and_its_json() {
        let pixels = [10, 20, 30, 255].repeat(40 * 30);
        let (came, reading) = (Instant::now(), Duration::ZERO);
        let frame = Frame { pixels, size: [40, 30], seconds: 1.5, number: 7, came, reading };
        let classes = vec!["cat".to_owned()];
        let detection = Detection { class: 0, score: 0.5, bounds: Bounds::new(4.0, 20.0, 36.0, 27.0) };
        let records = vec![DetectionRecord::new(&detection, &classes)];
        let (detections, classes) = (vec![detection], Arc::new(classes));
        let shown = Shown { frame: Arc::new(frame), textures: Arc::default(), slot: 0, detections, records, classes };
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("made");
        for number in 1..=2 {
            let path = save(&out, "camera 0", &shown).unwrap();
            assert_eq!(path, out.join(format!("live-000{number}.png")));
        }
        let picture = image::open(out.join("live-0001.png")).unwrap().into_rgb8();
        assert_eq!((picture.dimensions(), picture.get_pixel(20, 24).0), ((40, 30), [10, 20, 30]));
        assert!(picture.pixels().filter(|pixel| pixel.0 == class_colour(0)).count() > 50);
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(out.join("live-0002.json")).unwrap()).unwrap();
        let expected = serde_json::json!({
            "source": "camera 0", "frame": 7, "seconds": 1.5, "width": 40, "height": 30,
            "detections": [{"class": "cat", "score": 0.5, "box": [4.0, 20.0, 36.0, 27.0]}],
        });
        assert_eq!(json, expected);
    }
}
