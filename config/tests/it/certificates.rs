//! Certificates made on the spot: none is kept in the repository, and no key at all.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;

/// What the certificates in [`folder`] are valid in the middle of: the first moment of 2026.
pub(crate) const NOW: u64 = 1_767_225_600;

/// A folder with the files that examples and broken files name.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("tls")).unwrap();
    write_pair(
        &at("tls"),
        "shop.example",
        &["shop.example", "www.shop.example"],
        2000..2050,
    );
    write_pair(&at("tls"), "tenants", &["*.tenants.example"], 2000..2050);
    write_pair(&at("tls"), "again", &["WWW.Shop.Example"], 2000..2050);
    write_pair(&at("tls"), "nameless", &[], 2000..2050);
    write_pair(&at("tls"), "expired", &["old.example"], 2000..2025);
    write_pair(&at("tls"), "early", &["new.example"], 2027..2050);

    let pem = |label: &str, text: &str| {
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    };
    fs::write(
        at("tls/notes.txt"),
        "The certificate is on the other disk.\n",
    )
    .unwrap();
    fs::write(at("tls/cut.pem"), "-----BEGIN CERTIFICATE-----\nMIIB\n").unwrap();
    fs::write(at("tls/garbage.crt"), pem("CERTIFICATE", "MAMCAQE=")).unwrap();
    fs::write(at("tls/garbage.key"), pem("PRIVATE KEY", "MAMCAQE=")).unwrap();
    fs::write(
        at("tls/locked.key"),
        pem("ENCRYPTED PRIVATE KEY", "MAMCAQE="),
    )
    .unwrap();
    fs::write(at("tls/large.crt"), " ".repeat(256 * 1024 + 1)).unwrap();
    fs::copy(at("tls/shop.example.crt"), at("tls/partner-ca.pem")).unwrap();
    fs::create_dir(at("data")).unwrap();
    for name in ["data/legacy.secret", "data/legacy secret", "s", "a.secret"] {
        write_secret(&at(name), "s3cr3t\n");
    }
    write_secret(&at("data/two-lines"), "s3cr3t\ns3cr3t\n");
    folder
}

fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

pub(crate) fn write_pair(folder: &Path, name: &str, names: &[&str], years: std::ops::Range<i32>) {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut asked = CertificateParams::new(names).unwrap();
    asked.not_before = date_time_ymd(years.start, 1, 1);
    asked.not_after = date_time_ymd(years.end, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = asked.self_signed(&key).unwrap();
    fs::write(folder.join(format!("{name}.crt")), certificate.pem()).unwrap();
    let key_at = folder.join(format!("{name}.key"));
    fs::write(&key_at, key.serialize_pem()).unwrap();
    fs::set_permissions(&key_at, fs::Permissions::from_mode(0o600)).unwrap();
}
