//! A bank of heads as one file.

use serde::{Deserialize, Serialize};

use super::manifest::LayerManifest;
use super::read::{File, check_kinds, check_stages, read_layers};
use super::{ArtifactError, codebook_bytes};
use crate::head::{Bank, CompressedHead, DetectionConfig, MAX_STAGES, Member};

/// Key of a bank's metadata entry.
pub const BANK_KEY: &str = "sharekan_bank";

/// Newest version of the form of banks that this library reads: 2 added what version 3 of heads did, 3 what version 4 did.
/// A bank is written in the lowest version that has what it needs.
pub const BANK_VERSION: u32 = 3;

/// Most bytes of the copies of shared codebooks, one a head, that a file may ask for: a small file could name many heads.
const MAX_COPIES: usize = 1 << 30;

/// The metadata entry of a bank.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BankManifest {
    /// Version of the form, 1 to [`BANK_VERSION`].
    pub version: u32,
    /// The heads, in order.
    pub heads: Vec<MemberManifest>,
}

/// What the manifest says of one head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberManifest {
    /// Name of the head within the bank.
    pub name: String,
    /// The layers, in order.
    pub layers: Vec<LayerManifest>,
    /// How the outputs mean boxes, where they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection_head: Option<DetectionConfig>,
}

/// True for a tensor that all heads of a bank share.
pub(super) fn is_shared(name: &str) -> bool {
    name.ends_with(".codebook")
}

/// Name in the file of a head's tensor: in a bank those of each head stand apart, but for what all share.
pub(super) fn tensor_name(member: Option<usize>, name: &str) -> String {
    match member {
        Some(member) if !is_shared(name) => format!("heads.{member}.{name}"),
        _ => name.to_owned(),
    }
}

/// The manifest of a bank.
pub(super) fn manifest_of(bank: &Bank) -> BankManifest {
    let heads = bank.members().iter().map(|Member { name, head }| MemberManifest {
        name: name.clone(),
        layers: head.layers().iter().map(LayerManifest::of).collect(),
        detection_head: head.detection.clone().map(DetectionConfig::in_lowest_version),
    });
    let heads: Vec<MemberManifest> = heads.collect();
    let newest = heads.iter().flat_map(|head| &head.layers).map(LayerManifest::version).max();
    BankManifest { version: newest.unwrap_or(1).saturating_sub(1).max(1), heads }
}

/// The heads of a bank. Codebooks, of which each gets a copy, take at most [`MAX_COPIES`].
pub(super) fn read_members(
    file: &mut File<'_>,
    manifest: BankManifest,
    version: u64,
) -> Result<Vec<Member>, ArtifactError> {
    let heads = manifest.heads.len();
    let mut members = Vec::new();
    for (at, head) in manifest.heads.into_iter().enumerate() {
        file.member = Some(at);
        let MemberManifest { name, layers, detection_head } = head;
        let read = read_member(file, &layers, detection_head, version);
        let head = read.map_err(|problem| ArtifactError::Member { name: name.clone(), problem: Box::new(problem) })?;
        let codebooks: usize = head.layers().iter().map(codebook_bytes).sum();
        let copies = codebooks.saturating_mul(heads);
        if copies > MAX_COPIES {
            let problem = format!("asks for {copies} bytes of codebooks, expected at most {MAX_COPIES}");
            return Err(ArtifactError::BankManifest(problem));
        }
        members.push(Member { name, head });
    }
    Ok(members)
}

fn read_member(
    file: &mut File<'_>,
    layers: &[LayerManifest],
    detection: Option<DetectionConfig>,
    version: u64,
) -> Result<CompressedHead, ArtifactError> {
    if let Some(detection) = &detection {
        detection.check()?;
    }
    check_stages(layers, version, MAX_STAGES)?;
    check_kinds(layers, version, if version == 1 { 2 } else { version + 1 })?;
    Ok(CompressedHead::new(read_layers(file, layers)?, detection)?)
}
