//! Options for what a state dict does not hold.

use super::program::{largest_error, root, sharekan, tensor, text};

const GELU: &str = "tests/data/fixtures/public/efficient-kan_gelu_base.safetensors";
const GELU_ROWS: &str = "tests/data/fixtures/public/efficient-kan_gelu_base.io.safetensors";

#[test]
fn the_base_function_is_a_choice_and_the_default_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let run = |more: &[&str]| {
        let usual = ["run", GELU, "--input", GELU_ROWS, "--output", text(&out), "--device", "cpu"];
        let done = sharekan(&[&usual, more].concat()).succeeds();
        let (_, expected) = tensor(&root().join(GELU_ROWS), "output");
        (largest_error(&tensor(&out, "output").1, &expected), done.stderr)
    };
    let (error, said) = run(&["--base-activation", "gelu"]);
    assert!(error < 1e-5, "{error}");
    assert!(!said.contains("assumed"), "{said}");
    let (error, said) = run(&[]);
    assert!(error > 1e-3, "{error}");
    assert!(said.contains("assumed: base function silu"), "{said}");
}

#[test]
fn a_layout_can_be_asked_for() {
    sharekan(&["inspect", GELU, "--layout", "efficient-kan"]).succeeds();
    sharekan(&["inspect", GELU, "--layout", "pykan"]).fails(&[GELU, "tensor layers.0.coef: is missing"]);
}

#[test]
fn a_head_gets_its_detection_settings_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (config, head) = (folder.path().join("config.json"), folder.path().join("head"));
    // Three outputs are not classes + 5.
    std::fs::write(
        &config,
        r#"{"classes": ["a"], "input_size": 64, "stride": 16, "features": ["f"], "clamp": [-1, 1], "box_scale": 8}"#,
    )
    .unwrap();
    const SMALL: &str = super::program::SMALL;
    sharekan(&["compile", SMALL, "-o", text(&head), "--head-config", text(&config)]).fails(&[SMALL, "take 6 outputs"]);
    sharekan(&["compile", SMALL, "-o", text(&head)]).succeeds();
    sharekan(&["inspect", text(&head), "--head-config", text(&config)]).fails(&[
        "config.json: names 1 classes",
        "take 6 outputs",
        text(&head),
    ]);
    // A key that is passed over would leave its default in place: wrong boxes without a word.
    let settings = |more: &str| {
        format!(
            r#"{{"classes": ["a"], "input_size": 64, "stride": 16, "features": ["f"], "clamp": [-1, 1], "box_scale": 8{more}}}"#
        )
    };
    for (more, expected) in [
        (
            r#", "pixels": {"chanel_order": "bgr"}"#,
            "'pixels.chanel_order' is not known, nearest is 'pixels.channel_order'",
        ),
        (r#", "boxscale": 9"#, "'boxscale' is not known, nearest is 'box_scale'"),
        (r#", "stride": 8"#, "duplicate field `stride`"),
    ] {
        std::fs::write(&config, settings(more)).unwrap();
        sharekan(&["inspect", text(&head), "--head-config", text(&config)]).fails(&["config.json", expected]);
    }
    std::fs::write(&config, r#"{"classes": []}"#).unwrap();
    sharekan(&["inspect", SMALL, "--head-config", text(&config)]).fails(&["config.json", "detection_head"]);
}
