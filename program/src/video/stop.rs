//! Ending early, without leaving processes or half-written files behind.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What a shell says of a program that an interrupt has ended.
pub(crate) const INTERRUPTED: u8 = 130;

/// Whether the user wants no more, and the processes that are to end then.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<Inner>);

#[derive(Default)]
struct Inner {
    asked: AtomicBool,
    running: Mutex<Vec<Running>>,
}

/// A process and what it may leave half-written.
struct Running {
    child: Weak<Mutex<Child>>,
    unfinished: Option<PathBuf>,
}

impl Stop {
    /// Is asked for by interrupts (Ctrl-C) and by requests to terminate. At the first one, processes that read end, so that
    /// nobody waits for them; at the second one all processes and the program do, at once.
    pub(crate) fn on_signals() -> Result<Self, ctrlc::Error> {
        let stop = Self::default();
        let signalled = stop.clone();
        let handler = move || {
            if signalled.0.asked.swap(true, Ordering::SeqCst) {
                signalled.kill(true);
                std::process::exit(INTERRUPTED.into());
            }
            signalled.kill(false);
        };
        match ctrlc::try_set_handler(handler) {
            // What a script runs in the background, or `nohup`, ignores some of the signals: they stay ignored.
            Err(ctrlc::Error::MultipleHandlers) => tracing::info!("signals are ignored here: nothing watches for them"),
            other => other?,
        }
        Ok(stop)
    }

    /// Wants no more: processes that read end.
    #[cfg(feature = "live")]
    pub(crate) fn ask(&self) {
        self.0.asked.store(true, Ordering::SeqCst);
        self.kill(false);
    }

    /// True where the user wants no more.
    pub(crate) fn asked(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// Keeps an eye on a process; one that writes `unfinished` may end its work after the first signal.
    pub(super) fn watch(&self, child: &Arc<Mutex<Child>>, unfinished: Option<&Path>) {
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|other| other.child.strong_count() > 0);
        running.push(Running { child: Arc::downgrade(child), unfinished: unfinished.map(Path::to_path_buf) });
        // Who asked has looked at what ran then.
        if unfinished.is_none() && self.asked() {
            let _ = child.lock().unwrap_or_else(PoisonError::into_inner).kill();
        }
    }

    fn kill(&self, writers: bool) {
        let running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        for Running { child, unfinished } in running.iter().filter(|running| writers || running.unfinished.is_none()) {
            let Some(child) = child.upgrade() else { continue };
            let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
            // One that has ended already is no trouble.
            let _ = child.kill();
            if let Some(file) = unfinished {
                let _ = child.wait();
                let _ = std::fs::remove_file(file);
            }
        }
    }
}
