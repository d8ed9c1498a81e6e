//! A bank of heads as one file.

use serde::{Deserialize, Serialize};

use super::manifest::LayerManifest;
use super::read::{File, Form, check_stages, read_layers};
use super::write::Tensors;
use super::{ArtifactError, codebook_bytes};
use crate::container::Header;
use crate::head::{Bank, CompressedHead, DetectionHead, MAX_STAGES, Member};

/// Key of a bank's metadata entry.
pub const BANK_KEY: &str = "sharekan_bank";

/// Version of the form of banks that this library writes, and the only one that it reads.
pub const BANK_VERSION: u32 = 1;

/// Most bytes of the copies of shared codebooks, one a head, that a file may ask for: a small file could name many heads.
const MAX_COPIES: usize = 1 << 30;

/// The metadata entry of a bank.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BankManifest {
    /// Version of the form, [`BANK_VERSION`].
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
    pub detection_head: Option<DetectionHead>,
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

/// True where the bytes are a safetensors file whose metadata has a bank's entry.
pub fn is_bank(bytes: &[u8]) -> bool {
    Header::of(bytes).is_ok_and(|header| Form::of(&header) == Some(Form::Bank))
}

/// The file of a bank. The same bank gives the same bytes.
///
/// # Errors
/// None that a checked bank can cause; the container's own refusal is passed on.
pub fn bank_to_bytes(bank: &Bank) -> Result<Vec<u8>, ArtifactError> {
    let mut tensors = Tensors::default();
    for (at, member) in bank.members().iter().enumerate() {
        tensors.member = Some(at);
        tensors.add_layers(member.head.layers());
    }
    let heads = bank.members().iter().map(|Member { name, head }| MemberManifest {
        name: name.clone(),
        layers: head.layers().iter().map(LayerManifest::of).collect(),
        detection_head: head.detection.clone(),
    });
    let manifest = BankManifest { version: BANK_VERSION, heads: heads.collect() };
    let manifest = serde_json::to_string(&manifest).map_err(|e| ArtifactError::Manifest(e.to_string()))?;
    tensors.finish(&[(BANK_KEY, manifest)])
}

/// Reads a bank.
///
/// # Errors
/// Where the bytes break any rule of the container or of the format; see [`ArtifactError`]. Nothing is allocated by a
/// size that the file merely claims, and codebooks, of which every head gets a copy, at most 1 GiB in all.
pub fn read_bank(bytes: &[u8]) -> Result<Bank, ArtifactError> {
    read_bank_in(&Header::of(bytes)?, bytes)
}

/// Reads a bank in a file whose header has been read.
///
/// # Errors
/// As [`read_bank`].
pub(crate) fn read_bank_in(header: &Header, bytes: &[u8]) -> Result<Bank, ArtifactError> {
    let refuse = ArtifactError::BankManifest;
    let text = header.metadata.get(BANK_KEY).ok_or_else(|| refuse("is missing, expected a bank".into()))?;
    // The version is read first, so that a newer file is refused for its version and not for its fields.
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    // A field's name may hold anything.
    let unreadable = |e: serde_json::Error| refuse(format!("cannot be read: {e}").replace(char::is_control, " "));
    let Version { version } = serde_json::from_str(text).map_err(unreadable)?;
    if version != u64::from(BANK_VERSION) {
        return Err(refuse(format!("is of version {version}, expected {BANK_VERSION}")));
    }
    let manifest: BankManifest = serde_json::from_str(text).map_err(unreadable)?;
    let mut file = File::new(header, bytes)?;
    let heads = manifest.heads.len();
    let mut members = Vec::new();
    for (at, head) in manifest.heads.into_iter().enumerate() {
        file.member = Some(at);
        let MemberManifest { name, layers, detection_head } = head;
        let read = read_member(&mut file, &layers, detection_head);
        let head = read.map_err(|problem| ArtifactError::Member { name: name.clone(), problem: Box::new(problem) })?;
        let codebooks: usize = head.layers().iter().map(codebook_bytes).sum();
        let copies = codebooks.saturating_mul(heads);
        if copies > MAX_COPIES {
            return Err(refuse(format!("asks for {copies} bytes of codebooks, expected at most {MAX_COPIES}")));
        }
        members.push(Member { name, head });
    }
    file.check_all_read()?;
    Ok(Bank::new(members)?)
}

fn read_member(
    file: &mut File<'_>,
    layers: &[LayerManifest],
    detection: Option<DetectionHead>,
) -> Result<CompressedHead, ArtifactError> {
    if let Some(detection) = &detection {
        detection.check()?;
    }
    check_stages(layers, u64::from(BANK_VERSION), MAX_STAGES)?;
    Ok(CompressedHead::new(read_layers(file, layers)?, detection)?)
}
