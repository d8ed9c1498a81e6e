//! What a reader assumed, put right and left out.

use serde::Serialize;

use super::GroundTruthError;

/// Things that were left out: how many, and the first of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct LeftOut {
    /// How many there were.
    pub count: usize,
    /// What each was and why, one line each; at most [`Self::LISTED`].
    pub first: Vec<String>,
}

impl LeftOut {
    /// Most that are listed one by one.
    pub const LISTED: usize = 1000;

    /// Adds one.
    pub fn add(&mut self, what: String) {
        self.count += 1;
        if self.first.len() < Self::LISTED {
            self.first.push(what);
        }
    }
}

/// What is put right where a file leaves no doubt about what was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mend {
    Corners,
    Outline,
    TextNumber,
    TextId,
    Ampersand,
    NotANumber,
    Encoding,
    OutOfFrame,
    Repeated,
    FoundByName,
    SameFile,
    NoLabels,
    Mixed,
}

impl Mend {
    /// What is said about `count` of them.
    fn sentence(self, count: usize) -> String {
        let one = count == 1;
        let (s, is) = if one { ("", "is") } else { ("s", "are") };
        let of = |noun: &str| format!("{count} {noun}{s}");
        match self {
            Self::Corners => {
                format!("corners put in order: {}", if one { "1 box".into() } else { format!("{count} boxes") })
            }
            Self::Outline => format!("boxes taken around outlines: {count}"),
            Self::TextNumber => format!("numbers written as text: {}", of("box").replace("boxs", "boxes")),
            Self::TextId => format!("ids written as text taken as numbers: {count}"),
            Self::Ampersand => format!("a bare & in XML taken as that letter: {}", of("file")),
            Self::NotANumber => format!("NaN or Infinity, which are no JSON, taken as missing: {count}"),
            Self::Encoding => format!("not UTF-8, of which only plain letters were needed: {}", of("file")),
            Self::OutOfFrame => format!("boxes slightly outside 0 to 1: {count}"),
            Self::Repeated => format!("the same line twice in a label file, taken once: {count}"),
            Self::FoundByName => {
                format!("{} found elsewhere by {} name{s}", of("image"), if one { "its" } else { "their" })
            }
            Self::SameFile => format!("{} of a file that is listed before", of("image")),
            Self::NoLabels => format!("{} without a label file {is} taken as background", of("image")),
            Self::Mixed => {
                format!("boxes and outlines in one label file, told by their number of values: {}", of("file"))
            }
        }
    }
}

/// Collects what a reader has to say.
#[derive(Debug, Default)]
pub(super) struct Notes {
    skip_bad: bool,
    mended: Vec<(Mend, usize, String)>,
    assumed: Vec<String>,
    pub(super) skipped: LeftOut,
}

impl Notes {
    pub(super) fn new(skip_bad: bool) -> Self {
        Self { skip_bad, ..Self::default() }
    }

    pub(super) fn skips(&self) -> bool {
        self.skip_bad
    }

    /// A record that cannot be used: left out, or the error it is.
    pub(super) fn bad(&mut self, problem: GroundTruthError) -> Result<(), GroundTruthError> {
        if self.skip_bad {
            self.skipped.add(problem.to_string());
            Ok(())
        } else {
            Err(problem.skippable())
        }
    }

    /// Something that was put right; `place` says where, and is asked for the first only.
    pub(super) fn mended(&mut self, what: Mend, place: impl FnOnce() -> String) {
        match self.mended.iter_mut().find(|(mend, ..)| *mend == what) {
            Some((_, count, _)) => *count += 1,
            None => self.mended.push((what, 1, place())),
        }
    }

    pub(super) fn assume(&mut self, what: impl Into<String>) {
        self.assumed.push(what.into());
    }

    /// All that was assumed and put right, a line each.
    pub(super) fn sentences(&self) -> Vec<String> {
        let mended = self.mended.iter().map(|(mend, count, first)| {
            let sentence = mend.sentence(*count);
            match *count {
                1 => format!("{sentence} ({first})"),
                _ => format!("{sentence} (first: {first})"),
            }
        });
        self.assumed.iter().cloned().chain(mended).map(|line| super::error::one_line(&line)).collect()
    }
}
