//! Boxes and the pictures that they were drawn on: photos are shown turned as their EXIF orientation says.

use super::error::quoted;
use super::image_header::ImageHeader;
use super::notes::Notes;
use super::options::Orientation;
use super::{GroundTruth, GroundTruthImage};

/// How many images, and the first of them.
#[derive(Default)]
struct Count(usize, String);

impl Count {
    fn add(&mut self, first: impl FnOnce() -> String) {
        if self.0 == 0 {
            self.1 = first();
        }
        self.0 += 1;
    }

    fn say(&self, notes: &mut Notes, what: impl FnOnce(&str) -> String) {
        let Self(count, first) = self;
        match count {
            0 => {}
            1 => notes.assume(what(&format!("1 image ({first})"))),
            _ => notes.assume(what(&format!("{count} images (first: {first})"))),
        }
    }
}

/// Brings the boxes of all images onto the pictures as they are shown, and says where sizes speak against what was assumed.
pub(super) fn apply(truth: &mut GroundTruth, orientation: Option<Orientation>, notes: &mut Notes) {
    let [mut stored, mut shown, mut silent, mut other] = [const { Count(0, String::new()) }; 4];
    for image in &mut truth.images {
        let Some(header) = ImageHeader::read(&image.path) else { continue };
        let name = |image: &GroundTruthImage| quoted(&image.name);
        let told = image.size;
        let turned = header.orientation != 1;
        let sizes = [header.stored, header.shown()];
        match told {
            Some(told) if !sizes.contains(&told) => other.add(|| {
                let [width, height] = header.shown();
                format!("{} is {width}x{height}, annotated {}x{}", name(image), told[0], told[1])
            }),
            Some(told) if turned && sizes[0] != sizes[1] => {
                let count = if told == header.stored { &mut stored } else { &mut shown };
                count.add(|| name(image));
            }
            _ if turned && !image.objects.is_empty() => silent.add(|| name(image)),
            _ => {}
        }
        if orientation == Some(Orientation::Stored) {
            image.objects.iter_mut().for_each(|object| object.region = header.turn(object.region));
            image.size = Some(header.shown());
        }
        image.size.get_or_insert(header.shown());
    }
    match orientation {
        None => {
            stored.say(notes, |which| {
                format!(
                    "boxes are taken as drawn on the picture as shown, but {which} with an EXIF orientation has the annotated \
                     size as stored: --orientation stored turns the boxes, --orientation shown says they are right"
                )
            });
            silent.say(notes, |which| {
                format!(
                    "boxes of {which} with an EXIF orientation are taken as drawn on the picture as shown; --orientation stored \
                     where they are not"
                )
            });
        }
        Some(Orientation::Stored) => shown.say(notes, |which| {
            format!("boxes are turned from the stored picture, but {which} has the annotated size as shown")
        }),
        Some(Orientation::Shown) => {}
    }
    other.say(notes, |which| format!("another size than annotated: {which}; boxes are taken as they are"));
}
