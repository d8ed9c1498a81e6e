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
fn what_helps_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (file, config, small, rows) = (at("file"), at("config.json"), at("small.safetensors"), at("rows.safetensors"));
    let image = "assets/images/BloodImage_00007.jpg";
    fs::write(&file, "a file").unwrap();
    sharekan(&["compile", DENSE, "-o", text(&small), "--codebook", "4"]).succeeds();
    let (file, small, cpu) = (text(&file), text(&small), ["--device", "cpu"]);
    let run = |arguments: &[&str]| sharekan(&[arguments, &cpu].concat());

    // A file where a folder is needed.
    run(&["detect", small, image, "--out", file]).fails(&[file, "is no folder, expected one to write into"]);
    run(&["demo", "--out", file]).fails(&[file, "is no folder"]);
    run(&["study", DENSE, "--data", "tests/data/bccd", "--split", "test", "--out", file])
        .fails(&[file, "is no folder"]);
    let tune = ["tune", small, "--batches", "1", "--tiles", "1", "--cache"];
    let done = sharekan(&[&tune[..], &[file]].concat());
    assert!(done.stdout.is_empty(), "{}", done.stdout);
    done.fails(&[file, "is no folder"]);
    let unkept = sharekan(&[&tune[..], &[""]].concat()).succeeds().stdout;
    assert!(unkept.contains("no cache folder is named") && !unkept.contains("wrote "), "{unkept}");

    // Rows that are too few, and rows that are all the same.
    let target = |values: &[f32]| {
        write_tensor(&rows, "input", &[values.len() / 4, 4], values);
        sharekan(&["compile", SMALL, "-o", text(&at("out")), "--calibrate", text(&rows), "--target-snr", "20"])
    };
    target(&[0.5; 12]).fails(&["rows.safetensors: ", "has 3 rows, 3 of them finite", "at least 8 rows"]);
    let mut gone = vec![0.5; 64];
    gone[56..].fill(f32::NAN);
    target(&gone).fails(&["rows.safetensors: ", "has 16 rows, 14 of them finite; of 16 the last 2 are held back"]);
    target(&[0.0; 64]).fails(&["outputs do not vary over the 2 rows held back"]);

    // Settings that do not fit are their own file's.
    let settings = r#"{"classes": ["a", "b"], "input_size": 64, "stride": 16, "features": ["c"], "clamp": [-1, 1], "box_scale": 24}"#;
    fs::write(&config, settings).unwrap();
    let with = |head: &str| sharekan(&["inspect", head, "--head-config", text(&config)]);
    with(SMALL).fails(&["config.json: ", "names 2 classes, which take 7 outputs, but the head has ", SMALL]);
    with(small).fails(&["config.json: ", "names 2 classes, which take 7 outputs, but the head has 8", small]);
    fs::write(&config, settings.replace("[-1, 1]", "[-1, 1, 2]")).unwrap();
    with(SMALL).fails(&["config.json: ", "'clamp' is [-1,1,2], expected an array of two numbers"]);

    sharekan(&["inspect", SMALL, "--entry", ""]).fails(&[SMALL, "has no entries as ''"]);
    sharekan(&["bank", small, "-o", text(&at("out"))]).fails(&[small, "`sharekan decompress` makes one of it"]);
    sharekan(&["inspect", SMALL, "--layout", "pykan"]).fails(&[
        SMALL,
        "is missing",
        "are those of efficient-kan: leave out",
    ]);
    sharekan(&["inspect", DENSE, "--layout", "pykan"])
        .fails(&[DENSE, "has the tensors of efficient-kan, not of pykan: leave out --layout"]);
    let named = sharekan(&["bank", SMALL, "-o", text(&at("out")), "--calibrate", "="]);
    assert!(named.status == 2 && named.stderr.contains("no head is named ''"), "{}", named.stderr);
    let slope = sharekan(&["inspect", SMALL, "--base-activation", "leaky_relu:nan"]);
    assert!(
        slope.status == 2
            && slope.stderr.contains(
                "slope `nan` of leaky_relu is no finite number
"
            ),
        "{}",
        slope.stderr
    );
    // Nothing was read: there is no time to tell.
    let broken = at("broken.jpg");
    fs::write(&broken, "no image").unwrap();
    let nothing = run(&["detect", small, text(&broken)]);
    assert!(nothing.stdout.is_empty(), "{}", nothing.stdout);
    nothing.fails(&["broken.jpg"]);
}

#[test]
fn an_adapter_that_is_not_there_is_told_beside_those_that_are() {
    let named = finish(command(&["adapters"]).env("WGPU_ADAPTER_NAME", "zz")).succeeds().stdout;
    let all = sharekan(&["adapters", "--json", "-"]).succeeds().json();
    let first = all[0]["name"].as_str().unwrap();
    assert!(named.starts_with("no graphics adapter is named \"zz\"; those found are "), "{named}");
    assert!(named.contains(first), "{named}");
    let other = if cfg!(target_os = "macos") { "vulkan" } else { "metal" };
    let backend = finish(command(&["adapters"]).env("WGPU_BACKEND", other)).succeeds().stdout;
    assert!(
        backend.starts_with("no graphics adapter has a backend that WGPU_BACKEND names") && backend.contains(first),
        "{backend}"
    );
}

/// What names in files and names of files would do to a terminal.
#[cfg(unix)]
#[test]
fn control_characters_of_files_do_not_reach_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let evil = "a\u{1b}[31m\rb\nc\u{9b}2J";
    let (config, out) = (at("config.json"), at("out"));
    let photo = at(&format!("p{evil}.jpg"));
    fs::copy(root().join("assets/images/BloodImage_00007.jpg"), &photo).unwrap();
    let classes = [evil, "WBC", "Platelets"];
    let facts = sharekan(&["inspect", DENSE, "--json", "-"]).succeeds().json();
    let mut settings = facts["detection"].clone();
    settings["classes"] = classes.into();
    fs::write(&config, settings.to_string()).unwrap();
    let config = ["--head-config", text(&config)];
    let head = at(&format!("h{evil}.safetensors"));
    let head = text(&head);
    sharekan(&[&["compile", DENSE, "-o", head, "--codebook", "4"][..], &config].concat()).succeeds();
    let bank = at("bank");
    let bank = text(&bank);
    let member = format!("m{evil}={DENSE}");
    for arguments in [
        vec!["inspect", head],
        vec!["detect", head, text(&photo), "--device", "cpu", "--score", "0.05"],
        vec!["detect", head, text(&photo), "--device", "cpu", "--out", text(&out), "--json", "/dev/null"],
        vec!["run", head, "--input", "no\u{1b}[31mfile", "--output", text(&out)],
        [&["bank", &member, "-o", bank, "--codebook", "4"][..], &config].concat(),
        vec!["inspect", bank],
        vec!["eval", head, "--data", "tests/data/bccd", "--device", "cpu"],
    ] {
        let done = sharekan(&arguments);
        for text in [&done.stdout, &done.stderr] {
            let acts = text.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(acts, None, "{arguments:?}: {text:?}");
            assert!(text.lines().all(|line| !line.starts_with("c\\u{9b}")), "{arguments:?}: {text:?}");
        }
    }
    let json = sharekan(&["inspect", head, "--json", "-"]).succeeds().json();
    assert_eq!(json["detection"]["classes"][0], evil);
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
