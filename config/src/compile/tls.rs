//! What does a listener show its clients, and can it?
//!
//! Certificates and keys are read here, so that a file that names a broken one is refused before
//! anything runs with it. One that has expired is not refused but warned of: to go on with it serves
//! some clients, to stay down or behind serves none.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::{Missing, check_count};
use crate::bounds;
use crate::certificate::{CertificateError, Chain, Key, Validity};
use crate::document::NodeId;
use crate::files::FileError;
use crate::gateway::{Certificate, Tls};
use crate::reader::{Field, Located, Reading};
use crate::units::Text;
use crate::written;

const CERT: Missing = Missing {
    key: "cert",
    example: "cert: tls/example.com.crt",
};
const KEY: Missing = Missing {
    key: "key",
    example: "key: tls/example.com.key",
};

/// Whose certificate has a name, and where it is written.
type Named = HashMap<String, NodeId>;

/// `None` for a listener in plain text.
pub(super) fn compile(tls: &Field<written::Tls>, reading: Reading<'_>) -> Option<Tls> {
    let Located { value: tls, node } = tls.given()?;
    let others_max = bounds::CERTIFICATES_MAX;
    check_count(tls.others.count(), others_max, "certificates", reading);
    let mut named = Named::new();
    let first = pair(&tls.cert, &tls.key, *node, reading);
    let first = first.and_then(|pair| pair.read(&mut named, reading));
    let others = tls.others.items().take(others_max);
    let others = others.filter_map(|other| {
        let written::Certificate { cert, key } = &other.value;
        pair(cert, key, other.node, reading)?.read(&mut named, reading)
    });
    Some(Tls {
        certificates: first.into_iter().chain(others).collect(),
    })
}

/// The two files of one certificate.
struct Pair<'f> {
    cert: &'f Located<Text>,
    key: &'f Located<Text>,
}

/// Reports whichever of the two is missing.
fn pair<'f>(
    cert: &'f Field<Text>,
    key: &'f Field<Text>,
    parent: NodeId,
    reading: Reading<'_>,
) -> Option<Pair<'f>> {
    let cert = CERT.check(cert, parent, reading);
    let key = KEY.check(key, parent, reading);
    Some(Pair {
        cert: cert?,
        key: key?,
    })
}

impl Pair<'_> {
    fn read(&self, named: &mut Named, reading: Reading<'_>) -> Option<Certificate> {
        let chain = self.read_chain(named, reading);
        let key = self.read_key(reading);
        let paired = chain?.with(key?);
        let refuse = |error: CertificateError| {
            let finding = reading.find(self.key.node, error.to_string());
            let finding = finding.note(error.advice());
            let cert = reading.span(self.cert.node);
            reading.report.add(finding.other(cert, "the certificate"));
        };
        paired.map_err(refuse).ok()
    }

    fn read_chain(&self, named: &mut Named, reading: Reading<'_>) -> Option<Chain> {
        let content = read(self.cert, reading)?;
        let chain = Chain::parse(&content.bytes);
        let chain = report(chain, self.cert, reading)?;
        check_validity(chain.validity, self.cert, reading);
        for name in &chain.names {
            match named.get(name) {
                Some(first) => refuse_namesake(name, *first, self.cert, reading),
                None => drop(named.insert(name.clone(), self.cert.node)),
            }
        }
        Some(chain)
    }

    fn read_key(&self, reading: Reading<'_>) -> Option<Key> {
        let content = read(self.key, reading)?;
        if content.is_readable_by_everybody {
            let finding =
                reading.find(self.key.node, "everybody on this machine can read this key");
            reading
                .report
                .warn(finding.note("take it from others: `chmod o-r`"));
        }
        report(Key::parse(&content.bytes), self.key, reading)
    }
}

fn report<T>(
    parsed: Result<T, CertificateError>,
    file: &Located<Text>,
    reading: Reading<'_>,
) -> Option<T> {
    let refuse = |error: CertificateError| {
        let finding = reading.find(file.node, error.to_string());
        reading.report.add(finding.note(error.advice()));
    };
    parsed.map_err(refuse).ok()
}

fn read(file: &Located<Text>, reading: Reading<'_>) -> Option<crate::files::Content> {
    let path = Path::new(&file.value.0);
    let full = reading.environment.folder().join(path);
    let content = reading.files.borrow_mut().read(&full, bounds::PEM_MAX);
    let refuse = |error: FileError| {
        let note = match error {
            FileError::Io(_) if path.is_relative() => {
                "paths begin at the folder of the configuration"
            }
            FileError::Io(_) => "",
            FileError::NotAFile => "expected a file with PEM in it",
            FileError::TooLarge(_) => "expected one certificate with its chain, or one key",
        };
        reading
            .report
            .add(reading.find(file.node, error.to_string()).note(note));
    };
    content.map_err(refuse).ok()
}

/// Which of two would a client get? Nobody should have to know.
fn refuse_namesake(name: &str, first: NodeId, file: &Located<Text>, reading: Reading<'_>) {
    let message = "two certificates of a listener cannot share a name";
    let finding = reading.find(file.node, message);
    let finding = finding.note(format!("this one is for `{name}`"));
    let first = reading.span(first);
    reading.report.add(finding.other(first, "so is this one"));
}

fn check_validity(validity: Validity, file: &Located<Text>, reading: Reading<'_>) {
    let now = reading.environment.unix_seconds();
    let date = |seconds: u64| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    let (message, note) = if now > validity.until_unix_seconds {
        let since = date(validity.until_unix_seconds);
        (
            "this certificate has expired",
            format!("since {since} clients refuse it"),
        )
    } else if now < validity.from_unix_seconds {
        let from = date(validity.from_unix_seconds);
        (
            "this certificate is not valid yet",
            format!("until {from} clients refuse it"),
        )
    } else {
        return;
    };
    reading
        .report
        .warn(reading.find(file.node, message).note(note));
}
