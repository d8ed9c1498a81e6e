//! What is kept for a device from one process to the next: tiles that were measured on it, and kernels that its driver
//! compiled.
//!
//! A folder holds two files for each adapter. `NAME.tiles.json` has the tiles with the version of the program and the
//! driver that they were measured with; of any other they may be slow, so they are refused. `NAME.kernels` has the bytes
//! of wgpu's pipeline cache behind their SHA-256; the driver knows its own and drops others. Neither is needed: without
//! them plans follow the cost model, and kernels are compiled when a session is opened.

mod error;
mod identity;
mod kernels;
mod tiles;

pub use error::CacheError;
pub use identity::DeviceIdentity;

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use super::{DeviceChoice, Gpu, GpuOptions, RunError};
use crate::plan::Tuning;
use crate::{Error, files};

/// Most bytes of a file that is read: a driver's kernels for all heads that one may try.
const LARGEST_FILE: u64 = 256 << 20;

/// A folder of what is kept for devices.
///
/// ```no_run
/// # use sharekan::{head::Head, plan::PlanOptions, run::{DeviceCache, DeviceChoice, GpuOptions, Runner}};
/// # fn example(head: Head) -> Result<(), sharekan::Error> {
/// let cache = DeviceCache::of_user()?;
/// let gpu = cache.open(DeviceChoice::Auto, &GpuOptions::default())?;
/// let tuning = gpu.as_ref().and_then(|gpu| cache.tuning(gpu).ok().flatten());
/// let runner = Runner::open_on(gpu.as_ref(), &head, 169, &PlanOptions { tuning, ..PlanOptions::default() })?;
/// if let Some(gpu) = &gpu {
///     cache.keep_kernels(gpu)?;
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCache {
    folder: PathBuf,
}

impl DeviceCache {
    /// The cache in a folder, which is made when something is kept.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder `sharekan` in the user's own cache folder (`~/.cache`, `~/Library/Caches`, `%LOCALAPPDATA%`).
    ///
    /// # Errors
    /// Where the user has none.
    pub fn of_user() -> Result<Self, CacheError> {
        let strategy = etcetera::base_strategy::choose_native_strategy().map_err(|_| CacheError::NoFolder)?;
        Ok(Self::in_folder(strategy.cache_dir().join("sharekan")))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of the tiles measured on a device.
    pub fn tiles_path(&self, gpu: &Gpu) -> PathBuf {
        self.folder.join(format!("{}.tiles.json", DeviceIdentity::of(gpu.info()).file_stem()))
    }

    /// The file of the kernels compiled for the adapter that wgpu describes so.
    pub fn kernels_path(&self, info: &wgpu::AdapterInfo) -> PathBuf {
        self.folder.join(format!("{}.kernels", DeviceIdentity::of(info).file_stem()))
    }

    /// Opens an adapter as [`Gpu::open`] does, with the kernels that were kept for it.
    ///
    /// # Errors
    /// As [`Gpu::open`]. Kernels that cannot be read are compiled again.
    pub fn open_gpu(&self, options: &GpuOptions) -> Result<Gpu, RunError> {
        pollster::block_on(Gpu::open_with_kernels(options, |info| {
            let path = self.kernels_path(info);
            if !path.exists() {
                return None;
            }
            match files::read(&path, LARGEST_FILE) {
                Ok(bytes) => kernels::unseal(&bytes).map(<[u8]>::to_vec).or_else(|| {
                    tracing::warn!("{}: is damaged; kernels are compiled anew", path.display());
                    None
                }),
                Err(problem) => {
                    tracing::warn!("{problem}; kernels are compiled anew");
                    None
                }
            }
        }))
    }

    /// Opens an adapter as [`DeviceChoice::open`] does, with the kernels that were kept for it.
    ///
    /// # Errors
    /// As [`DeviceChoice::open`].
    pub fn open(&self, choice: DeviceChoice, options: &GpuOptions) -> Result<Option<Gpu>, RunError> {
        choice.open_by(options, || self.open_gpu(options))
    }

    /// Keeps the kernels that were compiled on a device; to be called when the sessions are open. Nothing is written
    /// where there is nothing new.
    ///
    /// # Errors
    /// Where the folder or the file cannot be written.
    pub fn keep_kernels(&self, gpu: &Gpu) -> Result<(), Error> {
        let Some(bytes) = gpu.compiled_kernels() else { return Ok(()) };
        let (path, sealed) = (self.kernels_path(gpu.info()), kernels::seal(&bytes));
        if sealed.len() as u64 > LARGEST_FILE {
            return Ok(());
        }
        if std::fs::read(&path).is_ok_and(|old| old == sealed) {
            return Ok(());
        }
        self.make_folder()?;
        files::replace(&path, &sealed)
    }

    /// The tiles that were measured on a device; `None` where none were.
    ///
    /// # Errors
    /// Where the file cannot be read, is damaged, or is of another program, adapter or driver; the error names it.
    pub fn tuning(&self, gpu: &Gpu) -> Result<Option<Tuning>, Error> {
        let path = self.tiles_path(gpu);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = files::read(&path, LARGEST_FILE)?;
        let tuning = tiles::read(&bytes, &DeviceIdentity::of(gpu.info()));
        tuning.map(Some).map_err(|problem| Error::from(problem).in_file(path))
    }

    /// Keeps tiles that were measured on a device, in place of all that were kept before; [`Tuning::merge`] joins them.
    ///
    /// # Errors
    /// Where the folder or the file cannot be written.
    pub fn keep_tuning(&self, gpu: &Gpu, tuning: &Tuning) -> Result<(), Error> {
        let bytes = tiles::write(tuning, &DeviceIdentity::of(gpu.info()));
        self.make_folder()?;
        files::replace(&self.tiles_path(gpu), &bytes)
    }

    fn make_folder(&self) -> Result<(), Error> {
        std::fs::create_dir_all(&self.folder)
            .map_err(|problem| Error::from(files::FileError::Write(problem)).in_file(&self.folder))
    }
}
