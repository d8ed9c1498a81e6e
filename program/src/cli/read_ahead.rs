//! A backbone that is read while the device opens, which takes a driver longer.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use sharekan::detect::DetectError;
use sharekan::network::Network;

use super::backbone::load;

/// A network on its way from its file.
pub(crate) struct ReadAhead {
    path: PathBuf,
    network: JoinHandle<Result<Network, DetectError>>,
}

impl ReadAhead {
    /// Begins to read a file; `None` where there is no thread for it.
    pub(crate) fn start(path: PathBuf) -> Option<Self> {
        let file = path.clone();
        let network = std::thread::Builder::new().name("backbone".into()).spawn(move || load(&file)).ok()?;
        Some(Self { path, network })
    }

    /// The network of `path`, which is read now where it was not read ahead.
    pub(crate) fn network(ahead: Option<Self>, path: &Path) -> Result<Network, DetectError> {
        match ahead {
            Some(ahead) if ahead.path == path => {
                ahead.network.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
            _ => load(path),
        }
    }
}
