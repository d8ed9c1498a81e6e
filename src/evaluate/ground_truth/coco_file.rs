//! The JSON of a COCO instance file, read as a stream: what is not needed is never held.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::marker::PhantomData;
use std::path::Path;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::GroundTruthError;
use super::coco_outline::Outline;
use super::error::quoted;
use super::json_text::WithoutNan;
use super::notes::{Mend, Notes};
use crate::evaluate::Region;

/// The parts of an instance file that count.
#[derive(Debug)]
pub(super) struct InstanceFile {
    pub(super) images: Vec<ImageRecord>,
    pub(super) annotations: Vec<AnnotationRecord>,
    pub(super) categories: Vec<CategoryRecord>,
}

#[derive(Debug)]
pub(super) struct ImageRecord {
    pub(super) id: Id,
    pub(super) file_name: String,
    /// Width and height, where both are whole numbers above 0.
    pub(super) size: Option<[u32; 2]>,
}

#[derive(Debug)]
pub(super) struct AnnotationRecord {
    /// Place in the list, from 1.
    pub(super) entry: usize,
    pub(super) id: Option<Id>,
    pub(super) image_id: Id,
    pub(super) category_id: Id,
    pub(super) region: Region,
    pub(super) area: f64,
    pub(super) crowd: bool,
}

#[derive(Debug)]
pub(super) struct CategoryRecord {
    pub(super) id: Id,
    pub(super) name: String,
}

/// An identifier: a whole number as COCO has it, or text as some tools write.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Id {
    Number(i64),
    Text(Box<str>),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(&quoted(text)),
        }
    }
}

/// Any JSON value; of lists and objects only that they are such.
#[derive(Debug, Clone, PartialEq, Default)]
enum Scalar {
    #[default]
    Null,
    Flag(bool),
    Whole(i64),
    Real(f64),
    Text(Box<str>),
    Other,
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("missing"),
            Self::Flag(flag) => flag.fmt(f),
            Self::Whole(number) => number.fmt(f),
            Self::Real(number) => number.fmt(f),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Other => f.write_str("a list or an object"),
        }
    }
}

impl Scalar {
    /// An id, and whether it was a number written as text.
    fn id(&self, what: &str) -> Result<(Id, bool), String> {
        match self {
            Self::Whole(number) => Ok((Id::Number(*number), false)),
            Self::Real(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
                Ok((Id::Number(*number as i64), false))
            }
            Self::Text(text) => match text.parse::<i64>() {
                Ok(number) if number.to_string() == **text => Ok((Id::Number(number), true)),
                _ => Ok((Id::Text(text.clone()), false)),
            },
            other => Err(format!("{what} is {other}, expected an id: a whole number or a string")),
        }
    }

    /// A number, and whether it was written as text.
    fn number(&self) -> Option<(f64, bool)> {
        match self {
            Self::Whole(number) => Some((*number as f64, false)),
            Self::Real(number) => Some((*number, false)),
            Self::Text(text) => Some((text.trim().parse().ok().filter(|number: &f64| number.is_finite())?, true)),
            _ => None,
        }
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Flag(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar::Whole(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
        Ok(i64::try_from(value).map_or(Scalar::Real(value as f64), Scalar::Whole))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
        Ok(Scalar::Real(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Scalar, A::Error> {
        while values.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Scalar, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// A `bbox`: its numbers, how many there were, and whether one was text.
#[derive(Debug, Default)]
enum RawBox {
    #[default]
    Missing,
    Numbers([f64; 4], usize, bool),
    Bad(String),
}

impl<'de> Deserialize<'de> for RawBox {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BoxVisitor;
        impl<'de> Visitor<'de> for BoxVisitor {
            type Value = RawBox;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a box of four numbers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<RawBox, A::Error> {
                let (mut numbers, mut count, mut text, mut bad) = ([0.0; 4], 0, false, None);
                while let Some(value) = values.next_element::<Scalar>()? {
                    match value.number() {
                        Some((number, as_text)) => {
                            text |= as_text;
                            if let Some(place) = numbers.get_mut(count) {
                                *place = number;
                            }
                        }
                        None => bad = bad.or(Some(format!("holds {value}, expected four numbers"))),
                    }
                    count += 1;
                }
                Ok(bad.map_or(RawBox::Numbers(numbers, count, text), RawBox::Bad))
            }

            fn visit_unit<E>(self) -> Result<RawBox, E> {
                Ok(RawBox::Missing)
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<RawBox, A::Error> {
                ScalarVisitor.visit_map(entries).map(bad_box)
            }

            fn visit_bool<E>(self, value: bool) -> Result<RawBox, E> {
                Ok(bad_box(Scalar::Flag(value)))
            }

            fn visit_i64<E>(self, value: i64) -> Result<RawBox, E> {
                Ok(bad_box(Scalar::Whole(value)))
            }

            fn visit_u64<E>(self, value: u64) -> Result<RawBox, E> {
                Ok(bad_box(Scalar::Real(value as f64)))
            }

            fn visit_f64<E>(self, value: f64) -> Result<RawBox, E> {
                Ok(bad_box(Scalar::Real(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<RawBox, E> {
                Ok(bad_box(Scalar::Text(value.into())))
            }
        }
        deserializer.deserialize_any(BoxVisitor)
    }
}

fn bad_box(found: Scalar) -> RawBox {
    RawBox::Bad(format!("is {found}, expected four numbers"))
}

#[derive(Deserialize)]
#[serde(default)]
struct RawImage {
    id: Scalar,
    file_name: Scalar,
    width: Scalar,
    height: Scalar,
}

#[derive(Deserialize)]
#[serde(default)]
struct RawAnnotation {
    id: Scalar,
    image_id: Scalar,
    category_id: Scalar,
    bbox: RawBox,
    area: Scalar,
    iscrowd: Scalar,
    segmentation: Outline,
}

#[derive(Deserialize)]
#[serde(default)]
struct RawCategory {
    id: Scalar,
    name: Scalar,
}

macro_rules! default_fields {
    ($name:ident: $($field:ident),*) => {
        impl Default for $name {
            fn default() -> Self {
                Self { $($field: Default::default()),* }
            }
        }
    };
}
default_fields!(RawImage: id, file_name, width, height);
default_fields!(RawAnnotation: id, image_id, category_id, bbox, area, iscrowd, segmentation);
default_fields!(RawCategory: id, name);

/// An object; `None` for any other value in its place.
struct Entry<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entry<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for EntryVisitor<T> {
            type Value = Entry<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Entry<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(entries)).map(|entry| Entry(Some(entry)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Entry<T>, A::Error> {
                while values.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Entry(None))
            }

            fn visit_unit<E>(self) -> Result<Entry<T>, E> {
                Ok(Entry(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Entry<T>, E> {
                Ok(Entry(None))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Entry<T>, E> {
                Ok(Entry(None))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Entry<T>, E> {
                Ok(Entry(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Entry<T>, E> {
                Ok(Entry(None))
            }

            fn visit_str<E>(self, _: &str) -> Result<Entry<T>, E> {
                Ok(Entry(None))
            }
        }
        deserializer.deserialize_any(EntryVisitor(PhantomData))
    }
}

/// What reading needs to know, and where it leaves why it stopped.
struct Reading<'a> {
    path: &'a Path,
    notes: &'a mut Notes,
    refused: Option<GroundTruthError>,
}

impl Reading<'_> {
    /// A record that cannot be used.
    fn bad<E: Error>(&mut self, list: &str, entry: usize, id: Option<&Id>, problem: &str) -> Result<(), E> {
        let problem = GroundTruthError::malformed(self.path, place(list, entry, id) + problem);
        self.notes.bad(problem).map_err(|refusal| {
            self.refused = Some(refusal);
            E::custom("refused")
        })
    }

    fn said_id(&mut self, place: impl FnOnce() -> String, as_text: bool) {
        if as_text {
            self.notes.mended(Mend::TextId, place);
        }
    }

    fn image(&mut self, entry: usize, raw: Option<RawImage>) -> Result<ImageRecord, String> {
        let raw = raw.ok_or("is no object")?;
        let (id, as_text) = raw.id.id("id")?;
        self.said_id(|| place("images", entry, Some(&id)), as_text);
        let Scalar::Text(file_name) = raw.file_name else {
            return Err(format!("file_name is {}, expected a string", raw.file_name));
        };
        let side = |length: &Scalar| {
            let (side, _) = length.number()?;
            (side.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&side)).then_some(side as u32)
        };
        let size = side(&raw.width).zip(side(&raw.height)).map(|(width, height)| [width, height]);
        Ok(ImageRecord { id, file_name: file_name.into(), size })
    }

    fn annotation(&mut self, entry: usize, raw: RawAnnotation) -> Result<AnnotationRecord, String> {
        let id = raw.id.id("id").ok().map(|(id, _)| id);
        let (image_id, as_text) = raw.image_id.id("image_id")?;
        let (category_id, category_as_text) = raw.category_id.id("category_id")?;
        let here = || format!("annotations: entry {entry}");
        self.said_id(here, as_text || category_as_text);
        let mut flipped = false;
        let numbers = match raw.bbox {
            RawBox::Numbers(numbers, 4, as_text) => {
                if as_text {
                    self.notes.mended(Mend::TextNumber, here);
                }
                numbers
            }
            RawBox::Bad(problem) => return Err(format!("bbox {problem}")),
            RawBox::Numbers(_, count, _) if count > 0 => {
                return Err(format!("bbox has {count} numbers, expected 4: left, top, width, height"));
            }
            _ => match raw.segmentation.0 {
                Some(bounds) => {
                    self.notes.mended(Mend::Outline, here);
                    bounds
                }
                None => return Err("bbox is missing or empty, and there is no outline".to_owned()),
            },
        };
        let [mut left, mut top, mut width, mut height] = numbers;
        // A box that was drawn from another corner is measured from there.
        for (edge, side) in [(&mut left, &mut width), (&mut top, &mut height)] {
            if *side < 0.0 {
                (*edge, *side) = (*edge + *side, -*side);
                flipped = true;
            }
        }
        let region = Region { left, top, width, height };
        if let Some(problem) = region.problem() {
            return Err(format!("bbox: {problem}"));
        }
        if flipped {
            self.notes.mended(Mend::Corners, here);
        }
        let area = match (&raw.area, raw.area.number()) {
            (Scalar::Null, _) => region.area(),
            (_, Some((area, _))) if flipped => area.abs(),
            (_, Some((area, _))) if area >= 0.0 => area,
            (other, _) => return Err(format!("area is {other}, expected at least 0")),
        };
        let crowd = match &raw.iscrowd {
            Scalar::Null => false,
            Scalar::Flag(flag) => *flag,
            other => match other.number() {
                Some((0.0, _)) => false,
                Some((1.0, _)) => true,
                _ => return Err(format!("iscrowd is {other}, expected 0 or 1")),
            },
        };
        Ok(AnnotationRecord { entry, id, image_id, category_id, region, area, crowd })
    }
}

/// Where a record stands.
pub(super) fn place(list: &str, entry: usize, id: Option<&Id>) -> String {
    match id {
        Some(id) => format!("{list}: entry {entry} (id {id}): "),
        None => format!("{list}: entry {entry}: "),
    }
}

/// One of the three lists.
struct List<'a, 'b, T>(&'a mut Reading<'b>, PhantomData<T>);

trait Record: Sized {
    fn list<'de, A: SeqAccess<'de>>(reading: &mut Reading<'_>, entries: A) -> Result<Vec<Self>, A::Error>;
}

impl Record for ImageRecord {
    fn list<'de, A: SeqAccess<'de>>(reading: &mut Reading<'_>, mut entries: A) -> Result<Vec<Self>, A::Error> {
        let (mut records, mut entry) = (Vec::new(), 0);
        while let Some(Entry(raw)) = entries.next_element::<Entry<RawImage>>()? {
            entry += 1;
            match reading.image(entry, raw) {
                Ok(record) => records.push(record),
                Err(problem) => reading.bad("images", entry, None, &problem)?,
            }
        }
        Ok(records)
    }
}

impl Record for AnnotationRecord {
    fn list<'de, A: SeqAccess<'de>>(reading: &mut Reading<'_>, mut entries: A) -> Result<Vec<Self>, A::Error> {
        let (mut records, mut entry) = (Vec::new(), 0);
        while let Some(Entry(raw)) = entries.next_element::<Entry<RawAnnotation>>()? {
            entry += 1;
            let Some(raw) = raw else {
                reading.bad("annotations", entry, None, "is no object")?;
                continue;
            };
            let id = raw.id.id("id").ok().map(|(id, _)| id);
            match reading.annotation(entry, raw) {
                Ok(record) => records.push(record),
                Err(problem) => reading.bad("annotations", entry, id.as_ref(), &problem)?,
            }
        }
        Ok(records)
    }
}

impl Record for CategoryRecord {
    fn list<'de, A: SeqAccess<'de>>(_: &mut Reading<'_>, mut entries: A) -> Result<Vec<Self>, A::Error> {
        let (mut records, mut entry) = (Vec::new(), 0);
        while let Some(Entry(raw)) = entries.next_element::<Entry<RawCategory>>()? {
            entry += 1;
            let custom = |problem: String| A::Error::custom(format_args!("categories: entry {entry}: {problem}"));
            let raw = raw.ok_or_else(|| custom("is no object".to_owned()))?;
            let (id, _) = raw.id.id("id").map_err(custom)?;
            let name = match raw.name {
                Scalar::Text(name) => name.into(),
                Scalar::Whole(name) => name.to_string(),
                Scalar::Real(name) => name.to_string(),
                other => return Err(custom(format!("name is {other}, expected a string"))),
            };
            records.push(Self { id, name });
        }
        Ok(records)
    }
}

impl<'de, T: Record> DeserializeSeed<'de> for List<'_, '_, T> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<T>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Record> Visitor<'de> for List<'_, '_, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, entries: A) -> Result<Vec<T>, A::Error> {
        T::list(self.0, entries)
    }
}

/// The whole file.
struct Whole<'a, 'b>(&'a mut Reading<'b>);

impl<'de> Visitor<'de> for Whole<'_, '_> {
    type Value = InstanceFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with images, annotations and categories")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<InstanceFile, A::Error> {
        Err(A::Error::custom(
            "a list, expected an object with images, annotations and categories; lists are COCO's results, or Label Studio's own \
             form, which it also exports as COCO and YOLO",
        ))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<InstanceFile, A::Error> {
        let (mut images, mut annotations, mut categories) = (None, None, None);
        let mut whose = None;
        let twice = |there: bool, name| if there { Err(A::Error::duplicate_field(name)) } else { Ok(()) };
        while let Some(key) = entries.next_key::<String>()? {
            match key.as_str() {
                "images" => {
                    twice(images.is_some(), "images")?;
                    images = Some(entries.next_value_seed(List::<ImageRecord>(self.0, PhantomData))?);
                }
                "annotations" => {
                    twice(annotations.is_some(), "annotations")?;
                    annotations = Some(entries.next_value_seed(List::<AnnotationRecord>(self.0, PhantomData))?);
                }
                "categories" if categories.is_none() => {
                    // Others keep an object under this name.
                    match entries.next_value_seed(List::<CategoryRecord>(self.0, PhantomData)) {
                        Ok(list) => categories = Some(list),
                        Err(problem) if whose.is_none() => return Err(problem),
                        Err(_) => break,
                    }
                }
                "categories" => return Err(A::Error::duplicate_field("categories")),
                other => {
                    whose = whose.or(match other {
                        "shapes" | "imagePath" => Some("LabelMe"),
                        "items" => Some("Datumaro"),
                        "_via_img_metadata" | "_via_settings" => Some("the VGG annotator"),
                        "samples" => Some("FiftyOne"),
                        _ => None,
                    });
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        let missing = |name: &'static str| match whose {
            Some(tool) => A::Error::custom(format_args!(
                "missing field `{name}`; this is the own form of {tool}, expected its export as COCO, VOC or YOLO"
            )),
            None => A::Error::missing_field(name),
        };
        Ok(InstanceFile {
            images: images.ok_or_else(|| missing("images"))?,
            annotations: annotations.ok_or_else(|| missing("annotations"))?,
            categories: categories.ok_or_else(|| missing("categories"))?,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Whole<'_, '_> {
    type Value = InstanceFile;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<InstanceFile, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Reads an instance file. Memory stays in proportion to the records that count.
pub(super) fn parse(reader: impl Read, path: &Path, notes: &mut Notes) -> Result<InstanceFile, GroundTruthError> {
    const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let start = reader.fill_buf().map_err(GroundTruthError::unreadable(path))?;
    if start.starts_with(&BYTE_ORDER_MARK) {
        reader.consume(BYTE_ORDER_MARK.len());
    }
    let mut reader = WithoutNan::new(reader);
    let mut reading = Reading { path, notes, refused: None };
    let mut deserializer = serde_json::Deserializer::from_reader(BufReader::with_capacity(1 << 16, &mut reader));
    let file = Whole(&mut reading).deserialize(&mut deserializer).and_then(|file| deserializer.end().map(|()| file));
    let refused = reading.refused;
    drop(deserializer);
    if reader.found > 0 {
        for _ in 0..reader.found.min(1 << 20) {
            notes.mended(Mend::NotANumber, || path.display().to_string());
        }
    }
    match (file, refused) {
        (_, Some(refusal)) => Err(refusal),
        (Ok(file), None) => Ok(file),
        (Err(problem), None) if problem.is_io() => {
            Err(GroundTruthError::Unreadable { path: path.to_path_buf(), problem: problem.into() })
        }
        (Err(problem), None) => Err(GroundTruthError::malformed(path, format!("not a COCO instance file: {problem}"))),
    }
}
