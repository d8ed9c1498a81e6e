//! Banks: heads that share their codebooks, in memory and as a file.

mod support;

use proptest::prelude::*;
use serde_json::{Value, json};
use sharekan::artifact::{self, BANK_KEY};
use sharekan::compress::{
    Calibration, CompressError, CompressOptions, HeadSource, HeldHeads, Method, SourceHead, compile_bank,
};
use sharekan::evaluate::{output_snr_db, verify};
use sharekan::head::{
    Bank, CompressedHead, CompressedLayer, DenseHead, DenseLayer, DetectionConfig, GainScale, Head, Member, Quantised,
};
use sharekan::plan::PlanOptions;
use sharekan::reference::{CompressedReference, DenseReference};
use sharekan::run::{Model, Session};
use support::*;

fn settings(classes: usize) -> DetectionConfig {
    DetectionConfig::default()
        .classes((0..classes).map(|c| format!("class {c}")).collect())
        .input_size(64)
        .stride(16)
        .features(vec!["c4".into()])
        .test_map50(71.125)
}

/// A head of cubic integer layers whose codebooks hang on `shared` only.
fn member(name: &str, widths: &[usize], table: bool, shared: u64, own: u64) -> Member {
    let mut layers = integer_head(widths, 3, table, own).layers().to_vec();
    for (at, layer) in layers.iter_mut().enumerate() {
        let random = &mut Random::new(shared + at as u64);
        let Quantised::Int8 { codebook, .. } = &mut layer.quantised else { unreachable!() };
        codebook.iter_mut().for_each(|c| *c = (random.next() * 127.0) as i8);
    }
    Member { name: name.into(), head: CompressedHead::new(layers, None).unwrap() }
}

/// Two heads of two integer layers; the second is a detection head.
fn small() -> Bank {
    let mut second = member("second head", &[5, 3, 7], true, 1, 3);
    second.head.detection = Some(settings(2));
    Bank::new(vec![member("first", &[5, 4, 2], true, 1, 2), second]).unwrap()
}

#[test]
fn outputs_stand_side_by_side() {
    let bank = small();
    assert_eq!((bank.inputs(), bank.outputs(), bank.edges()), (5, 9, 5 * 4 + 4 * 2 + 5 * 3 + 3 * 7));
    assert_eq!((bank.output_range(0), bank.output_range(1), bank.output_range(2)), (0..2, 2..9, 9..9));
    assert_eq!(bank.names().collect::<Vec<_>>(), ["first", "second head"]);
    assert_eq!(bank.member("second head"), Some(&bank.members()[1].head));
    assert_eq!(bank.member("third"), None);
}

#[test]
fn what_makes_no_bank_is_refused() {
    let with = |other: Member| {
        let text = Bank::new(vec![member("a", &[5, 4, 2], true, 1, 2), other]).unwrap_err().to_string();
        assert!(!text.contains('\n'), "{text}");
        text
    };
    assert_eq!(Bank::new(vec![]).unwrap_err().to_string(), "the bank: has no head, expected at least 1");
    assert!(with(member("a", &[5, 4, 2], true, 1, 3)).contains("two heads of the name a"));
    for (name, problem) in [
        ("", "is empty"),
        (" \u{a0}", "is empty"),
        ("x\n", r#"is "x\n""#),
        ("a\u{202e}b", "printable"),
        ("\u{1b}[31m", "printable"),
    ] {
        assert!(with(member(name, &[5, 4, 2], true, 1, 3)).contains(problem), "{name:?}");
    }
    assert!(with(member(&"x".repeat(256), &[5, 4, 2], true, 1, 3)).contains("256 bytes, expected at most 255"));
    for name in ["Köpfe und 'Zahlen' \"2\" \\ 日本", "e\u{301}"] {
        Bank::new(vec![member(name, &[5, 4, 2], true, 1, 3)]).unwrap();
    }
    assert!(with(member("b", &[5, 2], true, 1, 3)).ends_with("a and b do not fit: 2 layers and 1"));
    assert!(with(member("b", &[6, 4, 2], true, 1, 3)).ends_with("5 inputs and 6"));
    assert!(with(member("b", &[5, 4, 2], true, 9, 3)).ends_with("layer 0: the codebooks differ"));
    assert!(with(member("b", &[5, 4, 2], false, 1, 3)).ends_with("8-bit tabled gains and linear ones"));
    let mut other = member("b", &[5, 4, 2], true, 1, 3).head.layers().to_vec();
    let random = &mut Random::new(4);
    other[1] = integer_layer([4, 2, 3], even(4, 2, 8), norm(4, CLAMP, random), true, random);
    let other = Member { name: "b".into(), head: CompressedHead::new(other, None).unwrap() };
    assert!(with(other).ends_with(
        "layer 1: B-splines of order 3 over 7 even intervals and B-splines of order 2 over 8 even intervals"
    ));
    let floats = Member { name: "b".into(), head: float_head(&[5, 4, 2], 3, 1) };
    assert!(with(floats).ends_with("layer 0: codebooks of 8 bits and of f32"));
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
    let mut manifest: Value = serde_json::from_str(header["__metadata__"][BANK_KEY].as_str().unwrap()).unwrap();
    change(&mut manifest);
    header["__metadata__"][BANK_KEY] = json!(manifest.to_string());
}

fn poke(header: &Value, data: &mut [u8], tensor: &str, bytes: &[u8]) {
    let at = header[tensor]["data_offsets"][0].as_u64().unwrap() as usize;
    data[at..at + bytes.len()].copy_from_slice(bytes);
}

fn rename(header: &mut Value, from: &str, to: &str) {
    let entry = header.as_object_mut().unwrap().remove(from).unwrap();
    header[to] = entry;
}

#[test]
fn a_file_holds_every_codebook_once() {
    let bytes = artifact::to_bytes(&small()).unwrap();
    let (header, data) = open(&bytes);
    let named: Vec<&str> = header.as_object().unwrap().keys().map(String::as_str).collect();
    let codebooks: Vec<&str> = named.iter().copied().filter(|name| name.contains("codebook")).collect();
    assert_eq!(codebooks, ["layers.0.codebook", "layers.1.codebook"]);
    assert_eq!(header["layers.1.codebook"]["shape"], json!([3, 10]));
    // 20 edges of 2 bits and 20 of 8.
    assert_eq!(header["heads.0.layers.0.indices"]["shape"], json!([5]));
    assert_eq!(header["heads.0.layers.0.gains"]["shape"], json!([20]));
    assert_eq!(header["heads.1.norms.1.weight"]["shape"], json!([3]));
    let heads = small().into_members();
    let alone: usize = heads.iter().flat_map(|member| member.head.layers()).map(artifact::layer_bytes).sum();
    assert_eq!(data.len(), alone - 2 * 3 * 10);
    let head = artifact::to_bytes(&Bank::from(heads[0].head.clone())).unwrap();
    assert_eq!(artifact::read(&head).unwrap().single(), Some(&heads[0].head));
    assert_eq!(artifact::read(&bytes).unwrap().single(), None);
}

type Change = fn(&mut Value, &mut Vec<u8>);

#[test]
fn what_is_wrong_is_refused_by_name() {
    let cases: &[(&str, Change, &str)] = &[
        ("a newer version", |h, _| change_manifest(h, |m| m["version"] = json!(4)), "version 4, expected 1 to 3"),
        (
            "a later function in version 1",
            |h, _| change_manifest(h, |m| m["heads"][0]["layers"][0]["base"] = json!("mish")),
            "version 1 has not",
        ),
        ("no manifest", |h, _| drop(h["__metadata__"].as_object_mut().unwrap().remove(BANK_KEY)), "is missing"),
        ("an unknown field", |h, _| change_manifest(h, |m| m["a\nb"] = json!(true)), "unknown field `a b`"),
        ("an unknown field of a head", |h, _| change_manifest(h, |m| m["heads"][1]["x"] = json!(1)), "unknown field"),
        ("no head", |h, _| change_manifest(h, |m| m["heads"] = json!([])), "heads.0"),
        (
            "a head too few",
            |h, _| change_manifest(h, |m| drop(m["heads"].as_array_mut().unwrap().pop())),
            "heads.1.layers.0.bias: is not named",
        ),
        (
            "a head twice",
            |h, _| {
                change_manifest(h, |m| {
                    let copy = m["heads"][1].clone();
                    m["heads"].as_array_mut().unwrap().push(copy)
                })
            },
            "head second head: tensor heads.2.layers.0.indices: is missing",
        ),
        ("one name twice", |h, _| change_manifest(h, |m| m["heads"][1]["name"] = json!("first")), "two heads"),
        ("no name", |h, _| change_manifest(h, |m| m["heads"][0]["name"] = json!("")), "name of head 0 is empty"),
        (
            "a name of two lines",
            |h, d| {
                change_manifest(h, |m| m["heads"][0]["name"] = json!("a\nb"));
                poke(h, d, "heads.0.layers.0.bias", &f32::NAN.to_le_bytes())
            },
            "head a\\nb: layer 0: bias is NaN",
        ),
        (
            "no layers",
            |h, _| change_manifest(h, |m| m["heads"][0]["layers"] = json!([])),
            "head first: a head needs at least one layer",
        ),
        (
            "a huge width",
            |h, _| change_manifest(h, |m| m["heads"][1]["layers"][0]["inputs"] = json!(u64::MAX)),
            "heads.1.layers.0.indices",
        ),
        (
            "another number of coefficients",
            |h, _| {
                change_manifest(h, |m| m["heads"][1]["layers"][0]["basis"]["b_spline"]["intervals"] = json!(8));
            },
            "layers.0.codebook: is I8 [3, 10]",
        ),
        (
            "another order over as many coefficients",
            |h, _| {
                change_manifest(h, |m| {
                    m["heads"][1]["layers"][0]["basis"]["b_spline"]["intervals"] = json!(8);
                    m["heads"][1]["layers"][0]["basis"]["b_spline"]["order"] = json!(2);
                });
            },
            "first and second head do not fit: layer 0",
        ),
        (
            "another precision",
            |h, _| change_manifest(h, |m| m["heads"][1]["layers"][1]["int8"] = json!(false)),
            "layers.1.codebook: is I8",
        ),
        (
            "a codebook of its own",
            |h, d| {
                h["heads.1.layers.0.codebook"] =
                    json!({"dtype": "I8", "shape": [1, 10], "data_offsets": [d.len(), d.len() + 10]});
                d.extend([0; 10])
            },
            "heads.1.layers.0.codebook: is not named",
        ),
        (
            "a missing tensor",
            |h, _| rename(h, "heads.1.layers.1.gains", "heads.1.layers.1.gainz"),
            "tensor heads.1.layers.1.gains: is missing",
        ),
        (
            "a missing codebook",
            |h, _| rename(h, "layers.1.codebook", "layers.2.codebook"),
            "head first: tensor heads.0.layers.1.",
        ),
        (
            "an index past the codebook",
            |h, d| poke(h, d, "heads.1.layers.0.indices", &[3]),
            "head second head: layer 0: indices name codeword 3, expected less than 3",
        ),
        ("-128 in the codebook", |h, d| poke(h, d, "layers.0.codebook", &[0x80]), "-128"),
        (
            "other classes",
            |h, _| change_manifest(h, |m| m["heads"][1]["detection_head"] = json!(settings(3))),
            "3 classes",
        ),
        (
            "settings out of range",
            |h, _| change_manifest(h, |m| m["heads"][1]["detection_head"]["stride"] = json!(0)),
            "head second head: detection_head: input_size 64 with stride 0",
        ),
        ("trailing bytes", |_, d| d.push(0), "no safetensors file"),
        ("a cut", |_, d| d.truncate(d.len() - 1), "no safetensors file"),
    ];
    let whole = artifact::to_bytes(&small()).unwrap();
    assert!(artifact::read(&whole).unwrap() == small());
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
}

/// A file of half a megabyte whose codebook would be copied for ten thousand heads of one edge.
#[test]
fn copies_of_codebooks_are_bounded() {
    let layer = |random: &mut Random| {
        let mut layer = integer_layer([1, 1, 40_000], even(1, 3, 7), norm(1, CLAMP, random), true, random);
        layer.indices = vec![7];
        layer
    };
    let head = CompressedHead::new(vec![layer(&mut Random::new(1))], None).unwrap();
    let bytes = artifact::to_bytes(&Bank::new(vec![Member { name: "0".into(), head }]).unwrap()).unwrap();
    let (mut header, data) = open(&bytes);
    change_manifest(&mut header, |m| {
        let head = m["heads"][0].clone();
        m["heads"] = (0..10_000).map(|_| head.clone()).collect();
    });
    let refusal = artifact::read(&close(&header, &data)).unwrap_err().to_string();
    assert!(refusal.contains("4000000000 bytes of codebooks"), "{refusal}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_bank_survives_a_round_trip(
        (inputs, codewords) in (1usize..9, 1usize..300),
        (order, intervals) in (1usize..5, 1usize..8),
        widths in prop::collection::vec((1usize..6, 1usize..6), 1..5),
        (kind, narrow) in (0usize..3, any::<bool>()),
        seed in any::<u64>(),
    ) {
        let heads = widths.iter().enumerate().map(|(at, &(inner, outputs))| {
            let random = &mut Random::new(seed.wrapping_add(1000 + at as u64));
            let layers: Vec<CompressedLayer> = [[inputs, inner], [inner, outputs]].iter().enumerate().map(|(n, &[i, o])| {
                let shape = [i, o, codewords];
                let basis = if kind == 2 { uneven(i, order, intervals, random) } else { even(i, order, intervals) };
                let map = norm(i, if at % 2 == 0 { CLAMP } else { None }, random);
                let shared = &mut Random::new(seed.wrapping_add(n as u64));
                if kind == 1 {
                    let mut layer = float_layer(shape, basis, map, random);
                    let Quantised::Float { codebook, .. } = &mut layer.quantised else { unreachable!() };
                    codebook.iter_mut().for_each(|c| *c = shared.next());
                    layer
                } else {
                    let mut layer = integer_layer(shape, basis, map, true, random);
                    let Quantised::Int8 { codebook, gains, gain_scale, .. } = &mut layer.quantised else { unreachable!() };
                    codebook.iter_mut().for_each(|c| *c = (shared.next() * 127.0) as i8);
                    if narrow {
                        *gain_scale = GainScale::Table((0..16).map(|_| random.below(2048) as i16).collect());
                        gains.iter_mut().for_each(|code| *code %= 16);
                    }
                    layer
                }
            }).collect();
            let detection = (outputs > 5).then(|| settings(outputs - 5));
            Member { name: format!("head {at}"), head: CompressedHead::new(layers, detection).unwrap() }
        });
        let bank = Bank::new(heads.collect()).unwrap();
        let bytes = artifact::to_bytes(&bank).unwrap();
        prop_assert!(artifact::read(&bytes).unwrap() == bank);
        prop_assert_eq!(artifact::to_bytes(&bank).unwrap(), bytes);
    }

    #[test]
    fn damaged_files_never_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        keep in any::<prop::sample::Index>(),
        cut in prop::bool::weighted(0.2),
    ) {
        let mut bytes = artifact::to_bytes(&small()).unwrap();
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

/// A dense head of one layer: every edge is one of four curves of its own with a little noise, in all sizes up to `size`.
fn of_curves(size: f32, seed: u64) -> DenseHead {
    let random = &mut Random::new(seed);
    let curves: Vec<Vec<f32>> = (0..4).map(|_| random.many(10)).collect();
    let (inputs, outputs) = (24, 20);
    let coefficients = (0..inputs * outputs).flat_map(|edge| {
        let gain = size * random.next();
        curves[edge % 4].iter().map(|c| gain * (c + 0.1 * random.next())).collect::<Vec<_>>()
    });
    let coefficients = coefficients.collect();
    let (basis, input_map) = (even(inputs, 3, 7), norm(inputs, CLAMP, random));
    DenseHead::new(vec![DenseLayer { inputs, outputs, input_map, basis, coefficients, base: None, bias: None }], None)
        .unwrap()
}

fn snr(dense: &DenseHead, found: &CompressedHead, rows: &[f32]) -> f64 {
    let expected: Vec<f32> = DenseReference::new(dense).run(rows).iter().map(|&y| y as f32).collect();
    let found = CompressedReference::new(found).run(rows);
    output_snr_db(&expected, &found, dense.outputs()).unwrap().unwrap()
}

/// Sixteen codewords for four curves of each of two heads (eight would do in the best of all clusterings): they reach both
/// only if the head of coefficients a hundred times smaller counts as much as the other, whose noise alone is larger than
/// all of it.
#[test]
fn small_heads_count_as_much_as_large_ones() {
    let (large, small) = (of_curves(100.0, 1), of_curves(1.0, 2));
    let rows = Random::new(3).many(500 * 24);
    let calibration = Some(Calibration::new(&rows, 24).unwrap());
    let test = Random::new(4).many(300 * 24);
    for method in [Method::Plain, Method::Uniform, Method::Calibrated] {
        let options = CompressOptions::default().method(method).codewords(16);
        let mut heads = HeldHeads::new([
            ("large".to_string(), SourceHead { head: &large, calibration }),
            ("small".to_string(), SourceHead { head: &small, calibration }),
        ]);
        let (bank, reports) = compile_bank(&mut heads, &options, &mut |_| {}).unwrap();
        for (member, dense) in bank.members().iter().zip([&large, &small]) {
            let snr = snr(dense, &member.head, &test);
            assert!(snr > 16.0, "{method:?} {}: {snr} dB", member.name);
        }
        assert_eq!(reports[1].layers[0].codewords, 16);
    }
}

/// Heads that are made when they are asked for.
struct Made(Vec<String>);

impl HeadSource for Made {
    fn names(&self) -> &[String] {
        &self.0
    }

    fn visit(
        &mut self,
        at: usize,
        see: &mut dyn FnMut(SourceHead<'_>) -> Result<(), CompressError>,
    ) -> Result<(), CompressError> {
        if at == 2 {
            return Err(CompressError::Source("no third head".into()));
        }
        see(SourceHead { head: &dense_head(&[6, 5, 3 + at], at as u64), calibration: None })
    }
}

#[test]
fn heads_may_come_one_at_a_time() {
    let heads = [dense_head(&[6, 5, 3], 0), dense_head(&[6, 5, 4], 1)];
    let held =
        heads.iter().zip(["a", "b"]).map(|(head, name)| (name.to_string(), SourceHead { head, calibration: None }));
    let options = CompressOptions::default().codewords(16);
    let compile = |heads: &mut dyn HeadSource| compile_bank(heads, &options, &mut |_| {}).map(|(bank, _)| bank);
    let bank = compile(&mut HeldHeads::new(held)).unwrap();
    let names = |count: usize| ["a", "b", "c"].iter().take(count).map(|name| name.to_string()).collect();
    assert!(compile(&mut Made(names(2))).unwrap() == bank);
    assert_eq!(compile(&mut Made(names(3))).unwrap_err().to_string(), "no third head");
    assert!(compile(&mut Made(vec![])).unwrap_err().to_string().contains("no head"));
    assert!(compile(&mut Made(vec!["a".into(), "a".into()])).unwrap_err().to_string().contains("two heads"));

    // All heads on the adapter and on the CPU, side by side.
    let input = Random::new(5).many(9 * 6);
    let outputs =
        Model::open_on(Some(&GPU), &bank.clone().into(), 9, &PlanOptions::default()).unwrap().run(&input).unwrap();
    for (at, member) in bank.members().iter().enumerate() {
        let own: Vec<f32> = outputs.chunks(7).flat_map(|row| row[bank.output_range(at)].to_vec()).collect();
        assert!(error(&own, &CompressedReference::new(&member.head).run(&input)) <= 1e-6);
    }
    let report = verify(&GPU, &bank.clone().into(), 7).unwrap();
    assert!(report.passed(), "{report:?}");
    let kernels: Vec<&str> = report.checks.iter().map(|check| check.kernel.as_str()).collect();
    for name in ["a: integer_rows", "b: integer_edges", "all heads at once"] {
        assert!(kernels.iter().any(|kernel| kernel.starts_with(name)), "{kernels:?}");
    }
}

/// The inner layers of these heads differ in width.
#[test]
fn what_one_pass_cannot_serve_is_run_by_a_model() {
    let bank = small();
    let refusal = Session::open(&GPU, &bank.clone().into(), 4).unwrap_err().to_string();
    assert!(refusal.contains("need a pass each") && refusal.contains("Model::open"), "{refusal}");
    let input = Random::new(5).many(4 * bank.inputs());
    for gpu in [Some(&*GPU), None] {
        let mut model = Model::open_on(gpu, &bank.clone().into(), 4, &PlanOptions::default()).unwrap();
        let outputs = model.run(&input).unwrap();
        assert_eq!((model.outputs(), model.is_on_cpu()), (bank.outputs(), gpu.is_none()));
        for (at, member) in bank.members().iter().enumerate() {
            let range = bank.output_range(at);
            let own: Vec<f32> = outputs.chunks(bank.outputs()).flat_map(|row| row[range.clone()].to_vec()).collect();
            assert_eq!(own, CompressedReference::new(&member.head).run(&input), "{}", member.name);
        }
    }
}

#[test]
fn a_head_alone_is_a_bank_of_one() {
    let head = small().into_members().remove(0).head;
    let mut alone = Bank::from(head.clone());
    assert_eq!((alone.single(), alone.outputs(), alone.output_range(0)), (Some(&head), 2, 0..2));
    assert_eq!(Head::from(alone.clone()).compressed(), Some(&head));
    assert_eq!(alone.clone().into_single(), Ok(head.clone()));
    // A name makes it a bank, which is written as one.
    alone = Bank::new(vec![Member { name: "a".into(), head }]).unwrap();
    assert_eq!((alone.single(), alone.clone().into_single()), (None, Err(alone.clone())));
    assert!(artifact::to_bytes(&alone).unwrap().windows(BANK_KEY.len()).any(|window| window == BANK_KEY.as_bytes()));
}

#[test]
fn heads_that_make_no_bank_are_not_compiled() {
    let first = dense_head(&[6, 5, 3], 0);
    let with = |head: &DenseHead, options: &CompressOptions| {
        let heads = [("a", &first), ("b", head)];
        let heads = heads.map(|(name, head)| (name.to_string(), SourceHead { head, calibration: None }));
        compile_bank(&mut HeldHeads::new(heads), options, &mut |_| {}).unwrap_err().to_string()
    };
    let options = CompressOptions::default().codewords(4);
    assert!(
        with(&dense_head(&[6, 3], 1), &options).starts_with("head b: the bank: the heads do not fit: 2 layers and 1")
    );
    assert!(with(&dense_head(&[7, 5, 3], 1), &options).contains("6 inputs and 7"));
    let random = &mut Random::new(1);
    let other = dense_layer(6, 3, even(6, 3, 6), norm(6, CLAMP, random), None, random);
    let other =
        DenseHead::new(vec![other, dense_layer(3, 3, even(3, 3, 7), norm(3, CLAMP, random), None, random)], None)
            .unwrap();
    assert!(with(&other, &options).contains("layer 0: B-splines of order 3 over 7"));
    let calibrated = options.clone().method(Method::Calibrated);
    assert!(with(&first, &calibrated).starts_with("head a: calibration: is missing"));
    let residual = options.residual(true);
    assert!(with(&first, &residual).contains("residual"));
}

/// Files that fuzzing starts from are banks as this version writes them.
#[test]
fn seeds_of_the_fuzzer_are_read() {
    let mut files = 0;
    for entry in std::fs::read_dir("fuzz/seeds/bank").unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let bank = artifact::read(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(artifact::to_bytes(&bank).unwrap() == bytes, "{}", path.display());
        files += 1;
    }
    assert!(files > 0);
}
