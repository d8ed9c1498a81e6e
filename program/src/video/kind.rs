//! Whether a file is a video, by its first bytes, and whether it is a text that only names others.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes that tell all kinds.
const ENOUGH: usize = 408;

/// Letters of a text that are quoted.
const QUOTED: usize = 40;

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

/// The first line of a file that is a text: a playlist, a list of parts, a session (SDP), or any other. Such a file may name
/// others, which `ffmpeg` would open. `None` for what is no regular file.
pub(super) fn first_line(path: &Path) -> Option<String> {
    let start = beginning(path)?;
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start);
    let opens = |names: &[&[u8]]| names.iter().any(|name| start.starts_with(name));
    let named = opens(&[b"#EXTM3U", b"#EXTINF", b"ffconcat", b"v=0", b"<?xml", b"<MPD", b"[playlist]", b"# VobSub"]);
    let marked = opens(&[b"\xff\xfe", b"\xfe\xff"]);
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        // A letter may be cut off at the end of what was read.
        Err(cut) if cut.error_len().is_none() => std::str::from_utf8(&start[..cut.valid_up_to()]).ok()?,
        Err(_) => "\0",
    };
    let plain = !text.is_empty() && text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    if !named && !marked && (!plain || !matches!(kind(start), Kind::Unknown)) {
        return None;
    }
    let line = start.split(|byte| matches!(byte, b'\n' | b'\r')).find(|line| !line.is_empty()).unwrap_or_default();
    Some(String::from_utf8_lossy(line).chars().take(QUOTED).collect())
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

    #[test]
    fn texts_are_told_whatever_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let line = |bytes: &[u8]| {
            let path = folder.path().join("a.mp4");
            std::fs::write(&path, bytes).unwrap();
            first_line(&path)
        };
        assert_eq!(line(b"#EXTM3U\n/etc/passwd\n").as_deref(), Some("#EXTM3U"));
        assert_eq!(line(b"\xef\xbb\xbf#EXTM3U\r\nx").as_deref(), Some("#EXTM3U"));
        assert_eq!(line(b"\n\nffconcat version 1.0\nfile x").as_deref(), Some("ffconcat version 1.0"));
        assert_eq!(line(b"v=0\r\no=- 0 0 IN IP4 127.0.0.1").as_deref(), Some("v=0"));
        // What follows does not hide it.
        assert_eq!(line(b"#EXTM3U\0\xff\xff").as_deref(), Some("#EXTM3U\0\u{fffd}\u{fffd}"));
        assert!(line(b"\xff\xfe#\0E\0").is_some());
        assert_eq!(line(&[b"# ", "ä".repeat(300).as_bytes()].concat()).map(|line| line.chars().count()), Some(40));
        for video in [
            &b"\0\0\0\x20ftypisom"[..],
            b"\x1a\x45\xdf\xa3",
            b"GIF89a",
            b"FLV\x01",
            b"YUV4MPEG2 W64 H48 F25:1\nFRAME\n",
            b"OggS",
            &[0; 100],
            &[0x47; 400],
            b"",
        ] {
            assert_eq!(line(video), None, "{video:?}");
        }
        assert_eq!(first_line(folder.path()), None);
    }
}
