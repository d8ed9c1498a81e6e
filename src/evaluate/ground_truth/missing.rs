//! Images that a set names and that are not there.

use std::path::{Path, PathBuf};

use super::GroundTruthError;
use super::error::quoted;
use super::notes::Notes;

/// The images that were not found.
#[derive(Debug, Default)]
pub(super) struct Missing {
    names: Vec<(String, Option<String>)>,
    looked: PathBuf,
}

impl Missing {
    /// None as yet, of images that are looked for in this folder.
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self { names: Vec::new(), looked: folder.to_path_buf() }
    }

    pub(super) fn count(&self) -> usize {
        self.names.len()
    }

    /// What is said about each.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.names.iter().map(|(name, either)| match either {
            Some(either) => format!("image {} {either}", quoted(name)),
            None => format!("image {} is missing", quoted(name)),
        })
    }

    pub(super) fn add(&mut self, name: &str) {
        self.names.push((name.to_owned(), None));
    }

    /// One that two files could be.
    pub(super) fn either(&mut self, name: &str, one: &Path, other: &Path) {
        self.names.push((name.to_owned(), Some(format!("could be {} or {}", one.display(), other.display()))));
    }

    /// Refuses a set of which nothing was `found`, and any missing image that is not to be left out. `whose` stands in front
    /// of the problem.
    pub(super) fn judge(
        &self,
        origin: &Path,
        whose: &str,
        found: usize,
        notes: &mut Notes,
    ) -> Result<(), GroundTruthError> {
        let Some((first, either)) = self.names.first() else { return Ok(()) };
        if found == 0 {
            let (first, looked) = (quoted(first), self.looked.display());
            let why = either.as_ref().map_or_else(|| format!("looked in {looked}"), Clone::clone);
            let count = self.names.len();
            return Err(GroundTruthError::malformed(
                origin,
                format!(
                    "{whose}none of the {count} images is there (first: {first}, {why}); --images DIR says where they are"
                ),
            ));
        }
        let total = self.names.len() + found;
        let missing = self.names.len();
        for (name, either) in &self.names {
            let name = quoted(name);
            let problem = match either {
                Some(either) => format!("{whose}image {name} {either}; --images DIR says which"),
                None if notes.skips() => format!("{whose}image {name} is missing"),
                None => format!("{whose}{missing} of {total} images are missing, the first is {name}"),
            };
            notes.bad(GroundTruthError::Missing { path: origin.to_path_buf(), problem })?;
        }
        Ok(())
    }
}
