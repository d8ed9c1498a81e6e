//! Every command on every kind of file, on the CPU and on the adapter: it does its work, or it refuses in one line that is
//! written down here. What goes wrong anywhere is told all at once.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use sharekan::artifact;
use sharekan::compress::{CompressOptions, HeldHeads, Precision, SourceHead, compile, compile_bank};
use sharekan::detect::{Bounds, DetectionRecord, ImageDetections};
use sharekan::head::{Activation, BasePath, Basis, DenseHead, DenseLayer, DetectionConfig, InputMap, Knots};
use tempfile::TempDir;

use super::onnx;
use super::program::{Done, largest_error, root, sharekan, tensor, text, write_tensor};

/// How the boxes of all heads are meant: 5 classes are 10 outputs, 64 pixels are 4 x 4 cells.
const DETECTION: &str = r#"{"classes": ["a", "b", "c", "d", "e"], "input_size": 64, "stride": 16, "features": ["c4"],
    "clamp": [-1, 1], "box_scale": 24}"#;
const INPUTS: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Dense,
    Int8,
    FourBits,
    OneCodeword,
    ManyCodewords,
    Residual,
    F32,
    ResidualF32,
    /// Of 8 bits, but with inputs that leave the grid, so that it is evaluated in f32.
    Int8InF32,
    ResidualInF32,
    Bank,
    BankF32,
    EfficientKan,
    Pykan,
    FastKan,
    Inkan,
}
use Kind::*;

const KINDS: [Kind; 16] = [
    Dense,
    Int8,
    FourBits,
    OneCodeword,
    ManyCodewords,
    Residual,
    F32,
    ResidualF32,
    Int8InF32,
    ResidualInF32,
    Bank,
    BankF32,
    EfficientKan,
    Pykan,
    FastKan,
    Inkan,
];

impl Kind {
    fn is_dense(self) -> bool {
        self == Dense || self.is_import()
    }

    /// Without detection settings of its own.
    fn is_import(self) -> bool {
        self.library().is_some()
    }

    fn is_bank(self) -> bool {
        matches!(self, Bank | BankF32)
    }

    fn is_integer(self) -> bool {
        matches!(self, Int8 | FourBits | OneCodeword | ManyCodewords | Residual | Bank)
    }

    /// The library that made it.
    fn library(self) -> Option<&'static str> {
        match self {
            EfficientKan => Some("efficient-kan"),
            Pykan => Some("pykan"),
            FastKan => Some("fast-kan"),
            Inkan => Some("inkan"),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Compile,
    CompileResidualF32,
    CompilePreset,
    Bank,
    Run,
    RunRows,
    Detect,
    Eval,
    Study,
    Verify,
    Inspect,
    InspectDevice,
    Decompress,
    DecompressMember,
    ExportOnnx,
    Bench,
    Tune,
}

const COMMANDS: [Command; 17] = [
    Command::Compile,
    Command::CompileResidualF32,
    Command::CompilePreset,
    Command::Bank,
    Command::Run,
    Command::RunRows,
    Command::Detect,
    Command::Eval,
    Command::Study,
    Command::Verify,
    Command::Inspect,
    Command::InspectDevice,
    Command::Decompress,
    Command::DecompressMember,
    Command::ExportOnnx,
    Command::Bench,
    Command::Tune,
];

const DEVICES: [&str; 2] = ["cpu", "gpu"];

impl Command {
    /// Devices that it can be told to take; one run where it takes none.
    fn devices(self) -> &'static [&'static str] {
        match self {
            Self::Verify | Self::Tune => &["gpu"],
            Self::Bank | Self::Inspect | Self::Decompress | Self::DecompressMember | Self::ExportOnnx => &["none"],
            _ => &DEVICES,
        }
    }

    /// True where it is given a file or folder to write.
    fn writes(self) -> bool {
        !matches!(self, Self::Verify | Self::Inspect | Self::InspectDevice | Self::Bench | Self::Tune)
    }
}

/// The line on stderr of a refusal, `FILE` for the path; `None` where the command does its work.
fn refusal(kind: Kind, command: Command, device: &str) -> Option<&'static str> {
    const BANK: &str = "error: FILE: is a bank of 2 heads, expected one head; it has a, b";
    const MEMBER: &str = "error: FILE: is a bank of 2 heads, expected one head; it has a, b; --head NAME chooses one";
    const COMPRESSED: &str = "error: FILE: is compressed already, expected a dense checkpoint";
    const BANKED: &str =
        "error: FILE: is compressed already, expected a dense checkpoint; `sharekan decompress` makes one of it";
    match command {
        Command::Compile | Command::CompileResidualF32 | Command::CompilePreset | Command::Bank | Command::Study => {
            match kind {
                _ if kind.is_bank() => Some(BANK),
                _ if !kind.is_dense() && command == Command::Bank => Some(BANKED),
                _ if !kind.is_dense() => Some(COMPRESSED),
                _ => None,
            }
        }
        Command::RunRows if device == "cpu" => Some(
            "error: --kernel rows: heads run on the CPU here, which has no such kernels; --device gpu takes any adapter",
        ),
        Command::RunRows if kind == BankF32 => {
            Some("error: FILE: head a: is evaluated in f32, expected a head in integers with --kernel rows")
        }
        Command::RunRows if !kind.is_integer() => {
            Some("error: FILE: is evaluated in f32, expected a head in integers with --kernel rows")
        }
        Command::Decompress if kind.is_bank() => Some(MEMBER),
        Command::Decompress if kind.is_dense() => Some("error: FILE: is dense already, expected a compressed head"),
        Command::DecompressMember if !kind.is_bank() => Some("error: FILE: is one head, expected a bank"),
        Command::Tune if !kind.is_integer() => Some(
            "error: FILE: has no layers in integers in one pass, expected a head or bank that was compressed to 8 bits",
        ),
        _ => None,
    }
}

/// All files, in a folder of their own.
struct Files {
    folder: TempDir,
    heads: BTreeMap<Kind, PathBuf>,
}

impl Files {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        small_detector(folder.path());
        image_set(&at("set"));
        let rows: Vec<f32> = (0..5 * INPUTS).map(|n| 1.4 * wave(n)).collect();
        write_tensor(&at("rows"), "input", &[5, INPUTS], &rows);

        let (dense, outside) = (dense([-1.0, 1.0]), dense([-2.0, 2.0]));
        let small = CompressOptions::default().codewords(8).iterations(2);
        let f32 = small.clone().precision(Precision::F32);
        let head = |dense: &DenseHead, options: CompressOptions| {
            artifact::to_bytes(&compile(dense, &options, None, &mut |_| {}).unwrap().0.into()).unwrap()
        };
        let residual = |options: &CompressOptions| options.clone().residual(true);
        let bank = |options: &CompressOptions| {
            let source = || SourceHead { head: &dense, calibration: None };
            let mut heads = HeldHeads::new(vec![("a".into(), source()), ("b".into(), source())]);
            artifact::to_bytes(&compile_bank(&mut heads, options, &mut |_| {}).unwrap().0).unwrap()
        };
        let mut heads = BTreeMap::new();
        for kind in KINDS {
            let path = at(&format!("{kind:?}.safetensors"));
            let bytes = match kind {
                Dense => artifact::write_dense(&dense).unwrap(),
                Int8 => head(&dense, small.clone()),
                FourBits => head(&dense, small.clone().gain_bits(4)),
                OneCodeword => head(&dense, small.clone().codewords(1)),
                ManyCodewords => head(&dense, small.clone().codewords(5000).iterations(1)),
                Residual => head(&dense, residual(&small)),
                F32 => head(&dense, f32.clone()),
                ResidualF32 => head(&dense, residual(&f32)),
                Int8InF32 => head(&outside, small.clone()),
                ResidualInF32 => head(&outside, residual(&small)),
                Bank => bank(&small),
                BankF32 => bank(&f32),
                import => {
                    let library = import.library().unwrap();
                    let name = format!("tests/data/fixtures/public/{library}_wide.safetensors");
                    fs::read(root().join(name)).unwrap()
                }
            };
            fs::write(&path, bytes).unwrap();
            heads.insert(kind, path);
        }
        Self { folder, heads }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where a run writes its file.
    fn out(&self, kind: Kind, command: Command, device: &str) -> PathBuf {
        self.at(&format!("out-{kind:?}-{command:?}-{device}"))
    }

    fn run(&self, kind: Kind, command: Command, device: &str) -> Done {
        let [config, backbone, set, rows] = ["config.json", "backbone.onnx", "set", "rows"].map(|name| self.at(name));
        let (head, out) = (text(&self.heads[&kind]), self.out(kind, command, device));
        let (out, images) = (text(&out), set.join("JPEGImages"));
        let (first, second) = (format!("a={head}"), format!("b={head}"));
        let compile = ["compile", head, "-o", out, "--codebook", "4"];
        let mut arguments = match command {
            Command::Compile => compile.to_vec(),
            Command::CompileResidualF32 => [&compile[..], &["--residual", "--precision", "f32"]].concat(),
            Command::CompilePreset => vec!["compile", head, "-o", out, "--preset", "tiny"],
            Command::Bank => vec!["bank", &first, &second, "-o", out, "--codebook", "4"],
            Command::Run => vec!["run", head, "--input", text(&rows), "--output", out],
            Command::RunRows => vec!["run", head, "--input", text(&rows), "--output", out, "--kernel", "rows"],
            Command::Detect => vec!["detect", head, text(&images), "--backbone", text(&backbone), "--json", out],
            Command::Eval => vec!["eval", head, "--data", text(&set), "--backbone", text(&backbone), "--json", out],
            Command::Study => {
                let study = ["study", head, "--data", text(&set), "--backbone", text(&backbone), "--out", out];
                [&study[..], &["--quick", "--methods", "plain", "--codebooks", "4"]].concat()
            }
            Command::Verify => vec!["verify", head, "--rows", "9"],
            Command::Inspect | Command::InspectDevice => vec!["inspect", head],
            Command::Decompress => vec!["decompress", head, "-o", out],
            Command::DecompressMember => vec!["decompress", head, "--head", "b", "-o", out],
            Command::ExportOnnx => vec!["export-onnx", head, "-o", out],
            Command::Bench => {
                vec!["bench", "--head", head, "--batches", "3", "--samples", "2", "--seconds", "0.01"]
            }
            Command::Tune => vec!["tune", head, "--batches", "2", "--tiles", "2"],
        };
        if kind.is_import() && !matches!(command, Command::Decompress | Command::DecompressMember) {
            arguments.extend(["--head-config", text(&config)]);
        }
        // These two take no other device than an adapter.
        if device != "none" && !matches!(command, Command::Verify | Command::Tune) {
            arguments.extend(["--device", device]);
        }
        if matches!(command, Command::Detect | Command::Eval | Command::Study) {
            arguments.extend(["--backbone-device", device]);
        }
        sharekan(&arguments)
    }

    /// What is wrong with a run; `None` where all is right.
    fn problem(&self, kind: Kind, command: Command, device: &str) -> Option<String> {
        let done = self.run(kind, command, device);
        let name = text(&self.heads[&kind]);
        let (status, stderr) = match refusal(kind, command, device) {
            Some(line) => (1, format!("{}\n", line.replace("FILE", name))),
            None => (0, String::new()),
        };
        let right = (done.status, done.said().as_str()) == (status, stderr.as_str());
        let written = self.out(kind, command, device).exists();
        match (right, status) {
            (true, 1) if written => Some("refused, but wrote its file".into()),
            (true, 0) if command.writes() && !written => Some("succeeded, but wrote no file".into()),
            (true, _) => None,
            (false, _) => {
                let expected = if status == 0 { "success".into() } else { stderr.replace(name, "FILE") };
                Some(format!(
                    "status {}: {}\n  expected {}",
                    done.status,
                    done.said().replace(name, "FILE").trim_end(),
                    expected.trim_end()
                ))
            }
        }
    }
}

/// A head of 32 -> 160 -> 10 whose inputs are clamped to `clamp`, on a grid from -1 to 1.
/// Writes `backbone.onnx`, `config.json` and `head.safetensors`, which fit each other and take no time.
pub fn small_detector(folder: &Path) {
    fs::write(folder.join("config.json"), DETECTION).unwrap();
    fs::write(folder.join("backbone.onnx"), onnx::pixels_to_features(INPUTS)).unwrap();
    fs::write(folder.join("head.safetensors"), artifact::write_dense(&dense([-1.0, 1.0])).unwrap()).unwrap();
}

fn dense(clamp: [f32; 2]) -> DenseHead {
    let layer = |inputs: usize, outputs: usize| {
        let knots = Knots::Uniform { low: vec![-1.0; inputs], step: vec![0.4; inputs] };
        let values = |count: usize| (0..count).map(|n| wave(7 * n) / (inputs as f32).sqrt()).collect();
        DenseLayer {
            inputs,
            outputs,
            input_map: InputMap::Affine { scale: vec![0.9; inputs], shift: vec![0.1; inputs], clamp: Some(clamp) },
            basis: Basis::BSpline { order: 3, intervals: 5, knots },
            coefficients: values(8 * inputs * outputs),
            base: Some(BasePath { activation: Activation::Silu, weights: values(inputs * outputs) }),
            bias: None,
        }
    };
    let detection = DetectionConfig::from_config(DETECTION).unwrap().clamp(clamp);
    DenseHead::new(vec![layer(INPUTS, 160), layer(160, 10)], Some(detection)).unwrap()
}

/// Numbers from -1 to 1 without a pattern that a codebook could find.
fn wave(n: usize) -> f32 {
    (1.7 * n as f32).sin() * (0.31 * (n % 1009) as f32).cos()
}

/// A VOC folder of one image of the test set with one object of a class of the heads.
fn image_set(folder: &Path) {
    for kind in ["Annotations", "JPEGImages", "ImageSets/Main"] {
        fs::create_dir_all(folder.join(kind)).unwrap();
    }
    fs::copy(root().join("tests/data/images/grey.jpg"), folder.join("JPEGImages/one.jpg")).unwrap();
    let [width, height] = image::image_dimensions(folder.join("JPEGImages/one.jpg")).unwrap().into();
    let xml = format!(
        "<annotation><filename>one.jpg</filename><size><width>{width}</width><height>{height}</height><depth>3</depth></size>\
         <object><name>a</name><difficult>0</difficult><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax>\
         </bndbox></object></annotation>"
    );
    fs::write(folder.join("Annotations/one.xml"), xml).unwrap();
    fs::write(folder.join("ImageSets/Main/test.txt"), "one\n").unwrap();
}

#[test]
fn every_command_takes_every_kind_of_file_or_says_why_not() {
    let files = Files::make();
    let mut cases = Vec::new();
    for kind in KINDS {
        for command in COMMANDS {
            cases.extend(command.devices().iter().map(|device| (kind, command, *device)));
        }
    }
    let (next, problems) = (Mutex::new(cases.iter()), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let case = next.lock().unwrap().next();
                    let Some(&(kind, command, device)) = case else { return };
                    if let Some(problem) = files.problem(kind, command, device) {
                        problems.lock().unwrap().push(format!("{kind:?} {command:?} {device}: {problem}"));
                    }
                }
            });
        }
    });
    let mut problems = problems.into_inner().unwrap();
    for kind in KINDS {
        let boxes = DEVICES.map(|device| files.out(kind, Command::Detect, device));
        if boxes.iter().all(|path| path.exists()) {
            problems.extend(other_boxes(&boxes).map(|problem| format!("{kind:?}: {problem}")));
        }
        let outputs = DEVICES.map(|device| files.out(kind, Command::Run, device));
        if !outputs.iter().all(|path| path.exists()) {
            continue;
        }
        let [cpu, gpu] = outputs.map(|path| tensor(&path, "output").1);
        let (error, most) = (largest_error(&gpu, &cpu), if kind.is_integer() { 0.0 } else { 1e-5 });
        if error.is_nan() || error > most {
            problems.push(format!("{kind:?}: the adapter's outputs differ from the CPU's by {error:.1e}"));
        }
    }
    assert!(problems.is_empty(), "{} of {} cases:\n{}", problems.len(), cases.len(), problems.join("\n"));
}

/// How the boxes that `detect` found on the adapter differ from those of the CPU; `None` where they are the same.
fn other_boxes(files: &[PathBuf; 2]) -> Option<String> {
    let [cpu, gpu] = files
        .each_ref()
        .map(|path| -> Vec<ImageDetections> { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() });
    let bounds = |[left, top, right, bottom]: [f32; 4]| Bounds::new(left, top, right, bottom);
    for (cpu, gpu) in cpu.iter().zip(&gpu) {
        if cpu.detections.is_empty() || cpu.detections.len() != gpu.detections.len() {
            return Some(format!("{} boxes on the adapter, {} on the CPU", gpu.detections.len(), cpu.detections.len()));
        }
        for found in &gpu.detections {
            let same = |other: &&DetectionRecord| {
                (&other.head, &other.class) == (&found.head, &found.class)
                    && bounds(other.bounds).iou(bounds(found.bounds)) >= 0.95
            };
            if !cpu.detections.iter().any(|other| same(&other)) {
                return Some(format!("{found:?} is found on the adapter alone"));
            }
        }
    }
    (cpu.len() != gpu.len()).then(|| "images differ".into())
}

/// What the kinds are called is what they are.
#[test]
fn the_kinds_are_what_they_are_called() {
    use sharekan::fixed_point::Arithmetic;
    let files = Files::make();
    for kind in KINDS.into_iter().filter(|kind| !kind.is_dense()) {
        let bytes = fs::read(&files.heads[&kind]).unwrap();
        let bank = artifact::read(&bytes).unwrap();
        assert_eq!(bank.single().is_none(), kind.is_bank(), "{kind:?}");
        for head in bank.into_members().into_iter().map(|member| member.head) {
            let layers = head.layers();
            assert_eq!(Arithmetic::of(&head) == Arithmetic::Integer, kind.is_integer(), "{kind:?}");
            let residual = matches!(kind, Residual | ResidualF32 | ResidualInF32);
            assert!(layers.iter().all(|layer| layer.stages == 1 + usize::from(residual)), "{kind:?}");
            let codewords = match kind {
                OneCodeword => 1,
                ManyCodewords => 5000,
                _ => 8,
            };
            assert_eq!(layers[0].codewords(), codewords, "{kind:?}");
        }
    }
}
