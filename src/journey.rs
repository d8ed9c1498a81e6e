//! The journey of a head in one call a step: bytes or a file, compression, bytes or a file again.

use std::io::Cursor;
#[cfg(feature = "files")]
use std::path::Path;

use crate::artifact::Form;
use crate::compress::{self, CompressOptions, CompressReport, Progress};
#[cfg(feature = "files")]
use crate::files::{self, HeadFile};
use crate::head::Head;
use crate::import::{self, Container, ImportOptions};
use crate::{Error, artifact};

impl Head {
    /// Reads a head: one that this library wrote, or a checkpoint of a KAN library.
    ///
    /// What a checkpoint does not say is assumed as its library's defaults; [`HeadFile::open`] takes other choices, and
    /// tells what was assumed. The file's bytes tell whether it is safetensors or one of PyTorch's files.
    ///
    /// # Errors
    /// Where the file cannot be read, or is refused; the error names the file.
    #[cfg(feature = "files")]
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(HeadFile::open(path.as_ref(), &ImportOptions::default())?.head)
    }

    /// Writes the head as [`Head::to_bytes`] gives it. There is either the old file or the whole new one.
    ///
    /// # Errors
    /// Where the form of the file cannot hold the head, or the file cannot be written; the error names the file.
    #[cfg(feature = "files")]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let bytes = self.to_bytes().map_err(|problem| problem.in_file(path))?;
        Ok(files::replace(path, &bytes)?)
    }

    /// Reads the bytes of a file as [`Head::load`] reads a file.
    ///
    /// # Errors
    /// Where the bytes are refused, as [`artifact::read`] and [`import::from_bytes`] say.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Ok(Self::from_bytes_with(bytes, &ImportOptions::default())?.0)
    }

    /// Reads the bytes of a file with choices, and tells what the file does not say and was assumed, a phrase each. Of
    /// `options` only the detection settings matter to a compressed head.
    ///
    /// # Errors
    /// Where the bytes are refused, as [`artifact::read`] and [`import::from_bytes`] say, and where they are a bank of several
    /// heads and `options` have detection settings.
    pub fn from_bytes_with(bytes: &[u8], options: &ImportOptions) -> Result<(Self, Vec<String>), Error> {
        let imported = match import::open(&mut Cursor::new(bytes), Container::Any)? {
            Some(header) if Form::of(&header).is_some() => {
                let mut head = Self::Compressed(artifact::read_in(&header, bytes)?);
                if options.head_config.is_some() {
                    head.set_detection(options.head_config.clone())?;
                }
                return Ok((head, Vec::new()));
            }
            Some(header) => import::from_tensors(header, Cursor::new(bytes), options)?,
            None => import::from_pickle(Cursor::new(bytes), options)?,
        };
        Ok((imported.head.into(), imported.assumptions))
    }

    /// The bytes of the head's file: a dense head in efficient-kan's layout, a compressed one or a bank in this library's
    /// form. The same head gives the same bytes.
    ///
    /// # Errors
    /// Where efficient-kan's layout cannot hold a dense head: a LayerNorm, Gaussian bumps, some biases. Compressed heads
    /// can all be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        Ok(match self {
            Self::Dense(head) => artifact::write_dense(head)?,
            Self::Compressed(bank) => artifact::to_bytes(bank)?,
        })
    }

    /// Compresses a dense head, and reports what each layer kept and lost.
    ///
    /// # Errors
    /// Where the head is compressed already, settings are out of range, calibration rows are missing or do not fit, or the
    /// head's numbers do not survive the arithmetic.
    pub fn compress(&self, options: &CompressOptions) -> Result<(Self, CompressReport), Error> {
        self.compress_and_tell(options, &mut |_| {})
    }

    /// Compresses as [`Head::compress`] does, and calls `progress` after every round.
    ///
    /// # Errors
    /// As [`Head::compress`].
    pub fn compress_and_tell(
        &self,
        options: &CompressOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Self, CompressReport), Error> {
        let Self::Dense(dense) = self else { return Err(compress::CompressError::Compressed.into()) };
        let (head, report) = compress::compile(dense, options, None, progress)?;
        Ok((head.into(), report))
    }
}
