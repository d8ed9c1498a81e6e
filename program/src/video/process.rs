//! A process with pipes, which never outlives its owner.

use std::io;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::{Said, VideoError};
use super::log::{Complaints, listen};
use super::stop::Stop;

/// How long its last words are waited for after a process has ended: a child of its own may hold the pipe open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A running process. Dropped, it is killed and waited for.
pub(super) struct Process {
    child: Arc<Mutex<Child>>,
    complaints: Complaints,
    silent: Receiver<()>,
}

impl Process {
    /// Starts a program; `unfinished` is the file that it writes, and `each` gets the lines of its standard error.
    pub(super) fn start(
        program: &'static str,
        mut command: Command,
        stop: &Stop,
        unfinished: Option<&std::path::Path>,
        each: impl FnMut(&str) + Send + 'static,
    ) -> Result<Self, VideoError> {
        alone(&mut command);
        let mut child = command.stderr(Stdio::piped()).spawn().map_err(|problem| match problem.kind() {
            io::ErrorKind::NotFound => VideoError::NoFfmpeg,
            _ => VideoError::Start { program, problem },
        })?;
        let complaints = Complaints::default();
        let (ended, silent) = channel();
        if let Some(errors) = child.stderr.take() {
            let complaints = complaints.clone();
            std::thread::spawn(move || {
                listen(errors, &complaints, each);
                // Who does not listen any more does not mind.
                let _ = ended.send(());
            });
        }
        let child = Arc::new(Mutex::new(child));
        stop.watch(&child, unfinished);
        Ok(Self { child, complaints, silent })
    }

    pub(super) fn stdin(&self) -> Option<ChildStdin> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).stdin.take()
    }

    pub(super) fn stdout(&self) -> Option<ChildStdout> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).stdout.take()
    }

    /// Waits for the end, and for the last words.
    pub(super) fn wait(&self) -> io::Result<ExitStatus> {
        let (start, mut pause) = (Instant::now(), Duration::from_millis(1));
        let status = loop {
            // Not held while waiting: who stops everything needs it.
            if let Some(status) = self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait()? {
                break status;
            }
            std::thread::sleep(pause);
            pause = (start.elapsed() / 8).clamp(pause, Duration::from_millis(20));
        };
        let _ = self.silent.recv_timeout(LAST_WORDS);
        Ok(status)
    }

    pub(super) fn said(&self) -> Said {
        self.complaints.said()
    }

    pub(super) fn complained(&self) -> bool {
        !self.complaints.none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // One that has ended already is no trouble.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A status as a shell would name it.
pub(super) fn status_name(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("signal {signal}");
    }
    status.code().map_or_else(|| "no status".into(), |code| format!("status {code}"))
}

/// Keeps the terminal's Ctrl-C from the process: it is this program's to say what ends when.
fn alone(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(windows)]
    {
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
        std::os::windows::process::CommandExt::creation_flags(command, CREATE_NEW_PROCESS_GROUP);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(text: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", text]).stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }

    #[test]
    fn it_does_not_outlive_its_owner() {
        let process = Process::start("sh", shell("exec sleep 1000"), &Stop::default(), None, |_| ()).unwrap();
        let child = Arc::clone(&process.child);
        let start = Instant::now();
        drop(process);
        assert!(start.elapsed() < Duration::from_secs(100));
        assert!(child.lock().unwrap().try_wait().unwrap().is_some());
    }

    #[test]
    fn its_end_and_its_words_are_known() {
        let start = |text: &str| Process::start("sh", shell(text), &Stop::default(), None, |_| ()).unwrap();
        let process = start("echo '[x] [error] an odd file' >&2; exit 3");
        assert_eq!(status_name(process.wait().unwrap()), "status 3");
        assert_eq!(process.said().to_string(), " (ffmpeg: an odd file)");
        assert_eq!(status_name(start("kill -9 $$").wait().unwrap()), "signal 9");
        let missing = Process::start("no-such", Command::new("no-such-program"), &Stop::default(), None, |_| ());
        assert!(matches!(missing.err(), Some(VideoError::NoFfmpeg)));
    }
}
