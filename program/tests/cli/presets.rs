//! Sizes by name, and the method under both of its names.

use std::fs;

use serde_json::{Value, json};

use super::program::{SMALL, SMALL_ROWS, sharekan, text};

#[test]
fn a_preset_sets_codebook_and_gains_and_what_is_named_wins() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let compile = |more: &[&str]| {
        sharekan(&[&["compile", SMALL, "-o", text(&out), "--json", "-"], more].concat()).succeeds().json()
    };
    let settings = |more: &[&str]| {
        let report = compile(more);
        (report["settings"]["codebook"].clone(), report["settings"]["gain_bits"].clone())
    };
    let pair = |codebook: u32, bits: u32| (Value::from(codebook), Value::from(bits));
    assert_eq!(settings(&[]), pair(256, 8));
    assert_eq!(settings(&["--preset", "faithful"]), pair(256, 8));
    assert_eq!(settings(&["--preset", "small"]), pair(64, 4));
    assert_eq!(settings(&["--preset", "tiny"]), pair(16, 4));
    assert_eq!(settings(&["--preset", "tiny", "--codebook", "5"]), pair(5, 4));
    assert_eq!(settings(&["--gain-bits", "8", "--preset", "small"]), pair(64, 8));

    // The same bytes as the settings by themselves.
    compile(&["--preset", "tiny"]);
    let named = fs::read(&out).unwrap();
    compile(&["--codebook", "16", "--gain-bits", "4"]);
    assert!(fs::read(&out).unwrap() == named);
}

/// The figures that the presets are offered with are those of calibrated heads.
#[test]
fn a_preset_without_calibration_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let note = "preset tiny: its accuracy was measured with calibration; --calibrate DIR gives it";
    let (one, two) = (format!("one={SMALL}"), format!("two={SMALL}"));
    for command in [vec!["compile", SMALL], vec!["bank", &one, &two]] {
        let run = |more: &[&str]| sharekan(&[&command[..], &["-o", text(&out)], more].concat()).succeeds();
        let calibrated = ["--preset", "tiny", "--calibrate", SMALL_ROWS];
        assert!(run(&["--preset", "tiny"]).stdout.lines().any(|line| line == note), "{command:?}");
        assert_eq!(run(&["--preset", "tiny", "--json", "-"]).json()["notes"], json!([note]));
        assert!(!run(&calibrated).stdout.contains("preset"), "{command:?}");
        assert_eq!(run(&[&calibrated[..], &["--json", "-"]].concat()).json()["notes"], json!([]));
        assert_eq!(run(&["--json", "-"]).json()["notes"], json!([]));
    }
}

#[test]
fn the_method_has_two_names_and_one_in_json() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let compile = |more: &[&str]| {
        let usual = ["compile", SMALL, "-o", text(&out), "--calibrate", SMALL_ROWS, "--codebook", "8", "--json", "-"];
        let report = sharekan(&[&usual, more].concat()).succeeds().json();
        assert_eq!(report["settings"]["method"], "aware");
        fs::read(&out).unwrap()
    };
    let default = compile(&[]);
    for name in ["calibrated", "aware"] {
        assert!(compile(&["--method", name]) == default, "{name}");
        let done = sharekan(&["compile", SMALL, "-o", "never-written", "--method", name]);
        assert_eq!((done.status, done.stderr.lines().count()), (2, 1), "{}", done.stderr);
        assert!(done.stderr.contains("--method calibrated needs calibration rows"), "{}", done.stderr);
    }
    let help = sharekan(&["compile", "--help"]).succeeds().stdout;
    assert!(help.contains("calibrated") && !help.contains("aware"), "{help}");
}
