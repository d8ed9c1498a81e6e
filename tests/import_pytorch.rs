//! PyTorch state dicts: what torch wrote, and pickles that ask for more than tensors.

mod fixtures;

use std::io::{Cursor, Write};

use fixtures::checkpoint::even;
use sharekan::{
    import::{self, Container, ImportError, ImportOptions, Imported},
    reference::DenseReference,
};

fn import(bytes: &[u8]) -> Result<Imported, ImportError> {
    import::from_reader(Cursor::new(bytes), Container::PyTorch, &ImportOptions::default())
}

fn bad(name: &str) -> Vec<u8> {
    fixtures::bad().iter().find(|file| file.file == name).unwrap().bytes()
}

/// A state dict as a pickle, piece by piece.
struct Pickle(Vec<u8>);

impl Pickle {
    fn dict() -> Self {
        Self(b"\x80\x02ccollections\nOrderedDict\n)R".to_vec())
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn text(self, text: &str) -> Self {
        self.raw(b"X").raw(&(text.len() as u32).to_le_bytes()).raw(text.as_bytes())
    }

    fn int(self, value: i32) -> Self {
        self.raw(b"J").raw(&value.to_le_bytes())
    }

    fn ints(self, values: &[i32]) -> Self {
        values.iter().fold(self.raw(b"("), |pickle, &value| pickle.int(value)).raw(b"t")
    }

    /// An entry: a view of storage `key`, which has `count` 32-bit floats.
    fn tensor(self, name: &str, key: &str, count: i32, offset: i32, shape: &[i32], strides: &[i32]) -> Self {
        self.text(name)
            .raw(b"ctorch._utils\n_rebuild_tensor_v2\n((")
            .text("storage")
            .raw(b"ctorch\nFloatStorage\n")
            .text(key)
            .text("cpu")
            .int(count)
            .raw(b"tQ")
            .int(offset)
            .ints(shape)
            .ints(strides)
            .raw(b"\x89ccollections\nOrderedDict\n)RtRs")
    }

    fn end(self) -> Vec<u8> {
        self.raw(b".").0
    }
}

fn archive(pickle: &[u8], storages: &[(&str, &[f32])]) -> Vec<u8> {
    packed_archive(pickle, storages, &[])
}

/// An archive some of whose storages are compressed, or said to be.
fn packed_archive(
    pickle: &[u8],
    storages: &[(&str, &[f32])],
    packed: &[(&str, &[f32], rawzip::CompressionMethod)],
) -> Vec<u8> {
    use rawzip::CompressionMethod;
    let mut bytes = Vec::new();
    let mut writer = rawzip::ZipArchiveWriter::new(&mut bytes);
    let mut add = |name: &str, data: &[u8], method| {
        let (mut entry, config) = writer.new_file(name).compression_method(method).start().unwrap();
        let descriptor = if method == CompressionMethod::DEFLATE {
            let deflate = flate2::write::DeflateEncoder::new(&mut entry, flate2::Compression::default());
            let mut file = config.wrap(deflate);
            file.write_all(data).unwrap();
            let (deflate, descriptor) = file.finish().unwrap();
            deflate.finish().unwrap();
            descriptor
        } else {
            let mut file = config.wrap(&mut entry);
            file.write_all(data).unwrap();
            file.finish().unwrap().1
        };
        entry.finish(descriptor).unwrap();
    };
    let bytes_of = |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
    add("head/data.pkl", pickle, CompressionMethod::STORE);
    add("head/byteorder", b"little", CompressionMethod::STORE);
    for (key, values) in storages {
        add(&format!("head/data/{key}"), &bytes_of(values), CompressionMethod::STORE);
    }
    for (key, values, method) in packed {
        add(&format!("head/data/{key}"), &bytes_of(values), *method);
    }
    writer.finish().unwrap();
    bytes
}

/// A layer of two inputs and outputs whose spline weight is stored with the outputs last. All coefficients of the
/// edge from i to o are `1 + 10 o + 100 i`.
fn transposed() -> Vec<u8> {
    let pickle = Pickle::dict()
        .tensor("grid", "0", 12, 0, &[2, 12], &[0, 1])
        .tensor("spline_weight", "1", 33, 1, &[2, 2, 8], &[1, 2, 4])
        .tensor("base_weight", "2", 4, 0, &[2, 2], &[2, 1])
        .end();
    let mut stored = vec![f32::NAN];
    stored.extend([1.0, 11.0, 101.0, 111.0].repeat(8));
    archive(&pickle, &[("0", &even(-2.2, 0.4, 12)), ("1", &stored), ("2", &[0.0; 4])])
}

#[test]
fn what_torch_saved_is_what_it_wrote_as_safetensors() {
    let same = import::from_bytes(&bad("valid_unpadded_header.safetensors"), &ImportOptions::default()).unwrap();
    assert_eq!(import(&bad("pt_extension.pt")).unwrap().head, same.head);
    assert_eq!(import(&bad("pt_pickle_renamed.safetensors")).unwrap().head, same.head);
}

#[test]
fn bytes_tell_the_kind_but_a_name_may_promise_one() {
    use std::path::Path;
    for name in ["a/head.PT", "head.ckpt", "model_state", "pytorch_model.bin", "best.pth.tar"] {
        assert_eq!(Container::of_path(Path::new(name)), Container::Any, "{name}");
    }
    assert_eq!(Container::of_path(Path::new("a.SafeTensors")), Container::Safetensors);
    let any = |bytes: &[u8]| import::from_bytes(bytes, &ImportOptions::default());
    assert_eq!(
        any(&bad("pt_extension.pt")).unwrap().head,
        any(&bad("valid_unpadded_header.safetensors")).unwrap().head
    );
    assert!(any(b"").unwrap_err().to_string().contains("is empty: copy or download it again"));
    let promised = import::from_reader(
        Cursor::new(bad("pt_pickle_renamed.safetensors")),
        Container::Safetensors,
        &ImportOptions::default(),
    );
    assert!(promised.unwrap_err().to_string().contains("is a zip archive"));
    let message = import(&bad("valid_metadata.safetensors")).unwrap_err().to_string();
    assert!(message.contains("is a safetensors file"), "{message}");
    assert!(import(&bad("png_renamed.safetensors")).unwrap_err().to_string().contains("a PNG image"));
}

/// The optimizer's storages lie beside those of the head, and nobody needs them.
#[test]
fn of_a_compressed_archive_only_what_the_tensors_lie_in_is_read() {
    use rawzip::CompressionMethod;
    let pickle = |weights| {
        Pickle::dict()
            .tensor("grid", "0", 12, 0, &[2, 12], &[0, 1])
            .tensor("spline_weight", "1", 32, 0, &[2, 2, 8], &[16, 8, 1])
            .tensor("base_weight", weights, 4, 0, &[2, 2], &[2, 1])
            .end()
    };
    let grid = even(-2.2, 0.4, 12);
    let spline: Vec<f32> = (0..32).map(|at| at as f32).collect();
    let stored: [(&str, &[f32]); 1] = [("0", &grid)];
    let packed: [(&str, &[f32], _); 3] = [
        ("1", &spline, CompressionMethod::DEFLATE),
        ("2", &[0.5; 4], CompressionMethod::DEFLATE),
        ("3", &[0.0; 4], CompressionMethod::BZIP2),
    ];
    let mut bytes = packed_archive(&pickle("2"), &stored, &packed);
    let layers = import(&bytes).unwrap().head.layers().to_vec();
    assert_eq!(layers[0].edge(1, 0), &spline[16..24]);
    assert_eq!(layers[0].base.as_ref().unwrap().weights, [0.5; 4]);
    let other = import(&packed_archive(&pickle("3"), &stored, &packed)).unwrap_err().to_string();
    assert!(other.contains("head/data/3") && other.contains("by another method than deflate"), "{other}");
    // The archive's directory says of the last entry called so that it has 2 GiB.
    let name = b"head/data/1";
    let at = bytes.windows(name.len()).rposition(|window| window == name).unwrap() - 46;
    assert_eq!(bytes[at..at + 4], *b"PK\x01\x02");
    bytes[at + 24..at + 28].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    let large = import(&bytes).unwrap_err().to_string();
    assert!(large.contains("head/data/1") && large.contains("2147483711 bytes"), "{large}");
    assert!(large.contains("save it again by torch.save"), "{large}");
}

#[test]
fn views_are_read_in_the_order_of_their_strides() {
    let head = import(&transposed()).unwrap().head;
    assert_eq!(head.layers()[0].edge(0, 1), [101.0; 8]);
    assert_eq!(head.layers()[0].edge(1, 0), [11.0; 8]);
    let output = DenseReference::new(&head).run(&[0.3, -0.6]);
    assert!((output[0] - 102.0).abs() < 1e-4 && (output[1] - 122.0).abs() < 1e-4, "{output:?}");
}

#[test]
fn what_is_no_state_dict_is_refused_by_name() {
    let one = |pickle: Pickle| archive(&pickle.end(), &[("0", &[0.0; 4])]);
    for (what, bytes, mentions) in [
        (
            "a command",
            one(Pickle::dict().text("x").raw(b"cposix\nsystem\n").text("true").raw(b"\x85Rs")),
            "posix.system",
        ),
        (
            "a command by name on the stack",
            one(Pickle::dict().text("x").text("os").text("system").raw(b"\x93").text("true").raw(b"\x85Rs")),
            "os.system",
        ),
        ("a command that is thrown away", one(Pickle::dict().raw(b"c__builtin__\neval\n0")), "__builtin__.eval"),
        ("an instance of a command", one(Pickle::dict().raw(b"(ios\nsystem\n")), "os.system"),
        ("a command by a way round", one(Pickle::dict().raw(b"cbuiltins\nlist.__class__\n")), "list.__class__"),
        ("an extension", one(Pickle::dict().raw(b"\x82\x01")), "0x82"),
        ("bytes from outside", one(Pickle::dict().raw(b"\x97")), "0x97"),
        (
            "a quantised tensor",
            one(Pickle::dict().text("layers.0.grid").raw(b"ctorch._utils\n_rebuild_qtensor\n)Rs")),
            "is a quantised tensor",
        ),
        ("a number", one(Pickle::dict().text("epoch").int(3).raw(b"s")), "it has epoch (an integer)"),
        ("a nested dictionary", one(Pickle::dict().text("model").raw(b"}s")), "it has model (a dictionary)"),
        ("a list", one(Pickle(b"\x80\x02]".to_vec())), "holds a list"),
        ("attributes of a number", one(Pickle::dict().text("x").int(1).raw(b"}bs")), "attributes"),
        ("a control character", one(Pickle::dict().text("a\x1b[31m").int(1).raw(b"s")), "a\\u{1b}[31m"),
        ("a storage beyond the archive", one(Pickle::dict().tensor("x", "7", 4, 0, &[4], &[1])), "no storage 7"),
        (
            "a storage that is too short",
            one(Pickle::dict().tensor("x", "0", 5, 0, &[5], &[1])),
            "5 elements, but it has 4",
        ),
        ("a view beyond its storage", one(Pickle::dict().tensor("x", "0", 4, 1, &[4], &[1])), "beyond the 4 elements"),
        (
            "a stride that overflows",
            one(Pickle::dict().tensor("x", "0", 4, 0, &[i32::MAX; 3], &[i32::MAX; 3])),
            "beyond",
        ),
        ("a view that repeats", one(Pickle::dict().tensor("x", "0", 4, 0, &[i32::MAX], &[0])), "more than the"),
        ("a negative side", one(Pickle::dict().tensor("x", "0", 4, 0, &[-1], &[1])), "none"),
        ("an empty tensor", one(Pickle::dict().tensor("grid", "0", 4, 0, &[0], &[1])), "at least 1"),
    ] {
        let message = import(&bytes).expect_err(what).to_string();
        assert!(message.contains(mentions) && !message.contains('\n'), "{what}: {message}");
    }
}

/// The entries of the layer of [`transposed`].
fn layer(pickle: Pickle) -> Pickle {
    pickle
        .tensor("grid", "0", 12, 0, &[2, 12], &[0, 1])
        .tensor("spline_weight", "1", 33, 1, &[2, 2, 8], &[1, 2, 4])
        .tensor("base_weight", "2", 4, 0, &[2, 2], &[2, 1])
}

fn with_storages(pickle: Pickle) -> Vec<u8> {
    let mut stored = vec![f32::NAN];
    stored.extend([1.0, 11.0, 101.0, 111.0].repeat(8));
    archive(&pickle.end(), &[("0", &even(-2.2, 0.4, 12)), ("1", &stored), ("2", &[0.0; 4])])
}

/// What training scripts keep beside a state dict, in all protocols: objects, sets, bytes, numbers of any length.
const BESIDE: [&[u8]; 9] = [
    b"ctorch.nn.modules.loss\nCrossEntropyLoss\n)\x81}X\x08\x00\x00\x00training\x88sb",
    b"cargparse\nNamespace\n)R}X\x02\x00\x00\x00lrG?\xf0\x00\x00\x00\x00\x00\x00sb",
    b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(X\x02\x00\x00\x00f8K\x00K\x01tRC\x08\x00\x00\x00\x00\x00\x00\x00\x00tR",
    b"\x8f(K\x01K\x02\x90",
    b"\x8b\x20\x00\x00\x0001234567890123456789012345678901",
    b"I7\n",
    b"(lF1.5\na",
    b"(dS'a'\nI01\ns",
    b"ccollections\ndefaultdict\nc__builtin__\nint\n\x85RX\x01\x00\x00\x00aK\x01s",
];

#[test]
fn a_state_dict_is_found_wherever_a_script_put_it() {
    let expected = import(&transposed()).unwrap().head;
    for beside in BESIDE {
        let wrapped = Pickle(b"\x80\x02}".to_vec()).text("extra").raw(beside).raw(b"s").text("net");
        let wrapped = layer(wrapped.raw(b"ccollections\nOrderedDict\n)R")).raw(b"s");
        let imported = import(&with_storages(wrapped)).unwrap_or_else(|e| panic!("{beside:?}: {e}"));
        assert_eq!(imported.head, expected);
        assert!(imported.assumptions.iter().any(|said| said.contains("entry net")), "{:?}", imported.assumptions);
        // Among the tensors themselves.
        let among = layer(Pickle::dict().text("extra").raw(beside).raw(b"s"));
        let imported = import(&with_storages(among)).unwrap();
        assert_eq!(imported.head, expected);
        assert!(imported.assumptions.iter().any(|said| said.contains("extra")), "{:?}", imported.assumptions);
    }
    // The second of a tuple.
    let tuple = layer(Pickle(b"\x80\x02K\x05".to_vec()).raw(b"ccollections\nOrderedDict\n)R")).raw(b"\x86");
    assert_eq!(import(&with_storages(tuple)).unwrap().head, expected);
}

#[test]
fn of_several_state_dicts_the_user_names_one() {
    let two = ["a", "b"].iter().fold(Pickle(b"\x80\x02}".to_vec()), |pickle, name| {
        layer(pickle.text(name).raw(b"ccollections\nOrderedDict\n)R")).raw(b"s")
    });
    let bytes = with_storages(two);
    let message = import(&bytes).unwrap_err().to_string();
    assert!(message.contains("a, b") && message.contains("--entry"), "{message}");
    let named = |name: &str| {
        let options = ImportOptions::default().entry(name.to_owned());
        import::from_reader(Cursor::new(&bytes), Container::PyTorch, &options)
    };
    assert_eq!(named("b").unwrap().head, import(&transposed()).unwrap().head);
    let message = named("c").unwrap_err().to_string();
    assert!(message.contains("entry c") && message.contains("a, b"), "{message}");
}

#[test]
fn a_whole_model_is_refused_with_a_recipe() {
    let model = Pickle(b"\x80\x02cnet\nHead\n)\x81}".to_vec()).text("_modules").raw(b"}sb").end();
    let problem = import(&archive(&model, &[])).unwrap_err();
    assert!(problem.to_string().contains("net.Head") && problem.to_string().contains("state_dict"), "{problem}");
    let [load, save] = problem.recipe(std::path::Path::new("a b.pt")).unwrap();
    assert_eq!(load, "model = torch.load(\"a b.pt\", map_location=\"cpu\", weights_only=False)");
    assert_eq!(save, "torch.save(model.state_dict(), \"state_dict.pt\")");
}

#[test]
fn repetition_and_nesting_stay_small() {
    // Doubles a tuple as often as the file allows, nests a million tuples, never ends a list.
    let doubling = Pickle(b"\x80\x02)q\x00".to_vec()).raw(&b"h\x00h\x00\x86q\x000".repeat(20_000)).raw(b"h\x00");
    let nesting = Pickle(b"\x80\x02N".to_vec()).raw(&[0x85].repeat(1_000_000));
    let filling = Pickle(b"\x80\x02]".to_vec()).raw(&b"Na".repeat(2_000_000));
    let marks = Pickle(b"\x80\x02".to_vec()).raw(&b"(".repeat(2_000_000));
    let objects = Pickle(b"\x80\x02ca\nb\n".to_vec()).raw(&b"2)\x81".repeat(400_000));
    let pops = Pickle(b"\x80\x02".to_vec()).raw(&b"]0".repeat(1_000_000));
    let missing = Pickle(b"\x80\x02".to_vec()).raw(b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f");
    for pickle in [doubling, nesting, filling, marks, objects, pops, missing] {
        assert!(import(&archive(&pickle.end(), &[])).is_err());
    }
}

#[test]
fn a_file_that_ends_early_anywhere_is_refused() {
    for bytes in [transposed(), bad("pt_extension.pt")] {
        for length in 0..bytes.len() {
            assert!(import(&bytes[..length]).is_err(), "{length} of {} bytes were enough", bytes.len());
        }
    }
}

#[test]
fn big_endian_files_are_refused() {
    let mut bytes = transposed();
    let at = bytes.windows(6).position(|part| part == b"little").unwrap();
    bytes[at..at + 6].copy_from_slice(b"bigger");
    assert!(import(&bytes).unwrap_err().to_string().contains("little-endian"));
}
