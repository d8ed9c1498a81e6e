//! The compressed format: everything that a head can be survives a round trip, and nothing that is wrong gets in.

mod support;

use proptest::prelude::*;
use serde_json::{Value, json};
use sharekan::artifact::{self, MANIFEST_KEY};
use sharekan::head::{Activation, Basis, CompressedBase, CompressedHead, CompressedLayer, DetectionConfig, InputMap};
use support::*;

/// A head of two integer layers and detection settings.
fn small() -> CompressedHead {
    let mut layers = integer_head(&[5, 4, 7], 3, true, 1).layers().to_vec();
    layers[1].base =
        Some(CompressedBase { activation: Activation::Gelu, weights: vec![-127; 28], output_scale: vec![0.1; 7] });
    CompressedHead::new(layers, Some(settings(2))).unwrap()
}

fn settings(classes: usize) -> DetectionConfig {
    DetectionConfig::default()
        .classes((0..classes).map(|c| format!("class {c}")).collect())
        .input_size(64)
        .stride(16)
        .features(vec!["c4".into()])
}

/// A file in pieces: its header as JSON, and its data.
fn open(bytes: &[u8]) -> (Value, Vec<u8>) {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..8 + length]).unwrap(), bytes[8 + length..].to_vec())
}

fn close(header: &Value, data: &[u8]) -> Vec<u8> {
    let header = serde_json::to_vec(header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, data].concat()
}

fn change_manifest(header: &mut Value, change: impl Fn(&mut Value)) {
    let mut manifest: Value = serde_json::from_str(header["__metadata__"][MANIFEST_KEY].as_str().unwrap()).unwrap();
    change(&mut manifest);
    header["__metadata__"][MANIFEST_KEY] = json!(manifest.to_string());
}

/// Overwrites the first bytes of a tensor.
fn poke(header: &Value, data: &mut [u8], tensor: &str, bytes: &[u8]) {
    let at = header[tensor]["data_offsets"][0].as_u64().unwrap() as usize;
    data[at..at + bytes.len()].copy_from_slice(bytes);
}

fn rename(header: &mut Value, from: &str, to: &str) {
    let entry = header.as_object_mut().unwrap().remove(from).unwrap();
    header[to] = entry;
}

type Change = fn(&mut Value, &mut Vec<u8>);

#[test]
fn what_is_wrong_is_refused_by_name() {
    let cases: &[(&str, Change, &str)] = &[
        ("a newer version", |h, _| change_manifest(h, |m| m["version"] = json!(5)), "version 5, expected 1 to 4"),
        (
            "a later function in version 1",
            |h, _| change_manifest(h, |m| m["layers"][1]["base"] = json!("mish")),
            "layer 1 has a norm or a base function that version 1 has not",
        ),
        (
            "a dense layer in version 3",
            |h, _| {
                change_manifest(h, |m| {
                    m["version"] = json!(3);
                    m["layers"][1]["int8"] = json!(false);
                    m["layers"][1]["dense"] = json!(true);
                })
            },
            "layer 1 is dense, which version 3 has not",
        ),
        (
            "a dense layer of bytes",
            |h, _| {
                change_manifest(h, |m| {
                    m["version"] = json!(4);
                    m["layers"][1]["dense"] = json!(true);
                })
            },
            "layer 1 is dense, expected int8 false and one stage",
        ),
        (
            "a dense layer without coefficients",
            |h, _| {
                change_manifest(h, |m| {
                    m["version"] = json!(4);
                    m["layers"][1]["int8"] = json!(false);
                    m["layers"][1]["dense"] = json!(true);
                })
            },
            "layers.1.coefficients: is missing, expected F32 [7, 4] and the basis functions",
        ),
        (
            "a later norm in version 2",
            |h, _| {
                change_manifest(h, |m| {
                    m["version"] = json!(2);
                    m["layers"][0]["input_map"] = json!({"group_norm": {"groups": 1, "epsilon": 1e-5, "clamp": null}});
                })
            },
            "layer 0 has a norm or a base function that version 2 has not",
        ),
        (
            "groups that do not divide the inputs",
            |h, _| {
                change_manifest(h, |m| {
                    m["version"] = json!(3);
                    m["layers"][0]["input_map"] = json!({"group_norm": {"groups": 3, "epsilon": 1e-5, "clamp": null}});
                })
            },
            "norm groups are 3",
        ),
        (
            "a residual codebook in version 1",
            |h, _| change_manifest(h, |m| m["layers"][1]["stages"] = json!(2)),
            "layer 1 has 2 stages, which version 1 has not",
        ),
        ("no stages", |h, _| change_manifest(h, |m| m["layers"][0]["stages"] = json!(0)), "layer 0 has 0 stages"),
        (
            "three stages",
            |h, _| {
                change_manifest(h, |m| {
                    m["version"] = json!(2);
                    m["layers"][0]["stages"] = json!(3)
                })
            },
            "layer 0 has 3 stages",
        ),
        (
            "a residual codebook that is not there",
            |h, _| {
                change_manifest(h, |m| {
                    m["version"] = json!(2);
                    m["layers"][0]["stages"] = json!(2)
                })
            },
            "layers.0.codebook: has 3 codewords, expected as many in each of 2 stages",
        ),
        ("no manifest", |h, _| drop(h["__metadata__"].as_object_mut().unwrap().remove(MANIFEST_KEY)), "is missing"),
        ("an unknown field", |h, _| change_manifest(h, |m| m["sparse"] = json!(true)), "unknown field `sparse`"),
        ("no layers", |h, _| change_manifest(h, |m| m["layers"] = json!([])), "tensor"),
        ("another width", |h, _| change_manifest(h, |m| m["layers"][0]["inputs"] = json!(6)), "layers.0.indices"),
        ("a huge width", |h, _| change_manifest(h, |m| m["layers"][0]["inputs"] = json!(u64::MAX)), "layers.0"),
        (
            "a huge grid",
            |h, _| change_manifest(h, |m| m["layers"][0]["basis"]["b_spline"]["intervals"] = json!(u64::MAX)),
            "intervals",
        ),
        (
            "order 0",
            |h, _| {
                change_manifest(h, |m| {
                    m["layers"][0]["basis"]["b_spline"] =
                        json!({"order": 0, "intervals": 10, "grid": {"shared": {"low": -1.0, "step": 0.3}}})
                })
            },
            "spline order",
        ),
        (
            "a step of 0",
            |h, _| change_manifest(h, |m| m["layers"][0]["basis"]["b_spline"]["grid"]["shared"]["step"] = json!(0.0)),
            "grid",
        ),
        (
            "a clamp upside down",
            |h, _| change_manifest(h, |m| m["layers"][0]["input_map"]["affine"]["clamp"] = json!([1, -1])),
            "clamp",
        ),
        ("a missing tensor", |h, _| rename(h, "layers.1.gains", "layers.1.gainz"), "layers.1.gains: is missing"),
        (
            "an extra tensor",
            |h, d| {
                h["more"] = json!({"dtype": "U8", "shape": [1], "data_offsets": [d.len(), d.len() + 1]});
                d.push(0)
            },
            "more",
        ),
        ("another type", |h, _| h["layers.0.gains"]["dtype"] = json!("I8"), "layers.0.gains: is I8"),
        ("a NaN", |h, d| poke(h, d, "layers.0.bias", &f32::NAN.to_le_bytes()), "bias is NaN"),
        (
            "an infinity",
            |h, d| poke(h, d, "layers.1.output_scale", &f32::INFINITY.to_le_bytes()),
            "output scale is inf",
        ),
        ("an index past the codebook", |h, d| poke(h, d, "layers.0.indices", &[3]), "codeword 3, expected less than 3"),
        ("-128 in the codebook", |h, d| poke(h, d, "layers.0.codebook", &[0x80]), "-128"),
        ("-128 in the base weights", |h, d| poke(h, d, "layers.1.base_weights", &[0x80]), "base weights hold -128"),
        ("a gain level out of range", |h, d| poke(h, d, "layers.0.gain_levels", &2048i16.to_le_bytes()), "2048"),
        (
            "other classes",
            |h, _| h["__metadata__"]["detection_head"] = json!(settings(3).to_json().unwrap()),
            "3 classes",
        ),
        ("settings that are no JSON", |h, _| h["__metadata__"]["detection_head"] = json!("{"), "detection_head"),
        ("trailing bytes", |_, d| d.push(0), "no safetensors file"),
        ("a cut", |_, d| d.truncate(d.len() - 1), "no safetensors file"),
    ];
    let whole = artifact::to_bytes(&small().into()).unwrap();
    assert_eq!(artifact::read(&whole).unwrap(), small().into());
    for (name, change, expected) in cases {
        let (mut header, mut data) = open(&whole);
        change(&mut header, &mut data);
        match artifact::read(&close(&header, &data)) {
            Ok(_) => panic!("{name} was accepted"),
            Err(refusal) => {
                let text = refusal.to_string();
                assert!(text.contains(expected) && !text.contains('\n'), "{name}: {text}");
            }
        }
    }
    // A name that stands twice: the library of the format would take the last one.
    let text = String::from_utf8(whole.clone()).ok();
    assert!(text.is_none(), "a compressed head is no text");
    let (header, data) = open(&whole);
    let twice = serde_json::to_string(&header).unwrap().replacen(
        '{',
        "{\"layers.0.bias\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]},",
        1,
    );
    let bytes = [&(twice.len() as u64).to_le_bytes()[..], twice.as_bytes(), &data].concat();
    assert!(artifact::read(&bytes).is_err());
}

/// The second stage's tensors stand after the first's, and what of them is wrong is refused.
#[test]
fn residual_codebooks_are_checked() {
    let mut random = Random::new(8);
    let layer = integer_layer([6, 4, 3], even(6, 3, 7), norm(6, CLAMP, &mut random), false, &mut random);
    let residual = residual_layer(layer, &mut random);
    let head = CompressedHead::new(vec![residual.clone()], None).unwrap();
    let whole = artifact::to_bytes(&head.clone().into()).unwrap();
    let (header, data) = open(&whole);
    let manifest: Value = serde_json::from_str(header["__metadata__"][MANIFEST_KEY].as_str().unwrap()).unwrap();
    assert_eq!((&manifest["version"], &manifest["layers"][0]["stages"]), (&json!(2), &json!(2)));
    // 24 edges of two indices of 2 bits, and of two gains of a byte; 3 codewords of 10 coefficients twice.
    assert_eq!(header["layers.0.indices"]["shape"], json!([12]));
    assert_eq!(header["layers.0.gains"]["shape"], json!([48]));
    assert_eq!(header["layers.0.codebook"]["shape"], json!([6, 10]));
    let second = header["layers.0.indices"]["data_offsets"][0].as_u64().unwrap() as usize + 6;
    let expected: Vec<u8> =
        residual.indices[24..].chunks(4).map(|c| c.iter().rev().fold(0, |byte, &i| byte << 2 | i as u8)).collect();
    assert_eq!(data[second..second + 6], expected);

    let cases: &[(Change, &str)] = &[
        (|h, d| poke(h, d, "layers.0.indices", &[0, 0, 0, 0, 0, 0, 3]), "codeword 3, expected less than 3"),
        (|h, _| change_manifest(h, |m| m["layers"][0]["stages"] = json!(1)), "layers.0.indices"),
        (|h, _| change_manifest(h, |m| m["version"] = json!(1)), "2 stages, which version 1 has not"),
        (
            |h, _| {
                change_manifest(h, |m| {
                    m["layers"][0]["outputs"] = json!(1u64 << 32);
                    m["layers"][0]["inputs"] = json!(1u64 << 31)
                })
            },
            "layers.0.indices: cannot hold",
        ),
    ];
    for (change, expected) in cases {
        let (mut header, mut data) = open(&whole);
        change(&mut header, &mut data);
        let refusal = artifact::read(&close(&header, &data)).unwrap_err().to_string();
        assert!(refusal.contains(expected), "{refusal}, expected {expected}");
    }

    for change in [
        (|layer: &mut CompressedLayer| layer.stages = 3) as fn(&mut CompressedLayer),
        |layer| layer.stages = 0,
        |layer| layer.stages = 1,
        |layer| layer.indices.truncate(24),
    ] {
        let mut wrong = residual.clone();
        change(&mut wrong);
        assert!(CompressedHead::new(vec![wrong], None).is_err());
    }
}

fn round_trip(layers: Vec<CompressedLayer>) -> Result<(), TestCaseError> {
    let head = CompressedHead::new(layers, None).unwrap();
    let bytes = artifact::to_bytes(&head.clone().into()).unwrap();
    prop_assert!(artifact::read(&bytes).unwrap().single() == Some(&head));
    prop_assert_eq!(artifact::to_bytes(&head.clone().into()).unwrap(), bytes.clone());
    let tensors: usize = head.layers().iter().map(artifact::layer_bytes).sum();
    let (_, data) = open(&bytes);
    prop_assert_eq!(tensors, data.len());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_head_survives_a_round_trip(
        (inputs, outputs, codewords) in (1usize..9, 1usize..9, 1usize..400),
        (order, intervals) in (1usize..6, 1usize..9),
        kind in 0usize..4,
        map in 0usize..4,
        (base, residual) in any::<(bool, bool)>(),
        seed in any::<u64>(),
    ) {
        let random = &mut Random::new(seed);
        let basis = match kind {
            0 | 1 => even(inputs, order, intervals),
            2 => uneven(inputs, order, intervals, random),
            _ => Basis::Gaussian { centres: (0..intervals).map(|c| f64::from(random.next()) + c as f64).collect(), denominator: 0.7 },
        };
        let map = match map {
            0 => InputMap::Identity,
            1 => norm(inputs, CLAMP, random),
            2 => norm(inputs, None, random),
            3 => InputMap::GroupNorm {
                groups: inputs,
                weight: random.many(inputs),
                bias: random.many(inputs),
                epsilon: 1e-3,
                clamp: CLAMP,
            },
            _ => InputMap::LayerNorm { weight: random.many(inputs), bias: random.many(inputs), epsilon: 1e-5 },
        };
        let shape = [inputs, outputs, codewords];
        let mut layer = if kind == 1 { float_layer(shape, basis, map, random) } else { integer_layer(shape, basis, map, kind == 0, random) };
        if residual {
            layer = residual_layer(layer, random);
        }
        if base {
            layer.base = Some(CompressedBase {
                activation: [Activation::Gelu, Activation::LeakyRelu { slope: 0.3 }, Activation::Mish][inputs % 3],
                weights: random.many(inputs * outputs).iter().map(|w| (w * 127.0) as i8).collect(),
                output_scale: random.many(outputs),
            });
        }
        round_trip(vec![layer])?;
    }

    #[test]
    fn damaged_files_never_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        keep in any::<prop::sample::Index>(),
        cut in prop::bool::weighted(0.2),
    ) {
        let mut bytes = artifact::to_bytes(&small().into()).unwrap();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(keep.index(bytes.len()));
        }
        if let Err(refusal) = artifact::read(&bytes) {
            prop_assert!(!refusal.to_string().contains('\n'));
        }
    }
}

/// Files that fuzzing starts from are heads as this version writes them.
#[test]
fn seeds_of_the_fuzzer_are_read() {
    let mut files = 0;
    for entry in std::fs::read_dir("fuzz/seeds/artifact").unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let head = artifact::read(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(artifact::to_bytes(&head).unwrap() == bytes, "{}", path.display());
        files += 1;
    }
    assert!(files > 0);
}

/// The header's names stand in the order of the alphabet: a map's own order would be that of whatever features another
/// crate asks of `serde_json`, or that of a hash.
#[test]
fn headers_are_sorted() {
    let bytes = artifact::to_bytes(&small().into()).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap();
    let places: Vec<usize> = [
        "{\"__metadata__\":{\"detection_head\":",
        "\"sharekan\":",
        "\"layers.0.bias\":{\"data_offsets\":[",
        "],\"dtype\":\"F32\",\"shape\":[4]},\"layers.0.codebook\":",
        "\"layers.0.gain_levels\":",
        "\"layers.0.gains\":",
        "\"layers.0.indices\":",
        "\"layers.0.output_scale\":",
        "\"layers.1.base_scale\":",
        "\"layers.1.base_weights\":",
        "\"layers.1.bias\":",
        "\"norms.0.bias\":",
        "\"norms.1.weight\":",
    ]
    .map(|part| header.find(part).unwrap_or_else(|| panic!("no {part} in {header}")))
    .to_vec();
    assert!(places.is_sorted(), "{places:?} in {header}");
    assert!(artifact::to_bytes(&small().into()).unwrap() == bytes);
}
