//! What a file is whose name promised something else.

/// What a safetensors file should have been.
pub(crate) const SAFETENSORS: &str = "a safetensors file, or a PyTorch state dict under another name than .safetensors";

/// Begin of a file that torch.save wrote before version 1.6: a pickled magic number.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

const KNOWN: [(&[u8], &str); 16] = [
    (b"PK\x03\x04", "a zip archive, as torch.save writes it"),
    (LEGACY, "a legacy torch.save pickle"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a WebP image or another RIFF file"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes it"),
    (b"GGUF", "a GGUF file"),
    (b"\x93NUMPY", "a NumPy array (.npy)"),
    (b"\x1f\x8b", "a gzip archive, which has to be unpacked first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive, which has to be unpacked first"),
    (b"Rar!", "a RAR archive, which has to be unpacked first"),
    (b"BZh", "a bzip2 archive, which has to be unpacked first"),
    (b"\xfd7zXZ\x00", "an xz archive, which has to be unpacked first"),
    (b"%PDF", "a PDF document"),
    (b"version https://", "a Git LFS pointer whose file was not fetched"),
];

/// Bytes from the first on that tell what a file is.
pub(crate) const TELLING: usize = 262;

/// What a file of text is, told from its first bytes.
fn text(start: &[u8]) -> Option<&'static str> {
    let start = &start[..start.len().min(16)];
    let readable = start.len() >= 8 && start.iter().all(|&byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'));
    if !readable || KNOWN.iter().any(|(magic, _)| start.starts_with(magic)) {
        return None;
    }
    Some(match start {
        [b'{' | b'[', ..] => "a text file (JSON)",
        [b'<', ..] => "a text file (XML or HTML, as of a download that failed)",
        _ if start.contains(&b':') => "a text file (YAML, perhaps the settings beside a state dict)",
        _ => "a text file",
    })
}

/// The kind of file that begins with `start`, if it is one that people mix up with a checkpoint.
pub(crate) fn recognise(start: &[u8]) -> Option<&'static str> {
    // The header of a tar archive begins with the name of the first file, and has its magic behind name, modes, owner, size and time.
    if start.get(257..262) == Some(b"ustar") {
        return Some("a tar archive, which has to be unpacked first");
    }
    if let Some(what) = text(start) {
        return Some(what);
    }
    match start {
        // Field 1, a number: the version of the format. Field 2, a text: who wrote it; or another of the first fields.
        [0x08, 1..=20, 0x12 | 0x1a | 0x22 | 0x2a | 0x32 | 0x3a | 0x42, ..] => Some("an ONNX network"),
        [_, _, _, _, b'T', b'F', b'L', b'3', ..] => Some("a TensorFlow Lite network"),
        [0x80, 2..=5, opcode, ..] if *opcode != 0 && !start.starts_with(LEGACY) => Some("a Python pickle"),
        _ => KNOWN.iter().find(|(magic, _)| start.starts_with(magic)).map(|&(_, what)| what),
    }
}
