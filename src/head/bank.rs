//! One compressed head, or several of one backbone that share their codebooks.
//!
//! All heads read the same features, each has outputs of its own. At each layer position one codebook serves all heads, so a
//! further head costs its indices and gains only, and a device that holds the codebook in fast memory holds it for all.

use std::collections::HashSet;
use std::ops::Range;

use super::{Basis, CompressedHead, CompressedLayer, DetectionConfig, GainScale, HeadError, Knots, Quantised};

/// Longest name of a member, in bytes.
pub const MAX_MEMBER_NAME: usize = 255;

/// A head of a [`Bank`] and its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Name of the head within the bank: printable, not empty, at most [`MAX_MEMBER_NAME`] bytes. A head alone, as
    /// `Bank::from(head)` makes it, has an empty one.
    pub name: String,
    /// The head. It holds its copy of the codebooks, so that it can be run alone.
    pub head: CompressedHead,
}

/// Compressed heads that take the same inputs and share one codebook per layer position.
///
/// The heads have the same number of layers. At each position their layers have the same kind and size of basis, precision,
/// codebook and kind of gain scale; input maps, knots, levels of gains and numbers of outputs may differ.
///
/// A compressed head alone is a bank of one without a name: `Bank::from(head)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Bank {
    members: Vec<Member>,
}

impl Bank {
    /// Joins heads to a bank.
    ///
    /// # Errors
    /// Where there is no head, a name is empty, not printable, too long or given twice, or two heads differ in what they
    /// have to share.
    pub fn new(members: Vec<Member>) -> Result<Self, HeadError> {
        let Some((first, others)) = members.split_first() else {
            return Err(HeadError::Bank("has no head, expected at least 1".into()));
        };
        Self::check_names(members.iter().map(|member| member.name.as_str()))?;
        for other in others {
            if let Some(difference) = difference(&first.head, &other.head) {
                return Err(HeadError::Bank(format!("{} and {} do not fit: {difference}", first.name, other.name)));
            }
        }
        Ok(Self { members })
    }

    /// Refuses names that the heads of a bank cannot have.
    ///
    /// # Errors
    /// Where there is no name, or one is empty, not printable, too long or given twice.
    pub fn check_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<(), HeadError> {
        let mut known = HashSet::new();
        for (at, name) in names.into_iter().enumerate() {
            check_name(at, name)?;
            if !known.insert(name) {
                return Err(HeadError::Bank(format!("has two heads of the name {name}")));
            }
        }
        if known.is_empty() { Err(HeadError::Bank("has no head, expected at least 1".into())) } else { Ok(()) }
    }

    /// The head, where there is one without a name; `None` for heads that were joined by name.
    pub fn single(&self) -> Option<&CompressedHead> {
        match self.members.as_slice() {
            [Member { name, head }] if name.is_empty() => Some(head),
            _ => None,
        }
    }

    /// The head, where there is one without a name, else the bank.
    ///
    /// # Errors
    /// The bank itself, where its heads have names.
    pub fn into_single(mut self) -> Result<CompressedHead, Self> {
        match self.members.pop() {
            Some(Member { name, head }) if name.is_empty() => Ok(head),
            last => {
                self.members.extend(last);
                Err(self)
            }
        }
    }

    /// The heads, in order; at least one.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Names of the heads, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.name.as_str())
    }

    /// The head of this name.
    pub fn member(&self, name: &str) -> Option<&CompressedHead> {
        self.members.iter().find(|member| member.name == name).map(|member| &member.head)
    }

    pub(super) fn members_mut(&mut self) -> &mut [Member] {
        &mut self.members
    }

    /// The heads without their bank, in order.
    pub fn into_members(self) -> Vec<Member> {
        self.members
    }

    /// Number of inputs of every head.
    pub fn inputs(&self) -> usize {
        self.members[0].head.inputs()
    }

    /// Number of outputs of all heads together. A row of outputs holds those of the first head, then those of the second,
    /// and so on.
    pub fn outputs(&self) -> usize {
        self.members.iter().map(|member| member.head.outputs()).sum()
    }

    /// Where the outputs of the head numbered `member` stand in a row of outputs; empty at the end where there is no such
    /// head.
    pub fn output_range(&self, member: usize) -> Range<usize> {
        let before = self.members.iter().take(member).map(|member| member.head.outputs()).sum();
        before..before + self.members.get(member).map_or(0, |member| member.head.outputs())
    }

    /// How the outputs of each head mean boxes.
    ///
    /// # Errors
    /// Where a head is no detection head, or two heads take different features of differently prepared images.
    pub fn detection(&self) -> Result<Vec<&DetectionConfig>, HeadError> {
        let settings = self.members.iter().map(|member| {
            let none = || HeadError::Bank(format!("{} has no metadata detection_head", member.name));
            member.head.detection.as_ref().ok_or_else(none)
        });
        let settings = settings.collect::<Result<Vec<_>, _>>()?;
        for (member, other) in self.members.iter().zip(&settings).skip(1) {
            if !settings[0].prepares_images_as(other) {
                let (first, other) = (&self.members[0].name, &member.name);
                return Err(HeadError::Bank(format!("{first} and {other} prepare images differently")));
            }
        }
        Ok(settings)
    }

    /// Number of edges of all heads.
    pub fn edges(&self) -> usize {
        self.members.iter().map(|member| member.head.edges()).sum()
    }
}

impl From<CompressedHead> for Bank {
    fn from(head: CompressedHead) -> Self {
        Self { members: vec![Member { name: String::new(), head }] }
    }
}

fn check_name(at: usize, name: &str) -> Result<(), HeadError> {
    let refuse = |problem: String| Err(HeadError::Bank(format!("the name of head {at} {problem}")));
    if name.trim().is_empty() {
        return refuse("is empty".into());
    }
    if name.len() > MAX_MEMBER_NAME {
        return refuse(format!("has {} bytes, expected at most {MAX_MEMBER_NAME}", name.len()));
    }
    // What text for debugging shows as it is can be printed; quotes and backslashes it marks, too.
    let marked = name.chars().filter(|c| matches!(c, '"' | '\'' | '\\')).count();
    if name.escape_debug().count() != name.chars().count() + marked {
        return refuse(format!("is \"{}\", expected printable characters", name.escape_debug()));
    }
    Ok(())
}

/// What keeps two heads from sharing their codebooks.
fn difference(a: &CompressedHead, b: &CompressedHead) -> Option<String> {
    if a.layers().len() != b.layers().len() {
        return Some(format!("{} layers and {}", a.layers().len(), b.layers().len()));
    }
    if a.inputs() != b.inputs() {
        return Some(format!("{} inputs and {}", a.inputs(), b.inputs()));
    }
    a.layers()
        .iter()
        .zip(b.layers())
        .enumerate()
        .find_map(|(at, (a, b))| layer_difference(a, b).map(|difference| format!("layer {at}: {difference}")))
}

fn layer_difference(a: &CompressedLayer, b: &CompressedLayer) -> Option<String> {
    if let Some(difference) = basis_difference(&a.basis, &b.basis) {
        return Some(difference);
    }
    if a.stages != b.stages {
        return Some(format!("codebooks of {} stages and of {}", a.stages, b.stages));
    }
    match (&a.quantised, &b.quantised) {
        (
            Quantised::Int8 { codebook, gain_scale, .. },
            Quantised::Int8 { codebook: other, gain_scale: other_scale, .. },
        ) => {
            if codebook != other {
                return Some("the codebooks differ".into());
            }
            let (scale, other) = (scale(gain_scale), scale(other_scale));
            (scale != other).then(|| format!("{scale} gains and {other} ones"))
        }
        (Quantised::Float { codebook, .. }, Quantised::Float { codebook: other, .. }) => {
            (codebook != other).then(|| "the codebooks differ".into())
        }
        _ => Some("codebooks of 8 bits and of f32".into()),
    }
}

/// What keeps layers of two bases from sharing a codebook.
pub(crate) fn basis_difference(a: &Basis, b: &Basis) -> Option<String> {
    let (a, b) = (describe(a), describe(b));
    (a != b).then(|| format!("{a} and {b}"))
}

/// What two layers of a position must have in common of their bases.
fn describe(basis: &Basis) -> String {
    match basis {
        Basis::BSpline { order, intervals, knots } => {
            let knots = if matches!(knots, Knots::Uniform { .. }) { "even" } else { "uneven" };
            format!("B-splines of order {order} over {intervals} {knots} intervals")
        }
        Basis::Gaussian { centres, denominator } => {
            format!("Gaussian bumps of width {denominator} at {centres:?}")
        }
    }
}

fn scale(scale: &GainScale) -> &'static str {
    match scale {
        GainScale::Linear => "linear",
        GainScale::Table(_) if scale.bits() == 4 => "4-bit",
        GainScale::Table(_) => "8-bit tabled",
    }
}
