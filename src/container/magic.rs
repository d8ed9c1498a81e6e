//! What a file is whose name promised something else.

/// What a safetensors file should have been.
pub(crate) const SAFETENSORS: &str =
    "a safetensors file (a PyTorch state dict keeps the extension .pt or .pth, or is converted with safetensors)";

/// Begin of a file that torch.save wrote before version 1.6: a pickled magic number.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

/// The kind of file that begins with `start`, if it is one that people mix up with a checkpoint.
pub(crate) fn recognise(start: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 11] = [
        (b"PK\x03\x04", "a zip archive, as torch.save writes it"),
        (LEGACY, "a legacy torch.save pickle"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"\xff\xd8\xff", "a JPEG image"),
        (b"GIF8", "a GIF image"),
        (b"RIFF", "a WebP image or another RIFF file"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"GGUF", "a GGUF file"),
        (b"\x93NUMPY", "a NumPy array"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"version https://", "a Git LFS pointer whose file was not fetched"),
    ];
    match start {
        [0x80, 2..=5, opcode, ..] if *opcode != 0 && !start.starts_with(LEGACY) => Some("a Python pickle"),
        _ => KNOWN.iter().find(|(magic, _)| start.starts_with(magic)).map(|&(_, what)| what),
    }
}
