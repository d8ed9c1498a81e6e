//! The heads of a bank and their calibration rows, as the command line names them.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use sharekan::Error;
use sharekan::head::{Bank, DenseHead};

use super::{BankArgs, dense};
use crate::cli::calibration::{CalibrationRows, CalibrationSource};
use crate::cli::failure::Failure;
use crate::cli::plain::plain;
use crate::cli::screen::Screen;

/// A dense head and its name.
pub(super) struct DenseFile {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) dense: DenseHead,
    /// What was assumed about it, with its name in front.
    pub(super) assumed: Vec<String>,
}

/// The heads by name.
pub(super) fn named_heads(args: &BankArgs) -> Vec<(String, PathBuf)> {
    args.heads.iter().map(|text| named_file(text)).collect()
}

/// Where rows come from, without the names of heads.
pub(super) fn named_images(args: &BankArgs) -> Vec<PathBuf> {
    args.calibrate.iter().map(|text| named_file(text).1).collect()
}

/// Opens all heads.
pub(super) fn open_heads(args: &BankArgs) -> Result<Vec<DenseFile>, Failure> {
    let named = named_heads(args);
    Bank::check_names(named.iter().map(|(name, _)| name.as_str()))
        .map_err(|e| Failure::Usage(format!("{}; NAME=FILE names a head", Error::from(e))))?;
    let open = |(name, path): (String, PathBuf)| {
        let file = args.import.open(&path)?;
        let assumed = file.assumptions().iter().map(|what| format!("{name}: {what}")).collect();
        let dense = dense(file.head, &path)?;
        Ok(DenseFile { name, path, dense, assumed })
    };
    named.into_iter().map(open).collect()
}

/// `NAME=FILE`, or a file that a head is named after. A file that is there is never taken apart.
fn named_file(text: &Path) -> (String, PathBuf) {
    let split = text.to_str().filter(|_| !text.exists()).and_then(|text| text.split_once('='));
    match split {
        Some((name, path)) => (name.to_owned(), path.into()),
        None => {
            let name = text.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
            (name, text.to_path_buf())
        }
    }
}

/// Calibration rows of every head.
pub(super) fn calibrate(
    args: &BankArgs,
    heads: &[DenseFile],
    screen: Screen,
) -> Result<Vec<Rc<CalibrationRows>>, Failure> {
    let names: Vec<&str> = heads.iter().map(|head| head.name.as_str()).collect();
    let sources = assign(&args.calibrate, &names).map_err(Failure::Usage)?;
    let (device, adapter) = (&args.backbone_device, args.adapter.options()?);
    let mut rows: Vec<Rc<CalibrationRows>> = Vec::new();
    for (at, (head, source)) in heads.iter().zip(&sources).enumerate() {
        let same = (0..at).find(|&other| sources[other] == *source && alike(&heads[other].dense, &head.dense));
        if let Some(other) = same {
            rows.push(Rc::clone(&rows[other]));
            continue;
        }
        let for_all = at == 0 && sources.iter().all(|other| other == source);
        let whom = if for_all { "all heads".into() } else { head.name.clone() };
        screen.line(format!("{}: {}", plain(whom), plain(source.display())))?;
        let split = &args.calibrate_split;
        let backbone = args.backbone.as_deref();
        let reading = &args.reading;
        let source = CalibrationSource { source, split, backbone, device, adapter: &adapter, reading };
        rows.push(Rc::new(source.rows(&head.dense, &head.path, screen)?));
    }
    Ok(rows)
}

/// True where both heads see the same features of an image.
fn alike(a: &DenseHead, b: &DenseHead) -> bool {
    let prepared = match (&a.detection, &b.detection) {
        (Some(a), Some(b)) => a.prepares_images_as(b),
        (None, None) => true,
        _ => false,
    };
    prepared && a.inputs() == b.inputs()
}

/// Which source each head is calibrated on: one for all, one each in order, or by name.
fn assign(sources: &[PathBuf], names: &[&str]) -> Result<Vec<PathBuf>, String> {
    let by_name = |source: &Path| {
        let (name, path) = source.to_str()?.split_once('=')?;
        let at = names.iter().position(|known| *known == name);
        match at {
            Some(at) => Some(Ok((at, PathBuf::from(path)))),
            None if source.exists() => None,
            None => Some(Err(format!(
                "--calibrate {}: no head is named '{name}', they are {}",
                source.display(),
                names.join(", ")
            ))),
        }
    };
    let named: Vec<Option<Result<(usize, PathBuf), String>>> = sources.iter().map(|source| by_name(source)).collect();
    if named.iter().all(Option::is_none) {
        return match sources {
            [one] => Ok(vec![one.clone(); names.len()]),
            many if many.len() == names.len() => Ok(many.to_vec()),
            many => Err(format!(
                "--calibrate is given {} times for {} heads, expected once for all, once for each, or NAME=DIR",
                many.len(),
                names.len()
            )),
        };
    }
    let mut found: Vec<Option<PathBuf>> = vec![None; names.len()];
    for (source, named) in sources.iter().zip(named) {
        match named {
            None => return Err(format!("--calibrate {} names no head, but others do", source.display())),
            Some(named) => {
                let (at, path) = named?;
                if found[at].replace(path).is_some() {
                    return Err(format!("--calibrate is given twice for {}", names[at]));
                }
            }
        }
    }
    let missing =
        |(path, name): (Option<PathBuf>, &&str)| path.ok_or_else(|| format!("--calibrate {name}=DIR is missing"));
    found.into_iter().zip(names).map(missing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned(sources: &[&str]) -> Result<Vec<String>, String> {
        let sources: Vec<PathBuf> = sources.iter().map(PathBuf::from).collect();
        let found = assign(&sources, &["a", "b"])?;
        Ok(found.iter().map(|path| path.display().to_string()).collect())
    }

    #[test]
    fn sources_go_to_heads() {
        assert_eq!(assigned(&["x"]).unwrap(), ["x", "x"]);
        assert_eq!(assigned(&["x", "y"]).unwrap(), ["x", "y"]);
        assert_eq!(assigned(&["b=y", "a=x=z"]).unwrap(), ["x=z", "y"]);
        for (sources, problem) in [
            (&["x", "y", "z"][..], "given 3 times for 2 heads"),
            (&["a=x", "y"], "--calibrate y names no head"),
            (&["a=x", "a=y"], "twice for a"),
            (&["a=x"], "--calibrate b=DIR is missing"),
            (&["a=x", "c=y"], "no head is named 'c', they are a, b"),
        ] {
            assert!(assigned(sources).unwrap_err().contains(problem), "{sources:?}");
        }
    }

    #[test]
    fn heads_are_named_after_their_files_or_as_asked() {
        let named = |text: &str| named_file(Path::new(text));
        assert_eq!(named("x/cards.v2.safetensors"), ("cards.v2".into(), "x/cards.v2.safetensors".into()));
        assert_eq!(named("night=x/m=8.pth"), ("night".into(), "x/m=8.pth".into()));
    }
}
