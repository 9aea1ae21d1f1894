//! By what does the identity provider know this gateway? The line of a file that only its owner may
//! read. Once it is refused the file is read again: whoever replaces it need not restart the gateway.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use http::HeaderValue;
use zeroize::Zeroizing;

const READABLE_BY_OTHERS: u32 = 0o077;
/// Longer than any credential.
const BYTES_MAX: usize = 4096;

#[derive(Debug, thiserror::Error)]
pub(super) enum CredentialError {
    #[error("the credential of the gateway cannot be read: {path}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} may be read by others: its mode must be 0600")]
    Exposed { path: PathBuf },
    #[error("{path} is not one line of text")]
    Spelling { path: PathBuf },
}

#[derive(Debug)]
pub(super) struct Credential {
    path: PathBuf,
    known: Mutex<Option<HeaderValue>>,
}

impl Credential {
    /// Reads nothing yet: the file is there once the identity provider has started.
    pub(super) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            known: Mutex::new(None),
        }
    }

    /// As a field of a request says it.
    pub(super) fn field(&self) -> Result<HeaderValue, CredentialError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(field) = &*known {
            return Ok(field.clone());
        }
        let field = self.read()?;
        *known = Some(field.clone());
        Ok(field)
    }

    /// Another one than the one that was refused; none if the file still holds that.
    pub(super) fn renew(
        &self,
        refused: &HeaderValue,
    ) -> Result<Option<HeaderValue>, CredentialError> {
        let field = self.read()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(field.clone());
        Ok(Some(field).filter(|field| field != refused))
    }

    fn read(&self) -> Result<HeaderValue, CredentialError> {
        let failed = |source| self.io_error(source);
        let path = || self.path.clone();
        let file = File::open(&self.path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.permissions().mode() & READABLE_BY_OTHERS != 0 {
            return Err(CredentialError::Exposed { path: path() });
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES_MAX));
        let mut capped = file.take(BYTES_MAX as u64);
        capped.read_to_end(&mut bytes).map_err(failed)?;
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let is_line = !line.is_empty()
            && bytes.len() < BYTES_MAX
            && line.iter().all(|byte| matches!(byte, b'!'..=b'~'));
        let spelled = Zeroizing::new([b"Bearer ", line].concat());
        let mut field = HeaderValue::from_bytes(&spelled)
            .ok()
            .filter(|_| is_line)
            .ok_or_else(|| CredentialError::Spelling { path: path() })?;
        field.set_sensitive(true);
        Ok(field)
    }

    fn io_error(&self, source: io::Error) -> CredentialError {
        let path = self.path.clone();
        CredentialError::Io { path, source }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::path::Path;

    use super::*;

    fn write(path: &Path, text: &[u8], mode: u32) {
        // As an operator replaces a file: whole, under its name.
        let new = path.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, Permissions::from_mode(mode)).unwrap();
        fs::rename(&new, path).unwrap();
    }

    #[test]
    fn a_file_is_read_anew_once_its_line_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.key");
        let credential = Credential::new(path.clone());
        assert!(matches!(
            credential.field(),
            Err(CredentialError::Io { .. })
        ));
        write(&path, b"first\n", 0o600);
        let first = credential.field().unwrap();
        assert_eq!(first, "Bearer first");
        assert_eq!(credential.renew(&first).unwrap(), None);

        write(&path, b"second", 0o600);
        assert_eq!(credential.field().unwrap(), first, "it was not refused");
        let second = credential.renew(&first).unwrap();
        assert_eq!(second, Some("Bearer second".parse().unwrap()));
        assert_eq!(Some(credential.field().unwrap()), second);
        let shown = format!("{credential:?} {second:?}");
        assert!(!shown.contains("second"), "{shown}");
    }

    #[test]
    fn a_file_that_is_no_secret_line_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.key");
        let credential = Credential::new(path.clone());
        write(&path, b"good\n", 0o640);
        assert!(matches!(
            credential.field(),
            Err(CredentialError::Exposed { .. })
        ));
        let long = vec![b'x'; BYTES_MAX];
        for bad in [&b""[..], b"\n", b"a\nb\n", b"a b", b"\xff", &long] {
            write(&path, bad, 0o600);
            assert!(
                matches!(credential.field(), Err(CredentialError::Spelling { .. })),
                "{bad:?}"
            );
        }
        write(&path, &long[1..], 0o600);
        assert!(credential.field().is_ok());
    }
}
