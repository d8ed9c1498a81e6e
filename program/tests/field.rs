//! What people really have: every case of `tests/data/field/manifest.json` and of `tests/data/imports`, as a user would give
//! it to the program.
//!
//! The README beside the first explains the fields of both. What goes wrong anywhere is told all at once.
#![allow(missing_docs, unreachable_pub)]

#[path = "cli/program.rs"]
#[allow(dead_code)]
mod program;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use program::{Done, command, finish, root, text};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use serde_json::Value;

/// Kinds whose cases do not hold yet. The list shrinks.
const NOT_YET: [&str; 0] = [];

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expect {
    Accept,
    Refuse,
    AcceptOrRefuseClearly,
    AcceptWith,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Without {
    Refuse,
    ExactOrRefuse,
    Assumption,
    Warning,
}

#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    kind: String,
    command: String,
    files: Vec<String>,
    input: Option<String>,
    expected: Option<Expected>,
    expect: Expect,
    flags: Vec<String>,
    #[serde(default)]
    flags_wanted: Vec<serde_json::Map<String, Value>>,
    without: Option<Without>,
    #[serde(default)]
    must_mention: Vec<String>,
    #[serde(default)]
    must_say: Vec<String>,
    #[serde(default)]
    must_not_say: Vec<String>,
    exit_any: Option<Vec<i32>>,
    columns: Option<[usize; 2]>,
    /// The folder that its files lie in.
    #[serde(skip)]
    root: PathBuf,
    #[serde(default)]
    env: std::collections::BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Expected {
    tensor: Option<String>,
    file: Option<String>,
    max_rel: Option<f64>,
    map50: Option<Vec<f64>>,
    map50_without: Option<Vec<f64>>,
    within: Option<f64>,
    detections: Option<String>,
    score: Option<f64>,
    #[serde(rename = "box")]
    side: Option<f64>,
    images: Option<usize>,
}

/// All cases of a folder.
fn cases(folder: &str) -> Vec<Case> {
    let root = root().join("tests/data").join(folder);
    let mut cases: Vec<Case> = serde_json::from_slice(&std::fs::read(root.join("manifest.json")).unwrap()).unwrap();
    cases.iter_mut().for_each(|case| case.root.clone_from(&root));
    cases
}

/// What the user says, as the options of this program.
fn options(wanted: &serde_json::Map<String, Value>) -> Vec<String> {
    let mut options = Vec::new();
    for (name, value) in wanted {
        let option = format!("--{}", name.replace('_', "-"));
        match value {
            Value::Bool(true) => options.push(option),
            Value::String(value) => options.extend([option, value.clone()]),
            other => panic!("{name}: {other}"),
        }
    }
    options
}

struct Run {
    done: Done,
    folder: tempfile::TempDir,
}

impl Case {
    fn run(&self, more: &[String]) -> Run {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| text(&folder.path().join(name)).to_owned();
        let file = text(&self.root.join(&self.files[0])).to_owned();
        let input = self.input.as_ref().map(|input| text(&self.root.join(input)).to_owned());
        let case = match (self.command.as_str(), &self.input) {
            ("eval", _) if Path::new(&file).is_dir() => file.clone(),
            ("detect", Some(_)) => input.clone().unwrap(),
            _ => text(Path::new(&file).parent().unwrap()).to_owned(),
        };
        let mut arguments: Vec<String> = match self.command.as_str() {
            "run" => {
                let input = input.unwrap();
                ["run", &file, "--input", &input, "--output", &at("out.safetensors")].map(str::to_owned).to_vec()
            }
            "eval" => ["eval", program::DENSE, "--data", &file, "--json", &at("out.json")].map(str::to_owned).to_vec(),
            "detect" => ["detect", &file, &input.unwrap(), "--json", &at("out.json")].map(str::to_owned).to_vec(),
            "compile" => ["compile", &file, "-o", &at("out.safetensors")].map(str::to_owned).to_vec(),
            other => panic!("{}: {other}", self.name),
        };
        arguments.extend(["--device".to_owned(), "cpu".to_owned()]);
        let root = text(&self.root).to_owned();
        let flags = self.flags.iter().chain(more);
        arguments.extend(flags.map(|flag| flag.replace("{case}", &case).replace("{root}", &root)));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let done = finish(command(&arguments).envs(&self.env));
        Run { done, folder }
    }

    /// What is wrong with the case; `None` where all is right.
    fn problem(&self) -> Option<String> {
        match self.expect {
            Expect::Accept => self.accepted(&self.run(&[]), true),
            Expect::Refuse => self.refused(&self.run(&[])),
            Expect::AcceptOrRefuseClearly => self.exact_or_refused(&self.run(&[])),
            Expect::AcceptWith => {
                let with = self.flags_wanted.iter().find_map(|wanted| {
                    let problem = self.accepted(&self.run(&options(wanted)), false)?;
                    Some(format!("with {wanted:?}: {problem}"))
                });
                with.or_else(|| {
                    let run = self.run(&[]);
                    let problem = match self.without.unwrap() {
                        Without::Refuse => self.refused(&run),
                        Without::ExactOrRefuse => self.exact_or_refused(&run),
                        Without::Assumption => self.said(&run).or_else(|| self.said(&self.run(&json()))),
                        Without::Warning => self.said(&run),
                    };
                    problem.map(|problem| format!("without: {problem}"))
                })
            }
        }
    }

    fn exact_or_refused(&self, run: &Run) -> Option<String> {
        if run.done.status == 0 { self.accepted(run, true) } else { self.refused(run) }
    }

    fn said(&self, run: &Run) -> Option<String> {
        let all = format!("{}{}", run.done.stdout, run.done.stderr).to_lowercase();
        let wanted = self.must_say.iter().find(|say| !mentions(&all, say));
        let unwanted = self.must_not_say.iter().find(|say| mentions(&all, say));
        wanted
            .map(|say| format!("does not say {say}: {all}"))
            .or_else(|| unwanted.map(|say| format!("says {say}: {all}")))
    }

    fn accepted(&self, run: &Run, says: bool) -> Option<String> {
        let Done { status, stderr, .. } = &run.done;
        let fine = self.exit_any.as_ref().map_or(*status == 0, |any| any.contains(status));
        if !fine {
            return Some(format!("status {status}: {stderr}"));
        }
        let wrong = self.expected.as_ref().and_then(|expected| self.wrong(expected, run, !says));
        wrong.or_else(|| says.then(|| self.said(run)).flatten())
    }

    fn wrong(&self, expected: &Expected, run: &Run, with: bool) -> Option<String> {
        let at = |name: &str| run.folder.path().join(name);
        if let Some(name) = &expected.tensor {
            let file = expected.file.as_ref().or(self.input.as_ref()).unwrap();
            let (shape, expected_values) = values(&self.root.join(file), name);
            let (found_shape, found) = values(&at("out.safetensors"), "output");
            let width = *shape.last().unwrap();
            let found_width = *found_shape.last().unwrap();
            let rows = expected_values.len() / width;
            let largest = expected_values.iter().fold(0.0f64, |most, v| most.max(v.abs()));
            let whole = (0, width);
            let parts = [Some(whole), self.columns.map(|[from, to]| (from, to))];
            let errors: Vec<f64> = parts
                .into_iter()
                .flatten()
                .filter(|(from, to)| to - from == found_width && found.len() == rows * found_width)
                .map(|(from, _)| {
                    let error = |n: usize| {
                        let (row, column) = (n / found_width, n % found_width);
                        (found[n] - expected_values[row * width + from + column]).abs() / largest
                    };
                    (0..found.len()).map(error).fold(0.0, |a: f64, e| if e.is_nan() { f64::INFINITY } else { a.max(e) })
                })
                .collect();
            let bound = expected.max_rel.unwrap();
            if !errors.iter().any(|error| *error <= bound) {
                return Some(format!("wrong numbers: errors {errors:?}, shape {found_shape:?} for {shape:?}"));
            }
        }
        let json = || -> Value { serde_json::from_slice(&std::fs::read(at("out.json")).unwrap()).unwrap() };
        if let Some(maps) = &expected.map50 {
            let maps = if with { maps } else { expected.map50_without.as_ref().unwrap_or(maps) };
            let found = json()["voc"]["mean"]["ap50"].as_f64().or_else(|| json()["map50"].as_f64());
            let near = |map: &f64| found.is_some_and(|found| (found - map).abs() <= expected.within.unwrap());
            if !maps.iter().any(near) {
                return Some(format!("AP50 {found:?}, expected {maps:?}"));
            }
        }
        if let Some(images) = expected.images {
            let found = json().as_array().map_or(0, |records| {
                records.iter().filter(|record| record.get("detections").is_some_and(Value::is_array)).count()
            });
            if found != images {
                return Some(format!("{found} images, expected {images}: {}", json()));
            }
        }
        if let Some(file) = &expected.detections {
            let right: Value = serde_json::from_slice(&std::fs::read(self.root.join(file)).unwrap()).unwrap();
            return differ(&json(), &right, expected.score.unwrap(), expected.side.unwrap());
        }
        None
    }

    fn refused(&self, run: &Run) -> Option<String> {
        let Done { status, stderr, .. } = &run.done;
        if *status != 1 {
            return Some(format!("status {status}, expected a refusal: {stderr}"));
        }
        let lines: Vec<&str> = stderr.lines().collect();
        let errors = lines.iter().filter(|line| line.starts_with("error:")).count();
        if errors != 1 || lines.len() > 3 || stderr.contains("panicked") {
            return Some(format!("is no clear refusal: {stderr}"));
        }
        if run.folder.path().join("out.safetensors").exists() {
            return Some("refused, but wrote its file".into());
        }
        // The case's own path may hold the words by chance.
        let file = self.root.join(&self.files[0]);
        let own = stderr.replace(text(&file), "FILE").replace(text(file.parent().unwrap()), "FOLDER").to_lowercase();
        let missing = self.must_mention.iter().find(|word| !mentions(&own, word));
        missing.map(|word| format!("the refusal does not mention {word}: {own}"))
    }
}

fn json() -> Vec<String> {
    vec!["--json".into(), "-".into()]
}

/// True where `text`, in small letters, holds one of the alternatives of `word`.
fn mentions(text: &str, word: &str) -> bool {
    word.split('|').any(|word| text.contains(&word.to_lowercase()))
}

fn values(path: &Path, name: &str) -> (Vec<usize>, Vec<f64>) {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor(name).unwrap();
    let values = match tensor.dtype() {
        Dtype::F64 => tensor.data().as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
        Dtype::F32 => tensor.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b).into()).collect(),
        other => panic!("{name} has type {other}"),
    };
    (tensor.shape().to_vec(), values)
}

/// What keeps the detections of the only image from being the right ones.
fn differ(found: &Value, right: &Value, score: f64, side: f64) -> Option<String> {
    let list = |value: &Value| {
        let value = value.as_array().and_then(|records| records.first()).unwrap_or(value).clone();
        value.get("detections").unwrap_or(&value).as_array().cloned().unwrap_or_default()
    };
    let (found, right) = (list(found), list(right));
    let near = |a: &Value, b: &Value| {
        let number = |value: &Value, key: &str| value[key].as_f64().unwrap_or(f64::NAN);
        let corners = |value: &Value| -> Vec<f64> {
            value["box"].as_array().map(|b| b.iter().filter_map(Value::as_f64).collect()).unwrap_or_default()
        };
        let (p, q) = (corners(a), corners(b));
        (number(a, "score") - number(b, "score")).abs() <= score
            && p.len() == 4
            && p.iter().zip(&q).all(|(x, y)| (x - y).abs() <= side)
    };
    let same = found.len() == right.len() && right.iter().all(|b| found.iter().any(|a| near(a, b)));
    (!same).then(|| format!("found {found:?}, expected {right:?}"))
}

#[test]
fn what_people_have_is_read_exactly_or_refused_with_the_next_step() {
    let cases: Vec<Case> = ["field", "imports"].into_iter().flat_map(cases).collect();
    assert!(cases.len() > 200);
    let chosen = std::env::var("FIELD").ok();
    let wanted = |case: &&Case| match &chosen {
        Some(name) => name.split(',').any(|name| case.name == name || case.kind == name),
        None => !NOT_YET.contains(&case.kind.as_str()),
    };
    let cases: Vec<&Case> = cases.iter().filter(wanted).collect();
    let (next, problems) = (Mutex::new(cases.iter()), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let case = next.lock().unwrap().next();
                    let Some(case) = case else { return };
                    if let Some(problem) = case.problem() {
                        problems.lock().unwrap().push(format!("{} ({}): {problem}", case.name, case.kind));
                    }
                }
            });
        }
    });
    let mut problems = problems.into_inner().unwrap();
    problems.sort();
    assert!(problems.is_empty(), "{} of {} cases:\n{}", problems.len(), cases.len(), problems.join("\n"));
}
