//! Where everybody of a fleet lives, and the files they are started with.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::bench::BenchError;

use super::FleetSettings;

/// The one client, which acts for itself and for users alike.
pub const CLIENT: &str = "shop";
pub const USER: &str = "alice";
/// How long its tokens are good.
pub const ACCESS_LIFE: Duration = Duration::from_secs(60 * 60);
/// Another client, whose tokens are soon over.
pub const BRIEF: &str = "kiosk";
pub const BRIEF_LIFE: Duration = Duration::from_secs(10);
pub(super) const READY_WITHIN: Duration = Duration::from_secs(10);

/// What a gateway lets through, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// For whoever has the scope; without proof that a token is still good, nobody.
    Strict,
    /// The same, and for a while without proof.
    Tolerant,
    /// For everybody.
    Open,
}

impl Route {
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Strict => "/strict/1",
            Self::Tolerant => "/tolerant/1",
            Self::Open => "/open/1",
        }
    }
}

pub(super) struct IdpSite {
    pub(super) public: SocketAddr,
    pub(super) internal: SocketAddr,
    /// Where it reaches Redis.
    pub(super) redis: Option<SocketAddr>,
}

pub(super) struct GatewaySite<'a> {
    pub(super) listen: SocketAddr,
    pub(super) admin: SocketAddr,
    /// Where it reaches the identity provider.
    pub(super) idp: SocketAddr,
    pub(super) redis: Option<SocketAddr>,
    /// Of the service.
    pub(super) endpoints: &'a [SocketAddr],
}

impl IdpSite {
    pub(super) fn file(&self, settings: &FleetSettings, dir: &Path) -> String {
        let at = |name: &str| dir.join(name).display().to_string();
        format!(
            r#"threads: 1
provider:
  listen: "{public}"
  internal: "{internal}"
  store: {{ path: "{store}", key_file: "{key}" }}
  admin_key_file: "{admin_key}"
  gateway_key_file: "{gateway_key}"
  audit_log: "{audit}"
{redis}  clients:
    {CLIENT}:
      secret_file: "{secret}"
      grants: [client_credentials, authorization_code, refresh_token]
      redirect_uris: ["https://client.example/callback"]
      scopes: [pay.read]
      audience: [pay]
      lifetimes: {{ access: {access}s, idle: {idle}s, absolute: 12h }}
    {BRIEF}:
      secret_file: "{brief_secret}"
      grants: [client_credentials]
      scopes: [pay.read]
      audience: [pay]
      lifetimes: {{ access: {brief}s, idle: 60s, absolute: 12h }}
  users:
    {USER}: {{ password_file: "{password}" }}
"#,
            public = self.public,
            internal = self.internal,
            store = at("idp.redb"),
            key = at("idp.key"),
            admin_key = at("admin.key"),
            gateway_key = at("gateway.key"),
            audit = at("audit.log"),
            redis = redis(self.redis),
            secret = at("shop.secret"),
            password = at("alice.password"),
            access = ACCESS_LIFE.as_secs(),
            idle = settings.idle.as_secs(),
            brief = BRIEF_LIFE.as_secs(),
            brief_secret = at("kiosk.secret"),
        )
    }
}

impl GatewaySite<'_> {
    pub(super) fn file(&self, settings: &FleetSettings, idp: &IdpSite, dir: &Path) -> String {
        let require = "require: { scopes: [pay.read] }";
        let endpoints = self.endpoints.iter().map(|at| format!("\"{at}\""));
        let endpoints: Vec<_> = endpoints.collect();
        format!(
            r#"listen: [{{ address: "{listen}" }}]
admin: {{ address: "{admin}" }}
threads: 1
log: {{ access: {access} }}
deadlines: {{ lame_duck: 100ms, drain: 5s }}
idp:
  issuer: "http://{public}"
  internal: "{internal}"
  key_file: "{key}"
  lease: {lease}ms
  grace: {grace}ms
{redis}{cache}services:
  pay: {{ endpoints: [{endpoints}], timeout: 2s, connect_timeout: 500ms }}
routes:
  - {{ name: strict, match: "GET /strict/{{rest*}}", to: pay, {require}, staleness: strict }}
  - {{ name: tolerant, match: "GET /tolerant/{{rest*}}", to: pay, {require}, staleness: tolerant }}
  - {{ name: open, match: "GET /open/{{rest*}}", to: pay }}
"#,
            listen = self.listen,
            admin = self.admin,
            public = idp.public,
            internal = self.idp,
            access = access(settings, dir),
            key = dir.with_file_name("idp").join("gateway.key").display(),
            lease = settings.lease.as_millis(),
            grace = settings.grace.as_millis(),
            redis = redis(self.redis),
            cache = cache(settings.cache_mib),
            endpoints = endpoints.join(", "),
        )
    }
}

fn redis(at: Option<SocketAddr>) -> String {
    at.map_or_else(String::new, |at| {
        format!("  redis: {{ url: \"redis://{at}/0\" }}\n")
    })
}

fn access(settings: &FleetSettings, dir: &Path) -> String {
    match settings.has_access_logs {
        true => format!("\"{}\"", dir.join("access.log").display()),
        false => "off".to_owned(),
    }
}

fn cache(mib: Option<u32>) -> String {
    mib.map_or_else(String::new, |mib| {
        format!("  cache: {{ size: {mib}MiB }}\n")
    })
}

/// So many addresses nobody listens on. Every fleet has a loopback address of its own, so that no
/// other can take a port before its owner does.
pub(super) fn free_addresses(count: usize) -> Result<Vec<SocketAddr>, BenchError> {
    static FLEETS: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let fleet = FLEETS.fetch_add(1, Ordering::Relaxed);
    let host = Ipv4Addr::new(127, 128 + high % 120, low, fleet.max(1));
    let bind = |_| TcpListener::bind((host, 0));
    let held: io::Result<Vec<_>> = (0..count).map(bind).collect();
    let addresses = held.and_then(|held| held.iter().map(TcpListener::local_addr).collect());
    addresses.map_err(BenchError::io("cannot find free ports"))
}
