//! Which `ffmpeg` there is.

use std::io::Read;
use std::process::{Command, Stdio};

use super::error::VideoError;
use super::process::Process;
use super::stop::Stop;

/// The `ffmpeg` in PATH, and how it wants to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Ffmpeg {
    /// Every frame as it is in the file, none twice, none left out.
    every_frame: [&'static str; 2],
}

impl Ffmpeg {
    /// Looks for it.
    ///
    /// # Errors
    /// Where there is none, or it cannot be started.
    pub(crate) fn find(stop: &Stop) -> Result<Self, VideoError> {
        let mut command = Command::new("ffmpeg");
        command.args(["-hide_banner", "-version"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let process = Process::start("ffmpeg", command, stop, None, |_| ())?;
        let mut text = Vec::new();
        if let Some(out) = process.stdout() {
            out.take(1 << 16).read_to_end(&mut text).map_err(VideoError::Read)?;
        }
        let text = String::from_utf8_lossy(&text);
        Ok(Self { every_frame: every_frame(text.split_whitespace().nth(2).unwrap_or_default()) })
    }

    /// A command with what all runs have in common.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-hide_banner", "-nostats"]);
        command
    }

    /// What it says of the devices of a kind.
    #[cfg(feature = "live")]
    pub(super) fn devices(&self, kind: &str, stop: &Stop) -> Result<Vec<String>, VideoError> {
        let mut command = self.command();
        command.args(["-loglevel", "repeat+level+info", "-list_devices", "true", "-f", kind, "-i", "dummy"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let lines = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let all = std::sync::Arc::clone(&lines);
        let process = Process::start("ffmpeg", command, stop, None, move |line| {
            if let Ok(mut all) = all.lock()
                && all.len() < 1000
            {
                all.push(line.to_owned());
            }
        })?;
        // It ends with a failure: there is no device of this name.
        process.wait().map_err(VideoError::Read)?;
        Ok(lines.lock().map(|lines| lines.clone()).unwrap_or_default())
    }

    /// Options that give every frame as it is in the file.
    pub(super) fn every_frame(&self) -> [&'static str; 2] {
        self.every_frame
    }
}

/// Version 5.1 has another name for the option. Versions of a repository (`N-109000-g...`) are newer.
fn every_frame(version: &str) -> [&'static str; 2] {
    let mut numbers = version.split(['.', '-']).map(str::parse::<u32>);
    let (Some(Ok(major)), minor) = (numbers.next(), numbers.next()) else { return ["-fps_mode", "passthrough"] };
    let minor = minor.and_then(Result::ok).unwrap_or(0);
    if (major, minor) < (5, 1) { ["-vsync", "passthrough"] } else { ["-fps_mode", "passthrough"] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_are_asked_in_their_own_words() {
        for old in ["4.4.2-0ubuntu0.22.04.1", "5.0", "3.4.11", "5.0.1-full_build"] {
            assert_eq!(every_frame(old)[0], "-vsync", "{old}");
        }
        for new in ["5.1.9-0+deb12u1", "6.0", "7.1.1", "8.0", "N-109000-gdeadbeef", "n6.1", "git-2024", ""] {
            assert_eq!(every_frame(new)[0], "-fps_mode", "{new}");
        }
    }
}
