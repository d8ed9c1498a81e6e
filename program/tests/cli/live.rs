//! `live`: on a virtual screen where the program has windows, and what it says where it has none.

use super::program::sharekan;

#[cfg(not(feature = "live"))]
#[test]
fn without_the_feature_it_says_how_to_get_it() {
    sharekan(&["live", "any.safetensors"]).fails(&["--features live"]);
}

#[cfg(feature = "live")]
mod with_windows {
    use std::fs;
    use std::io::{BufRead, BufReader};
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};

    use image::RgbImage;
    use serde_json::Value;
    use tempfile::TempDir;

    use super::sharekan;
    use crate::every_kind::small_detector;
    use crate::program::{Done, command, finish, text};

    /// Colour of the clips, which is none of the window's.
    const COLOUR: [u8; 3] = [208, 160, 96];

    /// A screen that nobody sees, and a small detector.
    struct Scene {
        server: Child,
        display: String,
        folder: TempDir,
    }

    impl Scene {
        fn new() -> Self {
            let mut server = Command::new("Xvfb");
            server.args(["-displayfd", "1", "-screen", "0", "1100x700x24", "-nolisten", "tcp", "-noreset"]);
            let mut server =
                server.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("Xvfb is needed to test windows");
            let mut number = String::new();
            BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
            let folder = tempfile::tempdir().unwrap();
            small_detector(folder.path());
            Self { server, display: format!(":{}", number.trim()), folder }
        }

        fn at(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        /// Makes a clip of one colour, of 10 frames a second, which never goes through YUV: that would change the colour.
        fn clip(&self, seconds: u32) -> PathBuf {
            let path = self.at("clip.mkv");
            let [r, g, b] = COLOUR;
            let source = format!("color=c=0x{r:02x}{g:02x}{b:02x}:size=96x64:rate=10:duration={seconds},format=gbrp");
            let mut ffmpeg = Command::new("ffmpeg");
            ffmpeg.args(["-v", "error", "-y", "-f", "lavfi", "-i", &source]);
            ffmpeg.args(["-c:v", "ffv1", "-pix_fmt", "gbrp"]).arg(&path);
            assert!(ffmpeg.status().expect("ffmpeg is needed to test videos").success());
            path
        }

        fn live(&self, source: &str, more: &[&str]) -> Command {
            let at = |name: &str| text(&self.at(name)).to_owned();
            let (head, network, config) = (at("head.safetensors"), at("backbone.onnx"), at("config.json"));
            let mut arguments = vec!["live", &head, source, "--backbone", &network, "--head-config", &config];
            arguments.extend(["--json", "-", "--score", "0.1"]);
            arguments.extend(more);
            let mut command = command(&arguments);
            command.env("DISPLAY", &self.display).env_remove("WAYLAND_DISPLAY").current_dir(self.folder.path());
            command
        }

        /// What is on the screen.
        fn shot(&self) -> RgbImage {
            let path = self.at("shot.png");
            let mut ffmpeg = Command::new("ffmpeg");
            ffmpeg.args(["-v", "error", "-y", "-f", "x11grab", "-draw_mouse", "0", "-i", &self.display]);
            ffmpeg.args(["-frames:v", "1"]).arg(&path);
            assert!(ffmpeg.status().unwrap().success());
            image::open(&path).unwrap().into_rgb8()
        }
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            let _ = self.server.kill();
            let _ = self.server.wait();
        }
    }

    /// Waits for the end of a program that runs.
    fn end(child: Child) -> Done {
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let status = output.status.code().expect("ended by a signal");
        Done { status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    fn count(picture: &RgbImage, colour: [u8; 3]) -> usize {
        picture.pixels().filter(|pixel| pixel.0 == colour).count()
    }

    fn stages(summary: &Value) -> Vec<&str> {
        summary["stages"].as_array().unwrap().iter().map(|stage| stage["stage"].as_str().unwrap()).collect()
    }

    #[test]
    fn a_clip_is_seen_in_the_window_and_every_frame_is_looked_at() {
        let scene = Scene::new();
        let clip = scene.clip(6);
        for (device, expected) in [("cpu", "backbone"), ("gpu", "detect")] {
            let arguments = ["--device", device, "--backbone-device", device, "--for", "10m"];
            let mut command = scene.live(text(&clip), &arguments);
            let mut running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            // The clip goes on for long enough to be seen; after it there is no window any more.
            let mut seen = scene.shot();
            while count(&seen, COLOUR) <= 20_000 && running.try_wait().unwrap().is_none() {
                seen = scene.shot();
            }
            if let Some(folder) = std::env::var_os("SHAREKAN_SHOTS") {
                seen.save(Path::new(&folder).join(format!("live-{device}.png"))).unwrap();
            }
            assert!(count(&seen, COLOUR) > 20_000, "{} pixels of the clip", count(&seen, COLOUR));
            let boxes: usize = (0..5).map(|class| count(&seen, sharekan::detect::class_colour(class))).sum();
            assert!(boxes > 500, "{boxes} pixels of boxes");

            let done = end(running).succeeds();
            let summary = done.json();
            assert_eq!((&summary["frames"], &summary["skipped"]), (&60.into(), &0.into()), "{summary}");
            assert_eq!((&summary["width"], &summary["height"]), (&96.into(), &64.into()));
            assert_eq!(summary["source"], text(&clip));
            assert_eq!(summary["head_device"] == summary["window_device"], device == "gpu");
            for stage in ["read", "upload", expected, "frame to boxes", "window"] {
                assert!(stages(&summary).contains(&stage), "{stage} is not in {summary}");
            }
        }
    }

    #[test]
    fn a_screen_is_live_and_has_its_pace() {
        let scene = Scene::new();
        let done = finish(&mut scene.live("screen", &["--device", "cpu", "--for", "4s", "--max-fps", "5"])).succeeds();
        let summary = done.json();
        let frames = summary["frames"].as_u64().unwrap();
        assert!((1..=22).contains(&frames), "{summary}");
        assert_eq!((&summary["width"], &summary["source"]), (&1100.into(), &"screen".into()));
    }

    #[test]
    fn a_window_rests_between_frames() {
        let scene = Scene::new();
        let arguments = ["--device", "cpu", "--for", "8s", "--max-fps", "0.5"];
        let summary = finish(&mut scene.live("screen", &arguments)).succeeds().json();
        let stages = summary["stages"].as_array().unwrap();
        let window = stages.iter().find(|stage| stage["stage"] == "window").unwrap();
        let drawn = (window["total_ms"].as_f64().unwrap() / window["mean_ms"].as_f64().unwrap()).round();
        let frames = summary["frames"].as_u64().unwrap();
        // Beside frames, for what the window and the layout of its content ask for in the beginning.
        assert!(frames <= 5 && drawn >= 1.0 && drawn <= 8.0 + frames as f64, "{drawn} times: {summary}");
    }

    #[test]
    fn a_lost_device_is_opened_again_and_no_frame_is_lost() {
        let scene = Scene::new();
        let clip = scene.clip(4);
        let arguments = ["--device", "gpu", "--backbone-device", "gpu", "--for", "10m", "--lose-device-after", "1s"];
        let done = finish(&mut scene.live(text(&clip), &arguments)).succeeds();
        assert!(done.stderr.contains("note: the device was lost ("), "{}", done.stderr);
        let summary = done.json();
        assert_eq!((&summary["frames"], &summary["reopened"]), (&40.into(), &1.into()), "{summary}");
    }

    #[test]
    fn what_cannot_be_shown_is_said_in_one_line() {
        let scene = Scene::new();
        let at = |name: &str| text(&scene.at(name)).to_owned();
        let plain = |source: &str| scene.live(source, &["--device", "cpu"]);
        finish(&mut plain("987654")).fails(&["camera 987654: there is no /dev/video987654; this machine has "]);
        finish(&mut plain("missing.mp4")).fails(&["missing.mp4: cannot be read: "]);
        fs::write(scene.at("empty.mp4"), b"").unwrap();
        finish(&mut plain(&at("empty.mp4"))).fails(&["empty.mp4: is no video that can be read (ffmpeg: "]);
        finish(&mut plain("rtsp://user:secret@127.0.0.1:9/a")).fails(&["rtsp://127.0.0.1:9/a: cannot be opened"]);
        finish(plain("0").env_remove("DISPLAY")).fails(&[]);
        finish(plain(&at("config.json")).env_remove("DISPLAY")).fails(&["no window can be opened here: "]);
        let usage = sharekan(&["live", "head.safetensors", "--max-fps", "0"]);
        assert_eq!(usage.status, 2, "{}", usage.stderr);
    }
}
