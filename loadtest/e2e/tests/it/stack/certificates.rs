//! Certificates made on the spot: none is kept in the repository, and no key at all.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rcgen::{CertifiedKey, generate_simple_self_signed};

/// Writes the certificates that the examples name into a folder that takes the place of theirs, and the
/// secret of a client.
pub(crate) fn write_certificates_of_examples(folder: &Path) {
    fs::create_dir(folder.join("tls")).unwrap();
    write_certificate(&folder.join("tls"), "shop.example", "shop.example");
    write_certificate(&folder.join("tls"), "tenants", "*.tenants.example");
    write_certificate(&folder.join("tls"), "partner-ca", "login.partner.example");
    fs::rename(
        folder.join("tls/partner-ca.crt"),
        folder.join("tls/partner-ca.pem"),
    )
    .unwrap();
    fs::create_dir(folder.join("data")).unwrap();
    write_secret(&folder.join("data/legacy.secret"), "not a secret\n");
}

/// Makes a certificate for a name; the client that trusts it is given its bytes.
pub(crate) fn write_certificate(folder: &Path, file: &str, name: &str) -> Vec<u8> {
    let made = generate_simple_self_signed([name.to_owned()]).unwrap();
    let CertifiedKey { cert, signing_key } = made;
    fs::write(folder.join(format!("{file}.crt")), cert.pem()).unwrap();
    let key = folder.join(format!("{file}.key"));
    write_secret(&key, &signing_key.serialize_pem());
    cert.der().to_vec()
}

/// A file that nobody else can read.
fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
