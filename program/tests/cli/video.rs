//! Videos in and out, made by `ffmpeg` here: frames, lines, annotated videos, and what goes wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::every_kind::small_detector;
use super::program::{Done, command, finish, text};

/// A folder with a small network, its settings and a head for it.
struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        small_detector(folder.path());
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a video of `seconds` at 10 frames a second.
    fn clip(&self, name: &str, size: &str, seconds: u32, more: &[&str]) -> PathBuf {
        let path = self.at(name);
        let source = format!("testsrc=size={size}:rate=10:duration={seconds}");
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-y", "-f", "lavfi", "-i", &source]).args(more).arg(&path);
        assert!(ffmpeg.status().expect("ffmpeg is needed to test videos").success());
        path
    }

    fn detect(&self, sources: &[&Path], more: &[&str]) -> Command {
        let at = |name: &str| text(&self.at(name)).to_owned();
        let (head, network, config) = (at("head.safetensors"), at("backbone.onnx"), at("config.json"));
        let mut arguments = vec!["detect", &head, "--backbone", &network, "--head-config", &config, "--device", "cpu"];
        arguments.extend(["--score", "0"]);
        arguments.extend(sources.iter().map(|path| text(path)));
        arguments.extend(more);
        command(&arguments)
    }

    /// Detects, with boxes drawn into `out` and lines into `lines`.
    fn drawn(&self, sources: &[&Path]) -> Command {
        self.detect(sources, &["--out", text(&self.at("out")), "--jsonl", text(&self.at("lines"))])
    }

    fn lines(&self) -> Vec<Value> {
        let lines = fs::read_to_string(self.at("lines")).unwrap();
        assert!(lines.is_empty() || lines.ends_with('\n'));
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What lies in the folder of the results, by name.
    fn written(&self) -> Vec<String> {
        let entries = fs::read_dir(self.at("out")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// `width,height,rate,frames` as ffprobe counts them by decoding.
fn decoded(path: &Path) -> String {
    let mut probe = Command::new("ffprobe");
    probe.args(["-v", "error", "-count_frames", "-select_streams", "v:0", "-of", "csv=p=0"]);
    probe.args(["-show_entries", "stream=width,height,r_frame_rate,nb_read_frames"]).arg(path);
    String::from_utf8(probe.output().unwrap().stdout).unwrap().trim().to_owned()
}

/// As in the background of a script, or behind `nohup`.
#[cfg(unix)]
#[test]
fn signals_that_are_ignored_are_no_failure() {
    let scene = Scene::new();
    let clip = scene.clip("clip.mp4", "96x64", 1, &["-pix_fmt", "yuv420p"]);
    let plain = scene.detect(&[&clip], &["--jsonl", text(&scene.at("lines"))]);
    let mut ignoring = Command::new("sh");
    ignoring.args(["-c", "trap '' INT HUP; exec \"$@\"", "sh"]).arg(plain.get_program()).args(plain.get_args());
    ignoring.current_dir(plain.get_current_dir().unwrap());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => ignoring.env(name, value),
            None => ignoring.env_remove(name),
        };
    }
    finish(&mut ignoring).succeeds();
    assert_eq!(scene.lines().len(), 10);
}

#[test]
fn every_frame_is_looked_at_and_drawn() {
    let scene = Scene::new();
    let clip = scene.clip("clip.mp4", "96x64", 2, &["-pix_fmt", "yuv420p"]);
    let image = scene.at("still.png");
    image::RgbImage::from_pixel(40, 30, image::Rgb([90, 10, 200])).save(&image).unwrap();
    // Not by its ending; odd sides.
    let odd = scene.clip("odd.mkv", "65x49", 1, &[]);
    fs::rename(&odd, scene.at("odd.jpg")).unwrap();
    let odd = scene.at("odd.jpg");
    let json = scene.at("found.json");
    let done = finish(scene.drawn(&[&clip, &image, &scene.at("od*.jpg")]).args(["--json", text(&json)])).succeeds();
    assert!(done.stdout.contains("clip.mp4: 96x64, 20 frames, 10.0000 a second, "), "{}", done.stdout);
    assert!(done.stdout.contains("1 images and 30 frames in "), "{}", done.stdout);

    assert_eq!(scene.written(), ["clip.mp4", "odd.mp4", "still.png"]);
    assert_eq!(decoded(&scene.at("out/clip.mp4")), "96,64,10/1,20");
    assert_eq!(decoded(&scene.at("out/odd.mp4")), "65,49,10/1,10");
    let lines = scene.lines();
    assert_eq!(lines.len(), 31);
    for (at, line) in lines.iter().enumerate() {
        let (source, frame, size) = match at {
            0..20 => (&clip, at, (96, 64)),
            20 => (&image, 0, (40, 30)),
            _ => (&odd, at - 21, (65, 49)),
        };
        assert_eq!((line["source"].as_str(), line["frame"].as_u64()), (Some(text(source)), Some(frame as u64)));
        assert!((line["seconds"].as_f64().unwrap() - frame as f64 / 10.0).abs() < 1e-6, "{line}");
        assert_eq!((line["width"].as_u64(), line["height"].as_u64()), (Some(size.0), Some(size.1)));
        assert!(!line["detections"].as_array().unwrap().is_empty());
    }
    // The array has the image, with what its line has.
    let array: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert_eq!(array.as_array().unwrap().len(), 1);
    assert_eq!((&array[0]["image"], &array[0]["detections"]), (&text(&image).into(), &lines[20]["detections"]));
}

#[test]
fn frames_give_what_images_give() {
    let scene = Scene::new();
    // Without loss, so that frames as images are the same pixels.
    let clip = scene.clip("clip.mkv", "80x60", 1, &["-c:v", "ffv1", "-pix_fmt", "gbrp"]);
    let frames = scene.at("frame-%02d.png");
    let split = Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(&clip).arg(&frames).status().unwrap();
    assert!(split.success());
    let quiet = finish(&mut scene.detect(&[&clip, &scene.at("frame-*.png")], &["--jsonl", "-"])).succeeds();
    let lines: Vec<Value> = quiet.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (of_clip, of_images) = lines.split_at(10);
    assert_eq!(of_images.len(), 10);
    for (frame, image) in of_clip.iter().zip(of_images) {
        assert_eq!(frame["detections"], image["detections"]);
    }
    let verbose = finish(&mut scene.detect(&[&clip], &["-v"])).succeeds();
    assert_eq!(verbose.stdout.lines().filter(|line| line.contains("clip.mkv ")).count(), 10, "{}", verbose.stdout);
}

#[test]
fn a_cut_or_empty_video_is_said_and_what_came_is_kept() {
    let scene = Scene::new();
    let whole = scene.clip("whole.mp4", "96x64", 5, &["-pix_fmt", "yuv420p", "-movflags", "+faststart", "-bf", "0"]);
    let bytes = fs::read(&whole).unwrap();
    let cut = scene.at("cut.mp4");
    fs::write(&cut, &bytes[..bytes.len() * 7 / 10]).unwrap();
    finish(&mut scene.drawn(&[&cut])).fails(&["cut.mp4: ", " of 50", "ffmpeg: "]);
    let came = scene.lines().len();
    assert!((1..50).contains(&came), "{came}");
    assert_eq!(scene.written(), ["cut.mp4"]);
    assert_eq!(decoded(&scene.at("out/cut.mp4")), format!("96,64,10/1,{came}"));

    // Nothing can be read of one without its index; others go on.
    let (headless, empty) = (scene.at("headless.mp4"), scene.at("empty.mp4"));
    fs::write(&headless, &bytes[..40]).unwrap();
    fs::write(&empty, []).unwrap();
    let done = finish(&mut scene.drawn(&[&headless, &empty, &whole]));
    assert_eq!((done.status, done.said().lines().count()), (1, 2), "{}", done.stderr);
    assert!(done.stderr.contains("headless.mp4: is no video that can be read (ffmpeg: "), "{}", done.stderr);
    assert!(done.stderr.contains("empty.mp4: "), "{}", done.stderr);
    assert_eq!(scene.lines().len(), 50);
}

/// `ffmpeg` would open what a playlist names, and wait for a pipe in it.
#[cfg(unix)]
#[test]
fn a_text_is_no_video_whatever_it_is_called() {
    let scene = Scene::new();
    let other = scene.clip("other.mp4", "96x64", 1, &["-pix_fmt", "yuv420p"]);
    let pipe = scene.at("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for named in [&other, &pipe] {
        let named = text(named);
        let list = format!("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{named}\n#EXT-X-ENDLIST\n");
        for (bytes, name) in [
            (list.clone(), "list.mp4"),
            (format!("\u{feff}{list}"), "marked.mkv"),
            (format!("ffconcat version 1.0\nfile '{named}'\n"), "parts.mkv"),
            (
                format!("v=0\no=- 0 0 IN IP4 127.0.0.1\ns={named}\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"),
                "session.mov",
            ),
        ] {
            let path = scene.at(name);
            fs::write(&path, bytes).unwrap();
            finish(&mut scene.drawn(&[&path])).fails(&[name, "is a text (it begins \""]);
            assert!(scene.lines().is_empty() && scene.written().is_empty(), "{name}");
        }
        // What gets past the first bytes is kept from others by ffmpeg itself.
        let hidden = scene.at("hidden.mp4");
        fs::write(&hidden, format!("\n\u{1}\nffconcat version 1.0\nfile '{named}'\n")).unwrap();
        finish(&mut scene.drawn(&[&hidden])).fails(&["hidden.mp4"]);
        assert!(scene.lines().is_empty());
    }
}

#[test]
fn a_size_that_changes_ends_the_video() {
    let scene = Scene::new();
    let raw = ["-c:v", "mpeg2video", "-f", "mpegts"];
    let parts = [scene.clip("a.ts", "96x64", 1, &raw), scene.clip("b.ts", "64x64", 1, &raw)];
    let changing = scene.at("changing.ts");
    fs::write(&changing, parts.map(|part| fs::read(part).unwrap()).concat()).unwrap();
    let done = finish(&mut scene.drawn(&[&changing]));
    let frames = scene.lines().len();
    done.fails(&["changing.ts: frame ", "64x64, expected 96x64"]);
    assert!((5..=10).contains(&frames), "{frames}");
    assert!(decoded(&scene.at("out/changing.mp4")).ends_with(&format!(",{frames}")));
}

#[test]
fn without_ffmpeg_images_go_on() {
    let scene = Scene::new();
    let clip = scene.clip("clip.mp4", "96x64", 1, &[]);
    let image = scene.at("still.png");
    image::RgbImage::from_pixel(40, 30, image::Rgb([90, 10, 200])).save(&image).unwrap();
    let empty = tempfile::tempdir().unwrap();
    finish(scene.drawn(&[&clip, &image]).env("PATH", empty.path())).fails(&["clip.mp4: ", "no ffmpeg", "install"]);
    assert_eq!(scene.written(), ["still.png"]);
    assert_eq!(scene.lines().len(), 1);
}

/// A folder with a program that is found as `ffmpeg`: a line of a shell, in which `$real` is the true one.
#[cfg(unix)]
fn stand_in(line: &str) -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ffmpeg");
    let folders = std::env::var_os("PATH").unwrap();
    let real = std::env::split_paths(&folders).map(|folder| folder.join("ffmpeg")).find(|path| path.is_file()).unwrap();
    fs::write(&path, format!("#!/bin/sh\nreal='{}'\n{line}\n", text(&real))).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[cfg(unix)]
fn with_stand_in(command: &mut Command, folder: &TempDir) -> Done {
    let path = format!("{}:{}", text(folder.path()), std::env::var("PATH").unwrap());
    finish(command.env("PATH", path))
}

#[cfg(unix)]
#[test]
fn an_ffmpeg_that_dies_is_said() {
    let scene = Scene::new();
    let clip = scene.clip("clip.mp4", "96x64", 2, &["-pix_fmt", "yuv420p"]);
    // The reader dies within its fourth frame.
    let reader = stand_in(
        "case \"$*\" in *pipe:1*) \"$real\" \"$@\" | head -c 70000; kill -9 $$;; *) exec \"$real\" \"$@\";; esac",
    );
    with_stand_in(&mut scene.drawn(&[&clip]), &reader).fails(&["clip.mp4: ffmpeg ended with signal 9 after 3 frames"]);
    assert_eq!((scene.lines().len(), scene.written()), (3, vec!["clip.mp4".to_owned()]));
    assert_eq!(decoded(&scene.at("out/clip.mp4")), "96,64,10/1,3");
    fs::remove_dir_all(scene.at("out")).unwrap();

    // The writer dies at once: nothing of its file stays.
    let writer = stand_in(
        "case \"$*\" in *pipe:0*) echo '[x @ 0x1] [error] No space left on device' >&2; exit 1;; \
         *) exec \"$real\" \"$@\";; esac",
    );
    let done = with_stand_in(&mut scene.drawn(&[&clip]), &writer);
    done.fails(&["out/clip.mp4: cannot be written: ffmpeg ended with status 1 (ffmpeg: No space left on device)"]);
    assert!(scene.written().is_empty(), "{:?}", scene.written());

    let broken = stand_in("exit 3");
    with_stand_in(&mut scene.drawn(&[&clip]), &broken).fails(&["clip.mp4: is no video that can be read"]);
}

/// Processes of this test's own folder that run.
#[cfg(target_os = "linux")]
fn running(folder: &Path) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(text(folder))).count()
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_keeps_what_was_done_and_leaves_no_process() {
    use std::process::Stdio;
    use std::time::{Duration, Instant};
    let scene = Scene::new();
    let clip = scene.clip("clip.mp4", "96x64", 60, &["-pix_fmt", "yuv420p"]);
    // A reader that stops after five frames, and would hang for ever.
    let stuck = stand_in(
        "case \"$*\" in *pipe:1*) \"$real\" \"$@\" | head -c 92160; exec sleep 1000;; *) exec \"$real\" \"$@\";; esac",
    );
    let path = format!("{}:{}", text(stuck.path()), std::env::var("PATH").unwrap());
    // What a script runs in the background has the signal ignored, and hands that on.
    let own = scene.drawn(&[&clip]);
    let mut command = Command::new("env");
    command.arg("--default-signal=INT,HUP,TERM").arg(own.get_program()).args(own.get_args());
    for (name, value) in own.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(folder) = own.get_current_dir() {
        command.current_dir(folder);
    }
    let mut child = command.env("PATH", path).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while fs::read_to_string(scene.at("lines")).unwrap_or_default().lines().count() < 3 {
        assert!(start.elapsed() < Duration::from_secs(100), "no frame comes");
        assert!(child.try_wait().unwrap().is_none(), "ended by itself");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!((ended.status.code(), said.matches("error: ").count()), (Some(130), 1), "{said}");
    assert!(said.contains("error: interrupted"), "{said}");
    assert_eq!(scene.written(), ["clip.mp4"]);
    let frames = scene.lines().len();
    assert_eq!(decoded(&scene.at("out/clip.mp4")), format!("96,64,10/1,{frames}"));
    assert_eq!(running(scene.folder.path()), 0);
}
