//! Status 2 for what no command takes.

use super::program::{DENSE, SMALL, SMALL_ROWS, sharekan, text};

#[test]
fn wrong_usage_ends_with_status_2() {
    let wrong: [&[&str]; 49] = [
        &["compil"],
        &["--no-such-option"],
        &["compile", DENSE],
        &["compile", DENSE, "-o", "x", "--codebook", "0"],
        &["compile", DENSE, "-o", "x", "--codebook", "65537"],
        &["compile", DENSE, "-o", "x", "--codebook", "many"],
        &["compile", DENSE, "-o", "x", "--precision", "int4"],
        &["compile", DENSE, "-o", "x", "--seed", "-1"],
        &["compile", DENSE, "-o", "x", "--layout", "mlp"],
        &["compile", DENSE, "-o", "x", "--base-activation", "swish"],
        &["compile", DENSE, "-o", "x", "--rbf-denominator", "0"],
        &["compile", DENSE, "-o", "x", "--target-bytes", "900000", "--codebook", "64"],
        &["compile", DENSE, "-o", "x", "--target-bytes", "900000", "--residual"],
        &["compile", DENSE, "-o", "x", "--target-bytes", "1 MB"],
        &["compile", DENSE, "-o", "x", "--target-snr", "20"],
        &["compile", DENSE, "-o", "x", "--calibrate", "y", "--target-snr", "nan"],
        &["compile", DENSE, "-o", "x", "--calibrate", "y", "--target-snr", "20", "--gain-bits", "4"],
        &["compile", DENSE, "-o", "x", "--preset", "huge"],
        &["compile", DENSE, "-o", "x", "--target-bytes", "900000", "--preset", "tiny"],
        &["compile", DENSE, "-o", "x", "--method", "calibrated"],
        &["bank", DENSE, "-o", "x", "--preset", ""],
        &["bench", "--member", "one"],
        &["bench", "--compare", "a.json", "b.json", "--member", "one"],
        &["run", DENSE, "--input", "x"],
        &["run", DENSE, "--input", "x", "--output", "y", "--device", "tpu"],
        &["detect", DENSE],
        &["detect", DENSE, "assets/images", "--score", "1.5"],
        &["detect", DENSE, "assets/images", "--score", "nan"],
        &["detect", DENSE, "assets/images", "--nms", "-0.1"],
        &["detect", DENSE, "assets/images", "--max-detections", "0"],
        &["verify", DENSE, "--rows", "0"],
        &["decompress", DENSE, "-o"],
        &["export-onnx", DENSE],
        &["bench", "--batches", "0"],
        &["bench", "--batches", "1,,2"],
        &["bench", "--codebooks", "65537"],
        &["bench", "--forms", "int4"],
        &["bench", "--seconds", "nan"],
        &["bench", "--samples", "0"],
        &["bench", "--shape", "8,4", "--head", DENSE],
        &["bench", "--compare", "a.json"],
        &["bench", "--kernel", "abacus"],
        &["run", DENSE, "--input", "x", "--output", "y", "--kernel", "abacus"],
        &["detect", DENSE, "assets/images", "--kernel", ""],
        &["eval", DENSE, "--data", "x", "--kernel", "Rows"],
        &["tune"],
        &["tune", DENSE, "--batches", "0"],
        &["tune", DENSE, "--batches", "4097"],
        &["inspect", DENSE, "--batch", "3"],
    ];
    for arguments in wrong {
        let done = sharekan(arguments);
        assert_eq!(done.status, 2, "{arguments:?}: {}", done.stderr);
        assert!(done.stdout.is_empty() && !done.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn options_that_would_say_nothing_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("small.safetensors");
    sharekan(&["compile", SMALL, "-o", text(&small)]).succeeds();
    let (small, data) = (text(&small), "tests/data/bccd");
    let run = |option, value| vec!["run", small, "--input", SMALL_ROWS, "--output", "never-written", option, value];
    for (status, arguments, parts) in [
        (2, vec!["eval", DENSE, "--data", data, "--target", SMALL_ROWS], ["--target", "--rows"]),
        (2, vec!["bench", "--shape", "4,2", "--member", "a"], ["--member", "--head"]),
        (2, vec!["bench", "--shape", "4,2", "--image", "a.jpg"], ["--image", "--pipeline"]),
        (2, vec!["bench", "--shape", "4,2", "--backbone", "a.onnx"], ["--backbone", "--pipeline"]),
        (2, vec!["bench", "--shape", "4,2", "--backbone-precision", "f16"], ["--backbone-precision", "--pipeline"]),
        (2, vec!["bench", "--shape", "4,2", "--rect"], ["--rect", "--pipeline"]),
        (2, vec!["compile", SMALL, "-o", "x", "--precision", "f32", "--gain-bits", "4"], ["--gain-bits", "f32"]),
        (2, vec!["compile", SMALL, "-o", "x", "--precision", "f32", "--preset", "tiny"], ["--preset", "f32"]),
        (2, vec!["bank", SMALL, "-o", "x", "--precision", "f32", "--gain-bits", "8"], ["--gain-bits", "f32"]),
        (
            2,
            vec!["compile", SMALL, "-o", "x", "--method", "uniform", "--calibrate", SMALL_ROWS],
            ["uniform", "--calibrate"],
        ),
        (2, vec!["bank", SMALL, "-o", "x", "--method", "plain", "--calibrate", SMALL_ROWS], ["plain", "--calibrate"]),
        (1, run("--layout", "pykan"), [small, "--layout"]),
        (1, run("--prefix", "head"), [small, "--prefix"]),
        (1, run("--entry", "ema"), [small, "--entry"]),
        (1, run("--norms", "affine"), [small, "--norms"]),
        (1, vec!["inspect", small, "--layers", "a,b"], [small, "--layers"]),
        (1, vec!["eval", DENSE, "--data", data, "--plot", "curves.PNG"], ["curves.PNG", ".svg"]),
    ] {
        let done = sharekan(&arguments);
        assert_eq!(
            (done.status, done.stderr.lines().filter(|line| line.starts_with("error: ")).count()),
            (status, 1),
            "{arguments:?}: {}",
            done.stderr
        );
        assert!(parts.iter().all(|part| done.stderr.contains(part)), "{arguments:?}: {}", done.stderr);
    }
}

#[test]
fn a_backend_that_does_not_exist_is_wrong_usage() {
    let done = super::program::finish(super::program::command(&["adapters"]).env("WGPU_BACKEND", "abacus"));
    assert_eq!((done.status, done.stderr.lines().count()), (2, 1), "{}", done.stderr);
}

const COMMANDS: [&str; 14] = [
    "demo",
    "compile",
    "bank",
    "run",
    "detect",
    "eval",
    "study",
    "verify",
    "decompress",
    "export-onnx",
    "inspect",
    "bench",
    "tune",
    "adapters",
];

#[test]
fn help_names_every_command_and_shows_examples() {
    let done = sharekan(&["--help"]).succeeds();
    for word in COMMANDS.into_iter().chain(["Examples:"]) {
        assert!(done.stdout.contains(word), "{word}");
    }
    for command in COMMANDS.into_iter().chain(["live", "network"]) {
        let help = sharekan(&[command, "--help"]).succeeds().stdout;
        let examples =
            help.split_once("Examples:\n").map(|(_, examples)| examples.contains(&format!("  sharekan {command}")));
        assert!(help.contains("--json <FILE>") && examples == Some(true), "{command}: {help}");
    }
}
