//! Devices, pipes and folders where a file is read: refused at once, wherever a path is taken.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::program::{DENSE, Done, SMALL, SMALL_ROWS, command, sharekan, text};

/// A run that hangs is killed; whoever opens a pipe without a writer, or reads a device without end, never returns.
fn in_time(arguments: &[&str]) -> Done {
    let mut child =
        command(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > Duration::from_secs(120) {
            child.kill().unwrap();
            panic!("{arguments:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.stdout.unwrap().read_to_string(&mut stdout).unwrap();
    child.stderr.unwrap().read_to_string(&mut stderr).unwrap();
    Done { status: status.code().expect("ended by a signal"), stdout, stderr }
}

#[test]
fn only_regular_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (pipe, out, image) = (at("pipe.pt"), at("out"), "assets/images/BloodImage_00007.jpg");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let out = text(&out);
    for (odd, problem) in [
        (text(&pipe), "is a device or a pipe, expected a regular file"),
        ("/dev/zero", "is a device or a pipe, expected a regular file"),
        ("assets", "is a folder, expected a file"),
    ] {
        let cpu = ["--device", "cpu"];
        let refused = |arguments: &[&str]| in_time(&[arguments, &cpu].concat()).fails(&[odd, problem]);
        refused(&["detect", odd, image]);
        refused(&["detect", DENSE, image, "--backbone", odd]);
        refused(&["detect", DENSE, image, "--head-config", odd]);
        refused(&["run", odd, "--input", SMALL_ROWS, "--output", out]);
        refused(&["run", SMALL, "--input", odd, "--output", out]);
        refused(&["compile", odd, "-o", out]);
        refused(&["compile", SMALL, "-o", out, "--head-config", odd]);
        in_time(&["verify", odd]).fails(&[odd, problem]);
        in_time(&["inspect", odd]).fails(&[odd, problem]);
        in_time(&["inspect", SMALL, "--head-config", odd]).fails(&[odd, problem]);
        in_time(&["decompress", odd, "-o", out]).fails(&[odd, problem]);
        in_time(&["tune", odd]).fails(&[odd, problem]);
        in_time(&["bank", odd, "-o", out]).fails(&[odd, problem]);
        in_time(&["bench", "--head", odd]).fails(&[odd, problem]);
        in_time(&["bench", "--compare", odd, odd]).fails(&[odd, problem]);
        let data = ["--data", "tests/data/bccd"];
        refused(&[&["eval", odd][..], &data].concat());
        refused(&[&["eval", DENSE, "--class-map", odd][..], &data].concat());
        refused(&[&["eval", DENSE, "--backbone", odd][..], &data].concat());
        refused(&[&["eval", DENSE, "--reference", odd][..], &data].concat());
        if odd != "assets" {
            refused(&["detect", DENSE, odd]);
            refused(&["compile", SMALL, "-o", out, "--calibrate", odd]);
            refused(&["eval", DENSE, "--data", odd]);
            in_time(&["bank", SMALL, "-o", out, "--calibrate", odd]).fails(&[odd, problem]);
            in_time(&["study", DENSE, "--data", odd, "--out", out]).fails(&[odd, problem]);
        }
    }
    assert!(!at("out/index.html").exists());
}

#[test]
fn devices_can_be_written_to() {
    sharekan(&["compile", SMALL, "-o", "/dev/null"]).succeeds();
    let done = sharekan(&["inspect", SMALL, "--json", "/dev/stdout"]).succeeds();
    assert!(done.stdout.contains("\"layers\""), "{}", done.stdout);
}

/// A data set's files are read in the same way, and no more than 256 MiB of text.
#[test]
fn data_sets_are_read_by_the_same_rules() {
    let folder = tempfile::tempdir().unwrap();
    let huge = folder.path().join("instances.json");
    fs::File::create(&huge).unwrap().set_len((256 << 20) + 1).unwrap();
    let eval = |data: &str| in_time(&["eval", DENSE, "--device", "cpu", "--data", data]);
    eval(text(&huge)).fails(&["instances.json", "larger than 268435456 bytes"]);
    sharekan(&["inspect", SMALL, "--head-config", text(&huge)])
        .fails(&["instances.json", "larger than 268435456 bytes"]);
    let set = folder.path().join("set");
    fs::create_dir_all(set.join("ImageSets/Main")).unwrap();
    fs::create_dir_all(set.join("Annotations")).unwrap();
    let split = set.join("ImageSets/Main/test.txt");
    assert!(Command::new("mkfifo").arg(&split).status().unwrap().success());
    eval(text(&set)).fails(&["test.txt", "is a device or a pipe"]);
    fs::remove_file(&split).unwrap();
    fs::write(&split, "one\n").unwrap();
    assert!(Command::new("mkfifo").arg(set.join("Annotations/one.xml")).status().unwrap().success());
    eval(text(&set)).fails(&["one.xml", "is a device or a pipe"]);
}
