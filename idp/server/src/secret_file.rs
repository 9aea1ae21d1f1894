//! Files that hold one secret: made when it is first needed, read by their owner alone.
//!
//! A file that others may read is refused rather than used: whoever could read it may have.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
const READABLE_BY_OTHERS: u32 = 0o077;
/// Longer than any secret.
const BYTES_MAX: usize = 4096;

#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    #[error("{path} may be read by others: its mode must be 0600")]
    Exposed { path: PathBuf },
    #[error("{path} is missing")]
    Missing { path: PathBuf },
    #[error("{path} is not a line of text")]
    Spelling { path: PathBuf },
    #[error("{path} cannot be used")]
    Io { path: PathBuf, source: io::Error },
}

/// What the file holds, without the line feed at its end.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    let failed = |source| io_error(path, source);
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let path = path.to_owned();
            return Err(SecretFileError::Missing { path });
        }
        Err(error) => return Err(failed(error)),
    };
    if file.metadata().map_err(failed)?.permissions().mode() & READABLE_BY_OTHERS != 0 {
        let path = path.to_owned();
        return Err(SecretFileError::Exposed { path });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES_MAX));
    let mut capped = file.take(BYTES_MAX as u64);
    capped.read_to_end(&mut bytes).map_err(failed)?;
    let text = str::from_utf8(&bytes).ok();
    let text = text.map(|text| text.strip_suffix('\n').unwrap_or(text));
    let line = text.filter(|text| bytes.len() < BYTES_MAX && !text.contains('\n'));
    match line {
        Some(line) => Ok(Zeroizing::new(line.to_owned())),
        None => {
            let path = path.to_owned();
            Err(SecretFileError::Spelling { path })
        }
    }
}

/// On disk, whole and under its name before anybody relies on it.
pub(crate) fn create(path: &Path, secret: &str) -> Result<(), SecretFileError> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let write = || {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(folder_of(path))?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(&partial)?;
        file.write_all(secret.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&partial, path)?;
        fs::File::open(folder_of(path))?.sync_all()
    };
    write().map_err(|source| io_error(path, source))
}

/// The secret of a file, made by `draw` where there is no file yet.
pub(crate) fn find_or_create<E: From<SecretFileError>>(
    path: &Path,
    draw: impl FnOnce() -> Result<Zeroizing<String>, E>,
) -> Result<Zeroizing<String>, E> {
    match read(path) {
        Err(SecretFileError::Missing { .. }) => {
            let secret = draw()?;
            create(path, &secret)?;
            Ok(secret)
        }
        found => Ok(found?),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        Some(_) | None => Path::new("."),
    }
}

fn io_error(path: &Path, source: io::Error) -> SecretFileError {
    let path = path.to_owned();
    SecretFileError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(text: &str) -> impl FnOnce() -> Result<Zeroizing<String>, SecretFileError> {
        let text = text.to_owned();
        move || Ok(Zeroizing::new(text))
    }

    #[test]
    fn a_secret_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/secret");
        let first = find_or_create(&path, draw("first")).unwrap();
        let second = find_or_create(&path, draw("second")).unwrap();
        assert_eq!((first.as_str(), second.as_str()), ("first", "first"));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_no_secret_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        create(&path, "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = find_or_create(&path, draw("y"));
        assert!(matches!(refused, Err(SecretFileError::Exposed { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();

        for bad in ["a\nb", &"x".repeat(BYTES_MAX), "\u{0}\n\n"] {
            fs::write(&path, bad).unwrap();
            let refused = find_or_create(&path, draw("y"));
            assert!(matches!(refused, Err(SecretFileError::Spelling { .. })));
        }
        fs::write(&path, [0xff]).unwrap();
        let refused = read(&path);
        assert!(matches!(refused, Err(SecretFileError::Spelling { .. })));
        assert_eq!(fs::read(&path).unwrap(), [0xff]);
    }
}
