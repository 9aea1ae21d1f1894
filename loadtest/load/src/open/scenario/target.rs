//! Where requests go: an address that was looked up once, and how it is spoken to.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::ServerName;

use super::super::secure::{Trust, client_config};
use super::fields::Field;

/// Who is asked.
#[derive(Clone, Debug)]
pub struct Target {
    pub address: SocketAddr,
    /// What `Host` says.
    pub authority: String,
    pub(in crate::open) secure: Option<Secure>,
}

/// How a target is spoken to that is behind TLS.
#[derive(Clone, Debug)]
pub(in crate::open) struct Secure {
    pub(in crate::open) config: Arc<rustls::ClientConfig>,
    /// Whose certificate is to be shown.
    pub(in crate::open) name: ServerName<'static>,
}

/// What a scenario says of TLS, for all its targets.
#[derive(Debug, Default)]
pub(super) struct Tls {
    pub(super) trust: Option<Trust>,
    name: Option<ServerName<'static>>,
}

const EXPECTED: &str = "`http://` or `https://` and a host with its port";

impl Tls {
    pub(super) fn read(field: &Field<'_>, folder: &Path) -> Option<Self> {
        let mut fields = field.fields("`{ ca: FILE }` or `{ insecure: true }`")?;
        let ca = fields.find("ca");
        let insecure = fields.find("insecure");
        let name = fields.find("name");
        fields.finish();
        let file = ca.as_ref().and_then(|ca| ca.text("a file"));
        let is_insecure = insecure
            .as_ref()
            .and_then(|it| it.read("true or false", |text| text.parse::<bool>().ok()));
        let trust = match (file, is_insecure) {
            (Some(file), None | Some(false)) => match Trust::of_file(&folder.join(file)) {
                Ok(trust) => Some(trust),
                Err(why) => {
                    field.complain(&format!("`{}.ca`: {why}", field.name()));
                    None
                }
            },
            (None, Some(true)) => Some(Trust::Anybody),
            (_, _) => {
                let message = "`tls` says either whom to trust, `ca: FILE`, or `insecure: true`";
                field.complain(message);
                None
            }
        };
        let name = name.and_then(|name| {
            name.read("the name in a certificate", |text| {
                ServerName::try_from(text.to_owned()).ok()
            })
        });
        Some(Self { trust, name })
    }
}

impl Target {
    pub(super) fn read(field: &Field<'_>, tls: Option<&Tls>, is_h2: bool) -> Option<Self> {
        let text = field.text(EXPECTED)?;
        Self::of(field, text, (tls, is_h2))
    }

    fn of(field: &Field<'_>, text: &str, (tls, is_h2): (Option<&Tls>, bool)) -> Option<Self> {
        let (is_secure, authority) = field.read(EXPECTED, |_| split(text))?;
        let address = field.read("a host that is found", |_| find(authority))?;
        let secure = match (is_secure, tls) {
            (false, _) => None,
            (true, Some(tls)) => Some(Secure {
                // What is wrong with `tls` was noted there.
                config: client_config(tls.trust.as_ref()?, is_h2),
                name: tls.name.clone().or_else(|| name_of(authority))?,
            }),
            (true, None) => {
                let message = "a target with `https://` needs `tls: { ca: FILE }`, \
                               or `tls: { insecure: true }`, which believes anybody";
                field.complain(message);
                return None;
            }
        };
        Some(Self {
            address,
            authority: authority.to_owned(),
            secure,
        })
    }

    pub(in crate::open) fn at(address: SocketAddr) -> Self {
        Self {
            address,
            authority: address.to_string(),
            secure: None,
        }
    }

    /// In the place of one that could not be read.
    pub(super) fn nowhere() -> Self {
        Self::at(SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    /// A target with a path behind it.
    pub(super) fn read_url<'a>(field: &Field<'a>, tls: Option<&Tls>) -> Option<(Self, &'a str)> {
        let expected = "`http://` or `https://`, a host with its port, and a path";
        let text = field.text(expected)?;
        let at = text.find("://").map_or(0, |at| at + 3);
        let path = text.get(at..).and_then(|rest| rest.find('/'));
        let path_at = path.map_or(text.len(), |path| at + path);
        let (base, path) = text.split_at(path_at);
        let target = Self::of(field, base, (tls, false))?;
        Some((target, if path.is_empty() { "/" } else { path }))
    }

    /// The same, spoken to in HTTP/1.1.
    pub(in crate::open) fn without_h2(&self) -> Self {
        let secure = self.secure.as_ref().map(|secure| {
            let mut config = rustls::ClientConfig::clone(&secure.config);
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Secure {
                config: Arc::new(config),
                name: secure.name.clone(),
            }
        });
        Self {
            secure,
            ..self.clone()
        }
    }

    /// The same as `other`, for connections.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.authority == other.authority && self.secure.is_some() == other.secure.is_some()
    }
}

fn split(text: &str) -> Option<(bool, &str)> {
    let (is_secure, rest) = match text.strip_prefix("https://") {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix("http://")?),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = authority.rsplit_once(':')?;
    let is_right = !host.is_empty() && !authority.contains(['/', '?', '#', '@', ' ']);
    (is_right && port.parse::<u16>().is_ok()).then_some((is_secure, authority))
}

fn find(authority: &str) -> Option<SocketAddr> {
    authority.to_socket_addrs().ok()?.next()
}

fn name_of(authority: &str) -> Option<ServerName<'static>> {
    let (host, _) = authority.rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']);
    ServerName::try_from(host.to_owned()).ok()
}
