//! The library as a stranger takes it: the tour of its front page with files, and every struct of options by its setters.
#![cfg(feature = "files")]

use sharekan::compress::Preset;
use sharekan::head::{Basis, DenseHead, DenseLayer, InputMap, Knots};
use sharekan::{CompressOptions, Device, Head, Model};

/// One layer of cubic splines over 4 intervals from -1 to 1, whose edges are all x / 2: a B-spline with the coefficients
/// `f(xi)` of a line `f` at its knot averages `xi` is that line.
fn halves(inputs: usize, outputs: usize) -> DenseHead {
    let line: Vec<f32> = (0..7).map(|n| (n as f32 - 3.0) * 0.5 / 2.0).collect();
    let layer = DenseLayer {
        inputs,
        outputs,
        input_map: InputMap::Identity,
        basis: Basis::BSpline {
            order: 3,
            intervals: 4,
            knots: Knots::Uniform { low: vec![-1.0; inputs], step: vec![0.5; inputs] },
        },
        coefficients: line.repeat(inputs * outputs),
        base: None,
        bias: None,
    };
    DenseHead::new(vec![layer], None).unwrap()
}

#[test]
fn a_head_is_loaded_compressed_saved_and_run() {
    let folder = tempfile::tempdir().unwrap();
    let [dense, small] = ["dense.safetensors", "small.safetensors"].map(|name| folder.path().join(name));
    Head::from(halves(2, 3)).save(&dense).unwrap();

    let head = Head::load(&dense).unwrap();
    let options = CompressOptions::default().codewords(4).calibrate(vec![0.5, -0.25, 1.0, 0.75, -1.0, 0.0]);
    let (compressed, report) = head.compress(&options).unwrap();
    assert_eq!(report.layers[0].edges, 6);
    compressed.save(&small).unwrap();

    let mut model = Model::open(&Head::load(&small).unwrap(), Device::Cpu, 2).unwrap();
    let outputs = model.run(&[0.5, 0.25, -1.0, 0.5]).unwrap();
    for (found, expected) in outputs.iter().zip([0.375, 0.375, 0.375, -0.25, -0.25, -0.25]) {
        assert!((found - expected).abs() < 0.02, "{outputs:?}");
    }
}

#[test]
fn a_setter_sets_its_field_and_no_other() {
    let options = CompressOptions::default().seed(7);
    assert_eq!((options.seed, options.codewords, options.gain_bits), (7, 256, 8));
    assert_eq!(options.codewords(16).gain_bits(4).seed(0), CompressOptions::preset(Preset::Tiny));
}

#[cfg(feature = "gpu")]
#[test]
fn an_option_is_set_by_its_value_or_as_it_stands() {
    use sharekan::GpuOptions;
    use sharekan::plan::{PlanOptions, Strategy};

    assert_eq!(PlanOptions::default().strategy(Strategy::Rows).strategy, Some(Strategy::Rows));
    assert_eq!(PlanOptions::default().strategy(Strategy::Rows).strategy(None), PlanOptions::default());
    let options = GpuOptions::default().name("llvmpipe".to_owned()).plain(true);
    assert_eq!((options.name.as_deref(), options.plain), (Some("llvmpipe"), true));
}

#[cfg(feature = "detect")]
#[test]
fn a_detection_config_needs_classes_and_features() {
    use sharekan::head::DetectionConfig;

    let config = DetectionConfig::default();
    assert!(DetectionConfig::from_json(&config.to_json().unwrap()).is_err());
    let config = config.classes(vec!["cell".into()]).features(vec!["c4".into()]).input_size(320);
    assert_eq!(DetectionConfig::from_json(&config.to_json().unwrap()).unwrap(), config);
    assert_eq!((config.cells(), config.channels()), (20, 6));
}
