//! What a gateway shows under TLS: certificates made on the spot, and clients that trust them.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use rustls::{ALL_VERSIONS, ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;

pub(crate) struct Site {
    folder: TempDir,
    /// Every certificate that was ever made, all of which clients trust.
    made: Mutex<Vec<CertificateDer<'static>>>,
}

/// How a client asks.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) name: String,
}

impl Site {
    /// The name of the first certificate.
    pub(crate) const FIRST: &'static str = "edge.test";

    /// A site with one certificate.
    pub(crate) fn new() -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
            made: Mutex::default(),
        };
        site.write("first", &[Self::FIRST]);
        site
    }

    /// Makes a certificate, in the place of one that is there.
    pub(crate) fn write(&self, file: &str, names: &[&str]) {
        self.write_for(file, names, 2000..2090);
    }

    pub(crate) fn write_for(&self, file: &str, names: &[&str], years: Range<i32>) {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut asked = CertificateParams::new(names).unwrap();
        asked.not_before = date_time_ymd(years.start, 1, 1);
        asked.not_after = date_time_ymd(years.end, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = asked.self_signed(&key).unwrap();
        self.made.lock().unwrap().push(certificate.der().clone());
        fs::create_dir_all(self.path(file, "crt").parent().unwrap()).unwrap();
        for (kind, text) in [("crt", certificate.pem()), ("key", key.serialize_pem())] {
            let (path, next) = (self.path(file, kind), self.path(file, "next"));
            fs::write(&next, text).unwrap();
            fs::rename(&next, &path).unwrap();
        }
    }

    pub(crate) fn path(&self, file: &str, kind: &str) -> PathBuf {
        self.folder.path().join(format!("{file}.{kind}"))
    }

    /// A listener that shows these certificates, as the configuration has it.
    pub(crate) fn listener(&self, files: &[&str]) -> String {
        let pair = |file: &&str| {
            let (cert, key) = (self.path(file, "crt"), self.path(file, "key"));
            format!("cert: {}, key: {}", cert.display(), key.display())
        };
        let (first, others) = files.split_first().unwrap();
        let others: Vec<_> = others
            .iter()
            .map(|file| format!("{{ {} }}", pair(file)))
            .collect();
        let others = others.join(", ");
        let first = pair(first);
        format!("{{ address: 127.0.0.1:0, tls: {{ {first}, others: [{others}] }} }}")
    }

    pub(crate) fn certificate(&self, file: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.path(file, "crt")).unwrap()
    }

    /// A client that asks for `name`.
    pub(crate) fn visit(&self, name: &str) -> Visit {
        self.visit_with(ALL_VERSIONS, name, |_| {})
    }

    pub(crate) fn visit_with(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        name: &str,
        adjust: impl FnOnce(&mut ClientConfig),
    ) -> Visit {
        let mut roots = RootCertStore::empty();
        for certificate in self.made.lock().unwrap().iter() {
            roots.add(certificate.clone()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        adjust(&mut config);
        Visit {
            config: Arc::new(config),
            name: name.to_owned(),
        }
    }
}
