//! Which files does a configuration consist of, and are they still the ones that were read?
//!
//! Beside the file itself these are the certificates it names. Each is stamped when it is opened, so
//! that one which is replaced while it is read counts as changed. Looking works where notifications
//! do not: on network mounts and on the symbolic links by which Kubernetes swaps what it mounts.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::units::Size;

/// Files by their paths, with what they were like.
#[derive(Debug, Clone, Default)]
pub struct Files {
    seen: Vec<(PathBuf, Option<Stamp>)>,
}

/// What tells that a file is another than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

/// What a file holds and who may read it.
pub(crate) struct Content {
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_readable_by_everybody: bool,
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("this file cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Opening a pipe would wait for a writer, and a device may never end.
    #[error("this is not a file")]
    NotAFile,
    #[error("this file is larger than {0}")]
    TooLarge(Size),
}

impl Files {
    /// The file at `path` as it is now.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        Self {
            seen: vec![(path.to_owned(), Stamp::at(path))],
        }
    }

    /// Whether one of them is another by now. One that is gone for the moment is about to be
    /// replaced, so nothing is to be done yet.
    #[must_use]
    pub fn have_changed(&self) -> bool {
        self.seen.iter().any(|(path, seen)| {
            let now = Stamp::at(path);
            now.is_some() && now != *seen
        })
    }

    /// Reads a file and remembers it, whether or not it could be read.
    pub(crate) fn read(&mut self, path: &Path, max: Size) -> Result<Content, FileError> {
        let mut stamp = Stamp::at(path);
        let content = open(path).and_then(|(file, metadata)| {
            stamp = Some(Stamp::of(&metadata));
            read(file, &metadata, max)
        });
        self.seen.push((path.to_owned(), stamp));
        content
    }
}

fn open(path: &Path) -> Result<(File, Metadata), FileError> {
    let is_something_else = |metadata: Metadata| !metadata.is_file() && !metadata.is_dir();
    if std::fs::metadata(path).is_ok_and(is_something_else) {
        return Err(FileError::NotAFile);
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

/// Reads at most one byte more than a file may have.
fn read(file: File, metadata: &Metadata, max: Size) -> Result<Content, FileError> {
    let mut bytes = Vec::new();
    let most = max.get().saturating_add(1);
    file.take(most).read_to_end(&mut bytes)?;
    if bytes.len() > max.get_usize() {
        return Err(FileError::TooLarge(max));
    }
    Ok(Content {
        bytes,
        is_readable_by_everybody: metadata.mode() & 0o004 != 0,
    })
}

impl Stamp {
    fn at(path: &Path) -> Option<Self> {
        std::fs::metadata(path)
            .ok()
            .map(|metadata| Self::of(&metadata))
    }

    fn of(metadata: &Metadata) -> Self {
        Self {
            modified: metadata.modified().ok(),
            bytes: metadata.len(),
            inode: metadata.ino(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const SMALL: Size = Size::bytes(10);

    #[test]
    fn a_file_that_is_swapped_by_a_link_has_changed_and_one_that_is_gone_has_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("old"), "1").unwrap();
        fs::write(at("new"), "2").unwrap();
        std::os::unix::fs::symlink(at("old"), at("link")).unwrap();

        let mut files = Files::default();
        assert_eq!(files.read(&at("link"), SMALL).unwrap().bytes, b"1");
        assert!(!files.have_changed());
        fs::remove_file(at("link")).unwrap();
        assert!(!files.have_changed());
        std::os::unix::fs::symlink(at("new"), at("link")).unwrap();
        assert!(files.have_changed());
    }

    #[test]
    fn a_file_that_was_missing_has_changed_once_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("late");
        let mut files = Files::default();
        assert!(matches!(files.read(&path, SMALL), Err(FileError::Io(_))));
        assert!(!files.have_changed());
        fs::write(&path, "here").unwrap();
        assert!(files.have_changed());
    }

    #[test]
    fn a_file_is_read_up_to_its_largest_size_and_a_device_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, [0; 2048]).unwrap();
        let mut files = Files::default();
        assert_eq!(files.read(&path, Size::kib(2)).unwrap().bytes.len(), 2048);
        let error = files.read(&path, Size::bytes(2047)).err().unwrap();
        assert!(matches!(error, FileError::TooLarge(_)), "{error}");
        let error = files.read(Path::new("/dev/zero"), SMALL).err().unwrap();
        assert!(matches!(error, FileError::NotAFile), "{error}");
        assert!(!files.have_changed());
    }
}
