//! Layouts by small checkpoints whose outputs have a closed form, and by what has to be refused.

mod fixtures;

use fixtures::checkpoint::{Checkpoint, even, join, unit_layer};
use sharekan::{
    head::{Activation, Basis, DetectionConfig, InputMap, Knots},
    import::{self, BaseFunction, ImportError, ImportOptions, Imported, Layout, Norms},
    reference::DenseReference,
};

fn import(checkpoint: &Checkpoint) -> Result<Imported, ImportError> {
    import_with(checkpoint, &ImportOptions::default())
}

fn import_with(checkpoint: &Checkpoint, options: &ImportOptions) -> Result<Imported, ImportError> {
    import::from_bytes(&checkpoint.bytes(), options)
}

fn outputs(imported: &Imported, input: &[f32]) -> Vec<f64> {
    DenseReference::new(&imported.head).run(input)
}

#[track_caller]
fn refused(checkpoint: &Checkpoint, mentions: &[&str]) {
    let message = import(checkpoint).expect_err("it was accepted").to_string();
    for part in mentions {
        assert!(message.contains(part), "`{message}` does not mention {part}");
    }
}

fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() < 1e-6, "{found:?}, expected {expected:?}");
    }
}

fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

const DETECTION: &str = r#"{"classes": ["a"], "input_size": 32, "stride": 16, "features": ["f"],
    "clamp": [-0.5, 0.5], "box_scale": 1.0}"#;

#[test]
fn a_bare_layer_and_any_prefix_give_the_same_head() {
    let bare = import(&unit_layer("", 2.0)).unwrap();
    close(&outputs(&bare, &[0.25, -0.75]), &[1.0 + 2.0 * silu(0.25), 1.0 + 2.0 * silu(-0.75)]);
    assert_eq!((bare.prefix.as_str(), bare.layout), ("", Layout::EfficientKan));
    for (stem, prefix) in [
        ("layers.0.", ""),
        ("model.head.layers.0.", "model.head."),
        ("fc.", "fc."),
        ("module.classifier.3.", "module.classifier.3."),
        ("_orig_mod.layers.0.", "_orig_mod."),
    ] {
        let imported = import(&unit_layer(stem, 2.0)).unwrap();
        assert_eq!(imported.head, bare.head, "{stem}");
        assert_eq!(imported.prefix, prefix, "{stem}");
    }
}

#[test]
fn layers_are_taken_in_the_order_of_their_numbers() {
    // Ten of them, as text sorts 10 before 2; each adds its own constant.
    let stack = join((0..11).map(|n| {
        let value = if n == 0 { 0.5 } else { 0.01 * n as f32 };
        unit_layer("", 0.0)
            .without("spline_weight")
            .with("spline_weight", &[1, 1, 8], &[value; 8])
            .renamed(|name| format!("layers.{n}.{name}"))
    }));
    let imported = import(&stack).unwrap();
    assert_eq!(imported.head.layers().len(), 11);
    close(&outputs(&imported, &[0.0]), &[0.1]);
}

#[test]
fn lists_with_gaps_and_layers_without_order_are_refused() {
    refused(&join([unit_layer("layers.0.", 1.0), unit_layer("layers.2.", 1.0)]), &["layers.2", "layers.1"]);
    refused(&unit_layer("layers.1.", 1.0), &["layers.0"]);
    refused(&join([unit_layer("0.", 1.0), unit_layer("3.", 1.0)]), &["3", "1"]);
    refused(&join([unit_layer("first.", 1.0), unit_layer("second.", 1.0)]), &["first.", "second.", "order"]);
    refused(
        &join([unit_layer("a.layers.0.", 1.0), unit_layer("b.layers.0.", 1.0)]),
        &["a. (1 -> 1), b. (1 -> 1)", "--layers a,b"],
    );
    refused(&join([unit_layer("layers.0.", 1.0), unit_layer("layers.00.", 1.0)]), &["layers.00"]);
}

#[test]
fn tensors_that_are_not_read_are_refused_by_name() {
    refused(&unit_layer("layers.0.", 1.0).with("backbone.weight", &[1, 1, 1], &[1.0]), &["backbone.weight"]);
    refused(&unit_layer("layers.0.", 1.0).with("norms.0.running_mean", &[1], &[1.0]), &["norms.0"]);
}

#[test]
fn the_layout_option_overrides_the_names() {
    let options = ImportOptions::default().layout(Layout::Inkan);
    let message = import_with(&unit_layer("layers.0.", 1.0), &options).unwrap_err().to_string();
    assert!(message.contains("layers.0.grid_starts"), "{message}");
    assert!("efficient-kan".parse::<Layout>().is_ok() && "mlp".parse::<Layout>().is_err());
}

#[test]
fn base_functions_follow_the_option_and_are_said_when_assumed() {
    let layer = unit_layer("", 1.0);
    assert_eq!(import(&layer).unwrap().assumptions, ["base function silu"]);
    for (name, expected) in
        [("identity", 0.5), ("relu", 0.5), ("zero", 0.0), ("tanh", 0.5_f64.tanh()), ("gelu", 0.345_731_230_6)]
    {
        let base_function: BaseFunction = name.parse().unwrap();
        let imported = import_with(&layer, &ImportOptions::default().base_function(base_function)).unwrap();
        close(&outputs(&imported, &[0.5]), &[1.0 + expected]);
        assert!(imported.assumptions.is_empty());
        assert_eq!(imported.head.layers()[0].base.is_none(), name == "zero");
    }
    assert!("swish".parse::<BaseFunction>().is_err());
}

#[test]
fn even_grids_become_the_decimal_range_that_was_meant() {
    for (low, high, intervals) in [(-1.0, 1.0, 5), (-1.0, 1.0, 7), (0.0, 1.0, 10), (-2.5, 3.0, 4), (-0.1, 0.3, 3)] {
        let step = (high - low) / f64::from(intervals);
        let knots = intervals as usize + 7;
        let layer = unit_layer("", 0.0)
            .without("grid")
            .without("spline_weight")
            .with("grid", &[1, knots], &even(low - 3.0 * step, step, knots))
            .with("spline_weight", &[1, 1, knots - 4], &vec![1.0; knots - 4]);
        let imported = import(&layer).unwrap();
        let Basis::BSpline { order: 3, knots: Knots::Uniform { low: lows, step: steps }, .. } =
            &imported.head.layers()[0].basis
        else {
            panic!("[{low}, {high}] is not even");
        };
        assert_eq!((lows[0], steps[0]), (low, step));
    }
}

#[test]
fn uneven_and_rounded_grids_keep_their_knots() {
    let mut knots = even(-2.2, 0.4, 12);
    knots[6] += 1e-4;
    for layer in [
        unit_layer("", 0.0).without("grid").with("grid", &[1, 12], &knots),
        unit_layer("", 0.0).without("grid").with_f16("grid", &[1, 12], &even(-2.2, 0.4, 12)),
    ] {
        let imported = import(&layer).unwrap();
        let Basis::BSpline { knots: Knots::PerInput(stored), .. } = &imported.head.layers()[0].basis else {
            panic!("the stored knots are lost");
        };
        assert_eq!(stored.len(), 12);
        close(&outputs(&imported, &[0.3]), &[1.0]);
    }
}

#[test]
fn every_order_from_1_to_15_is_read_and_no_other() {
    for order in 0..=16_usize {
        let intervals = 4;
        let row = intervals + 2 * order + 1;
        let layer = Checkpoint::default()
            .with("grid", &[1, row], &even(-1.0 - 0.5 * order as f64, 0.5, row))
            .with("spline_weight", &[1, 1, intervals + order], &vec![1.0; intervals + order])
            .with("base_weight", &[1, 1], &[0.0]);
        if (1..=15).contains(&order) {
            close(&outputs(&import(&layer).unwrap(), &[0.1]), &[1.0]);
        } else {
            refused(&layer, &["grid", "order"]);
        }
    }
}

#[test]
fn settings_of_the_base_function_count_in_metadata_too() {
    let with = |key: &str, value: &str| import(&unit_layer("", 1.0).metadata(key, value));
    for (key, value) in [
        ("act_fn", "gelu"),
        ("base_fn", "gelu"),
        ("nonlinearity", "torch.nn.ReLU"),
        ("base_activation", "my_own"),
        ("activation", "<class 'torch.nn.modules.activation.Tanh'>"),
        ("config", r#"{"layers": [1, 1], "model": {"act_fn": "LeakyReLU(negative_slope=0.01)"}}"#),
    ] {
        let problem = with(key, value).expect_err(key).to_string();
        assert!(problem.contains("--base-activation"), "{key}: {problem}");
    }
    for (key, value) in [
        ("act_fn", "<function silu at 0x7f0012>"),
        ("config", r#"{"activation": "SiLU()", "title": "relu"}"#),
        ("config", "{no JSON"),
        ("activation", "none"),
    ] {
        assert_eq!(with(key, value).unwrap().assumptions, ["base function silu"], "{key}");
    }
}

#[test]
fn norms_that_nothing_needs_are_said_or_refused() {
    let options = |norms| ImportOptions::default().norms(norms);
    let layer_norm = Norms::LayerNorm { epsilon: 1e-3 };
    let plain = import_with(&unit_layer("", 1.0), &options(layer_norm)).unwrap();
    assert!(plain.assumptions.iter().any(|said| said.starts_with("--norms layer-norm:1e-3 is not used")));
    let norm = |name: &str| {
        let norm = Checkpoint::default().with(&format!("{name}.weight"), &[1], &[2.0]);
        norm.with(&format!("{name}.bias"), &[1], &[0.1])
    };
    let running = norm("norms.0").with("norms.0.running_mean", &[1], &[0.5]).with("norms.0.running_var", &[1], &[0.25]);
    let running = join([unit_layer("layers.0.", 1.0), running]);
    let problem = import_with(&running, &options(layer_norm)).unwrap_err().to_string();
    assert!(problem.contains("BatchNorms only") && problem.contains("--norms batch-norm"), "{problem}");
    let told = import_with(&running, &options(Norms::BatchNorm { epsilon: 0.75 })).unwrap();
    // (x - 0.5) / sqrt(0.25 + 0.75) * 2 + 0.1
    close(&outputs(&told, &[0.3]), &[1.0 + silu(-0.3)]);
    // No group of a row has no inputs.
    let stored = join([unit_layer("layers.0.", 1.0), norm("norms.0")]);
    let none = import_with(&stored, &options(Norms::GroupNorm { groups: 0, epsilon: 1e-5 })).unwrap_err().to_string();
    assert!(none.contains("expected a multiple of the 0 groups"), "{none}");
}

#[test]
fn norms_are_affine_only_where_the_file_or_the_user_says_so() {
    let head = join([
        unit_layer("layers.0.", 1.0),
        Checkpoint::default().with("norms.0.weight", &[1], &[2.0]).with("norms.0.bias", &[1], &[0.1]),
    ]);
    refused(&head, &["norms.0", "--norms layer-norm", "group-norm:GROUPS", "affine"]);

    // A head of one class has six outputs.
    let wide = Checkpoint::default()
        .with("layers.0.grid", &[1, 12], &even(-2.2, 0.4, 12))
        .with("layers.0.spline_weight", &[6, 1, 8], &[1.0; 48])
        .with("layers.0.base_weight", &[6, 1], &[1.0; 6])
        .with("norms.0.weight", &[1], &[2.0])
        .with("norms.0.bias", &[1], &[0.1]);
    let expected = |z: f64| vec![1.0 + silu(z); 6];
    let stored = import(&wide.clone().metadata("detection_head", DETECTION)).unwrap();
    close(&outputs(&stored, &[0.1]), &expected(0.3));
    close(&outputs(&stored, &[7.0]), &expected(0.5));
    // Settings of the user's own say nothing of norms.
    let options = ImportOptions::default().head_config(DetectionConfig::from_json(DETECTION).unwrap());
    assert!(import_with(&wide, &options).unwrap_err().to_string().contains("--norms"));
    let affine = options.clone().norms(Norms::Affine);
    assert_eq!(import_with(&wide, &affine).unwrap().head, stored.head);
    let told = import_with(&wide.clone().metadata("detection_head", DETECTION), &affine).unwrap();
    assert_eq!(told.head, stored.head);
    let other = ImportOptions::default().norms(Norms::LayerNorm { epsilon: 1e-5 });
    let contradicted = import_with(&wide.clone().metadata("detection_head", DETECTION), &other).unwrap_err();
    assert!(contradicted.to_string().contains("affine in its own metadata"), "{contradicted}");
    // Nothing clamps without settings that say so.
    let free = import_with(&wide, &ImportOptions::default().norms(Norms::Affine)).unwrap();
    close(&outputs(&free, &[0.4]), &expected(0.9));

    refused(
        &wide.clone().metadata("detection_head", &DETECTION.replace("[\"a\"]", "[\"a\", \"b\"]")),
        &["2 classes", "7", "6"],
    );
    refused(&wide.clone().metadata("detection_head", "{"), &["metadata detection_head"]);
    let broken = DETECTION.replace("32", "\"a\\nb\"");
    refused(&wide.clone().metadata("detection_head", &broken), &["metadata detection_head", "a\\nb"]);
    refused(&wide.without("norms.0.bias").metadata("detection_head", DETECTION), &["norms.0.bias", "missing"]);
}

fn fast_kan() -> Checkpoint {
    Checkpoint::default().with("rbf.grid", &[5], &even(-2.0, 1.0, 5)).with(
        "spline_linear.weight",
        &[1, 10],
        &[0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0],
    )
}

#[test]
fn fast_kan_takes_its_width_from_the_centres_or_the_option() {
    let bump = |z: f64, centre: f64, width: f64| (-((z - centre) / width).powi(2)).exp();
    let imported = import(&fast_kan()).unwrap();
    close(&outputs(&imported, &[0.5, 1.5]), &[bump(0.5, 0.0, 1.0) + 2.0 * bump(1.5, 2.0, 1.0)]);
    assert_eq!(imported.assumptions, ["RBF denominator = spacing of the centres"]);

    let options = ImportOptions::default().rbf_denominator(0.7);
    let imported = import_with(&fast_kan(), &options).unwrap();
    close(&outputs(&imported, &[0.5, 1.5]), &[bump(0.5, 0.0, 0.7) + 2.0 * bump(1.5, 2.0, 0.7)]);
    assert!(imported.assumptions.is_empty());
    let zero = ImportOptions::default().rbf_denominator(0.0);
    assert!(import_with(&fast_kan(), &zero).is_err());

    let single = Checkpoint::default().with("rbf.grid", &[1], &[0.0]).with("spline_linear.weight", &[1, 1], &[1.0]);
    refused(&single, &["rbf.grid", "--rbf-denominator"]);
    assert!(import_with(&single, &options).is_ok());
    let uneven = fast_kan().without("rbf.grid").with("rbf.grid", &[5], &[-2.0, -1.0, 0.1, 1.0, 2.0]);
    refused(&uneven, &["rbf.grid", "--rbf-denominator"]);
}

#[test]
fn fast_kan_normalises_only_what_the_bumps_see() {
    let layer = fast_kan()
        .with("layernorm.weight", &[2], &[1.5, 0.5])
        .with("layernorm.bias", &[2], &[0.25, -0.25])
        .with("base_linear.weight", &[1, 2], &[3.0, 4.0])
        .with("base_linear.bias", &[1], &[0.125]);
    let x = [3.0_f64, 5.0];
    let deviation = (1.0_f64 + 1e-5).sqrt();
    let z = [-1.0 / deviation * 1.5 + 0.25, 1.0 / deviation * 0.5 - 0.25];
    let bumps = (-z[0] * z[0]).exp() + 2.0 * (-(z[1] - 2.0).powi(2)).exp();
    let expected = bumps + 3.0 * silu(x[0]) + 4.0 * silu(x[1]) + 0.125;
    close(&outputs(&import(&layer).unwrap(), &[3.0, 5.0]), &[expected]);
    let silent = ImportOptions::default().base_function(BaseFunction::Zero);
    close(&outputs(&import_with(&layer, &silent).unwrap(), &[3.0, 5.0]), &[bumps + 0.125]);
    refused(&layer.clone().without("base_linear.bias"), &["base_linear.bias"]);
    refused(&layer.clone().without("layernorm.bias"), &["layernorm.bias"]);
    refused(&layer.with("rbf.inv_denominator", &[], &[1.0]), &["FasterKAN"]);
}

/// `grid_starts` by the library's own arithmetic.
fn inkan_starts(low: f64, high: f64, intervals: usize) -> Vec<f32> {
    let step = (high - low) / intervals as f64;
    (0..intervals + 3).map(|j| (j as f32 * step as f32 + low as f32) - (3.0 * step) as f32).collect()
}

#[test]
fn inkan_steps_come_back_in_double_precision() {
    for (low, high, intervals) in
        [(-1.0, 1.0, 40), (-3.0, 3.0, 64), (-0.3, 1.7, 11), (-1.0, 1.0, 1), (0.001, 0.0625, 29)]
    {
        let count = intervals + 3;
        let layer = Checkpoint::default().with("grid_starts", &[count], &inkan_starts(low, high, intervals)).with(
            "weight",
            &[1, count + 1],
            &vec![1.0; count + 1],
        );
        let imported = import(&layer).unwrap();
        let Basis::BSpline { order: 3, knots: Knots::Uniform { step, .. }, .. } = &imported.head.layers()[0].basis
        else {
            panic!("not even");
        };
        assert_eq!(step[0], (high - low) / intervals as f64, "[{low}, {high}] by {intervals}");
    }
}

#[test]
fn inkan_grids_of_no_decimal_range_are_taken_from_their_ends() {
    let pi = std::f64::consts::PI;
    let layer =
        |starts: &[f32]| Checkpoint::default().with("grid_starts", &[13], starts).with("weight", &[1, 14], &[1.0; 14]);
    let imported = import(&layer(&inkan_starts(-pi, pi, 10))).unwrap();
    let Basis::BSpline { knots: Knots::Uniform { step, .. }, .. } = &imported.head.layers()[0].basis else {
        panic!("not even");
    };
    assert!((step[0] - 0.2 * pi).abs() < 1e-7, "{step:?}");
    assert!(imported.assumptions.iter().any(|a| a.contains("grid_starts")));
    let mut uneven = inkan_starts(-pi, pi, 10);
    uneven[4] += 1e-4;
    refused(&layer(&uneven), &["grid_starts", "evenly"]);
}

#[test]
fn inkan_packs_all_splines_before_all_bases() {
    // Two inputs of four coefficients, then two base weights.
    let packed = [1.0, 1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 3.0, 10.0, 20.0];
    let layer = Checkpoint::default().with("layers.0.grid_starts", &[4], &inkan_starts(-1.0, 1.0, 1)).with(
        "layers.0.weight",
        &[1, 10],
        &packed,
    );
    let expected = [4.0 + 10.0 * silu(0.5) + 20.0 * silu(-0.5)];
    close(&outputs(&import(&layer).unwrap(), &[0.5, -0.5]), &expected);
    let separate = Checkpoint::default()
        .with("layers.0.grid_starts", &[4], &inkan_starts(-1.0, 1.0, 1))
        .with("layers.0.spline_weight", &[1, 2, 4], &packed[..8])
        .with("layers.0.base_weight", &[1, 2], &packed[8..]);
    close(&outputs(&import(&separate).unwrap(), &[0.5, -0.5]), &expected);
    refused(&separate.without("layers.0.base_weight"), &["layers.0.base_weight"]);

    let wrong = |columns: usize| {
        Checkpoint::default().with("layers.0.grid_starts", &[4], &inkan_starts(-1.0, 1.0, 1)).with(
            "layers.0.weight",
            &[1, columns],
            &vec![1.0; columns],
        )
    };
    refused(&wrong(18), &["layers.0.weight", "dim=2"]);
    refused(&wrong(11), &["layers.0.weight", "11"]);
    let falling: Vec<f32> = inkan_starts(-1.0, 1.0, 1).into_iter().rev().collect();
    refused(&layer.without("layers.0.grid_starts").with("layers.0.grid_starts", &[4], &falling), &["grid_starts"]);
}

/// A pykan network of one layer, 2 -> 1, whose splines are constant inside [-1, 1].
fn pykan() -> Checkpoint {
    let grid = [even(-2.2, 0.4, 12), even(-2.2, 0.4, 12)].concat();
    Checkpoint::default()
        .with("act_fun.0.grid", &[2, 12], &grid)
        .with("act_fun.0.coef", &[2, 1, 8], &[[1.0; 8], [2.0; 8]].concat())
        .with("act_fun.0.mask", &[2, 1], &[1.0, 0.5])
        .with("act_fun.0.scale_base", &[2, 1], &[3.0, 5.0])
        .with("act_fun.0.scale_sp", &[2, 1], &[7.0, 11.0])
        .with("node_bias_0", &[1], &[0.25])
        .with("node_scale_0", &[1], &[2.0])
        .with("subnode_bias_0", &[1], &[0.125])
        .with("subnode_scale_0", &[1], &[-3.0])
        .with("symbolic_fun.0.mask", &[1, 2], &[0.0, 0.0])
        .with("symbolic_fun.0.affine", &[1, 2, 4], &[0.0; 8])
}

#[test]
fn pykan_masks_scales_and_affine_maps_fold() {
    let [first, second] = [0.5, -0.25];
    let edges = (3.0 * silu(first) + 7.0) + 0.5 * (5.0 * silu(second) + 11.0 * 2.0);
    let expected = 2.0 * (-3.0 * edges + 0.125) + 0.25;
    close(&outputs(&import(&pykan()).unwrap(), &[0.5, -0.25]), &[expected]);
    let nested = import(&pykan().renamed(|name| format!("model.head.{name}"))).unwrap();
    assert_eq!((nested.prefix.as_str(), nested.layout), ("model.head.", Layout::Pykan));
    close(&outputs(&nested, &[0.5, -0.25]), &[expected]);
    let bare = [
        "node_bias_0",
        "node_scale_0",
        "subnode_bias_0",
        "subnode_scale_0",
        "symbolic_fun.0.mask",
        "symbolic_fun.0.affine",
    ]
    .iter()
    .fold(pykan(), |checkpoint, name| checkpoint.without(name))
    .renamed(|name| name.trim_start_matches("act_fun.0.").to_owned());
    close(&outputs(&import(&bare).unwrap(), &[0.5, -0.25]), &[edges]);
}

#[test]
fn pykan_inputs_that_never_varied_keep_only_their_base_term() {
    let grid = [even(-2.2, 0.4, 12), vec![-1.0; 12]].concat();
    let layer = pykan().without("act_fun.0.grid").with("act_fun.0.grid", &[2, 12], &grid);
    let edges = (3.0 * silu(0.5) + 7.0) + 0.5 * 5.0 * silu(-1.0);
    close(&outputs(&import(&layer).unwrap(), &[0.5, -1.0]), &[2.0 * (-3.0 * edges + 0.125) + 0.25]);

    let mut repeated = even(-2.2, 0.4, 12);
    repeated[5] = repeated[4];
    let grid = [even(-2.2, 0.4, 12), repeated].concat();
    refused(&pykan().without("act_fun.0.grid").with("act_fun.0.grid", &[2, 12], &grid), &["act_fun.0.grid", "[1, 5]"]);
}

#[test]
fn what_pykan_does_not_store_is_refused() {
    let symbolic = pykan().without("symbolic_fun.0.mask").with("symbolic_fun.0.mask", &[1, 2], &[0.0, 1.0]);
    refused(&symbolic, &["symbolic_fun.0.mask", "symbolic"]);
    let product = pykan()
        .without("subnode_bias_0")
        .without("subnode_scale_0")
        .with("subnode_bias_0", &[2], &[0.0; 2])
        .with("subnode_scale_0", &[2], &[1.0; 2]);
    refused(&product, &["subnode_bias_0", "multiplication"]);
    refused(&pykan().without("node_scale_0"), &["node_scale_0"]);
    refused(&pykan().with("biases.0.weight", &[1], &[0.0]), &["biases.0.weight"]);
}

#[test]
fn numbers_that_32_bits_do_not_hold_are_refused() {
    let layer = unit_layer("", 0.0);
    refused(
        &layer.clone().without("base_weight").with_f64("base_weight", &[1, 1], &[1e300]),
        &["base_weight", "1e300", "[0, 0]"],
    );
    refused(&layer.clone().without("grid").with_f64("grid", &[1, 12], &[1e39; 12]), &["grid", "1e39", "[0, 0]"]);
    refused(&pykan().without("node_scale_0").with("node_scale_0", &[1], &[1e38]), &["too large"]);
    let wide = layer.without("base_weight").with_f64("base_weight", &[1, 1], &[0.1]);
    assert_eq!(import(&wide).unwrap().head.layers()[0].base.as_ref().unwrap().weights, [0.1]);
}

#[test]
fn an_imported_layer_says_what_it_is() {
    let imported =
        import(&fast_kan().with("base_linear.weight", &[1, 2], &[1.0; 2]).with("base_linear.bias", &[1], &[0.0]))
            .unwrap();
    let layer = &imported.head.layers()[0];
    assert_eq!(layer.input_map, InputMap::Identity);
    assert_eq!(layer.base.as_ref().unwrap().activation, Activation::Silu);
}

/// What decompression writes says all that the layout does not.
#[test]
fn dense_heads_come_back_as_they_were_written() {
    use sharekan::head::{BasePath, DenseHead, DenseLayer};
    let (weight, bias) = (vec![1.5, -0.5], vec![0.25, 0.75]);
    let affine = |clamp| InputMap::Affine { scale: weight.clone(), shift: bias.clone(), clamp };
    let norm = |groups, clamp| InputMap::GroupNorm {
        groups,
        weight: weight.clone(),
        bias: bias.clone(),
        epsilon: 1e-3,
        clamp,
    };
    let layer = |input_map: &InputMap, activation| DenseLayer {
        inputs: 2,
        outputs: 2,
        input_map: input_map.clone(),
        basis: Basis::BSpline {
            order: 3,
            intervals: 5,
            knots: Knots::Uniform { low: vec![-1.0; 2], step: vec![0.4; 2] },
        },
        coefficients: (0..32).map(|n| (n as f32).sin()).collect(),
        base: Some(BasePath { activation, weights: vec![1.0, -2.0, 3.0, 0.5] }),
        bias: None,
    };
    let leaky = Activation::LeakyRelu { slope: 0.2 };
    for map in [InputMap::Identity, affine(None), affine(Some([-0.5, 1.0])), norm(1, None), norm(2, Some([-1.0, 1.0]))]
    {
        for activation in [Activation::Silu, Activation::Mish, leaky] {
            let head = DenseHead::new(vec![layer(&map, activation); 2], None).unwrap();
            let read = import::from_bytes(&sharekan::artifact::write_dense(&head).unwrap(), &ImportOptions::default());
            let read = read.unwrap_or_else(|e| panic!("{map:?}: {e}"));
            assert_eq!(read.head, head);
            let assumed: &[&str] = if activation == Activation::Silu { &["base function silu"] } else { &[] };
            assert!(read.assumptions.iter().all(|said| assumed.contains(&said.as_str()) || said.contains("norm")));
        }
    }
    // In detection settings, whose second version this takes.
    let wide = |map: InputMap| DenseLayer { outputs: 6, coefficients: vec![0.5; 96], base: None, ..layer(&map, leaky) };
    let settings = DetectionConfig::from_json(DETECTION).unwrap();
    for (map, clamp, version) in [
        (affine(Some([-0.5, 0.5])), Some([-0.5, 0.5]), 1),
        (affine(None), None, 2),
        (norm(1, Some([-0.5, 0.5])), Some([-0.5, 0.5]), 2),
        (norm(2, None), None, 2),
    ] {
        let head = DenseHead::new(vec![wide(map.clone())], Some(settings.clone().clamp(clamp))).unwrap();
        let bytes = sharekan::artifact::write_dense(&head).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains(&format!("\\\"version\\\":{version}")), "{text}");
        let read = import::from_bytes(&bytes, &ImportOptions::default().base_function(BaseFunction::Zero)).unwrap();
        assert_eq!(read.head.layers()[0], head.layers()[0], "{map:?}");
    }
    for (layers, problem) in [
        (vec![layer(&norm(1, None), leaky), layer(&affine(None), leaky)], "another norm"),
        (vec![layer(&affine(None), leaky), layer(&affine(Some([0.0, 1.0])), leaky)], "another range"),
        (vec![layer(&affine(None), leaky), layer(&affine(None), Activation::Elu)], "another base function"),
    ] {
        let refusal = sharekan::artifact::write_dense(&DenseHead::new(layers, None).unwrap()).unwrap_err().to_string();
        assert!(refusal.contains("layers.1") && refusal.contains(problem), "{refusal}");
    }
}
