//! Can an issuer be asked where it says, and does nobody listen on the way?

use std::cell::OnceCell;
use std::net::SocketAddr;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::super::check_reachable;
use crate::bounds;
use crate::document::NodeId;
use crate::external::{Place, Roots};
use crate::files::FileError;
use crate::reader::{Field, Located, Reading};
use crate::units::{Flag, Location, Text};
use crate::written::Issuer;

pub(super) struct Places<'a> {
    reading: Reading<'a>,
    /// What this machine trusts, read where somebody relies on it.
    system: OnceCell<Option<Roots>>,
}

impl<'a> Places<'a> {
    pub(super) fn new(reading: Reading<'a>) -> Self {
        Self {
            reading,
            system: OnceCell::new(),
        }
    }

    pub(super) fn compile(&self, field: &Field<Location>, issuer: &Issuer) -> Option<Place> {
        let given = field.given()?;
        let Location {
            is_secured,
            host,
            port,
            path,
        } = given.value.clone();
        if let Some(ip) = given.value.ip() {
            let address = SocketAddr::new(ip, port);
            check_reachable(address, given.node, "no issuer can", self.reading);
        }
        let roots = if is_secured {
            Some(self.roots(given.node, &issuer.ca_file)?)
        } else {
            self.check_unencrypted(given, &issuer.unencrypted);
            self.refuse_idle(&issuer.ca_file);
            None
        };
        Some(Place {
            host,
            port,
            path,
            roots,
        })
    }

    /// What is said to another machine can be read and forged on its way there.
    fn check_unencrypted(&self, given: &Located<Location>, unencrypted: &Field<Flag>) {
        let is_allowed = match unencrypted {
            Field::Absent => false,
            Field::Broken => true,
            Field::Given(flag) => flag.value.0,
        };
        let ip = given.value.ip().map(|ip| ip.to_canonical());
        // What means every interface is refused for that already.
        let is_here = ip.is_some_and(|ip| ip.is_loopback() || ip.is_unspecified());
        if is_here || is_allowed {
            return;
        }
        let message = "whoever listens on the way to this place could read and forge tokens";
        let note = "use https, or allow it with `unencrypted: true`";
        let finding = self.reading.find(given.node, message);
        self.reading.report.add(finding.note(note));
    }

    fn refuse_idle(&self, ca_file: &Field<Text>) {
        if let Some(given) = ca_file.given() {
            let message = "`ca_file` has no effect on a place without TLS";
            let finding = self.reading.find(given.node, message);
            let note = "leave it out, or write `https://`";
            self.reading.report.add(finding.note(note));
        }
    }

    /// Who may vouch for the host.
    fn roots(&self, place: NodeId, ca_file: &Field<Text>) -> Option<Roots> {
        match ca_file {
            Field::Given(file) => self.read(file),
            Field::Broken => None,
            Field::Absent => {
                let system = self.system.get_or_init(of_this_machine).clone();
                if system.is_none() {
                    let message = "this machine trusts no certificates that could vouch for it";
                    let finding = self.reading.find(place, message);
                    let note = "install those of your system, or name some with `ca_file`";
                    self.reading.report.add(finding.note(note));
                }
                system
            }
        }
    }

    fn read(&self, file: &Located<Text>) -> Option<Roots> {
        let reading = self.reading;
        let full = reading.environment.folder().join(Path::new(&file.value.0));
        let content = reading.files.borrow_mut().read(&full, bounds::PEM_MAX);
        let refuse = |message: String, note: &str| {
            let finding = reading.find(file.node, message);
            reading.report.add(finding.note(note));
        };
        let content = content.map_err(|error| match error {
            FileError::Io(_) => refuse(
                error.to_string(),
                "paths begin at the folder of the configuration",
            ),
            FileError::NotAFile | FileError::TooLarge(_) => {
                refuse(error.to_string(), "expected a file with certificates in it");
            }
        });
        let bytes = content.ok()?.bytes;
        let certificates = CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>();
        let roots = certificates.ok().and_then(Roots::new);
        if roots.is_none() {
            let message = "there is no certificate in this file that could vouch for others";
            refuse(message.to_owned(), "expected certificates in PEM");
        }
        roots
    }
}

/// A certificate that cannot be read is no reason not to trust the others.
fn of_this_machine() -> Option<Roots> {
    Roots::new(rustls_native_certs::load_native_certs().certs)
}
