//! Whether a file is a video, by its first bytes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes that tell all kinds.
const ENOUGH: usize = 408;

/// Endings of videos, for files whose first bytes tell nothing.
/// Those of transport streams are not among them: `ts` is a language, too, and their first bytes tell.
const ENDINGS: [&str; 18] = [
    "3gp", "asf", "avi", "f4v", "flv", "ivf", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mxf", "ogv", "qt", "webm",
    "wmv", "y4m",
];

/// Endings of sound in containers that hold videos, too.
const SOUND: [&str; 8] = ["aac", "m4a", "m4b", "mka", "oga", "ogg", "opus", "wma"];

/// What the first bytes of a file say of it.
enum Kind {
    Video,
    /// An image, or something else that is no video.
    Other,
    Unknown,
}

/// Tells a file that is to be read as a video: a regular file that begins as one, whatever its name; where the beginning
/// tells nothing, its ending does. A file that cannot be read is none.
pub(crate) fn is_video(path: &Path) -> bool {
    match beginning(path) {
        Some(start) => match kind(&start) {
            Kind::Video => !has_ending(path, &SOUND),
            Kind::Other => false,
            Kind::Unknown => has_video_ending(path),
        },
        None => false,
    }
}

/// Tells a name that ends as those of videos do.
fn has_video_ending(path: &Path) -> bool {
    has_ending(path, &ENDINGS)
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|ending| endings.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

fn beginning(path: &Path) -> Option<Vec<u8>> {
    // Pipes and devices are not opened: that may take for ever.
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut start = Vec::with_capacity(ENOUGH);
    File::open(path).ok()?.take(ENOUGH as u64).read_to_end(&mut start).ok()?;
    Some(start)
}

fn kind(start: &[u8]) -> Kind {
    let has = |at: usize, what: &[u8]| start.get(at..).is_some_and(|rest| rest.starts_with(what));
    let every = |first: usize, step: usize| {
        let mut syncs = (first..start.len()).step_by(step).map(|at| start[at]);
        start.len() > first + step && syncs.all(|byte| byte == 0x47)
    };
    // MP4 and QuickTime begin with a box; still images (HEIC, AVIF) and sound do so, too.
    let boxes: [&[u8]; 6] = [b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"];
    let brands: [&[u8]; 8] = [b"M4A ", b"M4B ", b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis"];
    let images: [&[u8]; 4] = [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0"];
    let videos: [&[u8]; 14] = [
        b"\x1a\x45\xdf\xa3",         // Matroska, WebM
        b"\0\0\x01\xba",             // MPEG programme stream
        b"\0\0\x01\xb3",             // MPEG-1 and -2 without a container
        b"\0\0\0\x01\x67",           // H.264 without a container
        b"\0\0\0\x01\x09",           // the same, delimited
        b"\0\0\0\x01\x40",           // H.265 without a container
        b"FLV\x01",                  // Flash
        b"\x30\x26\xb2\x75\x8e\x66", // ASF, WMV
        b"OggS",
        b"GIF87a",
        b"GIF89a",
        b"YUV4MPEG2",
        b"DKIF",             // IVF
        b"\x06\x0e\x2b\x34", // MXF
    ];
    if start.is_empty() || images.iter().any(|image| has(0, image)) || has(0, b"RIFF") && !has(8, b"AVI ") {
        return Kind::Other;
    }
    let boxed = boxes.iter().any(|name| has(4, name));
    if boxed && brands.iter().any(|brand| has(8, brand)) {
        return Kind::Other;
    }
    let is_video = boxed
        || has(0, b"RIFF")
        || videos.iter().any(|video| has(0, video))
        // MPEG transport streams, with a time before each packet or not.
        || every(0, 188)
        || every(4, 192);
    if is_video { Kind::Video } else { Kind::Unknown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_comes_before_the_ending() {
        let folder = tempfile::tempdir().unwrap();
        let is = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            is_video(&path)
        };
        let stream: Vec<u8> = (0..188 * 4).map(|at| if at % 188 == 0 { 0x47 } else { at as u8 % 64 }).collect();
        assert!(is("a.jpg", b"\0\0\0\x20ftypisom"));
        assert!(is("b", b"\x1a\x45\xdf\xa3\x01"));
        assert!(is("c.dat", b"RIFF\x10\0\0\0AVI LIST"));
        assert!(is("d", &stream));
        assert!(is("e.mp4", &[0; 100]));
        assert!(is("f.MOV", b"a text"));
        assert!(!is("g.mp4", b"\x89PNG\r\n\x1a\n"));
        assert!(!is("h.mp4", b""));
        assert!(!is("i.mp4", b"RIFF\x10\0\0\0WEBPVP8 "));
        assert!(!is("j.txt", b"a text"));
        assert!(!is("k.m4a", b"\0\0\0\x20ftypM4A "));
        assert!(!is("l.heic", b"\0\0\0\x20ftypheic"));
        assert!(!is("m.ogg", b"OggS"));
        assert!(!is("n.jpg", &[0x47; 20]));
        assert!(!is_video(folder.path()));
        assert!(!is_video(&folder.path().join("missing.mp4")));
    }
}
