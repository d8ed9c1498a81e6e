//! Status 1 and one line for what cannot be done; files that stay as they were.

use std::fs;
use std::process::Stdio;

use super::program::{DENSE, SMALL, SMALL_ROWS, command, finish, root, sharekan, text, write_tensor};

#[test]
fn a_failure_names_the_file_and_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (out, rows) = (at("out"), at("rows.safetensors"));
    let out = text(&out);

    sharekan(&["inspect", "no/such/head"]).fails(&["no/such/head", "cannot be read"]);
    sharekan(&["inspect", "assets"]).fails(&["assets: is a folder, expected a file"]);
    sharekan(&["compile", SMALL, "-o", "no/such/folder/head"]).fails(&["no/such/folder/head", "there is no folder"]);
    sharekan(&["compile", SMALL, "-o", "assets"]).fails(&["assets: is a folder"]);
    sharekan(&["inspect", SMALL, "--json", "no/such/folder/facts"]).fails(&["no/such/folder/facts"]);
    sharekan(&["decompress", SMALL, "-o", out]).fails(&[SMALL, "is dense already, expected a compressed head"]);
    sharekan(&["run", SMALL, "--input", DENSE, "--output", out, "--device", "cpu"])
        .fails(&[DENSE, "tensor input: is missing, the file has"]);
    write_tensor(&rows, "input", &[2, 5], &[0.0; 10]);
    sharekan(&["run", SMALL, "--input", text(&rows), "--output", out, "--device", "cpu"])
        .fails(&["rows.safetensors", "tensor input: is F32 [2, 5], expected [rows, 4]"]);
    sharekan(&["detect", SMALL, "assets/images", "--device", "cpu"]).fails(&[
        SMALL,
        "has no metadata detection_head",
        "--head-config",
    ]);
    sharekan(&["run", SMALL, "--input", SMALL_ROWS, "--output", out, "--device", "gpu", "--adapter", "abacus"])
        .fails(&["abacus"]);
    assert!(!folder.path().join("out").exists());
}

#[test]
fn malformed_heads_are_refused_the_same_everywhere() {
    for bad in ["truncated_header", "nan_weight", "missing_grid", "overlapping_offsets", "plain_mlp"] {
        let head = format!("tests/data/fixtures/bad/{bad}.safetensors");
        sharekan(&["inspect", &head]).fails(&[&head]);
        sharekan(&["compile", &head, "-o", "never-written"]).fails(&[&head]);
        sharekan(&["verify", &head]).fails(&[&head]);
    }
    assert!(!root().join("never-written").exists());
}

#[test]
fn a_compressed_head_is_not_compressed_again() {
    let folder = tempfile::tempdir().unwrap();
    let (once, twice) = (folder.path().join("once"), folder.path().join("twice"));
    sharekan(&["compile", SMALL, "-o", text(&once)]).succeeds();
    sharekan(&["compile", text(&once), "-o", text(&twice)])
        .fails(&["once", "is compressed already, expected a dense checkpoint"]);
    assert!(!twice.exists());

    // The compressed form is read as carefully: cut off at any place it is no head.
    let whole = fs::read(&once).unwrap();
    for length in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&once, &whole[..length]).unwrap();
        sharekan(&["inspect", text(&once)]).fails(&["once"]);
    }
}

#[test]
fn what_fails_leaves_the_old_file_whole() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("head.safetensors");
    fs::write(&out, "precious").unwrap();
    sharekan(&["compile", "tests/data/fixtures/bad/nan_weight.safetensors", "-o", text(&out)]).fails(&["nan_weight"]);
    assert_eq!(fs::read(&out).unwrap(), b"precious");

    // What is there and nobody names as an input is replaced in one step, with nothing left beside it.
    sharekan(&["compile", SMALL, "-o", text(&out)]).succeeds();
    assert!(sharekan(&["inspect", text(&out)]).succeeds().stdout.contains("compressed"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn nothing_is_written_over_what_is_read_or_written_twice() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let own: Vec<_> = ["dense", "small", "rows", "a.jpg", "q"].map(at).into();
    let [dense, small, rows, photo, q] = [0, 1, 2, 3, 4].map(|at| text(&own[at]));
    let (photos, data) = (text(folder.path()), "tests/data/bccd");
    fs::copy(root().join(SMALL), dense).unwrap();
    fs::copy(root().join(SMALL_ROWS), rows).unwrap();
    fs::copy(root().join("assets/images/BloodImage_00007.jpg"), photo).unwrap();
    sharekan(&["compile", SMALL, "-o", small]).succeeds();
    let before = || ["dense", "small", "rows", "a.jpg"].map(|name| fs::read(at(name)).unwrap());
    let bytes = before();
    for (arguments, options) in [
        (&["compile", dense, "-o", q, "--json", q][..], ["--output", "--json"]),
        (&["compile", dense, "-o", dense], ["--output", "DENSE"]),
        (&["compile", dense, "-o", q, "--calibrate", rows, "--json", rows], ["--json", "--calibrate"]),
        (&["decompress", small, "-o", small], ["--output", "HEAD"]),
        (&["export-onnx", small, "-o", small], ["--output", "HEAD"]),
        (&["bank", dense, "-o", dense], ["--output", "DENSE"]),
        (&["bank", &format!("name={dense}"), "-o", q, "--json", dense], ["--json", "DENSE"]),
        (&["run", dense, "--input", rows, "--output", rows], ["--output", "--input"]),
        (&["run", dense, "--input", rows, "--output", q, "--json", q], ["--output", "--json"]),
        (&["inspect", dense, "--json", dense], ["--json", "FILE"]),
        (&["verify", dense, "--json", dense], ["--json", "HEAD"]),
        (&["tune", small, "--json", small], ["--json", "HEAD"]),
        (&["eval", DENSE, "--data", data, "--json", q, "--plot", q], ["--json", "--plot"]),
        (&["eval", dense, "--rows", rows, "--json", rows], ["--json", "--rows"]),
        (&["detect", DENSE, photo, "--json", q, "--jsonl", q], ["--json", "--jsonl"]),
        (&["detect", DENSE, photo, "--jsonl", q, "--timings", q], ["--jsonl", "--timings"]),
        (&["detect", DENSE, photo, "--json", photo], ["--json", "SOURCE"]),
        (&["detect", DENSE, photos, "--jsonl", photo], ["--jsonl", "SOURCE"]),
        (&["compile", DENSE, "-o", photo, "--calibrate", photos], ["--output", "--calibrate"]),
        (&["bench", "--csv", q, "--html", q], ["--csv", "--html"]),
        (&["study", DENSE, "--data", data, "--out", photos, "--json", text(&at("study.json"))], ["--out", "--json"]),
        (&["demo", "--out", photos, "--json", text(&at("index.html"))], ["--out", "--json"]),
    ] {
        let done = sharekan(arguments);
        assert_eq!((done.status, done.said().lines().count()), (2, 1), "{arguments:?}: {}", done.stderr);
        assert!(options.iter().all(|option| done.stderr.contains(option)), "{arguments:?}: {}", done.stderr);
        assert!(done.stdout.is_empty() && !at("q").exists(), "{arguments:?}");
    }
    assert!(bytes == before());
    sharekan(&["compile", dense, "-o", "/dev/null", "--json", "/dev/null"]).succeeds();
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let mut child = command(&["inspect", DENSE]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(0) && stderr.lines().all(|line| line.starts_with("note: ")), "{stderr}");
}

#[test]
fn missing_assets_say_where_they_were_sought() {
    let empty = tempfile::tempdir().unwrap();
    let nowhere = finish(command(&["demo", "--device", "cpu"]).current_dir(empty.path()));
    nowhere.fails(&[text(empty.path()), "SHAREKAN_ASSETS"]);
    let named = finish(command(&["demo"]).env("SHAREKAN_ASSETS", empty.path().join("none")));
    named.fails(&["none", "named by SHAREKAN_ASSETS"]);
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
}
