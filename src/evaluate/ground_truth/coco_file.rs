//! The JSON of a COCO instance file, read as a stream: what is not needed is never held.

use std::fmt;
use std::io::{BufRead, BufReader, Read};

use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// The parts of an instance file that count.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object with images, annotations and categories")]
pub(super) struct InstanceFile {
    pub(super) images: Vec<ImageRecord>,
    pub(super) annotations: Vec<AnnotationRecord>,
    pub(super) categories: Vec<CategoryRecord>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an image with id and file_name")]
pub(super) struct ImageRecord {
    pub(super) id: Id,
    pub(super) file_name: String,
    pub(super) width: Option<f64>,
    pub(super) height: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an annotation with image_id, category_id and bbox")]
pub(super) struct AnnotationRecord {
    pub(super) id: Option<Id>,
    pub(super) image_id: Id,
    pub(super) category_id: Id,
    pub(super) bbox: [f64; 4],
    pub(super) area: Option<f64>,
    #[serde(default)]
    pub(super) iscrowd: Flag,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "a category with id and name")]
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
            Self::Text(text) => f.write_str(&super::error::quoted(text)),
        }
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;
        impl Visitor<'_> for IdVisitor {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id: a whole number or a string")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Id, E> {
                Ok(Id::Number(value))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Id, E> {
                i64::try_from(value).map(Id::Number).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Id, E> {
                if value.fract() == 0.0 && value.abs() < 9e15 {
                    Ok(Id::Number(value as i64))
                } else {
                    Err(E::invalid_value(Unexpected::Float(value), &self))
                }
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Id, E> {
                Ok(Id::Text(value.into()))
            }
        }
        deserializer.deserialize_any(IdVisitor)
    }
}

/// 0 or 1, false or true, null for 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FlagVisitor;
        impl Visitor<'_> for FlagVisitor {
            type Value = Flag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("0 or 1")
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Flag, E> {
                Ok(Flag(value))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Flag, E> {
                match value {
                    0 | 1 => Ok(Flag(value == 1)),
                    _ => Err(E::invalid_value(Unexpected::Unsigned(value), &self)),
                }
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Flag, E> {
                if value == 0.0 || value == 1.0 {
                    Ok(Flag(value == 1.0))
                } else {
                    Err(E::invalid_value(Unexpected::Float(value), &self))
                }
            }

            fn visit_unit<E: Error>(self) -> Result<Flag, E> {
                Ok(Flag(false))
            }
        }
        deserializer.deserialize_any(FlagVisitor)
    }
}

/// Reads an instance file. Memory stays in proportion to the records that count.
pub(super) fn parse(reader: impl Read) -> Result<InstanceFile, serde_json::Error> {
    const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    if reader.fill_buf().map_err(serde_json::Error::io)?.starts_with(&BYTE_ORDER_MARK) {
        reader.consume(BYTE_ORDER_MARK.len());
    }
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let file = InstanceFile::deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(file)
}
