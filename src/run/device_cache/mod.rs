//! What is kept for a device from one process to the next: tiles that were measured on it, and kernels that its driver
//! compiled.
//!
//! A folder holds two files for each adapter. `NAME.tiles.json` has the tiles with the version of the program and the
//! driver that they were measured with; of any other they may be slow, so they are refused. `NAME.kernels` has the bytes
//! of wgpu's pipeline cache behind their SHA-256; the driver knows its own and drops others. Neither is needed: without
//! them plans follow the cost model, and kernels are compiled when a session is opened.
//!
//! The folder is made for the user alone, and a file that others could have written is not read: the driver takes
//! compiled kernels as they are.

mod error;
mod identity;
mod kernels;
mod own_files;
mod tiles;

pub use error::CacheError;
pub use identity::DeviceIdentity;

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use super::{Device, Gpu, GpuOptions, RunError};
use crate::files::{self, FileProblem};
use crate::plan::Tuning;

/// Most bytes of a file that is read: a driver's kernels for all heads that one may try.
const LARGEST_FILE: u64 = 256 << 20;

/// A folder of what is kept for devices.
///
/// ```no_run
/// # use sharekan::{head::Head, plan::PlanOptions, run::{DeviceCache, Device, GpuOptions, Model}};
/// # fn example(head: Head) -> Result<(), sharekan::Error> {
/// let cache = DeviceCache::of_user()?;
/// let gpu = cache.open(Device::Auto, &GpuOptions::default())?;
/// let tuning = gpu.as_ref().and_then(|gpu| cache.tuning(gpu).ok().flatten());
/// let model = Model::open_on(gpu.as_ref(), &head, 169, &PlanOptions::default().tuning(tuning))?;
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

    /// Makes the folder and sees whether it can be written to: to be asked before long work, not after it.
    ///
    /// # Errors
    /// Where it cannot; the error names it.
    #[doc(hidden)]
    pub fn check(&self) -> Result<(), CacheError> {
        own_files::make_folder(&self.folder)?;
        tempfile::tempfile_in(&self.folder).map(drop).map_err(|problem| {
            let problem = FileProblem::Write(files::without_path(problem));
            CacheError::Files(problem.in_file(self.folder.clone()))
        })
    }

    /// The file of the tiles measured on a device.
    #[doc(hidden)]
    pub fn tiles_path(&self, gpu: &Gpu) -> PathBuf {
        self.tiles_of(&DeviceIdentity::of(gpu.info()))
    }

    fn tiles_of(&self, device: &DeviceIdentity) -> PathBuf {
        self.folder.join(format!("{}.tiles.json", device.file_stem()))
    }

    /// The file of the kernels compiled for the adapter that wgpu describes so.
    #[doc(hidden)]
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
            match own_files::read(&path, LARGEST_FILE) {
                Ok(None) => None,
                Ok(Some(bytes)) => kernels::unseal(&bytes).map(<[u8]>::to_vec).or_else(|| {
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

    /// Opens an adapter as [`Device::open`] does, with the kernels that were kept for it.
    ///
    /// # Errors
    /// As [`Device::open`].
    pub fn open(&self, choice: Device, options: &GpuOptions) -> Result<Option<Gpu>, RunError> {
        pollster::block_on(choice.open_by(options, async { self.open_gpu(options) }))
    }

    /// Keeps the kernels that were compiled on a device; to be called when the sessions are open. Nothing is written
    /// where there is nothing new.
    ///
    /// # Errors
    /// Where the folder or the file cannot be written.
    pub fn keep_kernels(&self, gpu: &Gpu) -> Result<(), CacheError> {
        let Some(bytes) = gpu.compiled_kernels() else { return Ok(()) };
        let (path, sealed) = (self.kernels_path(gpu.info()), kernels::seal(&bytes));
        if sealed.len() as u64 > LARGEST_FILE {
            return Ok(());
        }
        if own_files::read(&path, LARGEST_FILE).is_ok_and(|old| old.is_some_and(|old| old == sealed)) {
            return Ok(());
        }
        own_files::make_folder(&self.folder)?;
        Ok(files::replace_private(&path, &sealed)?)
    }

    /// The tiles that were measured on a device; `None` where none were.
    ///
    /// # Errors
    /// Where the file cannot be read, is damaged, or is of another user, program, adapter or driver; the error names it.
    pub fn tuning(&self, gpu: &Gpu) -> Result<Option<Tuning>, CacheError> {
        self.tuning_of(&DeviceIdentity::of(gpu.info()))
    }

    fn tuning_of(&self, device: &DeviceIdentity) -> Result<Option<Tuning>, CacheError> {
        let path = self.tiles_of(device);
        let Some(bytes) = own_files::read(&path, LARGEST_FILE)? else { return Ok(None) };
        tiles::read(&bytes, device).map(Some).map_err(|problem| problem.in_file(path))
    }

    /// Keeps tiles that were measured on a device, with those that were kept before. Several processes may do so at once:
    /// each waits for the others. Tiles of before that cannot be used any more are replaced; why, is given back.
    ///
    /// # Errors
    /// Where the folder or the file cannot be written.
    pub fn keep_tuning(&self, gpu: &Gpu, tuning: &Tuning) -> Result<Option<CacheError>, CacheError> {
        self.keep_tuning_of(&DeviceIdentity::of(gpu.info()), tuning)
    }

    fn keep_tuning_of(&self, device: &DeviceIdentity, tuning: &Tuning) -> Result<Option<CacheError>, CacheError> {
        own_files::make_folder(&self.folder)?;
        let _held = own_files::lock(&self.folder.join(format!("{}.lock", device.file_stem())))?;
        let (mut all, replaced) = match self.tuning_of(device) {
            Ok(found) => (found.unwrap_or_default(), None),
            Err(problem) => (Tuning::default(), Some(problem)),
        };
        all.merge(tuning.clone());
        files::replace_private(&self.tiles_of(device), &tiles::write(&all, device))?;
        Ok(replaced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{EdgesTile, IntegerTile, TunedTile};

    fn device() -> DeviceIdentity {
        DeviceIdentity {
            name: "GPU".into(),
            backend: "vulkan".into(),
            vendor: 1,
            device: 2,
            driver: "driver".into(),
            driver_version: "3".into(),
        }
    }

    fn tile(inputs: usize) -> Tuning {
        let tile = EdgesTile { rows: 1, groups: 8, split: 4, slice: 16, on_chip: true };
        let (codewords, tile) = (16, IntegerTile::Edges(tile));
        let tile =
            TunedTile { inputs, outputs: 32, codewords, stages: 1, heads: 1, table_gains: false, rows: 169, tile };
        Tuning { tiles: vec![tile], ..Tuning::default() }
    }

    #[test]
    fn tiles_that_are_kept_at_once_are_all_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cache = DeviceCache::in_folder(folder.path().join("cache"));
        std::thread::scope(|scope| {
            for inputs in 1..=16 {
                let cache = &cache;
                scope.spawn(move || assert!(cache.keep_tuning_of(&device(), &tile(inputs)).unwrap().is_none()));
            }
        });
        let mut kept: Vec<usize> =
            cache.tuning_of(&device()).unwrap().unwrap().tiles.iter().map(|tile| tile.inputs).collect();
        kept.sort_unstable();
        assert_eq!(kept, (1..=16).collect::<Vec<_>>());
    }

    #[test]
    fn what_cannot_be_used_is_replaced_with_a_word() {
        let folder = tempfile::tempdir().unwrap();
        let cache = DeviceCache::in_folder(folder.path());
        std::fs::write(cache.tiles_of(&device()), "{").unwrap();
        assert!(matches!(cache.tuning_of(&device()), Err(CacheError::File { .. })));
        let replaced = cache.keep_tuning_of(&device(), &tile(1)).unwrap().unwrap().to_string();
        assert!(replaced.contains(".tiles.json: holds no measured tiles"), "{replaced}");
        assert_eq!(cache.tuning_of(&device()).unwrap(), Some(tile(1)));
    }
}
